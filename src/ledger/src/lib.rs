//! The log on disk
