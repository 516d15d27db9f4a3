//! What events only commit to: names, addresses, inventories, with a life of their own.
//!
//! A commitment is `SHA-256(salt || value as canonical JSON)`, the salt 32 random bytes, the JSON
//! as RFC 8785 says. The file `<commitment>` holds `{"salt": <64 hex>, "value": ...}`, canonical
//! too. Erasing the file leaves the commitment in the ledger provable but unreadable.

use crate::Error;
use durable::Disk;
use ids::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The greatest length of a value as canonical JSON, in bytes.
pub const EVIDENCE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The evidence of one appliance. Cheap to clone; all clones are the same folder.
#[derive(Clone)]
pub struct Evidence {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    salt: Digest,
    value: Value,
}

impl Evidence {
    /// The evidence in folder `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Write`] or [`Error::Full`].
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, Error> {
        disk.create_dir_all(dir).map_err(Error::write(dir))?;
        Ok(Self { disk, dir: dir.to_owned() })
    }

    /// Keeps a value, durably, and returns the commitment to it. `salt` is 32 random bytes, never
    /// used twice; the same value with the same salt is the same evidence.
    ///
    /// # Errors
    /// [`Error::NotEvidence`] for a value longer than [`EVIDENCE_BYTES_MAX`]; [`Error::Full`] or
    /// [`Error::Write`] when the disk refuses.
    pub fn put(&self, value: Value, salt: [u8; 32]) -> Result<Digest, Error> {
        let commitment = commitment(&value, &salt)?;
        let bytes = canonical(&Kept { salt: Digest::from_bytes(salt), value })?;
        let path = self.path(&commitment);
        self.disk.write_atomic(&path, &bytes).map_err(Error::write(path))?;
        Ok(commitment)
    }

    /// The salt and the value behind a commitment, checked against it.
    ///
    /// # Errors
    /// [`Error::NoEvidence`], [`Error::FalseEvidence`], or [`Error::Read`].
    pub fn get(&self, commitment: &Digest) -> Result<([u8; 32], Value), Error> {
        let path = self.path(commitment);
        let bytes = self.disk.read(&path).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                Error::NoEvidence { commitment: *commitment }
            } else {
                Error::Read { path, source }
            }
        })?;
        open(commitment, &bytes)
    }

    /// Erases what is behind a commitment; says whether there was anything.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn erase(&self, commitment: &Digest) -> Result<bool, Error> {
        let path = self.path(commitment);
        match self.disk.remove(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::write(path)(error)),
        }
        self.disk.sync_dir(&self.dir).map_err(Error::write(&self.dir))?;
        Ok(true)
    }

    /// Every commitment whose evidence is here, sorted.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let names = self.disk.list(&self.dir).map_err(Error::read(&self.dir))?;
        let mut commitments: Vec<_> = names.iter().filter_map(|n| n.parse().ok()).collect();
        commitments.sort_unstable();
        Ok(commitments)
    }

    fn path(&self, commitment: &Digest) -> PathBuf {
        self.dir.join(commitment.to_hex())
    }
}

fn open(commitment: &Digest, bytes: &[u8]) -> Result<([u8; 32], Value), Error> {
    let false_evidence = || Error::FalseEvidence { commitment: *commitment };
    let kept: Kept = serde_json::from_slice(bytes).map_err(|_| false_evidence())?;
    let salt = *kept.salt.as_bytes();
    if self::commitment(&kept.value, &salt)? != *commitment {
        return Err(false_evidence());
    }
    Ok((salt, kept.value))
}

fn commitment(value: &Value, salt: &[u8; 32]) -> Result<Digest, Error> {
    let json = canonical(value)?;
    if json.len() > EVIDENCE_BYTES_MAX {
        let reason = format!("{} bytes, more than {EVIDENCE_BYTES_MAX}", json.len());
        return Err(Error::NotEvidence { reason });
    }
    let mut hasher = Hasher::default();
    hasher.update(salt);
    hasher.update(&json);
    Ok(hasher.finish())
}

fn canonical(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json_canonicalizer::to_vec(value)
        .map_err(|error| Error::NotEvidence { reason: error.to_string() })
}
