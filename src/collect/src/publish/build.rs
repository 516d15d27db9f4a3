//! One build: from catalogues and payloads to a finished bundle folder.

use super::packs::write_packs;
use super::roles::{Wish, whole_seconds};
use super::state::{self, SiteRecord, State};
use super::{PublishError, verify};
use crate::keys::Keyring;
use bundle::{Entry, INFO_NAME, Info, PayloadIndex, Previous, SCHEMA, SourceInfo};
use catalogue::Catalogue;
use durable::{Disk, RealDisk};
use ids::{Digest, SiteName, SourceId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use trust::TargetFile;

/// The wish for a bundle.
#[derive(Debug)]
pub struct Build<'a> {
    /// The key folder; targets, snapshot, timestamp and the sources' keys must be in it.
    pub keys: &'a Path,
    /// The publisher's state folder; made when it is not there.
    pub state: &'a Path,
    /// The folder that becomes the bundle; must not be there yet.
    pub out: &'a Path,
    /// The publisher's name, for people.
    pub publisher: &'a str,
    /// The site for which it is; `None` for any.
    pub site: Option<SiteName>,
    /// What was collected, one catalogue per source. A source that was offered before and is not
    /// among them keeps its last catalogue.
    pub catalogues: &'a [Catalogue],
    /// Sources to remove: their role stays, empty.
    pub remove: &'a [SourceId],
    /// What the site has already and the bundle need not carry.
    pub held: Held<'a>,
    /// For how many days the timestamp is good: longer than the media cycle. 45 is usual.
    pub timestamp_days: u32,
    /// The time of the build.
    pub now: Timestamp,
}

/// What a site has already.
#[derive(Debug, Clone, Copy)]
pub enum Held<'a> {
    /// Nothing: a full bundle.
    Nothing,
    /// What the site's own receipt lists.
    Receipt(&'a BTreeSet<Digest>),
    /// What this publisher has shipped to the site so far, for sites from which nothing returns.
    Shipped,
}

/// A finished bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The folder.
    pub folder: PathBuf,
    /// Sequence number.
    pub sequence: u64,
    /// Digest of `timestamp.json`: the bundle's name.
    pub bundle: Digest,
    /// When the timestamp expires.
    pub expires: Timestamp,
    /// Payloads that it carries.
    pub payloads: u64,
    /// Their bytes.
    pub payload_bytes: u64,
    /// Payloads that its indexes name but that it does not carry.
    pub not_carried: u64,
    /// Updates that its catalogues list.
    pub updates: u64,
    /// Sources whose last catalogue was carried forward.
    pub carried_forward: Vec<SourceId>,
}

/// Days for which targets and snapshot are good; each build signs them anew.
const TARGETS_DAYS: u32 = 400;

/// Builds a bundle. `open` gives the bytes of a payload; `progress` is told of each stretch of
/// bytes that was packed.
///
/// # Errors
/// Nothing is left under the wished name, and no state but the spent sequence number changes.
pub fn build<R: Read>(
    wish: &Build<'_>,
    open: impl Fn(&Digest) -> io::Result<R>,
    progress: impl Fn(u64),
) -> Result<Built, PublishError> {
    if std::fs::symlink_metadata(wish.out).is_ok() {
        return Err(PublishError::Exists { path: wish.out.to_owned() });
    }
    make_dir(wish.state)?;
    let _lock = state::lock(wish.state)?;
    let ring = Keyring::open(wish.keys)?;
    let mut state = State::load(wish.state)?;
    let (catalogues, carried_forward) = catalogues(wish, &mut state)?;
    let indexes = indexes(wish, &catalogues, &carried_forward)?;
    let parts = encode(&catalogues, &indexes)?;
    preflight(wish.out, &indexes, &parts)?;

    // Spent before anything is signed with it: no number ever names two bundles.
    state.sequence += 1;
    State { sequence: state.sequence, ..State::load(wish.state)? }.save(wish.state)?;

    let partial = partial_path(wish.out);
    remove_partial(&partial)?;
    let (metadata, targets) = (partial.join("metadata"), partial.join("targets"));
    make_dir(&metadata)?;
    make_dir(&targets)?;
    let mut roles: BTreeMap<SourceId, BTreeMap<String, TargetFile>> =
        state.sources.keys().map(|source| (source.clone(), BTreeMap::new())).collect();
    let mut sources = Vec::new();
    for (index, part) in indexes.iter().zip(&parts) {
        let role = roles.entry(index.source.clone()).or_default();
        for (name, bytes) in part {
            role.insert(name.clone(), write_target(&targets, name, bytes)?);
        }
        let packs = write_packs(&targets, index, &open, &progress)?;
        role.extend(packs.iter().cloned());
        sources.push(SourceInfo {
            source: index.source.clone(),
            catalogue: bundle::catalogue_name(&index.source),
            payloads: bundle::index_name(&index.source),
            packs: packs.into_iter().map(|(name, _)| name).collect(),
        });
    }
    let info = info(wish, &state, sources);
    let bytes = info.encode().map_err(PublishError::Format)?;
    let top = BTreeMap::from([(INFO_NAME.to_owned(), write_target(&targets, INFO_NAME, &bytes)?)]);
    let (version, ring) = (state.sequence, &ring);
    let (timestamp_days, targets_days) = (wish.timestamp_days, TARGETS_DAYS);
    let now = wish.now;
    let files =
        Wish { ring, version, now, timestamp_days, targets_days, top, sources: roles }.sign()?;
    let name = write_metadata(&metadata, ring, &files)?;
    // What would be refused on the other side must not leave this one.
    let checked = verify::judge(&partial, ring.fingerprint(), wish.now)?;
    finish(wish, &partial)?;
    remember(wish, &mut state, name, &indexes, &parts)?;
    let carried = || indexes.iter().flat_map(|index| index.carried());
    let all: usize = indexes.iter().map(|index| index.entries.len()).sum();
    let payloads = carried().count() as u64;
    Ok(Built {
        folder: wish.out.to_owned(),
        sequence: state.sequence,
        bundle: name,
        expires: checked.expires,
        payloads,
        payload_bytes: carried().map(|(entry, _)| entry.length).sum(),
        not_carried: all as u64 - payloads,
        updates: catalogues.iter().map(|catalogue| catalogue.updates.len() as u64).sum(),
        carried_forward,
    })
}

/// The catalogues of every source that is offered, sorted, and which of them are old.
fn catalogues(
    wish: &Build<'_>,
    state: &mut State,
) -> Result<(Vec<Catalogue>, Vec<SourceId>), PublishError> {
    let mut all = BTreeMap::new();
    for catalogue in wish.catalogues {
        check_dates(catalogue)?;
        let source = catalogue.source.clone();
        if wish.remove.contains(&source) || all.insert(source.clone(), catalogue.clone()).is_some()
        {
            let text = format!("source {source} is wished twice, or both wished and removed");
            return Err(PublishError::Request(text));
        }
        state.sources.insert(source, true);
    }
    for source in wish.remove {
        let Some(offered) = state.sources.get_mut(source) else {
            return Err(PublishError::Request(format!("source {source} was never offered")));
        };
        *offered = false;
    }
    let mut forward = Vec::new();
    for (source, _) in state.sources.iter().filter(|(_, offered)| **offered) {
        if !all.contains_key(source) {
            all.insert(source.clone(), state::load_catalogue(wish.state, source)?);
            forward.push(source.clone());
        }
    }
    if all.is_empty() {
        return Err(PublishError::Request("a bundle needs at least one source".into()));
    }
    Ok((all.into_values().collect(), forward))
}

/// Every update needs a release date that can be true: deadlines are counted from it.
fn check_dates(catalogue: &Catalogue) -> Result<(), PublishError> {
    let latest = catalogue.collected_at.saturating_add(trust::PLAUSIBLE_AHEAD).ok();
    for update in &catalogue.updates {
        let date = update.released_at;
        if date <= Timestamp::UNIX_EPOCH || latest.is_none_or(|latest| date > latest) {
            let (source_id, update) = (catalogue.source.clone(), update.id.clone());
            return Err(PublishError::ReleaseDate { source_id, update });
        }
    }
    Ok(())
}

fn indexes(
    wish: &Build<'_>,
    catalogues: &[Catalogue],
    carried_forward: &[SourceId],
) -> Result<Vec<PayloadIndex>, PublishError> {
    let shipped = match (&wish.held, &wish.site) {
        (Held::Shipped, Some(site)) => state::load_shipped(wish.state, site)?,
        (Held::Shipped, None) => {
            let text = "what was shipped is kept per site: name the site".into();
            return Err(PublishError::Request(text));
        }
        (Held::Nothing | Held::Receipt(_), _) => BTreeSet::new(),
    };
    let held = match wish.held {
        Held::Receipt(receipt) => receipt,
        Held::Nothing | Held::Shipped => &shipped,
    };
    let mut indexes = Vec::new();
    for catalogue in catalogues {
        let mut payloads = BTreeMap::new();
        for file in &catalogue.files {
            if payloads.insert(file.sha256, file.length).is_some_and(|other| other != file.length) {
                let text = format!("{} has one digest with two lengths", catalogue.source);
                return Err(PublishError::Request(text));
            }
        }
        let mut entries: Vec<Entry> = payloads
            .into_iter()
            .map(|(sha256, length)| Entry { sha256, length, place: None })
            .collect();
        // Of a source that was not collected this time there are no payloads to hand.
        if !carried_forward.contains(&catalogue.source) {
            bundle::place(entries.iter_mut().filter(|entry| !held.contains(&entry.sha256)));
        }
        indexes.push(PayloadIndex { source: catalogue.source.clone(), entries });
    }
    Ok(indexes)
}

type Part = Vec<(String, Vec<u8>)>;

fn encode(catalogues: &[Catalogue], indexes: &[PayloadIndex]) -> Result<Vec<Part>, PublishError> {
    let pairs = catalogues.iter().zip(indexes);
    pairs
        .map(|(catalogue, index)| {
            let (catalogue, source) = (bundle::encode_catalogue(catalogue), &catalogue.source);
            Ok(vec![
                (bundle::catalogue_name(source), catalogue.map_err(PublishError::Format)?),
                (bundle::index_name(source), index.encode().map_err(PublishError::Format)?),
            ])
        })
        .collect()
}

/// Says to the byte what is needed before anything is written; 1 MiB is for metadata.
fn preflight(out: &Path, indexes: &[PayloadIndex], parts: &[Part]) -> Result<(), PublishError> {
    let packs: u64 = indexes.iter().flat_map(PayloadIndex::pack_lengths).sum();
    let small: usize = parts.iter().flatten().map(|(_, bytes)| bytes.len()).sum();
    let needed = packs + small as u64 + (1 << 20);
    let parent = parent(out);
    make_dir(&parent)?;
    let available = RealDisk.available(&parent).map_err(PublishError::file("asking", &parent))?;
    if available < needed {
        return Err(PublishError::Space { path: parent, needed, available });
    }
    Ok(())
}

fn info(wish: &Build<'_>, state: &State, sources: Vec<SourceInfo>) -> Info {
    Info {
        schema: SCHEMA,
        sequence: state.sequence,
        built_at: whole_seconds(wish.now),
        publisher: wish.publisher.to_owned(),
        site: wish.site.clone(),
        previous: state.previous(wish.site.as_ref()),
        sources,
    }
}

fn write_target(targets: &Path, name: &str, bytes: &[u8]) -> Result<TargetFile, PublishError> {
    let file = TargetFile { sha256: Digest::of(bytes), length: bytes.len() as u64 };
    write(&targets.join(format!("{}.{name}", file.sha256)), bytes)?;
    Ok(file)
}

/// Writes the chain of roots and the signed roles; gives the digest of the timestamp.
fn write_metadata(
    metadata: &Path,
    ring: &Keyring,
    files: &[(String, Vec<u8>)],
) -> Result<Digest, PublishError> {
    for (version, root) in (1_u64..).zip(ring.roots()) {
        write(&metadata.join(format!("{version}.root.json")), root)?;
    }
    for (name, bytes) in files {
        write(&metadata.join(name), bytes)?;
    }
    Ok(files.last().map_or_else(|| Digest::of(b""), |(_, timestamp)| Digest::of(timestamp)))
}

fn finish(wish: &Build<'_>, partial: &Path) -> Result<(), PublishError> {
    let parent = parent(wish.out);
    RealDisk
        .sync_filesystem(partial)
        .and_then(|()| RealDisk.rename(partial, wish.out))
        .and_then(|()| RealDisk.sync_dir(&parent))
        .map_err(PublishError::file("finishing", wish.out))
}

fn remember(
    wish: &Build<'_>,
    state: &mut State,
    name: Digest,
    indexes: &[PayloadIndex],
    parts: &[Part],
) -> Result<(), PublishError> {
    for (index, part) in indexes.iter().zip(parts) {
        if let Some((_, bytes)) = part.first() {
            state::save_catalogue(wish.state, &index.source, bytes)?;
        }
    }
    if let Some(site) = &wish.site {
        // What a receipt lists has arrived, whoever brought it.
        let mut shipped = match wish.held {
            Held::Receipt(receipt) => receipt.clone(),
            Held::Nothing => BTreeSet::new(),
            Held::Shipped => state::load_shipped(wish.state, site)?,
        };
        shipped.extend(indexes.iter().flat_map(|i| i.carried()).map(|(entry, _)| entry.sha256));
        state::save_shipped(wish.state, site, &shipped)?;
    }
    let last = Previous { sequence: state.sequence, bundle: name };
    let site = wish.site.as_ref().map_or("", SiteName::as_str).to_owned();
    state.sites.insert(site, SiteRecord { last });
    state.save(wish.state)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PublishError> {
    let mut file = RealDisk.create(path).map_err(PublishError::file("creating", path))?;
    file.write_all(bytes).map_err(PublishError::file("writing", path))
}

fn make_dir(path: &Path) -> Result<(), PublishError> {
    RealDisk.create_dir_all(path).map_err(PublishError::file("creating", path))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn partial_path(out: &Path) -> PathBuf {
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    parent(out).join(format!("{name}.unfinished"))
}

/// Clears what an earlier build left when it was cut off.
fn remove_partial(partial: &Path) -> Result<(), PublishError> {
    match std::fs::remove_dir_all(partial) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(PublishError::file("clearing", partial)(e))
        }
        _ => Ok(()),
    }
}
