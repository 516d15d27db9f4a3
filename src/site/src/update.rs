//! Updates as people look through them: every vendor fix that the newest views hold, who lacks it, and the
//! chain of evidence behind it.
//!
//! Catalogues are read once and kept as rows; who lacks what is counted anew when an inventory or a ring
//! has changed. Only the part that is shown is made.

use crate::{
    DaysRow, Error, ImportRow, Part, Site, UpdateDeadline, applies::Aim, approval::KnownUpdate,
    lacks::Lacks,
};
use catalogue::{Update, VendorSeverity};
use fleet::{ImportedSource, RingStatement};
use ids::{Digest, EndpointName, RecordId, RingName, SourceId, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};
use trust::{APPROVAL, Approval, Decision};

/// What is kept of it all.
#[derive(Debug, Default)]
pub(crate) struct Updates(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    offered: Option<Arc<Offered>>,
    lacking: Option<Arc<Lacking>>,
}

/// The updates of the newest view of each source.
#[derive(Debug)]
pub(crate) struct Offered {
    aims: Vec<Aim>,
    updates: Vec<(usize, KnownUpdate)>,
}

impl Offered {
    /// The updates, each with its source.
    pub(crate) fn updates(&self) -> impl Iterator<Item = (&SourceId, &Update)> {
        self.updates.iter().map(|(aim, known)| (&self.aims[*aim].source, &*known.update))
    }
}

/// Who lacks what.
#[derive(Debug)]
pub(crate) struct Lacking {
    pub(crate) offered: Arc<Offered>,
    rings: Vec<Arc<Lacks>>,
    /// Endpoints that have sent an inventory, each with the place of its ring.
    endpoints: Vec<(RecordId, usize)>,
    /// Who lacks a payload, by its digest: places among the endpoints.
    payloads: HashMap<Digest, Vec<u32>>,
    /// How many lack something of each update.
    counts: Vec<u32>,
    /// Of these, how many of each ring.
    by_ring: Vec<Vec<u32>>,
}

/// An update in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRow {
    /// Its source.
    pub source: SourceId,
    /// Its id within the source.
    pub id: String,
    /// The vendor's source package.
    pub package: String,
    /// The version that mends it.
    pub version: String,
    /// When its vendor released it.
    pub released_at: Timestamp,
    /// What the vendor calls its urgency, which is no severity.
    pub urgency: Option<String>,
    /// What its vendor says of its severity, or else the rating of its score; `None` is unknown.
    pub severity: Option<VendorSeverity>,
    /// The highest CVSS v3 base score of what it mends, in tenths; `None` is unknown.
    pub cvss_tenths: Option<u16>,
    /// Whether it mends something that is known to be exploited; `None` is unknown.
    pub exploited: Option<bool>,
    /// CVE ids; `None` is unknown, not none.
    pub cves: Option<Vec<String>>,
    /// How many endpoints lack something of it.
    pub lacking: u64,
}

/// Which updates, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateQuery {
    /// Only those whose package, version or CVE ids hold this text, in any case; empty is all.
    pub text: String,
    /// Only of this source.
    pub source: Option<SourceId>,
    /// Only those that an endpoint lacks.
    pub lacking: bool,
    /// Only those of this severity.
    pub severity: Option<VendorSeverity>,
    /// Only those that nobody rated.
    pub not_rated: bool,
    /// Only those that mend something which is known to be exploited.
    pub exploited: bool,
    /// Sorted by what.
    pub sort: UpdateSort,
    /// The other way round.
    pub descending: bool,
    /// How many are passed over.
    pub skip: usize,
    /// How many are shown at most.
    pub take: usize,
}

/// What updates are sorted by; equal ones are by package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UpdateSort {
    /// By release date.
    #[default]
    Released,
    /// By package.
    Package,
    /// By how many endpoints lack it.
    Lacking,
    /// By severity; of equal ones, what is known to be exploited is graver.
    Severity,
}

/// An update and all that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateDetail {
    /// What the import said of its source: the vendor's own signature.
    pub source: ImportedSource,
    /// Sequence of the view.
    pub sequence: u64,
    /// The update.
    pub update: Update,
    /// How severe it is, as in [`UpdateRow`].
    pub severity: Option<VendorSeverity>,
    /// Its score, as in [`UpdateRow`].
    pub cvss_tenths: Option<u16>,
    /// Whether it is known to be exploited, as in [`UpdateRow`].
    pub exploited: Option<bool>,
    /// The date of the list of known exploited vulnerabilities that says so.
    pub kev_as_of: Option<Timestamp>,
    /// Whether the store holds each of its payloads, in their order.
    pub held: Vec<bool>,
    /// The import that brought the view: the publisher's signature.
    pub import: Option<ImportRow>,
    /// Who lacks something of it.
    pub lacking: Vec<(EndpointName, RingName)>,
    /// Its way in each ring that approved it or lacks it.
    pub ways: Vec<DaysRow>,
    /// What was decided about it, ring by ring.
    pub rings: Vec<UpdateInRing>,
}

/// What was decided about an update in a ring.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateInRing {
    /// The ring.
    pub ring: RingName,
    /// The view of the source at which the ring points.
    pub sequence: Option<u64>,
    /// The approval that names a payload of it, where the ring's newest statement is one.
    pub approval: Option<RingStatement>,
    /// Until when an approver declined it, with the package.
    pub declined: Vec<(String, Timestamp)>,
}

impl Lacking {
    /// Places of the endpoints that lack something of an update.
    fn who(&self, update: &Update) -> Vec<u32> {
        let lists = update.payloads.iter().filter_map(|p| self.payloads.get(&p.sha256));
        let mut who: Vec<u32> = lists.flatten().copied().collect();
        who.sort_unstable();
        who.dedup();
        who
    }

    /// The updates that endpoints lack, by ring: their places among what is offered, and how many of its endpoints do.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&RingName, usize, u32)> {
        self.rings.iter().zip(&self.by_ring).flat_map(|(ring, counts)| {
            let counts = counts.iter().copied().enumerate().filter(|(_, count)| *count > 0);
            counts.map(|(place, count)| (&ring.ring, place, count))
        })
    }

    /// The rows that a query asks for.
    fn part(&self, query: &UpdateQuery) -> Part<UpdateRow> {
        let Self { offered, counts, .. } = self;
        let text = query.text.trim().to_lowercase();
        let takes = |place: &usize| {
            let (aim, known) = &offered.updates[*place];
            let update = &known.update;
            let holds = |words: &str| words.to_lowercase().contains(&text);
            (!query.lacking || counts[*place] > 0)
                && query.severity.is_none_or(|severity| known.severity() == Some(severity))
                && (!query.not_rated || known.severity().is_none())
                && (!query.exploited || known.is_exploited() == Some(true))
                && query.source.as_ref().is_none_or(|source| *source == offered.aims[*aim].source)
                && (text.is_empty()
                    || holds(&update.source_package)
                    || holds(&update.fixed_version)
                    || update.payloads.iter().any(|payload| holds(&payload.package))
                    || update.cves.iter().flatten().any(|cve| holds(cve)))
        };
        let mut found: Vec<usize> = (0..offered.updates.len()).filter(takes).collect();
        let of = |place: &usize| &offered.updates[*place].1.update;
        let grave = |place: &usize| {
            let known = &offered.updates[*place].1;
            (known.severity(), known.is_exploited())
        };
        found.sort_by(|a, b| {
            let order = match query.sort {
                UpdateSort::Released => of(a).released_at.cmp(&of(b).released_at),
                UpdateSort::Package => of(a).source_package.cmp(&of(b).source_package),
                UpdateSort::Lacking => counts[*a].cmp(&counts[*b]),
                UpdateSort::Severity => grave(a).cmp(&grave(b)),
            };
            let order = if query.descending { order.reverse() } else { order };
            order.then_with(|| of(a).id.cmp(&of(b).id))
        });
        let shown = found.iter().skip(query.skip).take(query.take);
        let rows = shown.map(|place| self.row(*place)).collect();
        Part { rows, found: found.len() as u64, all: offered.updates.len() as u64 }
    }

    fn row(&self, place: usize) -> UpdateRow {
        let (aim, known) = &self.offered.updates[place];
        let update = &known.update;
        UpdateRow {
            source: self.offered.aims[*aim].source.clone(),
            id: update.id.clone(),
            package: update.source_package.clone(),
            version: update.fixed_version.clone(),
            released_at: update.released_at,
            urgency: update.urgency.clone(),
            severity: known.severity(),
            cvss_tenths: known.score(),
            exploited: known.is_exploited(),
            cves: update.cves.clone(),
            lacking: self.counts[place].into(),
        }
    }
}

impl Updates {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// A part of the updates that the newest views hold.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Input`] when a catalogue cannot be read.
    pub fn update_part(&self, query: &UpdateQuery) -> Result<Part<UpdateRow>, Error> {
        Ok(self.lacking()?.part(query))
    }

    /// The same, with by when each of its rows is wanted, in the rows' order.
    ///
    /// # Errors
    /// As [`Site::update_part`].
    pub fn update_part_with_deadlines(
        &self,
        query: &UpdateQuery,
    ) -> Result<(Part<UpdateRow>, Vec<Vec<UpdateDeadline>>), Error> {
        let lacking = self.lacking()?;
        let part = lacking.part(query);
        let shown: Vec<_> = part.rows.iter().map(|row| (&row.source, &*row.id)).collect();
        let deadlines = self.deadlines_in(&lacking.rings, &shown);
        Ok((part, deadlines))
    }

    /// By when an update is wanted, by ring and policy; nothing where no endpoint which is elected in lacks it.
    ///
    /// # Errors
    /// As [`Site::update_part`].
    pub fn deadlines(&self, source: &SourceId, id: &str) -> Result<Vec<UpdateDeadline>, Error> {
        let lacking = self.lacking()?;
        Ok(self.deadlines_in(&lacking.rings, &[(source, id)]).pop().unwrap_or_default())
    }

    /// An update of the newest view of its source, with the evidence behind it.
    ///
    /// # Errors
    /// [`Error::Input`] when there is none of this id; [`Error::Store`].
    pub fn update(&self, source: &SourceId, id: &str) -> Result<UpdateDetail, Error> {
        let lacking = self.lacking()?;
        let offered = &lacking.offered;
        let is_it = |(aim, known): &&(usize, KnownUpdate)| {
            known.update.id == id && offered.aims[*aim].source == *source
        };
        let none = || Error::Input(format!("{source} has no update {id} in its newest view"));
        let (aim, known) = offered.updates.iter().find(is_it).ok_or_else(none)?;
        let update = &known.update;
        let sequence = offered.aims[*aim].sequence;
        let state = self.state();
        let view = state.views.get(&(source.clone(), sequence)).ok_or_else(none)?;
        let mut names = Vec::new();
        for place in lacking.who(update) {
            let (endpoint, ring) = &lacking.endpoints[place as usize];
            let ring = lacking.rings[*ring].ring.clone();
            names.push((self.name_of(&self.known(endpoint)?.name)?, ring));
        }
        names.sort();
        let rings = state.rings.keys().map(|ring| self.update_in(ring, source, update));
        Ok(UpdateDetail {
            source: view.source.clone(),
            sequence,
            held: update.payloads.iter().map(|p| self.store().has(&p.sha256)).collect(),
            import: self.imports()?.into_iter().find(|import| import.sequence == sequence),
            lacking: names,
            rings: rings.collect::<Result<_, _>>()?,
            ways: self.ways_of(source, id)?,
            severity: known.severity(),
            cvss_tenths: known.score(),
            exploited: known.is_exploited(),
            kev_as_of: known.advice.as_ref().and_then(|advice| advice.kev_as_of),
            update: Update::clone(update),
        })
    }

    /// These updates of the newest views, and the payloads that they carry.
    pub(crate) fn chosen_updates(
        &self,
        chosen: &HashSet<(SourceId, String)>,
    ) -> Result<(Vec<UpdateRow>, HashSet<Digest>), Error> {
        let lacking = self.lacking()?;
        let offered = &lacking.offered;
        let is_chosen = |place: &usize| {
            let (aim, known) = &offered.updates[*place];
            chosen.contains(&(offered.aims[*aim].source.clone(), known.update.id.clone()))
        };
        let places: Vec<usize> = (0..offered.updates.len()).filter(is_chosen).collect();
        let payloads = places.iter().flat_map(|place| &offered.updates[*place].1.update.payloads);
        let payloads = payloads.map(|payload| payload.sha256).collect();
        Ok((places.into_iter().map(|place| lacking.row(place)).collect(), payloads))
    }

    fn update_in(
        &self,
        ring: &RingName,
        source: &SourceId,
        update: &Update,
    ) -> Result<UpdateInRing, Error> {
        let state = self.state();
        let newest = state.statements.get(ring).filter(|s| s.decision == Decision::Approve);
        let approval = match newest {
            Some(statement) => {
                let envelope = self.kept_envelope(&statement.envelope)?;
                envelope.unverified_payload(APPROVAL).map_err(Error::Denied)?;
                let approval = Approval::unverified(&envelope).map_err(Error::Denied)?;
                let names = |p: &catalogue::UpdatePayload| {
                    approval.packages.iter().any(|package| package.sha256 == p.sha256)
                };
                update.payloads.iter().any(names).then(|| statement.clone())
            }
            None => None,
        };
        let packages: BTreeMap<&str, &str> =
            update.payloads.iter().map(|p| (&*p.package, &*p.version)).collect();
        let declined = packages.into_iter().filter_map(|(package, version)| {
            let declined = state.declined.get(&(ring.clone(), package.to_owned()))?;
            (declined.version == version).then(|| (package.to_owned(), declined.not_after))
        });
        Ok(UpdateInRing {
            ring: ring.clone(),
            sequence: state.pointers.get(&(ring.clone(), source.clone())).map(|(s, _)| *s),
            approval,
            declined: declined.collect(),
        })
    }

    /// What the newest view of each source holds.
    fn newest_offered(&self) -> Result<Arc<Offered>, Error> {
        let state = self.state();
        let sources: BTreeSet<&SourceId> = state.views.keys().map(|(source, _)| source).collect();
        let newest = |source: &SourceId| {
            let (sequence, kept) = state.newest_view(source)?;
            let catalogue = kept.source.catalogue;
            Some(Aim { source: source.clone(), sequence, catalogue })
        };
        let aims: Vec<Aim> = sources.into_iter().filter_map(newest).collect();
        let known = self.updates().kept().offered.clone();
        if let Some(known) = known.filter(|known| known.aims == aims) {
            return Ok(known);
        }
        let mut updates = Vec::new();
        for (place, aim) in aims.iter().enumerate() {
            let catalogue = self.catalogue(&aim.source, &aim.catalogue)?;
            let (source, advice) = (Arc::new(aim.source.clone()), catalogue.advice.map(Arc::new));
            updates.extend(catalogue.updates.into_iter().map(|update| {
                let (source, update) = (Arc::clone(&source), Arc::new(update));
                (place, KnownUpdate { source, update, advice: advice.clone() })
            }));
        }
        let offered = Arc::new(Offered { aims, updates });
        self.updates().kept().offered = Some(Arc::clone(&offered));
        Ok(offered)
    }

    /// Who lacks what of it.
    pub(crate) fn lacking(&self) -> Result<Arc<Lacking>, Error> {
        let offered = self.newest_offered()?;
        let rings = self.lacks_of_all()?;
        let known = self.updates().kept().lacking.clone();
        let same = |known: &Lacking| {
            known.rings.len() == rings.len()
                && known.rings.iter().zip(&rings).all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let holds = |known: &Arc<Lacking>| Arc::ptr_eq(&known.offered, &offered) && same(known);
        if let Some(known) = known.filter(holds) {
            return Ok(known);
        }
        let mut endpoints = Vec::new();
        let mut payloads: HashMap<Digest, Vec<u32>> = HashMap::new();
        for (number, ring) in rings.iter().enumerate() {
            let mut who: Vec<Vec<u32>> = vec![Vec::new(); ring.distinct().len()];
            for member in ring.members() {
                let place = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
                endpoints.push((member.id.clone(), number));
                for update in member.numbers {
                    who[*update as usize].push(place);
                }
            }
            for (update, who) in ring.distinct().iter().zip(who) {
                payloads.entry(update.candidate().sha256).or_default().extend(who);
            }
        }
        let (counts, by_ring) = (Vec::new(), vec![Vec::new(); rings.len()]);
        let mut lacking = Lacking { offered, rings, endpoints, payloads, counts, by_ring };
        for (place, (_, known)) in lacking.offered.updates.iter().enumerate() {
            let who = lacking.who(&known.update);
            lacking.counts.push(u32::try_from(who.len()).unwrap_or(u32::MAX));
            for ring in &mut lacking.by_ring {
                ring.push(0);
            }
            for endpoint in who {
                lacking.by_ring[lacking.endpoints[endpoint as usize].1][place] += 1;
            }
        }
        let lacking = Arc::new(lacking);
        self.updates().kept().lacking = Some(Arc::clone(&lacking));
        Ok(lacking)
    }
}
