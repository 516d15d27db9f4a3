//! How the appliance is reached: how that stands, asking for a change, confirming it, and what became of it.
//!
//! The server may not touch the network: PID 1 does ([`::network`]), takes a change on trial, and leaves word of it.

use crate::{Error, Site, keys::record_id};
use ::network::{Confirmation, FILE_BYTES_MAX, Outcome, Request, Settings, Status, Trial, files};
use fleet::{Actor, ApplianceCommand, Command};
use ids::RecordId;
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The folder that PID 1 and the server share; none on a desk or in a package.
#[derive(Debug, Default)]
pub(crate) struct SharedFolder(Mutex<Option<PathBuf>>);

impl SharedFolder {
    fn held(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the appliance stands with its network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// What its first program says; `None` where the appliance runs on another system, which has its own network.
    pub now: Option<Status>,
    /// Whether a change was asked for and is not taken yet.
    pub waits: bool,
    /// What became of the last change.
    pub last: Option<Outcome>,
}

impl Site {
    /// Says in which folder PID 1 takes changes of the network: `in` in it is written to, the rest is read.
    pub fn network_in(&self, folder: PathBuf) {
        *self.shared_folder().held() = Some(folder);
    }

    /// How the appliance is reached, and what became of the last change.
    ///
    /// # Errors
    /// [`Error::Folder`] or [`Error::Input`] where PID 1's word cannot be read.
    pub fn network(&self) -> Result<NetworkStatus, Error> {
        let folder = self.shared_folder().held().clone();
        let (mut now, mut waits) = (None, false);
        if let Some(folder) = folder {
            now = self.word(&folder.join(files::STATUS), FILE_BYTES_MAX)?;
            waits = self.disk().len(&folder.join(files::REQUEST)).is_ok();
        }
        Ok(NetworkStatus { now, waits, last: self.state().network_settled.clone() })
    }

    /// Asks for a change: PID 1 takes it within seconds, on trial.
    ///
    /// # Errors
    /// [`Error::Network`] where that cannot be now; [`Error::Folder`] where it cannot be written. What holds goes on
    /// in each case.
    pub fn ask_network_change(&self, actor: Actor, settings: Settings) -> Result<Request, Error> {
        let told = |why: &str| Error::Network(why.to_owned());
        // Held to the end: one is asked for at a time.
        let folder = self.shared_folder().held();
        let Some(folder) = folder.as_ref() else {
            return Err(told("this appliance runs on another system, which has its own network"));
        };
        let status: Option<Status> = self.word(&folder.join(files::STATUS), FILE_BYTES_MAX)?;
        let path = folder.join(files::REQUEST);
        if self.disk().len(&path).is_ok() {
            return Err(told("the change before was not taken yet; wait a moment"));
        }
        if status.as_ref().is_some_and(|status| status.trial.is_some()) {
            return Err(told("another change is on trial: confirm it, or wait until it has ended"));
        }
        if status.is_some_and(|status| status.settings == settings) {
            return Err(told("that is how it is reached already"));
        }
        let request = Request { change: record_id(self.now())?, settings };
        // The log first: what is asked of PID 1 is never more than the log says.
        let Request { change, settings } = request.clone();
        self.heart().ask(
            actor,
            Command::Appliance(ApplianceCommand::AskNetworkChange { change, settings }),
        )?;
        self.leave_word(&path, &request)?;
        Ok(request)
    }

    /// Confirms the change on trial: it is kept.
    ///
    /// # Errors
    /// [`Error::Network`] where this one is not on trial; [`Error::Folder`] where it cannot be written.
    pub fn confirm_network_change(&self, actor: Actor, change: &RecordId) -> Result<Trial, Error> {
        let folder = self.shared_folder().held();
        let mut status: Option<Status> = None;
        if let Some(folder) = folder.as_ref() {
            status = self.word(&folder.join(files::STATUS), FILE_BYTES_MAX)?;
        }
        let trial = status.and_then(|status| status.trial);
        let (Some(folder), Some(trial)) =
            (folder.as_ref(), trial.filter(|trial| trial.change == *change))
        else {
            return Err(Error::Network("this change is not on trial".to_owned()));
        };
        self.heart().ask(
            actor,
            Command::Appliance(ApplianceCommand::ConfirmNetworkChange { change: change.clone() }),
        )?;
        let word = Confirmation { change: change.clone() };
        self.leave_word(&folder.join(files::CONFIRMATION), &word)?;
        Ok(trial)
    }

    /// Says in the log what became of a change, once. A restored appliance says nothing.
    ///
    /// # Errors
    /// [`Error::Folder`] or [`Error::Input`] where the word of it cannot be read; [`Error::Ledger`] or
    /// [`Error::Stopped`].
    pub fn see_to_network(&self) -> Result<(), Error> {
        let folder = self.shared_folder().held().clone();
        let Some(folder) = folder.filter(|_| self.restored().is_none()) else { return Ok(()) };
        let outcome: Option<Outcome> = self.word(&folder.join(files::OUTCOME), FILE_BYTES_MAX)?;
        let known = self.state().network_settled.clone();
        match outcome {
            Some(outcome) if known.as_ref() != Some(&outcome) => self
                .heart()
                .ask(Actor::Appliance, Command::Appliance(ApplianceCommand::SettleNetwork(outcome)))
                .map(drop),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
