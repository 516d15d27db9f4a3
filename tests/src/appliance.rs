//! An appliance of the test's own: a data folder, its verbs, and its server in a network.

use crate::command::line;
use crate::{Debian, Node, Said, Story, patchkeep, program, run, scratch};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The door for endpoints.
const ENDPOINT_PORT: u16 = 8443;
/// The door for people.
const PEOPLE_PORT: u16 = 443;

/// A site's appliance: its data folder.
#[derive(Debug)]
pub struct Appliance {
    folder: TempDir,
}

impl Appliance {
    /// A new appliance that trusts the story's publisher and Debian, and holds nothing yet.
    #[must_use]
    pub fn new(story: &Story) -> Self {
        let appliance = Self { folder: scratch() };
        let root = story.root();
        let keys = story.keys().display().to_string();
        let told = patchkeep(["--json", "keys", "fingerprint", "--keys", &keys]).ok().json();
        let fingerprint = told.as_str().unwrap();
        let data = appliance.data();
        let keyring = "debian=/usr/share/keyrings/debian-archive-keyring.gpg";
        patchkeep::<&OsStr>([
            "init".as_ref(),
            "--data".as_ref(),
            data.as_os_str(),
            "--site".as_ref(),
            "test-site".as_ref(),
            "--publisher-root".as_ref(),
            root.as_os_str(),
            "--root-fingerprint".as_ref(),
            fingerprint.as_ref(),
            "--vendor-keyring".as_ref(),
            keyring.as_ref(),
        ])
        .ok();
        appliance
    }

    /// A place for an appliance, not founded yet; see [`crate::Workshop::found`].
    #[must_use]
    pub fn unfounded() -> Self {
        Self { folder: scratch() }
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path beside the data folder, for what goes in and out.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a verb on this appliance: its words, then `--data`, then the rest.
    #[track_caller]
    pub fn verb(&self, verb: &[&str], rest: &[&str]) -> Said {
        let data = self.data().display().to_string();
        patchkeep(verb.iter().chain(&["--data", &data]).chain(rest))
    }

    /// Has people take the site over: Ann and Ben administer, Kim approves. Their keys are
    /// `<person>-key` in `folder`; `words` are more of the draft's.
    #[track_caller]
    pub fn give_people(&self, folder: &Path, words: &[&str]) {
        let path = |name: &str| folder.join(name).display().to_string();
        let named = |person: &str| {
            let key = path(&format!("{person}-key"));
            let mut command = std::process::Command::new("ssh-keygen");
            run(command.args(["-q", "-t", "ed25519", "-N", "", "-f", &key])).ok();
            format!("{person}={key}.pub")
        };
        let [ann, ben, kim] = ["ann", "ben", "kim"].map(named);
        let people = ["--administrator", &ann, "--administrator", &ben, "--approver", &kim];
        let root = path("root");
        let place = ["--into", root.as_str(), "--json"];
        let draft = self.verb(&["site", "draft"], &[&people[..], &place, words].concat());
        let print = draft.ok().json()["fingerprint"].as_str().unwrap().to_owned();
        for person in ["ann", "ben"] {
            let key = path(&format!("{person}-key"));
            patchkeep(["site", "sign", &root, "--key", &key, "--yes"]).ok();
        }
        self.verb(&["site", "accept"], &[&root, "--fingerprint", &print]).ok();
    }

    /// Imports a bundle (a folder, or volumes).
    #[track_caller]
    pub fn import(&self, paths: &[&Path]) -> Said {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        self.verb(&["import"], &paths.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Serves until what it gives back is dropped.
    #[track_caller]
    pub fn serve(&self, node: &Node) -> Served {
        let log = self.beside("serve.log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = node.command(program("patchkeep"));
        command.arg("serve").arg("--data").arg(self.data());
        command.arg("--endpoints").arg(format!("{}:{ENDPOINT_PORT}", node.address));
        command.arg("--people").arg(format!("{}:{PEOPLE_PORT}", node.address));
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let line = line(&command);
        let mut served = Served { child: command.spawn().unwrap(), node: node.clone(), log };
        let begun = Instant::now();
        while !served.answers() {
            let ended = served.child.try_wait().unwrap();
            let late = begun.elapsed() > Duration::from_secs(60);
            assert!(
                ended.is_none() && !late,
                "$ {line}\n({ended:?}, late: {late})\n{}",
                served.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        served
    }

    /// Sets a Debian machine up as an endpoint, with what `endpoint apt-config` writes and nothing
    /// else; its own sources, which name the mirror, go.
    #[track_caller]
    pub fn enrol(&self, served: &Served, machine: &Debian, name: &str) {
        let _ = fs::remove_file(machine.path("/etc/apt/sources.list"));
        for entry in fs::read_dir(machine.path("/etc/apt/sources.list.d")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let root = machine.root().display().to_string();
        let address = served.address();
        self.verb(&["endpoint", "apt-config"], &[name, "--address", &address, "--write", &root])
            .ok();
    }
}

/// An appliance that serves. Dropping it asks it to stop, and stops it when it does not.
#[derive(Debug)]
pub struct Served {
    child: Child,
    node: Node,
    log: PathBuf,
}

impl Served {
    /// Where endpoints reach it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("https://{}:{ENDPOINT_PORT}", self.node.address)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Stops it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether something accepts connections at the endpoints' door.
    fn answers(&self) -> bool {
        let knock = format!("exec 3<>/dev/tcp/{}/{ENDPOINT_PORT}", self.node.address);
        let mut command = self.node.command("bash");
        command.args(["-c", &knock]).stdin(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let running = self.child.try_wait().is_ok_and(|ended| ended.is_none());
        if let Some(id) = Pid::from_raw(self.child.id().cast_signed()).filter(|_| running) {
            let _ = kill_process(id, Signal::TERM);
            let begun = Instant::now();
            while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
                if begun.elapsed() > Duration::from_secs(10) {
                    let _ = self.child.kill();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
