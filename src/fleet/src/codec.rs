//! Events as ledger entries: canonical JSON (RFC 8785), versions and upcasters.
//!
//! An entry is `{"type", "v", "at", "actor", ...}`. Old versions are lifted, one number at a time, by
//! pure upcasters before they are read; what is newer than this program is an error that says so.

use crate::{Event, Fact};
use serde_json::Value;

/// Longest entry in bytes (C2SP tlog-tiles).
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// An entry that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The event does not fit in one entry.
    #[error("event of {bytes} bytes is longer than an entry may be ({ENTRY_BYTES_MAX} bytes)")]
    TooLong {
        /// Length of its canonical form.
        bytes: usize,
    },
    /// The event could not be written as JSON.
    #[error("cannot write event as canonical JSON")]
    Write(#[source] serde_json::Error),
    /// The bytes are not an event of any version.
    #[error("entry is not an event")]
    Read(#[source] serde_json::Error),
    /// The entry lacks its type or version.
    #[error("entry has no type or version")]
    NoVersion,
    /// The entry was written by a newer program.
    #[error("entry of type {kind:?} version {version} was written by a newer version of Patchkeep")]
    Newer {
        /// Its type.
        kind: String,
        /// Its version.
        version: u64,
    },
}

impl CodecError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> ids::Fault {
        match self {
            Self::TooLong { .. } | Self::Write(_) => ids::Fault::Broken,
            Self::Read(_) | Self::NoVersion => ids::Fault::Input,
            Self::Newer { .. } => ids::Fault::Unavailable,
        }
    }
}

/// The entry that says `event`: canonical JSON, UTF-8, at most [`ENTRY_BYTES_MAX`] bytes.
///
/// # Errors
/// [`CodecError::TooLong`] when it does not fit.
pub fn encode(event: &Event) -> Result<Vec<u8>, CodecError> {
    let mut value = serde_json::to_value(event).map_err(CodecError::Write)?;
    if let Value::Object(fields) = &mut value {
        fields.insert("v".into(), event.fact.version().into());
    }
    let bytes = serde_json_canonicalizer::to_vec(&value).map_err(CodecError::Write)?;
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(CodecError::TooLong { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// The event that an entry says, lifted to today's version.
///
/// # Errors
/// See [`CodecError`]; unknown types and newer versions are [`CodecError::Newer`].
pub fn decode(entry: &[u8]) -> Result<Event, CodecError> {
    let mut value: Value = serde_json::from_slice(entry).map_err(CodecError::Read)?;
    let kind = value.get("type").and_then(Value::as_str).map(str::to_owned);
    let version = value.get("v").and_then(Value::as_u64);
    let (Some(kind), Some(mut version)) = (kind, version) else {
        return Err(CodecError::NoVersion);
    };
    while let Some(lift) = upcaster(&kind, version) {
        value = lift(value);
        version += 1;
    }
    if !KINDS.contains(&kind.as_str()) {
        return Err(CodecError::Newer { kind, version });
    }
    if let Value::Object(fields) = &mut value {
        fields.remove("v");
    }
    let event: Event = serde_json::from_value(value).map_err(CodecError::Read)?;
    if version > u64::from(event.fact.version()) {
        return Err(CodecError::Newer { kind, version });
    }
    Ok(event)
}

/// Turns one version of an entry into the next.
type Upcaster = fn(Value) -> Value;

/// The upcaster from `version` of `kind` to the next version, if there is a next one.
fn upcaster(_kind: &str, _version: u64) -> Option<Upcaster> {
    // Every kind is at version 1, so nothing is lifted yet. The golden ledger in `tests/golden`
    // keeps each version that was ever written, and the tests replay it.
    None
}

/// Every type this version understands; the golden ledger proves that the list is whole.
pub const KINDS: &[&str] = &[
    "site-created",
    "anchor-accepted",
    "key-made",
    "service-started",
    "ledger-repaired",
    "views-rebuilt",
    "clock-went-back",
    "state-snapshot",
    "format-raised",
    "custody-opened",
    "custody-closed",
    "import-started",
    "import-paused",
    "bundle-refused",
    "bundle-quarantined",
    "bundle-imported",
    "payloads-carried",
    "ring-created",
    "ring-pointed",
    "ring-held-back",
    "endpoint-certificate-issued",
    "site-root-accepted",
    "site-root-refused",
    "scanner-set",
    "assets-registered",
    "enrolment-token-issued",
    "enrolment-token-misused",
    "endpoint-asked",
    "endpoint-asked-again",
    "endpoint-confirmed",
    "endpoint-described",
    "endpoint-elected",
    "endpoint-certificate-renewed",
    "endpoint-retired",
    "inventory-received",
    "plan-received",
    "job-reported",
    "log-doubted",
    "endpoint-went-back",
    "statement-accepted",
    "statement-refused",
    "waiver-accepted",
    "update-declined",
    "ring-placed",
    "floor-set",
    "run-planned",
    "run-joined",
    "run-started",
    "run-paused",
    "run-resumed",
    "run-ended",
    "job-resolved",
    "report-refused",
    "fix-reopened",
    "snapshot-proven",
    "snapshot-failed",
    "restore-begun",
    "restore-ended",
    "restore-drilled",
    "snapshot-deleted",
    "endpoint-silent",
    "window-set",
    "window-removed",
    "exception-requested",
    "exception-approved",
    "calendar-set",
    "level-alarm",
    "policy-set",
    "policy-removed",
    "account-set",
    "account-reset",
    "security-key-added",
    "security-key-removed",
    "security-key-refused",
    "account-closed",
    "credential-set",
    "session-begun",
    "session-ended",
    "operation-denied",
    "api-token-issued",
    "api-token-revoked",
    "image-handed-over",
    "older-image-asked",
    "image-settled",
    "network-change-asked",
    "network-change-confirmed",
    "network-settled",
    "medium-write-asked",
    "medium-write-settled",
    "refusals-counted",
    "log-viewed",
    "audit-exported",
    "backup-made",
    "epoch-opened",
    "storage-full",
];

impl Fact {
    /// The `type` of the entry that says this fact.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        let tagged = serde_json::to_value(self).ok();
        let kind = tagged.as_ref().and_then(|v| v.get("type")).and_then(Value::as_str);
        KINDS.iter().find(|k| Some(**k) == kind).copied().unwrap_or("unknown")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::Actor;

    fn event() -> Event {
        Event {
            at: "2026-11-22T04:05:06.789Z".parse().unwrap(),
            actor: Actor::Appliance,
            fact: Fact::ServiceStarted {
                version: "0.1.0".into(),
                entries: 7,
                data_partition: None,
            },
        }
    }

    #[test]
    fn an_entry_is_canonical_and_comes_back() {
        let entry = encode(&event()).unwrap();
        assert_eq!(
            std::str::from_utf8(&entry).unwrap(),
            r#"{"actor":{"kind":"appliance"},"at":"2026-11-22T04:05:06.789Z","entries":7,"type":"service-started","v":1,"version":"0.1.0"}"#
        );
        assert_eq!(decode(&entry).unwrap(), event());
    }

    #[test]
    fn newer_entries_say_so() {
        let newer = r#"{"actor":{"kind":"appliance"},"at":"2026-11-22T04:05:06Z","entries":7,"type":"service-started","v":2,"version":"9"}"#;
        assert!(matches!(decode(newer.as_bytes()), Err(CodecError::Newer { version: 2, .. })));
        let unknown = r#"{"actor":{"kind":"appliance"},"at":"2026-11-22T04:05:06Z","type":"warp-drive","v":1}"#;
        assert!(matches!(decode(unknown.as_bytes()), Err(CodecError::Newer { .. })));
        assert!(matches!(decode(b"{}"), Err(CodecError::NoVersion)));
        assert!(matches!(decode(b"\xff"), Err(CodecError::Read(_))));
    }

    #[test]
    fn an_entry_too_long_is_refused() {
        let mut long = event();
        long.fact = Fact::LedgerRepaired { what: "x".repeat(ENTRY_BYTES_MAX) };
        assert!(matches!(encode(&long), Err(CodecError::TooLong { .. })));
    }
}
