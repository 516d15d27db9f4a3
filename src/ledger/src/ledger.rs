//! What a log with one writer can do, and the limits of a batch.

use crate::error::Error;
use ids::Digest;
use merkle::ENTRY_BYTES_MAX;
use std::ops::Range;

/// Greatest number of entries in one append.
pub const BATCH_ENTRIES_MAX: usize = 4096;
/// Greatest number of bytes of all entries in one append.
pub const BATCH_BYTES_MAX: usize = 16 << 20;
/// The journal starts again when it has grown by so many bytes.
pub const ROTATE_BYTES: u64 = 16 << 20;

/// What an append made true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Index of the first entry of the batch.
    pub first_index: u64,
    /// The signed checkpoint of the log with the batch: a note.
    pub checkpoint: String,
}

/// A log with one writer.
pub trait Ledger: Send {
    /// Adds a batch of entries, durably and all or none. An empty batch changes nothing.
    ///
    /// # Errors
    /// [`Error::Batch`] and [`Error::Request`] if it is not allowed: nothing was changed. After any
    /// other error the outcome is unknown, and every later append is [`Error::Poisoned`].
    fn append(&mut self, entries: Vec<Vec<u8>>) -> Result<Appended, Error>;

    /// Number of entries.
    fn size(&self) -> u64;

    /// The newest signed checkpoint: a note.
    fn checkpoint(&self) -> &str;

    /// The entries in `range`.
    ///
    /// # Errors
    /// [`Error::Request`] for a range outside the log; what reading fails with.
    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Error>;

    /// Proof that entry `index` is among the first `size`.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Digest>, Error>;

    /// Proof that the first `new` entries continue the first `old`.
    ///
    /// # Errors
    /// As [`Ledger::entries`].
    fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Digest>, Error>;
}

pub(crate) fn check_batch(entries: &[Vec<u8>]) -> Result<(), Error> {
    let bytes = entries.iter().map(Vec::len).sum();
    if entries.len() > BATCH_ENTRIES_MAX || bytes > BATCH_BYTES_MAX {
        return Err(Error::Batch { entries: entries.len(), bytes });
    }
    let allowed = |length: &usize| (1..=ENTRY_BYTES_MAX).contains(length);
    match entries.iter().map(Vec::len).find(|length| !allowed(length)) {
        Some(length) => Err(merkle::Error::EntryLength(length).into()),
        None => Ok(()),
    }
}
