//! Signed notes (C2SP signed-note): text, a blank line, signature lines.

use crate::{
    error::Error,
    key::{KeyKind, VerifierKey, check_name},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use std::fmt;

const BYTES_MAX: usize = 1 << 20;
const SIGNATURES_MAX: usize = 100;

/// One signature line; nothing is verified by having one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    key_id: [u8; 4],
    blob: Vec<u8>,
}

impl Signature {
    /// Name of the key that is said to have signed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, data) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        check_name(name).ok()?;
        let data = STANDARD.decode(data).ok()?;
        let (key_id, blob) = data.split_first_chunk::<4>()?;
        if blob.is_empty() {
            return None;
        }
        Some(Self { name: name.to_owned(), key_id: *key_id, blob: blob.to_vec() })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = [&self.key_id[..], &self.blob].concat();
        writeln!(f, "\u{2014} {} {}", self.name, STANDARD.encode(data))
    }
}

/// A known key whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Name of the key.
    pub name: String,
    /// Key id.
    pub key_id: [u8; 4],
    /// When it says that it signed, in seconds since 1970: cosignatures only.
    pub time: Option<u64>,
}

/// A text and its signatures, well-formed but not verified. Shown as the bytes of the note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// Not empty, ends in a newline, no control characters but newlines.
fn check_text(text: &str) -> Result<(), Error> {
    if !text.ends_with('\n') {
        return Err(Error::Note("the text does not end in a newline"));
    }
    if text.bytes().any(|b| b < b' ' && b != b'\n') {
        return Err(Error::Note("control characters"));
    }
    Ok(())
}

impl Note {
    /// A note of `text` and signatures made by [`sign`] or [`cosign`].
    ///
    /// # Errors
    /// [`Error::Note`] for a text that does not end in a newline or has control characters.
    pub fn new(text: &str, signatures: Vec<Signature>) -> Result<Self, Error> {
        check_text(text)?;
        if signatures.is_empty() || signatures.len() > SIGNATURES_MAX {
            return Err(Error::Note("1 to 100 signatures are allowed"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Reads a note of at most 1 MiB and 100 signatures, split at its last blank line.
    ///
    /// # Errors
    /// [`Error::Note`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > BYTES_MAX {
            return Err(Error::Note("longer than 1 MiB"));
        }
        let note = str::from_utf8(bytes).map_err(|_| Error::Note("not UTF-8"))?;
        check_text(note)?;
        let blank = note.rfind("\n\n").ok_or(Error::Note("no blank line"))?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let signatures: Option<Vec<_>> = lines.lines().map(Signature::parse).collect();
        Self::new(text, signatures.ok_or(Error::Note("a malformed signature line"))?)
    }

    /// The text, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, as they stand.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Checks the signatures of `known` keys; those of other keys are ignored. Answers with each known
    /// key that signed, once.
    ///
    /// # Errors
    /// [`Error::Signature`] if a signature in the name of a known key does not hold; [`Error::Unsigned`]
    /// if no known key signed.
    pub fn verify(&self, known: &[VerifierKey]) -> Result<Vec<Signer>, Error> {
        let mut signers: Vec<Signer> = Vec::new();
        for signature in &self.signatures {
            let ours =
                |key: &&VerifierKey| key.name() == signature.name && key.id() == signature.key_id;
            let Some(key) = known.iter().find(ours) else { continue };
            let time = check(&self.text, signature, key)
                .ok_or_else(|| Error::Signature(signature.name.clone()))?;
            if !signers.iter().any(|s| s.name == signature.name && s.key_id == signature.key_id) {
                let (name, key_id) = (signature.name.clone(), signature.key_id);
                signers.push(Signer { name, key_id, time });
            }
        }
        if signers.is_empty() { Err(Error::Unsigned) } else { Ok(signers) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// `Some(time)` if the signature holds.
fn check(text: &str, signature: &Signature, key: &VerifierKey) -> Option<Option<u64>> {
    let (time, blob) = match key.kind() {
        KeyKind::Ed25519 => (None, signature.blob.as_slice()),
        KeyKind::CosignatureV1 => {
            let (time, blob) = signature.blob.split_first_chunk::<8>()?;
            (Some(u64::from_be_bytes(*time)), blob)
        }
    };
    let message = time.map_or_else(|| text.to_owned(), |time| cosigned(text, time));
    let blob = ed25519_dalek::Signature::from_slice(blob).ok()?;
    key.key().verify_strict(message.as_bytes(), &blob).ok()?;
    Some(time)
}

/// Signs the text of a note with a key of type 0x01 under `name`.
///
/// # Errors
/// [`Error::VerifierKey`] for a name that is not allowed.
pub fn sign(text: &str, name: &str, key: &SigningKey) -> Result<Signature, Error> {
    let public = VerifierKey::new(name, KeyKind::Ed25519, key.verifying_key())?;
    let blob = key.sign(text.as_bytes()).to_vec();
    Ok(Signature { name: name.to_owned(), key_id: public.id(), blob })
}

/// Cosigns the text of a checkpoint at `time` (seconds since 1970) with a key of type 0x04.
///
/// # Errors
/// [`Error::VerifierKey`] for a name that is not allowed.
pub fn cosign(text: &str, name: &str, key: &SigningKey, time: u64) -> Result<Signature, Error> {
    let public = VerifierKey::new(name, KeyKind::CosignatureV1, key.verifying_key())?;
    let mut blob = time.to_be_bytes().to_vec();
    blob.extend_from_slice(&key.sign(cosigned(text, time).as_bytes()).to_bytes());
    Ok(Signature { name: name.to_owned(), key_id: public.id(), blob })
}
