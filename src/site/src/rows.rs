//! Which rows of the views an event makes.
//!
//! Trees: `attempts` by endpoint and entry, `imports` by sequence, `importers` by entry, `refusals` by entry, `kinds` by type and entry, `certificates` by digest.
//! Raise [`views::FORMAT`] with every change here.

use fleet::{Actor, Event, Fact};
use serde_json::json;
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

/// When endpoints' jobs were attempted: key is the endpoint's id and the index.
pub(crate) const ATTEMPTS: &str = "attempts";

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
    match &event.fact {
        Fact::BundleImported { sequence, bundle, sources, payloads_new, bytes_new, .. } => {
            let value = json!({
                "entry": index, "at": event.at, "sequence": sequence, "bundle": bundle,
                "sources": sources, "payloads_new": payloads_new, "bytes_new": bytes_new,
            });
            let key = sequence.to_be_bytes().to_vec();
            rows.push(Row { tree: IMPORTS, key, value: Some(value) });
        }
        Fact::BundleRefused { reason, message, .. }
        | Fact::BundleQuarantined { reason, message, .. } => {
            let value = json!({
                "entry": index, "at": event.at, "reason": reason, "message": message,
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
        Fact::JobReported { endpoint, job, .. } if fleet::is_attempt(job) => {
            let mut key = endpoint.as_str().as_bytes().to_vec();
            key.extend(index.to_be_bytes());
            // By the appliance's clock: the endpoint's own is its word only.
            rows.push(Row { tree: ATTEMPTS, key, value: Some(json!({ "at": event.at })) });
        }
        _ => {}
    }
    rows
}
