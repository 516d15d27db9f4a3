//! Key files and the roots beside them.

use crate::publish::PublishError;
use durable::{Disk, RealDisk};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding,
};
use ids::{Digest, SourceId};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a key is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// One of the root keys, counted from 1.
    Root(u8),
    /// The top-level targets role.
    Targets,
    /// The snapshot role.
    Snapshot,
    /// The timestamp role.
    Timestamp,
    /// The delegated role of a source.
    Source(SourceId),
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(number) => write!(f, "root-{number}"),
            Self::Targets => f.write_str("targets"),
            Self::Snapshot => f.write_str("snapshot"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Source(source) => write!(f, "source.{source}"),
        }
    }
}

impl FromStr for KeyName {
    type Err = PublishError;

    fn from_str(text: &str) -> Result<Self, PublishError> {
        let known = match text {
            "targets" => Some(Self::Targets),
            "snapshot" => Some(Self::Snapshot),
            "timestamp" => Some(Self::Timestamp),
            _ => text
                .strip_prefix("root-")
                .and_then(|number| number.parse().ok())
                .map(Self::Root)
                .or_else(|| text.strip_prefix("source.")?.parse().ok().map(Self::Source)),
        };
        known.ok_or_else(|| {
            let text: String = text.chars().take(80).collect();
            PublishError::Keys(format!(
                "{text:?} names no key; use root-1, targets, snapshot, timestamp or source.<id>"
            ))
        })
    }
}

/// The keys and roots of one key folder, as far as they are there.
#[derive(Clone)]
pub struct Keyring {
    /// The folder.
    pub folder: PathBuf,
    keys: BTreeMap<(KeyName, u32), SigningKey>,
    roots: Vec<Vec<u8>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Reads the keys that are in the folder, and the whole chain of roots.
    ///
    /// # Errors
    /// Unreadable files, a `.pem` file that is no key of ours, a folder without a first root.
    pub fn open(folder: &Path) -> Result<Self, PublishError> {
        let list = RealDisk.list(folder).map_err(PublishError::file("reading", folder))?;
        let mut keys = BTreeMap::new();
        for name in list {
            let path = folder.join(&name);
            let Some((name, generation)) = name
                .strip_suffix(".pem")
                .and_then(|stem| stem.rsplit_once('.'))
                .and_then(|(name, n)| Some((name.parse::<KeyName>().ok()?, n.parse().ok()?)))
            else {
                continue;
            };
            let pem =
                std::fs::read_to_string(&path).map_err(PublishError::file("reading", &path))?;
            let key = SigningKey::from_pkcs8_pem(&pem)
                .map_err(|_| PublishError::KeyFile { path: path.clone() })?;
            keys.insert((name, generation), key);
        }
        let mut roots = Vec::new();
        loop {
            let path = root_path(folder, roots.len() as u64 + 1);
            match RealDisk.read(&path) {
                Ok(bytes) => roots.push(bytes),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound && !roots.is_empty() => break,
                Err(source) => return Err(PublishError::file("reading", &path)(source)),
            }
        }
        Ok(Self { folder: folder.to_owned(), keys, roots })
    }

    /// The roots from version 1 to the newest.
    #[must_use]
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// SHA-256 of the first root: what goes on paper with the appliance.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        self.roots.first().map_or_else(|| Digest::of(b""), |root| Digest::of(root))
    }

    /// The newest key of a name, when it is in the folder.
    pub(crate) fn key(&self, name: &KeyName) -> Option<&SigningKey> {
        self.generations(name).last()
    }

    /// All keys of a name that are in the folder, the oldest first.
    pub(crate) fn generations(&self, name: &KeyName) -> impl Iterator<Item = &SigningKey> {
        self.keys.range((name.clone(), 0)..=(name.clone(), u32::MAX)).map(|(_, key)| key)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.values()
    }

    /// Makes the next key of a name and writes it, readable by its owner alone.
    pub(crate) fn make(folder: &Path, name: &KeyName) -> Result<SigningKey, PublishError> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| PublishError::Random)?;
        let key = SigningKey::from_bytes(&seed);
        let bytes = KeypairBytes { secret_key: seed, public_key: None };
        let pem = bytes.to_pkcs8_pem(LineEnding::LF).map_err(|_| PublishError::Random)?;
        for generation in 1..u32::MAX {
            let path = folder.join(format!("{name}.{generation}.pem"));
            let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let mut file = match new {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(PublishError::file("creating", &path))?,
            };
            file.write_all(pem.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(PublishError::file("writing", &path))?;
            break;
        }
        RealDisk.sync_dir(folder).map_err(PublishError::file("syncing", folder))?;
        Ok(key)
    }
}

pub(crate) fn root_path(folder: &Path, version: u64) -> PathBuf {
    folder.join("metadata").join(format!("{version}.root.json"))
}

/// A fingerprint for paper: 64 hexadecimal digits in groups of four.
#[must_use]
pub fn fingerprint_groups(fingerprint: &Digest) -> String {
    let hex = fingerprint.to_hex();
    let groups: Vec<String> =
        hex.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    groups.join(" ")
}
