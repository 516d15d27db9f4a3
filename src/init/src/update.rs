//! Two slots, and the way of a new image through them: taken from the server, written, tried once, blessed or given up.
//!
//! The server, whose account may write nothing but its own folders, puts the image into [`IN`] as `image.efi` and then, under
//! its final name at once, `request.json` ([`slots::Request`]). What became of it is read in [`OUTCOME`]
//! ([`slots::Outcome`]), which only PID 1 may write. Both stay no longer than they have to: what was taken is removed.
//!
//! An image that is older than the floor waits until somebody at the machine says so: the server, which had two people ask for it, could be
//! made to ask by one who is neither.

use crate::{
    Event, crypt,
    error::{Error, chain},
    esp, firmware, server,
    settings::{bounded, number_of, write_json},
};
use ids::{Digest, Timestamp};
use semver::Version;
use slots::{IMAGE_BYTES_MAX, Outcome, Record, Request, Slot, Standing, Started, Trial};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

/// Where the server puts a new image; its account's own.
pub(crate) const IN: &str = "/data/update/in";
/// The folder around it, which is not.
pub(crate) const FOLDER: &str = "/data/update";
const OUTCOME: &str = "/data/update/outcome.json";
const RECORD: &str = "/data/settings/slots.json";
/// Longest request, in bytes.
const REQUEST_BYTES_MAX: u64 = 4096;
/// How often it is looked for a new image, and whether the server answers on trial.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long an image on trial may take until its server answers, unless the kernel's command line, which is signed with the
/// rest, has `patchkeep.trial_seconds=`.
const TRIAL_WITHIN: Duration = Duration::from_secs(10 * 60);
/// How long an older image waits for somebody at the machine.
const OLDER_WITHIN: Duration = Duration::from_secs(60 * 60);
/// How long the people's door may take to take a connection.
const DOOR_WITHIN: Duration = Duration::from_secs(2);

/// The slots as PID 1 sees them.
#[derive(Debug)]
pub(crate) struct Slots {
    record: Record,
    started: Started,
    running: Version,
    entries: [u16; 2],
    on_trial: bool,
    begun: Instant,
    looked: Instant,
    trial_within: Duration,
    /// Whether a thread is at work on the EFI partition.
    busy: bool,
    older: Option<Older>,
}

/// An older image that waits for somebody at the machine.
#[derive(Debug)]
struct Older {
    version: Version,
    sha256: Digest,
    until: Instant,
}

impl Older {
    /// What is typed to have it tried.
    fn words(&self) -> String {
        format!("older {}", self.version)
    }
}

impl Slots {
    /// Looks at what was started and what that means; and what to say of it.
    pub(crate) fn open(running: &str) -> Result<(Self, String), Error> {
        let told = |what: &str| Error::Image { why: format!("the boot stub does not say {what}") };
        let started = firmware::started().ok_or_else(|| told("which file was started"))?;
        let id = firmware::partition_id().ok_or_else(|| told("from which partition"))?;
        let running: Version = running
            .parse()
            .map_err(|_| Error::Image { why: format!("{running} is no version") })?;
        let mut record = read_record()?.unwrap_or_else(|| Record::first(&running));
        let standing = record.at_start(started, &running);
        let entries = firmware::settle(&esp::partition(id)?, record.default)?;
        if let Standing::CameBack(trial, why) = &standing {
            write_json(
                Path::new(OUTCOME),
                &Outcome::of(trial.clone(), Some(why.clone()), Timestamp::now()),
            )?;
        }
        write_json(Path::new(RECORD), &record)?;
        let mut said = say(started, &record, &standing);
        if matches!(standing, Standing::Usual | Standing::CameBack(..)) {
            said = shut_out_others(said);
        }
        let now = Instant::now();
        let slots = Self {
            record,
            started,
            running,
            entries,
            on_trial: standing == Standing::OnTrial,
            begun: now,
            looked: now,
            trial_within: trial_within(),
            busy: false,
            older: None,
        };
        Ok((slots, said))
    }

    /// Looks after the trial, or for a new image; what it comes to.
    pub(crate) fn see_to(
        &mut self,
        serves_site: bool,
        said: &str,
        events: &Sender<Event>,
    ) -> Result<Done, Error> {
        if self.busy || self.looked.elapsed() < LOOK_EVERY {
            return Ok(Done::Nothing);
        }
        self.looked = Instant::now();
        if !self.on_trial {
            return self.look_for_image(events);
        }
        if serves_site && server_answers() {
            return self.bless(events);
        }
        if self.begun.elapsed() > self.trial_within {
            let said = if said.is_empty() { "nothing" } else { said };
            let seconds = self.trial_within.as_secs();
            return self.give_up(format!(
                "its server did not answer within {seconds} s, and said last: {said}"
            ));
        }
        Ok(Done::Nothing)
    }

    /// The firmware first: it alone decides what the next start is.
    fn bless(&mut self, events: &Sender<Event>) -> Result<Done, Error> {
        let mut record = self.record.clone();
        let Some(trial) = record.bless() else { return Ok(Done::Nothing) };
        firmware::set_order(self.entries, record.default)?;
        write_json(Path::new(RECORD), &record)?;
        self.record = record;
        self.on_trial = false;
        let words = format!(
            "version {} answers and is blessed: slot {} is started from now on",
            trial.to, trial.slot
        );
        let slot = trial.slot;
        write_json(Path::new(OUTCOME), &Outcome::of(trial, None, Timestamp::now()))?;
        self.busy = true;
        let events = events.clone();
        thread::spawn(move || drop(events.send(Event::Spare(esp::copy_to_spare(slot)))));
        Ok(Done::Say(shut_out_others(words)))
    }

    /// Leaves word why, for the image that comes back.
    fn give_up(&mut self, why: String) -> Result<Done, Error> {
        if let Some(trial) = self.record.trial.as_mut().filter(|_| self.on_trial) {
            trial.gave_up = Some(why);
            write_json(Path::new(RECORD), &self.record)?;
            return Ok(Done::Restart("The new image gives up: the old one comes back."));
        }
        Ok(Done::Nothing)
    }

    /// Has a new image taken, if one is there; an older one only once somebody said so.
    fn look_for_image(&mut self, events: &Sender<Event>) -> Result<Done, Error> {
        if fs::symlink_metadata(files()[0].as_path()).is_err() {
            self.older = None;
        } else if let Some(older) = self.older.take_if(|older| older.until < Instant::now()) {
            remove_files();
            let why = format!("nobody typed `{}` at the machine within an hour", older.words());
            return self.arrange(Taken::Refused(Some(older.sha256), why));
        } else if self.older.is_none() {
            self.have_taken(None, events);
        }
        Ok(Done::Nothing)
    }

    /// What is to be typed where an older image waits for that.
    pub(crate) fn waits_for(&self) -> Option<String> {
        let older = self.older.as_ref()?;
        Some(format!(
            "Image {} was handed over, which is OLDER than what was in use here, and may have faults that are known. Only where two \
             administrators want that, type within an hour: {}",
            older.version,
            older.words()
        ))
    }

    /// Has an older image taken, where this is what is typed for it.
    pub(crate) fn hear(&mut self, line: &str, events: &Sender<Event>) -> bool {
        let heard = self.older.take_if(|older| older.words() == line.trim());
        let is_heard = heard.is_some();
        heard.into_iter().for_each(|older| self.have_taken(Some(older.sha256), events));
        is_heard
    }

    /// Has the image that is there taken, by a thread; the one with this SHA-256 may be older.
    fn have_taken(&mut self, older: Option<Digest>, events: &Sender<Event>) {
        self.busy = true;
        let running_slot = match self.started {
            Started::Slot(slot) => slot,
            Started::Spare => self.record.default,
        };
        let (slot, from, floor) =
            (running_slot.other(), self.running.clone(), self.record.floor.clone());
        let events = events.clone();
        thread::spawn(move || drop(events.send(Event::Image(take(slot, from, &floor, older)))));
    }

    /// A thread is done with the EFI partition.
    pub(crate) fn is_free(&mut self) {
        self.busy = false;
    }

    /// Arranges the trial of an image that lies in its slot.
    pub(crate) fn arrange(&mut self, taken: Taken) -> Result<Done, Error> {
        self.busy = false;
        let admitted = match taken {
            Taken::Written(trial, measured) => match crypt::let_in(&measured) {
                Ok(()) => Ok(trial),
                Err(error) => Err((Some(trial.sha256), chain(&error))),
            },
            Taken::Refused(sha256, why) => Err((sha256, why)),
            Taken::Older(version, sha256) => {
                self.older = Some(Older { version, sha256, until: Instant::now() + OLDER_WITHIN });
                return Ok(Done::Nothing);
            }
        };
        let trial = match admitted {
            Ok(trial) => trial,
            Err((sha256, why)) => {
                let words = format!("a new image was refused: {why}");
                write_json(
                    Path::new(OUTCOME),
                    &Outcome::refused(self.running.clone(), sha256, why, Timestamp::now()),
                )?;
                return Ok(Done::Say(words));
            }
        };
        let [a, b] = self.entries;
        let number = if trial.slot == Slot::A { a } else { b };
        // The record first: whatever is started next is then told from what was there before.
        self.record.trial = Some(trial);
        write_json(Path::new(RECORD), &self.record)?;
        firmware::start_once(number)?;
        Ok(Done::Restart("A new image is in its slot: it is tried now."))
    }
}

/// Has the data partition open for the image that runs alone, now that it stays; what is said then.
fn shut_out_others(said: String) -> String {
    match crypt::bind_here() {
        Ok(()) => said,
        Err(error) => {
            format!("{said}; another one may still open the data partition: {}", chain(&error))
        }
    }
}

/// What looking after the slots came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Nothing,
    /// A sentence for the screen.
    Say(String),
    /// The machine is to start again, and why.
    Restart(&'static str),
}

/// What became of an image that was found.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is in its slot, and what it will measure.
    Written(Trial, Digest),
    /// It is not; what was announced, and why.
    Refused(Option<Digest>, String),
    /// It lies where it lay, since it is older than what was blessed here.
    Older(Version, Digest),
}

/// Takes the image that the server put there, checks it, and writes it to a slot; the one with this SHA-256 may be older.
fn take(slot: Slot, from: Version, floor: &Version, older: Option<Digest>) -> Taken {
    let mut announced = None;
    let taken = read_image(&mut announced)
        .and_then(|(image, request)| write(slot, from, floor, older, &image, &request));
    match taken {
        Ok(taken @ Taken::Older(..)) => taken,
        Ok(taken) => {
            remove_files();
            taken
        }
        Err(error) => {
            remove_files();
            Taken::Refused(announced, chain(&error))
        }
    }
}

fn write(
    slot: Slot,
    from: Version,
    floor: &Version,
    older: Option<Digest>,
    image: &[u8],
    request: &Request,
) -> Result<Taken, Error> {
    let refused = |why: slots::Refused| Error::Image { why: why.to_string() };
    let sha256 = request.sha256;
    let may_be_older = older == Some(sha256);
    let to = match slots::admit(image, request, (!may_be_older).then_some(floor)) {
        Err(slots::Refused::Older { version, .. }) => return Ok(Taken::Older(version, sha256)),
        admitted => admitted.map_err(refused)?,
    };
    crate::screen::log(&format!("Writing version {to} to slot {slot}."));
    let measured = slots::measured(image).map_err(refused)?;
    esp::write(slot, image)?;
    let trial = Trial { slot, from, to, sha256, began: false, gave_up: None, may_be_older };
    Ok(Taken::Written(trial, measured))
}

/// The request, and the image that it is for.
fn files() -> [PathBuf; 2] {
    ["request.json", "image.efi"].map(|name| Path::new(IN).join(name))
}

/// The request first: without it nobody looks at the image.
fn remove_files() {
    files().iter().for_each(|file| drop(fs::remove_file(file)));
}

/// What was announced is told also where the image cannot be read.
fn read_image(announced: &mut Option<Digest>) -> Result<(Vec<u8>, Request), Error> {
    let [path, image] = files();
    let bytes = bounded(&path, REQUEST_BYTES_MAX)?;
    let request: Request = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Settings { path, why: error.to_string() })?;
    *announced = Some(request.sha256);
    Ok((bounded(&image, IMAGE_BYTES_MAX)?, request))
}

/// Whether the server answers: a verb gets an answer that is read from its open ledger, and the people's door takes a
/// connection. PID 1 waits for both: a server that hangs stops it too, and the watchdog then ends the trial.
fn server_answers() -> bool {
    let mut verb = server::command();
    verb.args(["--json", "status", "--data", server::SITE]);
    let door = SocketAddr::from(([127, 0, 0, 1], 443));
    TcpStream::connect_timeout(&door, DOOR_WITHIN).is_ok()
        && crate::program::run(&mut verb, &[0]).is_ok()
}

/// How long an image may be on trial.
pub(crate) fn trial_within() -> Duration {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let seconds = number_of(&line, "patchkeep.trial_seconds=");
    seconds.map_or(TRIAL_WITHIN, Duration::from_secs)
}

fn say(started: Started, record: &Record, standing: &Standing) -> String {
    let what = match started {
        Started::Slot(slot) => format!("slot {slot}"),
        Started::Spare => "the spare file".to_owned(),
    };
    match standing {
        Standing::Usual => {
            format!("{what} was started, as always; nothing older than {} is taken", record.floor)
        }
        Standing::OnTrial => {
            format!("{what} was started, ON TRIAL: it counts once its server has answered")
        }
        Standing::CameBack(trial, why) => {
            format!(
                "{what} came back by itself, version {} in slot {} did not stay: {why}",
                trial.to, trial.slot
            )
        }
        Standing::Elsewhere(why) => format!("{what} was started in another's place: {why}"),
    }
}

fn read_record() -> Result<Option<Record>, Error> {
    let path = PathBuf::from(RECORD);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = bounded(&path, REQUEST_BYTES_MAX)?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| Error::Settings { path, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_plain_file_is_taken_from_the_servers_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, [1; 9]).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(bounded(&file, 9).unwrap(), [1; 9]);
        assert!(bounded(&file, 8).is_err(), "too long");
        assert!(bounded(&link, 9).is_err(), "a link");
        assert!(bounded(folder.path(), 9).is_err(), "a folder");
    }

    #[test]
    fn what_was_written_is_there_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        let record = Record::first(&Version::new(1, 2, 3));
        write_json(&path, &record).unwrap();
        assert_eq!(serde_json::from_slice::<Record>(&fs::read(&path).unwrap()).unwrap(), record);
        assert!(!path.with_extension("json.new").exists());
    }

    #[test]
    fn the_screen_says_slot_trial_and_why_the_old_one_came_back() {
        let mut record = Record::first(&Version::new(1, 0, 0));
        let said = say(Started::Slot(Slot::A), &record, &Standing::Usual);
        assert!(said.contains("slot A") && said.contains("1.0.0"), "{said}");
        let sha256 = Digest::of(b"");
        let (from, to) = (Version::new(1, 0, 0), Version::new(1, 1, 0));
        let (began, gave_up, may_be_older) = (false, None, false);
        record.trial =
            Some(Trial { slot: Slot::B, from, to, sha256, began, gave_up, may_be_older });
        assert!(say(Started::Slot(Slot::B), &record, &Standing::OnTrial).contains("ON TRIAL"));
        let standing = record.at_start(Started::Slot(Slot::A), &Version::new(1, 0, 0));
        let said = say(Started::Slot(Slot::A), &record, &standing);
        assert!(said.contains("1.1.0 in slot B did not stay") && said.contains("torn"), "{said}");
    }
}
