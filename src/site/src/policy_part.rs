//! What is open under a policy, a page at a time: everything is judged and counted, and only what is shown is made.

use crate::{
    Error, PolicyRow, Site,
    applies::dressed,
    approval::KnownUpdates,
    level::{facts_of, row},
};
use fleet::{Exception, Exposure, Policy, PolicyStatus};
use ids::{Digest, EndpointName, PolicyName, RecordId, RingName, Timestamp};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use vendor_apt::Applicable;

/// A part of what is open under a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPart {
    /// As of when.
    pub at: Timestamp,
    /// As of which entry of the log.
    pub entries: u64,
    /// The policy, as it is in force.
    pub policy: Policy,
    /// All rows by how they stand.
    pub counts: BTreeMap<PolicyStatus, u64>,
    /// Endpoints of which it cannot be told what they lack, with why.
    pub untold: Vec<(EndpointName, String)>,
    /// Endpoints that were elected out.
    pub elected_out: Vec<EndpointName>,
    /// The rows that are shown: what is due first stands first.
    pub rows: Vec<PolicyRow>,
    /// How many there are of their kind.
    pub found: u64,
}

/// An endpoint and what it lacks.
struct Lacks {
    name: EndpointName,
    id: RecordId,
    ring: usize,
    exposure: Option<Exposure>,
    updates: Arc<[Applicable]>,
}

/// A row that is not made yet. Without a date it stands last.
#[derive(Clone, Copy)]
struct Spot {
    due: (bool, Option<Timestamp>),
    endpoint: u32,
    update: u32,
}

/// What stands alike: the ring's place, the payload, how the endpoint is reached, and whether an exception counts.
type Alike = (usize, Digest, Option<Exposure>, bool);
/// A ring, and what the catalogues say that it points at.
type Known = (RingName, Arc<KnownUpdates>);

impl Site {
    /// A part of what is open under a policy that is in force, of one status or of all.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is not in force; [`Error::Store`].
    pub fn policy_part(
        &self,
        name: &PolicyName,
        only: Option<PolicyStatus>,
        skip: usize,
        take: usize,
    ) -> Result<PolicyPart, Error> {
        let (state, at) = (self.state(), self.now());
        let none = || Error::Refused(fleet::Refused::NoPolicy { policy: name.clone() });
        let policy = state.policies.get(name).cloned().ok_or_else(none)?;
        let (rings, endpoints, untold) = self.what_lacks()?;
        let exceptions: Vec<&Exception> =
            state.exceptions.values().filter(|known| known.counts(at)).collect();
        let mut counts = BTreeMap::new();
        let mut spots: Vec<Spot> = Vec::new();
        let mut judged: HashMap<Alike, (PolicyStatus, Option<Timestamp>)> = HashMap::new();
        for (place, endpoint) in (0_u32..).zip(&endpoints) {
            let (ring, known) = &rings[endpoint.ring];
            for (number, update) in (0_u32..).zip(endpoint.updates.iter()) {
                let excepted = covered(&exceptions, ring, endpoint, update);
                let sha256 = update.candidate().sha256;
                let key = (endpoint.ring, sha256, endpoint.exposure, excepted);
                let (status, due_at) = *judged.entry(key).or_insert_with(|| {
                    let (_, facts) = facts_of(known.get(&sha256), endpoint.exposure);
                    let judged = policy.judge(&facts, None, excepted, at);
                    (judged.status, judged.deadline.and_then(|deadline| deadline.due_at))
                });
                *counts.entry(status).or_default() += 1;
                if only.is_none_or(|only| only == status) {
                    let due = (due_at.is_none(), due_at);
                    spots.push(Spot { due, endpoint: place, update: number });
                }
            }
        }
        let found = spots.len() as u64;
        let shown = part_of(&mut spots, &endpoints, skip, take);
        let rows = shown.iter().map(|spot| {
            let endpoint = &endpoints[spot.endpoint as usize];
            let (ring, known) = &rings[endpoint.ring];
            let update = spot.update as usize;
            let excepted = covered(&exceptions, ring, endpoint, &endpoint.updates[update]);
            let dressed = dressed(&endpoint.updates[update..=update], known);
            let whose = (&endpoint.name, ring);
            dressed.into_iter().map(move |one| (whose, endpoint.exposure, one, excepted))
        });
        let rows = rows.flatten().map(|(whose, exposure, one, excepted)| {
            row(&policy, whose, exposure, one, excepted, at)
        });
        let rows = rows.collect();
        let (entries, elected_out) = (state.entries, self.elected_out()?);
        Ok(PolicyPart { at, entries, policy, counts, untold, elected_out, rows, found })
    }

    /// Rings, the endpoints that are elected in by name with what they lack, and those of which it cannot be told.
    #[allow(clippy::type_complexity, reason = "three lists that are used once")]
    fn what_lacks(&self) -> Result<(Vec<Known>, Vec<Lacks>, Vec<(EndpointName, String)>), Error> {
        let state = self.state();
        let (mut rings, mut endpoints, mut untold) = (Vec::new(), Vec::new(), Vec::new());
        for ring in state.rings.keys() {
            let mut members = self.inventories(ring);
            members
                .retain(|(id, _)| state.endpoints.get(id).is_some_and(|known| known.is_elected()));
            if members.is_empty() {
                continue;
            }
            let inventories: Vec<Digest> = members.iter().map(|(_, digest)| *digest).collect();
            let answers = self.answers(ring, &inventories)?;
            for ((id, _), answer) in members.into_iter().zip(answers) {
                let known = self.known(&id)?;
                let (name, exposure) = (self.name_of(&known.name)?, known.description.exposure);
                match answer {
                    Ok(updates) => {
                        endpoints.push(Lacks { name, id, ring: rings.len(), exposure, updates });
                    }
                    Err(why) => untold.push((name, why)),
                }
            }
            rings.push((ring.clone(), self.known_updates(ring)?));
        }
        endpoints.sort_by(|a, b| a.name.cmp(&b.name));
        untold.sort();
        Ok((rings, endpoints, untold))
    }
}

fn covered(
    exceptions: &[&Exception],
    ring: &RingName,
    endpoint: &Lacks,
    update: &Applicable,
) -> bool {
    let version = &update.candidate().version;
    exceptions.iter().any(|known| known.covers(ring, &endpoint.id, update.name(), version))
}

/// The part that is shown, sorted; the others are only put to its sides.
fn part_of<'a>(spots: &'a mut [Spot], endpoints: &[Lacks], skip: usize, take: usize) -> &'a [Spot] {
    if skip >= spots.len() {
        return &[];
    }
    let name = |spot: &Spot| endpoints[spot.endpoint as usize].updates[spot.update as usize].name();
    let order = |a: &Spot, b: &Spot| {
        (a.due, a.endpoint).cmp(&(b.due, b.endpoint)).then_with(|| name(a).cmp(name(b)))
    };
    spots.select_nth_unstable_by(skip, order);
    let rest = &mut spots[skip..];
    if take < rest.len() {
        rest.select_nth_unstable_by(take, order);
    }
    let end = take.min(rest.len());
    let shown = &mut rest[..end];
    shown.sort_by(order);
    shown
}
