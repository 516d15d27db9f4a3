//! Who used the days: each update's way from its vendor to its endpoints, ring by ring, and who had it for how long.
//!
//! An update was collected and imported when the first bundle that has it was; it was approved when the first
//! approval of the ring named a payload of it; it is effective when the last endpoint of that approval, of those that
//! are still there, said so under this approval or a later one that names it. Times are the appliance's.

use crate::{Error, Site, rows, update::Offered};
use fleet::{Moment, PartyTotal, Spent, Standing, Way, totals};
use ids::{Digest, EndpointName, RecordId, RingName, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use trust::{APPROVAL, Approval, Interval};

/// Most rows of the views that are looked at.
const ROWS_MAX: usize = 10_000_000;

/// What is kept of it: catalogues and approvals never change, so each is read once.
#[derive(Debug, Default)]
pub(crate) struct Days(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Bundles that were read, by their entries.
    imports: BTreeSet<u64>,
    /// Sources of which a catalogue could not be read: what the next one has may have come before.
    blind: BTreeSet<SourceId>,
    updates: Vec<Arc<KnownUpdate>>,
    /// Where each of them stands in the report: the newest release first, then by package.
    order: Vec<u32>,
    /// What was offered last, and which of them each of it is.
    offered: Option<(Arc<Offered>, Vec<Option<usize>>)>,
    places: HashMap<(SourceId, String), usize>,
    /// Updates by the payloads that they carry.
    payloads: HashMap<Digest, usize>,
    /// Approvals by their envelopes.
    approvals: HashMap<Digest, Arc<KnownApproval>>,
}

/// An update, and how it came.
#[derive(Debug)]
struct KnownUpdate {
    source: SourceId,
    id: String,
    package: String,
    version: String,
    released_at: Timestamp,
    /// The first bundle that had it: its sequence, when its content was collected and when it was imported.
    first: Option<(u64, Timestamp, Timestamp)>,
}

/// What of an approval matters here.
#[derive(Debug)]
struct KnownApproval {
    /// Places of the updates whose payloads it names.
    updates: Vec<usize>,
    endpoints: BTreeSet<EndpointName>,
    windows: Vec<Interval>,
}

/// An approval in the views.
#[derive(Deserialize)]
struct ApprovalRow {
    at: Timestamp,
    ring: RingName,
    envelope: Digest,
    statement: Digest,
}

/// Who used the days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaysReport {
    /// As of when.
    pub at: Timestamp,
    /// As of which entry of the log.
    pub entries: u64,
    /// What each used over all rows.
    pub totals: Vec<PartyTotal>,
    /// Each update that was approved for a ring, or that its endpoints lack; the newest release first.
    pub rows: Vec<DaysRow>,
}

/// An update's way in one ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaysRow {
    /// The ring.
    pub ring: RingName,
    /// Its source.
    pub source: SourceId,
    /// Its id in the catalogue.
    pub id: String,
    /// The vendor's source package.
    pub package: String,
    /// The version that mends it.
    pub version: String,
    /// The first bundle that had it; `None` where that is not known.
    pub bundle: Option<u64>,
    /// The moments of its way.
    pub way: Way,
    /// What each used of the time, in the order of [`fleet::Party::ALL`].
    pub spent: [Spent; 5],
    /// Endpoints that it is approved for, or, before that, that lack it.
    pub endpoints: u64,
    /// On how many of these it is effective.
    pub effective: u64,
}

/// How approvals fare that name the same updates.
#[derive(Clone)]
struct Fared {
    approved: Timestamp,
    opened: Moment,
    effective_at: Moment,
    endpoints: u64,
    effective: u64,
}

/// A row that is not made yet.
struct Trail<'a> {
    ring: &'a RingName,
    /// The place of its update.
    place: usize,
    /// How it fares where it was approved.
    fared: Option<&'a Fared>,
    /// Endpoints that lack it where it was not.
    lacking: u64,
}

impl Kept {
    /// Says where each of the updates stands, and which of them each of what is offered is.
    fn find(&mut self, offered: &Arc<Offered>) {
        let is_same = |(known, _): &(Arc<Offered>, _)| Arc::ptr_eq(known, offered);
        if self.order.len() == self.updates.len() && self.offered.as_ref().is_some_and(is_same) {
            return;
        }
        let mut places: Vec<usize> = (0..self.updates.len()).collect();
        places.sort_by(|a, b| {
            let (a, b) = (&self.updates[*a], &self.updates[*b]);
            let order = b.released_at.cmp(&a.released_at);
            order.then_with(|| (&a.package, &a.id).cmp(&(&b.package, &b.id)))
        });
        self.order = vec![0; places.len()];
        for (order, place) in (0..).zip(places) {
            self.order[place] = order;
        }
        let found = offered
            .updates()
            .map(|(source, update)| self.places.get(&(source.clone(), update.id.clone())).copied());
        self.offered = Some((Arc::clone(offered), found.collect()));
    }
}

impl Days {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// Who used the days, for one ring or all.
    ///
    /// # Errors
    /// [`Error::Store`] when a name cannot be read; [`Error::Views`].
    pub fn days_report(&self, ring: Option<&RingName>) -> Result<DaysReport, Error> {
        self.days_part(ring, 0, usize::MAX).map(|(report, _)| report)
    }

    /// The same with a part of its rows, and how many there are. The totals are of all.
    ///
    /// # Errors
    /// As [`Self::days_report`].
    pub fn days_part(
        &self,
        ring: Option<&RingName>,
        skip: usize,
        take: usize,
    ) -> Result<(DaysReport, u64), Error> {
        self.days_where(ring, None, skip, take)
    }

    /// The way of one update in each ring.
    pub(crate) fn ways_of(&self, source: &SourceId, id: &str) -> Result<Vec<DaysRow>, Error> {
        let update = (source.clone(), id.to_owned());
        self.days_where(None, Some(&update), 0, usize::MAX).map(|(report, _)| report.rows)
    }

    /// For one ring or all, and for one update or all.
    fn days_where(
        &self,
        ring: Option<&RingName>,
        update: Option<&(SourceId, String)>,
        skip: usize,
        take: usize,
    ) -> Result<(DaysReport, u64), Error> {
        let (now, entries) = (self.now(), self.state().entries);
        let approvals = self.approvals(ring)?;
        let lacking = self.lacking()?;
        let mut kept = self.days().kept();
        self.read_imports(&mut kept)?;
        kept.find(&lacking.offered);
        for row in &approvals {
            self.read_approval(&mut kept, &row.envelope);
        }
        let members = self.there()?;
        let mut rings: BTreeMap<&RingName, Vec<&ApprovalRow>> = BTreeMap::new();
        for row in &approvals {
            rings.entry(&row.ring).or_default().push(row);
        }
        let mut fared: BTreeMap<&RingName, BTreeMap<usize, Fared>> = BTreeMap::new();
        for (ring, approvals) in rings {
            fared.insert(ring, self.follow_ring(&kept, &members, &approvals, now)?);
        }
        let mut trails: Vec<Trail<'_>> = Vec::new();
        for (ring, ways) in &fared {
            trails.extend(ways.iter().map(|(place, fared)| {
                let (place, fared) = (*place, Some(fared));
                Trail { ring, place, fared, lacking: 0 }
            }));
        }
        let found = kept.offered.as_ref().map_or(&[][..], |(_, found)| found);
        for (of, offered, lacking) in
            lacking.open().filter(|(of, ..)| ring.is_none_or(|r| r == *of))
        {
            let Some(place) = found.get(offered).copied().flatten() else { continue };
            if fared.get(of).is_none_or(|ways| !ways.contains_key(&place)) {
                trails.push(Trail { ring: of, place, fared: None, lacking: lacking.into() });
            }
        }
        if let Some(update) = update {
            let place = kept.places.get(update);
            trails.retain(|trail| Some(&trail.place) == place);
        }
        trails.sort_by_key(|trail| (kept.order[trail.place], trail.ring));
        let spent: Vec<_> = trails.iter().map(|trail| trail.way(&kept).spent(now)).collect();
        let totals = totals(spent.iter()).to_vec();
        let shown = trails.iter().skip(skip).take(take);
        let rows = shown.map(|trail| trail.row(&kept, now)).collect();
        Ok((DaysReport { at: now, entries, totals, rows }, trails.len() as u64))
    }

    fn approvals(&self, ring: Option<&RingName>) -> Result<Vec<ApprovalRow>, Error> {
        let rows = self.heart().views().rows(rows::APPROVALS, b"", ROWS_MAX);
        let rows = rows.map_err(Error::Views)?.into_iter().map(|(_, row): (_, ApprovalRow)| row);
        Ok(rows.filter(|row| ring.is_none_or(|ring| *ring == row.ring)).collect())
    }

    /// Endpoints that are there, by id.
    fn there(&self) -> Result<HashMap<RecordId, EndpointName>, Error> {
        let state = self.state();
        let there = state
            .endpoints
            .iter()
            .filter(|(_, known)| known.standing == Standing::Active && known.is_elected());
        there.map(|(id, known)| Ok((id.clone(), self.name_of(&known.name)?))).collect()
    }

    /// Reads the catalogues of bundles that were imported since it was last looked, the oldest first.
    fn read_imports(&self, kept: &mut Kept) -> Result<(), Error> {
        for import in self.imports()?.into_iter().rev() {
            if !kept.imports.insert(import.entry) {
                continue;
            }
            for source in &import.sources {
                let Ok(catalogue) = self.catalogue(&source.source, &source.catalogue) else {
                    kept.blind.insert(source.source.clone());
                    continue;
                };
                let blind = kept.blind.remove(&source.source);
                let first = (import.sequence, catalogue.collected_at, import.at);
                for update in catalogue.updates {
                    let key = (source.source.clone(), update.id.clone());
                    let place = kept.places.get(&key).copied().unwrap_or(kept.updates.len());
                    if place == kept.updates.len() {
                        kept.places.insert(key, place);
                        kept.updates.push(Arc::new(KnownUpdate {
                            source: source.source.clone(),
                            id: update.id,
                            package: update.source_package,
                            version: update.fixed_version,
                            released_at: update.released_at,
                            first: (!blind).then_some(first),
                        }));
                    }
                    for payload in update.payloads {
                        kept.payloads.entry(payload.sha256).or_insert(place);
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads what an approval names; one that is not kept any more names nothing.
    fn read_approval(&self, kept: &mut Kept, envelope: &Digest) {
        if kept.approvals.contains_key(envelope) {
            return;
        }
        let read = self.kept_envelope(envelope).ok();
        // Its signature was judged when it came.
        let read = read.filter(|envelope| envelope.unverified_payload(APPROVAL).is_ok());
        let Some(approval) = read.and_then(|read| Approval::unverified(&read).ok()) else { return };
        let payloads = approval.packages.iter().filter_map(|p| kept.payloads.get(&p.sha256));
        let updates: BTreeSet<usize> = payloads.copied().collect();
        let known = KnownApproval {
            updates: updates.into_iter().collect(),
            endpoints: approval.endpoints.into_iter().collect(),
            windows: approval.windows,
        };
        kept.approvals.insert(*envelope, Arc::new(known));
    }

    /// How the updates fare that were approved for a ring. Those that the same approvals name fare alike.
    fn follow_ring(
        &self,
        kept: &Kept,
        members: &HashMap<RecordId, EndpointName>,
        approvals: &[&ApprovalRow],
        now: Timestamp,
    ) -> Result<BTreeMap<usize, Fared>, Error> {
        let mut named: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut ended = Vec::new();
        for (number, row) in approvals.iter().enumerate() {
            let Some(known) = kept.approvals.get(&row.envelope) else {
                ended.push(HashMap::new());
                continue;
            };
            for update in &known.updates {
                named.entry(*update).or_default().push(number);
            }
            ended.push(self.effective_under(&row.statement, members)?);
        }
        let mut alike: HashMap<Vec<usize>, Fared> = HashMap::new();
        let fared = named.into_iter().map(|(update, numbers)| {
            let fared = alike
                .entry(numbers)
                .or_insert_with_key(|numbers| fare(kept, approvals, numbers, &ended, members, now));
            (update, fared.clone())
        });
        Ok(fared.collect())
    }

    /// When endpoints that are there said that an approval is effective.
    fn effective_under(
        &self,
        statement: &Digest,
        members: &HashMap<RecordId, EndpointName>,
    ) -> Result<HashMap<EndpointName, Timestamp>, Error> {
        let rows = self.heart().views().rows::<rows::DatedRow>(
            rows::EFFECTIVE,
            statement.as_bytes(),
            ROWS_MAX,
        );
        let mut ended = HashMap::new();
        for (key, row) in rows.map_err(Error::Views)? {
            let id =
                key.get(statement.as_bytes().len()..).and_then(|id| std::str::from_utf8(id).ok());
            let name = id.and_then(|id| members.get(&id.parse::<RecordId>().ok()?));
            ended.extend(name.map(|name| (name.clone(), row.at)));
        }
        Ok(ended)
    }
}

/// How the updates fare that exactly these approvals of a ring name; there is at least one.
fn fare(
    kept: &Kept,
    approvals: &[&ApprovalRow],
    numbers: &[usize],
    ended: &[HashMap<EndpointName, Timestamp>],
    members: &HashMap<RecordId, EndpointName>,
    now: Timestamp,
) -> Fared {
    let known = |number: &usize| kept.approvals.get(&approvals[*number].envelope);
    let there: BTreeSet<&EndpointName> = members.values().collect();
    let (mut wanted, mut first): (BTreeSet<&EndpointName>, HashMap<&EndpointName, Timestamp>) =
        Default::default();
    for number in numbers {
        let Some(approval) = known(number) else { continue };
        for endpoint in approval.endpoints.iter().filter(|endpoint| there.contains(endpoint)) {
            wanted.insert(endpoint);
            if let Some(at) = ended[*number].get(endpoint) {
                let earliest = first.entry(endpoint).or_insert(*at);
                *earliest = (*earliest).min(*at);
            }
        }
    }
    let approved = numbers.first().map_or(now, |number| approvals[*number].at);
    let windows = numbers.first().and_then(known).map_or(&[][..], |known| &known.windows);
    let last = first.values().max().copied();
    Fared {
        approved,
        opened: opened(windows, approved, now),
        effective_at: match last {
            Some(at) if first.len() == wanted.len() => Moment::At(at),
            // Nobody is left of those that it was for.
            None if wanted.is_empty() => Moment::Unknown,
            _ => Moment::NotYet,
        },
        endpoints: wanted.len() as u64,
        effective: first.len() as u64,
    }
}

/// When the first of an approval's windows opened after it was given.
fn opened(windows: &[Interval], approved: Timestamp, now: Timestamp) -> Moment {
    let next = windows.iter().filter(|window| window.closes > approved).map(|window| window.opens);
    match next.min().map(|opens| opens.max(approved)) {
        Some(opens) if opens <= now => Moment::At(opens),
        Some(_) => Moment::NotYet,
        None => Moment::Unknown,
    }
}

impl Trail<'_> {
    fn way(&self, kept: &Kept) -> Way {
        let update = &kept.updates[self.place];
        let first = |moment: fn((u64, Timestamp, Timestamp)) -> Timestamp| {
            update.first.map_or(Moment::Unknown, |first| Moment::At(moment(first)))
        };
        let fared = |moment: fn(&Fared) -> Moment| self.fared.map_or(Moment::NotYet, moment);
        Way {
            released: Moment::At(update.released_at),
            collected: first(|(_, collected, _)| collected),
            imported: first(|(_, _, imported)| imported),
            approved: fared(|fared| Moment::At(fared.approved)),
            opened: fared(|fared| fared.opened),
            effective: fared(|fared| fared.effective_at),
        }
    }

    fn row(&self, kept: &Kept, now: Timestamp) -> DaysRow {
        let (update, way) = (&kept.updates[self.place], self.way(kept));
        DaysRow {
            ring: self.ring.clone(),
            source: update.source.clone(),
            id: update.id.clone(),
            package: update.package.clone(),
            version: update.version.clone(),
            bundle: update.first.map(|(sequence, ..)| sequence),
            spent: way.spent(now),
            way,
            endpoints: self.fared.map_or(self.lacking, |fared| fared.endpoints),
            effective: self.fared.map_or(0, |fared| fared.effective),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_window_opens_after_the_approval_or_is_open_then() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let windows = ["2026-11-07", "2026-11-14"].map(|day| Interval {
            opens: at(&format!("{day}T22:00:00Z")),
            closes: at(&format!("{day}T23:00:00Z")),
        });
        let now = at("2026-11-20T00:00:00Z");
        let when = |approved: &str, now| opened(&windows, at(approved), now);
        assert_eq!(when("2026-11-01T00:00:00Z", now), Moment::At(windows[0].opens));
        let inside = "2026-11-07T22:30:00Z";
        assert_eq!(when(inside, now), Moment::At(at(inside)));
        assert_eq!(when("2026-11-08T00:00:00Z", now), Moment::At(windows[1].opens));
        assert_eq!(when("2026-11-08T00:00:00Z", at("2026-11-09T00:00:00Z")), Moment::NotYet);
        assert_eq!(when("2026-11-15T00:00:00Z", now), Moment::Unknown);
    }
}
