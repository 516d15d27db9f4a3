//! What applies, judged by the machine's own apt: the same set every time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apt;
mod closure;
mod made;
mod real;

use apt::{Case, Listed, Repository, Root, answered};
use jiff::Timestamp;
use vendor_apt::{Applicable, Error, Inventory, Offer, Offers, compare_versions, parse_packages};

const CASES: u64 = 300;
const VERSIONS: usize = 2000;
/// The first of them.
const SEED: &str = "PATCHKEEP_TEST_SEED";

fn offers(repositories: &[Repository]) -> Offers {
    let mut offers = Vec::new();
    for Repository { facts, site, indexes, .. } in repositories {
        for (component, architecture, text) in indexes {
            offers.push(Offer {
                facts: facts.clone(),
                component: component.clone(),
                architecture: architecture.clone(),
                site: site.clone(),
                packages: parse_packages(text.as_bytes()).unwrap().into(),
            });
        }
    }
    Offers::index(offers).unwrap()
}

fn inventory(case: &Case) -> Inventory {
    let host = "web1".to_owned();
    let preferences = case.preferences.clone();
    let foreign = &case.architectures[1..];
    Inventory::take(host, Timestamp::UNIX_EPOCH, case.status.as_bytes(), foreign, preferences)
        .unwrap()
}

fn ours(case: &Case) -> Result<Vec<Applicable>, Error> {
    offers(&case.repositories).applicable(&inventory(case))
}

fn compare(seed: u64, case: &Case, apts: Result<Listed, String>) -> usize {
    match (apts, ours(case)) {
        (Ok(apts), Ok(ours)) => {
            let ours = answered(&ours, &case.architectures[0]);
            let (more, less): (Vec<_>, Vec<_>) =
                (ours.difference(&apts).collect(), apts.difference(&ours).collect());
            assert!(
                more.is_empty() && less.is_empty(),
                "in case {seed} we list {more:?} and apt {less:?}: {case}"
            );
            apts.len()
        }
        (Err(_), Err(_)) => 0,
        (apts, ours) => panic!("case {seed}: apt says {apts:?}, we {ours:?}: {case}"),
    }
}

#[test]
fn made_up_machines_get_the_answer_of_their_own_apt() {
    let root = Root::new();
    let first = std::env::var(SEED).map_or(1, |seed| seed.parse().unwrap());
    let mut listed = 0;
    for seed in first..first + CASES {
        let case = made::case(seed);
        root.lay_out(&case);
        listed += compare(seed, &case, root.upgradable(&case.architectures[0]));
    }
    assert!(listed > CASES as usize, "apt listed only {listed} packages: the cases are too dull");
}

#[test]
fn versions_are_in_the_order_of_dpkg() {
    let parts = ["0", "00", "1", "01", "10", "9", "a", "A", "z", "~", "~~", "+", ".", "-1", "dfsg"];
    let (mut dice, mut told) = (made::Dice::new(7), [0; 3]);
    let make = |dice: &mut made::Dice| {
        let epoch = ["", "", "", "0:", "1:", "00:", "12:"][dice.below(7)];
        let mut text = format!("{epoch}{}", ["0", "1", "1.0", "2-0"][dice.below(4)]);
        (0..dice.below(5)).for_each(|_| text.push_str(parts[dice.below(parts.len())]));
        text
    };
    for _ in 0..VERSIONS {
        let (left, right) = (make(&mut dice), make(&mut dice));
        let order = compare_versions(&left, &right).unwrap();
        let word = ["lt", "eq", "gt"][(order as i8 + 1) as usize];
        let mut dpkg = std::process::Command::new("dpkg");
        let said = dpkg.args(["--compare-versions", &left, word, &right]).status().unwrap();
        assert!(said.success(), "we say {left} {word} {right}, dpkg does not");
        told[(order as i8 + 1) as usize] += 1;
    }
    assert!(told[1] > VERSIONS / 100, "{told:?}: too few are equal");
}

#[test]
fn this_machine_gets_the_answer_of_its_own_apt_from_its_own_sources() {
    let status = std::fs::read_to_string("/var/lib/dpkg/status").unwrap();
    let root = Root::new();
    let told = root.run("dpkg", &["--print-architecture"]).stdout;
    let native = String::from_utf8(told).unwrap().trim().to_owned();
    real::fetch(&root, std::slice::from_ref(&native));
    let offers = Offers::index(real::offers(&root)).unwrap();
    let pins = [
        "",
        "Package: *\nPin: release l=Debian-Security\nPin-Priority: 990\n",
        "Package: src:g* /^lib[a-m]/ python*\nPin: release n=bookworm*\nPin-Priority: -1\n",
        "Package: *\nPin: origin *\nPin-Priority: 99\n\nPackage: lib*\nPin: version *deb1?u*\n\
         Pin-Priority: 600\n",
    ];
    for (number, pins) in pins.iter().enumerate() {
        for nth in [1, 3, usize::MAX] {
            let case = Case {
                status: real::aged(&status, nth),
                preferences: vec![(*pins).to_owned()],
                architectures: vec![native.clone()],
                repositories: Vec::new(),
            };
            root.machine(&case.status, &case.preferences);
            let ours = offers.applicable(&inventory(&case)).unwrap();
            let apts = root.upgradable(&native).unwrap();
            assert_eq!(answered(&ours, &native), apts, "pins {number}, every {nth}. package older");
            assert!(number != 0 || nth == usize::MAX || !apts.is_empty(), "nothing is newer");
        }
    }
}
