//! Writes one file to a medium with FAT, confined, and reads it back from there.
//!
//! Who started `patchkeep-reader write NAME SECONDS` gave it the file as standard input and the device, open for both, as
//! standard output; SECONDS since 1970 is the time that the file bears, in UTC. On standard error stands one line of JSON:
//! `{"sha256": "..."}` of the file that is there, or `{"error": "..."}`.
//!
//! **Invariant:** not a byte of the device is read before the process is confined, and nothing that was on it is changed
//! but the tables in which the new file is entered. Under its name it is there whole or not at all; pulled out meanwhile, the
//! medium may keep `NAME.part`.

use super::files::{Device, Fat, Files as _, ReadSeek};
use fatfs::{Date, DateTime, FileSystem, FsOptions, Time, TimeProvider};
use ids::{Digest, Hasher};
use sandbox::child::{Given, Limits, confine};
use std::{
    fs::File,
    io::{self, Read, Write as _},
    os::fd::AsFd as _,
    process::ExitCode,
};

/// What it may use up: tables that lead in circles end with it, and the longest file takes minutes.
const LIMITS: Limits = Limits { memory_bytes_max: 768 << 20, cpu_seconds_max: 10 * 60 };
/// How much is copied at once.
const PIECE_BYTES: usize = 256 << 10;
/// FAT has no longer files.
const FILE_BYTES_MAX: u64 = u32::MAX as u64;

/// Writes the file on standard input to the medium on standard output, under this name.
pub fn write(name: &str, seconds: &str) -> ExitCode {
    let done = seconds.parse().map_err(io::Error::other).and_then(|seconds| put(name, seconds));
    match done {
        Ok(sha256) => {
            eprintln!("{}", serde_json::json!({ "sha256": sha256 }));
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Its cause alone: it stands in a sentence of PID 1's.
            eprintln!("{}", serde_json::json!({ "error": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

/// The time that is written, always the same.
#[derive(Debug)]
struct Clock(DateTime);

impl TimeProvider for Clock {
    fn get_current_date(&self) -> Date {
        self.0.date
    }

    fn get_current_date_time(&self) -> DateTime {
        self.0
    }
}

impl Clock {
    fn at(seconds: i64) -> io::Result<Self> {
        let at = jiff::Timestamp::from_second(seconds).map_err(io::Error::other)?;
        let at = jiff::tz::TimeZone::UTC.to_datetime(at);
        let number = |number: i8| u16::try_from(number).unwrap_or_default();
        // FAT counts years in seven bits from 1980.
        let year = u16::try_from(at.year()).unwrap_or_default().clamp(1980, 2107);
        let date = Date { year, month: number(at.month()), day: number(at.day()) };
        let (hour, min, sec) = (number(at.hour()), number(at.minute()), number(at.second()));
        Ok(Self(DateTime { date, time: Time { hour, min, sec, millis: 0 } }))
    }
}

fn put(name: &str, seconds: i64) -> io::Result<Digest> {
    let clock: &'static Clock = Box::leak(Box::new(Clock::at(seconds)?));
    let file = Device::new(File::from(io::stdin().as_fd().try_clone_to_owned()?))?;
    let device = || Device::new(File::from(io::stdout().as_fd().try_clone_to_owned()?));
    let (written, read) = (device()?, device()?);
    let given = Given::Writing {
        file: file.number(),
        device: [written.number(), read.number()],
        length: read.length(),
    };
    confine(LIMITS, given).map_err(io::Error::other)?;
    let sha256 = copy(file, written.writable(), name, clock, || read.forget())?;
    read.forget()?;
    let medium = Fat::open(read)?;
    match hash(&mut *medium.file(name)?)? == sha256 {
        true => Ok(sha256),
        false => Err(io::Error::other("what was read back from it is not what was written")),
    }
}

/// `settle` waits until what was written is on the medium.
fn copy(
    mut file: Device,
    device: Device,
    name: &str,
    clock: &'static Clock,
    settle: impl Fn() -> io::Result<()>,
) -> io::Result<Digest> {
    if file.length() > FILE_BYTES_MAX {
        return Err(io::Error::other("FAT takes no file of 4 GiB or more"));
    }
    let medium = FileSystem::new(device, FsOptions::new().time_provider(clock))?;
    let root = medium.root_dir();
    if root.open_file(name).is_ok() || root.open_dir(name).is_ok() {
        return Err(io::Error::other(format!("it has a file of the name {name} already")));
    }
    let part = format!("{name}.part");
    let mut hasher = Hasher::default();
    let copied = (|| {
        let mut part = root.create_file(&part)?;
        part.truncate()?;
        each_piece(&mut file, |piece| {
            hasher.update(piece);
            part.write_all(piece)
        })?;
        part.flush()
    })();
    if let Err(error) = copied {
        // A medium that is gone keeps what it has.
        let _ = root.remove(&part);
        return Err(error);
    }
    // The kernel writes in any order: the name comes when all else is there.
    settle()?;
    root.rename(&part, &root, name)?;
    drop(root);
    medium.unmount()?;
    Ok(hasher.finish())
}

fn hash(file: &mut dyn ReadSeek) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    each_piece(file, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finish())
}

fn each_piece(
    file: &mut (impl Read + ?Sized),
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            length => take(&piece[..length])?,
        }
    }
}
