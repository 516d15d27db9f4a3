//! Epochs: a restored appliance goes on in a new log that two people opened, from a state that the old
//! log led to.

use crate::{Fact, Refused, State, decide::accept_site_root};
use ids::{Digest, PersonId, RingName, SourceId, Timestamp};
use serde::{Deserialize, Serialize};

/// Statements of one epoch are numbered above all of the epochs before it, so that no agent takes one
/// for a statement that it saw and that the backup did not have.
const STATEMENTS_AN_EPOCH: u64 = 1_000_000;

/// How a new epoch goes on from the one before: the first entry of its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number; a site is founded in epoch 1.
    pub epoch: u32,
    /// Origin of its log.
    pub origin: String,
    /// The appliance's own keys from here on: purpose and public form.
    pub keys: Vec<(String, String)>,
    /// Origin of the log before.
    pub previous_origin: String,
    /// The key that verifies the checkpoints of the log before.
    pub previous_key: String,
    /// How many entries of the log before the backup had.
    pub previous_size: u64,
    /// Root of the tree over them.
    pub previous_root: Digest,
    /// Digest of the signed checkpoint over them, which is kept.
    pub previous_checkpoint: Digest,
    /// When the backup was made.
    pub backup_at: Timestamp,
    /// Entries under the newest checkpoint of the log before that is known: what `previous_size` lacks
    /// of them is lost.
    pub newest_held: u64,
    /// Digest of that checkpoint, which is kept; `None` where nobody held a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Digest>,
    /// Digest of the state after the entries of the log before, which is kept as JSON.
    pub state: Digest,
    /// How many files of kept views the store lacks: payloads are not in a backup.
    pub missing: Vec<(SourceId, u64, u64)>,
    /// Who imported what the kept views hold: four eyes look back beyond the seam.
    pub importers: Vec<PersonId>,
}

/// Why a state is not the one that an epoch goes on from.
#[derive(Debug, thiserror::Error)]
pub enum NotCarried {
    /// Other bytes.
    #[error(
        "the state carried over has the digest {found}, not {said} as the epoch's first entry says"
    )]
    Digest {
        /// Of the bytes.
        found: Digest,
        /// In the entry.
        said: Digest,
    },
    /// The bytes are no state.
    #[error("the state carried over cannot be read")]
    Read(#[source] serde_json::Error),
    /// The state of another log, or after another number of entries.
    #[error(
        "the state carried over is of {entries} entries of {origin}, not what the epoch's first entry says"
    )]
    Other {
        /// Entries that led to it.
        entries: u64,
        /// Origin of their log.
        origin: String,
    },
}

impl State {
    /// The state before the first entry of an epoch's log, from the JSON of the one carried over.
    ///
    /// # Errors
    /// [`NotCarried`].
    pub fn carried(json: &[u8], epoch: &Epoch) -> Result<Self, NotCarried> {
        let found = Digest::of(json);
        if found != epoch.state {
            return Err(NotCarried::Digest { found, said: epoch.state });
        }
        let state: Self = serde_json::from_slice(json).map_err(NotCarried::Read)?;
        let (entries, origin) = (state.entries, state.origin.clone());
        if entries != epoch.previous_size || origin != epoch.previous_origin {
            return Err(NotCarried::Other { entries, origin });
        }
        Ok(Self { entries: 0, ..state })
    }

    /// The epoch of the log that this state is of.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch.max(1)
    }

    /// The generation that the next statement about a ring has.
    #[must_use]
    pub fn next_statement(&self, ring: &RingName) -> u64 {
        let newest = self.statements.get(ring).map_or(0, |newest| newest.generation);
        let before = u64::from(self.epoch() - 1).saturating_mul(STATEMENTS_AN_EPOCH);
        newest.max(before).saturating_add(1)
    }
}

/// The first facts of a new epoch: what it goes on from, and site roots, of which the last opens it.
/// Those before it are newer than the backup: endpoints may know them.
pub(crate) fn open(
    state: &State,
    epoch: Epoch,
    roots: &[(Digest, trust::Verified<trust::SiteRoot>)],
) -> Result<Vec<Fact>, Refused> {
    let log = roots.last().map(|(_, root)| &root.log).ok_or(Refused::OtherLog)?;
    let named = epoch.keys.iter().any(|(purpose, key)| purpose == "log" && *key == log.key);
    if epoch.epoch <= state.epoch() || log.epoch != epoch.epoch || !named {
        return Err(Refused::OtherLog);
    }
    let mut after = state.clone();
    let mut facts = vec![Fact::EpochOpened(Box::new(epoch))];
    for (digest, root) in roots {
        let accepted = accept_site_root(&after, *digest, root)?;
        after.site_roots.push(*digest);
        facts.push(accepted);
    }
    Ok(facts)
}

/// Takes in that an epoch was opened.
pub(crate) fn evolve(state: &mut State, epoch: &Epoch) {
    state.epoch = epoch.epoch;
    state.origin.clone_from(&epoch.origin);
    state.importers_before.clone_from(&epoch.importers);
    for (source, sequence, missing) in &epoch.missing {
        if let Some(view) = state.views.get_mut(&(source.clone(), *sequence)) {
            view.missing = *missing;
        }
    }
}
