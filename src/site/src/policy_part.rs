//! What is open under a policy, a page at a time: everything is judged and counted, and only what is shown is made.

use crate::{
    Error, PolicyRow, Site,
    applies::dressed,
    lacks::{Elected, Judge, Member, Stands, WAYS},
    level::row,
};
use fleet::{Policy, PolicyStatus};
use ids::{EndpointName, PolicyName, Timestamp};
use std::{collections::BTreeMap, ops::RangeInclusive};
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

/// By when something is due; without a date it stands last.
type Due = (bool, Option<Timestamp>);

/// A row that is not made yet.
struct Spot<'a> {
    due: Due,
    endpoint: &'a EndpointName,
    ring: usize,
    member: Member<'a>,
    way: usize,
    place: usize,
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
        let rings = self.lacks_of_all()?;
        let rings: Vec<Elected<'_>> = rings.iter().map(|ring| Elected::new(ring, &state)).collect();
        let exceptions = || state.exceptions.values();
        let judges = rings.iter().map(|ring| Judge::new(ring.ring, &policy, exceptions(), at));
        let mut judges: Vec<Judge<'_>> = judges.collect();
        let (counts, dates) = count(&rings, &mut judges, only);
        let found = dates.values().sum();
        let (dates, before) = around(&dates, skip as u64, take as u64);
        let (names, untold) = self.names(&rings)?;
        let mut spots = spots(&rings, &names, &mut judges, only, &dates);
        spots.sort_by(|a, b| {
            let order = (a.due, a.endpoint).cmp(&(b.due, b.endpoint));
            order.then_with(|| {
                a.update().map(Applicable::name).cmp(&b.update().map(Applicable::name))
            })
        });
        let skip = skip.saturating_sub(usize::try_from(before).unwrap_or(usize::MAX));
        let rows = spots.iter().skip(skip).take(take).flat_map(|spot| {
            let ring = rings[spot.ring].ring;
            let excepted =
                judges[spot.ring].excepted(spot.member.id, spot.member.numbers[spot.place]);
            let whose = (spot.endpoint, &ring.ring);
            let (policy, exposure) = (&policy, WAYS[spot.way]);
            let lacked = spot.update().map(std::slice::from_ref).unwrap_or_default();
            let dressed = dressed(lacked, &ring.known).into_iter();
            dressed.map(move |one| row(policy, whose, exposure, one, excepted, at))
        });
        let rows = rows.collect();
        let (entries, elected_out) = (state.entries, self.elected_out()?);
        Ok(PolicyPart { at, entries, policy, counts, untold, elected_out, rows, found })
    }

    /// The names of the endpoints, ring by ring, and those of which it cannot be told what they lack, with why.
    #[allow(clippy::type_complexity, reason = "two lists that are used once")]
    fn names(
        &self,
        rings: &[Elected<'_>],
    ) -> Result<(Vec<Vec<EndpointName>>, Vec<(EndpointName, String)>), Error> {
        let (mut names, mut untold) = (Vec::new(), Vec::new());
        for ring in rings {
            let mut own = Vec::with_capacity(ring.members.len());
            for (member, _) in &ring.members {
                let name = self.name_of(&self.known(member.id)?.name)?;
                if let Err(why) = member.told {
                    untold.push((name.clone(), why.clone()));
                }
                own.push(name);
            }
            names.push(own);
        }
        untold.sort();
        Ok((names, untold))
    }
}

impl Spot<'_> {
    /// The update; of an endpoint of which it cannot be told there is no spot.
    fn update(&self) -> Option<&Applicable> {
        self.member.told.as_ref().ok()?.get(self.place)
    }
}

fn due(Stands { due_at, .. }: Stands) -> Due {
    (due_at.is_none(), due_at)
}

/// All rows by how they stand, and those that are wanted by when they are due.
fn count(
    rings: &[Elected<'_>],
    judges: &mut [Judge<'_>],
    only: Option<PolicyStatus>,
) -> (BTreeMap<PolicyStatus, u64>, BTreeMap<Due, u64>) {
    let (mut counts, mut dates) = (BTreeMap::new(), BTreeMap::new());
    for (ring, judge) in rings.iter().zip(judges) {
        for (_, stands, lacking, spared) in ring.stand(judge, |_| true) {
            for (status, rows) in
                [(stands.status, lacking - spared), (PolicyStatus::Excepted, spared)]
            {
                if rows > 0 {
                    *counts.entry(status).or_default() += u64::from(rows);
                    if only.is_none_or(|only| only == status) {
                        *dates.entry(due(stands)).or_default() += u64::from(rows);
                    }
                }
            }
        }
    }
    (counts, dates)
}

/// The dates of the rows that are shown, and how many rows are due before them.
fn around(dates: &BTreeMap<Due, u64>, skip: u64, take: u64) -> (RangeInclusive<Due>, u64) {
    let (mut before, mut until) = (0, 0);
    let (mut first, mut last) = (None, None);
    for (date, rows) in dates {
        if until + rows <= skip {
            before += rows;
        } else if until < skip.saturating_add(take) {
            first.get_or_insert(*date);
            last = Some(*date);
        }
        until += rows;
    }
    // Nothing is due without a date and with one.
    let none = (true, Some(Timestamp::MAX));
    (first.unwrap_or(none)..=last.unwrap_or(none), before)
}

/// The rows that are due at these dates.
fn spots<'a>(
    rings: &[Elected<'a>],
    names: &'a [Vec<EndpointName>],
    judges: &mut [Judge<'_>],
    only: Option<PolicyStatus>,
    dates: &RangeInclusive<Due>,
) -> Vec<Spot<'a>> {
    let mut spots = Vec::new();
    for (ring, (elected, judge)) in rings.iter().zip(judges).enumerate() {
        for ((member, way), endpoint) in elected.members.iter().zip(&names[ring]) {
            for (place, number) in member.numbers.iter().enumerate() {
                let due = due(judge.alike(*way, *number));
                let wanted = dates.contains(&due)
                    && only
                        .is_none_or(|only| judge.stands(member.id, *way, *number).status == only);
                if wanted {
                    spots.push(Spot { due, endpoint, ring, member: *member, way: *way, place });
                }
            }
        }
    }
    spots
}
