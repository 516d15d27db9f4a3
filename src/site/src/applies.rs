//! What applies to endpoints: the package indexes that a view names, indexed once, and endpoints'
//! inventories, each read once.
//!
//! A [`Applies`] keeps what was indexed of the last few views and every inventory that is in force. Views
//! share the indexes that did not change between them, and inventories the packages that they have in
//! common; answers are kept as long as no package of theirs is offered otherwise.

use crate::{
    Error, Site,
    approval::{KnownUpdate, KnownUpdates},
    vendor,
};
use catalogue::VendorSeverity;
use fleet::{Refused, Standing, State};
use ids::{Digest, EndpointName, RecordId, RingName, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use vendor_apt::{
    Applicable, Inventory, Machine, Offer, Offers, Package, Pool, Release, WantedIndex,
    package_indexes, parse_packages,
};

/// Views that are kept indexed: what rings point at, and the newest.
const INDEXED_MAX: usize = 4;
/// Inventories that are kept read.
const MACHINES_MAX: usize = 10_000;
/// What stands for the appliance's host name, which is not known here, where pins name the host that
/// packages come from: none that they name.
const HOST: &str = "appliance.invalid";

/// A source at one sequence, with the digest of its catalogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Aim {
    pub(crate) source: SourceId,
    pub(crate) sequence: u64,
    pub(crate) catalogue: Digest,
}

/// What endpoints see whose sources are these, in the order of their sources.
#[derive(Debug)]
pub(crate) struct Indexed {
    aims: Vec<Aim>,
    pub(crate) offers: Offers,
    /// Which of the sources each offer is of.
    of: Vec<usize>,
    /// The payloads of each source's catalogue, by path.
    payloads: Vec<HashMap<String, Digest>>,
}

/// What is kept of it all.
#[derive(Debug, Default)]
pub(crate) struct Applies(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The newest use first.
    indexed: Vec<Arc<Indexed>>,
    /// Parsed indexes that are in use, by the digest of their plain bytes.
    indexes: HashMap<Digest, Weak<[Package]>>,
    machines: HashMap<Digest, Result<Arc<Machine>, String>>,
    /// What catalogues say of the payloads of views that rings point at; the newest use first.
    known: Vec<(Vec<Aim>, Arc<KnownUpdates>)>,
    pool: Pool,
    /// Answers by inventory, of the view that each ring was last asked for.
    answers: HashMap<RingName, (Arc<Indexed>, Answers)>,
}

type Answers = HashMap<Digest, Arc<[Applicable]>>;
/// An answer, or why there is none.
pub(crate) type Told = Result<Arc<[Applicable]>, String>;

/// What applies to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointMissing {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// Its ring.
    pub ring: RingName,
    /// What applies, by name and architecture; `None` where that cannot be told.
    pub updates: Option<Vec<MissingUpdate>>,
    /// Why it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An update that applies to an endpoint: what `apt list --upgradable` would say there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingUpdate {
    /// Binary package.
    pub package: String,
    /// The candidate's architecture, or `all`.
    pub architecture: String,
    /// The version that is installed.
    pub installed: String,
    /// The version that apt would install.
    pub candidate: String,
    /// Whether the endpoint holds it.
    pub held: bool,
    /// When its vendor released it; `None` where no update of the catalogue carries it.
    pub released_at: Option<Timestamp>,
    /// CVE ids that its changelog names; `None` is unknown, not none.
    pub cves: Option<Vec<String>>,
    /// What its vendor says of its severity, or else the rating of its score; `None` is unknown.
    pub severity: Option<VendorSeverity>,
    /// Whether it mends something that is known to be exploited; `None` is unknown.
    pub exploited: Option<bool>,
    /// Its update in the catalogue, for whoever judges it.
    #[serde(skip)]
    pub(crate) known: Option<KnownUpdate>,
}

impl MissingUpdate {
    /// Its update in the catalogue: the source, and the id within it.
    #[must_use]
    pub fn update(&self) -> Option<(&SourceId, &str)> {
        self.known.as_ref().map(|known| (&*known.source, known.update.id.as_str()))
    }
}

impl Indexed {
    /// The source of an offer.
    pub(crate) fn source(&self, offer: usize) -> &SourceId {
        &self.aims[self.of[offer]].source
    }

    /// Whether the catalogue of the offer's source has this payload.
    pub(crate) fn carries(&self, offer: usize, path: &str, digest: &Digest) -> bool {
        self.payloads[self.of[offer]].get(path) == Some(digest)
    }
}

impl Applies {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What catalogues say of the payloads of these views, where that was read.
    pub(crate) fn known(&self, aims: &[Aim]) -> Option<Arc<KnownUpdates>> {
        let mut kept = self.kept();
        let place = kept.known.iter().position(|(known, _)| known == aims)?;
        let known = kept.known.remove(place);
        let updates = Arc::clone(&known.1);
        kept.known.insert(0, known);
        Some(updates)
    }

    pub(crate) fn learn(&self, aims: Vec<Aim>, updates: Arc<KnownUpdates>) {
        let mut kept = self.kept();
        kept.known.insert(0, (aims, updates));
        kept.known.truncate(INDEXED_MAX);
    }
}

impl Kept {
    /// Frees what nobody has any more.
    fn sweep(&mut self, state: &State) {
        if self.machines.len() > MACHINES_MAX.min(state.endpoints.len().saturating_mul(2)) {
            let inventories: HashSet<Digest> =
                state.endpoints.values().filter_map(|endpoint| endpoint.inventory).collect();
            self.machines.retain(|inventory, _| inventories.contains(inventory));
            for (_, answers) in self.answers.values_mut() {
                answers.retain(|inventory, _| inventories.contains(inventory));
            }
            if self.machines.len() > MACHINES_MAX {
                self.machines.clear();
            }
            self.pool.sweep();
        }
        self.indexes.retain(|_, index| index.strong_count() > 0);
    }
}

impl Site {
    /// Where a ring points, in the order of its endpoints' sources.
    pub(crate) fn aims(&self, ring: &RingName) -> Vec<Aim> {
        let state = self.state();
        let pointers = state.pointers.iter().filter(|((r, _), _)| r == ring);
        let aim = |((_, source), (sequence, _)): (&(RingName, SourceId), &(u64, u64))| {
            let kept = state.views.get(&(source.clone(), *sequence))?;
            let catalogue = kept.source.catalogue;
            Some(Aim { source: source.clone(), sequence: *sequence, catalogue })
        };
        pointers.filter_map(aim).collect()
    }

    /// What these views offer, indexed.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Input`] when a catalogue or an index cannot be read.
    pub(crate) fn indexed(&self, aims: &[Aim]) -> Result<Arc<Indexed>, Error> {
        let mut kept = self.applies().kept();
        if let Some(place) = kept.indexed.iter().position(|known| known.aims == aims) {
            let known = kept.indexed.remove(place);
            kept.indexed.insert(0, Arc::clone(&known));
            return Ok(known);
        }
        let (mut offers, mut of, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
        for (number, aim) in aims.iter().enumerate() {
            let catalogue = self.catalogue(&aim.source, &aim.catalogue)?;
            for offer in self.offers_of(&catalogue, &mut kept.indexes)? {
                offers.push(offer);
                of.push(number);
            }
            let files = catalogue.files.into_iter();
            let files = files.filter(|file| file.kind == catalogue::FileKind::Payload);
            payloads.push(files.map(|file| (file.path, file.sha256)).collect());
        }
        let offers = Offers::index(offers).map_err(|e| Error::Input(vendor::chain(&e)))?;
        let indexed = Arc::new(Indexed { aims: aims.to_vec(), offers, of, payloads });
        kept.indexed.insert(0, Arc::clone(&indexed));
        kept.indexed.truncate(INDEXED_MAX);
        Ok(indexed)
    }

    /// The package indexes of a catalogue, in the order in which apt has them.
    fn offers_of(
        &self,
        catalogue: &catalogue::Catalogue,
        indexes: &mut HashMap<Digest, Weak<[Package]>>,
    ) -> Result<Vec<Offer>, Error> {
        // What applies to a machine is known of Debian's only.
        let catalogue::Vendor::Apt { components, .. } = &catalogue.vendor else {
            return Ok(Vec::new());
        };
        let source = &catalogue.source;
        let bad = |why: String| Error::Input(format!("what {source} offers cannot be read: {why}"));
        let release = catalogue.files.iter().find(|f| f.kind == catalogue::FileKind::Release);
        let release = release.ok_or_else(|| bad("it has no release file".to_owned()))?;
        let document = self.store().read(&release.sha256, vendor::RELEASE_BYTES_MAX);
        // Its signature was judged when it came.
        let text = sandbox::cleartext(&document.map_err(Error::Store)?);
        let text = text.ok_or_else(|| bad("its release file is not signed in the clear".into()))?;
        let release = Release::parse(&text).map_err(|e| bad(vendor::chain(&e)))?;
        let mut wanted = package_indexes(catalogue, &release);
        let place = |index: &WantedIndex| {
            let component = index.part().map_or("", |(component, _)| component);
            components.iter().position(|own| own == component)
        };
        wanted.sort_by_key(|index| place(index).unwrap_or(usize::MAX));
        let mut offers = Vec::new();
        for index in wanted {
            let Some((component, architecture)) = index.part() else { continue };
            let Some(form) = release.indexes.get(&index.plain) else { continue };
            let packages = match indexes.get(&form.sha256).and_then(Weak::upgrade) {
                Some(known) => known,
                None => self.parse_index(&index, &form.sha256).map_err(&bad)?,
            };
            indexes.insert(form.sha256, Arc::downgrade(&packages));
            offers.push(Offer {
                facts: release.facts.clone(),
                component: component.to_owned(),
                architecture: architecture.to_owned(),
                site: HOST.to_owned(),
                packages,
            });
        }
        Ok(offers)
    }

    fn parse_index(&self, index: &WantedIndex, plain: &Digest) -> Result<Arc<[Package]>, String> {
        let WantedIndex { file, length, .. } = index;
        let packed = self.store().read(&file.sha256, vendor::INDEX_BYTES_MAX);
        let packed = packed.map_err(|e| vendor::chain(&e))?;
        let bytes = vendor::unpack(self.reader(), &file.path, packed, *length)?;
        if Digest::of(&bytes) != *plain {
            return Err(format!("{} is not what its release file names", file.path));
        }
        Ok(parse_packages(&bytes).map_err(|e| vendor::chain(&e))?.into())
    }

    /// The machine of an inventory, or why it cannot be told what applies there.
    pub(crate) fn machine(&self, inventory: &Digest) -> Result<Arc<Machine>, String> {
        if let Some(known) = self.applies().kept().machines.get(inventory) {
            return known.clone();
        }
        // Read without the lock: thousands may have to be.
        let read = self.inventory(inventory).map_err(|e| vendor::chain(&e));
        let mut kept = self.applies().kept();
        let machine = read.and_then(|inventory| {
            let machine = Machine::of_pool(&inventory, &mut kept.pool);
            machine.map(Arc::new).map_err(|e| vendor::chain(&e))
        });
        kept.machines.insert(*inventory, machine.clone());
        machine
    }

    fn inventory(&self, inventory: &Digest) -> Result<Inventory, Error> {
        let (_, value) = self.evidence().get(inventory).map_err(Error::Store)?;
        serde_json::from_value(value).map_err(Error::State)
    }

    /// The inventory that an endpoint sent last, for `collect --for`.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such endpoint; [`Error::Input`] when it has sent none.
    pub fn endpoint_inventory(&self, name: &EndpointName) -> Result<Inventory, Error> {
        let known = self.known(&self.endpoint_named(name)?)?;
        let inventory = known.inventory.ok_or_else(|| Error::Input(no_inventory(name)))?;
        self.inventory(&inventory)
    }

    /// The active endpoints of a ring that have sent an inventory, with it.
    pub(crate) fn inventories(&self, ring: &RingName) -> Vec<(RecordId, Digest)> {
        let state = self.state();
        let all = state.endpoints.iter().filter(|(_, endpoint)| {
            endpoint.standing == Standing::Active && endpoint.ring == *ring
        });
        self.applies().kept().sweep(&state);
        all.filter_map(|(id, e)| Some((id.clone(), e.inventory?))).collect()
    }

    /// What applies to one endpoint from where its ring points: what `apt list --upgradable` says there.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such endpoint; [`Error::Input`] when it has sent no inventory,
    /// or what it says of its apt cannot be followed.
    pub fn missing_at(&self, name: &EndpointName) -> Result<EndpointMissing, Error> {
        let known = self.known(&self.endpoint_named(name)?)?;
        let inventory = known.inventory.ok_or_else(|| Error::Input(no_inventory(name)))?;
        let told = self.answers(&known.ring, &[inventory])?.pop();
        let updates = told
            .ok_or(Error::Stopped)?
            .map_err(|why| Error::Input(format!("what applies to {name} cannot be told: {why}")))?;
        let catalogues = self.known_updates(&known.ring)?;
        let updates = dressed(&updates, &catalogues);
        let (endpoint, ring, updates) = (name.clone(), known.ring, Some(updates));
        Ok(EndpointMissing { endpoint, ring, updates, why: None })
    }

    /// What applies to every active endpoint of a ring.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such ring; [`Error::Store`].
    pub fn missing_in(&self, ring: &RingName) -> Result<Vec<EndpointMissing>, Error> {
        let state = self.state();
        if !state.rings.contains_key(ring) {
            return Err(Error::Refused(Refused::NoRing { ring: ring.clone() }));
        }
        let all = self.inventories(ring);
        let inventories: Vec<Digest> = all.iter().map(|(_, inventory)| *inventory).collect();
        let known = self.known_updates(ring)?;
        let mut told = Vec::new();
        for ((id, _), answer) in all.iter().zip(self.answers(ring, &inventories)?) {
            let endpoint = self.name_of(&self.known(id)?.name)?;
            let (updates, why) = match answer {
                Ok(updates) => (Some(dressed(&updates, &known)), None),
                Err(why) => (None, Some(why)),
            };
            told.push(EndpointMissing { endpoint, ring: ring.clone(), updates, why });
        }
        told.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
        Ok(told)
    }

    /// Answers for inventories, in their order; those that an import did not touch are kept.
    pub(crate) fn answers(
        &self,
        ring: &RingName,
        inventories: &[Digest],
    ) -> Result<Vec<Told>, Error> {
        let indexed = self.indexed(&self.aims(ring))?;
        let taken = self.applies().kept().answers.remove(ring);
        let (before, mut answers) = taken.unwrap_or_else(|| (Arc::clone(&indexed), Answers::new()));
        if !Arc::ptr_eq(&before, &indexed) {
            let changed = indexed.offers.changed(&before.offers);
            answers.retain(|inventory, _| {
                self.machine(inventory).is_ok_and(|machine| !machine.has_any(&changed))
            });
        }
        let mut all = Vec::with_capacity(inventories.len());
        for inventory in inventories {
            all.push(match answers.get(inventory) {
                Some(known) => Ok(Arc::clone(known)),
                None => self.machine(inventory).map(|machine| {
                    let answer: Arc<[Applicable]> = indexed.offers.applicable_to(&machine).into();
                    answers.insert(*inventory, Arc::clone(&answer));
                    answer
                }),
            });
        }
        self.applies().kept().answers.insert(ring.clone(), (indexed, answers));
        Ok(all)
    }
}

/// Answers with release dates and CVEs.
pub(crate) fn dressed(all: &[Applicable], known: &KnownUpdates) -> Vec<MissingUpdate> {
    let one = |update: &Applicable| {
        let candidate = update.candidate();
        let told = known.get(&candidate.sha256);
        MissingUpdate {
            package: update.name().to_owned(),
            architecture: candidate.architecture.clone(),
            installed: update.installed().to_owned(),
            candidate: candidate.version.clone(),
            held: update.held(),
            released_at: told.map(|known| known.update.released_at),
            cves: told.and_then(|known| known.update.cves.clone()),
            severity: told.and_then(KnownUpdate::severity),
            exploited: told.and_then(KnownUpdate::is_exploited),
            known: told.cloned(),
        }
    };
    all.iter().map(one).collect()
}

fn no_inventory(name: &EndpointName) -> String {
    format!("{name} has sent no inventory yet: its agent does at its next check-in")
}
