//! A published log, read only: what an auditor, an exporter or a second machine needs.

use crate::{error::Error, tiles::Tiles};
use durable::Blobs;
use ids::Digest;
use merkle::{Checkpoint, LogProof, VerifierKey, consistency_proof, inclusion_proof};
use std::{ops::Range, sync::Arc};

/// A log in plain files or any other store of objects, as its published checkpoint describes it.
///
/// Tiles are read when asked for. A proof that they yield is worth what verifying it says; entries are
/// compared with the leaf hashes beside them, and [`Log::verify_all`] with the signed root.
#[derive(Clone)]
pub struct Log {
    blobs: Arc<dyn Blobs>,
    note: String,
    checkpoint: Checkpoint,
}

impl Log {
    /// Reads the published checkpoint and checks that `key` signed it.
    ///
    /// # Errors
    /// [`Error::Read`] if there is none, [`Error::Key`] if it is not one of that log.
    pub fn read(blobs: Arc<dyn Blobs>, key: &VerifierKey) -> Result<Self, Error> {
        let path = || "checkpoint".to_owned();
        let bytes =
            blobs.get("checkpoint").map_err(|source| Error::Read { path: path(), source })?;
        let checkpoint = Checkpoint::open(&bytes, key)
            .map_err(|source| Error::Key { key: key.name().to_owned(), source })?;
        let note = String::from_utf8(bytes).map_err(|_| Error::Damaged {
            path: path(),
            source: merkle::Error::Note("not UTF-8"),
        })?;
        Ok(Self { blobs, note, checkpoint })
    }

    /// The signed checkpoint, as it was published.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// What it says.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The entries in `range`.
    ///
    /// # Errors
    /// [`Error::Request`] for a range outside the log; [`Error::Read`], [`Error::Damaged`] and
    /// [`Error::Changed`] for the files.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Error> {
        self.tiles().entries(range)
    }

    /// A proof that entry `index` is in the log, with its checkpoint: a file that is verified offline.
    ///
    /// # Errors
    /// As [`Log::entries`].
    pub fn proof(&self, index: u64) -> Result<LogProof, Error> {
        let hashes = inclusion_proof(index, self.checkpoint.size, &self.tiles())?;
        Ok(LogProof { extra: None, index, hashes, checkpoint: self.note.clone() })
    }

    /// Proof that the log continues that of `old` entries.
    ///
    /// # Errors
    /// As [`Log::entries`].
    pub fn consistency_proof(&self, old: u64) -> Result<Vec<Digest>, Error> {
        consistency_proof(old, self.checkpoint.size, &self.tiles())
    }

    /// Hashes every entry, and compares all tiles and the signed root with the outcome.
    ///
    /// # Errors
    /// The first file that is missing or damaged; [`Error::Root`] if all fit each other but not the
    /// signature.
    pub fn verify_all(&self) -> Result<(), Error> {
        let size = self.checkpoint.size;
        let mut wrong = None;
        let edge = self.tiles().rehash(|tile, expected, found| {
            if found.as_deref() != Some(expected) {
                wrong.get_or_insert(tile);
            }
        })?;
        if edge.root() != self.checkpoint.root {
            return Err(Error::Root { size });
        }
        wrong.map_or(Ok(()), |tile| Err(Error::Changed(tile.to_string())))
    }

    fn tiles(&self) -> Tiles<'_> {
        Tiles { blobs: self.blobs.as_ref(), size: self.checkpoint.size }
    }
}
