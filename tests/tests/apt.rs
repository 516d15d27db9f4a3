//! A stock Debian machine patches itself from the appliance: stock apt, stock checks, no way out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use tests::{Appliance, Debian, Network, Node, Said, Story};

const UPGRADE: &str = "apt-get --yes --with-new-pkgs upgrade";

/// An appliance that has imported the story's bundle.
fn filled(story: &Story) -> Appliance {
    let appliance = Appliance::new(story);
    appliance.import(&[&story.bundle()]).ok();
    appliance
}

/// What apt would upgrade, by name.
fn upgradable(machine: &Debian, node: &Node) -> Vec<String> {
    let said = machine.run(node, "apt list --upgradable 2>/dev/null").ok();
    let named = said.out.lines().filter_map(|line| line.split_once('/'));
    named.map(|(name, _)| name.to_owned()).collect()
}

/// The payloads in a store whose first bytes are these.
fn payloads_that_begin(appliance: &Appliance, magic: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![appliance.data().join("store")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if fs::read(entry.path()).unwrap().starts_with(magic) {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Changes one bit in the middle of a file, whatever its permissions.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The text of a signed release file: which day it is of.
fn date_of(inrelease: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(inrelease);
    let date = text.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap().to_owned();
    let said = tests::run(std::process::Command::new("date").args(["+%s", "--date", &date])).ok();
    said.out.trim().parse().unwrap()
}

#[test]
fn stock_apt_upgrades_from_the_appliance_with_every_check_on() {
    let story = Story::shared();
    let appliance = filled(&story);
    let (network, machine) = (Network::new(), Debian::fresh());
    let (door, endpoint) = (network.node(), network.node());
    let served = appliance.serve(&door);
    appliance.enrol(&served, &machine, "web-1");

    machine.run(&endpoint, "apt-get update").ok();
    let lacking = upgradable(&machine, &endpoint);
    assert!(
        !lacking.is_empty(),
        "the machine lacks nothing: is the release suite its only source?"
    );
    let before: Vec<_> = lacking.iter().map(|name| machine.version(name)).collect();
    machine.run(&endpoint, UPGRADE).ok();
    for (name, before) in lacking.iter().zip(before) {
        assert_ne!(machine.version(name), before, "{name} is as old as before");
    }
    assert_eq!(upgradable(&machine, &endpoint), Vec::<String>::new());
    machine.run(&endpoint, "dpkg --audit && apt-get check").ok();
}

#[test]
fn what_a_courier_brought_is_good_for_40_days_and_refused_after_60() {
    let story = Story::shared();
    let appliance = filled(&story);
    let (network, machine) = (Network::new(), Debian::fresh());
    let (door, endpoint) = (network.node(), network.node());
    let served = appliance.serve(&door);
    appliance.enrol(&served, &machine, "web-1");

    let inrelease = payloads_that_begin(&appliance, b"-----BEGIN PGP SIGNED MESSAGE");
    let newest = inrelease.iter().map(|path| date_of(&fs::read(path).unwrap())).max().unwrap();
    let now = machine.run(&endpoint, "date +%s").ok().out.trim().parse::<i64>().unwrap();
    // The vendor's own date counts, and the bundle may be some days younger than that.
    let age = u32::try_from((now - newest) / 86_400).unwrap();
    let update = |days: u32| -> Said {
        machine.run_in_days(&endpoint, days - age, "rm -rf /var/lib/apt/lists/*; apt-get update")
    };
    update(40).ok();
    assert!(!upgradable(&machine, &endpoint).is_empty());
    update(60).fails().says("expired");
}

#[test]
fn what_ends_before_the_next_courier_is_said_beforehand() {
    let story = Story::shared();
    let appliance = filled(&story);
    let status = |day: &str| {
        let mut command = tests::patchkeep_on(day);
        tests::run(command.args(["status", "--data"]).arg(appliance.data())).ok()
    };
    // Debian's security archive vouches for a week; endpoints hold on for 45 days after its date.
    status("+44d").says("soon: the vendor's release of").says("endpoints refuse it");
    let words = ["db-2", "--address", "https://appliance.example:8443"];
    appliance.verb(&["endpoint", "apt-config"], &words).ok();
    status("+70d").says("soon: an endpoint's certificate ends").says("unless it got a newer one");
}

#[test]
fn apt_refuses_whatever_is_altered_in_the_store() {
    let story = Story::shared();
    let appliance = filled(&story);
    let (network, machine) = (Network::new(), Debian::fresh());
    let (door, endpoint) = (network.node(), network.node());
    let enrolled = appliance.serve(&door);
    appliance.enrol(&enrolled, &machine, "web-1");
    drop(enrolled);

    const UPDATE: &str = "rm -rf /var/lib/apt/lists/*; apt-get update";
    let download = format!("{UPDATE} && apt-get clean && {UPGRADE} --download-only");
    let classes: [(&str, &[u8], &str); 3] = [
        ("InRelease", b"-----BEGIN PGP SIGNED MESSAGE", UPDATE),
        ("Packages.xz", b"\xfd7zXZ\0", UPDATE),
        ("a package", b"!<arch>\n", &download),
    ];
    for (class, magic, line) in classes {
        let held = payloads_that_begin(&appliance, magic);
        assert!(!held.is_empty(), "the store holds no {class}");
        held.iter().for_each(|path| flip(path));
        let served = appliance.serve(&door);
        let said = machine.run(&endpoint, line);
        assert_ne!(said.code, Some(0), "apt took an altered {class}\n{said}");
        drop(served);
        held.iter().for_each(|path| flip(path));
    }
    let _served = appliance.serve(&door);
    machine.run(&endpoint, &download).ok();
}

#[test]
fn a_kernel_with_a_new_name_arrives_whole() {
    let story = Story::shared();
    let appliance = filled(&story);
    let (network, machine) = (Network::new(), Debian::fresh());
    let (door, endpoint) = (network.node(), network.node());
    let served = appliance.serve(&door);
    appliance.enrol(&served, &machine, "db-1");
    fs::copy(story.kernel_status(), machine.status_file()).unwrap();

    machine.run(&endpoint, "apt-get update").ok();
    machine.run(&endpoint, &format!("{UPGRADE} --download-only")).ok();
    let archives = fs::read_dir(machine.path("/var/cache/apt/archives")).unwrap();
    let names: Vec<_> =
        archives.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let image = |name: &&String| {
        name.starts_with("linux-image-6.1.0-")
            && name.contains("-cloud-amd64_")
            && !name.contains("-10-")
    };
    assert!(names.iter().any(|name| image(&name)), "no new kernel image among {names:?}");
}

#[test]
fn a_machine_without_a_certificate_of_the_site_gets_nothing() {
    let story = Story::shared();
    let appliance = filled(&story);
    let (network, machine) = (Network::new(), Debian::fresh());
    let (door, stranger) = (network.node(), network.node());
    let served = appliance.serve(&door);
    appliance.enrol(&served, &machine, "web-1");
    let file = format!("{}/dists/{}/InRelease", source_address(&machine), suite());
    let ask = |more: &[&str]| {
        let mut curl = stranger.command("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--max-time", "20", "--fail"]);
        tests::run(curl.args(more).arg(&file))
    };
    // apt is told where certificate and key are; whoever holds them gets the file.
    let settings = apt_settings(&machine);
    let told = |what: &str| {
        let line = settings.lines().find(|line| line.contains(what)).unwrap();
        machine.path(line.split('"').nth(1).unwrap()).display().to_string()
    };
    ask(&["--cert", &told("SslCert"), "--key", &told("SslKey")]).ok().says("BEGIN PGP SIGNED");
    ask(&[]).fails();
}

/// The address in the one source that the machine has.
fn source_address(machine: &Debian) -> String {
    let settings = apt_settings(machine);
    settings
        .lines()
        .find_map(|line| line.strip_prefix("URIs: "))
        .unwrap()
        .trim_end_matches(['/', ' '])
        .to_owned()
}

fn suite() -> String {
    format!("{}-security", tests::mirror().codename)
}

/// All that stands in the machine's apt folders.
fn apt_settings(machine: &Debian) -> String {
    let files =
        ["/etc/apt/sources.list.d", "/etc/apt/apt.conf.d"].map(|folder| machine.path(folder));
    let files = files.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap() + "\n").collect()
}
