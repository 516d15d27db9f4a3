//! Deciding: what approvers see is what they sign, and what they sign is what is applied.

use crate::house::House;
use tests::patchkeep;

#[test]
fn what_is_approved_is_applied_and_nothing_else() {
    let mut house = House::new();
    let machine = house.scanned("web1");
    let listed = house.appliance.verb(&["update", "list"], &[]).ok();
    listed.says("package-0 2 amd64").says("package-1 2 amd64").says("Nobody has decided");
    house.appliance.verb(&["update", "show"], &["package-0"]).ok().says("web1").says("SHA-256");
    machine.has(["1", "1"]);
    let approved = house.approve(&["--package", "package-0"]).ok();
    for shown in ["APPROVAL 1 for ring broad", "web1", "package-0 2 amd64", "Windows (1", "Plan: "]
    {
        assert!(approved.has(shown), "{shown} is not in\n{approved}");
    }
    assert!(!approved.has("package-1"), "{approved}");
    // Its plan has more than that, so nothing of it is applied: an approval is for a whole plan.
    let said = machine.run();
    machine.has(["1", "1"]);
    assert!(said.has("not approved"), "{said}");
    assert_eq!(house.endpoint("web1")["job"]["end"], "refused");
    house.approve(&[]).ok().says("package-1 2 amd64");
    machine.run().ok();
    machine.has(["2", "2"]);
    assert_eq!(house.endpoint("web1")["job"]["end"], "effective");
    house.appliance.verb(&["endpoint", "list"], &[]).ok().says("effective");
    let told = house.told("job-reported");
    assert!(told.iter().any(|line| line.contains("way back proven")), "{told:?}");
    // A later offer is not applied under the old approval.
    house.offer("3");
    machine.run();
    machine.has(["2", "2"]);
    // All of it stands in the evidence, and replays.
    let zip = house.path("evidence.zip");
    house.appliance.verb(&["audit", "export"], &["--into", &zip]).ok();
    let key = house.appliance.verb(&["audit", "key"], &["--json"]).ok().json();
    patchkeep(["audit", "verify", &zip, "--key", key.as_str().unwrap()])
        .ok()
        .says("2 approvals, withdrawals and waivers carry their approvers' own signatures")
        .says("the checkpoints that 1 endpoints held are signed by the log");
    house.while_stopped(|_| {});
    assert_eq!(house.endpoint("web1")["job"]["end"], "effective");
}

#[test]
fn only_listed_approvers_decide_and_only_about_what_stands_now() {
    let house = House::new();
    let machine = house.scanned("web1");
    let mallory = house.key("mallory");
    let words = ["--as", "kim", "--key", &mallory, "--yes"];
    house.appliance.verb(&["approve"], &words).exits(4).says("unknown-key");
    house
        .appliance
        .verb(&["approve"], &["--attested", "--yes", "--as", "kim"])
        .exits(4)
        .says("attests");
    // A draft that is signed elsewhere and comes back.
    let draft = house.path("draft");
    let words = ["--into", &draft, "--as", "kim"];
    house.appliance.verb(&["approve"], &words).ok().says("unsigned");
    let kim = house.key("kim");
    let shown = patchkeep(["statement", "show", &draft]).ok();
    shown.says("APPROVAL 1").says("package-0 2");
    house.appliance.verb(&["statement", "submit"], &[&draft]).exits(4).says("signature");
    patchkeep(["statement", "sign", &draft, "--key", &kim, "--yes"]).ok().says("APPROVAL 1");
    house.appliance.verb(&["statement", "submit"], &[&draft]).ok().says("Statement 1");
    // Once: a replay is older than what stands.
    house.appliance.verb(&["statement", "submit"], &[&draft]).exits(5).says("does not follow");
    // For these plans: another endpoint's changes them.
    let second = house.path("second");
    house.appliance.verb(&["approve"], &["--into", &second, "--as", "kim"]).ok();
    patchkeep(["statement", "sign", &second, "--key", &kim, "--yes"]).ok();
    let other = house.scanned_by_hand("web2");
    house.appliance.verb(&["statement", "submit"], &[&second]).exits(5).says("have changed");
    assert_eq!(house.told("statement-accepted").len(), 1);
    assert_eq!(house.told("statement-refused").len(), 5);
    // What stands names web1 alone.
    let said = other.run();
    other.has(["1", "1"]);
    assert!(said.has("does not name web2"), "{said}");
    machine.run().ok();
    machine.has(["2", "2"]);
}

#[test]
fn what_was_approved_can_be_taken_back_and_what_is_unwanted_declined() {
    let house = House::new();
    let machine = house.scanned("web1");
    house.approve(&[]).ok();
    let kim = house.key("kim");
    let own = ["--as", "kim", "--key", &kim, "--yes"];
    let why = ["--reason", "it breaks printing"];
    house.appliance.verb(&["withdraw"], &[&own[..], &why].concat()).ok().says("WITHDRAWAL 2");
    let said = machine.run();
    machine.has(["1", "1"]);
    assert!(said.has("withdrawn"), "{said}");
    house.appliance.verb(&["decline"], &["package-9", "--reason", "x"]).exits(3).says("package-9");
    let decline = ["package-1", "--reason", "it breaks printing", "--as", "kim"];
    house.appliance.verb(&["decline"], &decline).ok();
    house.appliance.verb(&["update", "list"], &[]).ok().says("DECLINED");
    let approved = house.approve(&[]).ok();
    assert!(approved.has("package-0 2") && !approved.has("package-1"), "{approved}");
    let told = house.told("statement-accepted");
    assert!(told.len() == 3 && told[1].contains("took back"), "{told:?}");
}

#[test]
fn nobody_approves_what_they_imported_unless_the_root_says_so() {
    for (four_eyes, exit) in [("true", 4), ("false", 0)] {
        let mut house = House::with(&["--four-eyes", four_eyes]);
        let machine = house.scanned("web1");
        // Oscar, who imported, becomes an approver too.
        let root = house.path("second-root");
        let oscar = format!("{}.pub", house.key("oscar"));
        house.appliance.verb(&["approver", "add"], &["oscar", &oscar, "--into", &root]).ok();
        for person in ["ann", "ben"] {
            patchkeep(["site", "sign", &root, "--key", &house.key(person), "--yes"]).ok();
        }
        house.appliance.verb(&["site", "accept"], &[&root]).ok();
        house.while_stopped(|_| {});
        let key = house.key("oscar");
        let words = ["--as", "oscar", "--key", &key, "--yes"];
        let said = house.appliance.verb(&["approve"], &words).exits(exit);
        if exit == 0 {
            let told = house.told("statement-accepted");
            assert!(told[0].contains("FOUR EYES ARE OFF"), "{told:?}");
            machine.run().ok();
            machine.has(["2", "2"]);
        } else {
            said.says("oscar imported");
            house.approve(&[]).ok();
        }
    }
}

#[test]
fn without_a_way_back_only_a_signed_waiver_helps() {
    let house = House::new();
    let kim = house.key("kim");
    let words = ["web1", "--reason", "it has no room", "--as", "kim", "--key", &kim, "--yes"];
    let said = house.appliance.verb(&["waive"], &words).ok();
    said.says("WAIVER").says("web1").says("no room");
    let mallory = house.key("mallory");
    let words = ["web1", "--reason", "x", "--as", "kim", "--key", &mallory, "--yes"];
    house.appliance.verb(&["waive"], &words).exits(4).says("unknown-key");
    assert_eq!(house.told("waiver-accepted").len(), 1);
    assert_eq!(house.told("statement-refused").len(), 1);
}

#[test]
fn who_is_elected_out_is_in_no_approval_and_who_has_a_provider_is_listed() {
    let house = House::new();
    let machine = house.scanned("web1");
    let other = house.scanned("web2");
    let verb = |verb: &str, words: &[&str]| house.appliance.verb(&["endpoint", verb], words);
    verb("elect", &["web2", "out", "--as", "ann"]).exits(3).says("needs a reason");
    let out = ["web2", "out", "--as", "ann", "--reason", "it is being replaced"];
    verb("elect", &out).ok().says("ELECTED OUT since");
    assert_eq!(house.endpoint("web2")["elected"], false);
    assert_eq!(house.endpoint("web1")["elected"], true);
    house.appliance.verb(&["update", "list"], &[]).ok().says("web2 is elected out");
    // What people say of an endpoint is behind commitments, but for what rules need.
    let settings = house.path("provider.json");
    std::fs::write(&settings, r#"{"kind": "btrfs", "host": "hyper-seven"}"#).unwrap();
    let words = ["web1", "--kind", "server", "--owner", "finance", "--provider", &settings];
    let said = verb("set", &words).ok();
    said.says("server; owned by finance; snapshots by the appliance's provider");
    let both = ["web1", "--stateless", "yes", "--never-back", "cluster-member"];
    verb("set", &both).exits(4).says("cannot be called stateless");
    verb("set", &["web1", "--stateless", "yes"]).ok().says("stateless");
    verb("set", &["web1"]).exits(3).says("say what it is");
    std::fs::write(&settings, "[1]").unwrap();
    verb("set", &["web1", "--provider", &settings]).exits(3).says("one JSON object");
    for sentence in house.told("endpoint-described") {
        assert!(!sentence.contains("finance") && !sentence.contains("hyper-seven"), "{sentence}");
    }
    let log = house.appliance.verb(&["update", "lint"], &["--json"]).ok().json();
    assert_eq!(log[0]["code"], "no-window", "{log:#}");
    let approved = house.approve(&[]).ok();
    let approved = approved.says("has no window");
    let approved = approved.says("web1  (snapshot by the appliance's provider)");
    assert!(!approved.has("web2"), "{approved}");
    verb("set", &["web1", "--no-provider", "--owner", ""]).ok();
    assert_eq!(house.endpoint("web1")["owner"], serde_json::Value::Null);
    let approved = house.approve(&[]).ok();
    assert!(!approved.has("snapshot by"), "{approved}");
    other.run();
    other.has(["1", "1"]);
    machine.run().ok();
    machine.has(["2", "2"]);
    verb("elect", &["web2", "in", "--as", "ann"]).ok();
    house.appliance.verb(&["update", "list"], &[]).ok().says("2 endpoints would apply 2");
}
