//! Fuzzes apt's preferences: what a machine pins, and what it is then offered.

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use vendor_apt::{Inventory, Offer, Offers, ReleaseFacts, count_pins, parse_packages};

const STATUS: &[u8] = b"Package: dpkg\nStatus: install ok installed\nVersion: 1.0-1\n\
    Architecture: amd64\n\nPackage: gnome-a\nStatus: hold ok installed\nVersion: 1:1\n\
    Architecture: i386\nSource: gnome\n";

static OFFERS: LazyLock<Offers> = LazyLock::new(|| {
    let digest = "a".repeat(64);
    let packages = format!(
        "Package: dpkg\nVersion: 1.0-1+deb12u1\nArchitecture: amd64\nFilename: pool/d.deb\nSize: 1\n\
         SHA256: {digest}\n\nPackage: gnome-a\nVersion: 1:2\nArchitecture: i386\nFilename: \
         pool/g.deb\nSize: 1\nSHA256: {digest}\n"
    );
    let facts = ReleaseFacts {
        origin: "Debian".into(),
        label: "Debian-Security".into(),
        suite: "stable-security".into(),
        codename: "bookworm-security".into(),
        version: "12.5".into(),
        ..ReleaseFacts::default()
    };
    let offer = Offer {
        facts,
        component: "main".into(),
        architecture: "i386".into(),
        site: "deb.example".into(),
        packages: parse_packages(packages.as_bytes()).expect("packages").into(),
    };
    Offers::index(vec![offer]).expect("versions")
});

fuzz_target!(|text: &str| {
    let (at, foreign) = (Timestamp::UNIX_EPOCH, ["i386".to_owned()]);
    let pins = vec![text.to_owned()];
    let Ok(inventory) = Inventory::take("fuzz".into(), at, STATUS, &foreign, pins) else {
        return;
    };
    let answer = OFFERS.applicable(&inventory);
    assert_eq!(answer.is_ok(), count_pins(text).is_ok());
    assert!(answer.is_ok_and(|all| all.len() <= 2) || count_pins(text).is_err());
});
