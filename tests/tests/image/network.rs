//! How the machine is reached: an address from DHCP, a change that locks everybody out and comes back, one that is kept.

use crate::guest::{OTHER, image};
use crate::slots::WITHIN;
use crate::update::{Far, give_tokens, moved, until_it_answers};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::{Workshop, scratch};

/// How long a change is on trial here, and until its end is seen in the log, which is looked at twice a minute.
const TRIAL: &str = "patchkeep.network_seconds=100";
const TOLD_WITHIN: Duration = Duration::from_secs(120);

impl Far<'_> {
    /// Waits until the log says what became of the last change, in so many events.
    fn until_settled(&self, number: usize) -> String {
        let begun = Instant::now();
        loop {
            let told = self.told("network-settled");
            if told.len() == number {
                return told[number - 1].clone();
            }
            assert!(
                begun.elapsed() < TOLD_WITHIN,
                "the log does not say what became of it: {told:?}"
            );
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    fn network(&self) -> Value {
        self.asks("assessor", &["network", "show", "--json"]).ok().json()
    }
}

#[test]
fn an_address_is_lent_and_a_change_of_it_is_put_back_or_kept_as_people_say() {
    let Some(image) = image() else { return };
    let desk = scratch();
    let appliance = Workshop::new().appliance();
    give_tokens(&appliance, desk.path());
    let mut machine = moved(&image, &appliance);
    (machine.has_firmware, machine.words) = (false, TRIAL);

    let mut guest = machine.boot();
    let took = guest.until_it_says("eth0 has 10.0.2.15/24, lent by DHCP", WITHIN);
    eprintln!("an address from DHCP: {:.1} s", took.as_secs_f64());
    let ca = desk.path().join("ca.pem");
    until_it_answers(&mut guest, &ca);
    let far = Far { folder: desk.path(), address: guest.address() };
    let now = far.network()["now"].clone();
    assert_eq!(
        (&now["address"], &now["settings"]),
        (&json!("10.0.2.15/24"), &json!({ "address": "dhcp" }))
    );

    // Nobody else is on that VLAN, so that nobody can confirm it.
    let wanted = format!("{OTHER}/24");
    far.asks("administrator", &["network", "set", &wanted, "--vlan", "12"]).ok().says("confirm");
    guest.until_it_says("ON TRIAL: 10.0.2.20/24, on the first wired interface, VLAN 12", WITHIN);
    guest.until_it_says("nobody confirmed it within 2 min", WITHIN);
    assert!(guest.has_seen_vlan(12), "no frame had the tag of the VLAN");
    let back = guest.until_it_says_after("nobody confirmed it", "lent by DHCP", WITHIN);
    eprintln!("the address is as before {:.1} s after the start", back.as_secs_f64());
    guest.until_it_serves("/first-start", WITHIN);
    let told = far.until_settled(1);
    assert!(
        told.contains("VLAN 12 did not stay") && told.contains("nobody confirmed it"),
        "{told}"
    );
    assert_eq!(far.network()["now"]["settings"], json!({ "address": "dhcp" }));

    let words = ["network", "set", &wanted, "--gateway", "10.0.2.2", "--name", "patchkeep.example"];
    far.asks("administrator", &words).ok();
    guest.until_it_says("ON TRIAL: 10.0.2.20/24, gateway 10.0.2.2", WITHIN);
    guest.moves();
    guest.until_it_serves("/first-start", WITHIN);
    let far = Far { folder: desk.path(), address: guest.address() };
    let change = far.network()["now"]["trial"]["change"].as_str().unwrap().to_owned();
    far.asks("administrator", &["network", "confirm", &change])
        .ok()
        .says("It is kept: 10.0.2.20/24");
    let told = far.until_settled(2);
    assert!(told.contains("is reached otherwise from now on: 10.0.2.20/24"), "{told}");
    let confirmed = far.told("network-change-confirmed");
    assert!(confirmed.len() == 1 && confirmed[0].contains("ann (administrator"), "{confirmed:?}");

    let lines = [("", ""), ("Type a number", "3"), ("Type their id", "ann")];
    guest.types(&lines, WITHIN);
    guest.until_it_says("One-time code for ann, until", WITHIN);
    // What she had before, her scripts' tokens too, counts no more.
    let refused = far.asks("assessor", &["network", "show"]);
    assert_eq!(refused.code, Some(4), "{}", refused.out);
    guest.press_power_button();

    let mut guest = machine.boot();
    guest.until_it_says("eth0 has 10.0.2.20/24", WITHIN);
    guest.moves();
    guest.until_it_serves("/first-start", WITHIN);
    guest.press_power_button();
}
