//! Closure: whether every endpoint of a ring can be patched from the views that it would point at, and
//! the need list of what is lacking, for the connected side.
//!
//! What an endpoint needs is every update that applies and is not held, and every new package behind it
//! (`vendor_apt`, `Offers::closure`). A payload is held when the store has it and a view that is kept, or
//! the one that comes, serves it. Endpoints that have sent no inventory, or whose pins cannot be followed,
//! hold nothing back: they are counted in the list.

use crate::{
    Error, Site,
    applies::{Aim, Indexed},
};
use fleet::{HeldBack, Lack, Refused};
use ids::{Digest, RingName, SiteName, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
};
use vendor_apt::Package;

/// What a site needs from the connected side before a ring can move: no names of endpoints are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedList {
    /// 1.
    pub schema: u32,
    /// `need`.
    pub kind: String,
    /// The site.
    pub site: SiteName,
    /// The ring.
    pub ring: RingName,
    /// When it was made.
    pub made_at: Timestamp,
    /// The views that were looked at, as source and sequence.
    pub views: Vec<(SourceId, u64)>,
    /// Endpoints whose inventories were looked at.
    pub endpoints: u64,
    /// How many of them lack something.
    pub lacking_endpoints: u64,
    /// Endpoints for which it cannot be told: an inventory that is gone, or pins that cannot be followed.
    pub untold_endpoints: u64,
    /// What is lacking, by source and name.
    pub packages: Vec<LackingPackage>,
    /// Updates that nothing in these views can satisfy, so that apt keeps them back: fetching them again
    /// would not help.
    pub stays_behind: Vec<StaysBehind>,
}

/// A package that endpoints need and that is not held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LackingPackage {
    /// The source that offers it.
    pub source: SourceId,
    /// Binary package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Where it is below the root of the source.
    pub path: String,
    /// Digest of that file.
    pub sha256: Digest,
    /// Its length in bytes.
    pub length: u64,
    /// How many endpoints need it.
    pub endpoints: u64,
}

/// An update that stays behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StaysBehind {
    /// Binary package.
    pub package: String,
    /// The candidate.
    pub version: String,
    /// The relation that nothing satisfies.
    pub lacks: String,
    /// On how many endpoints.
    pub endpoints: u64,
}

/// What was found for a ring and the views that it would point at.
#[derive(Default)]
struct Found {
    views: Vec<(SourceId, u64)>,
    endpoints: u64,
    untold: u64,
    /// For what is lacking: the sources whose upgrades need it, and the numbers of the endpoints.
    lacking: BTreeMap<LackingPackage, (BTreeSet<SourceId>, BTreeSet<usize>)>,
    stays_behind: BTreeMap<(String, String, String), u64>,
}

impl Found {
    /// What is lacking because of a source, or at all.
    fn of<'a>(
        &'a self,
        source: Option<&'a SourceId>,
    ) -> impl Iterator<Item = (&'a LackingPackage, &'a BTreeSet<usize>)> {
        let concerns = move |package: &LackingPackage, because: &BTreeSet<SourceId>| {
            source.is_none_or(|source| package.source == *source || because.contains(source))
        };
        let all = self.lacking.iter();
        all.filter(move |(package, (because, _))| concerns(package, because))
            .map(|(package, (_, endpoints))| (package, endpoints))
    }

    fn lack(&self, source: Option<&SourceId>) -> Lack {
        let endpoints: BTreeSet<usize> = self.of(source).flat_map(|(_, e)| e).copied().collect();
        Lack { packages: self.of(source).count() as u64, endpoints: endpoints.len() as u64 }
    }

    fn list(
        &self,
        site: SiteName,
        ring: &RingName,
        source: Option<&SourceId>,
        made_at: Timestamp,
    ) -> NeedList {
        let package = |(package, endpoints): (&LackingPackage, &BTreeSet<usize>)| LackingPackage {
            endpoints: endpoints.len() as u64,
            ..package.clone()
        };
        let behind = |((package, version, lacks), endpoints): (&(String, String, String), &u64)| {
            let (package, version, lacks) = (package.clone(), version.clone(), lacks.clone());
            StaysBehind { package, version, lacks, endpoints: *endpoints }
        };
        NeedList {
            schema: 1,
            kind: "need".to_owned(),
            site,
            ring: ring.clone(),
            made_at,
            views: self.views.clone(),
            endpoints: self.endpoints,
            lacking_endpoints: self.lack(source).endpoints,
            untold_endpoints: self.untold,
            packages: self.of(source).map(package).collect(),
            stays_behind: self.stays_behind.iter().map(behind).collect(),
        }
    }
}

impl Site {
    /// What the endpoints of a ring need and the site does not hold, were the ring to point at the newest
    /// complete view of each source; of one source and sequence where they are given.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such ring or view; [`Error::Store`] or [`Error::Input`] when
    /// what a view offers cannot be read.
    pub fn ring_need(
        &self,
        ring: &RingName,
        source: Option<&SourceId>,
        sequence: Option<u64>,
    ) -> Result<NeedList, Error> {
        let state = self.state();
        if !state.rings.contains_key(ring) {
            return Err(Error::Refused(Refused::NoRing { ring: ring.clone() }));
        }
        let all: BTreeSet<&SourceId> = match source {
            Some(source) => BTreeSet::from([source]),
            None => state.views.keys().map(|(source, _)| source).collect(),
        };
        let mut moves = Vec::new();
        for one in all {
            let newest = sequence.filter(|_| source.is_some());
            let Some(sequence) = newest.or_else(|| state.newest_complete(one)) else { continue };
            let view = state.views.get(&(one.clone(), sequence)).ok_or_else(|| {
                Error::Refused(Refused::NoView { source_id: one.clone(), sequence })
            })?;
            let catalogue = view.source.catalogue;
            moves.push(Aim { source: one.clone(), sequence, catalogue });
        }
        if moves.is_empty() {
            let message = format!("no complete view is kept that ring {ring} could point at");
            return Err(Error::Input(message));
        }
        let found = self.find_lacking(ring, &moves)?;
        Ok(found.list(self.name()?, ring, source, self.now()))
    }

    /// What the endpoints of a ring would lack, were it pointed at this view.
    ///
    /// # Errors
    /// As [`Site::ring_need`].
    pub(crate) fn lack(&self, ring: &RingName, aim: Aim) -> Result<Option<Lack>, Error> {
        let source = aim.source.clone();
        let found = self.find_lacking(ring, &[aim])?;
        Ok(Some(found.lack(Some(&source))).filter(|lack| lack.packages > 0))
    }

    /// The rings that follow and may not move to what comes: each source that would leave something
    /// lacking stays, and the others are judged again without it.
    ///
    /// # Errors
    /// As [`Site::ring_need`]; nothing was changed.
    pub(crate) fn held_back(&self, coming: &[Aim]) -> Result<Vec<HeldBack>, Error> {
        let state = self.state();
        let mut all = Vec::new();
        for (ring, _) in state.rings.iter().filter(|(_, follows)| **follows) {
            let mut moves = coming.to_vec();
            while !moves.is_empty() {
                let found = self.find_lacking(ring, &moves)?;
                let lacks = |aim: &Aim| found.lack(Some(&aim.source)).packages > 0;
                let stay: Vec<Aim> = moves.iter().filter(|aim| lacks(aim)).cloned().collect();
                if stay.is_empty() {
                    break;
                }
                moves.retain(|aim| !stay.contains(aim));
                for Aim { source, .. } in stay {
                    let list = found.list(self.name()?, ring, Some(&source), self.now());
                    let need = self.commit(serde_json::to_value(&list).map_err(Error::State)?)?;
                    let (ring, lack) = (ring.clone(), found.lack(Some(&source)));
                    all.push(HeldBack { ring, source, lack, need });
                }
            }
        }
        Ok(all)
    }

    /// What the endpoints of a ring would lack, were it pointed at these views besides those where it
    /// points already.
    fn find_lacking(&self, ring: &RingName, moves: &[Aim]) -> Result<Found, Error> {
        let mut aims = self.aims(ring);
        aims.retain(|aim| moves.iter().all(|other| other.source != aim.source));
        aims.extend(moves.iter().cloned());
        aims.sort();
        let views = aims.iter().map(|aim| (aim.source.clone(), aim.sequence)).collect();
        let mut found = Found { views, ..Found::default() };
        let inventories = self.inventories(ring);
        found.endpoints = inventories.len() as u64;
        if inventories.is_empty() {
            return Ok(found);
        }
        let indexed = self.indexed(&aims)?;
        let held = Holdings { site: self, indexed: &indexed, known: RefCell::default() };
        let has = |offer: usize, package: &Package| held.has(offer, &package.path, &package.sha256);
        for (number, (_, inventory)) in inventories.iter().enumerate() {
            let Ok(machine) = self.machine(inventory) else {
                found.untold += 1;
                continue;
            };
            let closure = indexed.offers.closure(&machine, &has);
            for need in closure.needed {
                if held.has(need.offer, &need.path, &need.sha256) {
                    continue;
                }
                let because = indexed.source(need.because).clone();
                let lacking = LackingPackage {
                    source: indexed.source(need.offer).clone(),
                    package: need.name,
                    version: need.version,
                    architecture: need.architecture,
                    path: need.path,
                    sha256: need.sha256,
                    length: need.length,
                    endpoints: 0,
                };
                let (sources, endpoints) = found.lacking.entry(lacking).or_default();
                sources.insert(because);
                endpoints.insert(number);
            }
            for kept in closure.kept_back {
                let key = (kept.name, kept.version, kept.lacks);
                *found.stays_behind.entry(key).or_default() += 1;
            }
        }
        Ok(found)
    }
}

/// Which payloads are to be had, each looked for once.
struct Holdings<'a> {
    site: &'a Site,
    indexed: &'a Indexed,
    known: RefCell<HashMap<(usize, Digest), bool>>,
}

impl Holdings<'_> {
    /// Whether the store has a payload, and a view serves it under its path.
    fn has(&self, offer: usize, path: &str, digest: &Digest) -> bool {
        *self.known.borrow_mut().entry((offer, *digest)).or_insert_with(|| {
            let source = self.indexed.source(offer);
            let shelf = self.site.shelf().current();
            let mut served = shelf.views().filter(|view| view.source() == source);
            (self.indexed.carries(offer, path, digest)
                || served.any(|view| view.has_payload(path, digest)))
                && self.site.store().has(digest)
        })
    }
}
