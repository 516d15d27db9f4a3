//! Who the endpoints are: their names behind the ledger's commitments, and when each was last seen.
//!
//! When an endpoint was last seen, and which tree size it vouches for, is no event: it is kept beside the
//! ledger (`state/seen.json`), and what is lost of it comes back with the next check-ins.

use crate::{Error, Site, audit::Witness};
use durable::FileBlobs;
use fleet::Standing;
use ids::{Digest, EndpointName, RecordId, Timestamp};
use ledger::Log;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// An endpoint's last check-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// The agent's version.
    pub agent: String,
    /// The checkpoint that it held: it vouches for the log up to there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// What it said last of its job; a sentence that changes while the job stands where it stood is no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// A checkpoint that an endpoint holds, whose signature is this log's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Entries of the tree.
    pub size: u64,
    /// The checkpoint as it was signed.
    pub note: String,
}

/// Most events that one endpoint may cause in an hour; more than that is refused until the next.
const EVENTS_AN_HOUR: u32 = 120;
const HOUR_SECONDS: i64 = 60 * 60;

/// Seconds between two check-ins unless another number is set, before the agent's jitter.
pub const CHECK_IN_SECONDS: u64 = 15 * 60;

/// What is known of endpoints beside the state.
pub(crate) struct Roster {
    again_in_seconds: AtomicU64,
    names: Mutex<Names>,
    /// The log as it was published when somebody last asked: its signature is checked once.
    log: Mutex<Option<Log>>,
    seen: Mutex<BTreeMap<RecordId, Seen>>,
    /// The hour (since 1970) in which an endpoint last caused events, and how many.
    spoken: Mutex<BTreeMap<RecordId, (i64, u32)>>,
    /// Names that are being enrolled: one enrolment of a name at a time, so that it has one commitment.
    enrolling: Mutex<HashSet<EndpointName>>,
    enrolled: Condvar,
}

/// Names behind commitments, and the way back.
#[derive(Debug, Default)]
struct Names {
    behind: HashMap<Digest, EndpointName>,
    commitments: HashMap<EndpointName, Vec<Digest>>,
    /// Whether every name in the state was looked up once; new ones are learnt as they come.
    all: bool,
}

impl Names {
    fn learn(&mut self, commitment: Digest, name: EndpointName) {
        if self.behind.insert(commitment, name.clone()).is_none() {
            self.commitments.entry(name).or_default().push(commitment);
        }
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody else enrols this name while it lives.
pub(crate) struct Alone<'a> {
    roster: &'a Roster,
    name: &'a EndpointName,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        held(&self.roster.enrolling).remove(self.name);
        self.roster.enrolled.notify_all();
    }
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            again_in_seconds: AtomicU64::new(CHECK_IN_SECONDS),
            names: Mutex::default(),
            log: Mutex::default(),
            seen: Mutex::default(),
            spoken: Mutex::default(),
            enrolling: Mutex::default(),
            enrolled: Condvar::new(),
        }
    }
}

impl Roster {
    /// Seconds between two check-ins.
    pub(crate) fn again_in_seconds(&self) -> u64 {
        self.again_in_seconds.load(Ordering::Relaxed)
    }

    /// Keeps other enrolments of this name out until it is dropped.
    pub(crate) fn alone<'a>(&'a self, name: &'a EndpointName) -> Alone<'a> {
        let mut busy = held(&self.enrolling);
        while busy.contains(name) {
            busy = self.enrolled.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        busy.insert(name.clone());
        Alone { roster: self, name }
    }

    /// Notes a check-in; gives the one before.
    pub(crate) fn note(&self, endpoint: &RecordId, mut seen: Seen) -> Option<Seen> {
        let mut all = held(&self.seen);
        let before = all.get(endpoint);
        seen.said = seen.said.or_else(|| before.and_then(|before| before.said.clone()));
        all.insert(endpoint.clone(), seen)
    }

    /// Counts an event that an endpoint causes; false when it has had its share of the hour.
    pub(crate) fn may_speak(&self, endpoint: &RecordId, now: Timestamp) -> bool {
        let hour = now.as_second().div_euclid(HOUR_SECONDS);
        let mut spoken = held(&self.spoken);
        let (last, count) = spoken.entry(endpoint.clone()).or_default();
        if *last != hour {
            (*last, *count) = (hour, 0);
        }
        *count = count.saturating_add(1);
        *count <= EVENTS_AN_HOUR
    }

    /// Every checkpoint that an endpoint held when it was last seen.
    pub(crate) fn all_held(&self) -> Vec<Held> {
        held(&self.seen).values().filter_map(|seen| seen.held.clone()).collect()
    }

    /// The last check-in of an endpoint.
    pub(crate) fn seen(&self, endpoint: &RecordId) -> Option<Seen> {
        held(&self.seen).get(endpoint).cloned()
    }
}

impl Site {
    /// The log as it was published last.
    pub(crate) fn published_log(&self) -> Result<Log, Error> {
        let path = self.folder().ledger().join("checkpoint");
        let note = self.disk().read(&path).map_err(|source| Error::Folder { path, source })?;
        let mut known = held(&self.roster().log);
        if let Some(log) = known.as_ref().filter(|log| log.note().as_bytes() == note) {
            return Ok(log.clone());
        }
        let blobs = FileBlobs::new(Arc::clone(self.shared_disk()), self.folder().ledger());
        let log = Log::read(Arc::new(blobs), self.log_key()).map_err(Error::OpenLedger)?;
        *known = Some(log.clone());
        Ok(log)
    }

    /// Has agents check in so often from their next answer on.
    pub fn check_in_every(&self, seconds: u64) {
        self.roster().again_in_seconds.store(seconds, Ordering::Relaxed);
    }

    /// The name behind a commitment.
    pub(crate) fn name_of(&self, name: &Digest) -> Result<EndpointName, Error> {
        if let Some(known) = held(&self.roster().names).behind.get(name) {
            return Ok(known.clone());
        }
        let (_, value) = self.evidence().get(name).map_err(Error::Store)?;
        let text = value["endpoint"].as_str().unwrap_or_default();
        let known: EndpointName = text
            .parse()
            .map_err(|e| Error::Input(format!("evidence {} names nobody: {e}", name.short())))?;
        held(&self.roster().names).learn(*name, known.clone());
        Ok(known)
    }

    /// Every commitment to a name that is known here. Erased names are nobody's.
    fn commitments(&self, name: &EndpointName) -> Vec<Digest> {
        if !held(&self.roster().names).all {
            let state = self.state();
            let endpoints = state.endpoints.values().map(|endpoint| endpoint.name);
            for commitment in endpoints.chain(state.tokens.values().map(|token| token.name)) {
                drop(self.name_of(&commitment));
            }
            held(&self.roster().names).all = true;
        }
        held(&self.roster().names).commitments.get(name).cloned().unwrap_or_default()
    }

    /// The commitment to a name: the one that is in use, or a new one. The caller enrols it alone.
    pub(crate) fn commit_to(&self, name: &EndpointName) -> Result<Digest, Error> {
        let (state, known) = (self.state(), self.commitments(name));
        let in_use = |commitment: &&Digest| {
            let live =
                |e: &fleet::Endpoint| e.standing != Standing::Retired && e.name == **commitment;
            state.endpoints.values().any(live)
                || state.tokens.values().any(|token| token.name == **commitment)
        };
        if let Some(used) = known.iter().find(in_use) {
            return Ok(*used);
        }
        let new = self.commit(json!({ "endpoint": name }))?;
        held(&self.roster().names).learn(new, name.clone());
        Ok(new)
    }

    /// The endpoint of this name that has not left, or else the last one that did.
    pub(crate) fn endpoint_named(&self, name: &EndpointName) -> Result<RecordId, Error> {
        let (state, known) = (self.state(), self.commitments(name));
        let own = || state.endpoints.iter().filter(|(_, endpoint)| known.contains(&endpoint.name));
        let stays = own().find(|(_, endpoint)| endpoint.standing != Standing::Retired);
        let found = stays.or_else(|| own().last()).map(|(id, _)| id.clone());
        found.ok_or(Error::Refused(fleet::Refused::NoEndpoint))
    }

    /// The checkpoints that endpoints held when they were last seen, as far as they are of the log as it
    /// is: what a doubting endpoint holds is in its event.
    pub(crate) fn witnesses(&self) -> Vec<Witness> {
        let entries = self.state().entries;
        let Ok(log) = self.published_log() else { return Vec::new() };
        let seen = held(&self.roster().seen);
        let witness = |(endpoint, seen): (&RecordId, &Seen)| {
            let held = seen.held.as_ref().filter(|held| held.size <= entries)?;
            // One of an epoch that is over is of another log.
            let held = self.own_checkpoint(&held.note, &log)?;
            let (endpoint, seen_at) = (endpoint.clone(), seen.at);
            Some(Witness { endpoint, seen_at, size: held.size, checkpoint: held.note })
        };
        seen.iter().filter_map(witness).collect()
    }

    /// Writes down when endpoints were last seen.
    ///
    /// # Errors
    /// [`Error::Folder`].
    pub fn keep_seen(&self) -> Result<(), Error> {
        let seen = held(&self.roster().seen).clone();
        let bytes = serde_json::to_vec(&seen.into_iter().collect::<Vec<_>>());
        let path = self.seen_file();
        let written = self.disk().write_atomic(&path, &bytes.map_err(Error::State)?);
        written.map_err(|source| Error::Folder { path, source })
    }

    /// Reads what was written down; what cannot be read is not there.
    pub(crate) fn recall_seen(&self) {
        let bytes = self.disk().read(&self.seen_file()).unwrap_or_default();
        let mut seen: Vec<(RecordId, Seen)> = serde_json::from_slice(&bytes).unwrap_or_default();
        // What was held of the log before this epoch says nothing of this one.
        let origin = self.log_key().name();
        for (_, seen) in &mut seen {
            seen.held = seen.held.take().filter(|held| held.note.lines().next() == Some(origin));
        }
        held(&self.roster().seen).extend(seen);
    }

    fn seen_file(&self) -> PathBuf {
        self.folder().state().join("seen.json")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_endpoint_has_its_share_of_each_hour() {
        let (roster, now) = (Roster::default(), "2026-11-24T10:59:00Z".parse().unwrap());
        let id: RecordId = "01ARZ3NDEKTSV4RRFFQ69G5FB0".parse().unwrap();
        let other: RecordId = "01ARZ3NDEKTSV4RRFFQ69G5FB1".parse().unwrap();
        let allowed = (0..500).filter(|_| roster.may_speak(&id, now)).count();
        assert_eq!(allowed, EVENTS_AN_HOUR as usize);
        assert!(roster.may_speak(&other, now));
        assert!(roster.may_speak(&id, "2026-11-24T11:00:00Z".parse().unwrap()));
    }
}
