//! The log: lines, one entry with the proof that it is in it, the key, and audit bundles. Each look is an event, once
//! in an hour for a token and what it looked for.

use crate::{
    act::{Asking, Json, No, Table, Zip},
    problem::Problem,
    words::{At, Document, Endpoint, Of, Sha256, usual, words},
};
use fleet::{KINDS, Operation};
use serde::{Deserialize, Serialize};
use serde_json::json;
use site::{
    LogFilter,
    audit::{Exported, Line, Scope},
};
use utoipa::{IntoParams, ToSchema};

words! {
    /// An event in words.
    LogLine of Line {
        /// Its index.
        entry: u64,
        /// When, by the appliance's clock.
        at: At,
        /// Its type.
        #[serde(rename = "type")]
        kind: String,
        /// What happened.
        sentence: String,
    }
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only events of this type, e.g. `bundle-imported`.
    #[serde(rename = "type")]
    #[param(max_length = 64, pattern = "^[a-z]+(-[a-z]+)*$")]
    kind: Option<String>,
    /// Only events about this endpoint.
    endpoint: Option<Endpoint>,
    /// Only entries below this.
    #[param(maximum = 1_000_000_000_000u64)]
    before: Option<u64>,
    /// At most so many rows.
    #[serde(default = "usual")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: u32,
}

/// Lines of the log, the newest first.
#[derive(Debug, Serialize, ToSchema)]
struct LogPage {
    /// Entries that are published.
    total: u64,
    /// Where older ones begin: ask for entries before this.
    older: Option<u64>,
    rows: Vec<LogLine>,
}

/// Which entry.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfEntry {
    /// Its index.
    #[param(maximum = 1_000_000_000_000u64)]
    entry: u64,
}

/// An entry, and the proof that it is in the log (RFC 6962).
#[derive(Debug, Serialize, ToSchema)]
struct LogEntry {
    line: LogLine,
    /// The entry itself.
    event: Document,
    /// The same, byte for byte: what was hashed.
    json: String,
    /// Its leaf hash.
    leaf: Sha256,
    /// Hashes that lead from the leaf to the root.
    path: Vec<Sha256>,
    /// Entries of the tree.
    size: u64,
    /// Root of the tree.
    root: Sha256,
    /// The proof as a file (C2SP tlog-proof), with the signed checkpoint.
    proof: String,
}

/// How much leaves the site.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum ScopeWord {
    /// Everything.
    Full,
    /// No record behind an event.
    Summary,
}

/// An audit bundle to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Export {
    scope: ScopeWord,
}

/// The key that audit bundles are signed with.
#[derive(Debug, Serialize, ToSchema)]
struct AuditKey {
    /// Its fingerprint.
    fingerprint: String,
    /// The origin of the log.
    origin: String,
}

fn lines(asking: &Asking, _: No, which: Which, _: No) -> Result<Json<LogPage>, Problem> {
    let (_, take) = crate::words::cut(0, which.limit)?;
    if which.before.is_some_and(|before| before > 1_000_000_000_000) {
        return Err(Problem::input("no log has so many entries"));
    }
    let kind = which.kind.as_deref();
    if kind.is_some_and(|kind| !KINDS.contains(&kind)) {
        return Err(Problem::input("no event has this type"));
    }
    let endpoint = which.endpoint.map(|of| of.0);
    let filter = LogFilter { kind, endpoint: endpoint.as_ref() };
    let words = asking.site().log_filter_words(filter).map_err(|error| match error {
        site::Error::Refused(fleet::Refused::NoEndpoint) => {
            Problem::input("no endpoint has this name")
        }
        other => other.into(),
    })?;
    let page = asking.site().log_page(filter, which.before, take)?;
    asking.looks(words, page.lines.len() as u64)?;
    Ok(Json(LogPage { total: page.entries, older: page.older, rows: Of::of(page.lines) }))
}

fn entry(asking: &Asking, of: OfEntry, _: No, _: No) -> Result<Json<LogEntry>, Problem> {
    let found = asking.site().log_entry(of.entry).map_err(|error| match error {
        site::Error::Input(why) => Problem::missing(why),
        other => other.into(),
    })?;
    asking.looks(format!("entry {}", of.entry), 1)?;
    let event = serde_json::from_str(&found.json);
    let event = event.map_err(|e| Problem::broken(format!("the entry cannot be read: {e}")))?;
    Ok(Json(LogEntry {
        line: Of::of(found.line),
        event: Document(event),
        json: found.json,
        leaf: Sha256(found.leaf),
        path: Of::of(found.path),
        size: found.size,
        root: Sha256(found.root),
        proof: found.proof,
    }))
}

fn key(asking: &Asking, _: No, _: No, _: No) -> Result<Json<AuditKey>, Problem> {
    let (fingerprint, origin) =
        (asking.site().audit_fingerprint()?, asking.site().state().origin.clone());
    Ok(Json(AuditKey { fingerprint, origin }))
}

fn export(asking: &Asking, _: No, _: No, Json(export): Json<Export>) -> Result<Zip, Problem> {
    let scope = match export.scope {
        ScopeWord::Full => Scope::Full,
        ScopeWord::Summary => Scope::Summary,
    };
    let (zip, exported) = asking.site().audit_bundle(asking.actor(), scope)?;
    let Exported { manifest, files, bytes, entries, key, absent } = exported;
    let about = json!({
        "manifest": manifest, "files": files, "bytes": bytes, "entries": entries, "key": key, "absent": absent,
    });
    Ok(Zip { zip, about: about.to_string() })
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/log"), O::ShowLog, "Lines of the log, the newest first", lines);
    table.add(
        ("GET", "/log/{entry}"),
        O::ShowLog,
        "An entry, and the proof that it is in the log",
        entry,
    );
    table.add(
        ("GET", "/audit/key"),
        O::AuditKey,
        "The key that audit bundles are signed with",
        key,
    );
    table.add(("POST", "/audit/export"), O::ExportAudit, "Write an audit bundle", export);
}
