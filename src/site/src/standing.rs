//! How the site stands under its policies, and how severe what its endpoints lack is: counted, without a row for each
//! update of each endpoint. Endpoints that are reached alike and lack the same update stand alike, but for exceptions.

use crate::{
    Error, Site,
    lacks::{Elected, Judge, Lacks, Stands},
};
use catalogue::VendorSeverity;
use fleet::{Policy, PolicyStatus};
use ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Days within which deadlines are counted together; what is later is counted in the last.
pub const DEADLINE_DAYS: [i64; 3] = [3, 7, 14];

/// How the site stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standings {
    /// Under each policy in force.
    pub policies: Vec<PolicyStanding>,
    /// What endpoints lack: the gravest first, what nobody rated last.
    pub severities: Vec<SeverityStanding>,
    /// The date of the oldest list of known exploited vulnerabilities by which that is marked; `None`: no list was at hand.
    pub kev_as_of: Option<Timestamp>,
}

/// How the site stands under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStanding {
    /// The policy.
    pub policy: Policy,
    /// Endpoints of which it can be told what they lack.
    pub endpoints: u64,
    /// Of these, those that have nothing overdue.
    pub in_time: u64,
    /// Endpoints that are elected in and of which it cannot be told.
    pub untold: u64,
    /// Updates that endpoints lack, by how they stand.
    pub counts: BTreeMap<PolicyStatus, u64>,
    /// Of those that are due, how many are within 3, 7 and 14 days, and later or without a date.
    pub due: [u64; 4],
}

/// Updates of one severity that endpoints lack. Each counts once, where some policy in force wants it first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeverityStanding {
    /// What its vendor says, or else the rating of its CVSS score; `None`: neither is known.
    pub severity: Option<VendorSeverity>,
    /// How many there are.
    pub updates: u64,
    /// Of these, those that mend something which is known to be exploited.
    pub exploited: u64,
    /// Those that are overdue.
    pub overdue: u64,
    /// Of those that are due, how many are within 3, 7 and 14 days, and later or without a date.
    pub due: [u64; 4],
    /// Those that no policy asks for, that exceptions stand for, or of which no date is known.
    pub undated: u64,
}

/// By when updates are wanted first.
#[derive(Default)]
struct Firsts<'a> {
    places: HashMap<&'a str, u32>,
    all: Vec<First>,
}

struct First {
    severity: Option<VendorSeverity>,
    exploited: bool,
    /// Overdue before due, and the earliest date first; nothing as long as no policy asks.
    stands: Option<(bool, Timestamp)>,
}

impl Site {
    /// How the site stands now.
    ///
    /// # Errors
    /// [`Error::Store`] when a catalogue or a name cannot be read.
    pub fn standings(&self) -> Result<Standings, Error> {
        let rings = self.lacks_of_all()?;
        let mut firsts = Firsts::default();
        let policies = self.state().policies.values().cloned().collect();
        let policies = self.count_under(policies, &rings, &mut firsts);
        let lists = rings.iter().flat_map(|ring| ring.updates().iter().flatten());
        let lists = lists.filter_map(|known| known.advice.as_ref()?.kev_as_of);
        let (kev_as_of, severities) = (lists.min(), by_severity(&firsts.all, self.now()));
        Ok(Standings { policies, severities, kev_as_of })
    }

    /// How it stands under these policies, in their order, whether they are in force or not.
    pub(crate) fn standings_of(&self, policies: Vec<Policy>) -> Result<Vec<PolicyStanding>, Error> {
        let rings = self.lacks_of_all()?;
        Ok(self.count_under(policies, &rings, &mut Firsts::default()))
    }

    fn count_under<'a>(
        &self,
        policies: Vec<Policy>,
        rings: &'a [Arc<Lacks>],
        firsts: &mut Firsts<'a>,
    ) -> Vec<PolicyStanding> {
        let (state, now) = (self.state(), self.now());
        let rings: Vec<_> = rings.iter().map(|ring| Elected::new(ring, &state)).collect();
        let places: Vec<Vec<u32>> = rings.iter().map(|ring| firsts.rate(ring)).collect();
        // Those that are elected in and sent no inventory.
        let elected = state.endpoints.values().filter(|known| known.is_elected()).count();
        let told: usize = rings.iter().map(|ring| ring.members.len()).sum();
        let silent = elected.saturating_sub(told) as u64;
        let count = |policy: Policy| {
            let mut standing = PolicyStanding {
                policy: policy.clone(),
                endpoints: 0,
                in_time: 0,
                untold: silent,
                counts: BTreeMap::new(),
                due: [0; 4],
            };
            for (ring, places) in rings.iter().zip(&places) {
                let mut judge = Judge::new(ring.ring, &policy, state.exceptions.values(), now);
                standing.count(ring, &mut judge, now, |number, stands| {
                    // What nothing is known of has no place.
                    if let Some(first) = firsts.all.get_mut(places[number as usize] as usize) {
                        first.want(stands);
                    }
                });
            }
            standing
        };
        policies.into_iter().map(count).collect()
    }
}

impl<'a> Firsts<'a> {
    /// Notes the updates that endpoints of a ring lack, as severe as they are. Gives the place of each number; a number that
    /// none lacks, or of which nothing is known, has one that there is not.
    fn rate(&mut self, ring: &Elected<'a>) -> Vec<u32> {
        let lacks = ring.ring;
        let mut places = vec![u32::MAX; lacks.distinct().len()];
        for (_, number, _) in ring.lacked() {
            let number = number as usize;
            let Some(known) = &lacks.updates()[number] else { continue };
            let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
            places[number] = *self.places.entry(&known.update.id).or_insert_with(|| {
                let (severity, exploited) = lacks.ratings()[number];
                self.all.push(First { severity, exploited, stands: None });
                next
            });
        }
        places
    }
}

impl First {
    /// Another policy, or another endpoint, wants it then.
    fn want(&mut self, stands: Stands) {
        let open = match stands.status {
            PolicyStatus::Overdue => Some(false),
            PolicyStatus::Due => Some(true),
            _ => None,
        };
        let wanted = open.map(|due| (due, stands.due_at.unwrap_or(Timestamp::MAX)));
        self.stands = self.stands.into_iter().chain(wanted).min();
    }
}

impl PolicyStanding {
    /// Counts the endpoints of one ring.
    fn count(
        &mut self,
        ring: &Elected<'_>,
        judge: &mut Judge<'_>,
        now: Timestamp,
        mut want: impl FnMut(u32, Stands),
    ) {
        for (number, stands, lacking, spared) in ring.stand(judge, |_| true) {
            let open = u64::from(lacking - spared);
            if spared > 0 {
                *self.counts.entry(PolicyStatus::Excepted).or_default() += u64::from(spared);
            }
            if open == 0 {
                continue;
            }
            *self.counts.entry(stands.status).or_default() += open;
            if stands.status == PolicyStatus::Due {
                self.due[bucket(stands.due_at, now)] += open;
            }
            want(number, stands);
        }
        for (member, way) in &ring.members {
            if member.told.is_err() {
                self.untold += 1;
                continue;
            }
            let late = |number: &u32| {
                judge.stands(member.id, *way, *number).status == PolicyStatus::Overdue
            };
            self.endpoints += 1;
            self.in_time += u64::from(!member.numbers.iter().any(late));
        }
    }
}

fn by_severity(firsts: &[First], now: Timestamp) -> Vec<SeverityStanding> {
    let severities = VendorSeverity::ALL.map(Some).into_iter().chain([None]);
    let mut all: Vec<SeverityStanding> = severities
        .map(|severity| SeverityStanding { severity, ..SeverityStanding::default() })
        .collect();
    for first in firsts {
        let Some(row) = all.iter_mut().find(|row| row.severity == first.severity) else { continue };
        row.updates += 1;
        row.exploited += u64::from(first.exploited);
        match first.stands {
            Some((false, _)) => row.overdue += 1,
            Some((true, due_at)) => row.due[bucket(Some(due_at), now)] += 1,
            None => row.undated += 1,
        }
    }
    all
}

/// Which of the counts of [`PolicyStanding::due`] a deadline is in.
fn bucket(due_at: Option<Timestamp>, now: Timestamp) -> usize {
    let days = due_at.map(|due_at| due_at.duration_since(now).as_hours().div_euclid(24));
    let within = days.and_then(|days| DEADLINE_DAYS.iter().position(|within| days < *within));
    within.unwrap_or(DEADLINE_DAYS.len())
}
