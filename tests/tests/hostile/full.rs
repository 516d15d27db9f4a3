//! A disk that fills: refused before it begins where that can be seen, stopped in order where not,
//! and finished once there is room.

use crate::common::{Attacked, log_verifies, one_sentence, stand, told};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::{Appliance, Client, Here, SOURCE, Workshop, run};

/// What an import leaves free, in bytes.
const KEPT: u64 = 256 << 20;

/// A small disk, mounted where an appliance's data folder will be.
struct Disk {
    at: PathBuf,
}

impl Disk {
    fn mount(appliance: &Appliance, megabytes: u64) -> Self {
        tests::require_root();
        let (at, image) = (appliance.data(), appliance.beside("disk.img"));
        fs::create_dir(&at).unwrap();
        File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image)).ok();
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at)).ok();
        Self { at }
    }

    /// Fills the disk with something else until only about so much is left.
    fn fill(&self, leave: u64) {
        tests::room::fill(&self.at, leave);
    }

    /// Fills it to the last byte, and with what was kept back.
    fn fill_all(&self) {
        // It may be gone already, where there was no room for it when the site was opened.
        let _ = fs::remove_file(self.at.join("reserve"));
        self.fill(0);
    }

    fn empty(&self) {
        tests::room::empty(&self.at);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(Command::new("umount").arg(&self.at));
    }
}

fn volumes(workshop: &Workshop, name: &str) -> Vec<PathBuf> {
    workshop.build(name, &["--volume-size", "600K"]);
    let entries = fs::read_dir(workshop.path(&format!("{name}.volumes"))).unwrap();
    let mut volumes: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    volumes.sort();
    volumes
}

/// A site on a disk of its own, which has imported a bundle.
fn holding() -> (Workshop, Appliance, Disk) {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, &[(1, 500_000)]);
    let appliance = Appliance::unfounded();
    let disk = Disk::mount(&appliance, 420);
    workshop.found(&appliance);
    appliance.import(&[&good]).ok();
    (workshop, appliance, disk)
}

#[test]
fn an_import_that_cannot_fit_is_refused_before_it_begins() {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, &[(1, 900_000), (1, 900_000)]);
    let appliance = Appliance::unfounded();
    let disk = Disk::mount(&appliance, 420);
    workshop.found(&appliance);
    let before = stand(&appliance);
    disk.fill(KEPT + 1_500_000);
    let said =
        appliance.import(&[&good]).exits(6).says("(storage-full)").says("new bytes are needed");
    one_sentence(&said);
    assert_eq!(stand(&appliance), before);
    assert_eq!(told(&appliance, "storage-full").len(), 1);
    let incoming: Vec<_> = fs::read_dir(appliance.data().join("store/incoming")).unwrap().collect();
    assert!(incoming.is_empty(), "{incoming:?}");
    disk.empty();
    appliance.import(&[&good]).ok().says("complete");
    log_verifies(&appliance);
}

#[test]
fn a_disk_that_something_else_fills_in_the_middle_stops_the_import_and_keeps_what_came() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, &[(1, 500_000), (1, 500_000), (1, 500_000)]));
    let volumes = volumes(&workshop, "good");
    let appliance = Appliance::unfounded();
    let disk = Disk::mount(&appliance, 420);
    workshop.found(&appliance);
    let before = stand(&appliance);
    appliance.import(&[&volumes[0]]).exits(6).says("volumes-missing");
    for leave in [KEPT, 64 << 20, 0] {
        disk.fill(leave);
        let rest: Vec<&Path> = volumes[1..].iter().map(PathBuf::as_path).collect();
        let said = appliance.import(&rest);
        assert!(said.code == Some(6) && said.has("storage-full"), "{leave} bytes left\n{said}");
        one_sentence(&said);
        let now = stand(&appliance);
        assert!(now == before, "{leave} bytes left: {now}");
        assert!(!told(&appliance, "storage-full").is_empty());
    }
    disk.empty();
    let rest: Vec<&Path> = volumes[1..].iter().map(PathBuf::as_path).collect();
    appliance.import(&rest).ok().says("complete");
    assert_eq!(stand(&appliance)["rings"][0]["sequence"], 1);
    log_verifies(&appliance);
}

#[test]
fn the_ledger_goes_on_when_nothing_is_left_and_says_so() {
    let (workshop, appliance, disk) = holding();
    disk.fill(0);
    for number in 0..10 {
        appliance.verb(&["ring", "create"], &[&format!("ring-{number}")]).ok();
        // Something else takes whatever is given back.
        disk.fill(2 << 20);
    }
    assert_eq!(told(&appliance, "storage-full").len(), 1);
    let before = stand(&appliance);
    assert_eq!(before["rings"].as_array().unwrap().len(), 11);
    disk.empty();
    assert_eq!(stand(&appliance), before);
    assert!(appliance.data().join("reserve").exists(), "no space is kept back any more");
    let attacked = Attacked::standing(appliance);
    attacked.still_imports(&workshop.bundle("next", 2, &[(2, 400_000)]));
    drop(disk);
}

#[test]
fn without_any_room_each_act_is_refused_what_is_held_is_served_and_all_goes_on_when_there_is_room()
{
    let (_workshop, appliance, disk) = holding();
    let client = Client::enrol(&appliance, "web1");
    let before = stand(&appliance);
    let refuses = |when: &str| {
        let said = appliance.verb(&["ring", "create"], &["lab"]);
        assert!(said.code == Some(6) && said.has("the disk is full"), "{when}\n{said}");
        one_sentence(&said);
        assert_eq!(stand(&appliance), before, "{when}");
    };
    let serves = |here: &Here| {
        let paths = [format!("/ring/broad/{SOURCE}/dists/stable/InRelease")];
        assert!(client.get(here, &paths)[0].starts_with(b"-----BEGIN PGP SIGNED MESSAGE"));
    };

    let here = Here::serve(&appliance);
    disk.fill_all();
    refuses("while it serves");
    serves(&here);
    disk.empty();
    appliance.verb(&["ring", "create"], &["first"]).ok();
    here.stop();
    disk.fill_all();
    // Nothing is opened that would have to write.
    let data = appliance.data().display().to_string();
    let doors = ["--endpoints", "127.0.0.1:0", "--people", "127.0.0.1:0"];
    let said = tests::patchkeep([&["serve", "--data", &data][..], &doors].concat()).exits(6);
    one_sentence(&said.says("the disk is full").says("nothing is lost"));
    disk.empty();
    appliance.verb(&["ring", "create"], &["second"]).ok();
    assert_eq!(stand(&appliance)["rings"].as_array().unwrap().len(), 3);
    log_verifies(&appliance);
}
