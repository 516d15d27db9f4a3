//! Where a site has the time from: one clock for all of an open site, the system's or one that a test moves.

use ids::Timestamp;
use jiff::{RoundMode, TimestampRound, Unit};
use std::{fmt, sync::Arc};

/// What tells an open site the time, UTC.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that says what `tells` does.
    #[must_use]
    pub fn of(tells: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tells))
    }

    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::of(Timestamp::now)
    }

    /// Now, to the millisecond.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        to_millisecond((self.0)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// Now by the system's clock, UTC, to the millisecond: for what no open site does.
#[must_use]
pub fn now() -> Timestamp {
    to_millisecond(Timestamp::now())
}

/// A time cut to the millisecond, as events carry it.
fn to_millisecond(time: Timestamp) -> Timestamp {
    let cut = TimestampRound::new().smallest(Unit::Millisecond).mode(RoundMode::Trunc);
    time.round(cut).unwrap_or(time)
}
