//! Rings: making one, and pointing it at a view.

use crate::{Error, Site};
use fleet::{Actor, Command};
use ids::{RingName, SourceId};
use serde::{Deserialize, Serialize};

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
    /// [`Error::Refused`] when there is no such view or it lacks files.
    pub fn point_ring(
        &self,
        actor: Actor,
        ring: RingName,
        source: SourceId,
        sequence: Option<u64>,
    ) -> Result<bool, Error> {
        let done = self.heart().ask(actor, Command::PointRing { ring, source, sequence })?;
        self.fill_shelf()?;
        Ok(!done.events.is_empty())
    }

    /// Where every ring points.
    #[must_use]
    pub fn rings(&self) -> Vec<RingPointer> {
        let state = self.state();
        let mut list = Vec::new();
        for (ring, follows) in &state.rings {
            let pointers = state.pointers.iter().filter(|((r, _), _)| r == ring);
            let before = list.len();
            for ((_, source), (sequence, generation)) in pointers {
                list.push(RingPointer {
                    ring: ring.clone(),
                    follows: *follows,
                    source: Some(source.clone()),
                    sequence: Some(*sequence),
                    generation: Some(*generation),
                });
            }
            if list.len() == before {
                let (ring, follows) = (ring.clone(), *follows);
                list.push(RingPointer {
                    ring,
                    follows,
                    source: None,
                    sequence: None,
                    generation: None,
                });
            }
        }
        list
    }
}
