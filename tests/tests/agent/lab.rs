//! A site of the test's own: its people, a vendor, a lying appliance, a real Debian machine with an agent.

use crate::log::Log;
use crate::lying::{Lying, Says};
use crate::people::{People, draft};
use crate::vendor::Vendor;
use api::RunOrders;
use ids::Digest;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tests::{Debian, Package, Said, program, run_within, scratch};
use trust::{Approval, ApprovedPackage, Envelope, SiteRoot};

pub(crate) const KEYRING: &str = "/usr/share/keyrings/vendor.gpg";

/// What the vendor offers: an upgrade that brings a new dependency with it, and one of a held package.
pub(crate) const OFFERED: &[Package<'_>] = &[
    Package { name: "alpha", version: "2", fields: "Depends: gamma\n", script: "", own: "new" },
    Package { name: "beta", version: "2", fields: "", script: "", own: "new" },
    Package { name: "gamma", version: "1", fields: "", script: "", own: "" },
    Package { name: "held", version: "2", fields: "", script: "", own: "" },
];

pub(crate) struct Lab {
    pub(crate) people: People,
    pub(crate) vendor: Vendor,
    pub(crate) lying: Lying,
    pub(crate) machine: Debian,
    pin: Digest,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// A site whose machine `web1` is not enrolled yet.
    pub(crate) fn new() -> Self {
        let (people, vendor, folder) = (People::new(), Vendor::new(), scratch());
        let log = Log::new("lab.example/epoch-1", 1);
        let root = people.draft_root(1, 1, &log.verifier());
        let first = people.root(&root);
        let pin = SiteRoot::fingerprint(&first).unwrap();
        let sources = format!(
            "Types: deb\nURIs: /ring/broad/vendor/\nSuites: stable\nComponents: main\n\
             Architectures: amd64\nSigned-By: {KEYRING}\nValid-Until-Min: 3888000\n"
        );
        let lying = Lying::new(Says {
            log,
            roots: vec![first],
            approval: None,
            run: Some(Says::go()),
            run_of: None,
            waivers: Vec::new(),
            sources,
            repository: vendor.repository(),
            pending: 0,
            fingerprint: None,
            aged: false,
            problem: None,
            heard: Vec::new(),
            job: None,
            impossible: Vec::new(),
            strict: false,
        });
        let machine = Debian::fresh();
        fs::write(machine.path("/etc/hostname"), "web1\n").unwrap();
        fs::copy(vendor.keyring(), machine.path(KEYRING)).unwrap();
        let old = folder.path().join("old");
        for name in ["alpha", "beta", "held"] {
            let package = Package { name, version: "1", own: "old", ..Package::default() };
            let file = package.build(&old);
            let mut unpack = Command::new("dpkg");
            unpack.arg("--root").arg(machine.root()).arg("--install").arg(file);
            tests::run(&mut unpack).ok();
        }
        let lab = Self { people, vendor, lying, machine, pin, _folder: folder };
        // Nothing runs here that would have to settle.
        lab.conduct("[health]\nsettle_seconds = 0\n");
        lab.inside("echo held hold | dpkg --set-selections; apt-mark auto alpha").ok();
        lab
    }

    /// A site whose machine `web1` is enrolled, with nothing offered.
    pub(crate) fn enrolled() -> Self {
        let lab = Self::new();
        lab.vendor.offer(&[]);
        lab.enrol(&[]).ok();
        lab
    }

    /// One that lacks what the vendor offers, and kim has approved exactly that.
    pub(crate) fn approved() -> Self {
        let lab = Self::enrolled();
        let packages = lab.vendor.offer(OFFERED);
        lab.say_approval(&draft(1, wanted(packages)));
        lab
    }

    pub(crate) fn say_approval(&self, approval: &Approval) -> Envelope {
        let envelope = self.people.approve(approval);
        self.lying.says().approval = Some(envelope.clone());
        envelope
    }

    /// Changes what the run asks.
    pub(crate) fn asks(&self, change: impl FnOnce(&mut RunOrders)) {
        change(self.lying.says().run.as_mut().unwrap());
    }

    /// The machine's own administrator says how it is to be treated.
    pub(crate) fn conduct(&self, text: &str) {
        self.write("/etc/patchkeep/conduct.toml", text, 0o644);
    }

    /// Puts a program into the machine, in the place of one that it does not have or must not run here.
    pub(crate) fn stand_in(&self, name: &str, script: &str) {
        self.write(&format!("/usr/local/sbin/{name}"), &format!("#!/bin/sh\n{script}\n"), 0o755);
    }

    /// Puts one of the administrator's hooks there: `before.d/10-name`.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        let path = format!("/etc/patchkeep/hooks/{name}");
        self.write(&path, &format!("#!/bin/sh\n{script}\n"), 0o755);
    }

    fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.machine.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&path, mode).unwrap();
    }

    /// A file of the machine; empty where there is none.
    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.machine.path(path)).unwrap_or_default()
    }

    /// Changes what the agent remembers of its job, as time would.
    pub(crate) fn remember(&self, change: impl FnOnce(&mut Value)) {
        let mut memory = self.memory();
        change(&mut memory["job"]);
        fs::write(self.memory_file(), memory.to_string()).unwrap();
    }

    /// Offers what is offered always, but beta runs this script when it is installed, and approves it.
    pub(crate) fn approve_with_script(&self, script: &str) {
        let with = |p: &Package<'static>| p.name == "beta";
        let offered = OFFERED.iter().map(|p| if with(p) { Package { script, ..*p } } else { *p });
        let packages = self.vendor.offer(&offered.collect::<Vec<_>>());
        self.say_approval(&draft(1, wanted(packages)));
    }

    /// The machine as it is now, as a provider's snapshot would have it.
    pub(crate) fn copy_of_root(&self) -> PathBuf {
        let copy = self.machine.root().with_extension("snapshot");
        let mut command = Command::new("cp");
        command.arg("--archive").arg(self.machine.root()).arg(&copy);
        tests::run(&mut command).ok();
        copy
    }

    /// Puts a copy in the machine's place.
    pub(crate) fn put_root(&self, copy: PathBuf) {
        fs::remove_dir_all(self.machine.root()).unwrap();
        fs::rename(copy, self.machine.root()).unwrap();
        // It cannot know what was reported since; the appliance does, and says so.
        self.lying.says().strict = true;
    }

    /// Runs a shell line on the machine.
    pub(crate) fn inside(&self, line: &str) -> Said {
        let mut command = Command::new("chroot");
        command.arg(self.machine.root()).args(["env", "-i", "LC_ALL=C"]);
        command.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin").args(["sh", "-c", line]);
        run_within(Duration::from_secs(120), &mut command)
    }

    fn agent_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("patchkeep-agent"));
        command.arg("--root").arg(self.machine.root()).args(words);
        command
    }

    /// Runs a verb of the agent on the machine.
    pub(crate) fn agent(&self, words: &[&str]) -> Said {
        run_within(Duration::from_secs(300), &mut self.agent_command(words))
    }

    /// Enrols with the right words; those in `other` come last and count.
    pub(crate) fn enrol(&self, other: &[&str]) -> Said {
        let pin = self.pin.to_string();
        let Lying { people, endpoints, ca_fingerprint, .. } = &self.lying;
        let right = [
            ("--address", people.as_str()),
            ("--endpoints", endpoints),
            ("--ca-fingerprint", ca_fingerprint),
            ("--site-root", &pin),
            ("--token", "once"),
        ];
        let mut words = vec!["enrol"];
        for (name, value) in right {
            if !other.contains(&name) {
                words.extend([name, value]);
            }
        }
        words.extend(other);
        self.agent(&words)
    }

    /// One check-in.
    pub(crate) fn run(&self) -> Said {
        self.agent(&["run", "--once"])
    }

    /// Runs a check-in and kills the agent, not its children, when the job is in this phase for so long.
    pub(crate) fn run_and_kill(&self, phase: &str, after: Duration) {
        self.run_and_kill_when(|job| job["phase"] == phase, after);
    }

    /// The same, when the job as it is remembered is like this.
    pub(crate) fn run_and_kill_when(&self, is: impl Fn(&Value) -> bool, after: Duration) {
        let mut command = self.agent_command(&["run", "--once"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let begun = Instant::now();
        while !is(&self.memory()["job"]) {
            let ended = child.try_wait().unwrap();
            let job = || self.memory()["job"].clone();
            assert!(ended.is_none(), "it ended before it came to that: {ended:?}\n{:#}", job());
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "it never came to that\n{:#}",
                job()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What the agent remembers.
    pub(crate) fn memory(&self) -> Value {
        let text = fs::read_to_string(self.memory_file()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(crate) fn memory_file(&self) -> PathBuf {
        self.machine.path("/var/lib/patchkeep/agent.json")
    }

    /// How the job ended, in the agent's words.
    pub(crate) fn end(&self) -> String {
        self.memory()["job"]["end"].as_str().unwrap_or("not at all").to_owned()
    }

    /// Nothing that the vendor offers is on the machine, and no program of it has run.
    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        for (name, version) in [("alpha", Some("1")), ("beta", Some("1")), ("gamma", None)] {
            assert_eq!(self.machine.version(name).as_deref(), version, "{name}");
        }
        self.inside("dpkg --audit").ok();
    }

    /// Everything approved is on it.
    #[track_caller]
    pub(crate) fn is_patched(&self) {
        for (name, version) in [("alpha", "2"), ("beta", "2"), ("gamma", "1"), ("held", "1")] {
            assert_eq!(self.machine.version(name).as_deref(), Some(version), "{name}");
        }
        let said = self.inside("dpkg --audit; apt-get check -qq").ok();
        assert_eq!(said.out, "");
    }
}

impl Drop for Lab {
    /// Whatever a test was about: the appliance would have believed every report.
    fn drop(&mut self) {
        let impossible = std::mem::take(&mut self.lying.says().impossible);
        assert!(std::thread::panicking() || impossible.is_empty(), "{}", impossible.join("\n"));
    }
}

/// What web1's own solver takes of an offer: not what is held.
pub(crate) fn wanted(packages: Vec<ApprovedPackage>) -> Vec<ApprovedPackage> {
    packages.into_iter().filter(|package| package.package != "held").collect()
}
