//! Which updates apply, rule by rule. What real apt says of many more is asked in `collect`.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::parse_packages;
use jiff::Timestamp;

/// Name, version, further fields.
type Stanza<'a> = (&'a str, &'a str, &'a str);

fn packages(all: &[Stanza<'_>]) -> Vec<Package> {
    let digest = "a".repeat(64);
    let stanza = |(name, version, more): &Stanza<'_>| {
        let (name, architecture) = name.split_once(':').unwrap_or((name, "amd64"));
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{more}Filename: \
             pool/{name}_{version}.deb\nSize: 9\nSHA256: {digest}\n\n"
        )
    };
    let text: String = all.iter().map(stanza).collect();
    parse_packages(text.as_bytes()).unwrap()
}

fn offer(suite: &str, all: &[Stanza<'_>]) -> Offer {
    Offer {
        facts: ReleaseFacts { suite: suite.into(), ..ReleaseFacts::default() },
        component: "main".into(),
        architecture: "amd64".into(),
        site: "deb.example".into(),
        packages: packages(all).into(),
    }
}

fn machine(installed: &[Stanza<'_>], pins: &str) -> Inventory {
    let mut status = "Package: dpkg\nStatus: install ok installed\nVersion: 1\nArchitecture: \
        amd64\n\n"
        .to_owned();
    for (name, version, more) in installed {
        let (name, architecture) = name.split_once(':').unwrap_or((name, "amd64"));
        let state = if more.contains("Status:") { "" } else { "Status: install ok installed\n" };
        status.push_str(&format!(
            "Package: {name}\n{state}Version: {version}\nArchitecture: {architecture}\n{more}\n"
        ));
    }
    let (at, foreign) = (Timestamp::UNIX_EPOCH, ["i386".to_owned()]);
    let pins = vec![pins.to_owned()];
    Inventory::take("web1".into(), at, status.as_bytes(), &foreign, pins).unwrap()
}

/// What applies, as `name:architecture installed candidate`.
fn told(offers: Vec<Offer>, inventory: &Inventory) -> Vec<String> {
    let all = Offers::index(offers).unwrap().applicable(inventory).unwrap();
    let line = |a: &Applicable| {
        let c = a.candidate();
        format!("{}:{} {} {}", a.name(), c.architecture, a.installed(), c.version)
    };
    all.iter().map(line).collect()
}

#[test]
fn the_newest_of_the_highest_priority_applies() {
    let offers = vec![
        offer("stable", &[("b", "2", ""), ("a", "1.1", ""), ("c", "1", ""), ("other", "9", "")]),
        offer("security", &[("a", "1.2", ""), ("a", "1.1", "")]),
    ];
    let inventory = machine(&[("c", "1", ""), ("b", "1", ""), ("a", "1", "")], "");
    assert_eq!(told(offers.clone(), &inventory), ["a:amd64 1 1.2", "b:amd64 1 2"]);
    let pins = "Package: a\nPin: version 1.1\nPin-Priority: 600\n";
    let inventory = machine(&[("a", "1", "")], pins);
    assert_eq!(told(offers, &inventory), ["a:amd64 1 1.1"]);
}

#[test]
fn a_held_package_applies_and_says_so() {
    let inventory = machine(&[("a", "1", "Status: hold ok installed\n")], "");
    let offers = Offers::index(vec![offer("stable", &[("a", "2", "Source: s (7)\n")])]).unwrap();
    let all = offers.applicable(&inventory).unwrap();
    assert!(all[0].held());
    let candidate = all[0].candidate();
    assert_eq!((&*candidate.source, &*candidate.path, candidate.length), ("s", "pool/a_2.deb", 9));
}

#[test]
fn half_installed_counts_and_leftover_settings_do_not() {
    let installed = [
        ("a", "1", "Status: deinstall ok config-files\n"),
        ("b", "1", "Status: install reinstreq half-installed\n"),
        ("c", "1", "Status: install ok unpacked\n"),
    ];
    let all = [("a", "2", ""), ("b", "2", ""), ("c", "2", "")];
    let told = told(vec![offer("stable", &all)], &machine(&installed, ""));
    assert_eq!(told, ["b:amd64 1 2", "c:amd64 1 2"]);
}

#[test]
fn each_architecture_has_its_own_candidate_and_all_is_the_native_one() {
    let mut foreign = offer("stable", &[("a:i386", "3", ""), ("d:i386", "9", "")]);
    foreign.architecture = "i386".into();
    let mut unread = offer("stable", &[("a", "9", "")]);
    unread.architecture = "arm64".into();
    let native =
        offer("stable", &[("a", "2", ""), ("b:all", "2", ""), ("c:all", "2", ""), ("e", "2", "")]);
    let installed = [
        ("a", "1", ""),
        ("a:i386", "1", ""),
        ("b", "1", ""),
        ("c:i386", "1", ""),
        ("d:all", "1", ""),
        ("e:all", "1", ""),
    ];
    let told = told(vec![native, foreign, unread], &machine(&installed, ""));
    assert_eq!(told, ["a:amd64 1 2", "a:i386 1 3", "b:all 1 2", "e:amd64 1 2"]);
}

#[test]
fn another_build_of_the_same_version_applies() {
    let offers = vec![offer("stable", &[("a", "1", "Depends: b (>= 0:2)\n"), ("c", "1", "")])];
    let other = machine(&[("a", "1", "Depends: b (>= 3)\n"), ("c", "1", "")], "");
    assert_eq!(told(offers.clone(), &other), ["a:amd64 1 1"]);
    let same = machine(&[("a", "1", "Depends: b(>=2)\n"), ("c", "1", "")], "");
    assert_eq!(told(offers, &same), [""; 0]);
}

#[test]
fn a_downgrade_is_never_listed_and_hides_the_upgrade() {
    let offers = vec![offer("stable", &[("a", "1", ""), ("a", "3", "")])];
    let pins = "Package: a\nPin: version 1\nPin-Priority: PRIORITY\n";
    for (priority, expected) in
        [("999", &["a:amd64 2 3"][..]), ("1000", &[]), ("-1", &["a:amd64 2 3"])]
    {
        let inventory = machine(&[("a", "2", "")], &pins.replace("PRIORITY", priority));
        assert_eq!(told(offers.clone(), &inventory), expected, "{priority}");
    }
}

#[test]
fn a_pin_below_zero_or_above_the_others_keeps_the_installed_version() {
    let offers = vec![offer("stable", &[("a", "2", "")]), offer("old", &[("a", "1", "")])];
    for pins in [
        "Package: a\nPin: version 2\nPin-Priority: -1\n",
        "Package: *\nPin: release a=stable\nPin-Priority: never\n",
        "Package: a\nPin: release a=old\nPin-Priority: 501\n",
        "Package: *\nPin: release a=now\nPin-Priority: 501\n",
        "Package: *\nPin: origin deb.example\nPin-Priority: 99\n",
    ] {
        let inventory = machine(&[("a", "1", "")], pins);
        assert_eq!(told(offers.clone(), &inventory), [""; 0], "{pins}");
    }
}

#[test]
fn archives_that_are_not_automatic_upgrade_only_if_they_say_so() {
    let mut offers = vec![offer("stable-backports", &[("a", "2", "")])];
    offers[0].facts.not_automatic = true;
    let inventory = machine(&[("a", "1", "")], "");
    assert_eq!(told(offers.clone(), &inventory), [""; 0]);
    offers[0].facts.but_automatic_upgrades = true;
    assert_eq!(told(offers, &inventory), ["a:amd64 1 2"]);
}

#[test]
fn only_machines_that_have_a_changed_package_need_a_new_answer() {
    let index = |all: &[Stanza<'_>]| Offers::index(vec![offer("stable", all)]).unwrap();
    let before = index(&[("a", "1", ""), ("b", "1", ""), ("c", "1", "")]);
    let after = index(&[("a", "1", ""), ("b", "2", ""), ("d", "1", "")]);
    let changed = after.changed(&before);
    assert_eq!(changed.iter().collect::<Vec<_>>(), ["b", "c", "d"]);
    assert!(after.changed(&after).is_empty());
    let renamed = Offers::index(vec![offer("oldstable", &[("a", "1", "")])]).unwrap();
    assert!(renamed.changed(&before).contains("a"));
    let has = |name| Machine::of(&machine(&[(name, "1", "")], "")).unwrap().has_any(&changed);
    assert!(has("b") && !has("a"));
}

#[test]
fn pins_that_cannot_be_followed_are_an_error() {
    let offers = Offers::index(Vec::new()).unwrap();
    let pins = "Package: /(a)\\1/\nPin: version 1\nPin-Priority: 5\n";
    let error = offers.applicable(&machine(&[], pins)).unwrap_err();
    assert_eq!(error.fault(), ids::Fault::Input);
    assert!(error.to_string().contains("no expression"), "{error}");
}
