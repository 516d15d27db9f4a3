//! Verifier keys: `<name>+<key id>+<base64(type || public key)>` (C2SP signed-note).

use crate::error::Error;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::VerifyingKey;
use ids::Digest;
use std::fmt;

/// What signatures of a key cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The text of the note (type 0x01).
    Ed25519,
    /// The text of the note and a time: `cosignature/v1` (type 0x04).
    CosignatureV1,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::CosignatureV1 => 4,
        }
    }
}

/// A key that a reader trusts, with its name. Shown as its vkey text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key: VerifyingKey,
}

/// Not empty, no Unicode space, no plus sign, nothing that a note may not hold.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    let bad = |c: char| c.is_whitespace() || c < ' ' || c == '+';
    if name.is_empty() || name.contains(bad) {
        return Err("a key name is not empty and has no spaces or plus signs");
    }
    Ok(())
}

impl VerifierKey {
    /// A key under a name. A log's own key bears the name of its origin.
    ///
    /// # Errors
    /// [`Error::VerifierKey`] for a name that is empty or has a space or a plus sign.
    pub fn new(name: &str, kind: KeyKind, key: VerifyingKey) -> Result<Self, Error> {
        check_name(name).map_err(Error::VerifierKey)?;
        Ok(Self { name: name.to_owned(), kind, key })
    }

    /// Reads a vkey of type 0x01 or 0x04.
    ///
    /// # Errors
    /// [`Error::VerifierKey`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = Error::VerifierKey("not <name>+<8 hexadecimal digits>+<base64>");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(data)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let data = STANDARD.decode(data).map_err(|_| malformed)?;
        let kind = match data.first() {
            Some(1) => KeyKind::Ed25519,
            Some(4) => KeyKind::CosignatureV1,
            _ => return Err(Error::VerifierKey("a type of key that is not supported")),
        };
        let length = Error::VerifierKey("an Ed25519 key has 32 bytes");
        let bytes = data.get(1..).and_then(|key| key.try_into().ok()).ok_or(length)?;
        let key = VerifyingKey::from_bytes(bytes)
            .map_err(|_| Error::VerifierKey("these bytes are no Ed25519 key"))?;
        let parsed = Self::new(name, kind, key)?;
        if hex::encode(parsed.id()) != id {
            return Err(Error::VerifierKey("the key id is not that of name and key"));
        }
        Ok(parsed)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures cover.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Key id: the first four bytes of SHA-256(name || 0x0A || type || public key). A hint, no proof.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let mut bytes = Vec::with_capacity(self.name.len() + 34);
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.extend_from_slice(&[b'\n', self.kind.byte()]);
        bytes.extend_from_slice(self.key.as_bytes());
        let [a, b, c, d, ..] = *Digest::of(&bytes).as_bytes();
        [a, b, c, d]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut data = vec![self.kind.byte()];
        data.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(data))
    }
}
