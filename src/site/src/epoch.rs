//! A new epoch: a restored appliance goes on in a new log, under a site root that at least two people
//! signed.
//!
//! Opening has one commit, the file `recovery/opened`: before it the next log is in the making and
//! counts for nothing; after it [`finish`] puts it in its place at the next start, again after a crash,
//! and the log before stays as it was in `ledger-epoch-N`.

use crate::{Error, Folder, Restored, Site, approval::IMPORTS_MAX, keys, rows, site_root::Chain};
use durable::Disk;
use fleet::{Actor, Command, Epoch, Event, State};
use ids::{PersonId, SourceId};
use ledger::{FileLedger, Ledger};
use merkle::{KeyKind, VerifierKey};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fs, io, path::Path, sync::Arc};
use trust::{Envelope, LogIdentity, SiteRoot, Verified};

/// Fewest people who open an epoch, whatever the site root's threshold is.
const PEOPLE_MIN: usize = 2;
/// Longest state that is carried over, in bytes.
pub(crate) const STATE_BYTES_MAX: u64 = 1 << 30;

/// What [`finish`] does: the log of `before` gives its place up.
#[derive(Serialize, Deserialize)]
struct Opened {
    before: u32,
}

impl Site {
    /// The log that the next site root names: this one, or, on a restored appliance, the next epoch's,
    /// whose key is made for it.
    pub(crate) fn log_to_name(&self, newest: Option<&SiteRoot>) -> Result<LogIdentity, Error> {
        let epoch = self.state().epoch();
        let Some(_) = self.restored() else {
            return Ok(LogIdentity { epoch, key: self.log_key().to_string() });
        };
        // A root that is newer than the backup may name a later epoch already, which was lost too.
        let epoch = newest.map_or(epoch, |root| root.log.epoch.max(epoch)) + 1;
        let next = self.next_folder();
        let origin = format!("patchkeep.invalid/{}/epoch-{epoch}", self.name()?);
        let known = next.origin(self.disk()).is_ok_and(|known| known == origin);
        if !known || self.next_key(&origin).is_err() {
            keys::create(self.disk(), &next, keys::Purpose::Log)?;
            let path = next.origin_file();
            let written = self.disk().write_atomic(&path, format!("{origin}\n").as_bytes());
            written.map_err(|source| Error::Folder { path, source })?;
        }
        Ok(LogIdentity { epoch, key: self.next_key(&origin)?.to_string() })
    }

    /// Where the next log is made: a data folder in small.
    fn next_folder(&self) -> Folder {
        Folder::at(&self.folder().recovery())
    }

    fn next_key(&self, origin: &str) -> Result<VerifierKey, Error> {
        let key = keys::load(self.disk(), &self.next_folder(), keys::Purpose::Log)?;
        VerifierKey::new(origin, KeyKind::Ed25519, key.verifying_key())
            .map_err(|e| Error::Input(e.to_string()))
    }

    /// Takes a site root on a restored appliance. One that names the next log opens its epoch; another
    /// one is newer than the backup, and is known from here on.
    ///
    /// # Errors
    /// [`Error::Input`] with fewer than two people's signatures, or for a held checkpoint that
    /// contradicts the backup: the appliance only reads, as before.
    pub(crate) fn recover_with(
        &self,
        actor: Actor,
        envelope: &Envelope,
        root: &Verified<SiteRoot>,
        before: &Chain,
        held: &[String],
    ) -> Result<(), Error> {
        let newest = before.newest.as_ref().map(|(root, _)| &**root);
        if root.log != self.log_to_name(newest)? {
            return self.know_root(envelope, root.generation);
        }
        let roots: Vec<&SiteRoot> = newest.into_iter().chain([&**root]).collect();
        let people = SiteRoot::signers(envelope, &roots).map_err(Error::Denied)?;
        if people.len() < PEOPLE_MIN {
            return Err(Error::Input(format!(
                "{} administrator signed this root, and a new epoch takes {PEOPLE_MIN}, whatever the \
                 threshold is: nothing was opened; have another one sign it",
                people.len()
            )));
        }
        self.open_epoch(actor, envelope, root, before, held)
    }

    /// Keeps a site root that is newer than the backup.
    fn know_root(&self, envelope: &Envelope, generation: u64) -> Result<(), Error> {
        let folder = self.folder().recovery().join("roots");
        // Ten digits, so that names sort as numbers do.
        let path = folder.join(format!("{generation:010}.json"));
        let kept = self.disk().create_dir_all(&folder);
        let kept = kept.and_then(|()| self.disk().write_atomic(&path, &envelope.to_bytes()));
        kept.map_err(|source| Error::Folder { path, source })
    }

    /// Site roots that are newer than the backup, oldest first.
    pub(crate) fn later_roots(&self) -> Result<Vec<Envelope>, Error> {
        let folder = self.folder().recovery().join("roots");
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Folder { path, source }
        };
        let names = match self.disk().list(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(fail(&folder))?,
        };
        let read = |name: &String| {
            let bytes = self.disk().read(&folder.join(name)).map_err(fail(&folder.join(name)))?;
            Envelope::parse(&bytes).map_err(Error::Denied)
        };
        names.iter().map(read).collect()
    }

    /// Makes the next log with its first entries, and commits to it.
    fn open_epoch(
        &self,
        actor: Actor,
        envelope: &Envelope,
        root: &Verified<SiteRoot>,
        before: &Chain,
        held: &[String],
    ) -> Result<(), Error> {
        let (next, disk) = (self.next_folder(), Arc::clone(self.shared_disk()));
        let epoch = Box::new(self.epoch_after(root, held)?);
        let json = self.store().read(&epoch.state, STATE_BYTES_MAX).map_err(Error::Store)?;
        let state = State::carried(&json, &epoch).map_err(Error::Carried)?;
        let mut roots = Vec::new();
        for (envelope, root) in before.later.iter().map(|(e, r)| (e, r)).chain([(envelope, root)]) {
            roots.push((self.keep(&envelope.to_bytes())?, root.clone()));
        }
        let (origin, now) = (epoch.origin.clone(), self.now());
        let command = Command::OpenEpoch { epoch, roots };
        let facts = fleet::decide(&state, command, now).map_err(Error::Refused)?;
        let mut entries = Vec::new();
        for (index, fact) in (0..).zip(facts) {
            let event = Event { at: now, actor: actor.clone(), fact };
            entries.push(fleet::encode(&event).map_err(|source| Error::Entry { index, source })?);
        }
        // What an attempt that was cut short left counts for nothing.
        drop(fs::remove_dir_all(next.ledger()));
        let key = keys::load(disk.as_ref(), &next, keys::Purpose::Log)?;
        let log = FileLedger::create(Arc::clone(&disk), &next.ledger(), &origin, key);
        let mut log = log.map_err(Error::OpenLedger)?;
        log.append(entries).map_err(Error::OpenLedger)?;
        log.close().map_err(Error::OpenLedger)?;
        let path = next.path().join("opened");
        let opened = Opened { before: self.state().epoch() };
        let bytes = serde_json::to_vec(&opened).map_err(Error::State)?;
        disk.write_atomic(&path, &bytes).map_err(|source| Error::Folder { path, source })
    }

    /// What the next epoch goes on from.
    fn epoch_after(&self, root: &SiteRoot, held: &[String]) -> Result<Epoch, Error> {
        let Some(Restored { backup_at, .. }) = self.restored().cloned() else {
            return Err(Error::Input("this appliance was not restored".to_owned()));
        };
        let contradicted = self.folder().recovery().join("contradicted");
        if contradicted.exists() {
            return Err(Error::Input(format!(
                "an endpoint holds a checkpoint that this backup's log does not lead to ({}): no epoch \
                 is opened; restore another backup, and find out who had the log's key",
                contradicted.display()
            )));
        }
        let state = self.state();
        let log = self.published_log()?;
        let mut newest = self.newest_held()?;
        for seen in self.roster().all_held() {
            newest = newest.into_iter().chain(self.judge_held(&seen.note)).max_by_key(|h| h.size);
        }
        for note in held {
            newest = newest.into_iter().chain([self.judge_held(note)?]).max_by_key(|h| h.size);
        }
        let size = log.checkpoint().size;
        let newer = newest.filter(|held| held.size > size);
        let origin = self.next_folder().origin(self.disk())?;
        let audit = keys::load(self.disk(), self.folder(), keys::Purpose::Audit)?;
        Ok(Epoch {
            epoch: root.log.epoch,
            keys: vec![
                ("log".to_owned(), self.next_key(&origin)?.to_string()),
                ("audit".to_owned(), keys::openssh(&audit)),
            ],
            origin,
            previous_origin: state.origin.clone(),
            previous_key: self.log_key().to_string(),
            previous_size: size,
            previous_root: log.checkpoint().root,
            previous_checkpoint: self.keep(log.note().as_bytes())?,
            backup_at,
            newest_held: newer.as_ref().map_or(size, |held| held.size),
            held: newer.map(|held| self.keep(held.note.as_bytes())).transpose()?,
            state: self.keep(&serde_json::to_vec(&*state).map_err(Error::State)?)?,
            missing: self.missing_files()?,
            importers: self.importers_of_kept_views()?,
        })
    }

    /// How many files the store lacks of each kept view.
    fn missing_files(&self) -> Result<Vec<(SourceId, u64, u64)>, Error> {
        let mut counts = Vec::new();
        for ((source, sequence), view) in &self.state().views {
            let catalogue = self.catalogue(source, &view.source.catalogue)?;
            let lacks = catalogue.files.iter().filter(|f| !self.store().has(&f.sha256)).count();
            if lacks as u64 != view.missing {
                counts.push((source.clone(), *sequence, lacks as u64));
            }
        }
        Ok(counts)
    }

    /// Who imported, or carried payloads to, what the kept views hold, in this epoch or before.
    fn importers_of_kept_views(&self) -> Result<Vec<PersonId>, Error> {
        let rows =
            self.heart().views().rows::<rows::ImporterRow>(rows::IMPORTERS, b"", IMPORTS_MAX);
        let people = rows.map_err(Error::Views)?.into_iter().map(|(_, row)| row.person);
        let all: BTreeSet<PersonId> =
            people.chain(self.state().importers_before.iter().cloned()).collect();
        Ok(all.into_iter().collect())
    }
}

/// Puts the log of an epoch that was opened in its place. Does nothing twice, and nothing where none
/// was opened.
///
/// # Errors
/// [`Error::Folder`]; the next start goes on with it.
pub(crate) fn finish(disk: &dyn Disk, folder: &Folder) -> Result<(), Error> {
    let recovery = folder.recovery();
    let done = folder.path().join("recovery-done");
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Folder { path, source }
    };
    let path = recovery.join("opened");
    if let Ok(bytes) = disk.read(&path) {
        let opened = serde_json::from_slice(&bytes).map_err(io::Error::from);
        let Opened { before } = opened.map_err(fail(&path))?;
        let (next, frozen) = (Folder::at(&recovery), folder.frozen(before));
        if next.ledger().exists() {
            if !frozen.exists() {
                disk.rename(&folder.ledger(), &frozen).map_err(fail(&frozen))?;
            }
            disk.rename(&next.ledger(), &folder.ledger()).map_err(fail(&folder.ledger()))?;
        }
        let origin = next.origin(disk)?;
        let file = folder.origin_file();
        disk.write_atomic(&file, format!("{origin}\n").as_bytes()).map_err(fail(&file))?;
        // The key of the log before goes: nobody shall sign in that log again.
        let key = keys::path(&next, keys::Purpose::Log);
        if key.exists() {
            let place = keys::path(folder, keys::Purpose::Log);
            disk.rename(&key, &place).map_err(fail(&place))?;
        }
        drop(disk.remove(&folder.state().join("state.json")));
        disk.sync_filesystem(folder.path()).map_err(fail(folder.path()))?;
        // At once, so that no mark of the restored stays behind without this file.
        disk.rename(&recovery, &done).map_err(fail(&recovery))?;
        disk.sync_dir(folder.path()).map_err(fail(folder.path()))?;
    }
    if done.exists() {
        fs::remove_dir_all(&done).map_err(fail(&done))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use durable::{Failure, FaultyDisk, RealDisk};

    /// A data folder in which an epoch was opened and nothing moved yet.
    fn opened(folder: &Folder) {
        let next = Folder::at(&folder.recovery());
        for dir in [folder.ledger(), folder.keys(), folder.state(), next.ledger(), next.keys()] {
            fs::create_dir_all(dir).unwrap();
        }
        for (at, age) in [(folder, "old"), (&next, "new")] {
            fs::write(at.ledger().join("checkpoint"), age).unwrap();
            fs::write(at.origin_file(), age).unwrap();
            fs::write(keys::path(at, keys::Purpose::Log), age).unwrap();
        }
        fs::write(folder.state().join("state.json"), "old").unwrap();
        fs::write(folder.recovery().join("restored.json"), "{}").unwrap();
        fs::write(folder.recovery().join("opened"), r#"{"before":1}"#).unwrap();
    }

    #[test]
    fn an_opened_epoch_takes_its_place_whatever_step_was_cut_short() {
        let steps = {
            let dir = tempfile::tempdir().unwrap();
            let folder = Folder::at(dir.path());
            opened(&folder);
            let disk = FaultyDisk::new(Arc::new(RealDisk));
            finish(&disk, &folder).unwrap();
            disk.operations()
        };
        assert!(steps >= 7, "{steps}");
        for failure in [Failure::Before, Failure::After] {
            for step in 0..steps {
                let dir = tempfile::tempdir().unwrap();
                let folder = Folder::at(dir.path());
                opened(&folder);
                let disk = FaultyDisk::new(Arc::new(RealDisk));
                disk.crash_at(step, failure);
                // Whether it noticed or not: the next start goes on.
                let _ = finish(&disk, &folder);
                assert!(folder.is_founded(&RealDisk));
                finish(&RealDisk, &folder).unwrap();
                finish(&RealDisk, &folder).unwrap();
                let read = |path: std::path::PathBuf| fs::read_to_string(path).unwrap();
                assert_eq!(read(folder.ledger().join("checkpoint")), "new", "{step}");
                assert_eq!(read(folder.frozen(1).join("checkpoint")), "old", "{step}");
                assert_eq!(read(folder.origin_file()).trim(), "new");
                assert_eq!(read(keys::path(&folder, keys::Purpose::Log)), "new");
                assert!(!folder.is_restored(&RealDisk) && !folder.is_opening(&RealDisk));
                assert!(!folder.recovery().exists() && !folder.state().join("state.json").exists());
            }
        }
    }
}
