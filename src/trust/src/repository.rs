//! What a bundle's metadata says once it has been judged.

use ids::{Digest, SourceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The judged metadata of one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Version of the root under which it was judged.
    pub root_version: u64,
    /// Version of the timestamp role: the bundle's sequence number.
    pub sequence: u64,
    /// Digest of `timestamp.json`: the bundle's name.
    pub bundle: Digest,
    /// When the publisher says that it signed.
    pub signed_at: Timestamp,
    /// When the first of its files expires.
    pub expires: Timestamp,
    /// Version of the snapshot.
    pub snapshot_version: u64,
    /// The top-level targets role.
    pub targets: Role,
    /// The delegated roles, one per source. A removed source stays as a role without targets.
    pub sources: BTreeMap<SourceId, Role>,
    /// Names of the metadata files that count; others on the medium are strangers.
    pub files: BTreeSet<String>,
}

/// One targets role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Version of its metadata.
    pub version: u64,
    /// When its metadata expires.
    pub expires: Timestamp,
    /// What it vouches for, by flat name.
    pub targets: BTreeMap<String, TargetFile>,
}

/// A file that a role vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetFile {
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Length in bytes.
    pub length: u64,
}

impl Repository {
    /// The target `name`, whichever role owns the name: `<source>.…` belongs to the source.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&TargetFile> {
        let owner = name
            .split_once('.')
            .and_then(|(source, _)| self.sources.get(&source.parse::<SourceId>().ok()?));
        owner.unwrap_or(&self.targets).targets.get(name)
    }

    /// Every target of every role by name.
    pub fn all_targets(&self) -> impl Iterator<Item = (&str, &TargetFile)> {
        std::iter::once(&self.targets)
            .chain(self.sources.values())
            .flat_map(|role| role.targets.iter().map(|(name, file)| (name.as_str(), file)))
    }
}
