//! Snapshots by providers: a real QEMU over its monitor, with an endpoint beside it that says what an agent in
//! that machine would; and executables that lie, in the place of hypervisors that do.

use crate::runs::{Yard, step};
use api::{JobEnd, JobPhase, WayBack};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::run;

/// A QEMU machine that stands still: a snapshot holds its disk, memory and devices all the same.
struct Still {
    child: Child,
    disk: PathBuf,
    socket: PathBuf,
}

impl Still {
    fn new(yard: &Yard) -> Self {
        let path = |name: &str| PathBuf::from(yard.house.path(name));
        let (disk, socket) = (path("disk.qcow2"), path("qmp"));
        run(Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("16M"))
            .ok();
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-machine", "pc,accel=tcg", "-m", "32", "-nodefaults", "-display", "none"]);
        command.arg("-S").arg("-blockdev").arg(format!(
            "driver=qcow2,node-name=root,file.driver=file,file.filename={}",
            disk.display()
        ));
        command.args(["-device", "virtio-blk-pci,drive=root"]);
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", socket.display()));
        let log = File::create(path("qemu.log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let begun = Instant::now();
        while !socket.exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "QEMU did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, disk, socket }
    }

    /// The snapshots in its disk, by another program than the one that made them.
    fn snapshots(&self) -> String {
        run(Command::new("qemu-img").args(["snapshot", "-U", "-l"]).arg(&self.disk)).ok().out
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A yard whose first endpoint has this provider, in a run that was started.
fn yard(provider: impl FnOnce(&Yard) -> Value, words: &[&str]) -> Yard {
    let mut yard = Yard::new(1);
    yard.house.words = vec!["--providers"];
    yard.house.while_stopped(|_| ());
    let settings = yard.house.path("provider.json");
    fs::write(&settings, provider(&yard).to_string()).unwrap();
    let words = [&["web0", "--provider", &settings, "--as", "ann"], words].concat();
    yard.verb(&["endpoint", "set"], &words).ok();
    yard.plan(&[]);
    yard.approve().ok();
    yard.operator("start", &["broad"]).ok();
    yard
}

/// A yard whose first endpoint is a machine of QEMU's that stands still.
fn still_yard(words: &[&str]) -> (Yard, Still) {
    let mut still = None;
    let provider = |yard: &Yard| {
        let made = still.insert(Still::new(yard));
        json!({ "provider": "qmp", "socket": made.socket })
    };
    let yard = yard(provider, words);
    (yard, still.unwrap())
}

/// Has the endpoint ask for its snapshot until there is an answer; whether it is proven.
fn asks(yard: &mut Yard) -> Result<(), Option<JobEnd>> {
    let begun = Instant::now();
    loop {
        let orders = yard.say(0..1, step(JobPhase::Snapshotting, None, None)).remove(0);
        let run = orders.run.unwrap();
        assert!(run.provided, "nobody promised a snapshot");
        match (run.proven, run.over) {
            (true, _) => return Ok(()),
            (false, Some(end)) => return Err(Some(end)),
            (false, None) if begun.elapsed() > Duration::from_secs(30) => return Err(None),
            (false, None) => std::thread::sleep(Duration::from_millis(300)),
        }
    }
}

fn until(yard: &Yard, word: &str) -> Value {
    let begun = Instant::now();
    loop {
        let endpoint = yard.report()["endpoints"][0].clone();
        if endpoint["stands"] == word {
            return endpoint;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "not {word}: {endpoint:#}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

const APPLYING: JobPhase = JobPhase::Applying;
const PROVIDED: Option<WayBack> = Some(WayBack::Provided);

#[test]
fn a_stateless_machine_that_failed_is_put_back_by_its_provider() {
    let (mut yard, still) = still_yard(&["--stateless", "yes"]);
    assert_eq!(asks(&mut yard), Ok(()));
    assert!(still.snapshots().contains("patchkeep-"), "{}", still.snapshots());
    yard.say(0..1, step(APPLYING, PROVIDED, None));
    yard.say(0..1, step(JobPhase::AwaitingDecision, PROVIDED, None));
    let restored = until(&yard, "restored");
    assert!(restored["said"].as_str().unwrap().contains("put it back"), "{restored:#}");
    // The machine remembers less than the site: it is told, and nothing it says begins anew.
    let told = yard.say(0..1, step(JobPhase::Snapshotting, None, None)).remove(0);
    assert_eq!(told.run.unwrap().over, Some(JobEnd::Restored));
    assert!(!yard.kinds().contains(&"report-refused"));
    assert_eq!(yard.report()["stands"], "complete");
}

#[test]
fn a_machine_with_data_is_put_back_when_a_person_says_so() {
    let (mut yard, _still) = still_yard(&[]);
    assert_eq!(asks(&mut yard), Ok(()));
    yard.say(0..1, step(APPLYING, PROVIDED, None));
    yard.say(0..1, step(JobPhase::AwaitingDecision, PROVIDED, None));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(yard.report()["endpoints"][0]["stands"], "awaiting decision");
    yard.operator("restore", &["web0"]).ok();
    until(&yard, "restored");
}

#[test]
fn a_confined_appliance_asks_no_provider_and_says_so() {
    let provider = |yard: &Yard| json!({ "provider": "command", "program": yard.house.path("asked"), "machine": "m" });
    let mut yard = yard(provider, &[]);
    let log = yard.house.here().log();
    assert!(log.contains("NOT confined: what it writes, starts and calls"), "{log}");
    yard.house.words.clear();
    yard.house.while_stopped(|_| ());
    let log = yard.house.here().log();
    assert!(log.contains("Confined: ") && !log.contains("NOT"), "{log}");
    assert_eq!(asks(&mut yard), Err(Some(JobEnd::Refused)));
    let said = until(&yard, "refused")["said"].as_str().unwrap().to_owned();
    assert!(said.starts_with("no snapshot, and nothing was changed: "), "{said}");
    assert!(said.contains("started without --providers"), "{said}");
}

#[test]
fn a_provider_that_lies_stops_the_job_before_anything_is_changed() {
    // It stands in for a hypervisor that says yes and does nothing.
    let liar = |yard: &Yard| {
        let program = yard.house.path("liar");
        let script = "#!/bin/sh\ncat >/dev/null\ncase $1 in\n\
            create) echo '{\"level\":\"frozen\",\"fell_back\":null,\"frozen_ms\":1}' ;;\n\
            list) echo '{\"snapshots\":[],\"current\":null}' ;;\n*) echo '{}' ;;\nesac\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        json!({ "provider": "command", "program": program, "machine": "m" })
    };
    let mut yard = yard(liar, &["--stateless", "yes"]);
    assert_eq!(asks(&mut yard), Err(Some(JobEnd::Refused)));
    let endpoint = until(&yard, "refused");
    let said = endpoint["said"].as_str().unwrap();
    assert!(said.starts_with("no snapshot, and nothing was changed: "), "{said}");
    assert!(yard.kinds().contains(&"snapshot-failed"));
    // Whoever goes on all the same is not believed.
    yard.say(0..1, step(APPLYING, PROVIDED, None));
    assert!(yard.kinds().contains(&"report-refused"));
    assert_eq!(yard.report()["tally"]["begun"], 0);
}
