//! Service levels and policies: what people are told of how a site stands.

use crate::house::House;
use serde_json::Value;

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
