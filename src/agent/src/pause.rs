//! How long a long-running agent waits before its next check-in.

use std::time::Duration;

/// Where the appliance does not say, and at most after a first failure.
const PAUSE: Duration = Duration::from_secs(60);
/// Longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_secs(60 * 60);

/// The pause before jitter: what the appliance named last, and after so many failures in a row a minute
/// (or what it named, where that is less), doubled with each up to an hour.
#[must_use]
pub fn pause(failures: u32, named: Duration) -> Duration {
    let named = if named.is_zero() { PAUSE } else { named };
    match failures {
        0 => named,
        1.. => named.min(PAUSE).saturating_mul(1 << (failures - 1).min(31)).min(PAUSE_MAX),
    }
}

/// Between three quarters and five quarters of a pause, so that a whole ring does not come at once.
/// `random` is the draw.
#[must_use]
pub fn jittered(pause: Duration, random: u16) -> Duration {
    pause.mul_f64(0.75 + f64::from(random) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: Duration = Duration::from_secs(15 * 60);

    #[test]
    fn the_appliance_names_the_pause() {
        assert_eq!(pause(0, QUARTER), QUARTER);
        assert_eq!(pause(0, Duration::ZERO), PAUSE);
    }

    #[test]
    fn failures_double_it_up_to_an_hour() {
        let seconds = |named| (1..9).map(|n| pause(n, named).as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(QUARTER), [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(seconds(Duration::ZERO), seconds(QUARTER));
        assert_eq!(seconds(Duration::from_secs(1)), [1, 2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(pause(u32::MAX, QUARTER), PAUSE_MAX);
    }

    #[test]
    fn jitter_spreads_it_by_a_quarter_to_each_side() {
        let minute = Duration::from_secs(60);
        assert_eq!(jittered(minute, 0).as_secs(), 45);
        assert_eq!(jittered(minute, u16::MAX).as_secs(), 75);
        assert!(
            (1..u16::MAX).step_by(999).all(|n| (45..=75).contains(&jittered(minute, n).as_secs()))
        );
    }
}
