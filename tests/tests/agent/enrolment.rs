//! Enrolment: nothing is kept unless everything is as it was handed over.

use crate::lab::Lab;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

#[test]
fn a_machine_joins_by_what_came_on_paper() {
    let lab = Lab::new();
    lab.lying.says().pending = 1;
    lab.enrol(&[]).exits(6).says("is not confirmed yet");
    assert!(!lab.memory_file().exists());
    let print = |said: &tests::Said| {
        said.err.split("key ").nth(1).unwrap().split([':', ' ']).nth(1).unwrap().to_owned()
    };
    lab.lying.says().pending = 1;
    let first = lab.enrol(&[]).exits(6);
    // The same key asks again once a person has confirmed it.
    let said = lab.enrol(&["--wait", "10"]).ok().says("web1 belongs to site lab, ring broad");
    assert_eq!(print(&first), print(&said));
    let key = fs::metadata(lab.machine.path("/etc/patchkeep/endpoint.key")).unwrap();
    assert_eq!((key.mode() & 0o777, key.uid()), (0o400, 42), "apt's own user reads it alone");
    let memory = fs::metadata(lab.memory_file()).unwrap();
    assert_eq!(memory.mode() & 0o777, 0o600);
    lab.enrol(&[]).exits(5).says("belongs to site lab already");
}

#[test]
fn another_root_certificate_gets_no_token() {
    let lab = Lab::new();
    let other = lab.lying.ca_fingerprint.replace('A', "B").replace('1', "2");
    lab.enrol(&["--ca-fingerprint", &other]).exits(4).says("nothing was sent to it");
    // No key was made, and nothing kept: only the administrator's own file is there.
    assert_eq!(fs::read_dir(lab.machine.path("/etc/patchkeep")).unwrap().count(), 1);
}

#[test]
fn another_site_root_is_not_obeyed() {
    let lab = Lab::new();
    let said = lab.enrol(&["--site-root", &"0".repeat(64)]).exits(4);
    said.says("the site root is refused").says("not the pinned");
    lab.agent(&["status"]).exits(3).says("not enrolled");
}

#[test]
fn another_key_in_between_is_seen() {
    let lab = Lab::new();
    lab.lying.says().pending = 1;
    lab.lying.says().fingerprint = Some("SHA256:AAAA".into());
    lab.enrol(&[]).exits(4).says("somebody stands in between");
}

#[test]
fn a_certificate_past_two_thirds_of_its_life_is_renewed_for_the_same_key() {
    let lab = Lab::new();
    lab.vendor.offer(&[]);
    lab.lying.says().aged = true;
    lab.enrol(&[]).ok();
    let pem = lab.machine.path("/etc/patchkeep/endpoint.pem");
    let old = fs::read_to_string(&pem).unwrap();
    lab.run().ok();
    assert_ne!(fs::read_to_string(&pem).unwrap(), old);
    lab.lying.heard();
    lab.run().ok();
    assert!(lab.lying.heard().iter().all(|said| said.renewal.is_none()));
}

#[test]
fn a_refusal_by_the_appliance_is_told_in_its_words() {
    let lab = Lab::enrolled();
    let message = "web1 was struck off; enrol it again".to_owned();
    lab.lying.says().problem = Some(api::Problem { code: "struck-off".into(), message });
    lab.run().exits(4).says("(struck-off): web1 was struck off; enrol it again");
}
