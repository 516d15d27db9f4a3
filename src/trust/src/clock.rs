//! The clock rule: signed times may push the floor of the site's clock up, but not far.

use crate::{Reason, Refusal};
use ids::Timestamp;
use jiff::SignedDuration;

/// How far a signed time may lie ahead of the clock and still be believed.
pub const PLAUSIBLE_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// Whether `signed_at`, seen at `now`, may become the floor of the clock.
#[must_use]
pub fn is_plausible(signed_at: Timestamp, now: Timestamp) -> bool {
    signed_at.duration_since(now) <= PLAUSIBLE_AHEAD
}

/// The floor of the clock after `signed_at` was seen at `now`: the latest signed time that was
/// plausible when seen. `now` is the clock, never below the old `floor`.
///
/// # Errors
/// [`Reason::FarFuture`], which is quarantine, when the signed time is more than
/// [`PLAUSIBLE_AHEAD`] ahead of `now`.
pub fn clock_floor(
    floor: Option<Timestamp>,
    signed_at: Timestamp,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    if !is_plausible(signed_at, now) {
        return Err(far_future(signed_at, now));
    }
    Ok(floor.map_or(signed_at, |floor| floor.max(signed_at)))
}

pub(crate) fn far_future(signed_at: Timestamp, now: Timestamp) -> Refusal {
    Refusal::new(
        Reason::FarFuture,
        format!(
            "the bundle was signed at {signed_at}, more than a day after this site's clock \
             ({now:.0}); check the clock, then import again or let two people decide"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_floor_rises_by_plausible_times_only_and_never_sinks() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-22T12:00:00Z");
        let old = at("2026-11-01T00:00:00Z");
        assert_eq!(clock_floor(None, old, now), Ok(old));
        let ahead = at("2026-11-23T12:00:00Z");
        assert_eq!(clock_floor(Some(old), ahead, now), Ok(ahead));
        assert_eq!(clock_floor(Some(ahead), old, now), Ok(ahead));
        let too_far = at("2026-11-23T12:00:01Z");
        let refusal = clock_floor(Some(old), too_far, now).unwrap_err();
        assert_eq!(refusal.code(), "far-future");
        assert!(refusal.is_quarantine());
    }
}
