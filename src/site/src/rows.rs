//! Which rows of the views an event makes.
//!
//! Trees: `attempts` by endpoint and entry, `imports` by sequence, `importers` by entry, `refusals` by entry,
//! `kinds` by type and entry, `certificates` by digest, `runs` by id and stage, `jobs` by endpoint,
//! `custody` by record, `approvals` by entry, `effective` by approval and endpoint, `members` by entry,
//! `seen` by entry, `histories` by endpoint and entry.
//! Raise [`views::FORMAT`] with every change here.

use crate::run;
use fleet::{Actor, Event, Fact, JobEnd};
use ids::{PersonId, Timestamp};
use serde::Deserialize;
use serde_json::json;
use trust::Decision;
use views::Row;

/// Trees that are written here.
pub const IMPORTS: &str = "imports";
/// Refused and quarantined bundles, by entry.
pub const REFUSALS: &str = "refusals";
/// Entries by type: key is the type, a zero byte and the index.
pub const KINDS: &str = "kinds";

/// Endpoints' certificates, by digest: when each ends.
pub(crate) const CERTIFICATES: &str = "certificates";

/// Who imported or carried, by entry.
pub(crate) const IMPORTERS: &str = "importers";

/// Media that were presented, by the id of their custody record.
pub(crate) const CUSTODY: &str = "custody";

/// Runs, by id and stage.
pub(crate) const RUNS: &str = "runs";

/// Approvals, by entry.
pub(crate) const APPROVALS: &str = "approvals";
/// When endpoints said that an approval is effective: key is the approval's digest and the endpoint's id.
pub(crate) const EFFECTIVE: &str = "effective";

/// What became of endpoints, by entry.
pub(crate) const MEMBERS: &str = "members";
/// What tells of machines that are not managed, by entry: registers of machines, certificates for apt alone.
pub(crate) const SEEN: &str = "seen";

/// Entries about endpoints: key is the endpoint's id and the index.
pub(crate) const HISTORIES: &str = "histories";

/// What was said last of each endpoint's job: a commitment to the sentence.
pub(crate) const JOBS: &str = "jobs";
/// When endpoints' jobs were attempted: key is the endpoint's id and the index.
pub(crate) const ATTEMPTS: &str = "attempts";

/// A row of [`ATTEMPTS`] or [`EFFECTIVE`].
#[derive(Deserialize)]
pub(crate) struct DatedRow {
    pub(crate) at: Timestamp,
}

/// A row of [`CERTIFICATES`].
#[derive(Deserialize)]
pub(crate) struct CertificateRow {
    pub(crate) not_after: Timestamp,
}

/// A row of [`IMPORTERS`].
#[derive(Deserialize)]
pub(crate) struct ImporterRow {
    pub(crate) entry: u64,
    pub(crate) sequence: u64,
    pub(crate) person: PersonId,
}

/// The rows of the event with this index.
pub(crate) fn of(index: u64, event: &Event) -> Vec<Row> {
    let mut key = event.fact.kind().as_bytes().to_vec();
    key.push(0);
    key.extend(index.to_be_bytes());
    let mut rows = vec![Row { tree: KINDS, key, value: Some(json!({ "at": event.at })) }];
    if let (
        Fact::BundleImported { sequence, .. } | Fact::PayloadsCarried { sequence, .. },
        Actor::Person { person, .. },
    ) = (&event.fact, &event.actor)
    {
        let value = json!({ "entry": index, "sequence": sequence, "person": person });
        let key = index.to_be_bytes().to_vec();
        rows.push(Row { tree: IMPORTERS, key, value: Some(value) });
    }
    rows.extend(event.fact.endpoints().iter().map(|endpoint| {
        let mut key = endpoint.as_str().as_bytes().to_vec();
        key.extend(index.to_be_bytes());
        Row { tree: HISTORIES, key, value: Some(json!({})) }
    }));
    rows.extend(run::row(event.at, &event.fact));
    rows.extend(of_job(index, event));
    rows.extend(of_days(index, event));
    rows.extend(of_machines(index, event));
    rows.extend(of_custody(index, event));
    match &event.fact {
        Fact::BundleImported {
            sequence,
            bundle,
            sources,
            payloads_new,
            bytes_new,
            custody,
            ..
        } => {
            let value = json!({
                "entry": index, "at": event.at, "sequence": sequence, "bundle": bundle, "custody": custody,
                "sources": sources, "payloads_new": payloads_new, "bytes_new": bytes_new,
            });
            let key = sequence.to_be_bytes().to_vec();
            rows.push(Row { tree: IMPORTS, key, value: Some(value) });
        }
        Fact::BundleRefused { reason, message, custody, .. }
        | Fact::BundleQuarantined { reason, message, custody, .. } => {
            let value = json!({
                "entry": index, "at": event.at, "reason": reason, "message": message, "custody": custody,
                "quarantined": matches!(event.fact, Fact::BundleQuarantined { .. }),
            });
            let key = index.to_be_bytes().to_vec();
            rows.push(Row { tree: REFUSALS, key, value: Some(value) });
        }
        Fact::EndpointCertificateIssued { certificate, not_after, .. }
        | Fact::EndpointConfirmed { certificate, not_after, .. }
        | Fact::EndpointCertificateRenewed { certificate, not_after, .. } => {
            let value = json!({ "entry": index, "not_after": not_after });
            let key = certificate.as_bytes().to_vec();
            rows.push(Row { tree: CERTIFICATES, key, value: Some(value) });
        }
        _ => {}
    }
    rows
}

/// A medium's custody record, as it is now.
fn of_custody(index: u64, event: &Event) -> Option<Row> {
    let (custody, record, verdict) = match &event.fact {
        Fact::CustodyOpened { custody, record }
        | Fact::MediumWriteAsked { custody, record, .. } => (custody, record, None),
        Fact::CustodyClosed { custody, record, verdict } => (custody, record, Some(verdict)),
        _ => return None,
    };
    let value = json!({ "entry": index, "at": event.at, "record": record, "verdict": verdict });
    Some(Row { tree: CUSTODY, key: custody.as_str().as_bytes().to_vec(), value: Some(value) })
}

/// What is said last of an endpoint's job; that it was attempted.
fn of_job(index: u64, event: &Event) -> Vec<Row> {
    let (Fact::JobReported { endpoint, record, .. }
    | Fact::SnapshotFailed { endpoint, record, .. }
    | Fact::RestoreEnded { endpoint, record, .. }
    | Fact::RestoreDrilled { endpoint, record, .. }
    | Fact::EndpointSilent { endpoint, record, .. }) = &event.fact
    else {
        return Vec::new();
    };
    let value = json!({ "entry": index, "at": event.at, "record": record });
    let mut key = endpoint.as_str().as_bytes().to_vec();
    let mut rows = vec![Row { tree: JOBS, key: key.clone(), value: Some(value) }];
    if matches!(&event.fact, Fact::JobReported { job, .. } if fleet::is_attempt(job)) {
        key.extend(index.to_be_bytes());
        // By the appliance's clock: the endpoint's own is its word only.
        rows.push(Row { tree: ATTEMPTS, key, value: Some(json!({ "at": event.at })) });
    }
    rows
}

/// What tells who used the days: approvals, and where they came into effect, by the appliance's clock.
fn of_days(index: u64, event: &Event) -> Option<Row> {
    match &event.fact {
        Fact::StatementAccepted {
            ring, decision: Decision::Approve, envelope, statement, ..
        } => {
            let value = json!({
                "at": event.at, "ring": ring, "envelope": envelope, "statement": statement,
            });
            Some(Row { tree: APPROVALS, key: index.to_be_bytes().to_vec(), value: Some(value) })
        }
        Fact::JobReported { endpoint, job, .. } if job.end == Some(JobEnd::Effective) => {
            let mut key = job.approval.as_bytes().to_vec();
            key.extend(endpoint.as_str().as_bytes());
            Some(Row { tree: EFFECTIVE, key, value: Some(json!({ "at": event.at })) })
        }
        _ => None,
    }
}

/// What tells which machines were under management, and which were only seen.
fn of_machines(index: u64, event: &Event) -> Option<Row> {
    let at = event.at;
    let (tree, value) = match &event.fact {
        Fact::EndpointAsked { endpoint: id, name, ring, .. } => {
            (MEMBERS, json!({ "id": id, "at": at, "what": "asked", "name": name, "ring": ring }))
        }
        Fact::EndpointConfirmed { endpoint: id, .. } => {
            (MEMBERS, json!({ "id": id, "at": at, "what": "joined" }))
        }
        Fact::EndpointElected { endpoint: id, elected, .. } => {
            (MEMBERS, json!({ "id": id, "at": at, "what": "elected", "elected": elected }))
        }
        Fact::EndpointDescribed { endpoint: id, description } => {
            (MEMBERS, json!({ "id": id, "at": at, "what": "described", "kind": description.kind }))
        }
        Fact::EndpointRetired { endpoint: id, .. } => {
            (MEMBERS, json!({ "id": id, "at": at, "what": "left" }))
        }
        Fact::AssetsRegistered { record, .. } => (SEEN, json!({ "at": at, "register": record })),
        Fact::EndpointCertificateIssued { endpoint, not_after, .. } => {
            (SEEN, json!({ "at": at, "name": endpoint, "not_after": not_after }))
        }
        _ => return None,
    };
    Some(Row { tree, key: index.to_be_bytes().to_vec(), value: Some(value) })
}
