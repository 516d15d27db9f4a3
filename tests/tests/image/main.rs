//! The appliance's image boots: `just test-image`. Times and sizes are printed, and fail nothing by themselves.
//!
//! The kernel and its initramfs are booted directly, as QEMU can, but where it is firmware that is looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod guest;

use guest::{Hardware, image, only};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::{patchkeep, run, scratch};

const BOOTS_WITHIN: Duration = Duration::from_secs(180);

/// A medium from which a site is founded, as a person would make it.
fn founding_medium(folder: &Path) {
    let keys = folder.join("keys").display().to_string();
    patchkeep(["keys", "ceremony", "--into", &keys, "--source", "debian"]).ok();
    let told = patchkeep(["--json", "keys", "fingerprint", "--keys", &keys]).ok().json();
    let medium = folder.join("medium/patchkeep");
    fs::create_dir_all(&medium).unwrap();
    fs::copy(folder.join("keys/metadata/1.root.json"), medium.join("root.jsn")).unwrap();
    let site = format!(
        "site = 'north'\nperson = 'ann'\npublisher_root = 'root.jsn'\nroot_fingerprint = '{}'\n\
         [network]\naddress = '10.0.2.15/24'\nnames = ['patchkeep.example']\n",
        told.as_str().unwrap()
    );
    // A name that is too long for FAT's oldest form: the appliance must know the newer one.
    fs::write(medium.join("site.toml"), site).unwrap();
}

#[test]
fn a_first_start_founds_the_site_serves_it_and_stops_in_order() {
    let Some(image) = image() else { return };
    let folder = scratch();
    founding_medium(folder.path());
    let mut machine = Hardware::new(&image);
    machine.medium = Some(folder.path().join("medium"));

    let mut guest = machine.boot();
    let (took, page) = guest.until_it_serves("/first-start", BOOTS_WITHIN);
    eprintln!("first start, site founded, console served over HTTPS: {:.1} s", took.as_secs_f64());
    guest.until_it_says("The server is running.", BOOTS_WITHIN);
    let (ca, code) = (guest.says_after("site CA (SHA-256)"), guest.says_after("one-time code"));
    let about = guest.get("/about").unwrap();
    assert!(
        about.contains(&ca),
        "the console shows another fingerprint than {ca}:
{about}"
    );
    assert!(
        !code.is_empty() && !page.contains(code.split(' ').next().unwrap()),
        "the page gives the code away"
    );
    let screen = guest.screen();
    eprintln!("{screen}");
    assert!(screen.contains("was blank and has been made"), "{screen}");
    assert!(screen.contains("compare it with the paper"), "{screen}");
    assert!(!screen.contains("FAILED") && !screen.contains("does not take"), "{screen}");
    let firmware = fs::metadata(only(&image, ".efi")).unwrap().len();
    eprintln!("firmware file: {:.1} MiB", firmware as f64 / f64::from(1 << 20));
    eprintln!("memory: {}", guest.says_after("Memory:"));
    let screen = guest.press_power_button();
    assert!(screen.contains("The server has closed its folder. Patchkeep has stopped"), "{screen}");

    machine.medium = None;
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

#[test]
fn a_machine_without_its_disk_says_so_and_stops_in_order() {
    let Some(image) = image() else { return };
    let mut machine = Hardware::new(&image);
    machine.has_disk = false;
    let mut guest = machine.boot();
    let took =
        guest.until_it_says("The server does not run: it has no data partition.", BOOTS_WITHIN);
    eprintln!("a screen that says that the disk is missing: {:.1} s", took.as_secs_f64());
    guest.until_it_says("screen          listens", BOOTS_WITHIN);
    let screen = guest.screen();
    assert!(screen.contains("FAILED: there is no data partition"), "{screen}");
    assert!(screen.contains("network         eth0 has 10.0.2.15/24"), "{screen}");
    let screen = guest.press_power_button();
    assert!(screen.contains("No server ran. Patchkeep has stopped"), "{screen}");
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
fn firmware_with_secure_boot_boots_the_signed_image() {
    let Some(image) = image() else { return };
    let folder = scratch();
    founding_medium(folder.path());
    let mut machine = Hardware::with_secure_boot(&image, &only(&image, ".img"));
    machine.medium = Some(folder.path().join("medium"));
    let mut guest = machine.boot();
    let (took, _) = guest.until_it_serves("/first-start", BOOTS_WITHIN);
    eprintln!(
        "firmware with Secure Boot, first start, console served over HTTPS: {:.1} s",
        took.as_secs_f64()
    );
    guest.until_it_says("The server is running.", BOOTS_WITHIN);
    let screen = guest.press_power_button();
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
