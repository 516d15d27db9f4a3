//! Behind an air gap: genuine security updates of Debian, several machines in networks of their own with no
//! way out, their agents, and one approval.

use serde_json::{Value, json};
use std::time::Duration;
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

#[test]
fn agents_behind_an_air_gap_apply_what_was_approved_of_genuine_updates() {
    let story = Story::shared();
    let (appliance, folder) = (Appliance::new(&story), scratch());
    let bundle = story.bundle().display().to_string();
    appliance.verb(&["import"], &[&bundle, "--as", "oscar"]).ok();
    appliance.give_people(folder.path(), &[]);
    let network = Network::new();
    let door = network.node();
    let served = appliance.serve(&door);
    let people = format!("https://{}", door.address);
    let endpoints = ["web1", "db1"].map(|name| Endpoint {
        name,
        machine: Debian::fresh(),
        node: network.node(),
    });
    for endpoint in &endpoints {
        let routes = run(endpoint.node.command("ip").args(["route", "show", "default"])).ok();
        assert_eq!(routes.out, "", "there is a way out");
        let words = [endpoint.name, "--as", "ann", "--json"];
        let token = appliance.verb(&["endpoint", "token"], &words).ok().json();
        endpoint.enrol(&served, &people, &token).exits(6);
        let listed = appliance.verb(&["endpoint", "list"], &["--json"]).ok().json();
        let own = listed.as_array().unwrap().iter().find(|e| e["name"] == endpoint.name).unwrap();
        let key = own["key"].as_str().unwrap();
        let words = [endpoint.name, "--key", key, "--as", "ann"];
        appliance.verb(&["endpoint", "confirm"], &words).ok();
        endpoint.enrol(&served, &people, &token).ok();
        endpoint.agent(&["run", "--once"]).ok().says("no approval");
    }
    let updates = || appliance.verb(&["update", "list"], &["--json"]).ok().json();
    let planned = updates();
    assert_eq!(planned["endpoints"], json!(["db1", "web1"]));
    let packages = planned["updates"].as_array().unwrap();
    assert!(!packages.is_empty() && packages.iter().all(|p| p["offered"] == true), "{planned:#}");
    // The appliance reckons the same from the inventories, without apt.
    let missing = appliance.verb(&["endpoint", "missing"], &["web1", "--json"]).ok().json();
    assert_ne!(missing[0]["updates"], json!([]), "{missing:#}");
    let kim = folder.path().join("kim-key").display().to_string();
    let words = ["--as", "kim", "--key", &kim, "--yes"];
    appliance.verb(&["approve"], &words).ok().says("CVEs (");
    for endpoint in &endpoints {
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
    for endpoint in &endpoints {
        // Its next plan comes with its next check-in.
        endpoint.agent(&["run", "--once"]).ok();
    }
    assert_eq!(updates()["updates"], json!([]), "nothing is left to apply");
}
