//! The rows of the report's tables, as CSV (RFC 4180) and JSON.

use ids::{Digest, RecordId, SourceId, Timestamp};
use serde::{Serialize, Serializer};

/// A row of a table that is written as CSV.
pub(super) trait Row: Serialize {
    /// The header.
    const COLUMNS: &'static [&'static str];
    /// The cells, as many as the header has.
    fn cells(&self) -> Vec<String>;
}

/// One committed import.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Import {
    pub(super) entry: u64,
    pub(super) sequence: u64,
    pub(super) imported_at: Timestamp,
    pub(super) imported_by: String,
    pub(super) medium: Option<String>,
    /// What the malware scanner said; `None` where the custody record is not at hand.
    pub(super) malware_scan: Option<String>,
    pub(super) custody: RecordId,
    pub(super) bundle: Digest,
    pub(super) previous_sequence: Option<u64>,
    pub(super) skipped_bundles: bool,
    pub(super) publisher_signed_at: Timestamp,
    pub(super) sources: u64,
    pub(super) updates: u64,
    pub(super) cves: u64,
    pub(super) files: u64,
    pub(super) files_missing: u64,
    pub(super) payloads_new: u64,
    pub(super) bytes_new: u64,
}

impl Row for Import {
    const COLUMNS: &'static [&'static str] = &[
        "entry",
        "sequence",
        "imported_at",
        "imported_by",
        "medium",
        "malware_scan",
        "custody",
        "bundle",
        "previous_sequence",
        "skipped_bundles",
        "publisher_signed_at",
        "sources",
        "updates",
        "cves",
        "files",
        "files_missing",
        "payloads_new",
        "bytes_new",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.entry.to_string(),
            self.sequence.to_string(),
            self.imported_at.to_string(),
            self.imported_by.clone(),
            self.medium.clone().unwrap_or_default(),
            self.malware_scan.clone().unwrap_or_default(),
            self.custody.to_string(),
            self.bundle.to_string(),
            self.previous_sequence.map(|n| n.to_string()).unwrap_or_default(),
            self.skipped_bundles.to_string(),
            self.publisher_signed_at.to_string(),
            self.sources.to_string(),
            self.updates.to_string(),
            self.cves.to_string(),
            self.files.to_string(),
            self.files_missing.to_string(),
            self.payloads_new.to_string(),
            self.bytes_new.to_string(),
        ]
    }
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Decision {
    pub(super) entry: u64,
    pub(super) at: Timestamp,
    pub(super) what: &'static str,
    pub(super) who: String,
    pub(super) ring: Option<String>,
    pub(super) generation: Option<u64>,
    pub(super) endpoints: Option<u64>,
    pub(super) packages: Option<u64>,
    pub(super) until: Option<Timestamp>,
    pub(super) note: String,
}

impl Row for Decision {
    const COLUMNS: &'static [&'static str] = &[
        "entry",
        "at",
        "what",
        "who",
        "ring",
        "generation",
        "endpoints",
        "packages",
        "until",
        "note",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.entry.to_string(),
            self.at.to_string(),
            self.what.to_owned(),
            self.who.clone(),
            self.ring.clone().unwrap_or_default(),
            some(self.generation),
            some(self.endpoints),
            some(self.packages),
            some(self.until),
            self.note.clone(),
        ]
    }
}

/// An endpoint with an agent, as the log leaves it. What it says of its job is its claim.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Endpoint {
    pub(super) id: RecordId,
    /// Its name, where the scope lets it out.
    pub(super) name: Option<String>,
    pub(super) ring: String,
    pub(super) standing: &'static str,
    pub(super) job: Option<&'static str>,
    pub(super) job_at: Option<Timestamp>,
    pub(super) approval: Option<Digest>,
    pub(super) certificate_ends: Option<Timestamp>,
    /// Entries of the checkpoint that it held, and when it was seen.
    pub(super) vouches_for: Option<u64>,
    pub(super) seen_at: Option<Timestamp>,
    pub(super) doubts_the_log: bool,
}

impl Row for Endpoint {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "ring",
        "standing",
        "job",
        "job_at",
        "approval",
        "certificate_ends",
        "vouches_for",
        "seen_at",
        "doubts_the_log",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone().unwrap_or_default(),
            self.ring.clone(),
            self.standing.to_owned(),
            some(self.job),
            some(self.job_at),
            some(self.approval),
            some(self.certificate_ends),
            some(self.vouches_for),
            some(self.seen_at),
            self.doubts_the_log.to_string(),
        ]
    }
}

/// The text of what is there, or nothing.
fn some(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// One vendor fix, at the import that brought it first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Update {
    pub(super) source: SourceId,
    pub(super) update: String,
    pub(super) source_package: String,
    pub(super) fixed_version: String,
    pub(super) released_at: Timestamp,
    pub(super) released_by: &'static str,
    pub(super) changelog_at: Option<Timestamp>,
    pub(super) urgency: Option<String>,
    /// `None` is unknown, not none.
    pub(super) cves: Option<Vec<String>>,
    pub(super) packages: u64,
    pub(super) first_sequence: u64,
    pub(super) imported_at: Timestamp,
    pub(super) import_entry: u64,
    #[serde(serialize_with = "tenths")]
    pub(super) days_release_to_import: i64,
    pub(super) within_14_days: bool,
}

/// Tenths of a day as a number with one decimal.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn tenths<S: Serializer>(value: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    #[allow(clippy::cast_precision_loss, reason = "centuries in tenths of a day fit")]
    serializer.serialize_f64(*value as f64 / 10.0)
}

impl Update {
    /// Days with one decimal, rounded down.
    pub(super) fn days(&self) -> String {
        let sign = if self.days_release_to_import < 0 { "-" } else { "" };
        let tenths = self.days_release_to_import.unsigned_abs();
        format!("{sign}{}.{}", tenths / 10, tenths % 10)
    }
}

impl Row for Update {
    const COLUMNS: &'static [&'static str] = &[
        "source",
        "update",
        "source_package",
        "fixed_version",
        "released_at",
        "released_by",
        "changelog_at",
        "urgency",
        "cves",
        "packages",
        "first_sequence",
        "imported_at",
        "import_entry",
        "days_release_to_import",
        "within_14_days",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.source.to_string(),
            self.update.clone(),
            self.source_package.clone(),
            self.fixed_version.clone(),
            self.released_at.to_string(),
            self.released_by.to_owned(),
            self.changelog_at.map(|at| at.to_string()).unwrap_or_default(),
            self.urgency.clone().unwrap_or_default(),
            self.cves.as_ref().map_or("unknown".into(), |cves| cves.join(" ")),
            self.packages.to_string(),
            self.first_sequence.to_string(),
            self.imported_at.to_string(),
            self.import_entry.to_string(),
            self.days(),
            self.within_14_days.to_string(),
        ]
    }
}

/// Something that was refused, kept out or counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Refusal {
    pub(super) entry: u64,
    pub(super) at: Timestamp,
    pub(super) what: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) count: u64,
    pub(super) custody: Option<RecordId>,
    pub(super) bundle: Option<Digest>,
}

impl Row for Refusal {
    const COLUMNS: &'static [&'static str] =
        &["entry", "at", "what", "reason", "message", "count", "custody", "bundle"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.entry.to_string(),
            self.at.to_string(),
            self.what.to_owned(),
            self.reason.clone(),
            self.message.clone(),
            self.count.to_string(),
            self.custody.as_ref().map(ToString::to_string).unwrap_or_default(),
            self.bundle.map(|d| d.to_string()).unwrap_or_default(),
        ]
    }
}

/// A table as CSV: header, then one record a row, lines ending in CR LF.
pub(super) fn csv<R: Row>(rows: &[R]) -> Vec<u8> {
    let header = R::COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let records = std::iter::once(header).chain(rows.iter().map(Row::cells));
    records.flat_map(|cells| record(&cells).into_bytes()).collect()
}

/// One record. What a spreadsheet would take for a formula is made text by an apostrophe.
pub(super) fn record(cells: &[String]) -> String {
    let cell = |text: &String| {
        let number = text.parse::<f64>().is_ok();
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !number;
        let text = if formula { format!("'{text}") } else { text.clone() };
        if text.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let mut line = cells.iter().map(cell).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_spreadsheet_runs_nothing_and_splits_nowhere() {
        let cells = ["plain", "a,b", "say \"hi\"", "=1+1", "-0.5", "-cmd", "two\nlines"];
        let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
        let expected = "plain,\"a,b\",\"say \"\"hi\"\"\",'=1+1,-0.5,'-cmd,\"two\nlines\"\r\n";
        assert_eq!(record(&cells), expected);
    }
}
