//! Rings: making one, and pointing it at a view.

use crate::{Error, Site, applies::Aim};
use fleet::{Actor, Command};
use ids::{RingName, SourceId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// Where one ring points for one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingPointer {
    /// The ring.
    pub ring: RingName,
    /// Whether it follows complete views by itself.
    pub follows: bool,
    /// The source; `None` where the ring points nowhere yet.
    pub source: Option<SourceId>,
    /// Sequence of the view.
    pub sequence: Option<u64>,
    /// Generation of the pointer.
    pub generation: Option<u64>,
    /// Why it is not where the newest import would have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<RingStays>,
}

/// A ring that stays where it is, since the newest view lacks what its endpoints need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingStays {
    /// The ring.
    pub ring: RingName,
    /// The source.
    pub source: SourceId,
    /// Sequence of the view to which it did not move.
    pub sequence: u64,
    /// Packages that are lacking.
    pub packages: u64,
    /// How many endpoints need one of them.
    pub endpoints: u64,
}

impl fmt::Display for RingStays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ring, source, sequence, packages, endpoints } = self;
        let many = |count: u64, noun: &str| match count {
            1 => format!("1 {noun}"),
            _ => format!("{count} {noun}s"),
        };
        let (packages, endpoints) = (many(*packages, "package"), many(*endpoints, "endpoint"));
        write!(
            f,
            "ring {ring} stays where it is: {source} of bundle {sequence} lacks {packages} of what \
             {endpoints} would install from it; print what to fetch with `patchkeep ring need --ring \
             {ring}`"
        )
    }
}

impl Site {
    /// Makes a ring.
    ///
    /// # Errors
    /// [`Error::Refused`] when it exists.
    pub fn create_ring(&self, actor: Actor, ring: RingName, follows: bool) -> Result<(), Error> {
        self.heart().ask(actor, Command::CreateRing { ring, follows }).map(drop)
    }

    /// Points a ring at a complete view; without a sequence, at the newest. Returns whether it
    /// moved.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such view, it lacks files, or its endpoints need from it what
    /// is not held.
    pub fn point_ring(
        &self,
        actor: Actor,
        ring: RingName,
        source: SourceId,
        sequence: Option<u64>,
    ) -> Result<bool, Error> {
        let state = self.state();
        let sequence = sequence.or_else(|| state.newest_complete(&source));
        let view = sequence.and_then(|sequence| state.views.get(&(source.clone(), sequence)));
        let lack = match (sequence, view.filter(|view| view.missing == 0)) {
            (Some(sequence), Some(view)) => {
                let (source, catalogue) = (source.clone(), view.source.catalogue);
                self.lack(&ring, Aim { source, sequence, catalogue })?
            }
            // The rules have their own words for that.
            _ => None,
        };
        let done = self.heart().ask(actor, Command::PointRing { ring, source, sequence, lack })?;
        self.fill_shelf()?;
        Ok(!done.events.is_empty())
    }

    /// Points every ring that points at this bundle back at the view before: the newest kept one of each source
    /// that is older and complete. Gives how many pointers moved.
    ///
    /// # Errors
    /// [`Error::Input`] when no ring points there, or nothing older is kept; as [`Self::point_ring`].
    pub fn point_back(&self, actor: &Actor, sequence: u64) -> Result<u64, Error> {
        let state = self.state();
        let back = |((ring, source), (at, _)): (&(RingName, SourceId), &(u64, u64))| {
            (*at == sequence)
                .then(|| self.view_before(source, sequence))?
                .map(|before| (ring.clone(), source.clone(), before))
        };
        let back: Vec<_> = state.pointers.iter().filter_map(back).collect();
        if back.is_empty() {
            let message = format!(
                "no ring points at bundle {sequence} and could go back to an older view that is kept"
            );
            return Err(Error::Input(message));
        }
        let mut moved = 0;
        for (ring, source, before) in back {
            moved += u64::from(self.point_ring(actor.clone(), ring, source, Some(before))?);
        }
        Ok(moved)
    }

    /// The newest kept and complete view of a source that is older than this one.
    #[must_use]
    pub fn view_before(&self, source: &SourceId, sequence: u64) -> Option<u64> {
        let state = self.state();
        let views = state.views_of(source).into_iter().take_while(|(at, _)| *at != sequence);
        views.filter(|(_, view)| view.missing == 0).map(|(at, _)| at).last()
    }

    /// Where every ring points.
    #[must_use]
    pub fn rings(&self) -> Vec<RingPointer> {
        let state = self.state();
        let mut list = Vec::new();
        for (ring, follows) in &state.rings {
            let all = state.pointers.keys().chain(state.held_back.keys());
            let sources: BTreeSet<_> = all.filter(|(r, _)| r == ring).map(|(_, s)| s).collect();
            let pointer = |source: Option<&SourceId>| {
                let key = source.map(|source| (ring.clone(), source.clone()));
                let at = key.as_ref().and_then(|key| state.pointers.get(key));
                let stayed = key.as_ref().and_then(|key| Some((key, state.held_back.get(key)?)));
                RingPointer {
                    ring: ring.clone(),
                    follows: *follows,
                    source: source.cloned(),
                    sequence: at.map(|(sequence, _)| *sequence),
                    generation: at.map(|(_, generation)| *generation),
                    stays: stayed.map(|((ring, source), stayed)| RingStays {
                        ring: ring.clone(),
                        source: source.clone(),
                        sequence: stayed.sequence,
                        packages: stayed.packages,
                        endpoints: stayed.endpoints,
                    }),
                }
            };
            if sources.is_empty() {
                list.push(pointer(None));
            }
            list.extend(sources.into_iter().map(|source| pointer(Some(source))));
        }
        list
    }
}
