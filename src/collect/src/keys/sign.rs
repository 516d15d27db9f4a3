//! Signing roles through tough, from our key files.

use crate::publish::PublishError;
use async_trait::async_trait;
use ed25519_dalek::{Signer, SigningKey};
use serde::Serialize;
use std::collections::HashMap;
use tough::editor::signed::SignedRole;
use tough::key_source::KeySource;
use tough::schema::key::{Ed25519Key, Ed25519Scheme, Key};
use tough::schema::{KeyHolder, Role, Signed};
use tough::sign::Sign;

type Failure = Box<dyn std::error::Error + Send + Sync + 'static>;

/// One of our keys, as tough asks for it.
#[derive(Clone)]
struct OurKey(SigningKey);

impl std::fmt::Debug for OurKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OurKey")
    }
}

#[async_trait]
impl KeySource for OurKey {
    async fn as_sign(&self) -> Result<Box<dyn Sign>, Failure> {
        Ok(Box::new(self.clone()))
    }

    async fn write(&self, _value: &str, _key_id_hex: &str) -> Result<(), Failure> {
        Err("key files are written by the ceremony alone".into())
    }
}

#[async_trait]
impl Sign for OurKey {
    fn tuf_key(&self) -> Key {
        tuf_key(&self.0)
    }

    async fn sign(
        &self,
        msg: &[u8],
        _rng: &(dyn aws_lc_rs::rand::SecureRandom + Sync),
    ) -> Result<Vec<u8>, Failure> {
        Ok(self.0.sign(msg).to_bytes().to_vec())
    }
}

/// The public half as TUF lists it.
pub(crate) fn tuf_key(key: &SigningKey) -> Key {
    let public = key.verifying_key().to_bytes().to_vec().into();
    Key::Ed25519 {
        keyval: Ed25519Key { public, _extra: HashMap::new() },
        scheme: Ed25519Scheme::Ed25519,
        _extra: HashMap::new(),
    }
}

/// Signs a role with those of `keys` that `holder` lists for it.
pub(crate) fn sign_role<'a, T: Role + Serialize>(
    name: &str,
    role: T,
    holder: &KeyHolder,
    keys: impl Iterator<Item = &'a SigningKey>,
) -> Result<SignedRole<T>, PublishError> {
    let sources: Vec<Box<dyn KeySource>> =
        keys.map(|key| Box::new(OurKey(key.clone())) as Box<dyn KeySource>).collect();
    let random = aws_lc_rs::rand::SystemRandom::new();
    // Nothing in it waits for anything: our key source answers at once.
    futures::executor::block_on(SignedRole::new(role, holder, &sources, &random))
        .map_err(|source| PublishError::Sign { role: name.to_owned(), source: Box::new(source) })
}

/// The bytes of a signed file in our profile: canonical JSON, so that each byte counts.
pub(crate) fn to_file<T: Serialize>(
    name: &str,
    signed: &Signed<T>,
) -> Result<Vec<u8>, PublishError> {
    trust::canonical_json(signed)
        .ok_or_else(|| PublishError::Keys(format!("role {name} has no canonical form")))
}
