//! The stage itself: a Debian machine is real and lacks updates, and a network has no way out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tests::{Debian, Network};

#[test]
fn a_debian_machine_runs_apt_and_has_no_way_out() {
    let machine = Debian::fresh();
    let network = Network::new();
    let node = network.node();
    machine.run(&node, "apt-get --version").ok().says("apt ");
    assert!(machine.version("dpkg").is_some());
    // The machine's own sources name the mirror that made it; from here it is out of reach.
    machine.run(&node, "apt-get -eany update -o Acquire::Retries=0").fails();
    let other = network.node();
    machine
        .run(&node, &format!("bash -c 'exec 3<>/dev/tcp/{}/9'", other.address))
        .fails()
        .says("refused");
}

#[test]
fn a_machine_can_be_told_another_day() {
    let machine = Debian::fresh();
    let network = Network::new();
    let node = network.node();
    let today = machine.run(&node, "date +%s").ok().out.trim().parse::<i64>().unwrap();
    let then = machine.run_in_days(&node, 40, "date +%s").ok().out.trim().parse::<i64>().unwrap();
    assert_eq!((then - today) / 86_400, 40);
}
