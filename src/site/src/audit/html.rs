//! Pages and JSON of an audit bundle, from what the log tells.

use super::{
    AuditError, Scope, people, rows,
    sentence::{anchor_kind, bytes, count, day, sentence, thousands, time},
    told::Told,
};
use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fleet::Event;
use ids::{Digest, Timestamp};
use merkle::{Checkpoint, VerifierKey};
use serde::Serialize;
use serde_json::json;

/// Updates that the page lists; the CSV holds all.
const UPDATES_SHOWN: usize = 250;
/// Events that the page lists, newest first; `events.jsonl` holds all.
const EVENTS_SHOWN: usize = 60;
/// The service level for content, in days.
const CONTENT_DAYS_MAX: i64 = 30;
pub(super) const STYLE: &str = include_str!("../../assets/report.css");

/// What the pages are made from.
pub(super) struct Context<'a> {
    pub(super) told: &'a Told,
    pub(super) events: &'a [Event],
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) log: &'a VerifierKey,
    pub(super) key: String,
    pub(super) scope: Scope,
    pub(super) generated_at: Timestamp,
    pub(super) patchkeep: &'a str,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Report<'a> {
    style: &'a str,
    style_hash: String,
    site: String,
    scope: Scope,
    generated: String,
    patchkeep: &'a str,
    key: &'a str,
    vkey: String,
    origin: &'a str,
    epoch: u32,
    founded: String,
    size: u64,
    entries: String,
    root: String,
    root_hex: String,
    figures: Vec<Figure>,
    anchors: Vec<[String; 4]>,
    keys: &'a [(String, String)],
    sources: Vec<Source>,
    bars: Vec<Bar>,
    chart: String,
    on_time: String,
    imports: Vec<Import>,
    updates: Vec<Update>,
    updates_all: usize,
    unread: usize,
    rings: Vec<[String; 4]>,
    refusals: Vec<[String; 5]>,
    decisions: Vec<[String; 6]>,
    endpoints: Vec<[String; 5]>,
    settings: Vec<[String; 2]>,
    kinds: Vec<(String, String)>,
    events: Vec<[String; 3]>,
    events_all: usize,
}

struct Figure {
    value: String,
    label: &'static str,
    note: String,
}

struct Source {
    id: String,
    sequence: u64,
    signed: String,
    age: String,
    late: bool,
    valid_until: String,
    missing: String,
    anchor: String,
    fingerprints: String,
}

struct Bar {
    label: &'static str,
    count: u64,
    share: String,
    /// Of 460 units.
    width: u64,
    y: usize,
    late: bool,
}

struct Import {
    sequence: u64,
    entry: u64,
    at: String,
    by: String,
    medium: String,
    scan: String,
    sources: u64,
    updates: String,
    cves: String,
    bytes: String,
    note: String,
}

struct Update {
    package: String,
    version: String,
    source: String,
    released: String,
    basis: &'static str,
    imported: String,
    sequence: u64,
    days: String,
    late: bool,
    cves: String,
}

/// `reports/report.html`.
pub(super) fn report(page: &Context<'_>) -> Result<String, AuditError> {
    let told = page.told;
    let bars = bars(&told.updates);
    let on_time = told.updates.iter().filter(|update| update.within_14_days).count();
    let report = Report {
        style: STYLE,
        style_hash: style_hash(),
        site: told.state.site.as_ref().map(ToString::to_string).unwrap_or_default(),
        scope: page.scope,
        generated: time(page.generated_at),
        patchkeep: page.patchkeep,
        key: &page.key,
        vkey: page.log.to_string(),
        origin: &page.checkpoint.origin,
        epoch: told.epoch,
        founded: told.founded(),
        size: page.checkpoint.size,
        entries: count(page.checkpoint.size, "entry"),
        root: STANDARD.encode(page.checkpoint.root.as_bytes()),
        root_hex: page.checkpoint.root.to_hex(),
        figures: figures(page, on_time),
        anchors: anchors(told),
        keys: &told.keys,
        sources: sources(page),
        chart: describe_bars(&bars),
        bars,
        on_time: format!(
            "{} of {}",
            thousands(on_time as u64),
            count(told.updates.len() as u64, "update")
        ),
        imports: told.imports.iter().rev().map(import).collect(),
        updates: updates(told),
        updates_all: told.updates.len(),
        unread: told.unread.len(),
        rings: rings(told),
        refusals: refusals(told),
        decisions: people::decision_lines(told),
        endpoints: people::endpoint_lines(told),
        settings: settings(page),
        kinds: told
            .counts
            .iter()
            .map(|(kind, n)| (kind.replace('-', " "), thousands(*n)))
            .collect(),
        events: events(page.events),
        events_all: page.events.len(),
    };
    report.render().map_err(|source| AuditError::Page { page: "report.html", source })
}

/// What the content policy of a page allows: this style and nothing else.
pub(super) fn style_hash() -> String {
    STANDARD.encode(Digest::of(STYLE.as_bytes()).as_bytes())
}

fn figures(page: &Context<'_>, on_time: usize) -> Vec<Figure> {
    let told = page.told;
    let updates = told.updates.len();
    let share = (on_time * 100).checked_div(updates);
    let oldest = sources(page).into_iter().filter(|s| s.late).count();
    let refused: u64 = told.refusals.iter().map(|row| row.count).sum();
    let bytes_new = told.imports.iter().map(|row| row.bytes_new).sum();
    let newest = told.imports.last().map(|row| format!("newest: bundle {}", row.sequence));
    vec![
        Figure {
            value: thousands(told.imports.len() as u64),
            label: "bundles imported",
            note: newest.unwrap_or_else(|| "none yet".into()),
        },
        Figure {
            value: thousands(updates as u64),
            label: "vendor updates brought in",
            note: format!("{} of new payloads", bytes(bytes_new)),
        },
        Figure {
            value: thousands(told.cves.len() as u64),
            label: "different CVEs named",
            note: "by the vendors' changelogs".into(),
        },
        Figure {
            value: share.map_or("–".into(), |share| format!("{share} %")),
            label: "imported within 14 days",
            note: format!("{on_time} of {updates} updates"),
        },
        Figure {
            value: thousands(oldest as u64),
            label: "sources older than 30 days",
            note: "at the time of this report".into(),
        },
        Figure {
            value: thousands(refused),
            label: "refusals",
            note: "bundles, media and requests".into(),
        },
    ]
}

fn anchors(told: &Told) -> Vec<[String; 4]> {
    let row = |anchor: &super::told::Anchor| {
        let prints = if anchor.fingerprints.is_empty() {
            anchor.sha256.to_hex()
        } else {
            anchor.fingerprints.join(", ")
        };
        let kind = anchor_kind(anchor.kind).trim_start_matches("the ").to_owned();
        [kind, anchor.name.clone(), prints, time(anchor.accepted_at)]
    };
    told.anchors.iter().map(row).collect()
}

fn sources(page: &Context<'_>) -> Vec<Source> {
    let mut newest = std::collections::BTreeMap::new();
    for (sequence, _, source) in &page.told.sources {
        newest.insert(&source.source, (sequence, source));
    }
    let row = |(id, (sequence, source)): (&ids::SourceId, (&u64, &fleet::ImportedSource))| {
        let age = page.generated_at.duration_since(source.vendor.release_date).as_secs() / 86_400;
        let view = page.told.state.views.get(&(id.clone(), *sequence));
        let missing = view.map_or(source.missing, |view| view.missing);
        Source {
            id: id.to_string(),
            sequence: *sequence,
            signed: time(source.vendor.release_date),
            age: count(age.unsigned_abs(), "day"),
            late: age > CONTENT_DAYS_MAX,
            valid_until: source.vendor.valid_until.map_or("not stated".into(), day),
            missing: if missing == 0 {
                "whole".into()
            } else {
                format!("{} missing", count(missing, "file"))
            },
            anchor: source.vendor.anchor.clone(),
            fingerprints: source.vendor.signed_by.join(", "),
        }
    };
    newest.into_iter().map(row).collect()
}

fn bars(updates: &[rows::Update]) -> Vec<Bar> {
    // Upper ends in tenths of a day; the second is the limit of the 14-day rules.
    let ends = [70, 140, 300, 600, 900, i64::MAX];
    let labels =
        ["up to 7 days", "8 to 14 days", "15 to 30 days", "31 to 60 days", "61 to 90 days", "more"];
    let mut counts = [0_u64; 6];
    for update in updates {
        // What is late by seconds belongs to the next bar.
        let days = update.days_release_to_import;
        let late = i64::from(!update.within_14_days && days <= 140);
        let place = ends.iter().position(|end| days + late <= *end).unwrap_or(5);
        counts[place] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let all = (updates.len() as u64).max(1);
    let bar = |(place, (label, count)): (usize, (&'static str, u64))| Bar {
        label,
        count,
        share: format!("{} %", count * 100 / all),
        width: count * 460 / most,
        y: 8 + place * 34,
        late: place > 1,
    };
    labels.into_iter().zip(counts).enumerate().map(bar).collect()
}

fn describe_bars(bars: &[Bar]) -> String {
    let parts: Vec<String> =
        bars.iter().map(|bar| format!("{}: {}", bar.label, bar.count)).collect();
    parts.join("; ")
}

fn import(row: &rows::Import) -> Import {
    let mut notes = Vec::new();
    if row.files_missing > 0 {
        notes.push(format!("{} missing", count(row.files_missing, "file")));
    }
    if row.skipped_bundles {
        notes.push("bundles before it were never seen here".into());
    }
    Import {
        sequence: row.sequence,
        entry: row.entry,
        at: time(row.imported_at),
        by: row.imported_by.clone(),
        medium: row.medium.clone().unwrap_or_else(|| "not in this export".into()),
        scan: row.malware_scan.clone().unwrap_or_else(|| "not in this export".into()),
        sources: row.sources,
        updates: thousands(row.updates),
        cves: thousands(row.cves),
        bytes: bytes(row.bytes_new),
        note: notes.join("; "),
    }
}

fn updates(told: &Told) -> Vec<Update> {
    let mut newest: Vec<&rows::Update> = told.updates.iter().collect();
    newest.sort_by(|a, b| b.released_at.cmp(&a.released_at).then(a.update.cmp(&b.update)));
    let row = |update: &rows::Update| Update {
        package: update.source_package.clone(),
        version: update.fixed_version.clone(),
        source: update.source.to_string(),
        released: day(update.released_at),
        basis: if update.released_by == "changelog" { "changelog" } else { "signed release" },
        imported: day(update.imported_at),
        sequence: update.first_sequence,
        days: update.days(),
        late: !update.within_14_days,
        cves: match update.cves.as_deref() {
            None => "unknown".into(),
            Some([]) => "none named".into(),
            Some(cves) if cves.len() > 4 => {
                format!("{} and {} more", cves[..3].join(", "), cves.len() - 3)
            }
            Some(cves) => cves.join(", "),
        },
    };
    newest.into_iter().take(UPDATES_SHOWN).map(row).collect()
}

fn rings(told: &Told) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for (ring, follows) in &told.state.rings {
        let how = if *follows { "follows new complete views" } else { "is moved by hand" };
        let pointers = told.state.pointers.iter().filter(|((r, _), _)| r == ring);
        let before = rows.len();
        for ((_, source), (sequence, generation)) in pointers {
            let at = format!("bundle {sequence} (generation {generation})");
            rows.push([ring.to_string(), how.to_owned(), source.to_string(), at]);
        }
        if rows.len() == before {
            rows.push([ring.to_string(), how.to_owned(), "none".into(), "nothing yet".into()]);
        }
    }
    rows
}

fn refusals(told: &Told) -> Vec<[String; 5]> {
    let row = |row: &rows::Refusal| {
        let (entry, at) = (row.entry.to_string(), time(row.at));
        let what = if row.count > 1 {
            format!("{} × {}", row.count, row.what)
        } else {
            row.what.to_owned()
        };
        [entry, at, what, row.reason.clone(), row.message.clone()]
    };
    told.refusals.iter().rev().map(row).collect()
}

/// What a reader must know before relying on the site's controls.
fn settings(page: &Context<'_>) -> Vec<[String; 2]> {
    let row = |what: &str, says: &str| [what.to_owned(), says.to_owned()];
    let key = if page.told.names_key(&page.key) {
        "the log names it as the appliance's key for audit bundles"
    } else {
        "the log does not name it; compare it with the appliance's screen or paper"
    };
    vec![
        row("Four eyes", people::four_eyes(page.events)),
        row("Approvals that only the appliance attests to", &people::attested(page.events)),
        row(
            "Release of this export",
            "Decided by one person. Once the appliance knows people, a \
             full export takes two.",
        ),
        row("Signature checks", "On for publisher and vendor. They cannot be switched off."),
        row("Witnesses", &people::vouching(page.told)),
        row(
            "Time",
            "The appliance's own clock, never earlier than the latest signed time that it \
             has seen.",
        ),
        row(
            "The appliance's data partition",
            page.told.state.data_partition.map_or(
                "Not recorded: the appliance does not run from its own image, and its data is kept as that system keeps it.",
                |kept| kept.says(),
            ),
        ),
        row("Key of this bundle", &format!("{}; {key}.", page.key)),
        row(
            "What endpoints installed",
            "What an endpoint's agent says of its job is its claim; it stands in the table of \
             endpoints. Endpoints that patch themselves with stock tools report nothing.",
        ),
    ]
}

fn events(events: &[Event]) -> Vec<[String; 3]> {
    let numbered = events.iter().enumerate().rev().take(EVENTS_SHOWN);
    numbered.map(|(n, event)| [n.to_string(), time(event.at), sentence(event)]).collect()
}

/// `reports/summary.json`: the header of the report and its figures.
pub(super) fn summary(page: &Context<'_>) -> Result<String, AuditError> {
    let told = page.told;
    let on_time = told.updates.iter().filter(|update| update.within_14_days).count();
    let rings: Vec<_> = (told.state.pointers.iter())
        .map(|((ring, source), (sequence, generation))| {
            json!({"ring": ring, "source": source, "sequence": sequence, "generation": generation})
        })
        .collect();
    let value = json!({
        "schema_version": 1,
        "generated_at": page.generated_at,
        "generated_by": format!("Patchkeep {}", page.patchkeep),
        "site": told.state.site,
        "scope": page.scope,
        "log_origin": page.checkpoint.origin,
        "as_of_log_size": page.checkpoint.size,
        "log_root": page.checkpoint.root,
        "key": page.key,
        "clock_source": "appliance clock with a floor of signed times",
        "four_eyes": people::four_eyes(page.events),
        "decisions": told.decisions.len(),
        "endpoints": told.endpoints.len(),
        "bundles_imported": told.imports.len(),
        "updates": told.updates.len(),
        "updates_within_14_days": on_time,
        "cves": told.cves.len(),
        "refusals": told.refusals.iter().map(|row| row.count).sum::<u64>(),
        "catalogues_not_read": told.unread,
        "events_by_type": told.counts,
        "rings": rings,
        "witnesses": people::vouching(told),
    });
    pretty("summary", &value)
}

/// Rows as JSON, one a line.
pub(super) fn json<R: Serialize>(table: &'static str, rows: &[R]) -> Result<String, AuditError> {
    let line =
        |row: &R| serde_json::to_string(row).map_err(|source| AuditError::Json { table, source });
    let lines: Vec<String> = rows.iter().map(line).collect::<Result<_, _>>()?;
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

fn pretty(table: &'static str, value: &impl Serialize) -> Result<String, AuditError> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|source| AuditError::Json { table, source })?;
    text.push('\n');
    Ok(text)
}
