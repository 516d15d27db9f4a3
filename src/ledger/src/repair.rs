//! What opening a log mended: for the event that says so.

use std::fmt;

/// One thing that was found wrong and put right. Shown as a plain sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// The journal ended in part of a frame, which was never acknowledged; it was taken out.
    TornFrame {
        /// Where it began in the journal.
        offset: u64,
        /// Its length.
        bytes: u64,
        /// Name of the file that keeps it; none where the disk had no space for it.
        kept: Option<String>,
    },
    /// The journal was damaged, cut or missing, and was written anew from the tiles.
    JournalRebuilt {
        /// Number of entries in the log, all covered by a signed checkpoint.
        size: u64,
        /// Name of the file that keeps the damaged journal, if there was one and there was space.
        kept: Option<String>,
    },
    /// Hash tiles were damaged or missing, and were computed again from the entries.
    TilesRebuilt {
        /// How many.
        tiles: usize,
    },
    /// The published checkpoint was damaged, missing or from before the journal.
    CheckpointRepublished,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aside = |kept: &Option<String>| match kept {
            Some(name) => format!("kept as {name}"),
            None => "not kept".to_owned(),
        };
        match self {
            Self::TornFrame { offset, bytes, kept } => write!(
                f,
                "a batch that was never acknowledged was taken out of the journal ({bytes} bytes at \
                 {offset}, {})",
                aside(kept)
            ),
            Self::JournalRebuilt { size, kept } => write!(
                f,
                "the journal was damaged and was rebuilt from the tiles up to {size} entries (the \
                 damaged one is {})",
                aside(kept)
            ),
            Self::TilesRebuilt { tiles } => {
                write!(
                    f,
                    "{tiles} damaged or missing hash tiles were computed again from the entries"
                )
            }
            Self::CheckpointRepublished => f.write_str(
                "the published checkpoint was damaged, missing or old and was written again",
            ),
        }
    }
}
