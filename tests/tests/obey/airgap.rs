//! Behind an air gap: genuine security updates of Debian, several machines in networks of their own with no
//! way out, their agents, and one approval.

use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{
    Appliance, Debian, Network, Node, Said, Served, Story, program, run, run_within, scratch,
};

/// A machine at its place in the network.
struct Endpoint {
    name: &'static str,
    machine: Debian,
    node: Node,
}

impl Endpoint {
    fn agent(&self, words: &[&str]) -> Said {
        let mut command = self.node.command(program("patchkeep-agent"));
        command.arg("--root").arg(self.machine.root()).args(words);
        run_within(Duration::from_secs(300), &mut command)
    }

    fn enrol(&self, served: &Served, people: &str, token: &Value) -> Said {
        let text = |field: &str| token[field].as_str().unwrap();
        let endpoints = served.address();
        let doors = ["enrol", "--address", people, "--endpoints", &endpoints, "--name", self.name];
        let paper = [
            "--token",
            text("token"),
            "--ca-fingerprint",
            text("ca_fingerprint"),
            "--site-root",
            text("site_root"),
        ];
        self.agent(&[&doors[..], &paper].concat())
    }
}

/// A site behind a gap, and machines that have joined and said what they would apply.
struct Gap {
    appliance: Appliance,
    folder: TempDir,
    endpoints: Vec<Endpoint>,
    _served: Served,
    _network: Network,
}

impl Gap {
    fn new(machines: Vec<(&'static str, Debian)>) -> Self {
        let story = Story::shared();
        let (appliance, folder) = (Appliance::new(&story), scratch());
        let bundle = story.bundle().display().to_string();
        appliance.verb(&["import"], &[&bundle, "--as", "oscar"]).ok();
        appliance.give_people(folder.path(), &[]);
        let network = Network::new();
        let door = network.node();
        let served = appliance.serve(&door);
        let people = format!("https://{}", door.address);
        let place = |(name, machine)| Endpoint { name, machine, node: network.node() };
        let endpoints: Vec<Endpoint> = machines.into_iter().map(place).collect();
        for endpoint in &endpoints {
            let routes = run(endpoint.node.command("ip").args(["route", "show", "default"])).ok();
            assert_eq!(routes.out, "", "there is a way out");
            let words = [endpoint.name, "--as", "ann", "--json"];
            let token = appliance.verb(&["endpoint", "token"], &words).ok().json();
            endpoint.enrol(&served, &people, &token).exits(6);
            let listed = appliance.verb(&["endpoint", "list"], &["--json"]).ok().json();
            let own =
                listed.as_array().unwrap().iter().find(|e| e["name"] == endpoint.name).unwrap();
            let key = own["key"].as_str().unwrap();
            let words = [endpoint.name, "--key", key, "--as", "ann"];
            appliance.verb(&["endpoint", "confirm"], &words).ok();
            endpoint.enrol(&served, &people, &token).ok();
            endpoint.agent(&["run", "--once"]).ok().says("no approval");
        }
        Self { appliance, folder, endpoints, _served: served, _network: network }
    }

    fn kim(&self) -> String {
        self.folder.path().join("kim-key").display().to_string()
    }

    /// How far an endpoint is in the run, in the appliance's words.
    fn stands(&self, name: &str) -> String {
        let report = self.appliance.verb(&["run", "report"], &["broad", "--json"]).ok().json();
        let own = report["endpoints"].as_array().unwrap().iter().find(|e| e["name"] == name);
        own.unwrap()["stands"].as_str().unwrap().to_owned()
    }
}

#[test]
fn agents_behind_an_air_gap_apply_what_was_approved_of_genuine_updates() {
    let machines = ["web1", "db1"].map(|name| (name, Debian::fresh()));
    let gap = Gap::new(machines.into());
    let Gap { appliance, endpoints, .. } = &gap;
    let updates = || appliance.verb(&["update", "list"], &["--json"]).ok().json();
    let planned = updates();
    assert_eq!(planned["endpoints"], json!(["db1", "web1"]));
    let packages = planned["updates"].as_array().unwrap();
    assert!(!packages.is_empty() && packages.iter().all(|p| p["offered"] == true), "{planned:#}");
    // The appliance reckons the same from the inventories, without apt.
    let missing = appliance.verb(&["endpoint", "missing"], &["web1", "--json"]).ok().json();
    assert_ne!(missing[0]["updates"], json!([]), "{missing:#}");
    let kim = gap.kim();
    let words = ["--as", "kim", "--key", &kim, "--yes"];
    appliance.verb(&["approve"], &words).ok().says("CVEs (");
    for endpoint in endpoints {
        endpoint.agent(&["run", "--once"]).ok();
        for update in packages {
            let (name, version) = (&update["package"], update["version"].as_str());
            let has = endpoint.machine.version(name.as_str().unwrap());
            assert_eq!(has.as_deref(), version, "{name} on {}", endpoint.name);
        }
    }
    let listed = appliance.verb(&["endpoint", "list"], &["--json"]).ok().json();
    for endpoint in listed.as_array().unwrap() {
        assert_eq!(endpoint["job"]["end"], "effective", "{listed:#}");
    }
    for endpoint in endpoints {
        // Its next plan comes with its next check-in.
        endpoint.agent(&["run", "--once"]).ok();
    }
    assert_eq!(updates()["updates"], json!([]), "nothing is left to apply");
}

#[test]
fn of_three_machines_on_btrfs_one_dies_while_it_applies_and_the_run_is_complete_all_the_same() {
    let machines = ["web1", "web2", "web3"].map(|name| (name, Debian::fresh()));
    let _mounted = machines.each_ref().map(|(_, machine)| machine.onto_btrfs());
    let gap = Gap::new(machines.into());
    let operator = |verb: &str, rest: &[&str]| {
        gap.appliance.verb(&["run", verb], &[rest, &["--as", "oscar"]].concat()).ok()
    };
    operator("plan", &["--approver", "kim"]);
    let kim = gap.kim();
    let words = ["broad", "--key", &kim, "--yes", "--as", "kim"];
    gap.appliance.verb(&["run", "approve"], &words).ok();
    operator("start", &["broad"]);

    // The first one loses its power while packages are being changed: everything that runs there ends.
    let first = &gap.endpoints[0];
    let mut command = first.node.command("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(program("patchkeep-agent"));
    command.arg("--root").arg(first.machine.root()).args(["run", "--once"]);
    let mut life = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while gap.stands("web1") != "applying" {
        assert!(begun.elapsed() < Duration::from_secs(120), "it never began");
        assert!(life.try_wait().unwrap().is_none(), "it was too quick to be stopped");
    }
    life.kill().unwrap();
    life.wait().unwrap();
    assert_eq!(gap.stands("web1"), "applying");

    for endpoint in &gap.endpoints[1..] {
        endpoint.agent(&["run", "--once"]).ok();
        assert_eq!(gap.stands(endpoint.name), "effective");
    }
    // It comes back, and goes on where it was.
    first.agent(&["run", "--once"]).ok();
    let report = gap.appliance.verb(&["run", "report"], &["broad", "--json"]).ok().json();
    assert_eq!(report["stands"], "complete", "{report:#}");
    assert_eq!(report["tally"]["ends"], json!([["effective", 3]]));
    for endpoint in report["endpoints"].as_array().unwrap() {
        assert_eq!(endpoint["way_back"], "own", "{endpoint:#}");
    }
    let kept = first.machine.path("/var/lib/patchkeep/way-back");
    let mut list = Command::new("btrfs");
    list.args(["subvolume", "list"]).arg(first.machine.root());
    run(&mut list).ok().says("way-back");
    assert!(kept.is_dir());
}
