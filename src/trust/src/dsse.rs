//! DSSE 1.0.2 envelopes whose signatures are SSH signatures (OpenSSH's PROTOCOL.sshsig).
//!
//! What is signed is the pre-authentication encoding (PAE) of payload type and payload, in an SSH
//! namespace of its own for each payload type, so that `ssh-keygen -Y sign` makes the signature with a
//! key file, an agent or a security key, and nothing signed for one purpose counts for another. `sig`
//! is the signature's binary form; `keyid` the key's SHA-256 fingerprint, a hint that is checked.
//!
//! Key types: Ed25519, ECDSA P-256, and both as FIDO security keys, of which a touch is demanded. A security key
//! may also have signed in a browser (`webauthn.rs`).

use crate::{
    site::{Denial, Denied},
    webauthn::{self, Assertion},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey, SshSig};
use std::collections::BTreeMap;

/// Longest envelope, in bytes.
pub const ENVELOPE_BYTES_MAX: usize = 4 << 20;
/// Most signatures of one envelope.
const SIGNATURES_MAX: usize = 32;

/// A payload and who signed it, before anything of it is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    keyid: String,
    sig: String,
}

/// What an envelope is about: its payload type, and the SSH namespace of its signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// DSSE payload type.
    pub payload_type: &'static str,
    /// SSH signature namespace.
    pub namespace: &'static str,
}

impl Envelope {
    /// An envelope around a payload that nobody has signed yet.
    #[must_use]
    pub fn unsigned(purpose: Purpose, payload: &[u8]) -> Self {
        let payload_type = purpose.payload_type.to_owned();
        Self { payload_type, payload: STANDARD.encode(payload), signatures: Vec::new() }
    }

    /// Parses an envelope of at most [`ENVELOPE_BYTES_MAX`].
    ///
    /// # Errors
    /// [`Denied::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Denial> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(malformed("it is absurdly large"));
        }
        let envelope: Self = serde_json::from_slice(bytes)
            .map_err(|e| malformed(&format!("it is no DSSE envelope ({e})")))?;
        if envelope.signatures.len() > SIGNATURES_MAX {
            return Err(malformed("it has absurdly many signatures"));
        }
        Ok(envelope)
    }

    /// The envelope as it is kept and sent: JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings and lists of strings always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Adds a signature as `ssh-keygen -Y sign` writes it (PEM).
    ///
    /// # Errors
    /// [`Denied::SignatureInvalid`] when it is none, or does not hold over this payload.
    pub fn add(&mut self, purpose: Purpose, pem: &str) -> Result<(), Denial> {
        let unreadable =
            |_| Denial::new(Denied::SignatureInvalid, "that is no SSH signature in its PEM form");
        let signature = SshSig::from_pem(pem).map_err(unreadable)?;
        let key = PublicKey::from(signature.public_key().clone());
        holds(&key, purpose, &self.message(purpose)?, &signature)?;
        let keyid = fingerprint(&key);
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        self.signatures.retain(|known| known.keyid != keyid);
        self.signatures.push(EnvelopeSignature { keyid, sig: body });
        Ok(())
    }

    /// What a security key is asked to sign in a browser: the WebAuthn challenge.
    ///
    /// # Errors
    /// As [`Self::unverified_payload`].
    pub fn challenge(&self, purpose: Purpose) -> Result<Vec<u8>, Denial> {
        webauthn::challenge(purpose.namespace, &self.message(purpose)?)
    }

    /// Adds what a browser gave for [`Self::challenge`], as the signature of a key (an OpenSSH public key line).
    ///
    /// # Errors
    /// [`Denied::SignatureInvalid`] when it does not hold over this payload; [`Denied::Malformed`] for the key.
    pub fn add_assertion(
        &mut self,
        purpose: Purpose,
        key: &str,
        given: &Assertion,
    ) -> Result<(), Denial> {
        let key = parse_public_key(key)?;
        let keyid = fingerprint(&key);
        let why = |denial: Denial| by(&keyid, &denial);
        let signed = webauthn::Signed::new(key.clone(), purpose.namespace, given).map_err(why)?;
        signed.holds(&key, purpose.namespace, &self.message(purpose)?).map_err(why)?;
        let sig = STANDARD.encode(signed.to_bytes().map_err(why)?);
        self.signatures.retain(|known| known.keyid != keyid);
        self.signatures.push(EnvelopeSignature { keyid, sig });
        Ok(())
    }

    /// The payload, unbelieved. To show it, or to know what to sign.
    ///
    /// # Errors
    /// [`Denied::Malformed`] when it is of another purpose or not base64.
    pub fn unverified_payload(&self, purpose: Purpose) -> Result<Vec<u8>, Denial> {
        if self.payload_type != purpose.payload_type {
            return Err(malformed(&format!(
                "it is of type {:?}, not {}",
                crate::site::short(&self.payload_type),
                purpose.payload_type
            )));
        }
        STANDARD.decode(&self.payload).map_err(|_| malformed("its payload is not base64"))
    }

    /// What is signed: the pre-authentication encoding.
    ///
    /// # Errors
    /// As [`Self::unverified_payload`].
    pub fn message(&self, purpose: Purpose) -> Result<Vec<u8>, Denial> {
        let body = self.unverified_payload(purpose)?;
        let kind = purpose.payload_type;
        let head = format!("DSSEv1 {} {kind} {} ", kind.len(), body.len());
        Ok([head.as_bytes(), &body].concat())
    }

    /// The fingerprints of the keys that signed, each once. Every signature must be by one of `keys`
    /// and hold: a wrong, repeated or foreign one denies the envelope.
    pub(crate) fn signers(
        &self,
        purpose: Purpose,
        keys: &BTreeMap<String, PublicKey>,
    ) -> Result<Vec<String>, Denial> {
        let message = self.message(purpose)?;
        let mut signers: Vec<String> = Vec::new();
        for EnvelopeSignature { keyid, sig } in &self.signatures {
            let Some(key) = keys.get(keyid) else {
                let sentence = format!(
                    "it is signed by key {}, which has no say here",
                    crate::site::short(keyid)
                );
                return Err(Denial::new(Denied::UnknownKey, sentence));
            };
            if signers.contains(keyid) {
                let sentence = format!("it is signed twice by key {keyid}");
                return Err(Denial::new(Denied::SignatureRepeated, sentence));
            }
            let signature = STANDARD.decode(sig).ok().and_then(|blob| read(&blob));
            let none = || {
                let sentence = format!("the signature by key {keyid} cannot be read");
                Denial::new(Denied::SignatureInvalid, sentence)
            };
            match signature.ok_or_else(none)? {
                Read::Ssh(signature) => holds(key, purpose, &message, &signature)?,
                Read::Browser(signed) => signed
                    .holds(key, purpose.namespace, &message)
                    .map_err(|denial| by(keyid, &denial))?,
            }
            signers.push(keyid.clone());
        }
        Ok(signers)
    }
}

/// A signature in an envelope.
enum Read {
    Ssh(Box<SshSig>),
    Browser(Box<webauthn::Signed>),
}

/// The binary form of an SSH signature, which is all of `blob`.
fn read(blob: &[u8]) -> Option<Read> {
    if let Some(signed) = webauthn::Signed::read(blob) {
        return Some(Read::Browser(Box::new(signed)));
    }
    let mut text = String::from("-----BEGIN SSH SIGNATURE-----\n");
    for line in STANDARD.encode(blob).as_bytes().chunks(70) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END SSH SIGNATURE-----\n");
    SshSig::from_pem(text).ok().map(|signature| Read::Ssh(Box::new(signature)))
}

/// Why a browser's signature does not count, with the key that it is said to be by.
fn by(keyid: &str, denial: &Denial) -> Denial {
    Denial::new(denial.reason(), format!("the signature by key {keyid} does not count: {denial}"))
}

/// Whether a signature is by `key`, in the namespace, over the message, and by touch where the key is
/// a security key.
fn holds(
    key: &PublicKey,
    purpose: Purpose,
    message: &[u8],
    signature: &SshSig,
) -> Result<(), Denial> {
    let print = fingerprint(key);
    let no = |why: &str| {
        Denial::new(Denied::SignatureInvalid, format!("the signature by key {print} {why}"))
    };
    if signature.namespace() != purpose.namespace {
        return Err(no("was made for another purpose"));
    }
    if !matches!(signature.hash_alg(), HashAlg::Sha256 | HashAlg::Sha512) {
        return Err(no("uses an unknown digest"));
    }
    key.verify(purpose.namespace, message, signature).map_err(|_| no("does not hold"))?;
    if is_security_key(key) {
        // signature, then one byte of flags (bit 0: somebody touched it), then a counter of four.
        let bytes = signature.signature_bytes();
        let flags = bytes.len().checked_sub(5).and_then(|at| bytes.get(at));
        if flags.is_none_or(|flags| flags & 1 == 0) {
            return Err(no("was made without a touch"));
        }
    }
    Ok(())
}

fn is_security_key(key: &PublicKey) -> bool {
    matches!(key.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
}

/// A key's fingerprint as OpenSSH shows it: `SHA256:...`.
#[must_use]
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Parses a public key in OpenSSH's form and drops its comment.
///
/// # Errors
/// [`Denied::Malformed`] when it is none, or of a type that is not taken (RSA, DSA, other curves).
pub fn parse_public_key(text: &str) -> Result<PublicKey, Denial> {
    let mut key = PublicKey::from_openssh(text.trim())
        .map_err(|_| malformed("a key is no OpenSSH public key"))?;
    let taken = matches!(
        key.algorithm(),
        Algorithm::Ed25519
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256
            | Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }
    );
    if !taken {
        let kind = key.algorithm();
        return Err(malformed(&format!(
            "a key of type {kind} is not taken: Ed25519, ECDSA P-256 and security keys are"
        )));
    }
    key.set_comment("");
    Ok(key)
}

fn malformed(what: &str) -> Denial {
    Denial::new(Denied::Malformed, what)
}
