//! The clock's floor: it never goes back behind the image, nor behind when this appliance was last seen alive.

use crate::error::Error;
use rustix::time::{ClockId, Timespec, clock_settime};
use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

/// Its times are when the appliance was last seen alive.
const ALIVE: &str = "/data/settings/alive";

/// What the clock is to be set to, if it is behind.
fn to_set(now: SystemTime, image: SystemTime, alive: Option<SystemTime>) -> Option<SystemTime> {
    let floor = alive.map_or(image, |alive| alive.max(image));
    (now < floor).then_some(floor)
}

/// Lifts the clock to its floor; what was done, for the screen.
pub(crate) fn lift(image_seconds: u64) -> Result<String, Error> {
    let image = SystemTime::UNIX_EPOCH + Duration::from_secs(image_seconds);
    let alive = fs::metadata(ALIVE).and_then(|about| about.modified()).ok();
    let Some(floor) = to_set(SystemTime::now(), image, alive) else {
        return Ok("is not behind its floor".to_owned());
    };
    let seconds = floor.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = Timespec { tv_sec: seconds.cast_signed(), tv_nsec: 0 };
    clock_settime(ClockId::Realtime, time).map_err(|source| Error::Clock { source })?;
    Ok("was behind its floor and has been set to it: a person must set it right".to_owned())
}

/// Notes that the appliance is alive now.
pub(crate) fn keep() -> Result<(), Error> {
    fs::write(Path::new(ALIVE), b"").map_err(|source| Error::Write { path: ALIVE.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_only_ever_set_forward() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(to_set(at(100), at(50), None), None);
        assert_eq!(to_set(at(100), at(50), Some(at(100))), None);
        assert_eq!(to_set(at(10), at(50), None), Some(at(50)));
        assert_eq!(to_set(at(60), at(50), Some(at(90))), Some(at(90)));
        assert_eq!(to_set(at(10), at(50), Some(at(20))), Some(at(50)));
    }
}
