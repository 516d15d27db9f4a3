//! An RPM repository: its signed top, every list beside it, and the packages of the selected architectures.
//!
//! It is taken whole: no solver of RPM's is asked, so a list of packages or a machine's inventory chooses nothing
//! here. `repomd.xml` and its signature are always asked for, since one without the other cannot be judged.

use crate::{
    Error, Request,
    collection::{CollectedSource, keep},
    fetch::{Fetched, Tools, Wanted, must},
    net::{Document, Validators},
    release::{AHEAD_MAX, History},
    settings::SourceSettings,
};
use catalogue::{Catalogue, File, FileKind, Indexed, ReleaseBasis, SCHEMA, Update, Vendor};
use ids::{Digest, SourceId, Timestamp};
use reqwest::Url;
use sandbox::{Compression, Reader};
use std::collections::{BTreeMap, BTreeSet};
use vendor_rpm::{
    Advisory, Package, Part, REPOMD, REPOMD_SIGNATURE, Repomd, parse_primary, parse_updateinfo,
};

/// Far more than the 10 kB of real ones.
const REPOMD_BYTES_MAX: u64 = 4 << 20;
/// Longest plain list that is read.
const PLAIN_BYTES_MAX: u64 = 1 << 30;

/// A source that is asked whose top has its signature beside it: an RPM repository, or images (`image.rs`).
pub(crate) struct Repository<'a> {
    pub(crate) request: &'a Request,
    pub(crate) tools: &'a Tools,
    pub(crate) reader: &'a Reader,
    pub(crate) settings: &'a SourceSettings,
    pub(crate) id: SourceId,
    pub(crate) base: Url,
}

impl Repository<'_> {
    /// Collects it.
    pub(crate) async fn collect(self, fetched: &mut Fetched) -> Result<CollectedSource, Error> {
        let Self { request, tools, settings, id, .. } = &self;
        let mut history = History::load(tools, id)?;
        let top = [REPOMD, REPOMD_SIGNATURE];
        let read = |bytes: &[u8]| {
            let repomd = Repomd::parse(bytes).map_err(format(REPOMD))?;
            Ok((repomd.date, repomd))
        };
        let (repomd, mut files) = self.current(top, read, &mut history, fetched).await?;
        let lists: Vec<File> = repomd.parts.values().map(list).collect();
        self.have(&lists, fetched).await?;
        files.extend(lists);
        let offered = self.packages(&repomd).await?;
        let advisories = self.advisories(&repomd).await?;
        for package in &offered {
            let seen = history.first_seen.entry(update_id(package)).or_insert(repomd.date);
            *seen = repomd.date.min(*seen);
        }
        // Only now: had the lists failed, the next run would have to look at the same top again.
        history.save(tools, id)?;
        let payloads: Vec<File> = offered.iter().map(payload).collect();
        let held = request.receipt.clone().unwrap_or_default().payloads;
        let is_held = |file: &&File| held.contains(&file.sha256);
        let held_by_site = payloads.iter().filter(is_held).map(|file| file.sha256).collect();
        tools.progress.step(&format!("Fetching {} payloads of {id}", payloads.len()));
        let lacking: Vec<File> = payloads.iter().filter(|file| !is_held(file)).cloned().collect();
        self.have(&lacking, fetched).await?;
        files.extend(payloads);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let updates = updates(offered, &advisories, &history, repomd.date);
        let catalogue = Catalogue {
            schema: SCHEMA,
            source: id.clone(),
            vendor: Vendor::Rpm { architectures: settings.architectures.clone() },
            collected_at: request.now,
            release_date: repomd.date,
            valid_until: None,
            files,
            advice: request.lists.advice(&updates),
            updates,
            notes: Vec::new(),
        };
        keep(&request.folder, catalogue, held_by_site)
    }

    /// Asks for the signed top and its signature, judges it, and gives what `read` makes of it, with the two files.
    pub(crate) async fn current<T>(
        &self,
        [top, signed]: [&str; 2],
        read: impl FnOnce(&[u8]) -> Result<(Timestamp, T), Error>,
        history: &mut History,
        fetched: &mut Fetched,
    ) -> Result<(T, Vec<File>), Error> {
        let document = self.whole(top, fetched).await?;
        let signature = self.whole(signed, fetched).await?;
        let (suite, now) = (self.id.to_string(), self.request.now);
        let machine = &self.request.machine;
        let keyring = machine.keyring_of(self.settings, self.request.keyrings.as_deref())?;
        let (judge, bytes) = (self.reader.clone(), (document.clone(), signature.clone()));
        let judged = tokio::task::spawn_blocking(move || {
            judge.verify_detached(&bytes.0, &bytes.1, &keyring.bytes(), now)
        });
        let judged = judged.await.map_err(|e| Error::Invariant { what: e.to_string() })?;
        judged.map_err(|source| Error::Signature { suite: suite.clone(), source })?;
        let (date, said) = read(&document)?;
        if date > now.saturating_add(AHEAD_MAX).unwrap_or(Timestamp::MAX) {
            return Err(Error::Future { suite, date });
        }
        if let Some(seen) = history.date.filter(|seen| date < *seen) {
            return Err(Error::Rollback { suite, date, seen });
        }
        let keep = |path: &str, bytes: &[u8], kind| {
            let sha256 = self.tools.depot.keep(bytes)?;
            Ok::<_, Error>(File { path: path.to_owned(), sha256, length: bytes.len() as u64, kind })
        };
        let release = keep(top, &document, FileKind::Release)?;
        history.release = Some(release.sha256);
        history.date = Some(date);
        history.mirror = self.base.to_string();
        Ok((said, vec![release, keep(signed, &signature, FileKind::Signature)?]))
    }

    /// A small file that must be there, as it is now.
    async fn whole(&self, path: &str, fetched: &mut Fetched) -> Result<Vec<u8>, Error> {
        let fresh = Validators::default();
        let asked = self.tools.net.document(&self.base, path, &fresh, REPOMD_BYTES_MAX);
        let Some(Document::Found { bytes, .. }) = asked.await? else {
            return Err(Error::MissingFile { path: path.to_owned() });
        };
        fetched.files += 1;
        fetched.bytes += bytes.len() as u64;
        Ok(bytes)
    }

    /// Fetches files that must be there.
    pub(crate) async fn have(&self, files: &[File], fetched: &mut Fetched) -> Result<(), Error> {
        let wanted = files.iter().map(|file| Wanted {
            sha256: file.sha256,
            length: file.length,
            paths: vec![file.path.clone()],
        });
        let absent = self.tools.fetch_all(&self.base, wanted.collect(), fetched).await?;
        files.iter().try_for_each(|file| must(&absent, &file.sha256, &file.path))
    }

    /// The packages of the selected architectures, and those for all.
    async fn packages(&self, repomd: &Repomd) -> Result<Vec<Package>, Error> {
        let architectures = &self.settings.architectures;
        let missing = |what| Error::NotOffered { suite: self.id.to_string(), what };
        let part = repomd.primary().ok_or_else(|| missing("list of packages".into()))?;
        let mut packages = parse_primary(&self.plain(part).await?).map_err(format(&part.path))?;
        packages.retain(|package| {
            package.architecture == "noarch" || architectures.contains(&package.architecture)
        });
        if packages.is_empty() {
            return Err(missing(format!("package for {}", architectures.join(" or "))));
        }
        packages.sort_by(|a, b| a.path.cmp(&b.path));
        packages.dedup();
        Ok(packages)
    }

    /// What the vendor says of versions, where it says anything.
    async fn advisories(&self, repomd: &Repomd) -> Result<Vec<Advisory>, Error> {
        let Some(part) = repomd.updateinfo() else { return Ok(Vec::new()) };
        parse_updateinfo(&self.plain(part).await?).map_err(format(&part.path))
    }

    /// The plain bytes of a list, held to what the signed top names.
    async fn plain(&self, part: &Part) -> Result<Vec<u8>, Error> {
        let (depot, reader, part) = (self.tools.depot.clone(), self.reader.clone(), part.clone());
        let task = tokio::task::spawn_blocking(move || {
            let packed = depot.read(&part.sha256)?;
            let compression = match part.path.rsplit_once('.').map(|(_, ending)| ending) {
                Some("xz") => Compression::Xz,
                Some("gz") => Compression::Gzip,
                Some("zst") => Compression::Zstd,
                _ => return Ok(packed),
            };
            let told = |source| Error::Read { path: part.path.clone(), source };
            let lacks = || Error::NotOffered {
                suite: part.path.clone(),
                what: "open-checksum and open-size in repomd.xml".into(),
            };
            let (sha256, length) = part.plain.ok_or_else(lacks)?;
            let most = length.min(PLAIN_BYTES_MAX);
            let plain = reader.decompress(&packed, compression, most).map_err(told)?;
            if (Digest::of(&plain), plain.len() as u64) != (sha256, length) {
                return Err(Error::Altered { path: part.path });
            }
            Ok(plain)
        });
        task.await.map_err(|e| Error::Invariant { what: e.to_string() })?
    }
}

fn list(part: &Part) -> File {
    let Part { path, sha256, length, .. } = part;
    File { path: path.clone(), sha256: *sha256, length: *length, kind: FileKind::Index }
}

fn payload(package: &Package) -> File {
    let Package { path, sha256, length, .. } = package;
    File { path: path.clone(), sha256: *sha256, length: *length, kind: FileKind::Payload }
}

fn update_id(package: &Package) -> String {
    format!("{}_{}", package.source.0, package.source.1)
}

/// What was built from one source package is one update, sorted by source package and version.
fn updates(
    offered: Vec<Package>,
    advisories: &[Advisory],
    history: &History,
    released: Timestamp,
) -> Vec<Update> {
    let mut named: BTreeMap<&(String, String, String), Vec<&Advisory>> = BTreeMap::new();
    for advisory in advisories {
        for package in &advisory.packages {
            named.entry(package).or_default().push(advisory);
        }
    }
    let mut groups: BTreeMap<(String, String), Vec<Package>> = BTreeMap::new();
    for package in offered {
        groups.entry(package.source.clone()).or_default().push(package);
    }
    let update = |((source_package, fixed_version), packages): ((String, String), Vec<Package>)| {
        let id = update_id(&packages[0]);
        let told: Vec<&&Advisory> = (packages.iter())
            .map(|p| (p.name.clone(), p.version.clone(), p.architecture.clone()))
            .flat_map(|key| named.get(&key).into_iter().flatten())
            .collect();
        let seen = history.first_seen.get(&id).copied().unwrap_or(released);
        let issued = told.iter().filter_map(|advisory| advisory.issued).min();
        let (released_at, released_by) = match issued {
            Some(issued) => (issued.min(seen), ReleaseBasis::Advisory),
            None => (seen, ReleaseBasis::SignedRelease),
        };
        // Without an advisory it is unknown what a version mends, not nothing.
        let cves: BTreeSet<&String> = told.iter().flat_map(|advisory| &advisory.cves).collect();
        let cves = (!told.is_empty()).then(|| cves.into_iter().cloned().collect());
        let payloads = packages.into_iter().map(|package| Indexed::from(package).payload).collect();
        Update {
            id,
            source_package,
            fixed_version,
            released_at,
            released_by,
            changelog_at: None,
            urgency: None,
            severity: told.iter().filter_map(|advisory| advisory.severity).max(),
            cves,
            payloads,
        }
    };
    groups.into_iter().map(update).collect()
}

fn format(path: &str) -> impl Fn(vendor_rpm::Error) -> Error {
    move |source| Error::RpmFormat { path: path.to_owned(), source }
}
