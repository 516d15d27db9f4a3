//! What the log itself says: every entry read again, hashed again, and the state built from it again.

use crate::Right;
use durable::{FileBlobs, MemDisk};
use fleet::{Event, Fact, JobEnd, State};
use ids::{Digest, RecordId};
use ledger::Log;
use merkle::{Edge, VerifierKey, leaf_hash};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

/// Entries read at once.
const CHUNK: u64 = 1024;

/// What was read of the log so far. What was published once stays, so only what is new is read.
#[derive(Default)]
pub(crate) struct Audit {
    state: State,
    edge: Edge,
    /// What was acknowledged before the appliance last went away, to be met on the way.
    acknowledged: Option<Arc<State>>,
    ends: BTreeMap<(RecordId, Digest), JobEnd>,
    names: HashMap<String, usize>,
    print: Option<Digest>,
}

impl Audit {
    /// How many entries were read.
    pub(crate) const fn entries(&self) -> u64 {
        self.state.entries
    }

    /// A digest of all that happened, ids and salts aside: each is named by where it was met first.
    pub(crate) fn print(&self) -> Digest {
        self.print.unwrap_or_else(|| Digest::of(b""))
    }

    /// The appliance goes away having acknowledged this.
    pub(crate) fn remember(&mut self, acknowledged: Arc<State>) {
        self.acknowledged = Some(acknowledged);
    }

    /// Reads what is new in the published log, and gives its events.
    pub(crate) fn go_on(
        &mut self,
        disk: &MemDisk,
        ledger: &Path,
        key: &VerifierKey,
        shown: &State,
    ) -> Right<Vec<Event>> {
        let blobs = FileBlobs::new(Arc::new(disk.clone()), ledger.to_owned());
        let log = Log::read(Arc::new(blobs), key).map_err(|e| format!("the log: {e}"))?;
        let size = log.checkpoint().size;
        let promised = self.acknowledged.as_ref().map_or(0, |state| state.entries);
        if size < self.state.entries.max(promised) {
            let had = self.state.entries.max(promised);
            return Err(format!("the log has {size} entries, and {had} were acknowledged"));
        }
        let mut events = Vec::new();
        while self.state.entries < size {
            let from = self.state.entries;
            let chunk = log.entries(from..size.min(from + CHUNK)).map_err(|e| e.to_string())?;
            for entry in chunk {
                events.push(self.take(&entry)?);
            }
        }
        if self.edge.root() != log.checkpoint().root {
            return Err(format!("the root of {size} entries is not that of what was acknowledged"));
        }
        if self.state != *shown {
            return Err(format!("the state after {size} entries is not what they say"));
        }
        Ok(events)
    }

    fn take(&mut self, entry: &[u8]) -> Right<Event> {
        let index = self.state.entries;
        let event = fleet::decode(entry).map_err(|e| format!("entry {index}: {e}"))?;
        self.edge.push(leaf_hash(entry), |_, _| ());
        self.state.evolve(&event);
        self.job_ends_once(&event)?;
        self.sign(&event)?;
        if let Some(before) =
            self.acknowledged.take_if(|before| before.entries == self.state.entries)
            && *before != self.state
        {
            return Err(format!("what was acknowledged up to entry {index} is not in the log"));
        }
        Ok(event)
    }

    /// A job ends once: above all, one that was restored never becomes effective.
    fn job_ends_once(&mut self, event: &Event) -> Right<()> {
        let ended = match &event.fact {
            Fact::JobReported { endpoint, job, .. } => {
                job.end.map(|end| (endpoint, job.approval, end))
            }
            Fact::RestoreEnded { endpoint, approval, restored, .. } => {
                let end = if *restored { JobEnd::Restored } else { JobEnd::RestoreFailed };
                Some((endpoint, *approval, end))
            }
            _ => None,
        };
        let Some((endpoint, approval, end)) = ended else { return Ok(()) };
        let before = self.ends.insert((endpoint.clone(), approval), end);
        match before {
            Some(before) if end == JobEnd::Effective && before != end => {
                let approval = approval.short();
                Err(format!(
                    "the job of {endpoint} for {approval} was {before:?} and then effective"
                ))
            }
            _ => Ok(()),
        }
    }

    fn sign(&mut self, event: &Event) -> Right<()> {
        let mut value = serde_json::to_value(event).map_err(|e| e.to_string())?;
        self.name(&mut value);
        let text = format!("{}{value}", self.print());
        self.print = Some(Digest::of(text.as_bytes()));
        Ok(())
    }

    /// Puts numbers in the place of what is random: ids, digests, keys.
    fn name(&mut self, value: &mut Value) {
        match value {
            Value::String(text) if is_random(text) => {
                let next = self.names.len();
                let number = *self.names.entry(text.clone()).or_insert(next);
                *text = format!("#{number}");
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.name(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.name(value)),
            _ => {}
        }
    }
}

fn is_random(text: &str) -> bool {
    let is_id =
        text.len() == 26 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    is_id || text.len() > 40
}
