//! Counting signatures: the one place where it is done.

use crate::envelope::Envelope;
use crate::{Reason, Refusal};
use ed25519_dalek::{Signature, VerifyingKey};
use ids::Digest;
use std::collections::{BTreeMap, BTreeSet};
use tough::schema::key::Key;

/// The keys of one role, and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Electorate {
    /// How sentences name it, e.g. `role targets of root 2`.
    pub(crate) name: String,
    pub(crate) keys: BTreeMap<Digest, [u8; 32]>,
    pub(crate) threshold: usize,
}

impl Electorate {
    /// The electorate of a role from tough's types; key ids were checked to be the keys' digests
    /// when those were parsed.
    pub(crate) fn new<'a>(
        name: String,
        keyids: impl Iterator<Item = &'a [u8]>,
        threshold: u64,
        key: impl Fn(&[u8]) -> Option<&'a Key>,
    ) -> Result<Self, Refusal> {
        let refuse = |what: &str| Refusal::new(Reason::Malformed, format!("{name} {what}"));
        let mut keys = BTreeMap::new();
        for keyid in keyids {
            let id = <[u8; 32]>::try_from(keyid).map_err(|_| refuse("has an odd key id"))?;
            let Some(Key::Ed25519 { keyval, .. }) = key(keyid) else {
                return Err(refuse("has a key that is not listed or not Ed25519"));
            };
            let public =
                <[u8; 32]>::try_from(&keyval.public[..]).map_err(|_| refuse("has an odd key"))?;
            if keys.insert(Digest::from_bytes(id), public).is_some() {
                return Err(refuse("lists a key twice"));
            }
        }
        // Ids are digests over more than the key's bytes: the same key under two ids must not
        // count twice.
        if keys.values().collect::<BTreeSet<_>>().len() != keys.len() {
            return Err(refuse("lists one key under two ids"));
        }
        let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
        if threshold == 0 || threshold > keys.len() {
            return Err(refuse("has a threshold that its keys cannot meet"));
        }
        Ok(Self { name, keys, threshold })
    }
}

/// Checks that a file is signed by the threshold of every one of `electorates`, and by nobody else:
/// a signature that is wrong, repeated or by a stranger refuses the file, so that each byte of it
/// counts.
pub(crate) fn check(envelope: &Envelope, electorates: &[&Electorate]) -> Result<(), Refusal> {
    let file = &envelope.name;
    let mut good = BTreeSet::new();
    for signature in &envelope.signatures {
        let id = signature.keyid;
        let public = electorates.iter().find_map(|electorate| electorate.keys.get(&id));
        let Some(public) = public else {
            let sentence =
                format!("{file} is signed by key {}, which has no say in it", id.short());
            return Err(Refusal::new(Reason::SignatureInvalid, sentence));
        };
        if good.contains(&id) {
            let sentence = format!("{file} is signed twice by key {}", id.short());
            return Err(Refusal::new(Reason::SignatureRepeated, sentence));
        }
        if !holds(public, envelope.message(), &signature.sig) {
            let sentence = format!("a signature of {file} by key {} does not hold", id.short());
            return Err(Refusal::new(Reason::SignatureInvalid, sentence));
        }
        good.insert(id);
    }
    for electorate in electorates {
        let count = electorate.keys.keys().filter(|id| good.contains(id)).count();
        if count < electorate.threshold {
            let sentence = format!(
                "{file} has {count} of the {} signatures that {} asks for",
                electorate.threshold, electorate.name
            );
            return Err(Refusal::new(Reason::SignatureThreshold, sentence));
        }
    }
    Ok(())
}

/// Ed25519 as in RFC 8032, without weak keys or second encodings.
fn holds(public: &[u8; 32], message: &[u8], sig: &str) -> bool {
    let mut bytes = [0_u8; 64];
    if sig.bytes().any(|b| b.is_ascii_uppercase()) || !decode_hex(sig, &mut bytes) {
        return false;
    }
    VerifyingKey::from_bytes(public)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(&bytes)).is_ok())
}

fn decode_hex(text: &str, into: &mut [u8; 64]) -> bool {
    let digit = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != into.len() || !rest.is_empty() {
        return false;
    }
    for (byte, [high, low]) in into.iter_mut().zip(pairs) {
        match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return false,
        }
    }
    true
}
