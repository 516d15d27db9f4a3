//! What is open under a policy, a page at a time: everything is judged and counted, and only what is shown is made.

use crate::{
    Error, PolicyRow, Site,
    applies::dressed,
    lacks::{Judge, Member, Stands},
    level::row,
};
use fleet::{Exposure, Policy, PolicyStatus};
use ids::{EndpointName, PolicyName, Timestamp};
use std::{cmp::Ordering, collections::BTreeMap};

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

/// An endpoint, and where it stands among its ring's.
struct Endpoint {
    name: EndpointName,
    ring: usize,
    exposure: Option<Exposure>,
    place: usize,
}

/// A row that is not made yet. Without a date it stands last.
#[derive(Clone, Copy)]
struct Spot {
    due: (bool, Option<Timestamp>),
    endpoint: u32,
    update: u32,
}

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
        let rings = state.rings.keys().map(|ring| self.lacks(ring));
        let rings = rings.collect::<Result<Vec<_>, _>>()?;
        let members: Vec<Vec<Member<'_>>> =
            rings.iter().map(|ring| ring.members().collect()).collect();
        let (endpoints, untold) = self.by_name(&members)?;
        let exceptions = || state.exceptions.values();
        let mut judges: Vec<Judge<'_>> =
            rings.iter().map(|ring| Judge::new(ring, &policy, exceptions(), at)).collect();
        let mut counts = BTreeMap::new();
        let mut spots: Vec<Spot> = Vec::new();
        for (place, endpoint) in (0_u32..).zip(&endpoints) {
            let member = members[endpoint.ring][endpoint.place];
            let judge = &mut judges[endpoint.ring];
            for (update, number) in (0_u32..).zip(member.numbers) {
                let Stands { status, due_at } = judge.stands(member.id, endpoint.exposure, *number);
                *counts.entry(status).or_default() += 1;
                if only.is_none_or(|only| only == status) {
                    let due = (due_at.is_none(), due_at);
                    spots.push(Spot { due, endpoint: place, update });
                }
            }
        }
        let found = spots.len() as u64;
        let update = |spot: &Spot| {
            let endpoint = &endpoints[spot.endpoint as usize];
            let member = members[endpoint.ring][endpoint.place];
            // One of which it cannot be told has no spot.
            let updates = member.told.as_deref().unwrap_or_default();
            (endpoint, member, &updates[spot.update as usize])
        };
        let order = |a: &Spot, b: &Spot| {
            let of = |spot: &Spot| (spot.due, spot.endpoint);
            of(a).cmp(&of(b)).then_with(|| update(a).2.name().cmp(update(b).2.name()))
        };
        let shown = part_of(&mut spots, order, skip, take).iter().flat_map(|spot| {
            let (endpoint, member, lacked) = update(spot);
            let ring = &rings[endpoint.ring];
            let number = member.numbers[spot.update as usize];
            let excepted = judges[endpoint.ring].excepted(member.id, number);
            let whose = (&endpoint.name, &ring.ring);
            let dressed = dressed(std::slice::from_ref(lacked), &ring.known).into_iter();
            let policy = &policy;
            dressed.map(move |one| row(policy, whose, endpoint.exposure, one, excepted, at))
        });
        let rows = shown.collect();
        let (entries, elected_out) = (state.entries, self.elected_out()?);
        Ok(PolicyPart { at, entries, policy, counts, untold, elected_out, rows, found })
    }

    /// The endpoints that are elected in by name, and those of which it cannot be told what they lack, with why.
    #[allow(clippy::type_complexity, reason = "two lists that are used once")]
    fn by_name(
        &self,
        rings: &[Vec<Member<'_>>],
    ) -> Result<(Vec<Endpoint>, Vec<(EndpointName, String)>), Error> {
        let state = self.state();
        let (mut endpoints, mut untold) = (Vec::new(), Vec::new());
        for (ring, members) in rings.iter().enumerate() {
            for (place, member) in members.iter().enumerate() {
                let known = state.endpoints.get(member.id).filter(|known| known.is_elected());
                let Some(known) = known else { continue };
                let (name, exposure) = (self.name_of(&known.name)?, known.description.exposure);
                match member.told {
                    Ok(_) => endpoints.push(Endpoint { name, ring, exposure, place }),
                    Err(why) => untold.push((name, why.clone())),
                }
            }
        }
        endpoints.sort_by(|a, b| a.name.cmp(&b.name));
        untold.sort();
        Ok((endpoints, untold))
    }
}

/// The part that is shown, sorted; the others are only put to its sides.
fn part_of(
    spots: &mut [Spot],
    order: impl Fn(&Spot, &Spot) -> Ordering,
    skip: usize,
    take: usize,
) -> &[Spot] {
    if skip >= spots.len() {
        return &[];
    }
    spots.select_nth_unstable_by(skip, &order);
    let rest = &mut spots[skip..];
    if take < rest.len() {
        rest.select_nth_unstable_by(take, &order);
    }
    let end = take.min(rest.len());
    let shown = &mut rest[..end];
    shown.sort_by(&order);
    shown
}
