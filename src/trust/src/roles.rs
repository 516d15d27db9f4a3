//! The roles of TUF, read from judged or about-to-be-judged files into what the workflow needs.

use crate::envelope::{Envelope, malformed};
use crate::threshold::Electorate;
use crate::{Reason, Refusal, Repository, Role, TargetFile};
use ids::{Digest, SourceId, Timestamp};
use std::collections::BTreeMap;
use tough::schema::{self, Metafile, PathSet, RoleType};

/// A root: who may sign what.
#[derive(Clone)]
pub(crate) struct RootRole {
    pub(crate) version: u64,
    pub(crate) expires: Timestamp,
    pub(crate) root: Electorate,
    pub(crate) timestamp: Electorate,
    pub(crate) snapshot: Electorate,
    pub(crate) targets: Electorate,
}

/// What a signed list says about one metadata file.
#[derive(Clone, Copy)]
pub(crate) struct Listing {
    pub(crate) version: u64,
    pub(crate) sha256: Digest,
    pub(crate) length: u64,
}

/// A timestamp or a snapshot: versions and digests of other files.
pub(crate) struct ListRole {
    pub(crate) version: u64,
    pub(crate) expires: Timestamp,
    pub(crate) files: BTreeMap<String, Listing>,
}

/// A delegation of the top-level targets role to a source.
pub(crate) struct Delegation {
    pub(crate) source: SourceId,
    pub(crate) keys: Electorate,
}

/// Names that no source may have, because they name something else in a bundle.
#[must_use]
pub fn is_reserved_role(name: &str) -> bool {
    ["root", "timestamp", "snapshot", "targets", "mirrors", "bundle"].contains(&name)
}

pub(crate) fn read_root(envelope: &Envelope) -> Result<RootRole, Refusal> {
    let root: schema::Root = envelope.role("root")?;
    if !root.consistent_snapshot {
        return Err(malformed(&envelope.name, "does not use consistent snapshots"));
    }
    let version = root.version.get();
    let electorate = |role: RoleType| {
        let keys = root
            .roles
            .get(&role)
            .ok_or_else(|| malformed(&envelope.name, &format!("has no role {role}")))?;
        Electorate::new(
            format!("role {role} of root {version}"),
            keys.keyids.iter().map(|id| &id[..]),
            keys.threshold.get(),
            |id| root.keys.iter().find(|(known, _)| known[..] == *id).map(|(_, key)| key),
        )
    };
    Ok(RootRole {
        version,
        expires: root.expires,
        root: electorate(RoleType::Root)?,
        timestamp: electorate(RoleType::Timestamp)?,
        snapshot: electorate(RoleType::Snapshot)?,
        targets: electorate(RoleType::Targets)?,
    })
}

pub(crate) fn read_timestamp(envelope: &Envelope) -> Result<(ListRole, Listing), Refusal> {
    let role: schema::Timestamp = envelope.role("timestamp")?;
    let files = listings(envelope, &role.meta)?;
    match files.get("snapshot.json") {
        Some(snapshot) if files.len() == 1 => {
            let snapshot = *snapshot;
            let (version, expires) = (role.version.get(), role.expires);
            Ok((ListRole { version, expires, files }, snapshot))
        }
        _ => Err(malformed(&envelope.name, "does not list exactly the snapshot")),
    }
}

pub(crate) fn read_snapshot(envelope: &Envelope) -> Result<ListRole, Refusal> {
    let role: schema::Snapshot = envelope.role("snapshot")?;
    let files = listings(envelope, &role.meta)?;
    Ok(ListRole { version: role.version.get(), expires: role.expires, files })
}

fn listings<'a>(
    envelope: &Envelope,
    meta: impl IntoIterator<Item = (&'a String, &'a Metafile)>,
) -> Result<BTreeMap<String, Listing>, Refusal> {
    let mut files = BTreeMap::new();
    for (name, file) in meta {
        let sha256 = file.hashes.as_ref().and_then(|hashes| digest(&hashes.sha256));
        let (Some(sha256), Some(length)) = (sha256, file.length) else {
            let what = format!("lists {name:?} without its length and SHA-256");
            return Err(malformed(&envelope.name, &what));
        };
        files.insert(name.clone(), Listing { version: file.version.get(), sha256, length });
    }
    Ok(files)
}

/// The top-level targets role and its delegations.
pub(crate) fn read_targets(envelope: &Envelope) -> Result<(Role, Vec<Delegation>), Refusal> {
    let role: schema::Targets = envelope.role("targets")?;
    let mut delegations: Vec<Delegation> = Vec::new();
    let empty = schema::Delegations::new();
    let listed = role.delegations.as_ref().unwrap_or(&empty);
    for delegated in &listed.roles {
        let refuse = |what: &str| {
            let name: String = delegated.name.chars().take(80).collect();
            Refusal::new(Reason::Delegation, format!("{}: role {name:?} {what}", envelope.name))
        };
        let source: SourceId = delegated.name.parse().map_err(|_| refuse("is no source id"))?;
        if is_reserved_role(source.as_str()) {
            return Err(refuse("has a name that is reserved"));
        }
        let own = format!("{source}.*");
        let owns_its_names = matches!(&delegated.paths,
            PathSet::Paths(paths) if paths.len() == 1 && paths.iter().all(|p| p.value() == own));
        if !owns_its_names || !delegated.terminating {
            return Err(refuse("is not delegated exactly its own names, terminating"));
        }
        if delegations.iter().any(|known| known.source == source) {
            return Err(refuse("is delegated twice"));
        }
        let keys = Electorate::new(
            format!("role {source}"),
            delegated.keyids.iter().map(|id| &id[..]),
            delegated.threshold.get(),
            |id| listed.keys.iter().find(|(known, _)| known[..] == *id).map(|(_, key)| key),
        )?;
        delegations.push(Delegation { source, keys });
    }
    let role = targets_role(envelope, &role)?;
    for name in role.targets.keys() {
        let owner = name.split('.').next().unwrap_or_default();
        if delegations.iter().any(|delegation| delegation.source.as_str() == owner) {
            let sentence = format!("{} names {name}, which belongs to a source", envelope.name);
            return Err(Refusal::new(Reason::Delegation, sentence));
        }
    }
    Ok((role, delegations))
}

/// The role of one source: nothing but its own names, no further delegation.
pub(crate) fn read_source(envelope: &Envelope, source: &SourceId) -> Result<Role, Refusal> {
    let role: schema::Targets = envelope.role("targets")?;
    if role.delegations.as_ref().is_some_and(|d| !d.roles.is_empty() || !d.keys.is_empty()) {
        let sentence = format!("{} delegates further", envelope.name);
        return Err(Refusal::new(Reason::Delegation, sentence));
    }
    let role = targets_role(envelope, &role)?;
    let prefix = format!("{source}.");
    if let Some(name) = role.targets.keys().find(|name| !name.starts_with(&prefix)) {
        let sentence = format!("{} names {name}, which is not its own", envelope.name);
        return Err(Refusal::new(Reason::Delegation, sentence));
    }
    Ok(role)
}

fn targets_role(envelope: &Envelope, role: &schema::Targets) -> Result<Role, Refusal> {
    let mut targets = BTreeMap::new();
    for (name, target) in &role.targets {
        let name = name.raw();
        let Some(sha256) = digest(&target.hashes.sha256).filter(|_| is_flat_name(name)) else {
            let name: String = name.chars().take(80).collect();
            return Err(malformed(&envelope.name, &format!("has an odd target {name:?}")));
        };
        targets.insert(name.to_owned(), TargetFile { sha256, length: target.length });
    }
    Ok(Role { version: role.version.get(), expires: role.expires, targets })
}

/// Whether `name` may name a target: 1 to 160 of a-z, 0-9, hyphen and dot, beginning with a letter
/// or digit. Nothing that any file system could read as a path.
fn is_flat_name(name: &str) -> bool {
    (1..=160).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        && name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn digest(bytes: &[u8]) -> Option<Digest> {
    bytes.try_into().ok().map(Digest::from_bytes)
}

/// The earliest expiry of everything in a repository and its lists.
pub(crate) fn earliest_expiry(repository: &Repository, others: [Timestamp; 3]) -> Timestamp {
    let roles = repository.sources.values().map(|role| role.expires);
    roles.chain(others).fold(repository.targets.expires, Timestamp::min)
}
