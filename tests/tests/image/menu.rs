//! The menu on the machine's own screen, here its serial line: the network, a restart, everything erased.

use crate::BOOTS_WITHIN;
use crate::guest::{Guest, Hardware, OTHER, image};

/// Goes through the menu: what it asks, and what is typed.
fn menu(guest: &mut Guest, lines: &[(&str, &str)]) {
    guest.types(&[("", "")], BOOTS_WITHIN);
    guest.types(lines, BOOTS_WITHIN);
}

#[test]
fn who_stands_before_the_machine_sets_its_network_restarts_and_erases_it() {
    let Some(image) = image() else { return };
    let mut machine = Hardware::new(&image);
    machine.words = "";
    let mut guest = machine.boot();
    guest.until_it_serves("/first-start", BOOTS_WITHIN);
    guest.until_it_says("Press Enter for the menu", BOOTS_WITHIN);
    let address = format!("{OTHER}/24");
    let lines = [
        ("Type a number", "1"),
        ("Address with its prefix", &*address),
        ("Gateway", ""),
        ("Interface", ""),
        ("VLAN", ""),
        ("Host names", "patchkeep.example"),
        ("called patchkeep.example. Type yes", "yes"),
    ];
    menu(&mut guest, &lines);
    guest.until_it_says("ON TRIAL: 10.0.2.20/24", BOOTS_WITHIN);
    guest.moves();
    guest.until_it_serves("/first-start", BOOTS_WITHIN);
    guest.types(&[("", "keep")], BOOTS_WITHIN);
    guest.until_it_says("The network is kept: 10.0.2.20/24", BOOTS_WITHIN);
    menu(&mut guest, &[("Type a number", "2"), ("Type restart", "restart")]);
    // The kernel was booted directly, so that QEMU ends in the place of another start.
    let screen = guest.until_it_ends(BOOTS_WITHIN);
    assert!(screen.contains("the machine starts again"), "{screen}");

    let mut guest = machine.boot();
    guest.until_it_says("eth0 has 10.0.2.20/24", BOOTS_WITHIN);
    guest.until_it_says("Press Enter for the menu", BOOTS_WITHIN);
    menu(&mut guest, &[("Type a number", "4"), ("Type erase everything", "erase")]);
    guest.until_it_says("Nothing was changed.", BOOTS_WITHIN);
    menu(&mut guest, &[("Type a number", "4"), ("Type erase everything", "erase everything")]);
    guest.until_it_ends(BOOTS_WITHIN);

    let mut guest = machine.boot();
    guest.until_it_says("was blank and has been made", BOOTS_WITHIN);
    let took = guest.until_it_says("eth0 has 10.0.2.15/24, lent by DHCP", BOOTS_WITHIN);
    eprintln!("as new, {:.1} s after it was switched on", took.as_secs_f64());
}
