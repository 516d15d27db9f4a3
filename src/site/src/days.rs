//! Who used the days: each update's way from its vendor to its endpoints, ring by ring, and who had it for how long.
//!
//! An update was collected and imported when the first bundle that has it was; it was approved when the first
//! approval of the ring named a payload of it; it is effective when the last endpoint of that approval, of those that
//! are still there, said so under this approval or a later one that names it. Times are the appliance's.

use crate::{Error, Site, rows};
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
        let (now, entries) = (self.now(), self.state().entries);
        let approvals = self.approvals(ring)?;
        let open = self.open_updates()?;
        let mut kept = self.days().kept();
        self.read_imports(&mut kept)?;
        for row in &approvals {
            self.read_approval(&mut kept, &row.envelope);
        }
        let mut ways: BTreeMap<(RingName, usize), Fared> = BTreeMap::new();
        let members = self.there()?;
        let mut rings: BTreeMap<&RingName, Vec<&ApprovalRow>> = BTreeMap::new();
        for row in &approvals {
            rings.entry(&row.ring).or_default().push(row);
        }
        for (ring, approvals) in rings {
            self.follow_ring(&kept, &members, (ring, &approvals), now, &mut ways)?;
        }
        let mut rows: Vec<DaysRow> = ways
            .iter()
            .map(|((ring, place), fared)| row(ring, &kept.updates[*place], Some(fared), 0, now))
            .collect();
        for update in open {
            let wanted = ring.is_none_or(|ring| *ring == update.ring);
            let place = kept.places.get(&(update.source, update.id)).copied().filter(|_| wanted);
            if let Some(place) =
                place.filter(|place| !ways.contains_key(&(update.ring.clone(), *place)))
            {
                rows.push(row(&update.ring, &kept.updates[place], None, update.endpoints, now));
            }
        }
        drop(kept);
        let released = |row: &DaysRow| match row.way.released {
            Moment::At(at) => Some(at),
            _ => None,
        };
        rows.sort_by(|a, b| {
            let order = released(b).cmp(&released(a));
            order.then_with(|| (&a.package, &a.id, &a.ring).cmp(&(&b.package, &b.id, &b.ring)))
        });
        let totals = totals(rows.iter().map(|row| &row.spent)).to_vec();
        Ok(DaysReport { at: now, entries, totals, rows })
    }

    fn approvals(&self, ring: Option<&RingName>) -> Result<Vec<ApprovalRow>, Error> {
        let rows = self.heart().views().rows(rows::APPROVALS, b"", ROWS_MAX);
        let mut approvals = Vec::new();
        for (_, row) in rows.map_err(Error::Views)? {
            let row: ApprovalRow = serde_json::from_value(row).map_err(Error::State)?;
            if ring.is_none_or(|ring| *ring == row.ring) {
                approvals.push(row);
            }
        }
        Ok(approvals)
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
        (ring, approvals): (&RingName, &[&ApprovalRow]),
        now: Timestamp,
        ways: &mut BTreeMap<(RingName, usize), Fared>,
    ) -> Result<(), Error> {
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
        for (update, numbers) in named {
            let fared = alike
                .entry(numbers)
                .or_insert_with_key(|numbers| fare(kept, approvals, numbers, &ended, members, now));
            ways.insert((ring.clone(), update), fared.clone());
        }
        Ok(())
    }

    /// When endpoints that are there said that an approval is effective.
    fn effective_under(
        &self,
        statement: &Digest,
        members: &HashMap<RecordId, EndpointName>,
    ) -> Result<HashMap<EndpointName, Timestamp>, Error> {
        let rows = self.heart().views().rows(rows::EFFECTIVE, statement.as_bytes(), ROWS_MAX);
        let mut ended = HashMap::new();
        for (key, row) in rows.map_err(Error::Views)? {
            let id =
                key.get(statement.as_bytes().len()..).and_then(|id| std::str::from_utf8(id).ok());
            let name = id.and_then(|id| members.get(&id.parse::<RecordId>().ok()?));
            let at = row["at"].as_str().and_then(|at| at.parse().ok());
            ended.extend(name.cloned().zip(at));
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

fn row(
    ring: &RingName,
    update: &KnownUpdate,
    fared: Option<&Fared>,
    lacking: u64,
    now: Timestamp,
) -> DaysRow {
    let first = |moment: fn((u64, Timestamp, Timestamp)) -> Timestamp| {
        update.first.map_or(Moment::Unknown, |first| Moment::At(moment(first)))
    };
    let way = Way {
        released: Moment::At(update.released_at),
        collected: first(|(_, collected, _)| collected),
        imported: first(|(_, _, imported)| imported),
        approved: fared.map_or(Moment::NotYet, |fared| Moment::At(fared.approved)),
        opened: fared.map_or(Moment::NotYet, |fared| fared.opened),
        effective: fared.map_or(Moment::NotYet, |fared| fared.effective_at),
    };
    DaysRow {
        ring: ring.clone(),
        source: update.source.clone(),
        id: update.id.clone(),
        package: update.package.clone(),
        version: update.version.clone(),
        bundle: update.first.map(|(sequence, ..)| sequence),
        spent: way.spent(now),
        way,
        endpoints: fared.map_or(lacking, |fared| fared.endpoints),
        effective: fared.map_or(0, |fared| fared.effective),
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
