//! Snapshots of the state beside the ledger, so that a start need not replay everything.
//!
//! A snapshot of the first n entries is believed only when entry n itself says its digest.

use crate::Error;
use durable::Disk;
use fleet::{Event, Fact, State};
use ids::Digest;
use std::{path::PathBuf, sync::Arc};

/// Entries between two snapshots.
const EVERY: u64 = 1024;

/// Writes and reads snapshots in one file.
pub(crate) struct Snapshots {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    last: u64,
}

impl Snapshots {
    /// Snapshots in the folder `dir`.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &std::path::Path) -> Self {
        Self { disk, path: dir.join("state.json"), last: 0 }
    }

    /// The kept state, if `entry` (which reads one entry of the ledger) vouches for it.
    pub(crate) fn load(&mut self, entry: impl Fn(u64) -> Option<Event>) -> Option<State> {
        let bytes = self.disk.read(&self.path).ok()?;
        let state: State = serde_json::from_slice(&bytes).ok()?;
        let digest = state.digest().ok()?;
        let said = entry(state.entries)?;
        let vouched = matches!(said.fact, Fact::StateSnapshot { entries, sha256 }
            if entries == state.entries && sha256 == digest);
        self.last = state.entries;
        vouched.then_some(state)
    }

    /// Whether it is time for one.
    pub(crate) fn due(&self, state: &State) -> bool {
        state.entries >= self.last + EVERY
    }

    /// Writes one, durably, and returns its digest.
    pub(crate) fn write(&mut self, state: &State) -> Result<Digest, Error> {
        let bytes = serde_json::to_vec(state).map_err(Error::State)?;
        let written = self.disk.write_atomic(&self.path, &bytes);
        written.map_err(|source| Error::Folder { path: self.path.clone(), source })?;
        self.last = state.entries;
        Ok(Digest::of(&bytes))
    }
}
