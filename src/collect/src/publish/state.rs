//! What a publisher remembers between builds.

use super::PublishError;
use bundle::Previous;
use catalogue::Catalogue;
use durable::{Disk, RealDisk};
use ids::{Digest, SiteName, SourceId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

const SCHEMA: u32 = 1;

/// The publisher's memory: `state.json` in the state folder, beside the last catalogue of each
/// source and one list of shipped payloads per site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Always 1.
    pub schema: u32,
    /// The last sequence number that was spent, whether its build was finished or not.
    pub sequence: u64,
    /// Every source that was ever offered, and whether it still is.
    pub sources: BTreeMap<SourceId, bool>,
    /// What was last made for each site; bundles for any site are under the empty name.
    pub sites: BTreeMap<String, SiteRecord>,
}

/// The last bundle that was made for a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRecord {
    /// The bundle.
    pub last: Previous,
}

impl State {
    /// Reads the state folder; a folder without state begins at nothing.
    ///
    /// # Errors
    /// An unreadable file, or one that is no state.
    pub fn load(folder: &Path) -> Result<Self, PublishError> {
        let path = folder.join("state.json");
        match RealDisk.read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| PublishError::State { path, source }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self {
                schema: SCHEMA,
                sequence: 0,
                sources: BTreeMap::new(),
                sites: BTreeMap::new(),
            }),
            Err(source) => Err(PublishError::file("reading", &path)(source)),
        }
    }

    pub(crate) fn save(&self, folder: &Path) -> Result<(), PublishError> {
        let path = folder.join("state.json");
        let json = |source| PublishError::State { path: path.clone(), source };
        let bytes = serde_json::to_vec_pretty(self).map_err(json)?;
        write(&path, &bytes)
    }

    pub(crate) fn previous(&self, site: Option<&SiteName>) -> Option<Previous> {
        self.sites.get(site.map_or("", SiteName::as_str)).map(|record| record.last)
    }
}

/// Keeps other builds out for as long as the file is held.
pub(crate) fn lock(folder: &Path) -> Result<File, PublishError> {
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(PublishError::file("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PublishError::Busy { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(PublishError::file("locking", &path)(source)),
    }
}

fn shipped_path(folder: &Path, site: &SiteName) -> PathBuf {
    folder.join(format!("shipped.{site}"))
}

fn catalogue_path(folder: &Path, source: &SourceId) -> PathBuf {
    folder.join("catalogues").join(bundle::catalogue_name(source))
}

/// The digests that were shipped to a site: one a line, sorted.
pub(crate) fn load_shipped(
    folder: &Path,
    site: &SiteName,
) -> Result<BTreeSet<Digest>, PublishError> {
    let path = shipped_path(folder, site);
    let text = match RealDisk.read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(source) => return Err(PublishError::file("reading", &path)(source)),
    };
    text.lines()
        .map(|line| {
            line.parse().map_err(|_| {
                let source = std::io::Error::from(std::io::ErrorKind::InvalidData);
                PublishError::file("reading", &path)(source)
            })
        })
        .collect()
}

pub(crate) fn save_shipped(
    folder: &Path,
    site: &SiteName,
    shipped: &BTreeSet<Digest>,
) -> Result<(), PublishError> {
    let text: String = shipped.iter().map(|digest| format!("{digest}\n")).collect();
    write(&shipped_path(folder, site), text.as_bytes())
}

/// The last catalogue of a source that is offered but was not collected this time.
pub(crate) fn load_catalogue(folder: &Path, source: &SourceId) -> Result<Catalogue, PublishError> {
    let path = catalogue_path(folder, source);
    let bytes = RealDisk.read(&path).map_err(PublishError::file("reading", &path))?;
    bundle::decode_catalogue(source, &bytes).map_err(PublishError::Format)
}

pub(crate) fn save_catalogue(
    folder: &Path,
    source: &SourceId,
    bytes: &[u8],
) -> Result<(), PublishError> {
    let path = catalogue_path(folder, source);
    let parent = folder.join("catalogues");
    RealDisk.create_dir_all(&parent).map_err(PublishError::file("creating", &parent))?;
    write(&path, bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PublishError> {
    RealDisk.write_atomic(path, bytes).map_err(PublishError::file("writing", path))
}
