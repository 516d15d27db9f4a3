//! Signed documents, judged by Sequoia under its standard policy.
//!
//! Stricter than the standard in one point, as apt is: a certificate that has expired or was
//! revoked by the moment of judging does not count, even for signatures made before.

use ids::Timestamp;
use sandbox::{CertificateClaim, SignatureClaim};
use sequoia_openpgp::{
    Cert, KeyHandle, Result as PgpResult,
    cert::{CertParser, amalgamation::ValidAmalgamation},
    packet::Signature,
    parse::{
        Parse,
        stream::{
            DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure,
            VerificationError, VerificationHelper, VerifierBuilder,
        },
    },
    policy::StandardPolicy,
    types::RevocationStatus,
};
use std::{io::Read, time::SystemTime};

/// Most certificates that a keyring may hold.
const CERTIFICATES_MAX: usize = 1000;
const ARMOUR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// What a document says, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedText {
    /// The text under the signatures.
    pub text: Vec<u8>,
    /// One claim a signature; none need be good.
    pub claims: Vec<SignatureClaim>,
}

/// Verifies an inline-signed document against a keyring (binary certificates, then any number of
/// armoured blocks) as of `at`.
///
/// # Errors
/// Why it is not an inline-signed document, or the keyring holds no certificate.
pub fn verify(document: &[u8], keyring: &[u8], at: Timestamp) -> Result<SignedText, String> {
    let policy = StandardPolicy::new();
    let judge = Judge::new(&policy, keyring, at)?;
    let told = |e: sequoia_openpgp::anyhow::Error| chain(&e);
    let mut verifier = VerifierBuilder::from_bytes(document)
        .and_then(|builder| builder.with_policy(&policy, SystemTime::from(at), judge))
        .map_err(told)?;
    let mut text = Vec::new();
    verifier.read_to_end(&mut text).map_err(|e| e.to_string())?;
    let judge = verifier.into_helper();
    if !judge.inline {
        return Err("it is not inline-signed".into());
    }
    Ok(SignedText { text, claims: judge.claims })
}

/// Verifies a signature in a file of its own over a document, against a keyring as [`verify`] takes it, as of `at`.
///
/// # Errors
/// Why it is not such a signature, or the keyring holds no certificate.
pub fn verify_detached(
    document: &[u8],
    signature: &[u8],
    keyring: &[u8],
    at: Timestamp,
) -> Result<Vec<SignatureClaim>, String> {
    let policy = StandardPolicy::new();
    let judge = Judge::new(&policy, keyring, at)?;
    let told = |e: sequoia_openpgp::anyhow::Error| chain(&e);
    let mut verifier = DetachedVerifierBuilder::from_bytes(signature)
        .and_then(|builder| builder.with_policy(&policy, SystemTime::from(at), judge))
        .map_err(told)?;
    verifier.verify_bytes(document).map_err(told)?;
    Ok(verifier.into_helper().claims)
}

/// Lists the certificates of a keyring.
///
/// # Errors
/// When it holds none.
pub fn list(keyring: &[u8]) -> Result<Vec<CertificateClaim>, String> {
    let found = certificates(keyring);
    if found.is_empty() {
        return Err("the keyring holds no certificate".into());
    }
    let claim = |cert: &Cert| CertificateClaim {
        fingerprint: cert.fingerprint().to_hex(),
        name: cert.userids().next().map(|u| u.userid().to_string()).unwrap_or_default(),
    };
    Ok(found.iter().map(claim).collect())
}

fn certificates(keyring: &[u8]) -> Vec<Cert> {
    let marks = keyring.windows(ARMOUR.len()).enumerate().filter(|(_, w)| *w == ARMOUR);
    let mut cuts: Vec<usize> = marks.map(|(i, _)| i).collect();
    cuts.insert(0, 0);
    cuts.push(keyring.len());
    let blocks = cuts.windows(2).filter_map(|cut| keyring.get(cut[0]..cut[1]));
    let parsed = blocks
        .filter(|block| !block.is_empty())
        .filter_map(|block| CertParser::from_bytes(block).ok());
    parsed.flat_map(|parser| parser.filter_map(Result::ok)).take(CERTIFICATES_MAX).collect()
}

struct Judge<'a> {
    certificates: Vec<Cert>,
    policy: &'a StandardPolicy<'a>,
    at: SystemTime,
    claims: Vec<SignatureClaim>,
    inline: bool,
}

impl VerificationHelper for Judge<'_> {
    fn get_certs(&mut self, ids: &[KeyHandle]) -> PgpResult<Vec<Cert>> {
        let named = |cert: &&Cert| {
            cert.keys().any(|key| ids.iter().any(|id| id.aliases(key.key().key_handle())))
        };
        Ok(self.certificates.iter().filter(named).cloned().collect())
    }

    // Always `Ok`: the caller judges by the claims, and wants every one.
    fn check(&mut self, structure: MessageStructure<'_>) -> PgpResult<()> {
        self.inline = structure.processed_csf_message();
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else {
                self.inline = false;
                continue;
            };
            for result in results {
                self.claims.push(match result {
                    Ok(good) => self.good(&good),
                    Err(error) => bad(&error),
                });
            }
        }
        Ok(())
    }
}

impl<'a> Judge<'a> {
    fn new(policy: &'a StandardPolicy<'a>, keyring: &[u8], at: Timestamp) -> Result<Self, String> {
        let certificates = certificates(keyring);
        if certificates.is_empty() {
            return Err("the keyring holds no certificate".into());
        }
        Ok(Self { certificates, policy, at: at.into(), claims: Vec::new(), inline: false })
    }

    fn good(&self, good: &GoodChecksum<'_>) -> SignatureClaim {
        let cert = good.ka.cert();
        let reason = self.stale(good).unwrap_or_default();
        SignatureClaim {
            fingerprint: cert.fingerprint().to_hex(),
            created: created(good.sig),
            good: reason.is_empty(),
            reason,
        }
    }

    /// Why the key does not count at the moment of judging, though the signature is right.
    fn stale(&self, good: &GoodChecksum<'_>) -> Option<String> {
        let now = match good.ka.cert().with_policy(self.policy, self.at) {
            Ok(cert) => cert,
            Err(error) => return Some(chain(&error)),
        };
        if let Err(error) = now.alive() {
            return Some(chain(&error));
        }
        let signer = good.ka.key().fingerprint();
        let Some(key) = now.keys().find(|key| key.key().fingerprint() == signer) else {
            return Some("its key is no longer bound to its certificate".into());
        };
        if let Err(error) = key.alive() {
            return Some(chain(&error));
        }
        let revoked = |status| matches!(status, RevocationStatus::Revoked(_));
        let gone = revoked(now.revocation_status()) || revoked(key.revocation_status());
        gone.then(|| "its key was revoked".into())
    }
}

fn bad(error: &VerificationError<'_>) -> SignatureClaim {
    let (signature, reason) = match error {
        VerificationError::MissingKey { sig } => (Some(*sig), "unknown key".to_owned()),
        VerificationError::UnboundKey { sig, error, .. } => (Some(*sig), chain(error)),
        VerificationError::BadKey { sig, error, .. } => (Some(*sig), chain(error)),
        VerificationError::BadSignature { sig, error, .. } => (Some(*sig), chain(error)),
        VerificationError::MalformedSignature { sig, error } => (Some(*sig), chain(error)),
        VerificationError::UnknownSignature { .. } => (None, "unknown kind of signature".into()),
        _ => (None, "unknown verdict".into()),
    };
    let issuer = signature.and_then(|sig| sig.get_issuers().first().map(KeyHandle::to_string));
    SignatureClaim {
        fingerprint: issuer.unwrap_or_else(|| "unknown".into()),
        created: signature.and_then(created),
        good: false,
        reason,
    }
}

fn created(signature: &Signature) -> Option<Timestamp> {
    signature.signature_creation_time().and_then(|time| time.try_into().ok())
}

pub(crate) fn put_a_time_into_words() {
    let words = sequoia_openpgp::Error::Expired(SystemTime::UNIX_EPOCH).to_string();
    std::hint::black_box(words);
}

/// An error with its causes, on one bounded line.
fn chain(error: &sequoia_openpgp::anyhow::Error) -> String {
    let text = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    text.replace('\n', " ").chars().take(300).collect()
}
