//! What an upgrade needs, judged by `apt-get --with-new-pkgs upgrade` over made-up relations.

use crate::{
    apt::{Case, Repository, Root},
    inventory,
    made::Dice,
    offers,
};
use std::collections::BTreeSet;
use vendor_apt::{Machine, ReleaseFacts};

const CASES: u64 = 120;
const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "n1", "n2", "n3", "n4"];

/// One to three relations, mostly such as can be met.
fn relation(dice: &mut Dice, own: &str) -> String {
    let one = |dice: &mut Dice| {
        let name = ["a", "b", "c", "d", "e", "n1", "n2", "n3", "n4", "v", "gone"][dice.below(11)];
        let name = if name == own { "n1" } else { name };
        let bound = ["", "", "", " (>= 2)", " (= 2)", " (>= 1)", " (<< 2)"][dice.below(7)];
        format!("{name}{bound}")
    };
    let mut all = Vec::new();
    for _ in 0..1 + dice.below(2) {
        let first = one(dice);
        all.push(if dice.below(3) == 0 { format!("{first} | {}", one(dice)) } else { first });
    }
    all.join(", ")
}

fn case(seed: u64) -> Case {
    let dice = &mut Dice::new(seed);
    let (mut index, mut status) = (String::new(), String::new());
    for (number, name) in NAMES.iter().enumerate() {
        let new = number >= 5;
        let version = if new { "1" } else { ["1", "2", "2", "2"][dice.below(4)] };
        let mut more = String::new();
        for field in ["Depends", "Recommends"] {
            if dice.below(if field == "Depends" { 2 } else { 4 }) == 0 {
                more.push_str(&format!("{field}: {}\n", relation(dice, name)));
            }
        }
        if dice.below(8) == 0 {
            more.push_str(&format!("Breaks: {}\n", ["b (<< 2)", "c (<< 2)", "e"][dice.below(3)]));
        }
        // One alone stands for it, since which of several apt takes is its own affair.
        let provides = if *name == "n4" {
            ["", "Provides: v\n", "Provides: v (= 2)\n"][dice.below(3)]
        } else {
            ""
        };
        let body =
            format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\n{provides}{more}");
        if version == "2" || new {
            let digest = "b".repeat(64);
            index.push_str(&format!(
                "{body}Filename: pool/{name}.deb\nSize: 1\nSHA256: {digest}\n\n"
            ));
        }
        if !new {
            let state = if dice.below(6) == 0 { "hold" } else { "install" };
            let older =
                ["", "", "Recommends: gone\n", "Recommends: n2\n", "Depends: a | b (= 1)\n"]
                    [dice.below(5)];
            status.push_str(&format!(
                "Package: {name}\nStatus: {state} ok installed\nVersion: 1\nArchitecture: amd64\n{older}\n"
            ));
        }
    }
    status.push_str(
        "Package: dpkg\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n",
    );
    let facts =
        ReleaseFacts { suite: "one".into(), codename: "one".into(), ..ReleaseFacts::default() };
    let indexes = vec![("main".to_owned(), "amd64".to_owned(), index)];
    let repository =
        Repository { facts, site: "one.example".into(), folder: "one".into(), indexes };
    let architectures = vec!["amd64".to_owned()];
    Case { repositories: vec![repository], architectures, preferences: Vec::new(), status }
}

/// `Inst name [installed] (candidate ...)`, as apt says it.
fn installs(told: &str) -> BTreeSet<String> {
    let lines = told.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn an_upgrade_needs_what_apt_would_install() {
    let root = Root::new();
    let (mut judged, mut new, mut other) = (0, 0, Vec::new());
    for seed in 1..=CASES {
        let case = case(seed);
        root.lay_out(&case);
        let done = root.run("apt-get", &["-s", "--with-new-pkgs", "upgrade"]);
        if !done.status.success() {
            // What is installed does not hold together.
            continue;
        }
        let apts = installs(&String::from_utf8(done.stdout).unwrap());
        let machine = Machine::of(&inventory(&case)).unwrap();
        let closure = offers(&case.repositories).closure(&machine, &|_, _| true);
        let ours: BTreeSet<String> = closure.needed.into_iter().map(|n| n.name).collect();
        judged += 1;
        new += apts.iter().filter(|name| name.starts_with('n')).count();
        if ours != apts {
            other.push(format!("case {seed}: we say {ours:?}, apt {apts:?}: {case}"));
        }
    }
    assert!(judged > 60 && new > 20, "{judged} judged, {new} new packages: too dull");
    // Where breaks, holds and alternatives meet, apt's order of trying decides; real relations are far
    // less dense than these, in which one case of eight may differ.
    let few = other.len() * 8 <= judged;
    assert!(few, "{} of {judged} otherwise:\n{}", other.len(), other.join("\n"));
}
