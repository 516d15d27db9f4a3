//! What apt's preference files mean, and which are refused.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::ReleaseFacts;

fn count(text: &str) -> Result<usize, Error> {
    Pins::parse(&[text.to_owned()]).map(|pins| pins.len())
}

fn pins(text: &str) -> Pins {
    Pins::parse(&[text.to_owned()]).unwrap()
}

fn facts() -> ReleaseFacts {
    ReleaseFacts {
        origin: "Debian".into(),
        label: "Debian-Security".into(),
        suite: "oldstable-security".into(),
        codename: "bookworm-security".into(),
        version: "12".into(),
        ..ReleaseFacts::default()
    }
}

fn index(facts: &ReleaseFacts) -> File<'_> {
    File::Index { facts, component: "main", architecture: "amd64", site: "deb.example" }
}

/// The priority that pins give to version 1.0-1 of `name`, built from `source`, at an index.
fn of_version(text: &str, name: &str, source: &str) -> Option<i32> {
    let (pins, facts) = (pins(text), facts());
    let files = [index(&facts)];
    let (name, architecture) = name.split_once(':').unwrap_or((name, "amd64"));
    let version =
        Version { architecture, native: "amd64", source, version: "1.0-1", files: &files };
    pins.named(name).of_version(&version)
}

#[test]
fn a_general_pin_gives_its_priority_to_the_indexes_that_it_matches() {
    let facts = facts();
    let matching = [
        "release a=oldstable-security",
        "release A=OLDSTABLE-*, n=bookworm-security",
        "release o=Debian,l=Debian-Security,v=12,c=main,b=amd64",
        "release v=1*",
        "release 12",
        "release bookworm-security",
        "release *",
        "origin deb.example",
        "origin \"*.example\"",
        "Release a=no,a=oldstable-security",
    ];
    for pin in matching {
        let pins = pins(&format!("Package: *\nPin: {pin}\nPin-Priority: 7\n"));
        assert_eq!(pins.of_file(&index(&facts)), 7, "{pin}");
    }
    let others = [
        "release a=oldstable",
        "release o=Debian,l=Debian",
        "release c=contrib",
        "release v=1",
        "release 1",
        "release x=y",
        "release",
        "origin",
        "origin other.example",
        "version 1.0-1",
        "unheard of",
    ];
    for pin in others {
        let pins = pins(&format!("Package: *\nPin: {pin}\nPin-Priority: 7\n"));
        assert_eq!(pins.of_file(&index(&facts)), 500, "{pin}");
    }
}

#[test]
fn what_a_release_file_does_not_say_matches_nothing() {
    let silent = ReleaseFacts::default();
    let pins = pins("Package: *\nPin: release o=*\nPin-Priority: 7\n");
    assert_eq!(pins.of_file(&index(&silent)), 500);
}

#[test]
fn archives_that_are_not_automatic_come_last() {
    let none = Pins::default();
    let mut facts = ReleaseFacts { not_automatic: true, ..facts() };
    assert_eq!(none.of_file(&index(&facts)), 1);
    facts.but_automatic_upgrades = true;
    assert_eq!(none.of_file(&index(&facts)), 100);
    assert_eq!(none.of_file(&File::Status), 100);
}

#[test]
fn some_pins_reach_what_is_only_installed() {
    for (pin, priority) in [
        ("release *", 7),
        ("release a=now", 7),
        ("release now", 7),
        ("release c=now", 7),
        ("release a=", 7),
        ("release", 7),
        ("release a=stable", 100),
        ("release b=*", 100),
        ("release v=1", 100),
        ("origin \"\"", 100),
    ] {
        let pins = pins(&format!("Package: *\nPin: {pin}\nPin-Priority: 7\n"));
        assert_eq!(pins.of_file(&File::Status), priority, "{pin}");
    }
}

#[test]
fn the_first_general_pin_wins_and_never_wins_over_all() {
    let facts = facts();
    let one = "Package: *\nPin: release o=Debian\nPin-Priority: 7\n\n";
    let other = "Package: *\nPin: release c=main\nPin-Priority: 900\n\n";
    assert_eq!(pins(&format!("{one}{other}")).of_file(&index(&facts)), 7);
    assert_eq!(pins(&format!("{other}{one}")).of_file(&index(&facts)), 900);
    let never = "Package: *\nPin: release c=main\nPin-Priority: never\n";
    assert_eq!(pins(&format!("{one}{never}")).of_file(&index(&facts)), NEVER);
}

#[test]
fn a_specific_pin_names_packages_in_many_ways() {
    let named = [
        ("a", "a"),
        ("b a", "a"),
        ("[ab]", "a"),
        ("LIB*", "libx"),
        ("/^lib|x$/", "libx"),
        ("* b", "anything"),
        ("a:any", "a:i386"),
        ("a:i386", "a:i386"),
        ("a:linux-any", "a:armhf"),
        ("a:any-arm", "a:armhf"),
        ("a:linux-amd64", "a"),
        ("src:source", "a"),
        ("src:s*:any", "a:i386"),
    ];
    for (target, name) in named {
        let text = format!("Package: {target}\nPin: version 1.0*\nPin-Priority: 7\n");
        assert_eq!(of_version(&text, name, "source"), Some(7), "{target} {name}");
    }
    let others = [
        ("a", "a:i386"),
        ("A", "a"),
        ("a:native", "a"),
        ("a:all", "a"),
        ("source", "a"),
        ("src:a", "a"),
        ("a:any-i386", "a"),
    ];
    for (target, name) in others {
        let text = format!("Package: {target}\nPin: version 1.0*\nPin-Priority: 7\n");
        assert_eq!(of_version(&text, name, "source"), None, "{target} {name}");
    }
}

#[test]
fn a_version_is_pinned_whole_by_its_beginning_or_by_an_expression() {
    for (pin, expected) in [
        ("1.0-1", true),
        ("1.0", false),
        ("1.0*", true),
        ("*", true),
        ("[12].?-1", true),
        ("/-1$/", true),
        ("*0*", false),
        ("", false),
    ] {
        let text = format!("Package: a\nPin: version {pin}\nPin-Priority: 7\n");
        assert_eq!(of_version(&text, "a", "a").is_some(), expected, "{pin}");
    }
}

#[test]
fn the_first_specific_pin_that_matches_the_version_wins() {
    let text = "Package: a\nPin: version 2\nPin-Priority: 1\n\nPackage: *a\nPin: release o=Debian\n\
        Pin-Priority: 2\n\nPackage: a\nPin: version *\nPin-Priority: 3\n";
    assert_eq!(of_version(text, "a", "a"), Some(2));
}

#[test]
fn files_are_read_as_apt_reads_them() {
    let text = "# said\n\n\nExplanation: because\n of that\npackage: b\n#within\nPackage: a\n  \n\
        Pin: version\n 1.0-1\r\nPin-Priority:\n 7 or so\n\r\n\n# one\n\nPackage: c\njunk\nPin: version \
        1\n\nPackage: d\nPin: strange\nPin-Priority: 0\n";
    assert_eq!(of_version(text, "a", "a"), Some(7));
    assert_eq!(pins(text).len(), 1);
    assert_eq!(pins("").len() + pins("# no\n").len() + pins("\n \n").len(), 0);
}

#[test]
fn what_apt_refuses_is_refused() {
    let cases = [
        ("Pin: version 1\n", "no Package"),
        ("Package: a\nPin: version 1\n", "no priority"),
        ("Package: a\nPin: version 1\nPin-Priority: high\n", "no priority"),
        ("Package: a\nPin: version 1\nPin-Priority: -0\n", "no priority"),
        ("Package: a\nPin: version 1\nPin-Priority: never\n", "never"),
        ("Package: *\nPin: release *\nPin-Priority: 32768\n", "too high"),
        ("Package: a\nPin: version 1\nPin-Priority: 5\njunk\n", "no field"),
        ("Package: /a(/\nPin: version 1\nPin-Priority: 5\n", "no expression"),
        ("Package: a\nPin: release o=[[.a.]]\nPin-Priority: 5\n", "no expression"),
    ];
    for (text, why) in cases {
        let error = count(text).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    let many = "Package: *\nPin: release *\nPin-Priority: 1\n\n".repeat(RECORDS_MAX + 1);
    assert!(count(&many).unwrap_err().to_string().contains("absurdly many"));
}
