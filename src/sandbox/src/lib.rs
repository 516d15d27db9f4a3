//! Child processes with limits
