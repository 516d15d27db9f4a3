//! One run: every source's release file, indexes, selection, payloads and catalogue.

use crate::{
    Error, Lists, changes,
    depot::Depot,
    fetch::{Fetched, Tools, Wanted, must},
    indexes,
    machine::{Keyring, Machine},
    net::Net,
    progress::Progress,
    release::{self, Asked, History, SignedRelease},
    rpm::Repository,
    select::{Chosen, Receipt, Selection, choose},
    settings::{Settings, SourceSettings, VendorKind},
    solve::Offer,
};
use catalogue::{Catalogue, File, FileKind, SCHEMA, Vendor};
use durable::{Disk, RealDisk};
use ids::{Digest, SourceId, Timestamp};
use reqwest::Url;
use sandbox::Reader;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use vendor_apt::Package;

/// What to collect, and where to.
#[derive(Debug, Clone)]
pub struct Request {
    /// The collection's folder; the same one for every run, so that it stays incremental.
    pub folder: PathBuf,
    /// Sources and network.
    pub settings: Settings,
    /// The apt of this machine, for mirrors and keyrings that the settings do not name.
    pub machine: Machine,
    /// A folder of keyrings that goes before the machine's own.
    pub keyrings: Option<PathBuf>,
    /// Which payloads.
    pub selection: Selection,
    /// What the site holds already.
    pub receipt: Option<Receipt>,
    /// What is publicly known of vulnerabilities.
    pub lists: Lists,
    /// The moment at which signatures and dates are judged.
    pub now: Timestamp,
}

/// What a run left in its folder.
#[derive(Debug, Clone)]
pub struct Collection {
    /// The folder; files lie where [`crate::payload_path`] says.
    pub folder: PathBuf,
    /// One for each source from which something is taken.
    pub sources: Vec<CollectedSource>,
    /// The run in figures.
    pub summary: Summary,
}

/// One source of a collection.
#[derive(Debug, Clone)]
pub struct CollectedSource {
    /// What is offered and selected.
    pub catalogue: Catalogue,
    /// Its JSON, `<folder>/<source>.catalogue.json`.
    pub path: PathBuf,
    /// Whether it differs from the last run's in anything but the time of collection.
    pub changed: bool,
    /// Payloads that the site holds, so they were not fetched and need not be carried.
    pub held_by_site: BTreeSet<Digest>,
}

/// A run in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sources from which something is taken.
    pub sources: usize,
    /// Updates selected.
    pub updates: usize,
    /// Different CVE ids that they name.
    pub cves: usize,
    /// Payloads selected.
    pub payloads: usize,
    /// Their bytes.
    pub payload_bytes: u64,
    /// Indexes held.
    pub indexes: usize,
    /// Files that came over the network in this run.
    pub fetched_files: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// What the selection could not promise.
    pub notes: Vec<String>,
}

/// A source in the middle of a run.
struct Stream {
    id: SourceId,
    settings: SourceSettings,
    base: Url,
    keyring: Keyring,
    history: History,
    signed: SignedRelease,
    indexes: Vec<File>,
    offered: Vec<Package>,
    notes: Vec<String>,
}

/// Collects. A run that breaks off keeps what it has verified; the next one goes on from there.
///
/// # Errors
/// The first thing that cannot be had or does not verify; never a partial success.
pub async fn collect(
    request: &Request,
    reader: &Reader,
    progress: Arc<dyn Progress>,
) -> Result<Collection, Error> {
    let depot = Depot::open(&request.folder)?;
    let _alone = lock(&request.folder)?;
    let net = Arc::new(Net::new(&request.settings.network, progress.clone())?);
    let connections = request.settings.network.connections;
    let tools = Tools { net, depot, progress, connections };
    let mut fetched = Fetched::default();
    let mut streams = Vec::new();
    let mut sources = Vec::new();
    for settings in &request.settings.sources {
        let bad = |reason: String| Error::Settings { path: "the sources".into(), reason };
        let id = settings.id().map_err(bad)?;
        tools.progress.step(&format!("Asking for {id}"));
        let base = base_of(request, settings)?;
        match settings.vendor {
            VendorKind::Debian => {
                let stream = begin(request, &tools, reader, settings, id, base, &mut fetched);
                streams.push(stream.await?);
            }
            VendorKind::Rpm => {
                let tools = &tools;
                let asked = Repository { request, tools, reader, settings, id, base };
                sources.push(asked.collect(&mut fetched).await?);
            }
            VendorKind::Image => {
                let tools = &tools;
                let asked = Repository { request, tools, reader, settings, id, base };
                sources.push(asked.collect_image(&mut fetched).await?);
            }
        }
    }
    let chosen = Arc::new(select(request, &tools, &streams).await?);
    let mut summary = Summary { notes: chosen.notes.clone(), ..Summary::default() };
    summary.notes.extend(left_out(&streams, &chosen));
    for stream in streams.into_iter().filter(|stream| !stream.settings.solve_only) {
        sources.push(finish(request, &tools, reader, stream, &chosen, &mut fetched).await?);
    }
    let cves: BTreeSet<&String> = sources
        .iter()
        .flat_map(|s| &s.catalogue.updates)
        .flat_map(|u| u.cves.iter().flatten())
        .collect();
    summary.cves = cves.len();
    for source in &sources {
        summary.sources += 1;
        summary.updates += source.catalogue.updates.len();
        for file in &source.catalogue.files {
            match file.kind {
                FileKind::Release | FileKind::Signature => {}
                FileKind::Index => summary.indexes += 1,
                FileKind::Payload => {
                    summary.payloads += 1;
                    summary.payload_bytes += file.length;
                }
            }
        }
    }
    (summary.fetched_files, summary.fetched_bytes) = (fetched.files, fetched.bytes);
    Ok(Collection { folder: request.folder.clone(), sources, summary })
}

/// One run at a time in a folder; the lock ends with the process.
fn lock(folder: &Path) -> Result<fs::File, Error> {
    let path = folder.join("lock");
    let mut options = fs::OpenOptions::new();
    options.create(true).write(true).truncate(false);
    let file = options.open(&path).map_err(Error::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Busy { folder: folder.to_owned() }),
        Err(fs::TryLockError::Error(e)) => Err(Error::file("lock", &path)(e)),
    }
}

/// The base address of a source's mirror.
fn base_of(request: &Request, settings: &SourceSettings) -> Result<Url, Error> {
    let bad = |reason: String| Error::Settings { path: settings.label().into(), reason };
    let base = request.machine.mirror_of(settings)?;
    let base = Url::parse(&base).map_err(|e| bad(format!("the mirror's address: {e}")))?;
    if !["http", "https", "file"].contains(&base.scheme()) {
        return Err(bad("a mirror's address begins with https://, http:// or file:///".into()));
    }
    Ok(base)
}

/// Release file and indexes of a Debian source.
async fn begin(
    request: &Request,
    tools: &Tools,
    reader: &Reader,
    settings: &SourceSettings,
    id: SourceId,
    base: Url,
    fetched: &mut Fetched,
) -> Result<Stream, Error> {
    let keyring = request.machine.keyring_of(settings, request.keyrings.as_deref())?;
    let mut history = History::load(tools, &id)?;
    let now = request.now;
    let asked = Asked { source: settings, base: &base, keyring: &keyring, now };
    let signed = release::current(tools, reader, asked, &mut history, fetched).await?;
    let release = &signed.release;
    let mut absent = history.known_absent(now);
    let (indexes, notes) =
        indexes::fetch(tools, settings, &base, release, &mut absent, fetched).await?;
    history.note_absent(absent, now);
    let offered = indexes::packages(tools, reader, settings, &signed.release, &indexes).await?;
    changes::note_first_seen(&mut history, &offered, signed.release.date);
    // Only now: had the indexes failed, the next run would have to ask for the release file again.
    history.save(tools, &id)?;
    let settings = settings.clone();
    Ok(Stream { id, settings, base, keyring, history, signed, indexes, offered, notes })
}

async fn select(request: &Request, tools: &Tools, streams: &[Stream]) -> Result<Chosen, Error> {
    let offers: Vec<Offer> = streams
        .iter()
        .map(|stream| {
            let mut files = stream.indexes.clone();
            files.push(stream.release_file());
            Offer {
                name: stream.id.to_string(),
                suite: stream.settings.suite.clone(),
                components: stream.settings.components.clone(),
                keyring: stream.keyring.clone(),
                files,
            }
        })
        .collect();
    let native = streams.iter().find_map(|stream| stream.settings.architectures.first().cloned());
    let (selection, tools) = (request.selection.clone(), tools.clone());
    let task = tokio::task::spawn_blocking(move || {
        choose(&selection, &tools, &offers, native.as_deref().unwrap_or("amd64"))
    });
    task.await.map_err(|e| Error::Invariant { what: e.to_string() })?
}

/// Chosen packages that no source offers from which something is taken.
fn left_out(streams: &[Stream], chosen: &Chosen) -> Option<String> {
    let mut left: BTreeSet<_> = chosen.packages.iter().flatten().collect();
    let mut needs: BTreeSet<_> = chosen.needs.iter().collect();
    for stream in streams.iter().filter(|stream| !stream.settings.solve_only) {
        for p in &stream.offered {
            left.remove(&(p.name.clone(), p.version.clone(), p.architecture.clone()));
            // A newer one stands in for what a need list names.
            needs.retain(|(name, _, architecture)| {
                *name != p.name || *architecture != p.architecture
            });
        }
    }
    left.extend(needs);
    if left.is_empty() {
        return None;
    }
    let names: Vec<&str> = left.iter().take(50).map(|(name, ..)| name.as_str()).collect();
    let count = left.len();
    Some(format!("{count} needed packages are in no source that is taken: {}", names.join(", ")))
}

/// Payloads and catalogue of a source.
async fn finish(
    request: &Request,
    tools: &Tools,
    reader: &Reader,
    stream: Stream,
    chosen: &Chosen,
    fetched: &mut Fetched,
) -> Result<CollectedSource, Error> {
    let taken = chosen.of(&stream.offered);
    let held = request.receipt.clone().unwrap_or_default().payloads;
    let held_by_site: BTreeSet<Digest> =
        taken.iter().map(|package| package.sha256).filter(|digest| held.contains(digest)).collect();
    tools.progress.step(&format!("Fetching {} payloads of {}", taken.len(), stream.id));
    let wanted = taken.iter().filter(|package| !held_by_site.contains(&package.sha256));
    let wanted = wanted.map(|package| Wanted {
        sha256: package.sha256,
        length: package.length,
        paths: vec![package.path.clone()],
    });
    let absent = tools.fetch_all(&stream.base, wanted.collect(), fetched).await?;
    for package in &taken {
        must(&absent, &package.sha256, &package.path)?;
    }
    tools.progress.step(&format!("Reading changelogs of {}", stream.id));
    let date = stream.signed.release.date;
    let updates = changes::updates(tools, reader, &taken, chosen, &stream.history, date).await?;
    let advice = request.lists.advice(&updates);
    let catalogue = stream.catalogue(request.now, &taken, updates, chosen);
    let catalogue = Catalogue { advice, ..catalogue };
    keep(&request.folder, catalogue, held_by_site)
}

impl Stream {
    fn release_file(&self) -> File {
        File {
            path: format!("dists/{}/InRelease", self.settings.suite),
            sha256: self.signed.digest,
            length: self.signed.length,
            kind: FileKind::Release,
        }
    }

    fn catalogue(
        &self,
        now: Timestamp,
        taken: &[Package],
        updates: Vec<catalogue::Update>,
        chosen: &Chosen,
    ) -> Catalogue {
        let release = &self.signed.release;
        let mut files = self.indexes.clone();
        files.push(self.release_file());
        files.extend(taken.iter().map(|package| File {
            path: package.path.clone(),
            sha256: package.sha256,
            length: package.length,
            kind: FileKind::Payload,
        }));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Catalogue {
            schema: SCHEMA,
            source: self.id.clone(),
            vendor: Vendor::Apt {
                origin: release.origin.clone(),
                suite: self.settings.suite.clone(),
                codename: release.codename.clone(),
                components: self.settings.components.clone(),
                architectures: self.settings.architectures.clone(),
            },
            collected_at: now,
            release_date: release.date,
            valid_until: release.valid_until,
            files,
            updates,
            notes: chosen.notes.iter().chain(&self.notes).cloned().collect(),
            advice: None,
        }
    }
}

/// Writes a catalogue, unless it says what the last one said.
pub(crate) fn keep(
    folder: &Path,
    mut catalogue: Catalogue,
    held_by_site: BTreeSet<Digest>,
) -> Result<CollectedSource, Error> {
    let path = folder.join(format!("{}.catalogue.json", catalogue.source));
    let last: Option<Catalogue> =
        fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(last) = last {
        let collected_at = std::mem::replace(&mut catalogue.collected_at, last.collected_at);
        if catalogue == last {
            return Ok(CollectedSource { catalogue, path, changed: false, held_by_site });
        }
        catalogue.collected_at = collected_at;
    }
    let told = |e: serde_json::Error| Error::Invariant { what: e.to_string() };
    let bytes = serde_json::to_vec(&catalogue).map_err(told)?;
    RealDisk.write_atomic(&path, &bytes).map_err(Error::file("write", &path))?;
    Ok(CollectedSource { catalogue, path, changed: true, held_by_site })
}
