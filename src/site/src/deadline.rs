//! By when updates are wanted: each policy's first deadline in each ring whose endpoints lack them.

use crate::{
    Site,
    approval::KnownUpdate,
    lacks::{Elected, Judge, Lacks},
};
use fleet::PolicyStatus;
use ids::{PolicyName, RingName, SourceId, Timestamp};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// By when a policy wants an update in a ring, on the endpoint where it wants it first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateDeadline {
    /// The ring.
    pub ring: RingName,
    /// The policy.
    pub policy: PolicyName,
    /// How it stands there.
    pub status: PolicyStatus,
    /// The deadline; `None` where the policy sets none, or its clock cannot be told.
    pub due_at: Option<Timestamp>,
}

impl UpdateDeadline {
    /// What is to be done first: overdue before due, then what is earlier.
    #[must_use]
    pub fn urgency(&self) -> impl Ord + use<> {
        let due_at = self.due_at.unwrap_or(Timestamp::MAX);
        (
            Reverse(self.status == PolicyStatus::Overdue),
            Reverse(self.status == PolicyStatus::Due),
            due_at,
        )
    }
}

impl Site {
    /// By when each of these updates (a source and an id within it) is wanted in these rings, by ring and policy; nothing of
    /// one that no endpoint which is elected in lacks.
    pub(crate) fn deadlines_in(
        &self,
        rings: &[Arc<Lacks>],
        wanted: &[(&SourceId, &str)],
    ) -> Vec<Vec<UpdateDeadline>> {
        let (state, now) = (self.state(), self.now());
        let places: HashMap<_, usize> = wanted.iter().copied().zip(0..).collect();
        let mut all = vec![Vec::new(); wanted.len()];
        for ring in rings {
            let place = |known: &Option<KnownUpdate>| {
                let known = known.as_ref()?;
                places.get(&(&*known.source, &*known.update.id)).copied()
            };
            let numbers: Vec<Option<usize>> = ring.updates().iter().map(place).collect();
            if numbers.iter().all(Option::is_none) {
                continue;
            }
            let elected = Elected::new(ring, &state);
            for policy in state.policies.values() {
                let mut judge = Judge::new(ring, policy, state.exceptions.values(), now);
                let mut firsts: BTreeMap<usize, UpdateDeadline> = BTreeMap::new();
                for (number, stands, lacking, spared) in
                    elected.stand(&mut judge, |number| numbers[number as usize].is_some())
                {
                    let Some(place) = numbers[number as usize] else { continue };
                    let status =
                        if spared == lacking { PolicyStatus::Excepted } else { stands.status };
                    let (ring, policy) = (ring.ring.clone(), policy.name.clone());
                    let one = UpdateDeadline { ring, policy, status, due_at: stands.due_at };
                    let first = firsts.remove(&place).into_iter().chain([one]);
                    firsts
                        .extend(first.min_by_key(UpdateDeadline::urgency).map(|one| (place, one)));
                }
                for (place, first) in firsts {
                    all[place].push(first);
                }
            }
        }
        all
    }
}
