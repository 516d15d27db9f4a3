//! Looking through the log a page at a time, and at one entry with its proof.

use crate::{
    Error, Site,
    audit::{AuditError, Line, sentence},
    rows,
};
use fleet::{Actor, Command, KINDS};
use ids::Digest;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a look for the same thing by the same person or token is one look.
const ONE_LOOK: Duration = Duration::from_secs(3_600);

/// Who looked for what, and when that was last recorded: for a door, as long as it is open.
#[derive(Debug, Default)]
pub struct Looked(Mutex<HashMap<(String, String), Instant>>);

impl Looked {
    /// Whether a look by `who` (a person's id, a token's) is to be recorded.
    pub fn is_new(&self, who: &str, filter: &str) -> bool {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|_, at| at.elapsed() < ONE_LOOK);
        looked.insert((who.to_owned(), filter.to_owned()), Instant::now()).is_none()
    }
}

/// A page of the log, the newest entry first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The events.
    pub lines: Vec<Line>,
    /// Entries that were published when it was made.
    pub entries: u64,
    /// Where the next page of older ones begins: entries below this.
    pub older: Option<u64>,
}

/// One entry of the log, with the proof that it is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The event in words.
    pub line: Line,
    /// Who caused it.
    pub actor: Actor,
    /// The entry, byte for byte.
    pub json: String,
    /// Its leaf hash.
    pub leaf: Digest,
    /// Hashes that lead from the leaf to the root.
    pub path: Vec<Digest>,
    /// Entries of the tree.
    pub size: u64,
    /// Root of the tree.
    pub root: Digest,
    /// The proof as a file (C2SP tlog-proof), with the signed checkpoint.
    pub proof: String,
}

impl Site {
    /// Entries below `before`, or the newest ones, of one type or of all; at most `take`. A look is an event
    /// only where [`Site::record_look`] says so.
    ///
    /// # Errors
    /// [`Error::Input`] for a type that there is none of; [`Error::OpenLedger`], [`Error::Views`].
    pub fn log_page(
        &self,
        kind: Option<&str>,
        before: Option<u64>,
        take: usize,
    ) -> Result<LogPage, Error> {
        self.heart().publish()?;
        let log = self.published_log()?;
        let entries = log.checkpoint().size;
        let end = before.unwrap_or(entries).min(entries);
        let indexes: Vec<u64> = match kind {
            None => (end.saturating_sub(take as u64)..end).rev().collect(),
            Some(kind) => self.entries_of(kind, end, take)?,
        };
        let mut lines = Vec::with_capacity(indexes.len());
        // Neighbours are read together.
        for run in indexes.chunk_by(|a, b| *a == *b + 1) {
            let (first, last) = (run[run.len() - 1], run[0]);
            let entries = log.entries(first..last + 1).map_err(Error::OpenLedger)?;
            for (index, entry) in run.iter().zip(entries.iter().rev()) {
                lines.push(line(*index, entry)?);
            }
        }
        let last = indexes.last().copied().filter(|last| *last > 0 && indexes.len() == take);
        Ok(LogPage { lines, entries, older: last })
    }

    /// Indexes of the newest entries of one type below `end`, the newest first.
    fn entries_of(&self, kind: &str, end: u64, take: usize) -> Result<Vec<u64>, Error> {
        if !KINDS.contains(&kind) {
            return Err(Error::Input(format!("there is no type of event {kind:?}")));
        }
        let mut prefix = kind.as_bytes().to_vec();
        prefix.push(0);
        let mut below = prefix.clone();
        below.extend(end.to_be_bytes());
        let keys = self.heart().views().last_keys(rows::KINDS, &prefix, &below, take);
        let index = |key: Vec<u8>| {
            let bytes = key.get(prefix.len()..).and_then(|index| index.try_into().ok());
            bytes.map(u64::from_be_bytes)
        };
        Ok(keys.map_err(Error::Views)?.into_iter().filter_map(index).collect())
    }

    /// Says in the ledger that somebody looked at it; a restored appliance says nothing.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub fn record_look(&self, actor: Actor, filter: String, entries: u64) -> Result<(), Error> {
        if self.restored().is_some() {
            return Ok(());
        }
        self.heart().ask(actor, Command::ViewLog { filter, entries }).map(drop)
    }

    /// One entry, with the proof that it is in the log.
    ///
    /// # Errors
    /// [`Error::Input`] when the log has no such entry; [`Error::OpenLedger`].
    pub fn log_entry(&self, index: u64) -> Result<LogEntry, Error> {
        self.heart().publish()?;
        let log = self.published_log()?;
        let size = log.checkpoint().size;
        if index >= size {
            return Err(Error::Input(format!("the log has {size} entries, and none is {index}")));
        }
        let read = log.entries(index..index + 1).map_err(Error::OpenLedger)?;
        let entry = read.first().map(Vec::as_slice).unwrap_or_default();
        let proof = log.proof(index).map_err(Error::OpenLedger)?;
        // Checked here as whoever takes the file away can check it.
        let checkpoint =
            proof.verify(entry, self.log_key()).map_err(|e| Error::Audit(AuditError::Tree(e)))?;
        let event = fleet::decode(entry).map_err(|source| Error::Entry { index, source })?;
        Ok(LogEntry {
            line: line(index, entry)?,
            actor: event.actor,
            json: String::from_utf8_lossy(entry).into_owned(),
            leaf: merkle::leaf_hash(entry),
            path: proof.hashes.clone(),
            size: checkpoint.size,
            root: checkpoint.root,
            proof: proof.to_string(),
        })
    }
}

fn line(index: u64, entry: &[u8]) -> Result<Line, Error> {
    let event = fleet::decode(entry).map_err(|source| Error::Entry { index, source })?;
    let kind = event.fact.kind();
    Ok(Line { entry: index, at: event.at, kind, sentence: sentence(&event) })
}
