//! The commit point: the one place whose change makes a batch true. etcd can take its shape over.

use crate::disk::Disk;
use std::{io, path::PathBuf, sync::Arc};

/// Why a commit was not made, or is not known to have been made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else committed, or the caller's picture is old. Nothing was changed.
    #[error("the commit point holds {found} bytes where {expected} were expected")]
    Moved {
        /// Bytes that the caller believes to be committed.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The storage failed: the frame may or may not be there, whole or in part. Load again.
    #[error("the commit point cannot be written")]
    Storage(#[source] io::Error),
}

/// A sequence of bytes that grows by whole frames, each durable when the call returns. One writer.
pub trait Commit: Send + Sync {
    /// Everything committed since the last `replace`. After a crash the tail may be part of a frame:
    /// the caller's frames tell it apart.
    ///
    /// # Errors
    /// `NotFound` if nothing was ever committed; what the storage answers.
    fn load(&self) -> io::Result<Vec<u8>>;

    /// Adds `frame`, durably, if exactly `expected_size` bytes are there (0 if nothing was ever
    /// committed).
    ///
    /// # Errors
    /// [`CommitError`]; after `Storage` the outcome is unknown.
    fn commit(&self, expected_size: u64, frame: &[u8]) -> Result<(), CommitError>;

    /// Puts `bytes` in the place of all, durably and at once, if exactly `expected_size` bytes are there.
    ///
    /// # Errors
    /// [`CommitError`]; after `Storage` the old or the new bytes are there.
    fn replace(&self, expected_size: u64, bytes: &[u8]) -> Result<(), CommitError>;
}

/// The commit point as one file of a [`Disk`]. It trusts that its process holds the folder's lock.
#[derive(Clone)]
pub struct FileCommit {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl FileCommit {
    /// The commit point in the file `path`, whose folder exists.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, path }
    }

    fn expect(&self, expected: u64) -> Result<(), CommitError> {
        let found = match self.disk.len(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            other => other.map_err(CommitError::Storage)?,
        };
        if found == expected { Ok(()) } else { Err(CommitError::Moved { expected, found }) }
    }
}

impl Commit for FileCommit {
    fn load(&self) -> io::Result<Vec<u8>> {
        self.disk.read(&self.path)
    }

    fn commit(&self, expected_size: u64, frame: &[u8]) -> Result<(), CommitError> {
        self.expect(expected_size)?;
        self.disk.append(&self.path, frame).map_err(CommitError::Storage)
    }

    fn replace(&self, expected_size: u64, bytes: &[u8]) -> Result<(), CommitError> {
        self.expect(expected_size)?;
        self.disk.write_atomic(&self.path, bytes).map_err(CommitError::Storage)
    }
}
