//! `evidence-index.csv`: which rows of which file are evidence towards which CAF v4.0 outcome.

use super::{rows::record, told::Told};
use fleet::{Event, Fact};

/// One line of the index; wordings are ours, outcome ids are those of the framework.
struct Pointer {
    outcome: &'static str,
    shows: &'static str,
    file: &'static str,
    rows: String,
    not: &'static str,
}

/// The index. `rows` are line numbers of the file, the header being line 1; `all` is the whole file.
pub(super) fn evidence_index(told: &Told, events: &[Event]) -> String {
    let header = ["framework", "outcome", "shows", "file", "rows", "does_not_show"];
    let mut text = record(&header.map(str::to_owned));
    for pointer in pointers(told, events) {
        let Pointer { outcome, shows, file, rows, not } = pointer;
        let cells = ["CAF v4.0", outcome, shows, file, &rows, not];
        text.push_str(&record(&cells.map(str::to_owned)));
    }
    text
}

fn pointers(told: &Told, events: &[Event]) -> Vec<Pointer> {
    let table = |rows: usize| match rows {
        0 => "none".to_owned(),
        n => format!("2-{}", n + 1),
    };
    let (imports, updates) = (table(told.imports.len()), table(told.updates.len()));
    let lines = |pick: fn(&Fact) -> bool| {
        let numbers = (1_usize..).zip(events).filter(|(_, event)| pick(&event.fact));
        let numbers: Vec<String> = numbers.map(|(n, _)| n.to_string()).collect();
        if numbers.is_empty() { "none".into() } else { numbers.join(" ") }
    };
    let looks = lines(|fact| matches!(fact, Fact::LogViewed { .. } | Fact::AuditExported { .. }));
    let row = |outcome, shows, file, rows, not| Pointer { outcome, shows, file, rows, not };
    vec![
        row(
            "B4.d.A.2",
            "when each announced fix was released by its vendor and reached the site",
            "reports/updates.csv",
            updates.clone(),
            "whether endpoints have installed it",
        ),
        row(
            "B4.d.A.1",
            "CVEs that the fixes at hand name",
            "reports/updates.csv",
            updates.clone(),
            "exposure of each endpoint",
        ),
        row(
            "A4.b.A.5",
            "publisher's and vendor's signatures were both checked before an import",
            "reports/imports.csv",
            imports.clone(),
            "how the vendor builds its software",
        ),
        row(
            "A4.b.A.5",
            "what the vendors signed, byte for byte, and the keys to check it with",
            "SHA256SUMS",
            "those that begin with vendor/".into(),
            "that the vendor's own keys were safe",
        ),
        row(
            "A4.b.PA.6",
            "bundles, media and signers by which updates came",
            "reports/imports.csv",
            imports,
            "the collector's own security",
        ),
        row(
            "B4.b.PA.5",
            "software that did not verify was refused, with the reason",
            "reports/refusals.csv",
            table(told.refusals.len()),
            "checks on the endpoints",
        ),
        row(
            "B2.c.A.4",
            "who made which change",
            "events/events.jsonl",
            "all".into(),
            "acts outside Patchkeep",
        ),
        row(
            "C1.b.A.4",
            "who looked at the log or exported it",
            "events/events.jsonl",
            looks,
            "who read this copy",
        ),
        row(
            "C1.b.A.5",
            "the log is whole and unchanged: signed checkpoint, tiles and proofs",
            "checkpoint",
            "all".into(),
            "acts that were never logged; no witness has signed yet",
        ),
    ]
}
