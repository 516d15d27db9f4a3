//! Deciding about many updates at once: what a ring's endpoints would apply of them, and leaving that out for a while.

use crate::{Error, RingUpdate, Site, UpdateRow};
use fleet::{Actor, Command, StatementCommand};
use ids::{Digest, RingName, SourceId, Timestamp};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Most updates that are decided about at once.
pub const CHOSEN_MAX: usize = 500;

/// An update by its source and its id there.
pub type UpdateKey = (SourceId, String);

/// Updates that were chosen, and where they are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The updates of the newest views; those that are there no more are left out.
    pub rows: Vec<UpdateRow>,
    /// Rings whose endpoints would apply something of them, with that.
    pub rings: Vec<RingChoice>,
}

/// What of a choice a ring's endpoints would apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingChoice {
    /// The ring.
    pub ring: RingName,
    /// Binary packages, by name.
    pub packages: Vec<String>,
    /// How many endpoints would apply one of them.
    pub endpoints: u64,
    /// Packages that are left out already, and until when.
    pub declined: Vec<(String, Timestamp)>,
}

impl Site {
    /// Looks at updates that somebody chose.
    ///
    /// # Errors
    /// [`Error::Input`] for too many; [`Error::Store`].
    pub fn choice(&self, chosen: &[UpdateKey]) -> Result<Choice, Error> {
        let (rows, payloads) = self.chosen_updates(&within(chosen)?)?;
        let rings: Vec<RingName> = self.state().rings.keys().cloned().collect();
        let mut choices = Vec::new();
        for ring in rings {
            let wanted = self.wanted_in(&ring, &payloads)?;
            let packages: BTreeSet<String> =
                wanted.iter().map(|update| update.package.package.clone()).collect();
            if packages.is_empty() {
                continue;
            }
            let endpoints: BTreeSet<_> =
                wanted.iter().flat_map(|update| &update.endpoints).collect();
            let declined: BTreeMap<String, Timestamp> = wanted
                .iter()
                .filter_map(|update| Some((update.package.package.clone(), update.declined_until?)))
                .collect();
            choices.push(RingChoice {
                endpoints: endpoints.len() as u64,
                ring,
                packages: packages.into_iter().collect(),
                declined: declined.into_iter().collect(),
            });
        }
        Ok(Choice { rows, rings: choices })
    }

    /// Leaves updates out of what is drawn up for these rings until `not_after`. Gives how many packages of how many
    /// rings that were.
    ///
    /// # Errors
    /// [`Error::Input`] when there is no reason, the end is past, or no endpoint of the rings would apply any of them.
    pub fn decline_many(
        &self,
        actor: &Actor,
        rings: &[RingName],
        chosen: &[UpdateKey],
        reason: &str,
        not_after: Timestamp,
    ) -> Result<u64, Error> {
        if reason.trim().is_empty() || not_after <= self.now() {
            return Err(Error::Input("declining needs a reason, and an end ahead".to_owned()));
        }
        let (_, payloads) = self.chosen_updates(&within(chosen)?)?;
        let mut declines = BTreeSet::new();
        for ring in rings {
            for RingUpdate { package, .. } in self.wanted_in(ring, &payloads)? {
                declines.insert((ring.clone(), package.package, package.version));
            }
        }
        if declines.is_empty() {
            let message =
                "no endpoint of these rings would apply any of them: there is nothing to leave out";
            return Err(Error::Input(message.to_owned()));
        }
        let count = declines.len() as u64;
        for (ring, package, version) in declines {
            let record = self.commit(json!({ "reason": reason.trim() }))?;
            let decline = StatementCommand::Decline { ring, package, version, record, not_after };
            self.heart().ask(actor.clone(), Command::Statement(decline))?;
        }
        Ok(count)
    }

    /// What a ring's endpoints would apply of these payloads.
    fn wanted_in(
        &self,
        ring: &RingName,
        payloads: &HashSet<Digest>,
    ) -> Result<Vec<RingUpdate>, Error> {
        let mut updates = self.ring_updates(ring)?.updates;
        updates.retain(|update| update.offered && payloads.contains(&update.package.sha256));
        Ok(updates)
    }
}

fn within(chosen: &[UpdateKey]) -> Result<HashSet<UpdateKey>, Error> {
    if chosen.is_empty() {
        return Err(Error::Input("choose an update: tick it in the list".to_owned()));
    }
    if chosen.len() > CHOSEN_MAX {
        return Err(Error::Input(format!(
            "at most {CHOSEN_MAX} updates are decided about at once"
        )));
    }
    Ok(chosen.iter().cloned().collect())
}
