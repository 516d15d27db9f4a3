//! The short boot tests, which `just test` has: the image starts and serves, without firmware and under Secure Boot.

use crate::{
    BOOTS_WITHIN,
    guest::{Hardware, image, only},
};
use std::fs;

#[test]
fn a_kernel_that_is_booted_directly_serves_the_page_for_a_first_start_and_stops_in_order() {
    let Some(image) = image() else { return };
    let machine = Hardware::new(&image);
    let mut guest = machine.boot();
    let (took, page) = guest.until_it_serves("/first-start", BOOTS_WITHIN);
    eprintln!("first start, console served over HTTPS: {:.1} s", took.as_secs_f64());
    guest.until_it_says("No site is founded here yet", BOOTS_WITHIN);
    assert!(page.contains(&guest.says_after("site CA (SHA-256)")), "{page}");
    eprintln!("memory: {}", guest.says_after("Memory:"));
    let firmware = fs::metadata(only(&image, ".efi")).unwrap().len();
    eprintln!("firmware file: {:.1} MiB", firmware as f64 / f64::from(1 << 20));
    let screen = guest.press_power_button();
    assert!(!screen.contains("FAILED") && !screen.contains("NOT confined"), "{screen}");
    assert!(screen.contains("The server has closed its folder. Patchkeep has stopped"), "{screen}");
}

#[test]
fn firmware_with_secure_boot_boots_the_signed_image() {
    let Some(image) = image() else { return };
    let machine = Hardware::with_secure_boot(&image, &only(&image, ".img"));
    let mut guest = machine.boot();
    let (took, _) = guest.until_it_serves("/first-start", BOOTS_WITHIN);
    eprintln!("firmware with Secure Boot, console served over HTTPS: {:.1} s", took.as_secs_f64());
    guest.until_it_says("The server waits for a site to be founded.", BOOTS_WITHIN);
    let screen = guest.press_power_button();
    assert!(screen.contains("was started, as always"), "{screen}");
}
