//! The whole job in real browsers, on an appliance that is no site yet: it is founded, people get accounts and keys, a
//! bundle of genuine Debian updates is imported, a genuine Debian machine joins and patches itself, and the evidence is
//! taken away and verified. With a mouse, without JavaScript, and with the keyboard alone.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{
    Appliance, Debian, Here, Manner, Sight, Story, Walk, Walker, patchkeep, program, run,
    run_within, scratch,
};

/// What the people of a site have at hand.
struct Desk {
    story: Story,
    appliance: Appliance,
    here: Here,
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let story = Story::shared();
        let appliance = Appliance::unfounded();
        let here = Here::serve(&appliance);
        let desk = Self { story, appliance, here, folder: scratch() };
        for person in ["ann", "ben", "kim"] {
            let mut make = Command::new("ssh-keygen");
            run(make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(desk.path(person))).ok();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A public key, behind whose it is.
    fn key(&self, person: &str) -> String {
        let key = std::fs::read_to_string(self.path(&format!("{person}.pub"))).unwrap();
        format!("{person} {}", key.trim())
    }

    fn code(&self) -> String {
        let log = self.here.log();
        let line = log.lines().rfind(|line| line.contains("/first-start")).expect("a code");
        line.rsplit(' ').next().unwrap().to_owned()
    }

    /// What the ring's endpoints would apply: packages and versions. Which these are is Debian's to say.
    fn updates(&self) -> Vec<(String, String)> {
        let list = self.appliance.verb(&["update", "list"], &["--json"]).ok().json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let updates = list["updates"].as_array().unwrap().iter();
        let updates: Vec<_> = updates.map(|u| (text(&u["package"]), text(&u["version"]))).collect();
        assert!(!updates.is_empty(), "{list:#}");
        updates
    }

    fn words(path: &Path) -> String {
        path.display().to_string()
    }
}

#[test]
fn the_whole_job_is_done_with_a_mouse() {
    the_whole_job(Manner::Mouse);
}

#[test]
fn the_whole_job_is_done_without_javascript() {
    the_whole_job(Manner::Plain);
}

#[test]
fn the_whole_job_is_done_with_the_keyboard_alone() {
    the_whole_job(Manner::Keyboard);
}

fn the_whole_job(manner: Manner) {
    let mut desk = Desk::new();
    let walk = Walk::begin(&desk.here.people, manner);
    let ann = walk.person("ann");
    found(&mut desk, &ann);
    let [oscar, kim, eve] = [("oscar", "operator"), ("kim", "approver"), ("eve", "assessor")]
        .map(|(person, role)| account(&walk, &ann, person, role));
    say_who_approves(&desk, &ann);
    rules(&ann, &oscar);
    import(&desk, &oscar);
    let machine = join(&desk, &ann);
    let updates = desk.updates();
    let run = plan(&oscar, &updates);
    approve(&desk, &kim, &run);
    patch(&oscar, &run, &machine, &updates);
    ann.open("/getting-started").says("Everything that a new site has to decide is decided");
    take_evidence(&desk, &eve);
}

/// Founds the site with the code from the screen, and becomes its first administrator.
fn found(desk: &mut Desk, ann: &Walker<'_>) {
    let keys = Desk::words(&desk.story.keys());
    let print = patchkeep(["--json", "keys", "fingerprint", "--keys", &keys]).ok().json();
    let print = print.as_str().unwrap();
    ann.open("/").says("This appliance is no site yet");
    let code = desk.code();
    let fill = |code: &str, print: &str| {
        ann.types("Code from the appliance’s screen", code)
            .types("Name of the site", "north-plant");
        ann.gives("The publisher’s first root", &desk.story.root()).types("Its SHA-256", print);
        ann.presses("Found the site")
    };
    fill("AAAAA-AAAAA-AAAAA-AAAAA", print)
        .says("The code is not the one on the appliance's screen");
    fill(&code, &"ab".repeat(32)).says("compare both with the paper from the key ceremony");
    let founded = fill(&code, print).says("Site north-plant has its keys and its log");
    desk.here.wait_for_endpoints();
    let audit_key = desk.appliance.verb(&["audit", "key"], &["--json"]).ok();
    assert!(audit_key.has(&founded.between("id=\"audit-key\">", "<")), "{audit_key}");
    ann.presses("Set up the first administrator").says("Set up the first administrator");
    ann.begins(&code, Some("Ann Smith")).says("things to do");
}

/// Ann opens an account; its owner signs in with a browser of their own.
fn account<'a>(walk: &'a Walk, ann: &Walker<'_>, name: &'static str, role: &str) -> Walker<'a> {
    ann.open("/getting-started");
    ann.presses("Open accounts for the others");
    ann.presses("Open an account");
    ann.types("Person id", name).types("Name", &format!("{name} of the plant")).ticks(role);
    let code = ann.presses("Open the account").between("id=\"code\">", "<");
    let person = walk.person(name);
    person.open("/one-time-code");
    person.begins(&code, None).says("Overview");
    person
}

/// The site root: drawn up at the console, signed elsewhere by two, given back.
fn say_who_approves(desk: &Desk, ann: &Walker<'_>) {
    ann.open("/getting-started");
    ann.presses("Say who approves").says("The site has no root yet");
    ann.presses("Draw up the next one");
    let administrators = format!("{}\n{}", desk.key("ann"), desk.key("ben"));
    ann.types("Administrators", &administrators).types("Approvers", &desk.key("kim"));
    let drawn = ann.presses("Draw it up").says("2 of 2 sign the next root");
    let (print, file) = (drawn.between("id=\"print\">", "<"), desk.path("site-root-1.json"));
    ann.takes("Take the file", &file);
    let give = |root: &str| {
        ann.open("/site-root");
        ann.unfolds("Give a root that was signed");
        ann.types("The signed root", root).types("Its fingerprint", &print);
        ann.presses("Obey it from now on")
    };
    let read = || std::fs::read_to_string(&file).unwrap();
    give(&read()).says("it has 0 of the 2 signatures");
    for person in ["ann", "ben"] {
        let (file, key) = (Desk::words(&file), Desk::words(&desk.path(person)));
        patchkeep(["site", "sign", &file, "--key", &key, "--yes"]).ok();
    }
    give(&read())
        .says("The site root is obeyed from now on")
        .says("Nobody approves what they imported");
}

/// The calendar, a policy, a window.
fn rules(ann: &Walker<'_>, oscar: &Walker<'_>) {
    ann.open("/calendar");
    ann.types("Time zone", "Europe/London").types("Holidays", "2026-12-25\n2026-12-28");
    ann.presses("See what would change").says("If you keep it");
    ann.presses("Keep it").says("Europe/London, where it is");
    ann.open("/policies");
    ann.presses(POLICY).says("The policy is in force");
    oscar.open("/window-new");
    oscar
        .types("Name", "saturdays")
        .types("First day, and the time at which it opens", "2026-11-28T22:00");
    oscar.types("Minutes that it stays open", "240");
    oscar.presses("Make it").says("saturdays");
}

const POLICY: &str = "Put it in force: Cyber Essentials: vulnerability fixes within 14 days";

/// The medium is at hand; its custody is said, and the import watched.
fn import(desk: &Desk, oscar: &Walker<'_>) {
    oscar.open("/imports");
    oscar.presses("Import a bundle");
    let bundle = Desk::words(&desk.story.bundle());
    oscar
        .types("Where it is on this appliance", &bundle)
        .types("Asset tag", "stick 7")
        .types("Carried by", "carl");
    let begun = Instant::now();
    let mut sight = oscar.presses("Import it");
    while !sight.text.contains("Bundle 1") || sight.text.contains("Being imported") {
        assert!(begun.elapsed() < Duration::from_secs(120), "{}", sight.text);
        sight = oscar.open("/imports");
    }
    oscar.presses("Bundle 1").says("stick 7");
    oscar.open("/updates?lacking=no").says("debian");
    // Who is affected is seen before anything is decided.
    oscar.open("/rings");
    oscar.unfolds("Point a ring at a view, or back at an older one");
    oscar.presses("See what that changes").says("pointed at");
    oscar.open("/exceptions");
    oscar.unfolds("Ask for an exception");
    oscar.types("Binary package", "apt").types("Version that is not applied", "1");
    oscar.presses("See whom it is about").says("It would be about no endpoint");
}

/// A genuine Debian machine joins: a token, its key compared, its inventory.
fn join(desk: &Desk, ann: &Walker<'_>) -> Debian {
    let machine = Debian::fresh();
    ann.open("/getting-started");
    ann.presses("Have the first endpoint join");
    let issued = ann.types("Host name", "web1").presses("Issue a token").says("shown once");
    let word = |name: &str| {
        let mut words = issued.text.split_whitespace().skip_while(|word| *word != name);
        words.nth(1).unwrap_or_else(|| panic!("no {name} in {}", issued.text)).to_owned()
    };
    let [token, ca, root] = ["--token", "--ca-fingerprint", "--site-root"].map(word);
    let doors =
        [format!("https://{}", desk.here.people), format!("https://{}", desk.here.endpoints)];
    let enrol = || {
        let words = ["enrol", "--address", &doors[0], "--endpoints", &doors[1], "--name", "web1"];
        let paper =
            ["--token", &token, "--ca-fingerprint", &ca, "--site-root", &root, "--wait", "0"];
        agent(&machine, &[&words[..], &paper].concat())
    };
    let asked = enrol().exits(6);
    let shown = format!("{}{}", asked.out, asked.err);
    let key =
        shown.split_whitespace().find(|word| word.starts_with("SHA256:")).expect("a fingerprint");
    ann.open("/endpoints?state=pending");
    ann.presses("web1");
    ann.types("Fingerprint on its screen", key.trim_end_matches(':'));
    ann.presses("Let it join").says("The endpoint has joined");
    enrol().ok();
    agent(&machine, &["run", "--once"]).ok().says("no approval");
    machine
}

fn agent(machine: &Debian, words: &[&str]) -> tests::Said {
    let mut command = Command::new(program("patchkeep-agent"));
    command.arg("--root").arg(machine.root()).args(words);
    run_within(Duration::from_secs(300), &mut command)
}

/// The run; gives its page.
fn plan(oscar: &Walker<'_>, updates: &[(String, String)]) -> String {
    oscar.open("/endpoints");
    let lacking = oscar.presses("web1");
    for (package, version) in updates {
        assert!(lacking.text.contains(package) && lacking.text.contains(version), "{package}");
    }
    // The vendor's own words come out of the package that was carried in.
    oscar.presses(&updates[0].0).says("What its vendor says");
    oscar.presses("What its vendor says").says("the changelog of").says("urgency=");
    oscar.open("/runs");
    oscar.presses("Plan a run");
    oscar.ticks("At any time, although the ring has windows");
    let planned = oscar.presses("Plan it").says("The run is planned");
    planned.path.split('?').next().unwrap().to_owned()
}

/// Kim reads what is to be signed, and signs it on a machine of her own.
fn approve(desk: &Desk, kim: &Walker<'_>, run: &str) {
    kim.open(run)
        .says("It waits for kim to approve it")
        .says("only as trustworthy as this appliance");
    let (id, key) = (run.rsplit('/').next().unwrap(), Desk::words(&desk.path("kim")));
    let words = [id, "--as", "kim", "--key", &key, "--yes"];
    desk.appliance.verb(&["run", "approve"], &words).ok();
    kim.open(run).says("Approved, and not started");
}

/// The run is started; the machine patches itself with its own apt; the board says so.
fn patch(oscar: &Walker<'_>, run: &str, machine: &Debian, updates: &[(String, String)]) {
    oscar.open(run);
    oscar.presses("Start it").says("Its endpoints may begin");
    agent(machine, &["run", "--once"]).ok();
    for (package, version) in updates {
        assert_eq!(machine.version(package).as_ref(), Some(version), "{package}");
    }
    oscar.open(run).says("effective");
    oscar.open("/endpoints/web1").says("What happened to it").says("joined run");
    oscar.open("/").says("In time under each policy");
}

/// An assessor looks, takes the evidence away, and verifies it without the appliance.
fn take_evidence(desk: &Desk, eve: &Walker<'_>) {
    eve.open("/reports");
    eve.open("/reports/policies/cyber-essentials").says("Cyber Essentials");
    let listed: Sight = eve.open("/audit?type=run-started").says("at the console");
    let entry = listed.between("href=\"/audit/", "\"");
    eve.presses(&entry).says("root");
    let checkpoint = desk.path("checkpoint.txt");
    eve.open("/audit/witness");
    eve.takes("Take the file", &checkpoint);
    eve.types("The checkpoint that you held", &std::fs::read_to_string(&checkpoint).unwrap());
    eve.presses("See whether the log continues it").says("The log continues this checkpoint");
    eve.open("/audit");
    let bundle = desk.path("audit.zip");
    eve.ticks("Full: also the records, which name people, media and machines");
    eve.takes("Export an audit bundle", &bundle);
    let key = desk.appliance.verb(&["audit", "key"], &["--json"]).ok().json();
    let (bundle, key) = (Desk::words(&bundle), key.as_str().unwrap_or_default().to_owned());
    patchkeep(["audit", "verify", &bundle, "--key", &key]).ok().says("north-plant");
}
