//! What a judged bundle holds: `bundle.json`, catalogues, payload indexes and where payloads lie.

use super::outcome::Stop;
use crate::{Error, Site};
use bundle::{Info, Layout, PayloadIndex};
use catalogue::Catalogue;
use ids::{Digest, SourceId};
use media::{Contents, Medium};
use std::collections::{HashMap, HashSet};
use store::{Incoming, Store};
use trust::{Repository, TargetFile, Verified};

/// One source of the bundle.
pub(super) struct PlannedSource {
    pub(super) catalogue: Catalogue,
    /// The catalogue's target, as it is kept.
    pub(super) target: TargetFile,
}

/// A judged bundle, read as far as its small targets.
pub(super) struct Plan {
    pub(super) bundle: Digest,
    pub(super) info: Info,
    pub(super) sources: Vec<PlannedSource>,
    pub(super) layout: Layout,
    /// Small targets to keep: catalogues, with their bytes.
    pub(super) keep: Vec<(Digest, Vec<u8>)>,
    /// Metadata files that count, by name.
    pub(super) metadata: Vec<String>,
    /// Files on the medium that the bundle does not name.
    pub(super) strangers: Vec<String>,
    /// Carried payloads and their lengths.
    carried: HashMap<Digest, u64>,
    /// What a newer publisher wrote and this version does not know.
    skipped: Vec<String>,
}

impl Plan {
    /// Reads the small targets, each against what the publisher's signature says of it.
    pub(super) fn read(
        site: &Site,
        medium: &Medium,
        repository: &Verified<Repository>,
    ) -> Result<Self, Stop> {
        let contents = medium.contents(repository).map_err(Stop::medium)?;
        let Contents { info, indexes, layout, mut skipped } = contents;
        let name = site.name()?;
        if let Some(other) = info.site.as_ref().filter(|other| **other != name) {
            let message = format!("the bundle was made for site {other}, and this is site {name}");
            return Err(Stop::refused("other-site", message));
        }
        let mut sources = Vec::new();
        let mut keep = Vec::new();
        for (source, index) in info.sources.iter().zip(&indexes) {
            let target = target(repository, &source.catalogue)?;
            let bytes = medium.small_target(&source.catalogue, &target).map_err(Stop::medium)?;
            match bundle::decode_catalogue(&source.source, &bytes) {
                Ok(catalogue) => {
                    is_indexed(&catalogue, index)?;
                    keep.push((target.sha256, bytes));
                    sources.push(PlannedSource { catalogue, target });
                }
                Err(bundle::Error::NewerSchema { .. }) => {
                    skipped.push(format!("source {}", source.source));
                }
                Err(error) => return Err(Stop::medium(media::Error::Contents(error))),
            }
        }
        let carried = indexes.iter().flat_map(PayloadIndex::carried);
        let carried = carried.map(|(entry, _)| (entry.sha256, entry.length)).collect();
        let metadata = repository.files.iter().cloned().collect();
        let strangers = medium.strangers(repository).map_err(Stop::medium)?;
        let bundle = repository.bundle;
        Ok(Self { bundle, info, sources, layout, keep, metadata, strangers, carried, skipped })
    }

    /// Carried payloads that have come neither now nor before.
    pub(super) fn not_come(&self, incoming: &Incoming) -> usize {
        self.carried.keys().filter(|digest| !incoming.already(digest)).count()
    }

    /// Bytes that an import of this bundle adds to the store; of `wanted` alone where it is given.
    pub(super) fn bytes_new(&self, store: &Store, wanted: Option<&HashSet<Digest>>) -> u64 {
        let counts = |digest: &Digest| wanted.is_none_or(|wanted| wanted.contains(digest));
        let new = self.carried.iter().filter(|(digest, _)| counts(digest) && !store.has(digest));
        let small: u64 = self.keep.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        new.map(|(_, length)| length).sum::<u64>() + small
    }

    /// Where each payload stands with its vendor, for people.
    pub(super) fn paths(&self) -> HashMap<Digest, String> {
        let files = self.sources.iter().flat_map(|source| &source.catalogue.files);
        files.map(|file| (file.sha256, file.path.clone())).collect()
    }

    /// What was skipped because a newer publisher wrote it, as a sentence to append.
    pub(super) fn skipped_note(&self) -> String {
        if self.skipped.is_empty() {
            return String::new();
        }
        format!(
            " It holds what only a newer version of Patchkeep understands, which was left out: {}.",
            self.skipped.join(", ")
        )
    }
}

/// Every file of a catalogue must stand in the payload index with the same length.
fn is_indexed(catalogue: &Catalogue, index: &PayloadIndex) -> Result<(), Stop> {
    let source = &catalogue.source;
    for file in &catalogue.files {
        if !catalogue::is_safe_path(&file.path) {
            let message = format!("{source} names an unsafe path {:?}", file.path);
            return Err(Stop::refused("catalogue-path", message));
        }
        if index.get(&file.sha256).is_none_or(|entry| entry.length != file.length) {
            let message = format!("{source}: {} does not stand in the payload index", file.path);
            return Err(Stop::refused("catalogue-index", message));
        }
    }
    Ok(())
}

/// Payloads that trusted views name and the store lacks.
pub(super) fn wanted(site: &Site) -> Result<HashSet<Digest>, Error> {
    let state = site.state();
    let mut wanted = HashSet::new();
    let sources: HashSet<&SourceId> = state.views.keys().map(|(source, _)| source).collect();
    for source in sources {
        let Some((_, view)) = state.newest_view(source).filter(|(_, view)| view.missing > 0) else {
            continue;
        };
        let catalogue = site.catalogue(source, &view.source.catalogue)?;
        let files = catalogue.files.iter().map(|file| file.sha256);
        wanted.extend(files.filter(|digest| !site.store().has(digest)));
    }
    Ok(wanted)
}

/// How many files each source's newest view still lacks, of those that lacked some.
pub(super) fn still_missing(site: &Site) -> Result<Vec<(SourceId, u64)>, Error> {
    let state = site.state();
    let mut counts = Vec::new();
    let sources: HashSet<&SourceId> = state.views.keys().map(|(source, _)| source).collect();
    for source in sources {
        let Some((_, view)) = state.newest_view(source) else { continue };
        if view.missing > 0 {
            let catalogue = site.catalogue(source, &view.source.catalogue)?;
            let lacks = catalogue.files.iter().filter(|f| !site.store().has(&f.sha256)).count();
            counts.push((source.clone(), lacks as u64));
        }
    }
    counts.sort();
    Ok(counts)
}

fn target(repository: &Verified<Repository>, name: &str) -> Result<TargetFile, Stop> {
    let found = repository.target(name).copied();
    found.ok_or_else(|| Stop::refused("target-unlisted", format!("no role vouches for {name}")))
}
