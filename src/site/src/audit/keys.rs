//! The key that signs audit bundles, in the forms that stock tools take.

use super::AuditError;
use ed25519_dalek::{
    Signature, Signer as _, SigningKey, VerifyingKey,
    pkcs8::{DecodePublicKey as _, EncodePublicKey as _, spki::der::pem::LineEnding},
};
use ssh_key::{HashAlg, PrivateKey, PublicKey, SshSig, private, public};

/// Namespace of the SSH signature: it is good for audit bundles and for nothing else.
pub const NAMESPACE: &str = "audit-bundle@patchkeep";
/// The signer's name in `allowed_signers`.
pub const PRINCIPAL: &str = "audit@patchkeep";

/// A signature over one manifest, in both forms.
pub(super) struct Signatures {
    /// `manifest.json.sig`, armoured SSHSIG.
    pub(super) ssh: String,
    /// `manifest.json.ed25519`, 64 bytes.
    pub(super) raw: [u8; 64],
}

/// The key's fingerprint as `ssh-keygen -l` shows it: `SHA256:` and base64 without padding.
#[must_use]
pub fn fingerprint(key: &VerifyingKey) -> String {
    ssh(key).fingerprint(HashAlg::Sha256).to_string()
}

/// The fingerprint of a public key in OpenSSH's form.
pub(super) fn openssh_fingerprint(public: &str) -> Option<String> {
    Some(PublicKey::from_openssh(public).ok()?.fingerprint(HashAlg::Sha256).to_string())
}

pub(super) fn sign(key: &SigningKey, manifest: &[u8]) -> Result<Signatures, AuditError> {
    let pair = private::Ed25519Keypair::from(key.clone());
    let ssh = PrivateKey::from(pair)
        .sign(NAMESPACE, HashAlg::Sha512, manifest)
        .and_then(|signature| signature.to_pem(ssh_key::LineEnding::LF))
        .map_err(AuditError::Sign)?;
    Ok(Signatures { ssh, raw: key.sign(manifest).to_bytes() })
}

/// The one line of `allowed_signers`.
pub(super) fn allowed_signers(key: &VerifyingKey) -> Result<String, AuditError> {
    let key = ssh(key).to_openssh().map_err(AuditError::Sign)?;
    Ok(format!("{PRINCIPAL} namespaces=\"{NAMESPACE}\" {}\n", key.trim_end()))
}

/// The public key as SubjectPublicKeyInfo in PEM.
pub(super) fn pem(key: &VerifyingKey) -> Result<String, AuditError> {
    key.to_public_key_pem(LineEnding::LF).map_err(|error| AuditError::Pem(error.to_string()))
}

pub(super) fn from_pem(bytes: &[u8]) -> Option<VerifyingKey> {
    VerifyingKey::from_public_key_pem(str::from_utf8(bytes).ok()?).ok()
}

/// Whether `armoured` is this key's SSH signature over `manifest`.
pub(super) fn ssh_holds(key: &VerifyingKey, manifest: &[u8], armoured: &[u8]) -> bool {
    let signature = SshSig::from_pem(armoured);
    signature.is_ok_and(|signature| ssh(key).verify(NAMESPACE, manifest, &signature).is_ok())
}

/// Whether `raw` is this key's Ed25519 signature over `manifest`.
pub(super) fn raw_holds(key: &VerifyingKey, manifest: &[u8], raw: &[u8]) -> bool {
    let signature = Signature::from_slice(raw);
    signature.is_ok_and(|signature| key.verify_strict(manifest, &signature).is_ok())
}

fn ssh(key: &VerifyingKey) -> PublicKey {
    PublicKey::from(public::KeyData::Ed25519(public::Ed25519PublicKey(key.to_bytes())))
}
