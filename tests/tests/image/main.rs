//! The appliance's image boots: `just test-image`, of which `just test` has `short`. Times and sizes are printed, and fail
//! nothing by themselves.
//!
//! The kernel and its initramfs are booted directly, as QEMU can, but where it is firmware that is looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod compare;
mod encryption;
mod full;
mod guest;
mod media;
mod menu;
mod minimal;
mod network;
mod power;
mod short;
mod slots;
mod update;
mod whole;

use guest::{Guest, Hardware, image, only};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::{Browser, patchkeep, run, scratch};

const BOOTS_WITHIN: Duration = Duration::from_secs(180);

/// A publisher's first root and its fingerprint, as a person has them on a stick and on paper.
fn root(folder: &Path) -> (PathBuf, String) {
    let keys = folder.join("keys").display().to_string();
    patchkeep(["keys", "ceremony", "--into", &keys, "--source", "debian"]).ok();
    let told = patchkeep(["--json", "keys", "fingerprint", "--keys", &keys]).ok().json();
    (folder.join("keys/metadata/1.root.json"), told.as_str().unwrap().to_owned())
}

/// Founds a site in the browser's form, with the code on the screen; the page that comes.
fn found(guest: &mut Guest, folder: &Path) -> String {
    let (root, fingerprint) = root(folder);
    guest.until_it_says("No site is founded here yet", BOOTS_WITHIN);
    let code = guest.says_after("one-time code");
    let code = code.split(' ').next().unwrap();
    let fields = [
        format!("code={code}"),
        "site=north".to_owned(),
        "ring=broad".to_owned(),
        format!("fingerprint={fingerprint}"),
        format!("root=@{}", root.display()),
        "debian=yes".to_owned(),
    ];
    let wrong = [&["code=AAAAA-AAAAA-AAAAA-AAAAA".to_owned()], &fields[1..]].concat();
    assert!(guest.post("/first-start", &wrong).is_none(), "a site was founded with a wrong code");
    guest.post("/first-start", &fields).expect("the site is founded")
}

/// A stick that sets the network, as a person would make it.
fn network_stick(folder: &Path) -> PathBuf {
    let medium = folder.join("medium");
    fs::create_dir_all(medium.join("patchkeep")).unwrap();
    // A name that is too long for FAT's oldest form: the appliance must know the newer one.
    let network = "address = '10.0.2.20/24'\nnames = ['patchkeep.example']\n";
    fs::write(medium.join("patchkeep/network.toml"), network).unwrap();
    medium
}

/// The first administrator's account, with the code on the screen, a password and an authenticator.
fn becomes_ann(guest: &mut Guest, folder: &Path, code: &str) {
    let (took, ca) = guest.until_it_serves("/ca.pem", BOOTS_WITHIN);
    fs::write(folder.join("ca.pem"), ca).unwrap();
    let mut ann = Browser::at(&guest.address().replace("https://", ""), folder, "ann");
    ann.begin("ann", code.split(' ').next().unwrap(), Some("Ann"));
    ann.get("/people").ok().says("Ann");
    eprintln!(
        "through the first-start wizard to an account, begun after {:.1} s",
        took.as_secs_f64()
    );
}

#[test]
fn a_first_start_on_a_blank_disk_is_founded_in_the_browser_and_serves_the_site_from_then_on() {
    let Some(image) = image() else { return };
    let folder = scratch();
    let machine = Hardware::new(&image);

    let mut guest = machine.boot();
    let (took, page) = guest.until_it_serves("/first-start", BOOTS_WITHIN);
    eprintln!("first start, console served over HTTPS: {:.1} s", took.as_secs_f64());
    guest.until_it_says("No site is founded here yet", BOOTS_WITHIN);
    let (ca, code) = (guest.says_after("site CA (SHA-256)"), guest.says_after("one-time code"));
    assert!(!page.contains(code.split(' ').next().unwrap()), "the page gives the code away");
    assert!(page.contains(&ca), "the page shows another fingerprint than {ca}:\n{page}");
    let founded = found(&mut guest, folder.path());
    assert!(founded.contains(&ca) && founded.contains("north"), "{founded}");
    // The same program goes on with the site.
    let took = guest.until_it_says("The server is running.", BOOTS_WITHIN);
    eprintln!("the site that was founded is served: {:.1} s", took.as_secs_f64());
    guest.until_it_serves("/first-start", BOOTS_WITHIN);
    assert_eq!(
        guest.says_after("site CA (SHA-256)"),
        ca,
        "a browser would have to trust another CA"
    );
    assert_eq!(guest.says_after("one-time code").split(' ').next(), code.split(' ').next());
    assert!(guest.get("/about").unwrap().contains(&ca));
    assert_eq!(guest.sends("/about?a=b"), "308 https://127.0.0.1/about?a=b");
    let screen = guest.screen();
    eprintln!("{screen}");
    assert!(screen.contains("was blank and has been made"), "{screen}");
    assert!(!screen.contains("FAILED") && !screen.contains("does not take"), "{screen}");
    assert!(screen.contains("Confined: ") && !screen.contains("NOT confined"), "{screen}");
    let firmware = fs::metadata(only(&image, ".efi")).unwrap().len();
    eprintln!("firmware file: {:.1} MiB", firmware as f64 / f64::from(1 << 20));
    eprintln!("memory: {}", guest.says_after("Memory:"));
    becomes_ann(&mut guest, folder.path(), &code);
    let screen = guest.press_power_button();
    assert!(screen.contains("The server has closed its folder. Patchkeep has stopped"), "{screen}");

    let mut guest = machine.boot();
    let (took, _) = guest.until_it_serves("/first-start", BOOTS_WITHIN);
    eprintln!("second start, console served over HTTPS: {:.1} s", took.as_secs_f64());
    guest.until_it_says("The server is running.", BOOTS_WITHIN);
    assert_eq!(guest.says_after("site CA (SHA-256)"), ca, "it is not the site that was founded");
    let screen = guest.screen();
    assert!(screen.contains("was checked") && !screen.contains("has been made"), "{screen}");
    drop(guest);

    // Its plug was pulled.
    let mut guest = machine.boot();
    guest.until_it_serves("/first-start", BOOTS_WITHIN);
    guest.until_it_says("The server is running.", BOOTS_WITHIN);
    assert_eq!(guest.says_after("site CA (SHA-256)"), ca);
}

/// Starts a machine whose data cannot be opened, until its screen listens.
fn starts_without_data(machine: &Hardware, why: &str) -> Guest {
    let mut guest = machine.boot();
    let took =
        guest.until_it_says("The server does not run: it has no data partition.", BOOTS_WITHIN);
    eprintln!("a screen that says that {why}: {:.1} s", took.as_secs_f64());
    guest.until_it_says("screen          listens", BOOTS_WITHIN);
    guest
}

#[test]
fn a_machine_without_its_disk_says_so_and_stops_in_order() {
    let Some(image) = image() else { return };
    let mut machine = Hardware::new(&image);
    machine.has_disk = false;
    let guest = starts_without_data(&machine, "the disk is missing");
    let screen = guest.screen();
    assert!(screen.contains("FAILED: there is no partition patchkeep-data"), "{screen}");
    assert!(screen.contains("network         eth0 has 10.0.2.15/24"), "{screen}");
    let screen = guest.press_power_button();
    assert!(screen.contains("No server ran. Patchkeep has stopped"), "{screen}");
}

#[test]
fn a_power_button_that_is_pressed_during_the_start_is_heard() {
    let Some(image) = image() else { return };
    let machine = Hardware::new(&image);
    let mut guest = machine.boot();
    // With the modules there is a button to press. The data partition is made then, which takes longest.
    guest.until_it_says("  modules  ", BOOTS_WITHIN);
    assert!(!guest.screen().contains("  server  "), "the start is over:\n{}", guest.screen());
    let screen = guest.press_power_button();
    assert!(screen.contains("Patchkeep has stopped"), "{screen}");
}

#[test]
fn a_data_partition_with_something_else_on_it_is_said_and_left_alone() {
    let Some(image) = image() else { return };
    let machine = Hardware::new(&image);
    machine.spoil_data();
    let before = machine.data_begins();
    let guest = starts_without_data(&machine, "something else is there");
    let screen = guest.press_power_button();
    assert!(screen.contains("data partition  FAILED: "), "{screen}");
    assert_eq!(machine.data_begins(), before);
}

/// A disk with another file where firmware looks for the image.
fn disk_of(folder: &Path, efi: &[u8]) -> PathBuf {
    let (file, disk) = (folder.join("other.efi"), folder.join("other.img"));
    fs::write(&file, efi).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("image/disk.sh");
    run(Command::new(script).args([&file, &disk])).ok();
    disk
}

#[test]
fn firmware_with_secure_boot_boots_the_signed_image_and_a_stick_sets_the_network() {
    let Some(image) = image() else { return };
    let folder = scratch();
    let mut machine = Hardware::with_secure_boot(&image, &only(&image, ".img"));
    let mut guest = machine.boot();
    let took = guest.until_it_says("eth0 has 10.0.2.15/24, lent by DHCP", BOOTS_WITHIN);
    eprintln!("firmware with Secure Boot, an address from DHCP: {:.1} s", took.as_secs_f64());
    guest.until_it_serves("/first-start", BOOTS_WITHIN);
    guest.press_power_button();
    machine.medium = Some(network_stick(folder.path()));
    let mut guest = machine.boot();
    guest.until_it_says("The network was set here: 10.0.2.20/24", BOOTS_WITHIN);
    guest.moves();
    let (took, _) = guest.until_it_serves("/first-start", BOOTS_WITHIN);
    eprintln!(
        "firmware with Secure Boot, network from a stick, console served over HTTPS: {:.1} s",
        took.as_secs_f64()
    );
    guest.until_it_says("The server waits for a site to be founded.", BOOTS_WITHIN);
    let screen = guest.press_power_button();
    assert!(screen.contains("slot A was started"), "{screen}");
    assert!(screen.contains("The server has closed its folder. Patchkeep has stopped"), "{screen}");
}

#[test]
fn firmware_with_secure_boot_refuses_an_image_that_was_changed() {
    let Some(image) = image() else { return };
    let folder = scratch();
    let mut efi = fs::read(only(&image, ".efi")).unwrap();
    // One letter of the command line, so that the kernel would take modules that nobody signed.
    let words = b"module.sig_enforce=1";
    let at = efi.windows(words.len()).position(|window| window == words).unwrap();
    efi[at + words.len() - 1] = b'0';
    let machine = Hardware::with_secure_boot(&image, &disk_of(folder.path(), &efi));
    let mut guest = machine.boot();
    let took = guest.until_it_says("Access Denied", BOOTS_WITHIN);
    eprintln!("a changed image is refused by the firmware: {:.1} s", took.as_secs_f64());
    assert!(!guest.screen().contains("Patchkeep 0"), "{}", guest.screen());
}
