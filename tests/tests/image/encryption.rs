//! The data partition of a machine with a TPM: encrypted, opened for the image that was measured, and otherwise by a person.

use crate::guest::{Guest, Hardware, image, only};
use crate::slots::{Images, WITHIN};
use std::{fs, path::Path};

const LOCKED: &str = "The data partition is locked";
const ASKS: &str = "or, where nobody has the key, type erase everything:";

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
