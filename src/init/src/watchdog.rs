//! The hardware watchdog: it starts the machine again when PID 1 no longer goes round.

use crate::error::Error;
use std::{fs, io::Write as _, path::Path};

const DEVICE: &str = "/dev/watchdog0";

/// A watchdog that runs.
#[derive(Debug)]
pub(crate) struct Watchdog(fs::File);

impl Watchdog {
    /// Starts the first one; what it is, for the screen.
    pub(crate) fn open() -> Result<(Self, String), Error> {
        let path = Path::new(DEVICE);
        if !path.exists() {
            return Err(Error::NoWatchdog);
        }
        let told = |source| Error::Write { path: path.to_owned(), source };
        let device = fs::File::options().write(true).open(path).map_err(told)?;
        let about =
            |name: &str| fs::read_to_string(format!("/sys/class/watchdog/watchdog0/{name}"));
        let (name, seconds) =
            (about("identity").unwrap_or_default(), about("timeout").unwrap_or_default());
        Ok((
            Self(device),
            format!("{} starts the machine again after {} s", name.trim(), seconds.trim()),
        ))
    }

    /// Says that all is well.
    pub(crate) fn pet(&mut self) {
        drop(self.0.write_all(b"1"));
    }

    /// Stops it, for a machine that is switched off in order: `V` is its word for that.
    pub(crate) fn release(mut self) {
        drop(self.0.write_all(b"V"));
    }
}
