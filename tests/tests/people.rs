//! People decide: a site's root, its administrators' and approvers' keys, with stock ssh keys and agent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{Appliance, Said, Workshop, patchkeep, patchkeep_command, run, scratch};

/// A site with people, each with an SSH key.
struct Site {
    appliance: Appliance,
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { appliance: Workshop::new().appliance(), folder: scratch() };
        for person in ["ann", "ben", "eve", "kim", "lee", "mallory"] {
            site.key(person);
        }
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A new key pair of this name.
    fn key(&self, name: &str) {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-f", &self.path(name)]);
        run(&mut command).ok();
    }

    fn named(&self, person: &str, key: &str) -> String {
        format!("{person}={}", self.path(&format!("{key}.pub")))
    }

    /// Drafts the next root as the file `name`.
    #[track_caller]
    fn draft(&self, name: &str, words: &[&str]) -> Said {
        let into = self.path(name);
        self.appliance.verb(&["site", "draft"], &[&["--into", &into], words].concat())
    }

    /// Drafts the first root: two of three administrators, one approver.
    #[track_caller]
    fn draft_first(&self) -> String {
        let [ann, ben, eve] = ["ann", "ben", "eve"].map(|who| self.named(who, who));
        let kim = self.named("kim", "kim");
        let people = ["--administrator", &ann, "--administrator", &ben, "--administrator", &eve];
        let words = [&people[..], &["--approver", &kim, "--json"]].concat();
        self.draft("root", &words).ok().json()["fingerprint"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn sign(&self, name: &str, key: &str) -> Said {
        patchkeep(["site", "sign", &self.path(name), "--key", &self.path(key), "--yes"])
    }

    #[track_caller]
    fn accept(&self, name: &str, more: &[&str]) -> Said {
        self.appliance.verb(&["site", "accept"], &[&[self.path(name).as_str()], more].concat())
    }

    /// The first root, signed by Ann and Eve, accepted.
    fn founded() -> Self {
        let site = Self::new();
        let fingerprint = site.draft_first();
        site.sign("root", "ann").ok();
        site.sign("root", "eve").ok();
        site.accept("root", &["--fingerprint", &fingerprint]).ok();
        site
    }

    fn root(&self) -> Value {
        self.appliance.verb(&["site", "show"], &["--json"]).ok().json()["root"].clone()
    }

    fn people(&self, list: &str) -> Vec<String> {
        let root = self.root();
        let list = if list == "administrators" { &root[list]["keys"] } else { &root[list] };
        let name = |entry: &Value| entry["person"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect()
    }

    /// How many roots were accepted, as the ledger says.
    fn accepted(&self) -> usize {
        self.events("site-root-accepted")
    }

    fn events(&self, kind: &str) -> usize {
        let words = ["--json", "--type", kind];
        let lines = self.appliance.verb(&["audit", "show"], &words).ok().json();
        lines.as_array().unwrap().len()
    }
}

#[test]
fn a_site_is_founded_by_the_threshold_and_the_fingerprint_on_paper() {
    let site = Site::new();
    site.appliance.verb(&["site", "show"], &[]).ok().says("no root yet");
    let fingerprint = site.draft_first();
    let pinned = ["--fingerprint", fingerprint.as_str()];
    site.accept("root", &pinned).exits(4).says("signature-threshold");
    // What is signed is shown first, and nobody signs unasked.
    let mut unasked = patchkeep_command();
    let (root, ann) = (site.path("root"), site.path("ann"));
    unasked.args(["site", "sign", &root, "--key", &ann]).stdin(Stdio::null());
    run(&mut unasked).exits(4).says("2 of 3").says("nothing was signed");
    site.sign("root", "ann").ok().says("SITE ROOT 1").says("SHA256:").says(&fingerprint);
    site.accept("root", &pinned).exits(4).says("signature-threshold");
    // A stranger's signature spoils it; the same administrator twice is one.
    fs::copy(site.path("root"), site.path("spoilt")).unwrap();
    site.sign("spoilt", "mallory").ok();
    site.accept("spoilt", &pinned).exits(4).says("unknown-key");
    site.sign("root", "ann").ok();
    site.accept("root", &pinned).exits(4).says("signature-threshold");
    site.sign("root", "eve").ok();
    site.accept("root", &["--fingerprint", &"0".repeat(64)]).exits(4).says("site-root-fingerprint");
    site.accept("root", &[]).exits(3).says("--fingerprint");
    assert_eq!(site.accepted(), 0);
    assert_eq!(site.events("site-root-refused"), 5);
    site.accept("root", &pinned).ok().says("obeyed from now on");
    site.accept("root", &pinned).exits(4).says("site-root-chain");
    assert_eq!(site.accepted(), 1);
    assert_eq!(site.people("approvers"), ["kim"]);
}

#[test]
fn a_lost_administrators_key_is_replaced_by_the_others() {
    let site = Site::founded();
    site.key("ann-new");
    let ann = site.named("ann", "ann-new");
    site.draft("second", &["--administrator", &ann]).ok();
    // Whoever found the lost key cannot keep the others from it, nor do it alone.
    site.sign("second", "ann").ok();
    site.accept("second", &[]).exits(4).says("signature-threshold");
    site.sign("second", "ben").ok();
    site.accept("second", &[]).exits(4).says("signature-threshold");
    site.sign("second", "ann-new").ok();
    site.accept("second", &[]).ok();
    // From here on the lost key says nothing, and the new one counts.
    let lee = site.named("lee", "lee");
    site.draft("third", &["--approver", &lee]).ok();
    fs::copy(site.path("third"), site.path("third-old")).unwrap();
    site.sign("third-old", "ann").ok();
    site.sign("third-old", "ben").ok();
    site.accept("third-old", &[]).exits(4).says("unknown-key");
    site.sign("third", "ann-new").ok();
    site.sign("third", "eve").ok();
    site.accept("third", &[]).ok();
    assert_eq!(site.people("approvers"), ["kim", "lee"]);
    assert_eq!(site.accepted(), 3);
}

#[test]
fn an_administrator_who_leaves_has_no_say_any_more() {
    let site = Site::founded();
    site.draft("second", &["--remove-administrator", "nobody"]).exits(3).says("nobody");
    site.draft("second", &["--remove-administrator", "eve", "--threshold", "2"]).ok();
    site.sign("second", "ann").ok();
    site.sign("second", "ben").ok();
    site.accept("second", &[]).ok();
    assert_eq!(site.people("administrators"), ["ann", "ben"]);
    site.draft("third", &["--four-eyes", "false"]).ok().says("OFF");
    site.sign("third", "ann").ok();
    site.sign("third", "eve").ok();
    site.accept("third", &[]).exits(4).says("unknown-key");
    assert_eq!(site.root()["policy"]["four_eyes"], true);
}

#[test]
fn approvers_come_get_new_keys_and_go_by_the_administrators_word() {
    let site = Site::founded();
    site.key("kim-new");
    let (kim, lee) = (site.path("kim-new.pub"), site.path("lee.pub"));
    let next = |verb: &str, words: &[&str], name: &str| {
        let into = site.path(name);
        site.appliance.verb(&["approver", verb], &[words, &["--into", &into]].concat()).ok();
        site.sign(name, "ann").ok();
        site.sign(name, "ben").ok();
        site.accept(name, &[]).ok();
    };
    next("add", &["lee", &lee], "2");
    assert_eq!(site.people("approvers"), ["kim", "lee"]);
    next("replace", &["kim", &kim], "3");
    let listed = site.appliance.verb(&["approver", "list"], &[]).ok();
    let new = fs::read_to_string(&kim).unwrap();
    assert!(listed.has(new.split(' ').nth(1).unwrap()), "{listed}");
    next("remove", &["lee"], "4");
    assert_eq!(site.people("approvers"), ["kim"]);
    let into = site.path("5");
    let gone = site.appliance.verb(&["approver", "remove"], &["lee", "--into", &into]);
    gone.exits(3).says("no key of lee");
    // An administrator's offline key is never one for approvals.
    let ann = site.path("ann.pub");
    let both = site.appliance.verb(&["approver", "add"], &["ann", &ann, "--into", &into]);
    both.exits(3).says("malformed");
    assert!(!PathBuf::from(into).exists());
}

/// An ssh-agent with one key in it; stopped when dropped.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn with(site: &Site, key: &str) -> Self {
        let socket = site.folder.path().join("agent.sock");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let agent = Self { child: command.spawn().unwrap(), socket };
        let begun = Instant::now();
        while !agent.socket.exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "ssh-agent does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut add = Command::new("ssh-add");
        run(add.arg("-q").arg(site.path(key)).env("SSH_AUTH_SOCK", &agent.socket)).ok();
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_key_in_the_agent_signs_and_rsa_is_not_taken() {
    let site = Site::new();
    let fingerprint = site.draft_first();
    let agent = Agent::with(&site, "ann");
    fs::remove_file(site.path("ann")).unwrap();
    let mut sign = patchkeep_command();
    let (root, public) = (site.path("root"), site.path("ann.pub"));
    sign.args(["site", "sign", &root, "--yes", "--key", &public]);
    run(sign.env("SSH_AUTH_SOCK", &agent.socket)).ok();
    site.sign("root", "ben").ok();
    site.accept("root", &["--fingerprint", &fingerprint]).ok();
    drop(agent);
    let lost = site.sign("root", "ann.pub");
    lost.exits(3).says("ssh-keygen did not sign");

    let rsa = site.path("rsa");
    run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-N", "", "-f", &rsa])).ok();
    let named = site.named("lee", "rsa");
    site.draft("second", &["--approver", &named]).exits(3).says("not taken");
}

#[test]
fn an_assessor_finds_every_root_in_the_evidence() {
    let site = Site::founded();
    site.draft("second", &["--days", "10"]).ok();
    site.sign("second", "ann").ok();
    site.sign("second", "ben").ok();
    site.accept("second", &[]).ok().says("draw up the next one");
    site.appliance.verb(&["status"], &[]).ok().says("soon: site root 2 ends");
    let zip = site.path("audit.zip");
    site.appliance.verb(&["audit", "export"], &["--into", &zip]).ok();
    patchkeep(["audit", "verify", &zip]).ok().says("site roots 1 to 2 follow each other");
    for name in ["site/root-1.json", "site/root-2.json"] {
        let kept = run(Command::new("unzip").args(["-p", &zip, name])).ok();
        assert!(kept.has("vnd.patchkeep.site-root+json"), "{name}\n{kept}");
    }
    // A restart judges the whole chain again.
    assert_eq!(site.root()["generation"], 2);
}
