//! How the machine is reached: the settings that hold, a change on trial, the address that it has.
//!
//! The server, whose account may write nothing but its own folder, asks for a change and confirms it through files there
//! ([`::network`]). A change holds at once and is **on trial**: unless somebody confirms it, what held before comes back. A
//! machine that starts again meanwhile starts with what held before. What a person sets before the machine is no trial.

use crate::{
    Event, data,
    dhcp::{self, Lease, News},
    error::{Error, chain},
    netlink::{self, Link},
    settings::{self, bounded, write_json},
};
use ::network::{
    Address, Addressing, Became, Confirmation, FILE_BYTES_MAX, Outcome, Request, Settings, Status,
    TRIAL_SECONDS, Trial, files,
};
use ids::{RecordId, Timestamp};
use serde::de::DeserializeOwned;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc::Sender,
    time::{Duration, Instant},
};

/// The folder that is shared with the server, and that in it which is the server's own.
pub(crate) const FOLDER: &str = "/data/network";
pub(crate) const IN: &str = "/data/network/in";

/// What a look at the network came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Whether the address or the names are others than before.
    pub(crate) reached: bool,
    /// A sentence for the screen's log.
    pub(crate) says: Option<String>,
}

/// The network as PID 1 sees it.
#[derive(Debug)]
pub(crate) struct Network {
    /// What holds, but for a trial.
    held: Settings,
    trial: Option<(Trial, Instant)>,
    /// Whether somebody before the machine asked for it.
    is_there: bool,
    link: Option<Link>,
    lease: Option<Lease>,
    client: Option<dhcp::Client>,
    /// News of clients that were dropped have another number.
    number: u64,
    trouble: Option<String>,
    trial_within: Duration,
    events: Sender<Event>,
    /// Where it is written down, if there is a data partition.
    folder: Option<PathBuf>,
    written: Option<Status>,
}

impl Network {
    /// With the settings that were kept, else the kernel's command line's, else DHCP; and whether they could be read.
    pub(crate) fn open(has_data: bool, events: Sender<Event>) -> (Self, Result<(), Error>) {
        let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
        let kept = kept_file();
        let set = match has_data && kept.exists() {
            true => settings::read(&kept).map(Some),
            false => settings::network_of(&line)
                .transpose()
                .map_err(|why| Error::NoAddress { why: why.to_string() }),
        };
        let (mut held, mut read) = match set {
            Ok(set) => (set.unwrap_or_default(), Ok(())),
            Err(error) => (Settings::default(), Err(error)),
        };
        if has_data {
            match end_last_trial(Path::new(FOLDER), &kept) {
                Ok(kept) => held = kept.unwrap_or(held),
                Err(error) => read = read.and(Err(error)),
            }
        }
        let seconds = settings::number_of(&line, "patchkeep.network_seconds=");
        let network = Self {
            held,
            trial: None,
            is_there: false,
            link: None,
            lease: None,
            client: None,
            number: 0,
            trouble: None,
            trial_within: Duration::from_secs(seconds.unwrap_or(TRIAL_SECONDS)),
            events,
            folder: has_data.then(|| FOLDER.into()),
            written: None,
        };
        (network, read)
    }

    /// The settings that hold now.
    fn settings(&self) -> &Settings {
        self.trial.as_ref().map_or(&self.held, |(trial, _)| &trial.settings)
    }

    /// The address that the machine has.
    pub(crate) fn address(&self) -> Option<Address> {
        self.lease.map(|lease| lease.address)
    }

    /// Why it has none.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The change on trial.
    pub(crate) fn trial(&self) -> Option<&Trial> {
        self.trial.as_ref().map(|(trial, _)| trial)
    }

    /// The names and addresses by which it is reached.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.settings().names().iter().map(ToString::to_string);
        let address = self.address().map(|address| address.ip().to_string());
        names.chain(address).chain(["localhost".to_owned()]).collect()
    }

    /// Brings the network up as it is set; what was done, for the screen.
    pub(crate) fn bring_up(&mut self) -> Result<String, Error> {
        self.take_down();
        let done = self.try_up();
        self.trouble = done.as_ref().err().map(|error| chain(error));
        self.write_status();
        done
    }

    fn try_up(&mut self) -> Result<String, Error> {
        let link = Link::bring_up(self.settings())?;
        let name = link.name.clone();
        let said = match self.settings().address() {
            Addressing::Fixed(address) => {
                let lease = Lease { address, gateway: self.settings().gateway() };
                // Kept first, so that what was given in part is taken back.
                self.link = Some(link.clone());
                self.lease = Some(lease);
                link.give(address, lease.gateway)?;
                format!("{name} has {address}")
            }
            Addressing::Dhcp => {
                self.number += 1;
                self.client = Some(dhcp::Client::begin(&link, self.number, self.events.clone()));
                self.link = Some(link);
                format!("{name} asks DHCP for an address")
            }
        };
        Ok(said)
    }

    fn take_down(&mut self) {
        self.client = None;
        let (link, lease) = (self.link.take(), self.lease.take());
        if let Some(link) = link {
            lease.iter().for_each(|lease| link.take(lease.address));
            link.take_down();
        }
    }

    /// Takes in news of the address.
    pub(crate) fn hear(&mut self, number: u64, news: News) -> Changed {
        let Some(link) =
            self.link.clone().filter(|_| number == self.number && self.client.is_some())
        else {
            return Changed::default();
        };
        let (before, name) = (self.lease, link.name.clone());
        let (lease, trouble) = match news {
            News::Lent(lease) => (Some(lease), None),
            News::None(why) => (None, Some(why)),
        };
        let mut says = None;
        if lease != before {
            before.iter().for_each(|lease| link.take(lease.address));
            self.lease = None;
            says = trouble.clone();
            if let Some(lease) = lease {
                self.lease = Some(lease);
                let address = lease.address;
                says = Some(match link.give(address, lease.gateway) {
                    Ok(()) => format!("{name} has {address}, lent by DHCP"),
                    Err(error) => chain(&error),
                });
            }
        } else if self.trouble != trouble {
            says = trouble.clone();
        }
        self.trouble = trouble;
        self.write_status();
        Changed { reached: lease.map(|l| l.address) != before.map(|l| l.address), says }
    }

    /// Looks for what the server asks, and whether a trial has ended.
    pub(crate) fn see_to(&mut self) -> Result<Changed, Error> {
        let Some(folder) = self.folder.clone() else { return Ok(Changed::default()) };
        if let Some(read) = taken::<Confirmation>(&folder.join(files::CONFIRMATION)) {
            let change = read?.change;
            if self.trial().is_some_and(|trial| trial.change == change) {
                return self.keep();
            }
        }
        if let Some(read) = taken::<Request>(&folder.join(files::REQUEST)) {
            return match read {
                Ok(request) => self.begin(request, false),
                Err(error) => self.refuse(None, self.held.clone(), chain(&error)),
            };
        }
        if self.trial.as_ref().is_some_and(|(_, ends)| *ends <= Instant::now()) {
            let minutes = self.trial_within.as_secs().div_ceil(60);
            return self
                .put_back(Became::PutBack, format!("nobody confirmed it within {minutes} min"));
        }
        Ok(Changed::default())
    }

    /// Tries what a person before the machine typed, and keeps it when they say so.
    pub(crate) fn try_there(&mut self, settings: Settings) -> Result<Changed, Error> {
        let millis = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        let change = ulid::Ulid::from_parts(millis, 0).to_string().parse();
        let change =
            change.map_err(|error: ids::NameError| Error::NoAddress { why: error.to_string() })?;
        self.begin(Request { change, settings }, true)
    }

    /// Begins the trial of a change.
    fn begin(
        &mut self,
        Request { change, settings }: Request,
        is_there: bool,
    ) -> Result<Changed, Error> {
        if self.trial.is_some() {
            let why = "another change is on trial".to_owned();
            return self.refuse(Some(change), settings, why);
        }
        let until = Timestamp::now()
            .checked_add(self.trial_within)
            .map_err(|error| Error::NoAddress { why: error.to_string() })?;
        let says = format!("On trial until {until:.0}: {settings}.");
        let trial = Trial { change, settings, until };
        self.trial = Some((trial, Instant::now() + self.trial_within));
        self.is_there = is_there;
        match self.bring_up() {
            Ok(_) => Ok(Changed { reached: true, says: Some(says) }),
            Err(error) => self.put_back(Became::Refused, chain(&error)),
        }
    }

    /// Keeps a change that was confirmed.
    pub(crate) fn keep(&mut self) -> Result<Changed, Error> {
        let Some((trial, _)) = &self.trial else { return Ok(Changed::default()) };
        settings::write(&kept_file(), &trial.settings)?;
        let (change, settings) = (trial.change.clone(), trial.settings.clone());
        let says = format!("The network is kept: {settings}.");
        self.trial = None;
        self.held = settings.clone();
        match self.is_there {
            true => self.settle(None, Became::SetThere, settings, None)?,
            false => self.settle(Some(change), Became::Kept, settings, None)?,
        }
        Ok(Changed { reached: false, says: Some(says) })
    }

    /// Ends a trial with what held before.
    fn put_back(&mut self, became: Became, why: String) -> Result<Changed, Error> {
        let Some((trial, _)) = self.trial.take() else { return Ok(Changed::default()) };
        // The network first: what is said of it can wait.
        let up = self.bring_up();
        let change = (!self.is_there).then_some(trial.change);
        self.settle(change, became, trial.settings, Some(why.clone()))?;
        up?;
        let says = format!("The network is as before ({}): {why}.", self.held);
        Ok(Changed { reached: true, says: Some(says) })
    }

    fn refuse(
        &mut self,
        change: Option<RecordId>,
        settings: Settings,
        why: String,
    ) -> Result<Changed, Error> {
        let says = Some(format!("A change of the network was refused: {why}."));
        self.settle(change, Became::Refused, settings, Some(why))?;
        Ok(Changed { reached: false, says })
    }

    /// Takes what a person set before the machine, unless it holds.
    pub(crate) fn set_there(&mut self, settings: Settings) -> Result<Changed, Error> {
        if self.held == settings || self.trial.is_some() {
            return Ok(Changed::default());
        }
        settings::write(&kept_file(), &settings)?;
        self.held = settings.clone();
        let up = self.bring_up();
        let says = format!("The network was set here: {settings}.");
        self.settle(None, Became::SetThere, settings, None)?;
        up?;
        Ok(Changed { reached: true, says: Some(says) })
    }

    /// Leaves word of what became of a change.
    fn settle(
        &mut self,
        change: Option<RecordId>,
        became: Became,
        settings: Settings,
        why: Option<String>,
    ) -> Result<(), Error> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let outcome = Outcome { change, became, settings, why, settled: Timestamp::now() };
        write_json(&folder.join(files::OUTCOME), &outcome)?;
        self.write_status();
        Ok(())
    }

    /// Says how the network stands, where that is another way than was said last.
    fn write_status(&mut self) {
        let Some(folder) = &self.folder else { return };
        let status = Status {
            settings: self.held.clone(),
            address: self.address(),
            interface: self.link.as_ref().map(|link| link.name.clone()),
            interfaces: netlink::wired(),
            trouble: self.trouble.clone(),
            trial: self.trial().cloned(),
        };
        if self.written.as_ref() == Some(&status) {
            return;
        }
        match write_json(&folder.join(files::STATUS), &status) {
            Ok(()) => self.written = Some(status),
            Err(error) => self.trouble = Some(chain(&error)),
        }
    }
}

/// Where the settings that hold are kept.
fn kept_file() -> PathBuf {
    Path::new(data::AT).join("settings/network.toml")
}

/// Ends a trial during which the machine was started again: it is kept where a person had confirmed it, and then these are
/// its settings; else it is as if nobody had in time.
fn end_last_trial(folder: &Path, kept: &Path) -> Result<Option<Settings>, Error> {
    let status = folder.join(files::STATUS);
    if !status.exists() {
        return Ok(None);
    }
    let told =
        |error: serde_json::Error| Error::Settings { path: status.clone(), why: error.to_string() };
    let before: Status =
        serde_json::from_slice(&bounded(&status, FILE_BYTES_MAX)?).map_err(told)?;
    let Some(Trial { change, settings, .. }) = before.trial else { return Ok(None) };
    let confirmed = taken::<Confirmation>(&folder.join(files::CONFIRMATION));
    let is_confirmed = confirmed.and_then(Result::ok).is_some_and(|word| word.change == change);
    let (became, why) = match is_confirmed {
        true => (Became::Kept, None),
        false => (
            Became::PutBack,
            Some("the machine was started again before anybody confirmed it".to_owned()),
        ),
    };
    if is_confirmed {
        settings::write(kept, &settings)?;
    }
    let outcome = Outcome {
        change: Some(change),
        became,
        settings: settings.clone(),
        why,
        settled: Timestamp::now(),
    };
    write_json(&folder.join(files::OUTCOME), &outcome)?;
    // It has ended, whatever comes next.
    write_json(&status, &Status { trial: None, ..before })?;
    Ok(is_confirmed.then_some(settings))
}

/// A file that the server left, which is taken away; `None` where there is none.
fn taken<T: DeserializeOwned>(path: &Path) -> Option<Result<T, Error>> {
    fs::symlink_metadata(path).ok()?;
    let read = bounded(path, FILE_BYTES_MAX);
    drop(fs::remove_file(path));
    let told = |error: serde_json::Error| Error::Settings {
        path: path.to_owned(),
        why: error.to_string(),
    };
    Some(read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(told)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_trial_that_a_start_cut_short_is_put_back_unless_a_person_had_confirmed_it() {
        let scratch = tempfile::tempdir().unwrap();
        let (folder, kept) = (scratch.path(), scratch.path().join("network.toml"));
        fs::create_dir(folder.join(files::IN)).unwrap();
        assert_eq!(end_last_trial(folder, &kept).unwrap(), None);
        let settings: Settings = serde_json::from_str(r#"{"address":"192.0.2.9/24"}"#).unwrap();
        let change: RecordId = "01ARZ3NDEKTSV4RRFFQ69G5FB0".parse().unwrap();
        let until = "2026-11-29T10:00:00Z".parse().unwrap();
        let trial = Trial { change: change.clone(), settings: settings.clone(), until };
        let begin = || {
            let status = Status { trial: Some(trial.clone()), ..Status::default() };
            write_json(&folder.join(files::STATUS), &status).unwrap();
        };
        let outcome = || -> Outcome {
            serde_json::from_slice(&fs::read(folder.join(files::OUTCOME)).unwrap()).unwrap()
        };
        let confirm = |change: &str| {
            let word = Confirmation { change: change.parse().unwrap() };
            write_json(&folder.join(files::CONFIRMATION), &word).unwrap();
        };

        begin();
        assert_eq!(end_last_trial(folder, &kept).unwrap(), None);
        assert_eq!(outcome().became, Became::PutBack);
        fs::remove_file(folder.join(files::OUTCOME)).unwrap();
        assert_eq!(end_last_trial(folder, &kept).unwrap(), None);
        assert!(!folder.join(files::OUTCOME).exists(), "it was told twice");

        begin();
        confirm("01ARZ3NDEKTSV4RRFFQ69G5FB1");
        assert_eq!(end_last_trial(folder, &kept).unwrap(), None, "another change was confirmed");
        assert!(outcome().became == Became::PutBack && !kept.exists());

        begin();
        confirm(change.as_str());
        assert_eq!(end_last_trial(folder, &kept).unwrap(), Some(settings.clone()));
        assert_eq!((outcome().became, outcome().change), (Became::Kept, Some(change)));
        assert_eq!(settings::read::<Settings>(&kept).unwrap(), settings);
        assert!(!folder.join(files::CONFIRMATION).exists());
    }
}
