//! A long-running agent: it comes back when it is told to, waits longer while nobody answers, and stops in
//! order, never in the middle of a change.

use crate::house::{House, Machine};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tests::program;

/// Longest wait for something that must come. Without word from the appliance the agent pauses for a
/// minute, so three check-ins fit into it only when the appliance's own pause counts.
const WAIT: Duration = Duration::from_secs(100);

/// An agent that runs until it is stopped, or dropped.
struct Running {
    child: Child,
    said: [PathBuf; 2],
}

impl Running {
    fn start(house: &House, machine: &Machine) -> Self {
        let said = ["agent.out", "agent.err"].map(|name| house.folder_beside(name));
        let [out, err] = said.clone().map(|path| File::create(path).unwrap());
        let mut command = Command::new(program("patchkeep-agent"));
        command.arg("--root").arg(machine.0.root()).arg("run");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        Self { child: command.spawn().unwrap(), said }
    }

    fn out(&self) -> String {
        fs::read_to_string(&self.said[0]).unwrap()
    }

    /// The pauses that it announced after failures, in seconds.
    fn pauses(&self) -> Vec<f64> {
        let text = fs::read_to_string(&self.said[1]).unwrap();
        let pause =
            |line: &str| line.split_once("trying again in ")?.1.strip_suffix(" s")?.parse().ok();
        text.lines().filter_map(pause).collect()
    }

    #[track_caller]
    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            let ended = self.child.try_wait().unwrap();
            let late = begun.elapsed() > WAIT;
            let err = || fs::read_to_string(&self.said[1]).unwrap();
            assert!(ended.is_none() && !late, "{what}: {ended:?}\n{}\n{}", self.out(), err());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    fn stop(&mut self) {
        let id = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < WAIT, "it does not stop");
            thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
        assert!(self.out().ends_with("stopped, as asked\n"), "{}", self.out());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_comes_back_as_told_waits_longer_alone_and_goes_on() {
    let mut house = House::new();
    let machine = house.joined("web1");
    let doors = house.stop();
    let often = ["--check-in-seconds", "1"];
    house.serve(&doors, &often);
    let mut agent = Running::start(&house, &machine);
    let answered = |agent: &Running| agent.out().lines().count();
    agent.until("three check-ins", |agent| answered(agent) >= 3);
    house.stop();
    agent.until("four failures", |agent| agent.pauses().len() >= 4);
    for (number, pause) in agent.pauses().into_iter().enumerate() {
        let middle = 2_f64.powi(number.try_into().unwrap());
        // A quarter to each side, and a twentieth of a second for how it is written.
        let range = middle * 0.75 - 0.05..=middle * 1.25 + 0.05;
        assert!(range.contains(&pause), "failure {number}: {pause} s, not in {range:?}");
    }
    let before = answered(&agent);
    house.serve(&doors, &often);
    agent.until("the next check-ins", |agent| answered(agent) >= before + 2);
    agent.stop();
    assert_eq!(house.told("inventory-received").len(), 1);
}

#[test]
fn a_request_to_stop_waits_for_dpkg() {
    let mut house = House::new();
    house.offer_with("3", "touch /var/lib/begun; sleep 3; touch /var/lib/ended");
    let machine = house.scanned("web1");
    house.approve(&[]).ok();
    let mut agent = Running::start(&house, &machine);
    agent.until("dpkg at work", |_| machine.0.path("/var/lib/begun").exists());
    assert!(!machine.0.path("/var/lib/ended").exists(), "it was over too soon to say anything");
    agent.stop();
    assert!(machine.0.path("/var/lib/ended").exists());
    machine.has(["3", "3"]);
    assert_eq!(house.endpoint("web1")["job"]["end"], "effective");
}
