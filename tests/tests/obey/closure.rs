//! What applies, and closure: a ring moves only to views from which all its endpoints can be patched.

use crate::house::House;
use serde_json::Value;
use tests::{SOURCE, patchkeep};

/// What `endpoint missing` says of an endpoint, as package, candidate and whether it is held.
fn missing(house: &House, name: &str) -> Vec<(String, String, bool)> {
    let told = house.appliance.verb(&["endpoint", "missing"], &[name, "--json"]).ok().json();
    let text = |update: &Value, field: &str| update[field].as_str().unwrap().to_owned();
    let all = told["updates"].as_array().unwrap().iter();
    all.map(|u| (text(u, "package"), text(u, "candidate"), u["held"].as_bool().unwrap())).collect()
}

fn both(version: &str) -> Vec<(String, String, bool)> {
    ["package-0", "package-1"].map(|name| (name.into(), version.into(), false)).into()
}

#[test]
fn a_ring_stays_until_all_its_endpoints_could_be_patched() {
    let mut house = House::new();
    house.appliance.verb(&["endpoint", "missing"], &[]).ok().says("No endpoint of ring broad");
    let machine = house.scanned("web1");
    assert_eq!(missing(&house, "web1"), both("2"));
    let said = house.appliance.verb(&["endpoint", "missing"], &["web1"]).ok();
    said.says("package-0 1 -> 2 amd64").says("CVEs unknown");
    house.appliance.verb(&["endpoint", "missing"], &[]).ok().says("web1  2 apply, 0 of them held");
    // The vendor's next release is not all in the bundle: the import succeeds, the ring stays.
    let stays =
        "ring broad stays where it is: test-stable of bundle 2 lacks 1 package of what 1 endpoint";
    house.offer_without("3", &["package-1"]).ok().says("is complete").says(stays);
    for verb in [&["ring", "list"][..], &["status"]] {
        house.appliance.verb(verb, &[]).ok().says("test-stable at bundle 1").says(stays);
    }
    let told = house.told("ring-held-back");
    assert!(told.len() == 1 && told[0].starts_with("Ring broad stayed where it was"), "{told:?}");
    assert_eq!(missing(&house, "web1"), both("2"));
    // By hand it is refused too, with what to do; a ring without endpoints may point there.
    for sequence in [&["--sequence", "2"][..], &[]] {
        let words = [&["broad", SOURCE][..], sequence].concat();
        let refused = house.appliance.verb(&["ring", "point"], &words).exits(4);
        refused.says("lacks 1 package").says("ring need --ring broad --source test-stable");
    }
    house.appliance.verb(&["ring", "create"], &["lab"]).ok();
    house.appliance.verb(&["ring", "point"], &["lab", SOURCE, "--sequence", "2"]).ok();
    // The need list is a page for the connected side, and names no endpoint.
    let page = house.path("need.txt");
    let said = house.appliance.verb(&["ring", "need"], &["--into", &page]).ok();
    said.says("NEED LIST of site test-site for ring broad").says("collect --need");
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("\nneed test-stable package-1 3 amd64  for 1 endpoints\n"), "{text}");
    assert!(!text.contains("web1") && !text.contains("need test-stable package-0"), "{text}");
    let list = house.appliance.verb(&["ring", "need"], &["--json"]).ok().json();
    assert_eq!((&list["endpoints"], &list["lacking_endpoints"]), (&1.into(), &1.into()));
    // Also after a restart, and the evidence replays.
    house.while_stopped(|_| {});
    house.appliance.verb(&["ring", "list"], &[]).ok().says(stays);
    let zip = house.path("evidence.zip");
    house.appliance.verb(&["audit", "export"], &["--into", &zip]).ok();
    let key = house.appliance.verb(&["audit", "key"], &["--json"]).ok().json();
    patchkeep(["audit", "verify", &zip, "--key", key.as_str().unwrap()]).ok();
    // A bundle that carries it moves the ring.
    house.offer("3");
    let listed = house.appliance.verb(&["ring", "list"], &[]).ok().says("test-stable at bundle 3");
    assert!(!listed.has("stays where it is"), "{listed}");
    assert_eq!(missing(&house, "web1"), both("3"));
    house.appliance.verb(&["ring", "need"], &[]).ok().says("Nothing is lacking");
    machine.run().ok();
}

#[test]
fn what_an_endpoint_holds_does_not_hold_the_ring() {
    let mut house = House::new();
    let machine = house.joined("web1");
    machine.hold("package-1");
    machine.run().ok();
    let expected = [("package-0", false), ("package-1", true)];
    let expected = expected.map(|(name, held)| (name.to_owned(), "2".to_owned(), held));
    assert_eq!(missing(&house, "web1"), expected);
    let said = house.offer_without("3", &["package-1"]).ok();
    said.says("ring now points here: broad/test-stable");
    // What its agent sent is what the connected side can solve for.
    let taken = house.appliance.verb(&["endpoint", "inventory-of"], &["web1"]).ok().json();
    assert!(taken["status"].as_str().unwrap().contains("Package: package-1\nStatus: hold"));
    house.appliance.verb(&["endpoint", "missing"], &["web9"]).exits(3).says("no such endpoint");
}
