//! The log for people: events as lines.

use super::{AuditError, sentence};
use ids::Timestamp;
use serde::Serialize;

/// Which events to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only events of these types, e.g. `bundle-imported`; empty is all.
    pub types: Vec<String>,
    /// Only events from this time on.
    pub since: Option<Timestamp>,
    /// At most this many, the newest.
    pub limit: Option<usize>,
}

/// One event in words. Displayed as one line: entry, time, type, sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Index in the log.
    pub entry: u64,
    /// When, UTC.
    pub at: Timestamp,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What happened.
    pub sentence: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.at.strftime("%Y-%m-%d %H:%M:%SZ");
        // Nothing that a medium or a log says may steer the reader's terminal.
        let words: String =
            self.sentence.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        write!(f, "{:>6}  {at}  {:<20} {words}", self.entry, self.kind)
    }
}

/// The events that pass the filter, oldest first. `first` is the index of the first entry given.
///
/// # Errors
/// [`AuditError::Entry`] for an entry that this version cannot read.
pub fn show(first: u64, entries: &[Vec<u8>], filter: &Filter) -> Result<Vec<Line>, AuditError> {
    let mut lines = Vec::new();
    for (n, entry) in entries.iter().enumerate().rev() {
        let index = first + n as u64;
        if filter.limit.is_some_and(|limit| lines.len() >= limit) {
            break;
        }
        let event = fleet::decode(entry).map_err(|source| AuditError::Entry { index, source })?;
        let kind = event.fact.kind();
        let wanted = filter.types.is_empty() || filter.types.iter().any(|t| t == kind);
        if wanted && filter.since.is_none_or(|since| event.at >= since) {
            lines.push(Line { entry: index, at: event.at, kind, sentence: sentence(&event) });
        }
    }
    lines.reverse();
    Ok(lines)
}
