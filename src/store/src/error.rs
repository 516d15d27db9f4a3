//! What can go wrong in the store, and whose fault it is.

use ids::{Digest, Fault};
use std::{io, path::PathBuf};

/// An act of the store that failed. What was in the store before is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of the store could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder of the store could not be written, renamed or removed.
    #[error("could not write {}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The disk said that it is full.
    #[error("no space left for {}", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// Writing would eat into the space that is kept free, so nothing was written.
    #[error("{needed} bytes are needed and {available} are available")]
    NoRoom {
        /// Bytes to write plus bytes to keep free.
        needed: u64,
        /// Bytes available on the disk.
        available: u64,
    },
    /// The bytes for a payload could not be read from where they come, e.g. a pulled medium.
    #[error("could not read the bytes of payload {digest}")]
    Source {
        /// Which payload.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// The bytes for a payload ended too early.
    #[error("payload {digest} ended after {got} of {expected} bytes")]
    Short {
        /// Which payload.
        digest: Digest,
        /// Bytes that were promised.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// The bytes are not those of the digest; they were removed.
    #[error("bytes for payload {digest} have digest {actual}")]
    Mismatch {
        /// Which payload was promised.
        digest: Digest,
        /// What came.
        actual: Digest,
    },
    /// A part that lies outside its payload.
    #[error("bytes {offset} to {end} lie outside payload {digest} of {total} bytes")]
    OutOfRange {
        /// Which payload.
        digest: Digest,
        /// First byte of the part.
        offset: u64,
        /// Byte after the last of the part.
        end: u64,
        /// Length of the payload.
        total: u64,
    },
    /// Somebody else is writing the same payload of the same import.
    #[error("payload {digest} is being written already")]
    Busy {
        /// Which payload.
        digest: Digest,
    },
    /// A payload that is not in the store.
    #[error("payload {digest} is not in the store")]
    Absent {
        /// Which payload.
        digest: Digest,
    },
    /// A payload that is longer than the reader wants to hold in memory.
    #[error("payload {digest} is {length} bytes long, more than {max}")]
    TooLong {
        /// Which payload.
        digest: Digest,
        /// Its length in bytes.
        length: u64,
        /// The greatest length that was asked for.
        max: u64,
    },
    /// A payload in the store whose bytes have changed since it was written: the disk fails.
    #[error("payload {digest} on disk has digest {actual}")]
    Damaged {
        /// Which payload.
        digest: Digest,
        /// The digest of what is on disk now.
        actual: Digest,
    },
    /// A value that cannot be evidence: no canonical JSON, or too long.
    #[error("value cannot be kept as evidence: {reason}")]
    NotEvidence {
        /// What is wrong with it.
        reason: String,
    },
    /// Evidence that was withheld, erased or never here.
    #[error("evidence {commitment} is not here")]
    NoEvidence {
        /// The commitment that events hold.
        commitment: Digest,
    },
    /// Evidence that does not match the commitment any more.
    #[error("evidence {commitment} does not match its commitment")]
    FalseEvidence {
        /// The commitment that events hold.
        commitment: Digest,
    },
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Short { .. }
            | Self::Mismatch { .. }
            | Self::OutOfRange { .. }
            | Self::TooLong { .. }
            | Self::NotEvidence { .. } => Fault::Input,
            Self::Busy { .. } => Fault::Conflict,
            Self::Full { .. }
            | Self::NoRoom { .. }
            | Self::Source { .. }
            | Self::Absent { .. }
            | Self::NoEvidence { .. } => Fault::Unavailable,
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Damaged { .. }
            | Self::FalseEvidence { .. } => Fault::Broken,
        }
    }

    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Read { path, source }
    }

    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source }
            }
            _ => Self::Write { path, source },
        }
    }
}
