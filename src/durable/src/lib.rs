//! Crash-safe files behind a small Disk trait
