//! Bad days: wrong clocks, an appliance that is gone, packages that ask or change, a full disk.
//! Each ends in one sentence, an event, and a machine of which it is known how it stands.

use crate::house::{House, Machine};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_clock_that_is_wrong_applies_nothing_too_early_or_too_late() {
    let house = House::new();
    let machine = house.scanned("web1");
    house.approve(&[]).ok();
    // Before the approval was drawn up, its window is not open yet.
    assert!(machine.run_at("-12h").has("window"), "it waits");
    machine.has(["1", "1"]);
    assert_eq!(house.endpoint("web1")["job"]["phase"], "waiting-for-window");
    machine.run().ok();
    machine.has(["2", "2"]);

    let late = house.scanned_by_hand("web2");
    house.approve(&[]).ok();
    assert!(late.run_at("+20d").has("ended"), "its end has come by that clock");
    late.has(["1", "1"]);
    // It is told at the appliance; a new approval is for a clock that was mended.
    let end = house.endpoint("web2")["job"]["end"].clone();
    assert!(end == "refused" || end == "expired", "{end}");
    house.approve(&[]).ok();
    late.run().ok();
    late.has(["2", "2"]);
}

#[test]
fn an_appliance_that_was_gone_for_a_week_is_gone_on_with() {
    let mut house = House::new();
    let machine = house.scanned("web1");
    house.approve(&[]).ok();
    let doors = house.stop();
    for day in ["+1d", "+7d"] {
        machine.run_at(day).exits(6).says("did not answer");
    }
    machine.has(["1", "1"]);
    house.serve(&doors, &[]);
    machine.run_at("+7d").ok();
    machine.has(["2", "2"]);
    assert_eq!(house.endpoint("web1")["job"]["end"], "effective");
}

#[test]
fn a_package_that_asks_does_not_hang_and_is_put_back() {
    let mut house = House::new();
    house.offer_with("3", "echo 'Go on?'; read answer; test \"$answer\" = yes");
    let machine = house.scanned("web1");
    house.approve(&[]).ok().says("package-0 3");
    let begun = Instant::now();
    machine.run();
    assert!(begun.elapsed() < Duration::from_secs(120), "it hung");
    machine.has(["1", "1"]);
    assert_eq!(house.endpoint("web1")["job"]["end"], "restored");
    let told = house.told("job-reported");
    assert!(told.last().unwrap().contains("restored"), "{told:?}");
}

#[test]
fn a_repository_that_moves_on_after_the_approval_brings_nothing_unapproved() {
    let mut house = House::new();
    let machine = house.scanned("web1");
    house.approve(&[]).ok().says("package-0 2");
    house.offer("3");
    assert!(machine.run().has("not approved"), "version 3 is offered, and 2 was approved");
    machine.has(["1", "1"]);
    // Pointed back, the ring offers what was approved; a new statement lets it try again.
    let source = tests::SOURCE;
    house.appliance.verb(&["ring", "point"], &["broad", source, "--sequence", "1"]).ok();
    machine.run();
    house.approve(&[]).ok().says("package-0 2");
    machine.run().ok();
    machine.has(["2", "2"]);
}

#[test]
fn a_disk_without_room_for_a_way_back_stays_as_it_is() {
    let house = House::new();
    let machine = house.scanned("web1");
    let small = Small::under(&machine);
    house.approve(&[]).ok();
    let said = machine.run();
    machine.has(["1", "1"]);
    let end = house.endpoint("web1")["job"]["end"].clone();
    assert!(end == "refused" || end == "failed", "{end}\n{said}");
    let mut audit = Command::new("chroot");
    audit.arg(machine.0.root()).args(["dpkg", "--audit"]);
    assert_eq!(tests::run(&mut audit).ok().out, "");
    drop(small);
}

#[test]
fn an_endpoints_false_claim_is_in_no_approval_and_on_no_screen() {
    let house = House::new();
    let (liar, _honest) = (house.scanned("web1"), house.scanned("web2"));
    let claim = |name: &str, version: &str, sha256: &str| {
        let package = serde_json::json!({
            "package": name, "architecture": "amd64", "version": version, "sha256": sha256,
        });
        serde_json::json!({
            "agent": "0", "root_generation": 1, "plan": { "packages": [package] },
        })
    };
    let says = |claim: &serde_json::Value| liar.says(&house, claim, 1);
    // A name that would repaint the terminal, and a payload under the name of another.
    let false_claim = claim("package-0", "2", &"a".repeat(64));
    says(&claim("x\u{1b}[2J", "1", &"a".repeat(64))).says("not plain text");
    says(&false_claim).says("again_in_seconds");
    let listed = house.appliance.verb(&["update", "list"], &[]).ok().says("NOT OFFERED");
    assert!(!listed.has("\u{1b}"), "{listed}");
    let approved = house.approve(&[]).ok();
    assert!(approved.has("Packages (2)") && !approved.has("aaaaaaaaaaaa"), "{approved}");
    // What fills a screen does not fill the disk or the log either.
    liar.says(&house, &false_claim, 150).says("too much within an hour");
    let plans = house.told("plan-received").len();
    assert!(plans < 130, "{plans} plans are in the log");
    let kept = fs::read_dir(house.appliance.data().join("evidence")).unwrap().count();
    assert!(kept < 20, "{kept} records are kept");
}

/// A file system that has room for the machine and little more, mounted over its root.
struct Small(std::path::PathBuf);

impl Small {
    fn under(machine: &Machine) -> Self {
        let root = machine.0.root();
        let (image, old) = (root.with_extension("img"), root.with_extension("old"));
        let mut used = Command::new("du");
        let used = tests::run(used.args(["--summarize", "--bytes"]).arg(&root)).ok().out;
        let used: u64 = used.split_ascii_whitespace().next().unwrap().parse().unwrap();
        fs::File::create(&image).unwrap().set_len(used * 5 / 4 + (24 << 20)).unwrap();
        tests::run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image)).ok();
        fs::rename(&root, &old).unwrap();
        fs::create_dir(&root).unwrap();
        tests::run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&root)).ok();
        let small = Self(root.clone());
        tests::run(Command::new("cp").arg("--archive").arg(old.join(".")).arg(&root)).ok();
        // What is left over goes, but for a few blocks.
        let left = 4 << 20;
        let free = rustix::fs::statvfs(&root).unwrap();
        let fill = (free.f_bavail * free.f_frsize).saturating_sub(left);
        let mut dd = Command::new("fallocate");
        dd.args(["--length", &fill.to_string()]).arg(root.join("var/full"));
        tests::run(&mut dd).ok();
        small
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
