//! Crash-safe files behind a small `Disk` trait: a real one, one in memory, and one that fails on
//! purpose; and the two shapes that larger machines put behind the same calls (`Blobs`, `Commit`).
//!
//! Start reading at [`Disk`].
//!
//! **Invariant:** when a call that promises durability returns `Ok`, the bytes survive a power cut.
//! **Invariant:** a failed sync is final. The kernel may have dropped the dirty pages and cleared the
//! error, so a second sync proves nothing: callers treat any error of `append`, `write_atomic`,
//! `sync`, `sync_dir` and `sync_filesystem` as fatal for what they hold in memory, and read the disk
//! again before they go on.
//! **Invariant:** nothing here knows what the bytes mean.

mod blobs;
mod commit;
mod disk;
mod faulty;
mod mem;
mod real;

pub use blobs::{Blobs, FileBlobs, check_key};
pub use commit::{Commit, CommitError, FileCommit};
pub use disk::{Disk, WriteFile, is_temporary};
pub use faulty::{Failure, FaultyDisk};
pub use mem::MemDisk;
pub use real::RealDisk;
