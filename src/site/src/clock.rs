//! The one place where the site asks what time it is.

use ids::Timestamp;
use jiff::{RoundMode, TimestampRound, Unit};

/// Now, UTC, to the millisecond.
#[must_use]
pub fn now() -> Timestamp {
    to_millisecond(Timestamp::now())
}

/// A time cut to the millisecond, as events carry it.
fn to_millisecond(time: Timestamp) -> Timestamp {
    let cut = TimestampRound::new().smallest(Unit::Millisecond).mode(RoundMode::Trunc);
    time.round(cut).unwrap_or(time)
}
