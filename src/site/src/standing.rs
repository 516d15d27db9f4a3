//! How the site stands under its policies, at a glance: counted in one pass, without a row for each update of
//! each endpoint.

use crate::{Error, Site, level::facts_of};
use fleet::{Policy, PolicyStatus, UpdateFacts};
use ids::{Digest, RecordId, RingName, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

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

/// How one update stands on endpoints that are reached alike.
#[derive(Clone, Copy)]
struct Stands {
    status: PolicyStatus,
    bucket: usize,
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
        let state = self.state();
        let elected = |id: &RecordId| state.endpoints.get(id).filter(|known| known.is_elected());
        let mut members = self.inventories(ring);
        members.retain(|(id, _)| elected(id).is_some());
        let own =
            state.endpoints.values().filter(|known| known.is_elected() && known.ring == *ring);
        let silent = own.count().saturating_sub(members.len()) as u64;
        let known = if members.is_empty() { Arc::default() } else { self.known_updates(ring)? };
        let exceptions: Vec<_> = state.exceptions.values().filter(|one| one.counts(now)).collect();
        let inventories: Vec<Digest> = members.iter().map(|(_, digest)| *digest).collect();
        let answers =
            if members.is_empty() { Vec::new() } else { self.answers(ring, &inventories)? };
        for standing in standings {
            standing.untold += silent;
            let mut judged: HashMap<(Digest, Option<fleet::Exposure>), Stands> = HashMap::new();
            for ((id, _), answer) in members.iter().zip(&answers) {
                let Ok(updates) = answer else {
                    standing.untold += 1;
                    continue;
                };
                let exposure = elected(id).and_then(|known| known.description.exposure);
                let mut all = Vec::with_capacity(updates.len());
                for update in updates.iter() {
                    let candidate = update.candidate();
                    let key = (candidate.sha256, exposure);
                    let mut one = *judged.entry(key).or_insert_with(|| {
                        let (_, facts) = facts_of(known.get(&candidate.sha256), exposure);
                        stands(&standing.policy, &facts, now)
                    });
                    let covers = |known: &&fleet::Exception| {
                        known.covers(ring, id, update.name(), &candidate.version)
                    };
                    if one.is_open() && exceptions.iter().any(covers) {
                        one.status = PolicyStatus::Excepted;
                    }
                    all.push(one);
                }
                standing.count(&all);
            }
        }
        Ok(())
    }
}

impl PolicyStanding {
    /// Counts one endpoint.
    fn count(&mut self, updates: &[Stands]) {
        for update in updates {
            *self.counts.entry(update.status).or_default() += 1;
            if update.status == PolicyStatus::Due {
                self.due[update.bucket] += 1;
            }
        }
        self.endpoints += 1;
        let late = updates.iter().any(|update| update.status == PolicyStatus::Overdue);
        self.in_time += u64::from(!late);
    }
}

impl Stands {
    const fn is_open(&self) -> bool {
        matches!(self.status, PolicyStatus::Due | PolicyStatus::Overdue)
    }
}

fn stands(policy: &Policy, facts: &[UpdateFacts], now: Timestamp) -> Stands {
    let judged = policy.judge(facts, None, false, now);
    let due_at = judged.deadline.and_then(|deadline| deadline.due_at);
    let days = due_at.map(|due_at| due_at.duration_since(now).as_hours().div_euclid(24));
    let bucket = days.and_then(|days| DEADLINE_DAYS.iter().position(|within| days < *within));
    Stands { status: judged.status, bucket: bucket.unwrap_or(DEADLINE_DAYS.len()) }
}
