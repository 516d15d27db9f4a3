//! Making the first root, and every root after it.

use super::files::{KeyName, Keyring, root_path};
use super::sign::{sign_role, to_file, tuf_key};
use crate::publish::PublishError;
use durable::{Disk, RealDisk};
use ed25519_dalek::SigningKey;
use ids::{Digest, SourceId, Timestamp};
use jiff::SignedDuration;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::path::Path;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::{KeyHolder, RoleKeys, RoleType, Root, Signed};

const SPEC_VERSION: &str = "1.0.0";

/// The wish for a publisher's first keys.
#[derive(Debug, Clone)]
pub struct Ceremony {
    /// How many root keys to make, 1 to 16.
    pub root_keys: u8,
    /// How many of them must sign a root.
    pub threshold: u8,
    /// For how many days a root is good: two years or more, since it is renewed by hand.
    pub root_days: u32,
    /// The sources for which delegated keys are made at once; more can follow.
    pub sources: Vec<SourceId>,
}

impl Default for Ceremony {
    fn default() -> Self {
        Self { root_keys: 3, threshold: 2, root_days: 3 * 366, sources: Vec::new() }
    }
}

/// What a ceremony or a rotation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceremonial {
    /// The version of the root that was signed.
    pub root_version: u64,
    /// SHA-256 of the *first* root: what goes on paper.
    pub fingerprint: Digest,
    /// When the root expires.
    pub expires: Timestamp,
}

impl Ceremony {
    /// Makes the keys and `metadata/1.root.json` in a new folder.
    ///
    /// # Errors
    /// [`PublishError::Exists`] when the folder is not empty, [`PublishError::Keys`] for a threshold
    /// that the keys cannot meet.
    pub fn hold(&self, folder: &Path, now: Timestamp) -> Result<Ceremonial, PublishError> {
        if !(1..=16).contains(&self.root_keys) || !(1..=self.root_keys).contains(&self.threshold) {
            let text = format!("{} of {} root keys cannot be", self.threshold, self.root_keys);
            return Err(PublishError::Keys(text));
        }
        let metadata = folder.join("metadata");
        RealDisk.create_dir_all(&metadata).map_err(PublishError::file("creating", &metadata))?;
        let names = RealDisk.list(folder).map_err(PublishError::file("reading", folder))?;
        let roots = RealDisk.list(&metadata).map_err(PublishError::file("reading", &metadata))?;
        if names.len() > 1 || !roots.is_empty() {
            return Err(PublishError::Exists { path: folder.to_owned() });
        }
        let make = |name: KeyName| Keyring::make(folder, &name);
        let root: Result<Vec<_>, _> =
            (1..=self.root_keys).map(|number| make(KeyName::Root(number))).collect();
        let root = root?;
        let one = [make(KeyName::Targets)?, make(KeyName::Snapshot)?, make(KeyName::Timestamp)?];
        for source in &self.sources {
            add_source_key(folder, source)?;
        }
        let mut role = Root {
            spec_version: SPEC_VERSION.to_owned(),
            consistent_snapshot: true,
            version: NonZeroU64::MIN,
            expires: in_days(now, self.root_days)?,
            keys: HashMap::new(),
            roles: HashMap::new(),
            _extra: HashMap::new(),
        };
        set_role(&mut role, RoleType::Root, &root.iter().collect::<Vec<_>>(), self.threshold)?;
        let [targets, snapshot, timestamp] = &one;
        set_role(&mut role, RoleType::Targets, &[targets], 1)?;
        set_role(&mut role, RoleType::Snapshot, &[snapshot], 1)?;
        set_role(&mut role, RoleType::Timestamp, &[timestamp], 1)?;
        let expires = role.expires;
        let holder = KeyHolder::Root(role.clone());
        let signed = sign_role("root", role, &holder, root.iter())?;
        let bytes = to_file("root", signed.signed())?;
        let fingerprint = Digest::of(&bytes);
        trust::Publisher::anchor(&bytes, fingerprint).map_err(PublishError::Trust)?;
        let path = root_path(folder, 1);
        RealDisk.write_atomic(&path, &bytes).map_err(PublishError::file("writing", &path))?;
        Ok(Ceremonial { root_version: 1, fingerprint, expires })
    }
}

/// Makes a key for a source, or the next one when the source's key was lost: the next bundle
/// delegates to it.
///
/// # Errors
/// A reserved source id, or what the disk answers.
pub fn add_source_key(folder: &Path, source: &SourceId) -> Result<(), PublishError> {
    if trust::is_reserved_role(source.as_str()) {
        return Err(PublishError::Keys(format!("no source can be called {source}")));
    }
    Keyring::make(folder, &KeyName::Source(source.clone())).map(drop)
}

/// The wish for the next root.
#[derive(Debug, Clone, Default)]
pub struct Rotation {
    /// Keys to replace by new ones: because they are lost, known to others, or old.
    pub replace: Vec<KeyName>,
    /// For how many days the new root is good; 0 for three years.
    pub root_days: u32,
}

/// Signs the next root by the thresholds of the old and the new one. Whoever can still gather the
/// old root threshold recovers from any other loss this way.
///
/// # Errors
/// [`PublishError::TooFewKeys`] when a threshold cannot be met; nothing of the old is touched.
pub fn rotate_root(
    folder: &Path,
    rotation: &Rotation,
    now: Timestamp,
) -> Result<Ceremonial, PublishError> {
    let ring = Keyring::open(folder)?;
    let old = newest_root(&ring)?;
    let mut next = old.clone();
    next.version = next.version.saturating_add(1);
    let days = if rotation.root_days == 0 { 3 * 366 } else { rotation.root_days };
    next.expires = in_days(now, days)?;
    require(&old, &ring)?;
    for name in &rotation.replace {
        replace(&mut next, &ring, name)?;
    }
    let used: Vec<_> = next.roles.values().flat_map(|role| role.keyids.clone()).collect();
    next.keys.retain(|id, _| used.contains(id));
    // The new keys are on disk now: read the folder again.
    let ring = Keyring::open(folder)?;
    require(&next, &ring)?;
    let by_old = sign_role("root", next.clone(), &KeyHolder::Root(old), ring.keys())?;
    let holder = KeyHolder::Root(next.clone());
    let by_new = sign_role("root", next.clone(), &holder, ring.keys())?;
    let both = by_new
        .add_old_signatures(by_old.signed().signatures.clone())
        .map_err(|source| PublishError::Sign { role: "root".into(), source: Box::new(source) })?;
    let bytes = to_file("root", both.signed())?;
    let path = root_path(folder, next.version.get());
    RealDisk.write_atomic(&path, &bytes).map_err(PublishError::file("writing", &path))?;
    Ok(Ceremonial {
        root_version: next.version.get(),
        fingerprint: ring.fingerprint(),
        expires: next.expires,
    })
}

/// The newest root of a key folder, in tough's words.
pub(crate) fn newest_root(ring: &Keyring) -> Result<Root, PublishError> {
    let bytes = ring.roots().last().map(Vec::as_slice).unwrap_or_default();
    let signed: Signed<Root> = serde_json::from_slice(bytes).map_err(|source| {
        PublishError::State { path: root_path(&ring.folder, ring.roots().len() as u64), source }
    })?;
    Ok(signed.signed)
}

fn replace(next: &mut Root, ring: &Keyring, name: &KeyName) -> Result<(), PublishError> {
    let role_type = match name {
        KeyName::Source(source) => return add_source_key(&ring.folder, source),
        KeyName::Root(_) => RoleType::Root,
        KeyName::Targets => RoleType::Targets,
        KeyName::Snapshot => RoleType::Snapshot,
        KeyName::Timestamp => RoleType::Timestamp,
    };
    let keyids = next.roles.get(&role_type).map(|role| role.keyids.clone()).unwrap_or_default();
    let named: Result<Vec<_>, _> = ring.generations(name).map(key_id).collect();
    let lost = match named?.into_iter().find(|id| keyids.contains(id)) {
        Some(id) => id,
        // A lost file does not tell its key: it is the one of its role that no file here has.
        None => {
            let here: Result<Vec<_>, _> = ring.keys().map(key_id).collect();
            let here = here?;
            let mut unknown = keyids.iter().filter(|id| !here.contains(id));
            match (unknown.next(), unknown.next()) {
                (Some(id), None) => id.clone(),
                _ => {
                    let text = format!(
                        "which key {name} was cannot be told: bring the other keys of its role"
                    );
                    return Err(PublishError::Keys(text));
                }
            }
        }
    };
    let key = Keyring::make(&ring.folder, name)?;
    let id = key_id(&key)?;
    next.keys.insert(id.clone(), tuf_key(&key));
    if let Some(role) = next.roles.get_mut(&role_type) {
        role.keyids.retain(|known| *known != lost);
        role.keyids.push(id);
    }
    Ok(())
}

/// Whether the threshold of a root's own role can be met from the folder.
fn require(root: &Root, ring: &Keyring) -> Result<(), PublishError> {
    let Some(role) = root.roles.get(&RoleType::Root) else { return Ok(()) };
    let here: Result<Vec<_>, _> = ring.keys().map(key_id).collect();
    let here = here?;
    let found = role.keyids.iter().filter(|id| here.contains(id)).count() as u64;
    if found >= role.threshold.get() {
        return Ok(());
    }
    let needed = role.threshold.get();
    Err(PublishError::TooFewKeys { role: "root".into(), needed, found })
}

fn set_role(
    root: &mut Root,
    role: RoleType,
    keys: &[&SigningKey],
    threshold: u8,
) -> Result<(), PublishError> {
    let mut keyids = Vec::new();
    for key in keys {
        let id = key_id(key)?;
        root.keys.insert(id.clone(), tuf_key(key));
        keyids.push(id);
    }
    let threshold = NonZeroU64::new(u64::from(threshold)).unwrap_or(NonZeroU64::MIN);
    root.roles.insert(role, RoleKeys { keyids, threshold, _extra: HashMap::new() });
    Ok(())
}

pub(crate) fn key_id(key: &SigningKey) -> Result<Decoded<Hex>, PublishError> {
    tuf_key(key).key_id().map_err(|_| PublishError::Keys("a key has no canonical form".into()))
}

/// `days` after `now`, in whole seconds.
pub(crate) fn in_days(now: Timestamp, days: u32) -> Result<Timestamp, PublishError> {
    now.checked_add(SignedDuration::from_hours(i64::from(days) * 24))
        .and_then(|time| Timestamp::from_second(time.as_second()))
        .map_err(|_| PublishError::Keys(format!("{days} days from now are too many")))
}
