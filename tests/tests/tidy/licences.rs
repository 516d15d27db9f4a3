//! Licences: the set that all dependencies stand under, as somebody has read it.

use super::{report, tree};
use std::collections::{BTreeMap, BTreeSet};

/// Every licence expression among the dependencies, in alphabetical order.
const READ: &[&str] = &[
    "(Apache-2.0 OR MIT) AND BSD-3-Clause",
    "(MIT OR Apache-2.0) AND Unicode-3.0",
    "0BSD OR MIT OR Apache-2.0",
    "Apache-2.0",
    "Apache-2.0 / MIT",
    "Apache-2.0 OR BSD-3-Clause",
    "Apache-2.0 OR BSL-1.0",
    "Apache-2.0 OR GPL-2.0-only",
    "Apache-2.0 OR ISC OR MIT",
    "Apache-2.0 OR MIT",
    "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
    "Apache-2.0/MIT",
    "BSD-2-Clause OR Apache-2.0 OR MIT",
    "BSD-3-Clause",
    "BSD-3-Clause OR MIT OR Apache-2.0",
    "BSL-1.0",
    "CC0-1.0 OR MIT-0 OR Apache-2.0",
    "ISC",
    "ISC AND (Apache-2.0 OR ISC)",
    "ISC AND (Apache-2.0 OR ISC) AND Apache-2.0 AND MIT AND BSD-3-Clause AND (Apache-2.0 OR ISC OR MIT) AND (Apache-2.0 OR ISC OR MIT-0)",
    "LGPL-2.0-or-later",
    "MIT",
    "MIT AND BSD-3-Clause",
    "MIT OR Apache-2.0",
    "MIT OR Zlib OR Apache-2.0",
    "MIT/Apache-2.0",
    "Unicode-3.0",
    "Unlicense OR MIT",
    "Unlicense/MIT",
    "Zlib",
    "Zlib OR Apache-2.0 OR MIT",
];

/// What stands under the LGPL, knowingly: the reader's OpenPGP, in a program of its own.
const LESSER: &[&str] = &["buffered-reader", "sequoia-openpgp"];

/// What may not come in by any way: a second TLS or crypto library in C.
const BANNED: &[&str] = &["ring", "openssl-sys", "native-tls", "nettle-sys"];

#[test]
fn dependencies_stand_under_licences_that_somebody_read() {
    let listed = tree("normal,build,dev", "{p} licence {l}");
    let mut standing: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (package, licence) in listed.iter().filter_map(|line| line.split_once(" licence ")) {
        let name = package.split(' ').next().unwrap();
        standing.entry(licence.to_owned()).or_default().insert(name);
    }
    for banned in BANNED {
        let user = listed.iter().find(|line| line.starts_with(&format!("{banned} ")));
        assert!(user.is_none(), "{banned} has come in: `cargo tree -i {banned}` says through whom");
    }
    let mut findings = Vec::new();
    for (licence, crates) in &standing {
        if !READ.contains(&&**licence) {
            findings.push(format!(
                "{licence}: new, for {}: read it, then add it",
                crates.iter().copied().collect::<Vec<_>>().join(", ")
            ));
        }
        let lesser = licence.contains("GPL") && !licence.contains(" OR ");
        let strangers: Vec<_> = crates.iter().filter(|name| !LESSER.contains(name)).collect();
        if lesser && !strangers.is_empty() {
            findings.push(format!("{licence}: {strangers:?} may not: only the reader's OpenPGP"));
        }
    }
    for licence in READ.iter().filter(|licence| !standing.contains_key(**licence)) {
        findings.push(format!("{licence}: no dependency has it any more: take it out"));
    }
    report(findings);
}
