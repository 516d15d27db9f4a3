//! A restored appliance: it only reads, until two people open its next epoch (`epoch.rs`).
//!
//! `recovery/` in the data folder holds `restored.json` (of which backup), `payloads` (what the store
//! held then), `held` (the newest checkpoint that an endpoint showed since), `contradicted` (one that
//! the log does not lead to), `roots/` (site roots newer than the backup) and the next log in the making.

use crate::{Error, Folder, Held, Site, witness::Follows};
use api::CheckIn;
use durable::Disk;
use ids::{Digest, SiteName, Timestamp};
use merkle::Checkpoint;
use serde::{Deserialize, Serialize};
use std::{io, sync::PoisonError};

/// Of which backup an appliance was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The site.
    pub site: SiteName,
    /// When the backup was made.
    pub backup_at: Timestamp,
    /// When it was restored.
    pub restored_at: Timestamp,
    /// Entries of its log.
    pub entries: u64,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Payloads that the store held, which are not in a backup.
    pub payloads: u64,
    /// Their lengths together.
    pub payload_bytes: u64,
}

impl Restored {
    /// Reads the mark; `None` where the appliance was not restored.
    ///
    /// # Errors
    /// [`Error::Folder`] when it is there and cannot be read: the appliance is not opened then.
    pub(crate) fn load(disk: &dyn Disk, folder: &Folder) -> Result<Option<Self>, Error> {
        let path = folder.recovery().join("restored.json");
        let bytes = match disk.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| Error::Folder { path: path.clone(), source })?,
        };
        let read = serde_json::from_slice(&bytes).map_err(io::Error::from);
        read.map(Some).map_err(|source| Error::Folder { path, source })
    }

    /// Writes the mark.
    pub(crate) fn save(&self, disk: &dyn Disk, folder: &Folder) -> Result<(), Error> {
        let path = folder.recovery().join("restored.json");
        let bytes = serde_json::to_vec_pretty(self).map_err(Error::State)?;
        let written = disk.write_atomic(&path, &bytes);
        written.map_err(|source| Error::Folder { path, source })
    }

    /// Refuses to write anything.
    ///
    /// # Errors
    /// [`Error::Restored`], always.
    pub fn refuse(&self) -> Result<(), Error> {
        Err(Error::Restored { at: self.backup_at, entries: self.entries })
    }
}

impl Site {
    /// Of which backup this appliance was restored, as long as its next epoch is not open.
    #[must_use]
    pub fn restored(&self) -> Option<&Restored> {
        self.heart().restored()
    }

    /// Whether anything may be written.
    ///
    /// # Errors
    /// [`Error::Restored`].
    pub fn writable(&self) -> Result<(), Error> {
        self.restored().map_or(Ok(()), Restored::refuse)
    }

    /// Keeps the checkpoint that an endpoint holds, if it is the newest so far: it says how much was
    /// lost. The endpoint is told nothing of a log that may have gone back.
    pub(crate) fn note_held(&self, said: &CheckIn) -> Result<(), Error> {
        let Some(note) = said.held.as_deref() else { return Ok(()) };
        // Nothing is imported meanwhile: this appliance only reads.
        let _one_at_a_time = self.importing.lock().unwrap_or_else(PoisonError::into_inner);
        let name = match self.judge_held(note) {
            Ok(held) if self.newest_held()?.is_none_or(|known| held.size > known.size) => "held",
            Ok(_) => return Ok(()),
            Err(Error::Input(why)) => {
                tracing::error!(why, "an endpoint contradicts the log of the backup");
                "contradicted"
            }
            Err(error) => return Err(error),
        };
        let path = self.folder().recovery().join(name);
        let written = self.disk().write_atomic(&path, note.as_bytes());
        written.map_err(|source| Error::Folder { path, source })
    }

    /// A checkpoint of this log that somebody holds: as long as it is not newer than the backup, the log
    /// must lead to it.
    ///
    /// # Errors
    /// [`Error::Input`] when this log's key did not sign it, or the log does not lead to it.
    pub(crate) fn judge_held(&self, note: &str) -> Result<Held, Error> {
        let held = Checkpoint::open(note.as_bytes(), self.log_key()).map_err(|error| {
            Error::Input(format!("a checkpoint is none that this log signed: {error}"))
        })?;
        if !matches!(self.follows(&held)?, Follows::Contradicts) {
            return Ok(Held { size: held.size, note: note.to_owned() });
        }
        Err(Error::Input(format!(
            "a checkpoint of {} entries is of another history than this backup: keep both as \
             evidence, and find out who had the log's key",
            held.size
        )))
    }

    /// The newest checkpoint that endpoints hold, as far as they have said.
    pub(crate) fn newest_held(&self) -> Result<Option<Held>, Error> {
        let path = self.folder().recovery().join("held");
        match self.disk().read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Folder { path, source }),
            Ok(bytes) => self.judge_held(&String::from_utf8_lossy(&bytes)).map(Some),
        }
    }
}
