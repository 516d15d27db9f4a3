//! Joining and leaving: tokens, keys that people compare, copies of either.

use crate::house::House;

#[test]
fn an_endpoint_joins_when_a_person_has_compared_its_key() {
    let house = House::new();
    let machine = house.machine();
    let token = house.token("web1");
    house.appliance.verb(&["endpoint", "list"], &[]).ok().says("No endpoint has joined");
    let asked =
        house.enrol(&machine, "web1", &token).exits(6).says("asks to join with key SHA256:");
    let key = house.pending_key("web1");
    asked.says(&key);
    house.appliance.verb(&["endpoint", "list"], &[]).ok().says("pending").says(&key);
    // It may ask as often as it likes, and is told nothing before a person has looked.
    house.enrol(&machine, "web1", &token).exits(6);
    machine.run().exits(3).says("not enrolled");
    let other = format!("SHA256:{}", "A".repeat(43));
    house.confirm("web1", &other).exits(3).says(&key).says("nothing was confirmed");
    house.confirm("web1", &key).ok().says("active");
    house.confirm("web1", &key).ok();
    house.enrol(&machine, "web1", &token).ok();
    machine.run().ok().says("no approval");
    let endpoint = house.endpoint("web1");
    assert_eq!((&endpoint["standing"], &endpoint["has_plan"]), (&"active".into(), &true.into()));
    assert!(endpoint["seen_at"].is_string(), "{endpoint:#}");
    let kinds = ["enrolment-token-issued", "endpoint-asked", "endpoint-confirmed"];
    assert_eq!(kinds.map(|kind| house.told(kind).len()), [1, 1, 1]);
    assert_eq!(house.told("inventory-received").len(), 1);
    // The ledger names no machine, and the token is nowhere in the data folder.
    for (secret, folder) in [("web1", "ledger"), (token["token"].as_str().unwrap(), "")] {
        let mut grep = std::process::Command::new("grep");
        let found = tests::run(
            grep.args(["--recursive", "--text", "--files-with-matches", "--fixed-strings", secret])
                .arg(house.appliance.data().join(folder)),
        );
        assert_eq!(found.out, "", "{secret} is in {folder}");
    }
}

#[test]
fn a_token_is_for_one_name_one_key_and_a_day() {
    let house = House::new();
    house.appliance.verb(&["endpoint", "token"], &["web1", "--hours", "25"]).exits(3).says("24");
    house.appliance.verb(&["endpoint", "token"], &["web1", "--ring", "none"]).exits(3).says("none");
    let (machine, thief) = (house.machine(), house.machine());
    let token = house.token("web1");
    house.enrol(&thief, "web2", &token).exits(4).says("does not count");
    house.enrol(&machine, "web1", &token).exits(6);
    // Somebody else with the same paper: an alarm, once, and nothing for him.
    house.enrol(&thief, "web1", &token).exits(4).says("does not count");
    house.enrol(&thief, "web1", &token).exits(4);
    assert_eq!(house.told("enrolment-token-misused").len(), 1);
    assert_eq!(house.told("endpoint-asked").len(), 1);
    assert_eq!(house.endpoint("web1")["token_misused"], true);
    house.appliance.verb(&["endpoint", "list"], &[]).ok().says("ALARM");
    // A second endpoint of one name waits until the first has left.
    house.appliance.verb(&["endpoint", "token"], &["web1"]).exits(5).says("retire it first");
    let words = ["web1", "--reason", "the paper was seen by others", "--as", "ann"];
    house.appliance.verb(&["endpoint", "retire"], &words).ok();
    house.enrol(&machine, "web1", &token).exits(4);
    let token = house.token("web1");
    house.enrol(&machine, "web1", &token).exits(6);
    house.confirm("web1", &house.pending_key("web1")).ok();
    house.enrol(&machine, "web1", &token).ok();
    house
        .enrol(
            &house.machine(),
            "web9",
            &serde_json::json!({
                "token": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "ca_fingerprint": token["ca_fingerprint"],
                "site_root": token["site_root"],
            }),
        )
        .exits(4)
        .says("does not count");
}

#[test]
fn an_endpoint_that_was_put_out_is_refused_at_once_and_can_join_again() {
    let mut house = House::new();
    let machine = house.scanned("web1");
    let retire = ["web1", "--reason", "it was sold", "--as", "ann"];
    house.appliance.verb(&["endpoint", "retire"], &retire).ok().says("retired");
    machine.run().fails();
    // Also after a restart, and for what it would only fetch.
    house.while_stopped(|_| {});
    machine.run().fails();
    let ring = house.appliance.verb(&["update", "list"], &["--json"]).ok().json();
    assert_eq!(ring["endpoints"], serde_json::json!([]));
    assert_eq!(house.told("endpoint-retired").len(), 1);
}

#[test]
fn a_certificate_is_renewed_in_time_and_mended_by_a_person_after_it() {
    let house = House::new();
    let machine = house.scanned("web1");
    let ends = |house: &House| house.endpoint("web1")["not_after"].clone();
    let first = ends(&house);
    let own = machine.certificate();
    machine.run().ok();
    assert_eq!(machine.certificate(), own, "it has most of its life before it");
    // By a clock two months on the agent asks; by the appliance's there is nothing to renew yet.
    machine.run_at("+65d").ok();
    assert_eq!((ends(&house), machine.certificate()), (first, own));
    assert_eq!(house.told("endpoint-certificate-renewed").len(), 0);
    // Without a token only an endpoint whose certificate has ended is heard.
    let again = machine.again(&house, None);
    again.ok().says("belongs to site");
    assert_eq!(house.told("endpoint-asked-again").len(), 0, "it got what it had");
    let thief = house.machine();
    machine.clone_agent_to(&thief);
    std::fs::remove_file(thief.0.path("/etc/patchkeep/endpoint.key")).unwrap();
    thief.again(&house, None).exits(4).says("does not count");
    // Put out, it comes back with a new token, its key and what it remembers.
    let retire = ["web1", "--reason", "lent to others", "--as", "ann"];
    house.appliance.verb(&["endpoint", "retire"], &retire).ok();
    machine.again(&house, None).exits(4);
    let token = house.token("web1")["token"].as_str().unwrap().to_owned();
    machine.again(&house, Some(&token)).exits(6);
    house.confirm("web1", &house.pending_key("web1")).ok();
    machine.again(&house, Some(&token)).ok();
    machine.run().ok();
    assert_eq!(house.endpoint("web1")["standing"], "active");
}

#[test]
fn a_copy_of_an_endpoint_is_noticed() {
    let house = House::new();
    let machine = house.scanned("web1");
    let copy = house.machine();
    machine.clone_agent_to(&copy);
    // The log goes on, and both come back in turn.
    house.appliance.verb(&["ring", "create"], &["other"]).ok();
    publish(&house);
    // What it is handed now is what it holds next time.
    machine.run().ok();
    machine.run().ok();
    assert_eq!(house.told("endpoint-went-back").len(), 0);
    let _ = copy.run();
    let told = house.told("endpoint-went-back");
    assert!(told.len() == 1 && told[0].contains("somebody runs a copy"), "{told:?}");
}

/// Has the appliance publish its log: an export does.
fn publish(house: &House) {
    let into = house.path("bundle.zip");
    house.appliance.verb(&["audit", "export"], &["--into", &into]).ok();
}
