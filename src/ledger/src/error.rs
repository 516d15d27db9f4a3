//! What can go wrong with a log, and whose fault it is.

use durable::CommitError;
use ids::Fault;
use std::{io, path::PathBuf};

/// Why a log could not be made, opened, read or appended to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A log was to be made where files of one are already.
    #[error("{0} holds files of a log already: a new one needs an empty folder")]
    Exists(PathBuf),
    /// A log was to be opened where there is none. None was started in its place.
    #[error(
        "there is no log in {0}: nothing was changed; check the path, or restore the folder from a \
         back-up"
    )]
    Missing(PathBuf),
    /// More entries or bytes in a batch than [`crate::BATCH_ENTRIES_MAX`] and
    /// [`crate::BATCH_BYTES_MAX`] allow.
    #[error("a batch of {entries} entries and {bytes} bytes is too big for one append")]
    Batch {
        /// Number of entries.
        entries: usize,
        /// Bytes of all of them.
        bytes: usize,
    },
    /// An entry, an index, a size or an origin that is not allowed; nothing was changed.
    #[error(transparent)]
    Request(#[from] merkle::Error),
    /// The batch is not known to be committed; the handle refuses everything until opened again.
    #[error("the batch could not be committed to the journal")]
    Commit(#[source] CommitError),
    /// An earlier write failed, so what is on disk is not known.
    #[error("an earlier write to the log failed: open the log again before going on")]
    Poisoned,
    /// A file that could not be read.
    #[error("could not read {path} of the log")]
    Read {
        /// Name below the folder of the log.
        path: String,
        /// What the disk answered.
        source: io::Error,
    },
    /// A file that could not be written.
    #[error("could not write {path} of the log")]
    Write {
        /// Name below the folder of the log.
        path: String,
        /// What the disk answered.
        source: io::Error,
    },
    /// A file that is not what its name says.
    #[error("{path} of the log is damaged")]
    Damaged {
        /// Name below the folder of the log.
        path: String,
        /// What is wrong with it.
        source: merkle::Error,
    },
    /// A tile that does not fit the entries or the hashes beside it.
    #[error("{0} of the log is not what was logged")]
    Changed(String),
    /// The newest checkpoint is not signed by the key that was given.
    #[error(
        "the log is not signed by the key {key}: nothing was changed; check the key and the origin"
    )]
    Key {
        /// Name of the key.
        key: String,
        /// What is wrong with the checkpoint.
        source: merkle::Error,
    },
    /// Two signed checkpoints that contradict each other.
    #[error(
        "two signed checkpoints of the log disagree about its first {size} entries: nothing was \
         changed; keep the folder as evidence, and restore a back-up elsewhere"
    )]
    Fork {
        /// Size of the smaller one.
        size: u64,
    },
    /// Damage that the other copy does not reach.
    #[error(
        "the log is damaged beyond what its journal and its tiles can mend together: {0}; nothing was \
         changed: restore the folder from a back-up"
    )]
    Lost(String),
    /// A whole log whose entries do not lead to the root of its checkpoint.
    #[error("the {size} entries of the log do not lead to the root that was signed")]
    Root {
        /// Size of the checkpoint.
        size: u64,
    },
}

impl Error {
    /// Whose fault it is. `Broken` means: stop, a person must look.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Batch { .. } => Fault::Input,
            Self::Request(error) => error.fault(),
            Self::Exists(_) => Fault::Conflict,
            Self::Key { .. } => Fault::Refused,
            Self::Commit(_) | Self::Write { .. } if self.is_storage_full() => Fault::Unavailable,
            Self::Commit(_)
            | Self::Write { .. }
            | Self::Missing(_)
            | Self::Poisoned
            | Self::Read { .. }
            | Self::Damaged { .. }
            | Self::Changed(_)
            | Self::Fork { .. }
            | Self::Lost(_)
            | Self::Root { .. } => Fault::Broken,
        }
    }

    /// Whether the disk had no space left.
    #[must_use]
    pub fn is_storage_full(&self) -> bool {
        match self {
            Self::Commit(CommitError::Storage(source)) | Self::Write { source, .. } => {
                source.kind() == io::ErrorKind::StorageFull
            }
            _ => false,
        }
    }
}
