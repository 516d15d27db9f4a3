//! Service levels and policies: what people are told of how a site stands.

use crate::house::House;
use serde_json::{Value, json};

/// The statuses of one level's rows.
fn statuses<'a>(report: &'a Value, level: &str) -> Vec<&'a str> {
    let rows = report["rows"].as_array().unwrap().iter().filter(|row| row["level"] == level);
    rows.map(|row| row["status"].as_str().unwrap()).collect()
}

#[test]
fn levels_are_kept_by_runs_and_policies_count_what_is_open() {
    let house = House::new();
    let machine = house.scanned("web1");
    let verb = |verb: &[&str], words: &[&str]| house.appliance.verb(verb, words);
    verb(&["calendar", "show"], &[]).ok().says("the clocks of UTC; no holidays listed");
    let words = ["--zone", "Europe/London", "--holiday", "2026-12-25", "--as", "ann"];
    verb(&["calendar", "set"], &words).ok().says("Europe/London; 2026-12-25 listed");
    verb(&["calendar", "set"], &["--zone", "Europe/Atlantis"]).exits(3).says("no time zone");
    let report = verb(&["report", "levels"], &["--json"]).ok().json();
    assert_eq!(report["calendar"]["zone"], "Europe/London");
    assert_eq!(statuses(&report, "content"), ["met"]);
    // It was elected in today: this month is for its first run, which has not been yet.
    assert!(statuses(&report, "monthly-run").is_empty(), "{report:#}");
    assert_eq!(statuses(&report, "first-run"), ["due"]);
    // What is open, under a policy that is in force.
    verb(&["report", "policy"], &["cyber-essentials"]).exits(3).says("not in force");
    verb(&["policy", "list"], &["--all"]).ok().says("nhs-alerts").says("pci-dss");
    verb(&["policy", "set"], &["moon", "--as", "ann"]).exits(3).says("no built-in policy");
    verb(&["policy", "set"], &["cyber-essentials", "--as", "ann"]).ok().says("14 days");
    let open = verb(&["report", "policy"], &["cyber-essentials", "--json"]).ok().json();
    assert_eq!(open["rows"].as_array().unwrap().len(), 2, "{open:#}");
    assert_eq!(open["rows"][0]["deadline"]["rule"], "ce-14-days");
    let table = verb(&["report", "policy"], &["cyber-essentials", "--csv"]).ok();
    table.says("endpoint,ring,package").says("web1,broad,package-0,1,2,");
    // Two people leave one of them for a while; it stays in the list, as what it is.
    let blank = ["package-1", "--version", "2", "--owner", " ", "--reason", "x", "--control", "y"];
    verb(&["exception", "request"], &blank).exits(3).says("has an owner");
    let asked = ["package-1", "--version", "2", "--owner", "finance", "--as", "oscar", "--json"];
    let why = ["--reason", "the till needs the old one", "--control", "it is unplugged at night"];
    let asked = verb(&["exception", "request"], &[&asked[..], &why].concat()).ok().json();
    let id = asked[0]["id"].as_str().unwrap().to_owned();
    verb(&["exception", "approve"], &[&id, "--as", "oscar"]).exits(4).says("somebody else");
    verb(&["exception", "list"], &[]).ok().says("WAITS").says("owned by finance");
    verb(&["exception", "approve"], &[&id, "--as", "kim"]).ok().says("approved by kim");
    let open = verb(&["report", "policy"], &["cyber-essentials", "--json"]).ok().json();
    assert_eq!(open["counts"]["excepted"], 1, "{open:#}");
    let told = house.told("exception-requested");
    assert!(!told[0].contains("till") && told[0].contains("package-1 2"), "{told:?}");
    house.approve(&[]).ok();
    machine.run().ok();
    machine.has(["2", "2"]);
    machine.run();
    let report = verb(&["report", "levels"], &["--json"]).ok().json();
    assert_eq!(statuses(&report, "first-run"), ["met"]);
    let open = verb(&["report", "policy"], &["cyber-essentials", "--json"]).ok().json();
    assert!(open["rows"].as_array().unwrap().is_empty(), "{open:#}");
    verb(&["report", "levels"], &[]).ok().says("first run within five working days").says("1 met");
    // Whoever is elected out is counted nowhere, and that is said.
    let out = ["web1", "out", "--reason", "sold", "--as", "ann"];
    verb(&["endpoint", "elect"], &out).ok();
    verb(&["report", "levels"], &[]).ok().says("it is elected out: web1");
    verb(&["policy", "remove"], &["cyber-essentials", "--as", "ann"]).ok().says("No policy");
    assert_eq!(house.told("policy-set").len(), 1);
    assert_eq!(house.told("calendar-set").len(), 1);
}

#[test]
fn cisas_days_come_from_public_lists_and_what_they_do_not_say_is_the_worse() {
    let mut house = House::new();
    // Two CVEs of one update are judged each for itself; of the other update no CVE is known.
    house.offer_saying("3", |catalogue| {
        catalogue["updates"][0]["cves"] = json!(["CVE-2026-1", "CVE-2026-2"]);
        catalogue["advice"] = json!({
            "kev_as_of": "2026-11-20T15:00:05.123Z", "ssvc_as_of": "2026-11-21T00:00:00Z",
            "cves": {
                "CVE-2026-1": {"kev": false, "automatable": false, "total_impact": true},
                "CVE-2026-2": {"kev": true, "automatable": false, "total_impact": false},
            },
        });
    });
    house.scanned("web1");
    let verb = |verb: &[&str], words: &[&str]| house.appliance.verb(verb, words);
    verb(&["policy", "set"], &["cisa-bod-26-04", "--as", "ann"]).ok().says("DT_BOD2604:1.0.0");
    let told = house.told("policy-set");
    assert!(told[0].contains("10 rules, of which 2 with forensic triage"), "{told:?}");
    let report = || verb(&["report", "policy"], &["cisa-bod-26-04", "--json"]).ok().json();
    let triage = |row: &Value| row["deadline"]["forensic_triage"] == true;
    // Nobody said yet how web1 can be reached.
    let open = report();
    let rows = open["rows"].as_array().unwrap();
    assert_eq!(rows[0]["decided_by"], "CVE-2026-1", "{open:#}");
    assert_eq!(rows[0]["taken_as_worse"], json!(["exposure"]));
    assert_eq!(rows[0]["deadline"]["rule"], "bod-exposed-total-14-days");
    assert!(!triage(&rows[0]) && triage(&rows[1]), "{open:#}");
    assert_eq!(open["taken_as_worse"]["exposure"], 2);
    verb(&["endpoint", "set"], &["web1", "--exposure", "internal", "--as", "ann"]).ok();
    let open = report();
    assert_eq!(open["rows"][0]["taken_as_worse"], json!([]), "{open:#}");
    assert_eq!(open["rows"][0]["decided_by"], "CVE-2026-2");
    assert_eq!(open["rows"][1]["taken_as_worse"], json!(["kev", "automatable", "impact"]));
    assert_eq!((&open["forensic_triage"], &open["taken_as_worse"]["kev"]), (&json!(1), &json!(1)));
    let said = verb(&["report", "policy"], &["cisa-bod-26-04"]).ok();
    let said = said.says("by bod-known-exploited-14-days for CVE-2026-2");
    let said =
        said.says("and forensic triage by bod-exploited-automatable-total-3-days-and-triage");
    let said = said.says("unknown, taken as the worse: KEV, automatable, impact");
    said.says("Unknown, and taken as the worse: KEV in 1, automatable in 1, impact in 1 of 2.")
        .says("(KEV) is of 2026-11-20 15:00Z. The list of SSVC decision points is of 2026-11-21");
    let table = verb(&["report", "policy"], &["cisa-bod-26-04", "--csv"]).ok();
    table.says(",no,CVE-2026-2,2026-11-20T15:00:05.123Z,2026-11-21T00:00:00Z,,due,cisa").says(
        ",yes,,2026-11-20T15:00:05.123Z,2026-11-21T00:00:00Z,kev automatable impact,due,cisa",
    );
    // What mends nothing that is on a list waits for the next upgrade.
    house.offer_saying("4", |catalogue| {
        for update in catalogue["updates"].as_array_mut().unwrap() {
            update["cves"] = json!([]);
        }
        catalogue["advice"] =
            json!({"kev_as_of": "2026-11-22T00:00:00Z", "ssvc_as_of": null, "cves": {}});
    });
    let said = house.appliance.verb(&["report", "policy"], &["cisa-bod-26-04"]).ok();
    said.says("due; due with the next upgrade by bod-next-upgrade").says("asks for is known");
}
