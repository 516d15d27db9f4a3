//! The API for scripts as a stranger's tool asks it: schemathesis reads the OpenAPI document of a real appliance and
//! sends all that the document permits, and much that it does not. And a script's errands with stock curl.

use crate::house::House;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use tests::{Browser, Swarm, run_within, scratch, swarm};

/// A site with an endpoint that said what it would apply, a window, a policy and an exception.
pub(crate) struct Desk {
    pub(crate) house: House,
    curl: Browser,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let house = House::new();
        let swarm = Swarm::new(&house.appliance, &house.here().people, &house.here().endpoints);
        let offered = house.offered;
        let joined = swarm.joined(["web1".to_owned()].into_iter());
        drop(swarm.all(joined, |mut drone| async move {
            let said = api::CheckIn {
                inventory: Some(swarm::inventory(&drone.name)),
                plan: Some(swarm::plan(offered)),
                ..swarm::quiet()
            };
            drone.check_in(&said).await.map(|_| drone)
        }));
        let verb = |verb: &[&str], rest: &[&str]| drop(house.appliance.verb(verb, rest).ok());
        let rule = ["--rule", "FREQ=DAILY", "--start", "2026-11-01T22:00", "--minutes", "60"];
        let zone = ["nights", "--zone", "Europe/London", "--as", "oscar"];
        verb(&["window", "set"], &[&zone[..], &rule].concat());
        verb(&["policy", "set"], &["cyber-essentials", "--as", "ann"]);
        let about = ["package-1", "--version", "2", "--owner", "finance", "--as", "oscar"];
        let why = ["--reason", "a test", "--control", "it is unplugged"];
        verb(&["exception", "request"], &[&about[..], &why].concat());
        let all =
            ["operator", "approver", "assessor", "administrator"].map(|role| ["--role", role]);
        verb(
            &["account", "set"],
            &[&["pat", "--name", "Pat", "--as", "ann"], &all.concat()[..]].concat(),
        );
        let curl = Browser::open(&house.appliance, house.here(), "script");
        Self { house, curl }
    }

    pub(crate) fn token(&self, role: &str) -> String {
        let words = ["pat", "--label", "a test", "--role", role, "--as", "ann", "--json"];
        let issued = self.house.appliance.verb(&["account", "token", "issue"], &words).ok().json();
        issued["secret"].as_str().unwrap().to_owned()
    }

    /// Asks with curl; gives the status and the answer.
    fn ask(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
        let bearer = format!("Authorization: Bearer {token}");
        let mut words = vec!["--request", method, "--header", &bearer];
        let body = body.map(|body| body.to_string());
        if let Some(body) = &body {
            words.extend(["--header", "Content-Type: application/json", "--data", body]);
        }
        let page = self.curl.ask(&format!("/api/v1{path}"), &words);
        (page.status, serde_json::from_str(&page.text).unwrap_or(Value::Null))
    }

    /// Has schemathesis ask everything as the holder of a token for this role.
    fn asked_by_schemathesis(&self, role: &str) {
        let folder = scratch();
        let house = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut ask = Command::new(house.join("target/venv/bin/schemathesis"));
        let base = format!("https://{}/api/v1", self.house.here().people);
        ask.current_dir(folder.path()).args(["run", &format!("{base}/openapi.json")]);
        ask.args(["--header", &format!("Authorization: Bearer {}", self.token(role))]);
        ask.arg("--tls-verify").arg(self.house.appliance.beside("browser-root.pem"));
        ask.args(["--seed", "20261128", "--max-examples", "8", "--phases", "coverage,fuzzing"]);
        ask.args(["--no-shrink", "--generation-deterministic"]);
        ask.args(["--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure"]);
        // Not asked for: that everything which fits a schema is taken. A time zone fits and may not exist.
        ask.args(["--exclude-checks", "positive_data_acceptance"]);
        let said = run_within(Duration::from_secs(240), &mut ask).ok();
        let operations = rest_operations(&self.curl);
        assert!(said.has(&format!("{operations} selected / {operations} total")), "{said}");
        let log = self.house.here().log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// How many operations the document has.
fn rest_operations(curl: &Browser) -> usize {
    let document: Value =
        serde_json::from_str(&curl.get("/api/v1/openapi.json").ok().text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    paths.values().map(|path| path.as_object().unwrap().len()).sum()
}

#[test]
fn an_administrators_script_finds_nothing_that_the_document_does_not_say() {
    Desk::new().asked_by_schemathesis("administrator");
}

#[test]
fn an_assessors_script_finds_nothing_that_the_document_does_not_say() {
    Desk::new().asked_by_schemathesis("assessor");
}

#[test]
fn a_script_plans_and_starts_a_run_that_a_person_signed() {
    let desk = Desk::new();
    let operator = desk.token("operator");
    let rings = desk.ask("GET", "/rings", &operator, None).1;
    assert_eq!(rings["rows"][0]["ring"], "broad");
    let missing = desk.ask("GET", "/endpoints/web1/missing", &operator, None).1;
    assert_eq!(missing["endpoint"], "web1", "{missing}");
    let updates = desk.ask("GET", "/rings/broad/updates", &operator, None).1;
    assert_eq!(updates["endpoints"][0], "web1", "{updates}");
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let wish = serde_json::json!({
        "wish": { "ring": "broad", "approver": "kim", "not_after": end.to_string(), "any_time": true }
    });
    let (status, planned) = desk.ask("POST", "/runs", &operator, Some(wish));
    assert_eq!(status, 200, "{planned}");
    let run = planned["run"].as_str().unwrap().to_owned();
    let start = format!("/runs/{run}/start");
    let body = || Some(serde_json::json!({}));
    let early = desk.ask("POST", &start, &operator, body());
    assert!((400..500).contains(&early.0), "nobody signed it yet: {early:?}");
    let key = desk.house.key("kim");
    let sign = ["broad", "--as", "kim", "--key", &key, "--yes"];
    desk.house.appliance.verb(&["run", "approve"], &sign).ok();
    assert_eq!(desk.ask("POST", &start, &operator, body()).0, 204);
    let report = desk.ask("GET", &format!("/runs/{run}"), &operator, None).1;
    assert_eq!(report["endpoints"][0]["name"], "web1", "{report}");
    assert_eq!(desk.ask("POST", &format!("/runs/{run}/pause"), &operator, None).0, 204);
    // The log says who, and where they came in.
    let told = desk.house.told("run-started");
    assert!(told[0].contains("pat (operator, through the API)"), "{told:?}");
}
