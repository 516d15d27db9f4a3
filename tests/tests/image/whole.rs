//! The whole job at a booted appliance: a stick with genuine updates, a Debian machine that patches itself, evidence on a
//! second stick that any desk verifies; and that stick pulled out while it is written to.

use crate::guest::{Guest, image};
use crate::media::{fat, import, offered, until_at_hand, until_ended, until_page};
use crate::update::{moved_to, until_it_answers};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::{Appliance, Browser, Debian, Network, Story, run, scratch};

/// How the endpoints reach it.
const NAME: &str = "patchkeep.example";
const NETWORK: &str = "address = '10.0.2.15/24'\nnames = ['patchkeep.example']\n";
const PORT: u16 = 8443;

/// Asks for a full audit bundle on the stick that is at hand.
fn write(oscar: &Browser, label: &str) {
    let (took, page) = until_page(oscar, "/media", label);
    eprintln!("the stick can be written to {:.1} s after it was plugged in", took.as_secs_f64());
    let medium = offered(&page, label);
    let sent = oscar.send("/media", "/media", &[("what", "full"), ("medium", &medium)]);
    assert_eq!(sent.status, 303, "{}", sent.text);
}

/// A file of a FAT stick that was pulled out, as any desk reads it.
fn file_of(stick: &Path, name: &str, into: &Path) -> Vec<u8> {
    let mut copy = Command::new("mcopy");
    run(copy.args(["-n", "-o", "-i"]).arg(stick).arg(format!("::{name}")).arg(into)).ok();
    fs::read(into).unwrap()
}

/// Has stock tools, without a network, verify the one audit bundle on a stick; its length.
fn verify(stick: &Path, desk: &Path) -> u64 {
    let names = run(Command::new("mdir").args(["-b", "-i"]).arg(stick).arg("::")).ok().out;
    // What the stick was pulled out from under may have left a .part.
    let bundles: Vec<&str> = names.lines().filter(|name| name.ends_with(".zip")).collect();
    let [bundle] = bundles[..] else { panic!("not one audit bundle: {names}") };
    let zip = desk.join("audit.zip");
    let length = file_of(stick, bundle.trim_start_matches("::/"), &zip).len() as u64;
    let whole = desk.join("whole");
    run(Command::new("unzip").args(["-q", "-o"]).arg(&zip).arg("-d").arg(&whole)).ok();
    let script = run(Command::new("find").arg(&whole).args(["-name", "verify.sh"])).ok().out;
    let folder = Path::new(script.trim()).parent().unwrap().to_owned();
    let mut check = Command::new("unshare");
    check.args([
        "--net",
        "env",
        "-i",
        "PATH=/usr/bin:/bin",
        "HOME=/nonexistent",
        "sh",
        "./verify.sh",
    ]);
    run(check.current_dir(folder)).ok();
    length
}

/// A site that holds nothing yet, and Oscar, who imports and takes evidence away; his one-time code.
fn founded(story: &Story) -> (Appliance, String) {
    let appliance = Appliance::new(story);
    for (person, roles) in [("ann", &["administrator"][..]), ("oscar", &["operator", "assessor"])] {
        let roles = roles.iter().flat_map(|role| ["--role", role]);
        let words: Vec<&str> =
            [person, "--name", person, "--as", "root"].into_iter().chain(roles).collect();
        appliance.verb(&["account", "set"], &words).ok();
    }
    let reset = appliance.verb(&["account", "reset"], &["oscar", "--as", "root", "--json"]).ok();
    (appliance, reset.json()["code"].as_str().unwrap().to_owned())
}

/// Stock apt on a machine that Oscar sets up has everything from the booted appliance, and nothing from anywhere else.
fn patches_itself(guest: &Guest, oscar: &Browser, machine: &Debian) {
    let address = format!("https://{NAME}:{PORT}");
    let fields =
        [("endpoint", "web-1"), ("ring", "broad"), ("manager", "apt"), ("address", &address)];
    let script = oscar.send("/endpoint-stock", "/endpoint-stock", &fields).ok().text;
    fs::write(machine.path("/root/setup.sh"), script).unwrap();
    let network = Network::new();
    let (door, endpoint) = (network.node(), network.node());
    door.passes_on(PORT, guest.endpoints);
    let hosts = machine.path("/etc/hosts");
    fs::write(hosts, format!("127.0.0.1 localhost\n{} {NAME}\n", door.address)).unwrap();
    let alone = "rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*; sh /root/setup.sh";
    machine.run(&endpoint, alone).ok();
    let begun = Instant::now();
    machine.run(&endpoint, "apt-get update").ok();
    let upgradable = || {
        let said = machine.run(&endpoint, "apt list --upgradable 2>/dev/null").ok();
        said.out.lines().filter(|line| line.contains('/')).count()
    };
    let lacking = upgradable();
    assert!(lacking > 0, "the machine lacks nothing");
    machine.run(&endpoint, "apt-get --yes --with-new-pkgs upgrade").ok();
    assert_eq!(upgradable(), 0);
    machine.run(&endpoint, "dpkg --audit && apt-get check").ok();
    eprintln!(
        "a Debian machine had {lacking} packages upgraded from it in {:.0} s",
        begun.elapsed().as_secs_f64()
    );
}

#[test]
fn a_real_bundle_on_a_stick_patches_a_debian_machine_and_the_evidence_leaves_on_another() {
    let Some(image) = image() else { return };
    let (story, machine, desk) = (Story::shared(), Debian::fresh(), scratch());
    let own = |name: &str| desk.path().join(name);
    let (appliance, code) = founded(&story);
    let mut hardware = moved_to(&image, &appliance, NETWORK);
    hardware.has_firmware = false;
    hardware.words = "";
    let stick = fat(&own("stick"), "PATCHES", 256, &story.bundle());
    fs::create_dir(own("notes")).unwrap();
    fs::write(own("notes/before.txt"), "what was on it before").unwrap();
    let evidence = fat(&own("evidence"), "EVIDENCE", 64, &own("notes"));

    let mut guest = hardware.boot();
    until_it_answers(&mut guest, &own("ca.pem"));
    let door = guest.address().replace("https://", "");
    let mut oscar = Browser::at(&door, desk.path(), "oscar");
    oscar.begin("oscar", &code, None);

    guest.plug(&stick, "KX-17", None);
    let (took, page) = until_at_hand(&oscar, "Bundle 1, as it says itself");
    eprintln!("the stick is at hand {:.1} s after it was plugged in", took.as_secs_f64());
    let begun = Instant::now();
    import(&oscar, &offered(&page, "Bundle 1"));
    until_ended(&oscar, "The import came to a good end");
    eprintln!("a bundle of genuine updates was imported in {:.1} s", begun.elapsed().as_secs_f64());
    guest.pull("KX-17");
    patches_itself(&guest, &oscar, &machine);

    // Pulled out while it is written to: said, and what was on it is there.
    guest.plug_writable(&evidence, "EV-1", Some(1));
    write(&oscar, "EVIDENCE");
    std::thread::sleep(Duration::from_secs(3));
    oscar.get("/media").ok().says("is being written since");
    guest.pull("EV-1");
    let (_, page) = until_page(&oscar, "/media", "Not written");
    eprintln!("pulled out while it was written to; the page said so");
    assert!(!page.contains("Written and read back"), "{page}");
    assert_eq!(file_of(&evidence, "bundle/before.txt", &own("out")), b"what was on it before");
    let names = run(Command::new("mdir").args(["-b", "-i"]).arg(&evidence).arg("::")).ok().out;
    assert!(!names.contains(".zip\n"), "half a bundle has its name: {names}");

    // Mended as any desk mends it, and plugged in again.
    guest.forget("EV-1", true);
    run(Command::new("fsck.vfat").args(["-a", "-w"]).arg(&evidence)).code.unwrap();
    guest.plug_writable(&evidence, "EV-1", None);
    write(&oscar, "EVIDENCE");
    let (took, page) = until_page(&oscar, "/media", "Written and read back");
    guest.pull("EV-1");
    let length = verify(&evidence, desk.path());
    eprintln!(
        "an audit bundle of {:.1} MiB is on the stick after {:.1} s, and stock tools verify it",
        length as f64 / f64::from(1 << 20),
        took.as_secs_f64()
    );
    assert_eq!(file_of(&evidence, "bundle/before.txt", &own("out")), b"what was on it before");
    let record = page.split("href=\"/custody/").nth(1).unwrap().split('"').next().unwrap();
    let record = oscar.get(&format!("/custody/{record}")).ok().text;
    for words in ["Out: it was written here", "EV-1", "oscar", "fat"] {
        assert!(record.contains(words), "{words}: {record}");
    }
    guest.press_power_button();
}
