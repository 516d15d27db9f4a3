//! Made-up repositories and machines, each from a number: small, and full of what is rare in real ones.

use crate::apt::{Case, Repository};
use vendor_apt::ReleaseFacts;

const NAMES: &[&str] = &["a", "b", "c", "gnome-a", "gnome-b", "libx6", "foo+1", "x.y"];
const VERSIONS: &[&str] = &[
    "0.9",
    "1.0",
    "1.0-0",
    "1.00",
    "1.0-1",
    "1.0-1+deb12u1",
    "1.0-1+deb12u10",
    "1.1~rc1",
    "1.1",
    "1:0.5",
    "2.0~~",
    "2.0",
];
const SOURCES: &[&str] = &["", "", "", "gnome", "a", "libx (1.0)"];
const STATES: &[&str] = &[
    "install ok installed",
    "install ok installed",
    "install ok installed",
    "install ok installed",
    "hold ok installed",
    "deinstall ok config-files",
    "install ok half-installed",
    "install ok unpacked",
    "install reinstreq half-configured",
    "deinstall ok installed",
    "install ok triggers-pending",
];
const TARGETS: &[&str] = &[
    "*",
    "*",
    "*",
    "a",
    "b",
    "c",
    "a b c",
    "gnome-*",
    "gnome-?",
    "/^(a|b)$/",
    "/x/",
    "a:any",
    "b:i386",
    "c:amd64",
    "*:any",
    "* b",
    "src:gnome",
    "src:a:any",
    "src:g*:any",
    "src:/lib/",
    "[a-c]",
    "[!a]*",
    "a:linux-any",
    "b:any-i386",
    "c:native",
    "GNOME-*",
    "a:all",
    "x.y",
    "foo+1",
    "*o*:i386",
    "nothing",
];
const PINS: &[&str] = &[
    "version 1.0*",
    "version 1.1",
    "version *",
    "version *deb12*",
    "version /deb12u1$/",
    "version 1.0-1+DEB12U1",
    "version [12].?",
    "version 1:*",
    "version",
    "release a=stable",
    "release a=st*, n=one",
    "release n=two",
    "release o=Vendor",
    "release o=Vendor,l=Label",
    "release l=Other Label",
    "release c=contrib",
    "release c=main",
    "release v=12",
    "release v=12*",
    "release v=*",
    "release 12*",
    "release 13.1",
    "release stable",
    "release two",
    "release b=i386",
    "release b=all",
    "release b=amd64, a=stable",
    "release b=*",
    "release *",
    "release a=now",
    "release now",
    "release c=now",
    "release a=",
    "release",
    "release x=y",
    "release A=testing",
    "release a=stable,a=testing",
    "release a=/^(stable|testing)$/",
    "release o=*",
    "release l=*",
    "release a= stable",
    "release a=stable ,, n=one ,",
    "release a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=stable",
    "release a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=a,a=stable",
    "origin one.example",
    "origin \"one.example\"",
    "origin \"\"",
    "origin",
    "origin *.example",
    "origin \"ONE.example\"",
    "Release a=stable",
    "unheard of",
];
const PRIORITIES: &[&str] = &[
    "-10",
    "-1",
    "1",
    "50",
    "99",
    "100",
    "101",
    "499",
    "500",
    "501",
    "990",
    "999",
    "1000",
    "1001",
    "1500",
    "32767",
    "-32768",
    "500 or so",
    "+700",
];
/// Records that apt refuses, all of them.
const REFUSED: &[&str] = &[
    "Package: a\nPin: version 1\nPin-Priority: 0\n",
    "Package: a\nPin: version 1\n",
    "Package: a\nPin: version 1\nPin-Priority: high\n",
    "Package: a\nPin: version 1\nPin-Priority: never\n",
    "Package: *\nPin: release a=stable\nPin-Priority: 32768\n",
    "Pin: version 1\nPin-Priority: 5\n",
    "Explanation: alone\n",
];

/// xorshift: the same numbers for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

pub(crate) fn case(seed: u64) -> Case {
    let dice = &mut Dice::new(seed);
    let mut architectures = vec!["amd64".to_owned(), "i386".to_owned()];
    match dice.below(5) {
        0 => architectures.truncate(1),
        1 => architectures.reverse(),
        _ => {}
    }
    let repositories = (0..2 + dice.below(2)).map(|number| repository(dice, number)).collect();
    let files = [0, 1, 1, 2, 3][dice.below(5)];
    let preferences = (0..files).map(|_| preferences(dice)).collect();
    let status = status(dice, &architectures[0]);
    Case { repositories, architectures, preferences, status }
}

fn repository(dice: &mut Dice, number: usize) -> Repository {
    let not_automatic = dice.one_in(3);
    let facts = ReleaseFacts {
        origin: dice.of(&["Vendor", "Vendor", "Else", ""]).into(),
        label: dice.of(&["Label", "Other Label", ""]).into(),
        suite: dice.of(&["stable", "testing", "stable-updates"]).into(),
        codename: dice.of(&["one", "two", ""]).into(),
        version: dice.of(&["12", "12.5", "13.1", ""]).into(),
        not_automatic,
        but_automatic_upgrades: if not_automatic { dice.one_in(2) } else { dice.one_in(8) },
    };
    let mut indexes = Vec::new();
    for component in &["main", "contrib"][..1 + dice.below(2)] {
        for architecture in ["amd64", "i386", "all"] {
            if dice.one_in(5) {
                continue;
            }
            let text = index(dice, architecture);
            indexes.push((component.to_string(), architecture.to_owned(), text));
        }
    }
    if indexes.is_empty() {
        indexes.push(("main".into(), "amd64".into(), index(dice, "amd64")));
    }
    let site = dice.of(&["one.example", "two.example", ""]).to_owned();
    Repository { facts, site, folder: format!("folder{number}"), indexes }
}

fn index(dice: &mut Dice, architecture: &str) -> String {
    let mut text = String::new();
    for name in NAMES {
        for _ in 0..[0, 1, 1, 1, 2][dice.below(5)] {
            let own = if dice.one_in(4) { "all" } else { architecture };
            let version = dice.of(VERSIONS);
            text.push_str(&format!("Package: {name}\nVersion: {version}\nArchitecture: {own}\n"));
            build(dice, &mut text);
            let size = 1 + dice.below(2) * dice.below(2);
            let digest = "b".repeat(64);
            let path = format!("pool/{name}_{version}_{own}.deb");
            text.push_str(&format!("Filename: {path}\nSize: {size}\nSHA256: {digest}\n\n"));
        }
    }
    text
}

/// What tells builds of one version apart, mostly alike.
fn build(dice: &mut Dice, text: &mut String) {
    text.push_str(&format!("Installed-Size: {}\n", 5 + usize::from(dice.one_in(8))));
    text.push_str(dice.of(&[
        "",
        "",
        "",
        "",
        "Depends: gone (>= 0:1)\n",
        "Depends: gone (>=1)\n",
        "Conflicts: gone\n",
        "Suggests: gone\n",
    ]));
    text.push_str(dice.of(&["", "", "", "", "Multi-Arch: foreign\n", "Multi-Arch: same\n"]));
    let source = dice.of(SOURCES);
    if !source.is_empty() {
        text.push_str(&format!("Source: {source}\n"));
    }
}

fn status(dice: &mut Dice, native: &str) -> String {
    let mut text = format!(
        "Package: dpkg\nStatus: install ok installed\nVersion: 1\nArchitecture: {native}\n\n"
    );
    for name in NAMES {
        let both = [&["amd64"][..], &["i386"], &["amd64", "i386"], &["all"], &["all"]];
        for architecture in both[dice.below(5)] {
            let (state, version) = (dice.of(STATES), dice.of(&VERSIONS[..9]));
            text.push_str(&format!("Package: {name}\nStatus: {state}\nVersion: {version}\n"));
            text.push_str(&format!("Architecture: {architecture}\n"));
            build(dice, &mut text);
            text.push('\n');
        }
    }
    text
}

fn preferences(dice: &mut Dice) -> String {
    let mut text = dice.of(&["", "# a comment\n", "\n\n", "# one\n\n#two\n"]).to_owned();
    for _ in 0..1 + dice.below(5) {
        if dice.one_in(100) {
            text.push_str(dice.of(REFUSED));
        } else {
            record(dice, &mut text);
        }
        text.push_str(dice.of(&["\n", "\n\n", "\r\n", "\n# between\n\n"]));
    }
    text
}

fn record(dice: &mut Dice, text: &mut String) {
    let (target, pin) = (dice.of(TARGETS), dice.of(PINS));
    let priority = if target == "*" && dice.one_in(12) { "never" } else { dice.of(PRIORITIES) };
    text.push_str(dice.of(&[
        "",
        "",
        "Explanation: because\n of that\n",
        "#no\n",
        "pin: release a=none\n",
    ]));
    text.push_str(&format!("{}: {target}\n", dice.of(&["Package", "Package", "package"])));
    text.push_str(dice.of(&["", "", "# within\n"]));
    text.push_str(&format!("Pin: {pin}\n{}", dice.of(&["", "", "junk\n", "  \n"])));
    text.push_str(&format!("Pin-Priority:{}{priority}\n", dice.of(&[" ", "", "\n "])));
}
