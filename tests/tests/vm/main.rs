//! A real virtual machine that lacks a real security update: its snapshot is taken over QMP before anything is
//! changed, what fails is put back to it, and a run without the fault ends effective. One with systemd has the
//! agent's package in it, and is restarted by it ([`restarts`]).
//!
//! Under software emulation this takes minutes. `just test` runs one machine through a fault and a good run and
//! one through a restart, `just soak` the one for which a person decides and the one that waits for its window
//! as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod machine;
mod restarts;

use ids::Digest;
use machine::{HOST, Machine};
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tests::{Appliance, Debian, Here, Said, Story, program, run_within, scratch};

/// The update that the machine lacks: small, and no running program maps it.
const PACKAGE: &str = "libpcre2-8-0";
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0.11.2";
const STATUS: &str = "/var/lib/dpkg/status";

/// A site with one virtual machine, which lacks these packages' updates and has its others held.
struct Site {
    packages: &'static [&'static str],
    appliance: Appliance,
    folder: TempDir,
    _here: Here,
    machine: Machine,
}

impl Site {
    /// One whose machine has the agent and nothing else, and whose snapshots the appliance makes.
    fn new() -> Self {
        let site = Self::with(&Debian::fresh(), &[PACKAGE], Machine::start);
        site.provide();
        site
    }

    fn with(
        root: &Debian,
        packages: &'static [&'static str],
        start: impl FnOnce(&Debian) -> Machine,
    ) -> Self {
        let story = Story::shared();
        let (appliance, folder) = (Appliance::new(&story), scratch());
        let bundle = story.bundle().display().to_string();
        appliance.verb(&["import"], &[&bundle, "--as", "oscar"]).ok();
        appliance.give_people(folder.path(), &[]);
        let words =
            ["--name", "127.0.0.1", "--name", HOST, "--check-in-seconds", "5", "--providers"];
        let here = Here::serve_with(&appliance, "127.0.0.1:0", "127.0.0.1:0", &words);
        enrol(&appliance, &here, root);
        hold_others(root, packages);
        let machine = start(root);
        Self { packages, appliance, folder, _here: here, machine }
    }

    /// Has the appliance make the machine's snapshots.
    fn provide(&self) {
        let provider = self.folder.path().join("provider.json");
        fs::write(&provider, self.machine.provider().to_string()).unwrap();
        self.set(&["--provider", provider.to_str().unwrap()]);
    }

    fn set(&self, words: &[&str]) {
        let words = [&["vm1", "--as", "ann"], words].concat();
        self.appliance.verb(&["endpoint", "set"], &words).ok();
    }

    fn operator(&self, verb: &str, words: &[&str]) -> Said {
        self.appliance.verb(&["run", verb], &[words, &["--as", "oscar"]].concat())
    }

    /// Plans, approves and starts a run in which the appliance makes the snapshot.
    fn run(&self) {
        self.await_plan();
        self.operator("plan", &["--approver", "kim"]).ok().says("snapshot by the appliance");
        self.approve_and_start();
    }

    /// Waits until the machine would apply exactly its packages.
    fn await_plan(&self) {
        self.machine.until("its plan is known", Duration::from_secs(240), |_| {
            let updates = self.appliance.verb(&["update", "list"], &["--json"]).ok().json();
            let updates = updates["updates"].as_array().unwrap();
            let has = |package: &&str| updates.iter().any(|update| update["package"] == *package);
            (updates.len() == self.packages.len() && self.packages.iter().all(has)).then_some(())
        });
    }

    fn approve_and_start(&self) {
        let kim = self.folder.path().join("kim-key").display().to_string();
        let words = ["broad", "--key", &kim, "--yes", "--as", "kim"];
        self.appliance.verb(&["run", "approve"], &words).ok();
        self.operator("start", &["broad"]).ok();
    }

    /// The machine's part in the run.
    fn part(&self) -> Value {
        let report = self.appliance.verb(&["run", "report"], &["broad", "--json"]).ok().json();
        report["endpoints"][0].clone()
    }

    /// Waits until the machine's part in the run stands so; what was said of it.
    fn stands(&self, word: &str) -> Value {
        self.machine.until(word, Duration::from_secs(300), |_| {
            Some(self.part()).filter(|part| part["stands"] == word)
        })
    }

    fn digests(&self) -> Vec<Option<Digest>> {
        self.machine.digests(&[LIBRARY, STATUS])
    }
}

fn enrol(appliance: &Appliance, here: &Here, root: &Debian) {
    let token = appliance.verb(&["endpoint", "token"], &["vm1", "--as", "ann", "--json"]);
    let token = token.ok().json();
    let text = |field: &str| token[field].as_str().unwrap().to_owned();
    let (_, port) = here.endpoints.rsplit_once(':').unwrap();
    let people = format!("https://{}", here.people);
    let endpoints = format!("https://{HOST}:{port}");
    let join = || {
        let mut command = Command::new(program("patchkeep-agent"));
        command.arg("--root").arg(root.root()).args(["enrol", "--name", "vm1"]);
        command.args(["--address", &people, "--endpoints", &endpoints]);
        command.args(["--token", &text("token"), "--site-root", &text("site_root")]);
        command.args(["--ca-fingerprint", &text("ca_fingerprint")]);
        run_within(Duration::from_secs(60), &mut command)
    };
    join().exits(6);
    let listed = appliance.verb(&["endpoint", "list"], &["--json"]).ok().json();
    let key = listed[0]["key"].as_str().unwrap().to_owned();
    appliance.verb(&["endpoint", "confirm"], &["vm1", "--key", &key, "--as", "ann"]).ok();
    join().ok();
}

/// Has the machine's administrator hold all packages but these, so that the run stays short.
fn hold_others(root: &Debian, packages: &[&str]) {
    let status = root.path(STATUS);
    let text = fs::read_to_string(&status).unwrap();
    let stanzas = text.split("\n\n").map(|stanza| {
        let is = |name: &&str| stanza.trim_start().starts_with(&format!("Package: {name}\n"));
        let own = packages.iter().any(is);
        if own { stanza.to_owned() } else { stanza.replace("Status: install ", "Status: hold ") }
    });
    fs::write(&status, stanzas.collect::<Vec<_>>().join("\n\n")).unwrap();
}

#[test]
fn a_stateless_machine_is_put_back_by_itself_and_a_good_run_ends_effective() {
    let mut site = Site::new();
    site.set(&["--stateless", "yes"]);
    let before = site.digests();
    assert!(before.iter().all(Option::is_some), "{before:?}");
    site.run();
    site.stands("applying");
    // From here on the machine is not well.
    site.machine.let_service(false);
    let restored = site.stands("restored");
    assert!(restored["said"].as_str().unwrap().contains("put it back"), "{restored:#}");
    assert_eq!(site.digests()[0], before[0], "the library is another one");
    site.appliance.verb(&["audit", "show"], &["--as", "eva"]).ok().says("was put back");

    site.machine.let_service(true);
    site.run();
    site.stands("effective");
    assert_ne!(site.digests()[0], before[0]);
    let report = site.appliance.verb(&["run", "report"], &["broad"]).ok();
    report.says("complete").says("1 effective");
}

#[test]
fn a_machine_with_data_waits_for_a_person_and_then_is_as_it_was() {
    if !tests::soak() {
        eprintln!("skipped: minutes of software emulation; `just soak` runs it");
        return;
    }
    let mut site = Site::new();
    let before = site.digests();
    site.run();
    site.stands("applying");
    site.machine.let_service(false);
    let waits = site.stands("awaiting decision");
    assert_eq!(waits["wants_decision"], true, "{waits:#}");
    site.operator("restore", &["vm1"]).ok();
    site.stands("restored");
    assert_eq!(site.digests()[0], before[0]);
    site.machine.let_service(true);
    site.run();
    site.stands("effective");
}
