//! What site roots, approvals and waivers share: how they are written to be signed, and read unbelieved.

use super::{Denial, Denied};
use crate::dsse::{Envelope, Purpose};
use serde::{Serialize, de::DeserializeOwned};

/// A document as it is signed: canonical JSON (OLPC). `what` names it in sentences.
pub(super) fn write(what: &str, document: &impl Serialize) -> Result<Vec<u8>, Denial> {
    let value = serde_json::to_value(document).map_err(|e| malformed(what, &e.to_string()))?;
    crate::canonical_json(&value)
        .ok_or_else(|| malformed(what, "it holds what canonical JSON cannot say"))
}

/// The document in an envelope, before anybody's signature was looked at.
pub(super) fn read<T: DeserializeOwned>(
    what: &str,
    envelope: &Envelope,
    purpose: Purpose,
) -> Result<T, Denial> {
    let payload = envelope.unverified_payload(purpose)?;
    serde_json::from_slice(&payload).map_err(|e| malformed(what, &e.to_string()))
}

/// Whether a package's name, version or the like may stand in a signed document: 1 to 200 visible ASCII
/// characters, so that what a terminal shows is what is signed.
#[must_use]
pub fn is_plain_word(word: &str) -> bool {
    (1..=200).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic())
}

/// A document that does not hold together.
pub(super) fn malformed(what: &str, why: &str) -> Denial {
    Denial::new(Denied::Malformed, format!("the {what} is malformed: {why}"))
}
