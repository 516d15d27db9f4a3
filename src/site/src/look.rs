//! Looking through the log a page at a time, and at one entry with its proof.

use crate::{
    Error, Site,
    audit::{AuditError, Line, sentence},
    rows,
};
use fleet::{Actor, Command, KINDS};
use ids::{Digest, EndpointName};
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

/// Most entries about one endpoint that are looked through for one type.
const HISTORY_MAX: usize = 100_000;

/// Which entries; by default all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFilter<'a> {
    /// Only those of this type.
    pub kind: Option<&'a str>,
    /// Only those about this endpoint.
    pub endpoint: Option<&'a EndpointName>,
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
    /// Entries below `before`, or the newest ones; at most `take`. A look is an event only where [`Site::record_look`]
    /// says so.
    ///
    /// # Errors
    /// [`Error::Input`] for a type that there is none of; [`Error::Refused`] for an endpoint that there is none of;
    /// [`Error::OpenLedger`], [`Error::Views`].
    pub fn log_page(
        &self,
        filter: LogFilter<'_>,
        before: Option<u64>,
        take: usize,
    ) -> Result<LogPage, Error> {
        self.heart().publish()?;
        let log = self.published_log()?;
        let entries = log.checkpoint().size;
        let end = before.unwrap_or(entries).min(entries);
        if let Some(kind) = filter.kind.filter(|kind| !KINDS.contains(kind)) {
            return Err(Error::Input(format!("there is no type of event {kind:?}")));
        }
        let indexes: Vec<u64> = match (filter.endpoint, filter.kind) {
            (None, None) => (end.saturating_sub(take as u64)..end).rev().collect(),
            (None, Some(kind)) => self.last_entries(rows::KINDS, &of_kind(kind), end, take)?,
            (Some(endpoint), kind) => self.entries_about(endpoint, kind, end, take)?,
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

    /// A filter as a look is recorded by it: an endpoint by its id, since the log has no names.
    ///
    /// # Errors
    /// [`Error::Refused`] for an endpoint that there is none of.
    pub fn log_filter_words(&self, filter: LogFilter<'_>) -> Result<String, Error> {
        let kind = filter.kind.unwrap_or("everything");
        Ok(match filter.endpoint {
            Some(endpoint) => format!("{kind} about {}", self.endpoint_named(endpoint)?),
            None => kind.to_owned(),
        })
    }

    /// Indexes of the newest entries about an endpoint, of one type or of all, below `end`, the newest first.
    fn entries_about(
        &self,
        endpoint: &EndpointName,
        kind: Option<&str>,
        end: u64,
        take: usize,
    ) -> Result<Vec<u64>, Error> {
        let id = self.endpoint_named(endpoint)?;
        let about = |most| self.last_entries(rows::HISTORIES, id.as_str().as_bytes(), end, most);
        let Some(kind) = kind else { return about(take) };
        let mut found = Vec::new();
        for index in about(HISTORY_MAX)? {
            let mut key = of_kind(kind);
            key.extend(index.to_be_bytes());
            let row = self.heart().views().row(rows::KINDS, &key).map_err(Error::Views)?;
            found.extend(row.map(|_| index));
            if found.len() == take {
                break;
            }
        }
        Ok(found)
    }

    /// Indexes at the end of the newest keys that begin with `prefix`, below `end`, the newest first.
    fn last_entries(
        &self,
        tree: &str,
        prefix: &[u8],
        end: u64,
        most: usize,
    ) -> Result<Vec<u64>, Error> {
        let mut below = prefix.to_vec();
        below.extend(end.to_be_bytes());
        let keys = self.heart().views().last_keys(tree, prefix, &below, most);
        let index = |key: Vec<u8>| {
            let bytes = key.get(prefix.len()..).and_then(|index| index.try_into().ok());
            bytes.map(u64::from_be_bytes)
        };
        Ok(keys.map_err(Error::Views)?.into_iter().filter_map(index).collect())
    }

    /// The newest entries about an endpoint, which its own page shows: the endpoint by its name. That is no look through
    /// the log.
    ///
    /// # Errors
    /// As [`Site::log_page`].
    pub fn endpoint_history(
        &self,
        endpoint: &EndpointName,
        take: usize,
    ) -> Result<Vec<Line>, Error> {
        let id = self.endpoint_named(endpoint)?;
        let filter = LogFilter { endpoint: Some(endpoint), kind: None };
        let mut lines = self.log_page(filter, None, take)?.lines;
        for line in &mut lines {
            line.sentence = line.sentence.replace(id.as_str(), endpoint.as_str());
        }
        Ok(lines)
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

/// What the keys of entries of one type begin with.
fn of_kind(kind: &str) -> Vec<u8> {
    let mut prefix = kind.as_bytes().to_vec();
    prefix.push(0);
    prefix
}

fn line(index: u64, entry: &[u8]) -> Result<Line, Error> {
    let event = fleet::decode(entry).map_err(|source| Error::Entry { index, source })?;
    let kind = event.fact.kind();
    Ok(Line { entry: index, at: event.at, kind, sentence: sentence(&event) })
}
