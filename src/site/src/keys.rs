//! The appliance's own signing keys: one file each, Ed25519, PKCS#8 PEM, readable by the owner only.
//!
//! Keys are apart: the log key signs checkpoints, the audit key signs what is exported, and the site
//! CA (in `ca.rs`) signs certificates.

use crate::{Error, Folder};
use durable::Disk;
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use ids::{RecordId, Timestamp};
use std::path::PathBuf;

/// What a signing key of the appliance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Checkpoints of the ledger.
    Log,
    /// Manifests of audit bundles.
    Audit,
}

impl Purpose {
    /// The word for it in file names and events.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Audit => "audit",
        }
    }
}

/// Reads a key.
///
/// # Errors
/// [`Error::Folder`] when it is not there, [`Error::Key`] when it is not a key.
pub(crate) fn load(
    disk: &dyn Disk,
    folder: &Folder,
    purpose: Purpose,
) -> Result<SigningKey, Error> {
    let path = path(folder, purpose);
    let pem = disk.read(&path);
    let pem = pem.map_err(|source| Error::Folder { path: path.clone(), source })?;
    let text = std::str::from_utf8(&pem).unwrap_or_default();
    SigningKey::from_pkcs8_pem(text)
        .map_err(|e| Error::Key { path, reason: format!("not an Ed25519 key in PKCS#8: {e}") })
}

/// Makes a key and keeps it, durably.
///
/// # Errors
/// [`Error::Random`], [`Error::Key`] or [`Error::Folder`].
pub(crate) fn create(
    disk: &dyn Disk,
    folder: &Folder,
    purpose: Purpose,
) -> Result<SigningKey, Error> {
    let path = path(folder, purpose);
    let key = SigningKey::from_bytes(&random()?);
    let pem = key.to_pkcs8_pem(LineEnding::LF);
    let pem = pem.map_err(|e| Error::Key { path: path.clone(), reason: e.to_string() })?;
    let write = || {
        disk.create_dir_all(&folder.keys())?;
        disk.write_atomic(&path, pem.as_bytes())?;
        disk.keep_private(&path)
    };
    write().map_err(|source| Error::Folder { path: path.clone(), source })?;
    Ok(key)
}

/// A public key as OpenSSH writes it, without a comment.
#[must_use]
pub(crate) fn openssh(key: &SigningKey) -> String {
    let public = ssh_key::public::Ed25519PublicKey(key.verifying_key().to_bytes());
    let public = ssh_key::PublicKey::from(public);
    public.to_openssh().unwrap_or_default()
}

/// 32 bytes from the system's random source.
///
/// # Errors
/// [`Error::Random`].
pub(crate) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        filled += rustix::rand::getrandom(&mut bytes[filled..], flags)
            .map_err(|e| Error::Random(e.into()))?;
    }
    Ok(bytes)
}

/// A new record id: a ULID of `now` and randomness.
///
/// # Errors
/// [`Error::Random`].
pub(crate) fn record_id(now: Timestamp) -> Result<RecordId, Error> {
    let random = random()?;
    let tail = u128::from_be_bytes(random[..16].try_into().unwrap_or_default());
    let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let text = ulid::Ulid::from_parts(millis, tail).to_string();
    text.parse().map_err(|e: ids::NameError| Error::Input(e.to_string()))
}

/// Where a key is.
pub(crate) fn path(folder: &Folder, purpose: Purpose) -> PathBuf {
    folder.keys().join(format!("{}.pem", purpose.word()))
}
