//! The endpoint's key and certificate, and the site's root certificate: files in `etc/patchkeep`.

use crate::{
    Error, Machine,
    files::{put, read},
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use ids::{Digest, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData as _};
use std::fs;
use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer as _};

pub(crate) const ROOT: &str = "/etc/patchkeep/ca.pem";
pub(crate) const CERTIFICATE: &str = "/etc/patchkeep/endpoint.pem";
pub(crate) const KEY: &str = "/etc/patchkeep/endpoint.key";

/// The key of this endpoint: the one that is kept, or a new one, which is kept before anybody sees it.
pub(crate) fn key(machine: &Machine) -> Result<KeyPair, Error> {
    let path = machine.path(KEY);
    if let Some(bytes) = read(&path)? {
        let text = String::from_utf8_lossy(&bytes);
        let reason = |error: rcgen::Error| Error::Content { path, reason: error.to_string() };
        return KeyPair::from_pem(&text).map_err(reason);
    }
    let key = KeyPair::generate().map_err(Error::Key)?;
    put(&path, key.serialize_pem().as_bytes(), 0o600, None)?;
    Ok(key)
}

/// Lets apt's own user, who fetches, read the key; nobody else.
pub(crate) fn hand_key_to_apt(machine: &Machine, key: &KeyPair) -> Result<(), Error> {
    let owner = apt_user(machine)?;
    put(&machine.path(KEY), key.serialize_pem().as_bytes(), 0o400, Some(owner))
}

/// The number of the user `_apt` in the machine's own list of users.
fn apt_user(machine: &Machine) -> Result<u32, Error> {
    let path = machine.path("/etc/passwd");
    let users = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    let user = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some("_apt")).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    user.ok_or_else(|| Error::Content { path, reason: "it has no user _apt".into() })
}

/// A request for a certificate (PKCS #10, PEM). Name, purpose and life are the site's to decide.
pub(crate) fn request(key: &KeyPair, endpoint: &str) -> Result<String, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, endpoint);
    params.serialize_request(key).and_then(|request| request.pem()).map_err(Error::Key)
}

/// A key's fingerprint as people compare it: of its `SubjectPublicKeyInfo`.
pub(crate) fn key_fingerprint(key: &KeyPair) -> String {
    let digest = Digest::of(&key.subject_public_key_info());
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest.as_bytes()))
}

/// SHA-256 of the first certificate of a PEM file as people compare it: capital pairs with colons.
pub(crate) fn fingerprint(pem: &[u8]) -> Option<String> {
    let block = first(pem)?;
    let digest = Digest::of(&block.contents);
    let pairs: Vec<_> = digest.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    Some(pairs.join(":"))
}

/// Whether a certificate (PEM) is for `key`.
pub(crate) fn is_for(pem: &[u8], key: &KeyPair) -> bool {
    first(pem).is_some_and(|block| {
        X509Certificate::from_der(&block.contents).is_ok_and(|(_, certificate)| {
            certificate.public_key().subject_public_key.data == key.public_key_raw()
        })
    })
}

/// Whether a certificate (PEM) has passed two thirds of its life, or cannot be read.
pub(crate) fn wants_renewal(pem: &[u8], now: Timestamp) -> bool {
    let life = first(pem).and_then(|block| {
        let (_, certificate) = X509Certificate::from_der(&block.contents).ok()?;
        let validity = certificate.validity();
        Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
    });
    life.is_none_or(|(begins, ends)| {
        now.as_second() >= begins.saturating_add(ends.saturating_sub(begins) / 3 * 2)
    })
}

fn first(pem: &[u8]) -> Option<Pem> {
    let block = Pem::iter_from_buffer(pem).next()?.ok()?;
    (block.label == "CERTIFICATE").then_some(block)
}
