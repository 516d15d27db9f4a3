//! The power goes at random moments: what was acknowledged is there afterwards, and the log verifies.
//!
//! QEMU is killed. What the guest's kernel had handed to its disk stays, as with a disk that keeps what it said it wrote.

use crate::guest::image;
use crate::slots::WITHIN;
use crate::update::{Far, give_tokens, moved, until_it_answers};
use std::fs;
use std::time::{Duration, Instant};
use tests::{Workshop, noise, scratch};

const CUTS: usize = 20;
/// The latest cut after switching on: the start takes about half of it.
const LATEST: Duration = Duration::from_secs(25);

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_power_goes_at_random_moments() {
    let Some(image) = image() else { return };
    let desk = scratch();
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    give_tokens(&appliance, desk.path());
    // So that it need not be fetched while the power goes.
    fs::copy(appliance.beside("ca.pem"), desk.path().join("ca.pem")).ok();
    let mut machine = moved(&image, &appliance);
    machine.has_firmware = false;
    machine.words = "patchkeep.address=10.0.2.15/24";
    let seed = u64::from(std::process::id());
    eprintln!("seed {seed}");
    let moments = noise(seed, CUTS * 2);

    let mut acknowledged: u64 = 0;
    let (mut in_start, mut refused, begun) = (0, String::new(), Instant::now());
    for moment in moments.chunks(2) {
        let share = f64::from(u16::from_be_bytes([moment[0], moment[1]])) / f64::from(u16::MAX);
        let guest = machine.boot();
        let (cut, switched_on) = (LATEST.mul_f64(share), Instant::now());
        let before = acknowledged;
        while switched_on.elapsed() < cut {
            let Some(ca) = guest.get("/ca.pem") else {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            fs::write(desk.path().join("ca.pem"), ca).unwrap();
            let far = Far { folder: desk.path(), address: guest.address() };
            // Each is another length of the window, and an entry of its own in the log.
            let minutes = (60 + acknowledged).to_string();
            let words = ["window", "set", "nights", "--rule", "FREQ=DAILY", "--zone", "UTC"];
            let when = ["--start", "2026-12-01T22:00", "--minutes", &minutes];
            let said = far.asks("operator", &[&words[..], &when].concat());
            match said.code {
                Some(0) => acknowledged += 1,
                _ => refused = format!("{}{}", said.out, said.err),
            }
        }
        in_start += usize::from(acknowledged == before);
        // Dropping it pulls the plug.
        drop(guest);
    }
    eprintln!(
        "{CUTS} cuts, {in_start} of them before it acknowledged anything; {} acts acknowledged; {:.0} s",
        acknowledged,
        begun.elapsed().as_secs_f64()
    );
    assert!(acknowledged > 0 && in_start > 0, "cuts at one kind of moment: {refused}");

    let mut guest = machine.boot();
    until_it_answers(&mut guest, &desk.path().join("ca.pem"));
    let far = Far { folder: desk.path(), address: guest.address() };
    let status = far.asks("assessor", &["status", "--json"]).ok().json();
    let entries = status["entries"].as_u64().unwrap();
    assert!(entries > acknowledged, "{entries} entries for {acknowledged} acts");
    let last = far.asks("assessor", &["window", "list", "--json"]).ok().json();
    // One more may have been written when the power went before its answer was here.
    let minutes = last[0]["minutes"].as_u64().unwrap();
    assert!(minutes >= 59 + acknowledged, "{last}");
    let screen = guest.screen();
    assert!(!screen.contains("FAILED"), "{screen}");
    guest.until_it_says("The server is running.", WITHIN);
    guest.press_power_button();
}
