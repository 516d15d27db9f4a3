//! What can be wrong with bytes of a log, and whose fault it is.

use ids::Fault;

/// Why bytes of a log were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Text that is not the path of a tile.
    #[error("{0:?} is not the path of a tile")]
    TilePath(String),
    /// A hash tile of the wrong length.
    #[error("a tile of {found} bytes where {expected} were expected")]
    TileLength {
        /// Bytes that the coordinates ask for.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// An entry bundle whose lengths do not add up, or with more than 256 entries.
    #[error("the entry bundle is malformed at byte {0}")]
    EntryBundle(usize),
    /// An entry that is empty or longer than 65,535 bytes.
    #[error("an entry of {0} bytes: 1 to 65535 are allowed")]
    EntryLength(usize),
    /// An index or a size that the tree does not have.
    #[error("{index} is outside a tree of {size} entries")]
    OutsideTree {
        /// The index, or the smaller size.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// An inclusion proof that does not lead to the root.
    #[error("the inclusion proof of entry {index} in a tree of {size} does not hold")]
    Inclusion {
        /// Index of the entry.
        index: u64,
        /// Size of the tree.
        size: u64,
    },
    /// A consistency proof that does not lead to both roots.
    #[error("a tree of {new} entries is not shown to continue that of {old}")]
    Consistency {
        /// The smaller size.
        old: u64,
        /// The greater size.
        new: u64,
    },
    /// Text that is not a verifier key.
    #[error("not a verifier key: {0}")]
    VerifierKey(&'static str),
    /// Bytes that are not a signed note.
    #[error("not a signed note: {0}")]
    Note(&'static str),
    /// None of the keys that the reader trusts signed the note.
    #[error("the note bears no signature of a known key")]
    Unsigned,
    /// A signature in the name of a known key that its owner did not make.
    #[error("the signature of {0:?} does not hold")]
    Signature(String),
    /// Text that is not a checkpoint.
    #[error("not a checkpoint: {0}")]
    Checkpoint(&'static str),
    /// A checkpoint of another log.
    #[error("a checkpoint of {found:?} where one of {expected:?} was expected")]
    Origin {
        /// Name of the log that was asked for.
        expected: String,
        /// Origin of the checkpoint.
        found: String,
    },
    /// Bytes that are not a tlog-proof.
    #[error("not a log proof: {0}")]
    LogProof(&'static str),
}

impl Error {
    /// Whose fault it is: malformed bytes, or well-formed ones whose proof or signature fails.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::TilePath(_)
            | Self::TileLength { .. }
            | Self::EntryBundle(_)
            | Self::EntryLength(_)
            | Self::OutsideTree { .. }
            | Self::VerifierKey(_)
            | Self::Note(_)
            | Self::Checkpoint(_)
            | Self::LogProof(_) => Fault::Input,
            Self::Inclusion { .. }
            | Self::Consistency { .. }
            | Self::Unsigned
            | Self::Signature(_)
            | Self::Origin { .. } => Fault::Refused,
        }
    }
}
