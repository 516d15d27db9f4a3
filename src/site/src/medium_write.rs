//! Writing a file to a medium that a person names: audit bundles and the receipt.
//!
//! The server may not touch a device: PID 1 has the file written, confined ([`media::Order`]), and leaves word of what became
//! of it. The medium has a custody record, as one has that comes in.

use crate::{Error, PresentMedium, Site, audit::Scope, custody, keys::record_id, present};
use fleet::{Actor, ApplianceCommand, Command, Custody, MediumWrite, SettledWrite};
use ids::{Digest, RecordId};
use media::{Order, WORD_BYTES_MAX, Written, write_files as files};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Longest reason that goes into the log, in characters.
const WHY_CHARS_MAX: usize = 300;

impl Site {
    /// Says in which folder PID 1 takes files that it writes to media: `in` in it is written to, the rest is read.
    pub fn media_are_written_in(&self, folder: PathBuf) {
        self.first_program().writes.get_or_init(|| folder);
    }

    /// The media that a file can be written to, by path; `None` where that cannot be done from here.
    #[must_use]
    pub fn writable_media(&self) -> Option<Vec<PresentMedium>> {
        self.first_program().writes.get()?;
        Some(self.plugged_in().into_iter().filter_map(present::writable).collect())
    }

    /// What was to be written to a medium last, and what became of it.
    #[must_use]
    pub fn medium_write(&self) -> Option<MediumWrite> {
        self.state().medium_write.clone()
    }

    /// Has an audit bundle written to a medium.
    ///
    /// # Errors
    /// As [`Site::write_receipt`], and as [`Site::audit_bundle`].
    pub fn write_audit_bundle(
        &self,
        actor: &Actor,
        scope: Scope,
        at: &Path,
    ) -> Result<RecordId, Error> {
        let make = || self.audit_bundle(actor.clone(), scope).map(|(zip, _)| zip);
        self.write_to_medium(actor, at, ["audit", "zip"], make)
    }

    /// Has the site's receipt written to a medium.
    ///
    /// # Errors
    /// [`Error::MediumWrite`] where that cannot be now; [`Error::Busy`] while an import reads media; [`Error::Folder`] where the
    /// file cannot be handed over.
    pub fn write_receipt(&self, actor: &Actor, at: &Path) -> Result<RecordId, Error> {
        let make = || serde_json::to_vec_pretty(&self.receipt()?).map_err(Error::State);
        self.write_to_medium(actor, at, ["receipt", "json"], make)
    }

    /// The medium, where a file may be written to it now.
    fn may_write(&self, at: &Path) -> Result<PresentMedium, Error> {
        let told = |why: &str| Error::MediumWrite(why.to_owned());
        let Some(media) = self.writable_media() else {
            return Err(told("this appliance runs on another system, which has its own media"));
        };
        // Its files cannot be read while it is written to.
        if self.importing.try_lock().is_err() {
            return Err(Error::Busy);
        }
        let found = media.into_iter().find(|medium| medium.path == at);
        found.ok_or_else(|| told("it is not there any more, or cannot be written to"))
    }

    /// Has a file written that is made once it is known that it can be: a name that begins and ends so has the time in it.
    fn write_to_medium(
        &self,
        actor: &Actor,
        at: &Path,
        [begins, ends]: [&str; 2],
        make: impl FnOnce() -> Result<Vec<u8>, Error>,
    ) -> Result<RecordId, Error> {
        let medium = self.may_write(at)?;
        let told = |why: &str| Error::MediumWrite(why.to_owned());
        let one = self.first_program().handing_over.try_lock();
        let folder = self.first_program().writes.get().filter(|_| one.is_ok());
        let free = |folder: &&PathBuf| self.disk().len(&folder.join(files::ORDER)).is_err();
        let Some(folder) = folder.filter(free) else {
            return Err(told("the file before is still being written; wait a moment"));
        };
        let name = format!("{begins}-{}.{ends}", self.now().strftime("%Y%m%d-%H%M%S"));
        let bytes = make()?;
        let path = folder.join(files::FILE);
        self.disk().write_atomic(&path, &bytes).map_err(|source| Error::Folder { path, source })?;
        let custody = record_id(self.now())?;
        let record = self.outgoing(actor, medium.seen, &custody, &name)?;
        let (sha256, bytes) = (Digest::of(&bytes), bytes.len() as u64);
        let record = self.commit(json!(record))?;
        let order = Order { custody: custody.clone(), at: at.to_owned(), name, sha256 };
        let (name, written) = (order.name.clone(), custody.clone());
        // The log first: what is asked of PID 1 is never more than the log says.
        self.heart().ask(
            actor.clone(),
            Command::Appliance(ApplianceCommand::AskMediumWrite {
                custody: written,
                record,
                name,
                sha256,
                bytes,
            }),
        )?;
        self.leave_word(&folder.join(files::ORDER), &order)?;
        Ok(custody)
    }

    /// The custody record of a medium that is written here.
    fn outgoing(
        &self,
        actor: &Actor,
        seen: Custody,
        custody: &RecordId,
        name: &str,
    ) -> Result<Custody, Error> {
        let person = match actor {
            Actor::Person { person, .. } => Some(person.clone()),
            _ => None,
        };
        Ok(Custody {
            schema_version: custody::SCHEMA,
            direction: "export".to_owned(),
            custody_id: Some(custody.clone()),
            appliance_id: Some(self.state().origin.clone()),
            purpose: Some(format!("to carry {name}")),
            source_site: Some(self.name()?.to_string()),
            written_by_person_id: person,
            written_at: Some(self.now()),
            ..seen
        })
    }

    /// Says in the log what became of a file, once. A restored appliance says nothing.
    ///
    /// # Errors
    /// [`Error::Folder`] or [`Error::Input`] where the word of it cannot be read; [`Error::Ledger`] or [`Error::Stopped`].
    pub fn see_to_medium_write(&self) -> Result<(), Error> {
        let folder = self.first_program().writes.get().filter(|_| self.restored().is_none());
        // While one is handed over, the log may say so before the order is there.
        let (Some(folder), Ok(_one)) = (folder, self.first_program().handing_over.try_lock())
        else {
            return Ok(());
        };
        let waits = self.medium_write().filter(|write| write.settled.is_none());
        let Some(MediumWrite { custody, .. }) = waits else { return Ok(()) };
        // The order goes once its outcome is there.
        let is_asked = self.disk().len(&folder.join(files::ORDER)).is_ok();
        let word: Option<Written> = self.word(&folder.join(files::WRITTEN), WORD_BYTES_MAX)?;
        let settled = match word.filter(|word| word.custody == custody) {
            Some(word) => SettledWrite { at: word.at, why: word.why.map(plain) },
            None if is_asked => return Ok(()),
            None => {
                let why = Some("the appliance was interrupted before it was asked to".to_owned());
                SettledWrite { at: self.now(), why }
            }
        };
        let command = ApplianceCommand::SettleMediumWrite { custody, settled };
        self.heart().ask(Actor::Appliance, Command::Appliance(command)).map(drop)
    }
}

fn plain(why: String) -> String {
    why.chars().filter(|c| !c.is_control()).take(WHY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
