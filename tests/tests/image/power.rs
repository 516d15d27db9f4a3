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
const LATEST: Duration = Duration::from_secs(45);

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

    let mut acknowledged: Vec<String> = Vec::new();
    let (mut in_start, begun) = (0, Instant::now());
    for moment in moments.chunks(2) {
        let share = f64::from(u16::from_be_bytes([moment[0], moment[1]])) / f64::from(u16::MAX);
        let guest = machine.boot();
        let (cut, switched_on) = (LATEST.mul_f64(share), Instant::now());
        let before = acknowledged.len();
        while switched_on.elapsed() < cut {
            let Some(ca) = guest.get("/ca.pem") else {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            fs::write(desk.path().join("ca.pem"), ca).unwrap();
            let far = Far { folder: desk.path(), address: guest.address() };
            let person = format!("p{}", acknowledged.len());
            let words = ["account", "set", &person, "--name", &person, "--role", "assessor"];
            if far.asks("administrator", &words).code == Some(0) {
                acknowledged.push(person);
            }
        }
        in_start += usize::from(acknowledged.len() == before);
        // Dropping it pulls the plug.
        drop(guest);
    }
    eprintln!(
        "{CUTS} cuts, {in_start} of them before it acknowledged anything; {} acts acknowledged; {:.0} s",
        acknowledged.len(),
        begun.elapsed().as_secs_f64()
    );
    assert!(!acknowledged.is_empty() && in_start > 0, "cuts at one kind of moment only");

    let mut guest = machine.boot();
    until_it_answers(&mut guest, &desk.path().join("ca.pem"));
    let far = Far { folder: desk.path(), address: guest.address() };
    let people = far.asks("assessor", &["account", "list", "--json"]).ok().out;
    for person in &acknowledged {
        assert!(people.contains(&format!("\"{person}\"")), "{person} is lost:\n{people}");
    }
    let screen = guest.screen();
    assert!(!screen.contains("FAILED"), "{screen}");
    guest.until_it_says("The server is running.", WITHIN);
    guest.press_power_button();
}
