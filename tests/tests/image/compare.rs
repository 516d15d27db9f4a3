//! How soon the appliance serves, against how soon a minimal Debian with systemd asks who logs in: the same emulator, one after the
//! other, printed as a ratio.

use crate::{
    BOOTS_WITHIN,
    guest::{Hardware, image},
    minimal::Minimal,
};
use std::time::Duration;

/// Starts of each.
const STARTS: usize = 3;

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

#[test]
fn it_serves_before_a_minimal_debian_with_systemd_asks_for_a_login() {
    let Some(image) = image() else { return };
    let debian = Minimal::new();
    let machine = Hardware::new(&image);
    // A first start makes the data partition, and a first start of Debian its machine's number: neither counts.
    let first = machine.boot().until_it_serves("/first-start", BOOTS_WITHIN).0;
    let first_login = debian.login();
    let (mut serves, mut logins) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        serves.push(machine.boot().until_it_serves("/first-start", BOOTS_WITHIN).0);
        logins.push(debian.login());
    }
    let (serves, login) = (median(serves), median(logins));
    eprintln!(
        "serving after {serves:.1} s, a minimal Debian's login after {login:.1} s (medians of {STARTS}): ratio {:.2}; \
         first starts {:.1} s and {:.1} s",
        serves / login,
        first.as_secs_f64(),
        first_login.as_secs_f64()
    );
}
