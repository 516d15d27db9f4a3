//! Bundles on media
