//! What the linter says of an approval before it is drawn up: plain values from what is known now.

use crate::{Error, Site, Wish};
use fleet::{EndpointFacts, Finding, Hold, PlanFacts, RingBefore, WayBack, WayBackFacts};
use ids::{EndpointName, Timestamp};
use jiff::SignedDuration;
use trust::Interval;

/// How far ahead the next window is looked for: a year.
const AHEAD_HOURS: i64 = 366 * 24;

impl Site {
    /// What is to be known about what would be approved.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such ring or window; [`Error::Store`] when a plan was erased.
    pub fn lint(&self, wish: &Wish) -> Result<Vec<Finding>, Error> {
        let now = self.now();
        let updates = self.ring_updates(&wish.ring)?;
        let (spans, has_windows) = match self.spans_for(wish, now) {
            Ok(spans) if spans.is_empty() => {
                (vec![Interval { opens: now, closes: wish.not_after }], false)
            }
            Ok(spans) => (spans, true),
            // That none opens in time is for the linter to say.
            Err(Error::Input(_)) => (Vec::new(), true),
            Err(error) => return Err(error),
        };
        let wanted =
            |name: &&EndpointName| wish.endpoints.is_empty() || wish.endpoints.contains(name);
        let endpoint = |name: &EndpointName| -> Result<EndpointFacts, Error> {
            let id = self.endpoint_named(name)?;
            let known = self.known(&id)?;
            let packages = updates.updates.iter().filter(|update| update.endpoints.contains(name));
            let own = known.job.and_then(|job| job.way_back) == Some(WayBack::Own);
            Ok(EndpointFacts {
                packages: packages.count() as u64,
                removes: Vec::new(),
                below_floor: updates.below_floor.get(name).cloned().unwrap_or_default(),
                kept_back: updates.kept_back.get(name).cloned().unwrap_or_default(),
                seen_at: self.roster().seen(&id).map(|seen| seen.at),
                way_back: match () {
                    () if known.description.provider.is_some() => WayBackFacts::Provider,
                    () if !self.waivers_for(name)?.is_empty() => WayBackFacts::Waived,
                    () if own => WayBackFacts::Own,
                    () => WayBackFacts::Untried,
                },
                name: name.clone(),
            })
        };
        let endpoints = updates.endpoints.iter().filter(wanted).map(endpoint);
        let endpoints: Vec<EndpointFacts> = endpoints.collect::<Result<_, _>>()?;
        Ok(fleet::lint(&PlanFacts {
            ring: wish.ring.clone(),
            now,
            not_after: wish.not_after,
            spans,
            has_windows,
            next_window: self.next_window(wish, now),
            before: self.ring_before(wish, now),
            endpoints,
        }))
    }

    /// The ring that goes first, and how far it is with what this one points at.
    fn ring_before(&self, wish: &Wish, now: Timestamp) -> Option<RingBefore> {
        let state = self.state();
        let ring = state.places.get(&wish.ring)?.after.clone();
        let holds = state.soaked(&wish.ring, &state.views_in(&wish.ring), now);
        let (soaked_at, failed) = match holds {
            Ok(()) => (Some(now), 0),
            Err(Hold::Soaking { until, .. }) => (Some(until), 0),
            Err(Hold::FailedBefore { failures, .. }) => (None, failures),
            Err(_) => (None, 0),
        };
        Some(RingBefore { ring, soaked_at, failed })
    }

    /// When a window of the ring opens next.
    fn next_window(&self, wish: &Wish, now: Timestamp) -> Option<Timestamp> {
        let far = now.checked_add(SignedDuration::from_hours(AHEAD_HOURS)).ok()?;
        let state = self.state();
        let own = state.windows.values().filter(|window| window.ring == wish.ring);
        own.filter_map(|window| Some(window.occurrences(now, far, 1).ok()?.first()?.opens)).min()
    }
}
