//! Unauthenticated refusals, counted so that nobody can fill the ledger: at most one event for each
//! kind of source and reason in ten minutes.

use crate::{Error, Site, clock};
use fleet::{Actor, Command, RefusalKind};
use ids::Timestamp;
use jiff::SignedDuration;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// How long refusals are gathered.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Most distinct reasons that are told apart; what is more is counted as `other`.
const REASONS_MAX: usize = 32;

/// Refusals since the last event.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<(RefusalKind, &'static str), Window>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    count: u64,
    since: Timestamp,
}

impl Refusals {
    /// Counts one. Cheap: called for each refused connection.
    pub fn count(&self, kind: RefusalKind, reason: &'static str) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = windows.len() >= REASONS_MAX && !windows.contains_key(&(kind, reason));
        let reason = if full { "other" } else { reason };
        let fresh = Window { count: 0, since: clock::now() };
        windows.entry((kind, reason)).or_insert(fresh).count += 1;
    }

    /// Takes what has been gathered for a whole window by `now`, or everything when `all`.
    fn take(&self, now: Timestamp, all: bool) -> Vec<((RefusalKind, &'static str), Window)> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = |window: &Window| all || now.duration_since(window.since) >= WINDOW;
        let taken: Vec<_> =
            windows.iter().filter(|(_, w)| due(w)).map(|(key, window)| (*key, *window)).collect();
        windows.retain(|_, window| !due(window));
        taken
    }
}

impl Site {
    /// Writes the counts whose window is over; all of them when the appliance stops. A restored one
    /// writes none.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn flush_refusals(&self, refusals: &Refusals, all: bool) -> Result<(), Error> {
        if self.restored().is_some() {
            return Ok(());
        }
        let until = clock::now();
        for ((source, reason), window) in refusals.take(until, all) {
            let (count, since, reason) = (window.count, window.since, reason.to_owned());
            let command = Command::CountRefusals { source, reason, count, since, until };
            self.heart().ask(Actor::Appliance, command)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_event_for_each_reason() {
        let refusals = Refusals::default();
        for _ in 0..10_000 {
            refusals.count(RefusalKind::EndpointDoor, "unknown-certificate");
        }
        refusals.count(RefusalKind::EndpointDoor, "no-certificate");
        let now = clock::now();
        assert!(refusals.take(now, false).is_empty(), "the window is not over");
        let taken = refusals.take(now.saturating_add(WINDOW).unwrap_or(now), false);
        let counts: Vec<u64> = taken.iter().map(|(_, w)| w.count).collect();
        assert_eq!(counts, [1, 10_000]);
        assert!(refusals.take(now, true).is_empty());
    }
}
