//! A site with people, an appliance that serves, and machines that may join it.

use durable::{FileBlobs, RealDisk};
use fleet::Event;
use ids::Digest;
use ledger::Log;
use merkle::VerifierKey;
use serde_json::Value;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tests::{
    Appliance, Debian, Draft, Here, Package, Said, Workshop, program, run, run_within, scratch,
};

/// What the vendor has: two packages, each in two versions.
const NAMES: [&str; 2] = ["package-0", "package-1"];

/// A site: Ann and Ben administer, Kim approves, Oscar imports.
pub(crate) struct House {
    pub(crate) workshop: Workshop,
    pub(crate) appliance: Appliance,
    here: Option<Here>,
    /// What its server is told each time, from its next start on.
    pub(crate) words: Vec<&'static str>,
    folder: TempDir,
    edition: u32,
    /// Payloads of what was offered last.
    pub(crate) offered: [Digest; 2],
}

impl House {
    /// A site that serves the newer versions, under a root whose draft had these words besides.
    pub(crate) fn with(words: &[&str]) -> Self {
        let workshop = Workshop::new();
        let appliance = workshop.appliance();
        let mut house = Self {
            workshop,
            appliance,
            here: None,
            words: Vec::new(),
            folder: scratch(),
            edition: 0,
            offered: [Digest::of(b""); 2],
        };
        for person in ["oscar", "mallory"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f", &house.key(person)]);
            run(&mut command).ok();
        }
        house.offer("2");
        house.appliance.give_people(house.folder.path(), words);
        house.here = Some(Here::serve(&house.appliance));
        house
    }

    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A path in the test's own folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(crate) fn key(&self, person: &str) -> String {
        self.path(&format!("{person}-key"))
    }

    pub(crate) fn here(&self) -> &Here {
        self.here.as_ref().unwrap()
    }

    /// Stops the appliance, does something to it, and serves again.
    pub(crate) fn while_stopped(&mut self, act: impl FnOnce(&Appliance)) {
        let doors = self.stop();
        act(&self.appliance);
        self.serve(&doors, &[]);
    }

    /// Ends the appliance as a power cut would, and serves again.
    pub(crate) fn power_cut(&mut self) {
        let here = self.here.take().unwrap();
        let doors = [here.endpoints.clone(), here.people.clone()];
        here.kill();
        self.serve(&doors, &[]);
    }

    /// Stops serving; gives the doors, for endpoints and for people.
    pub(crate) fn stop(&mut self) -> [String; 2] {
        let here = self.here.take().unwrap();
        [here.endpoints.clone(), here.people.clone()]
    }

    /// Serves at the doors of before.
    pub(crate) fn serve(&mut self, [endpoints, people]: &[String; 2], words: &[&str]) {
        let words = [&self.words, words].concat();
        self.here = Some(Here::serve_with(&self.appliance, endpoints, people, &words));
    }

    /// What the log says, as far as it is published.
    pub(crate) fn events(&self, key: &VerifierKey) -> Vec<Event> {
        let blobs = FileBlobs::new(Arc::new(RealDisk), self.appliance.data().join("ledger"));
        let log = Log::read(Arc::new(blobs), key).unwrap();
        let entries = log.entries(0..log.checkpoint().size).unwrap();
        entries.iter().map(|entry| fleet::decode(entry).unwrap()).collect()
    }

    /// Has Oscar import the vendor's next release, with this version of everything.
    pub(crate) fn offer(&mut self, version: &str) {
        self.release(version, "", |_| {}).ok();
    }

    /// The same, with a catalogue that says more.
    pub(crate) fn offer_saying(&mut self, version: &str, change: impl FnOnce(&mut Value)) {
        self.release(version, "", |draft| change(&mut draft.catalogue)).ok();
    }

    /// The same, with packages that run a script when they are installed.
    pub(crate) fn offer_with(&mut self, version: &str, script: &str) {
        self.release(version, script, |_| {}).ok();
    }

    /// The same, but the bundle lacks the payloads of these packages, which the vendor's index names.
    pub(crate) fn offer_without(&mut self, version: &str, lacking: &[&str]) -> Said {
        let drop = |draft: &mut Draft| lacking.iter().for_each(|name| draft.drop_payload(name));
        self.release(version, "", drop)
    }

    /// Has Oscar import an image of the appliance's own, made up and signed by the vendor.
    pub(crate) fn offer_image(&mut self, version: &str) {
        self.workshop.offer_images();
        let image = self.workshop.made_up_image(version);
        self.workshop.release_image("vendor", version, &image);
        self.workshop.collect_image("vendor").ok();
        let bundle = self.workshop.build(&format!("image-{version}"), &[]);
        self.appliance.verb(&["import"], &[bundle.to_str().unwrap(), "--as", "oscar"]).ok();
    }

    fn release(&mut self, version: &str, script: &str, change: impl FnOnce(&mut Draft)) -> Said {
        self.edition += 1;
        let folder = self.folder.path().join(format!("offer-{}", self.edition));
        let packages = NAMES.map(|name| {
            let package = Package { name, version, own: version, script, ..Package::default() };
            (version.parse().unwrap(), fs::read(package.build(&folder)).unwrap())
        });
        self.offered = [0, 1].map(|n: usize| Digest::of(&packages[n].1));
        let mut draft = self.workshop.draft_of(self.edition, packages.into());
        change(&mut draft);
        self.workshop.collect(&draft);
        let bundle = self.workshop.build(&format!("bundle-{}", self.edition), &[]);
        self.appliance.verb(&["import"], &[bundle.to_str().unwrap(), "--as", "oscar"])
    }

    /// A Debian machine that has the first version of everything.
    pub(crate) fn machine(&self) -> Machine {
        let machine = Machine(Debian::fresh());
        let keyring = machine.0.path("/usr/share/keyrings/debian-archive-keyring.gpg");
        fs::copy(self.workshop.path("vendor.gpg"), keyring).unwrap();
        let old = self.folder.path().join("old");
        for name in NAMES {
            let package = Package { name, version: "1", own: "old", ..Package::default() };
            let mut unpack = Command::new("dpkg");
            unpack.arg("--root").arg(machine.0.root()).arg("--install").arg(package.build(&old));
            run(&mut unpack).ok();
        }
        machine
    }

    /// A token for an endpoint.
    #[track_caller]
    pub(crate) fn token(&self, name: &str) -> Value {
        self.appliance.verb(&["endpoint", "token"], &[name, "--as", "ann", "--json"]).ok().json()
    }

    /// One attempt of a machine's agent to join with a token.
    pub(crate) fn enrol(&self, machine: &Machine, name: &str, token: &Value) -> Said {
        let here = self.here();
        let text = |field: &str| token[field].as_str().unwrap().to_owned();
        let (people, endpoints) =
            (format!("https://{}", here.people), format!("https://{}", here.endpoints));
        let (token, ca, pin) = (text("token"), text("ca_fingerprint"), text("site_root"));
        machine.agent(&[
            "enrol",
            "--address",
            &people,
            "--endpoints",
            &endpoints,
            "--name",
            name,
            "--token",
            &token,
            "--ca-fingerprint",
            &ca,
            "--site-root",
            &pin,
            "--wait",
            "0",
        ])
    }

    /// The fingerprint that a pending endpoint has at the appliance.
    #[track_caller]
    pub(crate) fn pending_key(&self, name: &str) -> String {
        self.endpoint(name)["key"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn confirm(&self, name: &str, key: &str) -> Said {
        self.appliance.verb(&["endpoint", "confirm"], &[name, "--key", key, "--as", "ann"])
    }

    /// A machine that belongs to the site.
    #[track_caller]
    pub(crate) fn joined(&self, name: &str) -> Machine {
        let machine = self.machine();
        let token = self.token(name);
        self.enrol(&machine, name, &token).exits(6);
        self.confirm(name, &self.pending_key(name)).ok();
        self.enrol(&machine, name, &token).ok();
        machine
    }

    /// A machine whose inventory and plan the appliance has.
    #[track_caller]
    pub(crate) fn scanned(&self, name: &str) -> Machine {
        let machine = self.joined(name);
        machine.run().ok().says("no approval");
        machine
    }

    /// The same, where something else is approved already.
    #[track_caller]
    pub(crate) fn scanned_by_hand(&self, name: &str) -> Machine {
        let machine = self.joined(name);
        let _ = machine.run();
        machine
    }

    pub(crate) fn folder_beside(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// How an endpoint stands, in the appliance's words.
    #[track_caller]
    pub(crate) fn endpoint(&self, name: &str) -> Value {
        let all = self.appliance.verb(&["endpoint", "list"], &["--all", "--json"]).ok().json();
        let mut found = all.as_array().unwrap().iter().filter(|e| e["name"] == name);
        let endpoint = found.next_back().unwrap_or_else(|| panic!("no {name} in {all:#}"));
        endpoint.clone()
    }

    /// Kim's approval, with these words besides.
    pub(crate) fn approve(&self, words: &[&str]) -> Said {
        let key = self.key("kim");
        let own = ["--as", "kim", "--key", &key, "--yes"];
        self.appliance.verb(&["approve"], &[&own[..], words].concat())
    }

    /// The sentences of the events of one type, oldest first.
    pub(crate) fn told(&self, kind: &str) -> Vec<String> {
        let lines =
            self.appliance.verb(&["audit", "show"], &["--json", "--type", kind]).ok().json();
        let sentence = |line: &Value| line["sentence"].as_str().unwrap().to_owned();
        lines.as_array().unwrap().iter().map(sentence).collect()
    }
}

/// A Debian machine with an agent.
pub(crate) struct Machine(pub(crate) Debian);

impl Machine {
    pub(crate) fn agent(&self, words: &[&str]) -> Said {
        let mut command = Command::new(program("patchkeep-agent"));
        command.arg("--root").arg(self.0.root()).args(words);
        run_within(Duration::from_secs(300), &mut command)
    }

    /// One check-in by a clock that is wrong by this much: `+20d`, `-12h`.
    pub(crate) fn run_at(&self, clock: &str) -> Said {
        let mut command = Command::new("faketime");
        command.args(["-f", clock]).arg(program("patchkeep-agent"));
        command.arg("--root").arg(self.0.root()).args(["run", "--once"]);
        run_within(Duration::from_secs(300), &mut command)
    }

    /// One check-in, and what follows from it.
    pub(crate) fn run(&self) -> Said {
        self.agent(&["run", "--once"])
    }

    /// Asks to join once more, with the key that it has.
    pub(crate) fn again(&self, house: &House, token: Option<&str>) -> Said {
        let people = format!("https://{}", house.here().people);
        let mut words = vec!["enrol", "--again", "--address", &people];
        words.extend(token.iter().flat_map(|token| ["--token", token]));
        self.agent(&words)
    }

    pub(crate) fn certificate(&self) -> String {
        fs::read_to_string(self.0.path("/etc/patchkeep/endpoint.pem")).unwrap()
    }

    /// Says, so many times, what a stranger with this machine's key might say at a check-in; gives the
    /// answers.
    pub(crate) fn says(&self, house: &House, said: &Value, times: usize) -> Said {
        let own = |name: &str| self.0.path(&format!("/etc/patchkeep/{name}"));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--data-binary"]);
        curl.arg(said.to_string()).arg("--cacert").arg(own("ca.pem"));
        curl.arg("--cert").arg(own("endpoint.pem")).arg("--key").arg(own("endpoint.key"));
        let address = format!("https://{}/agent/v1/check-in", house.here().endpoints);
        run(curl.args(vec![address; times])).ok()
    }

    /// Has these versions of the vendor's packages.
    #[track_caller]
    pub(crate) fn has(&self, versions: [&str; 2]) {
        let found = NAMES.map(|name| self.0.version(name).unwrap_or_default());
        assert_eq!(found, versions);
    }

    /// Has its administrator hold a package.
    pub(crate) fn hold(&self, name: &str) {
        let status = self.0.path("/var/lib/dpkg/status");
        let text = fs::read_to_string(&status).unwrap();
        let before = format!("Package: {name}\nStatus: install");
        let after = format!("Package: {name}\nStatus: hold");
        assert!(text.contains(&before), "{name} is not installed");
        fs::write(&status, text.replace(&before, &after)).unwrap();
    }

    /// Copies the agent's own files to another machine, as somebody would who cloned a disk.
    pub(crate) fn clone_agent_to(&self, other: &Self) {
        for folder in ["/etc/patchkeep", "/var/lib/patchkeep"] {
            let target = other.0.path(folder);
            let _ = fs::remove_dir_all(&target);
            let mut copy = Command::new("cp");
            run(copy.arg("--archive").arg(self.0.path(folder)).arg(target)).ok();
        }
    }
}
