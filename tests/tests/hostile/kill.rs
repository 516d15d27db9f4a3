//! `kill -9` at any point: what was acknowledged is there, what was not is whole or not there at all,
//! and the import goes on.

use crate::common::{log_verifies, stand};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tests::{Appliance, Client, Draft, Here, SOURCE, Workshop, noise, patchkeep_command, soak};

/// How often to kill.
fn kills() -> u32 {
    if soak() { 1_000 } else { 20 }
}

/// A time at which to kill something that takes `whole`: another one each time.
fn moment(number: u32, whole: Duration) -> Duration {
    let drawn = noise(u64::from(number) + u64::from(std::process::id()), 3);
    whole.mul_f64(f64::from(drawn[2]) / 255.0)
}

/// Starts a command and kills it after a time; whether it had ended well before.
fn kill_after(mut command: Command, time: Duration) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(time);
    let _ = child.kill();
    child.wait().unwrap().success()
}

fn import(appliance: &Appliance, bundle: &Path) -> Command {
    let mut command = patchkeep_command();
    command.arg("import").arg("--data").arg(appliance.data()).arg(bundle);
    command
}

/// Everything that a ring serves is one release, whole.
#[track_caller]
fn serves(here: &Here, client: &Client, ring: &str, drafts: &[&Draft]) {
    let release = format!("/ring/{ring}/{SOURCE}/dists/stable/InRelease");
    let got = client.get(here, &[release]).remove(0);
    let of = |draft: &&&Draft| draft.files.iter().any(|(_, bytes)| *bytes == got);
    let draft = drafts.iter().find(of).expect("what is served is no release that was imported");
    let path = |path: &String| format!("/ring/{ring}/{SOURCE}/{path}");
    let paths: Vec<String> = draft.files.iter().map(|(name, _)| path(name)).collect();
    for ((name, bytes), got) in draft.files.iter().zip(client.get(here, &paths)) {
        assert!(*bytes == got, "{name} is not the release's own");
    }
}

#[test]
fn an_import_killed_at_any_point_is_whole_or_not_there_and_goes_on() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    let packages = |number: u32| [(number, 400_000), (number, 90_000), (1, 50_000), (number, 900)];
    let first = workshop.bundle("first", 0, &packages(0));
    let begun = Instant::now();
    appliance.import(&[&first]).ok();
    let whole = begun.elapsed();
    let mut newest = workshop.draft(0, &packages(0));
    for number in 1..=kills() {
        newest = workshop.draft(number, &packages(number));
        workshop.collect(&newest);
        let name = format!("bundle-{number}");
        let bundle = workshop.build(&name, &[]);
        let before = stand(&appliance);
        let ended = kill_after(import(&appliance, &bundle), moment(number, whole));

        let now = stand(&appliance);
        let moved = now["sequence"] != before["sequence"];
        assert!(moved || !ended, "an import that was acknowledged is lost: {now}");
        assert_eq!(now["rings"][0]["sequence"], now["sequence"], "half of a commit");
        assert_eq!(now["sources"][0]["missing"], 0);
        if !moved {
            assert_eq!((&now["rings"], &now["sources"]), (&before["rings"], &before["sources"]));
        }
        appliance.import(&[&bundle]).ok();
        let after = stand(&appliance);
        assert_eq!(after["sequence"], u64::from(number) + 1);
        assert_eq!(after["rings"][0]["sequence"], after["sequence"]);
        if number % 10 == 0 {
            log_verifies(&appliance);
        }
        std::fs::remove_dir_all(bundle).unwrap();
    }
    let client = Client::enrol(&appliance, "web-1");
    let here = Here::serve(&appliance);
    serves(&here, &client, "broad", &[&newest]);
    here.stop();
    log_verifies(&appliance);
}

#[test]
fn a_ring_switched_while_the_server_is_killed_serves_one_whole_view() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    let drafts: Vec<Draft> =
        (1..=2).map(|n| workshop.draft(n, &[(n, 60_000), (1, 50_000), (n, 9_000)])).collect();
    for (number, draft) in drafts.iter().enumerate() {
        workshop.collect(draft);
        appliance.import(&[&workshop.build(&format!("bundle-{number}"), &[])]).ok();
    }
    let client = Client::enrol(&appliance, "web-1");
    let both: Vec<&Draft> = drafts.iter().collect();
    let rings = |appliance: &Appliance| appliance.verb(&["ring", "list"], &["--json"]).ok().json();
    let mut generation = rings(&appliance)[0]["generation"].as_u64().unwrap();
    for number in 0..kills() {
        let here = Here::serve(&appliance);
        let stop = AtomicBool::new(false);
        let acknowledged = std::thread::scope(|scope| {
            let switches = scope.spawn(|| switch_until(&appliance, &stop));
            std::thread::sleep(moment(number, Duration::from_millis(300)));
            here.kill();
            stop.store(true, Ordering::Relaxed);
            switches.join().unwrap()
        });
        let here = Here::serve(&appliance);
        let rings = rings(&appliance);
        let now = rings[0]["generation"].as_u64().unwrap();
        // Every acknowledged switch counts; one that was under way may count too.
        assert!(now >= generation + acknowledged, "{acknowledged} switches, but {rings}");
        assert!(now <= generation + acknowledged + 1, "{acknowledged} switches, but {rings}");
        generation = now;
        serves(&here, &client, "broad", &both);
        here.stop();
    }
    log_verifies(&appliance);

    /// Points the ring to and fro until told to stop; how many switches were acknowledged.
    fn switch_until(appliance: &Appliance, stop: &AtomicBool) -> u64 {
        let mut acknowledged = 0;
        let mut next = 1;
        while !stop.load(Ordering::Relaxed) {
            let sequence = next.to_string();
            let words = ["broad", SOURCE, "--sequence", &sequence, "--json"];
            let said = appliance.verb(&["ring", "point"], &words);
            acknowledged += u64::from(said.code == Some(0) && said.json() == Value::Bool(true));
            next = 3 - next;
        }
        acknowledged
    }
}

#[test]
fn events_that_were_acknowledged_outlive_a_kill() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    let mut made = Vec::new();
    for number in 0..kills() {
        let here = Here::serve(&appliance);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let make = |own: u32| {
                let (appliance, stop) = (&appliance, &stop);
                scope.spawn(move || make_until(appliance, stop, &format!("ring-{number}-{own}")))
            };
            let threads: Vec<_> = (0..3).map(make).collect();
            std::thread::sleep(moment(number, Duration::from_millis(250)));
            here.kill();
            stop.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| made.extend(thread.join().unwrap()));
        });
        let rings = appliance.verb(&["ring", "list"], &["--json"]).ok().json();
        let listed: std::collections::BTreeSet<_> =
            rings.as_array().unwrap().iter().map(|ring| ring["ring"].as_str().unwrap()).collect();
        let lost: Vec<_> = made.iter().filter(|ring| !listed.contains(ring.as_str())).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }
    assert!(!made.is_empty());
    log_verifies(&appliance);

    fn make_until(appliance: &Appliance, stop: &AtomicBool, name: &str) -> Vec<String> {
        let mut made = Vec::new();
        for number in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let ring = format!("{name}-{number}");
            if appliance.verb(&["ring", "create"], &[&ring]).code == Some(0) {
                made.push(ring);
            }
        }
        made
    }
}
