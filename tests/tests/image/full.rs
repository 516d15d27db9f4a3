//! A data partition that is full to the last byte: the screen says so, what is held is served, and nothing is lost.

use crate::guest::{Guest, Hardware, image};
use crate::update::{Far, give_tokens, moved, until_it_answers};
use crate::{BOOTS_WITHIN, found};
use std::fs;
use std::path::Path;
use tests::{Said, Workshop, room, scratch};

/// Makes a ring, over the API.
fn creates(guest: &Guest, desk: &Path, ring: &str) -> Said {
    let far = Far { folder: desk, address: guest.address() };
    far.asks("operator", &["ring", "create", ring])
}

/// Starts it until it answers the API.
fn starts(machine: &Hardware, desk: &Path) -> Guest {
    let mut guest = machine.boot();
    until_it_answers(&mut guest, &desk.join("ca.pem"));
    guest
}

#[test]
fn a_full_disk_is_said_on_the_screen_harms_nothing_and_all_goes_on_when_there_is_room() {
    let Some(image) = image() else { return };
    let (desk, workshop) = (scratch(), Workshop::new());
    let appliance = workshop.appliance();
    give_tokens(&appliance, desk.path());
    let mut machine = moved(&image, &appliance);
    machine.has_firmware = false;

    // It was in use before, as any machine that fills up.
    starts(&machine, desk.path()).press_power_button();
    // What is kept back is for this: the log says it.
    machine.with_data(|at| room::fill(at, 0));
    let mut guest = starts(&machine, desk.path());
    guest.until_it_says("MiB free: SCARCE, no bundle is taken in", BOOTS_WITHIN);
    creates(&guest, desk.path(), "first").ok();
    let far = Far { folder: desk.path(), address: guest.address() };
    assert_eq!(far.told("storage-full").len(), 1);
    guest.press_power_button();

    // Something has taken that, too.
    machine.with_data(|at| room::fill(at, 0));
    let mut guest = machine.boot();
    let took = guest.until_it_says("MiB free: FULL.", BOOTS_WITHIN);
    eprintln!("a screen that says that the disk is full: {:.1} s", took.as_secs_f64());
    guest.until_it_says("It said: patchkeep: the disk is full", BOOTS_WITHIN);
    let screen = guest.press_power_button();
    assert!(screen.contains("Patchkeep has stopped"), "{screen}");

    machine.with_data(room::empty);
    let mut guest = starts(&machine, desk.path());
    guest.until_it_says("The server is running.", BOOTS_WITHIN);
    creates(&guest, desk.path(), "second").ok();
    let far = Far { folder: desk.path(), address: guest.address() };
    let rings = far.asks("assessor", &["ring", "list", "--json"]).ok().json();
    let named = |name| rings.as_array().unwrap().iter().any(|ring| ring["ring"] == name);
    assert!(named("first") && named("second"), "{rings}");
    guest.press_power_button();

    // The log is whole, as a stranger's desk has it.
    machine.with_data(|at| {
        let site = at.join("site").display().to_string();
        let zip = desk.path().join("audit.zip").display().to_string();
        tests::patchkeep(["audit", "export", "--data", &site, "--into", &zip]).ok();
        tests::patchkeep(["audit", "verify", &zip]).ok();
    });
    assert!(fs::metadata(desk.path().join("audit.zip")).is_ok());
}

#[test]
fn a_larger_disk_is_used_from_the_next_start_on_and_at_the_first_one() {
    let Some(image) = image() else { return };
    let folder = scratch();
    let machine = Hardware::new(&image);
    machine.is_as_large_as("4G");
    let mut guest = machine.boot();
    found(&mut guest, folder.path());
    guest.until_it_says("The server is running.", BOOTS_WITHIN);
    let screen = guest.screen();
    assert!(screen.contains("MiB that were free behind it"), "{screen}");
    let ca = guest.says_after("site CA (SHA-256)");
    let first = all_mib(&guest);
    guest.press_power_button();

    machine.is_as_large_as("9G");
    let mut guest = machine.boot();
    let took = guest.until_it_says("The server is running.", BOOTS_WITHIN);
    let second = all_mib(&guest);
    eprintln!(
        "a disk of 4 GiB, then of 9 GiB: {first} and {second} MiB for data; serving after {:.1} s",
        took.as_secs_f64()
    );
    assert!(first > 3_300 && second > 8_200, "{}", guest.screen());
    assert_eq!(guest.says_after("site CA (SHA-256)"), ca);
    guest.press_power_button();

    let mut guest = machine.boot();
    guest.until_it_says("The server is running.", BOOTS_WITHIN);
    assert_eq!(all_mib(&guest), second, "it grew again");
    assert!(!guest.screen().contains("free behind it"), "{}", guest.screen());
}

/// What the screen says of the data partition's size, in MiB.
fn all_mib(guest: &Guest) -> u64 {
    // `N of M MiB free`
    guest.says_after("Data partition:").split(' ').nth(2).unwrap().parse().unwrap()
}
