//! Time limits that fire.

use crate::Error;
use std::time::{Duration, Instant};

/// The end of a time limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        // A limit beyond what a clock can hold is none that anybody waits for.
        let limit = limit.min(Duration::from_secs(365 * 86_400));
        Self { at: Instant::now() + limit, limit }
    }

    /// The sooner of this one and `limit` from now.
    pub(crate) fn sooner(self, limit: Duration) -> Self {
        let other = Self::after(limit);
        if other.at < self.at { other } else { self }
    }

    /// What is left; never zero, which a socket would take for "no limit".
    pub(crate) fn left(self, what: &str) -> Result<Duration, Error> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.fired(what));
        }
        Ok(left.max(Duration::from_millis(1)))
    }

    pub(crate) fn fired(self, what: &str) -> Error {
        Error::TimedOut { what: what.to_owned(), seconds: self.limit.as_secs_f32() }
    }

    /// Sleeps a little, or says that the time is over.
    pub(crate) fn pause(self, pause: Duration, what: &str) -> Result<(), Error> {
        std::thread::sleep(pause.min(self.left(what)?));
        Ok(())
    }
}
