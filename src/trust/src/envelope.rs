//! One metadata file: canonical JSON around what is signed and its signatures.

use crate::{Reason, Refusal};
use ids::{Digest, Timestamp};
use olpc_cjson::CanonicalFormatter;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Name of the field of the signed timestamp role that says when it was signed.
pub const SIGNED_AT: &str = "x-patchkeep-signed-at";

/// One signature of a metadata file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signature {
    pub(crate) keyid: Digest,
    pub(crate) sig: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    signatures: Vec<Signature>,
    signed: Value,
}

/// A metadata file that has been read but not yet judged.
pub(crate) struct Envelope {
    /// File name, for sentences.
    pub(crate) name: String,
    /// Digest of the whole file.
    pub(crate) sha256: Digest,
    pub(crate) signatures: Vec<Signature>,
    signed: Value,
    message: Vec<u8>,
}

impl Envelope {
    /// Reads a file. Its bytes must be ASCII and the canonical form of what they say: then no byte
    /// can change without changing what is signed or a signature.
    pub(crate) fn read(name: &str, bytes: &[u8]) -> Result<Self, Refusal> {
        let odd = |what: &str| malformed(name, what);
        if !bytes.is_ascii() {
            return Err(odd("is not plain ASCII"));
        }
        let whole: Value = serde_json::from_slice(bytes).map_err(|_| odd("is not JSON"))?;
        if canonical_json(&whole).as_deref() != Some(bytes) {
            return Err(odd("is not canonical JSON"));
        }
        let file: File = serde_json::from_value(whole).map_err(|_| odd("is not a signed file"))?;
        let message = canonical_json(&file.signed).ok_or_else(|| odd("is not canonical JSON"))?;
        Ok(Self {
            name: name.to_owned(),
            sha256: Digest::of(bytes),
            signatures: file.signatures,
            signed: file.signed,
            message,
        })
    }

    /// The bytes that are signed.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// What is signed, as the role type `T` whose `_type` is `kind`.
    pub(crate) fn role<T: DeserializeOwned>(&self, kind: &str) -> Result<T, Refusal> {
        let text = |field: &str| self.signed.get(field).and_then(Value::as_str);
        if text("_type") != Some(kind) {
            return Err(malformed(&self.name, &format!("is not of type {kind}")));
        }
        if !text("spec_version").is_some_and(|version| version.starts_with("1.")) {
            return Err(malformed(&self.name, "does not follow TUF 1"));
        }
        let expires = text("expires").unwrap_or_default();
        if expires.len() != "2026-01-01T00:00:00Z".len() || !expires.ends_with('Z') {
            return Err(malformed(&self.name, "has an expiry that is not in whole seconds of UTC"));
        }
        serde_json::from_value(self.signed.clone())
            .map_err(|error| malformed(&self.name, &format!("cannot be read ({error})")))
    }

    /// The time at which it says that it was signed.
    pub(crate) fn signed_at(&self) -> Result<Timestamp, Refusal> {
        self.signed
            .get(SIGNED_AT)
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| malformed(&self.name, "does not say when it was signed"))
    }
}

pub(crate) fn malformed(name: &str, what: &str) -> Refusal {
    let what: String = what.chars().take(300).collect();
    Refusal::new(Reason::Malformed, format!("metadata file {name} {what}"))
}

/// OLPC canonical JSON, the form that TUF signs; `None` for what has none (fractions).
#[must_use]
pub fn canonical_json(value: &impl Serialize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let formatter = CanonicalFormatter::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer).ok()?;
    Some(bytes)
}

/// Reads one metadata file of any role without judging it: the door for fuzzing.
///
/// # Errors
/// [`Reason::Malformed`].
pub fn parse_metadata(bytes: &[u8]) -> Result<(), Refusal> {
    let envelope = Envelope::read("metadata", bytes)?;
    envelope
        .role::<tough::schema::Root>("root")
        .map(drop)
        .or_else(|_| envelope.role::<tough::schema::Timestamp>("timestamp").map(drop))
        .or_else(|_| envelope.role::<tough::schema::Snapshot>("snapshot").map(drop))
        .or_else(|_| envelope.role::<tough::schema::Targets>("targets").map(drop))
}
