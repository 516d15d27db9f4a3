//! A damaged log: made whole from its second copy and said so, or refused in one sentence with
//! nothing changed on the disk.

use crate::common::{log_verifies, one_sentence, told};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tests::{Appliance, Here, Said, Workshop, copy_tree};

/// Every file below a folder, with its bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(tree(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            all.insert(path, bytes);
        }
    }
    all
}

/// An appliance whose ledger can be damaged again and again.
struct Patient {
    appliance: Appliance,
    healthy: PathBuf,
    entries: u64,
}

impl Patient {
    /// With `cut_off`, the server was killed, so that the newest entries are in the journal alone.
    fn new(cut_off: bool) -> Self {
        let workshop = Workshop::new();
        let appliance = workshop.appliance();
        appliance.import(&[&workshop.bundle("first", 1, &[(1, 9_000)])]).ok();
        for number in 0..5 {
            appliance.verb(&["ring", "create"], &[&format!("ring-{number}")]).ok();
        }
        let mut entries = Self::count(&appliance.verb(&["status"], &["--json"]).ok());
        if cut_off {
            let here = Here::serve(&appliance);
            appliance.verb(&["ring", "create"], &["kept"]).ok();
            entries = Self::count(&appliance.verb(&["status"], &["--json"]).ok());
            here.kill();
        }
        let healthy = appliance.beside("healthy");
        copy_tree(&appliance.data(), &healthy);
        Self { appliance, healthy, entries }
    }

    fn count(said: &Said) -> u64 {
        said.json()["entries"].as_u64().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.appliance.data().join("ledger").join(name)
    }

    /// Damages the healthy ledger, and says what the next start makes of it.
    fn after(&self, damage: impl FnOnce(&Self)) -> Said {
        fs::remove_dir_all(self.appliance.data()).unwrap();
        copy_tree(&self.healthy, &self.appliance.data());
        damage(self);
        let before = tree(&self.path(""));
        let said = self.appliance.verb(&["status"], &["--json"]);
        if said.code != Some(0) {
            one_sentence(&said);
            assert!(tree(&self.path("")) == before, "refused, but changed\n{said}");
        }
        said
    }

    /// The damage is mended, told, and no entry is lost.
    #[track_caller]
    fn is_mended(&self, what: &str, damage: impl FnOnce(&Self)) {
        let said = self.after(damage);
        assert!(said.code == Some(0), "{what}\n{said}");
        assert!(Self::count(&said) > self.entries, "{what}: entries are lost\n{said}");
        let events = told(&self.appliance, "ledger-repaired");
        assert!(!events.is_empty(), "{what}: mended in silence");
        self.appliance.verb(&["ring", "create"], &["after"]).ok();
        log_verifies(&self.appliance);
    }

    /// Mended or refused; never a log that differs from what was signed.
    #[track_caller]
    fn is_mended_or_refused(&self, what: &str, damage: impl FnOnce(&Self)) {
        let said = self.after(damage);
        if said.code == Some(0) {
            self.appliance.verb(&["ring", "create"], &["after"]).ok();
            log_verifies(&self.appliance);
        } else {
            assert!(said.code == Some(7), "{what}\n{said}");
        }
    }
}

fn flip(path: &Path, part: f64) {
    let mut bytes = fs::read(path).unwrap();
    let at = ((bytes.len() - 1) as f64 * part) as usize;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, part: f64) {
    let length = fs::metadata(path).unwrap().len();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len((length as f64 * part) as u64).unwrap();
}

#[test]
fn a_damaged_journal_or_checkpoint_is_mended_from_the_second_copy() {
    let patient = Patient::new(false);
    patient.is_mended("journal gone", |p| fs::remove_file(p.path("journal")).unwrap());
    patient.is_mended("checkpoint gone", |p| fs::remove_file(p.path("checkpoint")).unwrap());
    for part in [0.0, 0.3, 0.6, 0.9, 0.99] {
        patient.is_mended(&format!("journal cut at {part}"), |p| cut(&p.path("journal"), part));
    }
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        patient
            .is_mended(&format!("journal flipped at {part}"), |p| flip(&p.path("journal"), part));
        patient.is_mended(&format!("checkpoint flipped at {part}"), |p| {
            flip(&p.path("checkpoint"), part);
        });
    }
    patient.is_mended("checkpoint cut", |p| cut(&p.path("checkpoint"), 0.5));
}

#[test]
fn tiles_that_are_gone_or_altered_come_back_or_the_log_is_refused() {
    let patient = Patient::new(false);
    let tiles: Vec<PathBuf> = tree(&patient.path("tile")).into_keys().collect();
    assert!(tiles.len() >= 2, "{tiles:?}");
    for tile in &tiles {
        let what = tile.display().to_string();
        patient.is_mended_or_refused(&format!("{what} gone"), |_| fs::remove_file(tile).unwrap());
        patient.is_mended_or_refused(&format!("{what} cut"), |_| cut(tile, 0.5));
        patient.is_mended_or_refused(&format!("{what} flipped"), |_| flip(tile, 0.5));
    }
    patient.is_mended_or_refused("all tiles gone", |p| fs::remove_dir_all(p.path("tile")).unwrap());
    let said = patient.after(|p| {
        fs::remove_dir_all(p.path("tile")).unwrap();
        flip(&p.path("journal"), 0.5);
    });
    assert!(said.code == Some(7), "both copies are damaged, and it opened\n{said}");
}

#[test]
fn the_newest_entries_after_a_kill_are_kept_or_the_log_is_refused() {
    let patient = Patient::new(true);
    let said = patient.after(|_| {});
    assert!(said.code == Some(0) && Patient::count(&said) >= patient.entries, "{said}");
    for part in [0.2, 0.5, 0.8, 0.95, 1.0] {
        let what = format!("journal flipped at {part}");
        patient.is_mended_or_refused(&what, |p| flip(&p.path("journal"), part));
    }
    // Part of a batch that was being written: taken out, kept aside, told.
    patient.is_mended("journal with part of a frame", |p| {
        let mut journal = fs::read(p.path("journal")).unwrap();
        let part = journal[..60].to_vec();
        journal.extend(part);
        fs::write(p.path("journal"), journal).unwrap();
    });
    patient.is_mended_or_refused("journal gone", |p| fs::remove_file(p.path("journal")).unwrap());
}

#[test]
fn a_log_of_another_key_is_refused() {
    let patient = Patient::new(false);
    let other = Patient::new(false);
    let said = patient.after(|p| {
        fs::remove_dir_all(p.path("")).unwrap();
        copy_tree(&other.path(""), &p.path(""));
    });
    said.exits(4);
}
