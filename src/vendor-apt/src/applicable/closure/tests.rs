//! What an upgrade needs, rule by rule.
#![allow(clippy::unwrap_used)]

use crate::{Closure, Inventory, Machine, Offer, Offers, Package, ReleaseFacts, parse_packages};
use jiff::Timestamp;

/// Offers of two sources: what each has, as `name version` and further fields on one line.
fn offers(sources: &[&[&str]]) -> Offers {
    let digest = "a".repeat(64);
    let stanza = |line: &&str| {
        let mut words = line.splitn(3, ' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let (name, architecture) = name.split_once(':').unwrap_or((name, "amd64"));
        let more = words.next().map(|more| format!("{}\n", more.replace("; ", "\n")));
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{}Filename: \
             pool/{name}_{version}_{architecture}.deb\nSize: 9\nSHA256: {digest}\n\n",
            more.unwrap_or_default()
        )
    };
    let offer = |lines: &&[&str]| Offer {
        facts: ReleaseFacts::default(),
        component: "main".into(),
        architecture: String::new(),
        site: String::new(),
        packages: parse_packages(lines.iter().map(stanza).collect::<String>().as_bytes())
            .unwrap()
            .into(),
    };
    Offers::index(sources.iter().map(offer).collect()).unwrap()
}

fn machine(installed: &[&str]) -> Machine {
    let mut status = String::new();
    for line in [&["dpkg 1"][..], installed].concat() {
        let mut words = line.splitn(3, ' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let (name, architecture) = name.split_once(':').unwrap_or((name, "amd64"));
        let more = words.next().unwrap_or("").replace("; ", "\n");
        let state = if more == "HELD" { "hold" } else { "install" };
        let more = if more == "HELD" || more.is_empty() { String::new() } else { more + "\n" };
        status.push_str(&format!(
            "Package: {name}\nStatus: {state} ok installed\nVersion: {version}\nArchitecture: \
             {architecture}\n{more}\n"
        ));
    }
    let (at, foreign) = (Timestamp::UNIX_EPOCH, ["i386".to_owned()]);
    let taken = Inventory::take("web1".into(), at, status.as_bytes(), &foreign, Vec::new());
    Machine::of(&taken.unwrap()).unwrap()
}

fn told(closure: &Closure) -> (Vec<String>, Vec<String>) {
    let needed = closure.needed.iter().map(|n| format!("{} {}", n.name, n.version));
    let back = closure.kept_back.iter().map(|k| format!("{}: {}", k.name, k.lacks));
    (needed.collect(), back.collect())
}

#[track_caller]
fn check(sources: &[&[&str]], installed: &[&str], needed: &[&str], back: &[&str]) {
    let closure = offers(sources).closure(&machine(installed), &|_, _| true);
    let (all, kept) = told(&closure);
    assert_eq!(
        (all, kept),
        (
            needed.iter().map(|t| (*t).to_owned()).collect(),
            back.iter().map(|t| (*t).to_owned()).collect()
        )
    );
}

#[test]
fn upgrades_are_needed_and_held_ones_are_not() {
    let offered = ["a 2", "b 2", "c 1"];
    check(&[&offered], &["b 1 HELD", "a 1", "c 1"], &["a 2"], &[]);
    check(&[&offered], &["c 1"], &[], &[]);
}

#[test]
fn a_new_dependency_and_what_it_needs_are_needed() {
    let offered = ["a 2 Depends: n (>= 1)", "n 1 Pre-Depends: m", "m 5", "unrelated 1"];
    check(&[&offered], &["a 1"], &["a 2", "n 1", "m 5"], &[]);
    // A circle is no trouble, and what is there already is not new.
    check(
        &[&["a 2 Depends: n", "n 1 Depends: a (>= 2), m"]],
        &["a 1", "m 1"],
        &["a 2", "n 1"],
        &[],
    );
}

#[test]
fn what_is_or_will_be_installed_satisfies() {
    let offered = ["a 2 Depends: b (>= 2), c", "b 2"];
    check(&[&offered], &["a 1", "b 1", "c 1"], &["a 2", "b 2"], &[]);
    // The held version is what counts, and what leans on the other stays behind with it.
    let offered = ["a 2 Depends: b (= 2)", "b 2", "d 2 Depends: a (= 2)"];
    check(&[&offered], &["a 1", "b 1 HELD", "d 1"], &[], &["a: b (= 2)", "d: a (= 2)"]);
}

#[test]
fn of_alternatives_the_first_that_can_be_met_counts() {
    let offered = ["a 2 Depends: gone | n (>= 9) | m | o", "n 1", "m 1 Depends: gone", "o 1"];
    check(&[&offered], &["a 1"], &["a 2", "o 1"], &[]);
    // One that is installed comes before all that are not.
    check(&[&offered], &["a 1", "m 1 Depends: gone"], &["a 2"], &[]);
    check(&[&["a 2 Depends: gone"]], &["a 1"], &[], &["a: gone"]);
}

#[test]
fn a_virtual_package_is_met_by_whoever_stands_for_it() {
    let offered = ["a 2 Depends: mta", "exim 1 Provides: mta", "postfix 1 Provides: mta, x"];
    check(&[&offered], &["a 1"], &["a 2", "exim 1"], &[]);
    check(&[&offered], &["a 1", "nullmailer 1 Provides: mta"], &["a 2"], &[]);
    // Those whose payloads are held go first, as the solver that chose them had it.
    let held = |_: usize, package: &Package| package.name != "exim";
    let closure = offers(&[&offered]).closure(&machine(&["a 1"]), &held);
    assert_eq!(told(&closure).0, ["a 2", "postfix 1"]);
}

#[test]
fn a_version_is_met_only_by_who_stands_for_that_version() {
    let offered = |provides: &str| {
        let provider = format!("p 7 Provides: {provides}");
        let all = offers(&[&["a 2 Depends: v (>= 3)", &provider]]);
        told(&all.closure(&machine(&["a 1"]), &|_, _| true)).0
    };
    assert_eq!(offered("v (= 3)"), ["a 2", "p 7"]);
    assert_eq!(offered("v (= 2)"), [""; 0]);
    assert_eq!(offered("v"), [""; 0]);
    let installed = ["a 1", "p 1 Provides: v (= 4)"];
    check(&[&["a 2 Depends: v (>= 3)"]], &installed, &["a 2"], &[]);
    // What the upgrade stands for counts, not what the old one did.
    let gone = ["a 2 Depends: v (>= 3)", "p 2"];
    check(&[&gone], &installed, &["p 2"], &["a: v (>= 3)"]);
}

#[test]
fn architectures_are_kept_apart_unless_they_say_otherwise() {
    let plain = ["a:i386 2 Depends: n", "n 1"];
    check(&[&plain], &["a:i386 1"], &[], &["a: n"]);
    let foreign = ["a:i386 2 Depends: n", "n 1 Multi-Arch: foreign"];
    check(&[&foreign], &["a:i386 1"], &["a 2", "n 1"], &[]);
    let any = ["a:i386 2 Depends: n:any", "n 1 Multi-Arch: allowed"];
    check(&[&any], &["a:i386 1"], &["a 2", "n 1"], &[]);
    check(&[&["a 2 Depends: n", "n:all 1"]], &["a 1"], &["a 2", "n 1"], &[]);
}

#[test]
fn recommendations_are_taken_as_apt_takes_them() {
    // Of a new package all must be there or come along.
    let new = ["a 2 Depends: n", "n 1 Recommends: m", "m 1"];
    check(&[&new], &["a 1"], &["a 2", "n 1", "m 1"], &[]);
    check(&[&new[..2]], &["a 1"], &[], &["a: n"]);
    // Of an upgrade those that are new; if some were missing before, others may be missing now.
    check(&[&["a 2 Recommends: m", "m 1"]], &["a 1"], &["a 2", "m 1"], &[]);
    check(&[&["a 2 Recommends: gone"]], &["a 1"], &[], &["a: gone"]);
    check(&[&["a 2 Recommends: m", "m 1"]], &["a 1 Recommends: m"], &["a 2"], &[]);
    check(&[&["a 2 Recommends: x, y"]], &["a 1 Recommends: x"], &["a 2"], &[]);
    check(&[&["a 2 Recommends: x, m", "m 1"]], &["a 1 Recommends: x"], &["a 2", "m 1"], &[]);
}

#[test]
fn what_would_break_or_clash_is_kept_back() {
    let installed = ["a 1 Depends: b (= 1)", "b 1"];
    check(&[&["b 2"]], &installed, &[], &["b: b (= 1), of a"]);
    check(&[&["b 2", "a 2 Depends: b (= 2)"]], &installed, &["a 2", "b 2"], &[]);
    check(&[&["a 2 Depends: n", "n 1 Conflicts: c"]], &["a 1", "c 1"], &[], &["a: n"]);
    check(&[&["a 2 Breaks: c (<< 2)", "c 2"]], &["a 1", "c 1"], &["a 2", "c 2"], &[]);
    check(&[&["a 2 Breaks: c (<< 2)", "c 2"]], &["a 1", "c 1 HELD"], &[], &["a: c (<< 2)"]);
    let same = ["a 2 Provides: v; Conflicts: v"];
    check(&[&same], &["a 1 Provides: v; Conflicts: v"], &["a 2"], &[]);
}

#[test]
fn it_is_known_whose_upgrade_needs_what() {
    let closure = offers(&[&["n 1", "b 2"], &["a 2 Depends: n"]]);
    let closure = closure.closure(&machine(&["a 1", "b 1"]), &|_, _| true);
    let places: Vec<_> = closure.needed.iter().map(|n| (&*n.name, n.offer, n.because)).collect();
    assert_eq!(places, [("a", 1, 1), ("b", 0, 0), ("n", 0, 1)]);
    assert_eq!(closure.needed[0].path, "pool/a_2_amd64.deb");
}
