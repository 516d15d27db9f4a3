//! The signed roles of one bundle, made with tough's schema and signed through its editor.

use super::PublishError;
use crate::keys::{KeyName, Keyring, in_days, key_id, newest_root, sign_role, to_file, tuf_key};
use ed25519_dalek::SigningKey;
use ids::{Digest, SourceId, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use tough::TargetName;
use tough::schema::{
    self, DelegatedRole, DelegatedTargets, Delegations, Hashes, KeyHolder, Metafile, PathPattern,
    PathSet, Target,
};
use trust::{SIGNED_AT, TargetFile};

const SPEC_VERSION: &str = "1.0.0";

/// What the roles of a bundle are to say.
pub(crate) struct Wish<'a> {
    pub(crate) ring: &'a Keyring,
    /// Sequence number, and the version of every role that is signed.
    pub(crate) version: u64,
    pub(crate) now: Timestamp,
    pub(crate) timestamp_days: u32,
    pub(crate) targets_days: u32,
    /// Targets of the top-level role.
    pub(crate) top: BTreeMap<String, TargetFile>,
    /// Targets by source; a removed source has none.
    pub(crate) sources: BTreeMap<SourceId, BTreeMap<String, TargetFile>>,
}

impl Wish<'_> {
    /// Signs everything; gives file names and bytes, the timestamp's last.
    pub(crate) fn sign(&self) -> Result<Vec<(String, Vec<u8>)>, PublishError> {
        let version = NonZeroU64::new(self.version).unwrap_or(NonZeroU64::MIN);
        let targets_expire = in_days(self.now, self.targets_days)?;
        let timestamp_expires = in_days(self.now, self.timestamp_days)?;
        let root = KeyHolder::Root(newest_root(self.ring)?);
        let mut files = Vec::new();
        let mut listed = HashMap::new();
        let mut add = |name: &str, bytes: Vec<u8>| {
            listed.insert(format!("{name}.json"), metafile(version, &bytes));
            files.push((format!("{version}.{name}.json"), bytes));
        };
        let delegations = self.delegations()?;
        let holder = KeyHolder::Delegations(delegations.clone());
        for (source, targets) in &self.sources {
            let name = source.as_str();
            let mut role = schema::Targets::new(SPEC_VERSION.into(), version, targets_expire);
            role.delegations = None;
            fill(&mut role, targets)?;
            let role = DelegatedTargets { name: name.to_owned(), targets: role };
            let signed = sign_role(name, role, &holder, self.ring.keys())?;
            add(name, to_file(name, signed.signed())?);
        }
        let mut role = schema::Targets::new(SPEC_VERSION.into(), version, targets_expire);
        role.delegations = Some(delegations);
        fill(&mut role, &self.top)?;
        let signed = sign_role("targets", role, &root, self.ring.keys())?;
        add("targets", to_file("targets", signed.signed())?);

        let mut role = schema::Snapshot::new(SPEC_VERSION.into(), version, targets_expire);
        role.meta = listed;
        let signed = sign_role("snapshot", role, &root, self.ring.keys())?;
        let snapshot = to_file("snapshot", signed.signed())?;

        let mut role = schema::Timestamp::new(SPEC_VERSION.into(), version, timestamp_expires);
        role.meta.insert("snapshot.json".into(), metafile(version, &snapshot));
        role._extra.insert(SIGNED_AT.into(), whole_seconds(self.now).to_string().into());
        let signed = sign_role("timestamp", role, &root, self.ring.keys())?;
        let timestamp = to_file("timestamp", signed.signed())?;
        files.push((format!("{version}.snapshot.json"), snapshot));
        files.push(("timestamp.json".into(), timestamp));
        Ok(files)
    }

    fn delegations(&self) -> Result<Delegations, PublishError> {
        let mut delegations = Delegations::new();
        for source in self.sources.keys() {
            let key: &SigningKey =
                self.ring.key(&KeyName::Source(source.clone())).ok_or_else(|| {
                    PublishError::TooFewKeys { role: source.to_string(), needed: 1, found: 0 }
                })?;
            let id = key_id(key)?;
            delegations.keys.insert(id.clone(), tuf_key(key));
            let pattern = PathPattern::new(format!("{source}.*"))
                .map_err(|_| PublishError::Keys(format!("{source} makes no pattern")))?;
            delegations.roles.push(DelegatedRole {
                name: source.to_string(),
                keyids: vec![id],
                threshold: NonZeroU64::MIN,
                paths: PathSet::Paths(vec![pattern]),
                terminating: true,
                targets: None,
            });
        }
        Ok(delegations)
    }
}

fn fill(
    role: &mut schema::Targets,
    targets: &BTreeMap<String, TargetFile>,
) -> Result<(), PublishError> {
    for (name, file) in targets {
        let odd = |_| PublishError::Request(format!("{name} can be no target name"));
        let target = Target {
            length: file.length,
            hashes: hashes(&file.sha256),
            custom: HashMap::new(),
            _extra: HashMap::new(),
        };
        role.add_target(TargetName::new(name.clone()).map_err(odd)?, target);
    }
    Ok(())
}

fn metafile(version: NonZeroU64, bytes: &[u8]) -> Metafile {
    Metafile {
        version,
        length: Some(bytes.len() as u64),
        hashes: Some(hashes(&Digest::of(bytes))),
        _extra: HashMap::new(),
    }
}

fn hashes(sha256: &Digest) -> Hashes {
    Hashes { sha256: sha256.as_bytes().to_vec().into(), _extra: HashMap::new() }
}

/// `time` without its fraction.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
