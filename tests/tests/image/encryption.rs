//! The data partition of a machine with a TPM: encrypted, opened for the image that was measured, and otherwise by a person.

use crate::guest::{Guest, Hardware, image, only};
use crate::slots::{Images, WITHIN};
use ids::Digest;
use serde_json::json;
use std::{fs, path::Path, process::Command};
use tests::{run, scratch};

const LOCKED: &str = "The data partition is locked";
const ASKS: &str = "or, where nobody has the key, type erase everything:";

/// Stands in for the server, which tests cannot reach inside an encrypted disk: it hands over the image that lies beside it, if one
/// does, says that it serves a site, takes connections, and answers each verb. How the real one hands an image over is in `update.rs`.
const SERVER: &str = r#"
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>
static int copy(const char *from, const char *to) {
    int in = open(from, O_RDONLY), out;
    if (in < 0) return 0;
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    while (sendfile(out, in, 0, 1 << 20) > 0);
    return close(out) == 0;
}
int main(int count, char **words) {
    struct sockaddr_in6 door = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    int serves = 0, listener;
    for (int i = 1; i < count; i++) serves |= !strcmp(words[i], "serve");
    if (!serves) return 0;
    listener = socket(AF_INET6, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&door, sizeof door);
    listen(listener, 9);
    puts("{\"site\":\"north\",\"ca\":\"-\",\"audit_key\":\"-\",\"first_code\":null}");
    fflush(stdout);
    if (copy("/new/image.efi", "/data/update/in/image.efi") && copy("/new/request.json", "/data/update/in/request.new"))
        rename("/data/update/in/request.new", "/data/update/in/request.json");
    for (;;) pause();
}
"#;

/// The recovery key on its screen.
fn recovery_key(guest: &Guest) -> String {
    let screen = guest.screen();
    let mut lines = screen.lines().skip_while(|line| !line.starts_with("Recovery key"));
    lines.nth(1).unwrap_or_else(|| panic!("no recovery key:\n{screen}")).trim().to_owned()
}

/// A machine with firmware and a TPM, after its first start has made the data partition; and the recovery key.
fn encrypted(image: &Path) -> (Hardware, String) {
    let efi = only(image, ".efi");
    let mut machine = Hardware::with_secure_boot(image, &only(image, ".img"));
    machine.has_tpm = true;
    let mut guest = machine.boot();
    let (took, _) = guest.until_it_serves("/first-start", WITHIN);
    eprintln!("made and encrypted, it serves after {:.1} s", took.as_secs_f64());
    let measured = slots::measured(&fs::read(efi).unwrap()).unwrap();
    guest.until_it_says(&format!("What was started measures {measured}"), WITHIN);
    let key = recovery_key(&guest);
    guest.press_power_button();
    assert!(machine.data_begins().starts_with(b"LUKS\xba\xbe\0\x02"), "no LUKS2 header");
    (machine, key)
}

fn opens_by_itself(machine: &Hardware) {
    let mut guest = machine.boot();
    let (took, _) = guest.until_it_serves("/first-start", WITHIN);
    let screen = guest.screen();
    assert!(screen.contains("was checked; it is encrypted, the TPM opens it"), "{screen}");
    assert!(!screen.contains(LOCKED) && !screen.contains("Recovery key"), "{screen}");
    eprintln!("opened by the TPM, it serves after {:.1} s", took.as_secs_f64());
    guest.press_power_button();
}

/// Has every slot hold an image, while the machine is off.
fn put(machine: &Hardware, image: &Path) {
    for file in ["BOOT/BOOTX64.EFI", "patchkeep/a.efi", "patchkeep/b.efi"] {
        machine.replace(&format!("EFI/{file}"), image);
    }
}

#[test]
fn a_tpm_opens_the_data_for_the_image_that_it_measured_and_a_person_with_the_recovery_key() {
    let Some(image) = image() else { return };
    let (machine, key) = encrypted(&image);
    opens_by_itself(&machine);

    // An older image of the same signer, which firmware starts: it gets no key.
    let images = Images::new(&image);
    put(&machine, &images.make("0.0.9", &[], ""));
    let mut guest = machine.boot();
    guest.until_it_says(LOCKED, WITHIN);
    assert!(guest.screen().contains("Patchkeep 0.0.9"), "{}", guest.screen());
    guest.press_power_button();

    // Nor does the right one, from firmware that would start any.
    put(&machine, &only(&image, ".efi"));
    machine.forget_keys();
    let mut guest = machine.boot();
    guest.until_it_says(LOCKED, WITHIN);
    assert!(guest.screen().contains("Patchkeep 0.1.0"), "{}", guest.screen());
    let wrong = key.replace(&key[..8], "cccccccc");
    guest.types(&[(ASKS, &wrong), (ASKS, &key.to_uppercase())], WITHIN);
    guest.until_it_serves("/first-start", WITHIN);
    guest.until_it_says("Secure Boot is OFF", WITHIN);
    guest.press_power_button();
    opens_by_itself(&machine);
}

#[test]
fn what_is_locked_is_given_up_by_typing_so() {
    let Some(image) = image() else { return };
    let (mut machine, _) = encrypted(&image);
    // Its board was changed: the disk is the same, and the TPM is gone.
    machine.has_tpm = false;
    let mut guest = machine.boot();
    guest.until_it_says("locked: no TPM has measured what was started", WITHIN);
    guest.types(&[(ASKS, "erase everything")], WITHIN);
    guest.until_it_says("was blank and has been made; it is NOT encrypted", WITHIN);
}

/// Opens the data partition with what is typed, and sees that it serves; how that ends.
fn opens_by_passphrase(machine: &Hardware, typed: &[&str]) {
    let mut guest = machine.boot();
    guest.until_it_says("The data partition is locked: its passphrase opens it.", WITHIN);
    let asks = "by typing erase everything:";
    let lines: Vec<(&str, &str)> = typed.iter().map(|line| (asks, *line)).collect();
    guest.types_unseen(&lines, WITHIN);
    let (took, _) = guest.until_it_serves("/first-start", WITHIN);
    eprintln!("opened by its passphrase, it serves after {:.1} s", took.as_secs_f64());
    guest.until_it_says("it is encrypted with a passphrase", WITHIN);
    guest.press_power_button();
}

#[test]
fn without_a_tpm_a_person_has_the_data_encrypted_with_a_passphrase_and_types_it_at_each_start() {
    let Some(image) = image() else { return };
    let machine = Hardware::new(&image);
    let mut guest = machine.boot();
    guest.until_it_serves("/first-start", WITHIN);
    guest.until_it_says("it is NOT encrypted", WITHIN);
    let passphrase = "six dry herons over Hull";
    guest.types(&[("", "")], WITHIN);
    let erase = "erase everything";
    guest.types(&[("Type a number", "6"), ("Type erase everything", erase)], WITHIN);
    let lines = [("Type a passphrase of 12", passphrase), ("Type it once more", passphrase)];
    guest.types_unseen(&lines, WITHIN);
    // The kernel was booted directly, so that QEMU ends in the place of another start.
    let screen = guest.until_it_ends(WITHIN);
    assert!(screen.contains("the machine starts again") && !screen.contains("FAILED"), "{screen}");
    assert!(machine.data_begins().starts_with(b"LUKS\xba\xbe\0\x02"), "no LUKS2 header");

    opens_by_passphrase(&machine, &["six dry herons over Leith", passphrase]);
    opens_by_passphrase(&machine, &[passphrase]);
}

#[test]
fn an_image_on_trial_is_let_in_and_the_one_before_it_shut_out_once_it_is_blessed() {
    let Some(image) = image() else { return };
    let folder = scratch();
    let (source, stand_in) = (folder.path().join("server.c"), folder.path().join("server"));
    fs::write(&source, SERVER).unwrap();
    run(Command::new("gcc").args(["-static", "-o"]).args([&stand_in, &source])).ok();
    let server = ("bin/patchkeep", &*fs::read(&stand_in).unwrap());
    let (old, new) = (Images::new(&image), Images::new(&image));
    let new = fs::read(new.make("0.2.0", &[server], "")).unwrap();
    let request = json!({ "bytes": new.len(), "sha256": Digest::of(&new).to_hex() }).to_string();
    let given = [server, ("new/image.efi", &*new), ("new/request.json", request.as_bytes())];
    let old = old.make("0.1.0", &given, "");

    let mut machine = Hardware::with_secure_boot(&image, &only(&image, ".img"));
    (machine.has_tpm, machine.memory) = (true, 1024);
    put(&machine, &old);
    let mut guest = machine.boot();
    let took = guest.until_it_says("slot B was started, ON TRIAL", WITHIN);
    eprintln!("from the first start to the new image on trial: {:.1} s", took.as_secs_f64());
    guest.until_it_says("version 0.2.0 answers and is blessed", WITHIN);
    let screen = guest.screen();
    assert!(
        !screen.contains(LOCKED) && screen.contains("was checked; it is encrypted"),
        "{screen}"
    );
    guest.press_power_button();

    let mut guest = machine.boot();
    guest.until_it_says("slot B was started, as always", WITHIN);
    guest.until_it_says("The server is running.", WITHIN);
    assert!(!guest.screen().contains(LOCKED), "{}", guest.screen());
    guest.press_power_button();
    // The old one, in the place of the new one.
    put(&machine, &old);
    let mut guest = machine.boot();
    guest.until_it_says(LOCKED, WITHIN);
    assert!(guest.screen().contains("Patchkeep 0.1.0"), "{}", guest.screen());
}
