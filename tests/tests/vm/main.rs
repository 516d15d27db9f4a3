//! A real virtual machine that lacks a real security update: its snapshot is taken over QMP before anything is
//! changed, what fails is put back to it, and a run without the fault ends effective.
//!
//! Under software emulation this takes minutes. `just test` runs one machine through a fault and a good run,
//! `just soak` the one for which a person decides as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod machine;

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

/// A site with one virtual machine.
struct Site {
    appliance: Appliance,
    folder: TempDir,
    _here: Here,
    machine: Machine,
}

impl Site {
    fn new() -> Self {
        let story = Story::shared();
        let (appliance, folder) = (Appliance::new(&story), scratch());
        let bundle = story.bundle().display().to_string();
        appliance.verb(&["import"], &[&bundle, "--as", "oscar"]).ok();
        appliance.give_people(folder.path(), &[]);
        let words = ["--name", "127.0.0.1", "--name", HOST, "--check-in-seconds", "5"];
        let here = Here::serve_with(&appliance, "127.0.0.1:0", "127.0.0.1:0", &words);
        let root = Debian::fresh();
        enrol(&appliance, &here, &root);
        hold_others(&root);
        let machine = Machine::start(&root);
        let site = Self { appliance, folder, _here: here, machine };
        let provider = site.folder.path().join("provider.json");
        fs::write(&provider, site.machine.provider().to_string()).unwrap();
        site.set(&["--provider", provider.to_str().unwrap()]);
        site
    }

    fn set(&self, words: &[&str]) {
        let words = [&["vm1", "--as", "ann"], words].concat();
        self.appliance.verb(&["endpoint", "set"], &words).ok();
    }

    fn operator(&self, verb: &str, words: &[&str]) -> Said {
        self.appliance.verb(&["run", verb], &[words, &["--as", "oscar"]].concat())
    }

    /// Waits until the machine would apply exactly the one package, then plans, approves and starts a run.
    fn run(&self) {
        let limit = Duration::from_secs(240);
        self.machine.until("its plan is known", limit, |_| {
            let updates = self.appliance.verb(&["update", "list"], &["--json"]).ok().json();
            let packages = updates["updates"].as_array().unwrap();
            (packages.len() == 1 && packages[0]["package"] == PACKAGE).then_some(())
        });
        self.operator("plan", &["--approver", "kim"]).ok().says("snapshot by the appliance");
        let kim = self.folder.path().join("kim-key").display().to_string();
        let words = ["broad", "--key", &kim, "--yes", "--as", "kim"];
        self.appliance.verb(&["run", "approve"], &words).ok();
        self.operator("start", &["broad"]).ok();
    }

    /// Waits until the machine's part in the run stands so; what was said of it.
    fn stands(&self, word: &str) -> Value {
        self.machine.until(word, Duration::from_secs(300), |_| {
            let report = self.appliance.verb(&["run", "report"], &["broad", "--json"]).ok().json();
            let endpoint = report["endpoints"][0].clone();
            (endpoint["stands"] == word).then_some(endpoint)
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

/// Has the machine's administrator hold all packages but the one, so that the run stays short.
fn hold_others(root: &Debian) {
    let status = root.path(STATUS);
    let text = fs::read_to_string(&status).unwrap();
    let stanzas = text.split("\n\n").map(|stanza| {
        let own = stanza.trim_start().starts_with(&format!("Package: {PACKAGE}\n"));
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
