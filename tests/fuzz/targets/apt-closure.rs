//! Fuzzes the relations of what a machine says that it has: what its upgrade would need.

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use vendor_apt::{Inventory, Machine, Offer, Offers, ReleaseFacts, parse_packages};

static OFFERS: LazyLock<Offers> = LazyLock::new(|| {
    let digest = "a".repeat(64);
    let packages: String = [
        "app\nVersion: 2\nDepends: lib (>= 2) | other, virtual\nRecommends: new\n",
        "lib\nVersion: 2\nBreaks: old (<< 2)\nProvides: virtual (= 3)\n",
        "new\nVersion: 1\nPre-Depends: lib\nProvides: virtual\n",
    ]
    .map(|body| {
        format!(
            "Package: {body}Architecture: amd64\nFilename: pool/a.deb\nSize: 1\nSHA256: {digest}\n\n"
        )
    })
    .concat();
    let offer = Offer {
        facts: ReleaseFacts::default(),
        component: "main".into(),
        architecture: "amd64".into(),
        site: "deb.example".into(),
        packages: parse_packages(packages.as_bytes()).expect("packages").into(),
    };
    Offers::index(vec![offer]).expect("versions")
});

fuzz_target!(|text: &str| {
    let status = format!(
        "Package: dpkg\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n\
         Package: app\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n{text}\n"
    );
    let at = Timestamp::UNIX_EPOCH;
    let taken = Inventory::take("fuzz".into(), at, status.as_bytes(), &[], vec![]);
    let Ok(machine) = taken.and_then(|inventory| Machine::of(&inventory)) else { return };
    let closure = OFFERS.closure(&machine, &|_, _| true);
    let offered = |name: &str| ["app", "lib", "new"].contains(&name);
    assert!(closure.needed.iter().all(|needed| offered(&needed.name)));
});
