//! How the site stands under its policies, at a glance: counted in one pass, without a row for each update of
//! each endpoint.

use crate::{
    Error, Site,
    lacks::{Judge, Stands},
};
use fleet::{Policy, PolicyStatus};
use ids::{RecordId, RingName, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Days within which deadlines are counted together; what is later is counted in the last.
pub const DEADLINE_DAYS: [i64; 3] = [3, 7, 14];

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

impl Site {
    /// How the site stands under each policy in force.
    ///
    /// # Errors
    /// [`Error::Store`] when a catalogue or a name cannot be read.
    pub fn policy_standings(&self) -> Result<Vec<PolicyStanding>, Error> {
        self.standings_of(self.state().policies.values().cloned().collect())
    }

    /// How it stands under these policies, in their order, whether they are in force or not.
    pub(crate) fn standings_of(&self, policies: Vec<Policy>) -> Result<Vec<PolicyStanding>, Error> {
        let (state, now) = (self.state(), self.now());
        let mut standings: Vec<PolicyStanding> = policies
            .into_iter()
            .map(|policy| PolicyStanding {
                policy,
                endpoints: 0,
                in_time: 0,
                untold: 0,
                counts: BTreeMap::new(),
                due: [0; 4],
            })
            .collect();
        if standings.is_empty() {
            return Ok(standings);
        }
        for ring in state.rings.keys() {
            self.count_ring(ring, &mut standings, now)?;
        }
        Ok(standings)
    }

    /// Counts the endpoints of one ring.
    fn count_ring(
        &self,
        ring: &RingName,
        standings: &mut [PolicyStanding],
        now: Timestamp,
    ) -> Result<(), Error> {
        let (state, lacks) = (self.state(), self.lacks(ring)?);
        let elected = |id: &RecordId| state.endpoints.get(id).filter(|known| known.is_elected());
        let own =
            state.endpoints.values().filter(|known| known.is_elected() && known.ring == *ring);
        let members: Vec<_> = lacks
            .members()
            .filter_map(|one| Some((one, elected(one.id)?.description.exposure)))
            .collect();
        let silent = own.count().saturating_sub(members.len()) as u64;
        for standing in standings {
            let policy = standing.policy.clone();
            let mut judge = Judge::new(&lacks, &policy, state.exceptions.values(), now);
            standing.untold += silent;
            for (member, exposure) in &members {
                if member.told.is_err() {
                    standing.untold += 1;
                    continue;
                }
                let numbers = member.numbers.iter();
                standing
                    .count(numbers.map(|number| judge.stands(member.id, *exposure, *number)), now);
            }
        }
        Ok(())
    }
}

impl PolicyStanding {
    /// Counts one endpoint.
    fn count(&mut self, updates: impl Iterator<Item = Stands>, now: Timestamp) {
        let mut late = false;
        for update in updates {
            *self.counts.entry(update.status).or_default() += 1;
            late |= update.status == PolicyStatus::Overdue;
            if update.status == PolicyStatus::Due {
                self.due[bucket(update.due_at, now)] += 1;
            }
        }
        self.endpoints += 1;
        self.in_time += u64::from(!late);
    }
}

/// Which of the counts of [`PolicyStanding::due`] a deadline is in.
fn bucket(due_at: Option<Timestamp>, now: Timestamp) -> usize {
    let days = due_at.map(|due_at| due_at.duration_since(now).as_hours().div_euclid(24));
    let within = days.and_then(|days| DEADLINE_DAYS.iter().position(|within| days < *within));
    within.unwrap_or(DEADLINE_DAYS.len())
}
