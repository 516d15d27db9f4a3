//! Writing a file to a medium that a person names: audit bundles and the receipt.
//!
//! The server may not touch a device: PID 1 has the file written, confined ([`media::Order`]), and leaves word of what became
//! of it. The medium has a custody record, as one has that comes in.

use crate::{Error, PresentMedium, Site, audit::Scope, custody, keys::record_id, present};
use fleet::{Actor, ApplianceCommand, Command, Custody, MediumWrite, SettledWrite};
use ids::{Digest, RecordId};
use media::{Order, WORD_BYTES_MAX, Written, is_name, write_files as files};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Longest reason that goes into the log, in characters.
const WHY_CHARS_MAX: usize = 300;

impl Site {
    /// Says in which folder PID 1 takes files that it writes to media: `in` in it is written to, the rest is read.
    pub fn media_are_written_in(&self, folder: PathBuf) {
        *self.first_program().writes.held() = Some(folder);
    }

    /// The media that a file can be written to, by path; `None` where that cannot be done from here.
    #[must_use]
    pub fn writable_media(&self) -> Option<Vec<PresentMedium>> {
        self.first_program().writes.held().as_ref()?;
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
        // Before anything is said of an export that then goes nowhere.
        self.may_write(at)?;
        let (zip, _) = self.audit_bundle(actor.clone(), scope)?;
        let name = format!("audit-{}.zip", self.now().strftime("%Y%m%d-%H%M%S"));
        self.write_to_medium(actor, at, name, &zip)
    }

    /// Has the site's receipt written to a medium.
    ///
    /// # Errors
    /// [`Error::MediumWrite`] where that cannot be now; [`Error::Busy`] while an import reads media; [`Error::Folder`] where the
    /// file cannot be handed over.
    pub fn write_receipt(&self, actor: &Actor, at: &Path) -> Result<RecordId, Error> {
        self.may_write(at)?;
        let receipt = serde_json::to_vec_pretty(&self.receipt()?).map_err(Error::State)?;
        let name = format!("receipt-{}.json", self.now().strftime("%Y%m%d-%H%M%S"));
        self.write_to_medium(actor, at, name, &receipt)
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

    fn write_to_medium(
        &self,
        actor: &Actor,
        at: &Path,
        name: String,
        bytes: &[u8],
    ) -> Result<RecordId, Error> {
        let medium = self.may_write(at)?;
        let told = |why: &str| Error::MediumWrite(why.to_owned());
        if !is_name(&name) {
            return Err(told("the file's name is none that every computer takes"));
        }
        // Held to the end: one is written at a time.
        let folder = self.first_program().writes.held();
        let Some(folder) = folder.as_ref() else { return Err(told("nobody writes to media here")) };
        if self.disk().len(&folder.join(files::ORDER)).is_ok() {
            return Err(told("the file before is still being written; wait a moment"));
        }
        let path = folder.join(files::FILE);
        self.disk().write_atomic(&path, bytes).map_err(|source| Error::Folder { path, source })?;
        let custody = record_id(self.now())?;
        let record = self.outgoing(actor, medium.seen, &custody, &name)?;
        let (sha256, bytes) = (Digest::of(bytes), bytes.len() as u64);
        let record = self.commit(json!(record))?;
        let order = Order { custody: custody.clone(), at: at.to_owned(), name, bytes, sha256 };
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
        let folder = self.first_program().writes.held();
        let Some(folder) = folder.as_ref().filter(|_| self.restored().is_none()) else {
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
