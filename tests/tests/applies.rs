//! What applies, on real Debian roots of two releases: what the root's own `apt list --upgradable` says, with
//! a foreign architecture, pins and holds. Made-up repositories are in `collect/tests/applicable`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::{Debian, Said, mirror, patchkeep, require_root, run_within, scratch, soak};
use vendor_apt::{Inventory, Offer, Offers, Release, parse_packages};

/// Name, candidate, architecture.
type Listed = BTreeSet<(String, String, String)>;

/// A root of its own apt, which may reach the mirror.
struct Root(PathBuf);

impl Root {
    fn inside(&self, line: &str) -> Said {
        let mut command = Command::new("chroot");
        command.arg(&self.0).args(["env", "-i", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"]);
        command.arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin").args(["sh", "-c", line]);
        run_within(Duration::from_secs(300), &mut command).ok()
    }

    /// Takes the mirror's lists in for two architectures, and makes the machine an older one with holds and
    /// pins.
    fn prepare(&self, codename: &str, uri: &str) {
        for file in ["/etc/resolv.conf", "/etc/hosts"] {
            let _ = fs::copy(file, self.0.join(file.trim_start_matches('/')));
        }
        let lists = self.0.join("etc/apt/sources.list.d");
        for entry in fs::read_dir(&lists).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::write(self.0.join("etc/apt/sources.list"), format!("deb {uri} {codename} main\n"))
            .unwrap();
        // Mirrors serve stale indexes of foreign architectures at times: then the machine has none.
        let told = self.inside(
            "dpkg --add-architecture i386; apt-get -qq -eany update && echo both || \
             { dpkg --remove-architecture i386; apt-get -qq -eany update; }",
        );
        let status = self.0.join("var/lib/dpkg/status");
        let mut text = fs::read_to_string(&status).unwrap();
        if told.has("both") {
            // One package of the foreign architecture, claimed as dpkg would write it.
            text.push_str(
                "Package: zlib1g\nStatus: install ok installed\nPriority: optional\nSection: libs\n\
                 Maintainer: Nobody <nobody@example.org>\nArchitecture: i386\nMulti-Arch: same\n\
                 Version: 1:1.0-1\nDescription: claimed for a test\n\n",
            );
        } else {
            eprintln!("skipped: the foreign architecture, whose index the mirror serves stale");
        }
        let mut count = 0;
        let older = |line: &str| {
            count += usize::from(line.starts_with("Version: "));
            let older = line.starts_with("Version: ") && count % 3 == 0;
            format!("{line}{}\n", if older { "~" } else { "" })
        };
        fs::write(&status, text.lines().map(older).collect::<String>()).unwrap();
        // What is held is listed all the same.
        for (name, ..) in self.apts().iter().take(3) {
            self.inside(&format!("echo {name} hold | dpkg --set-selections"));
        }
        let pins = "Package: perl-base lib*\nPin: release n=*\nPin-Priority: -1\n\n\
            Package: libc6 libc-bin\nPin: version 2.*\nPin-Priority: 990\n";
        fs::write(self.0.join("etc/apt/preferences.d/test"), pins).unwrap();
    }

    fn apts(&self) -> Listed {
        let said = self.inside("apt list --upgradable 2>/dev/null").out;
        let lines = said.lines().filter(|line| line.contains("[upgradable from:"));
        lines
            .map(|line| {
                let (name, rest) = line.split_once('/').unwrap();
                let words: Vec<&str> = rest.split(' ').collect();
                (name.to_owned(), words[1].to_owned(), words[2].to_owned())
            })
            .collect()
    }

    fn ours(&self) -> Listed {
        let root = self.0.display().to_string();
        let words = ["endpoint", "inventory", "--root", &root, "--name", "web1", "--json"];
        let inventory = Inventory::parse(patchkeep(words).ok().out.as_bytes()).unwrap();
        let offers = Offers::index(self.offers()).unwrap();
        let all = offers.applicable(&inventory).unwrap();
        all.iter()
            .map(|applicable| {
                let candidate = applicable.candidate();
                let native = &inventory.architectures[0];
                let all = candidate.architecture == "all";
                let architecture = if all { native } else { &candidate.architecture };
                (applicable.name().to_owned(), candidate.version.clone(), architecture.clone())
            })
            .collect()
    }

    fn offers(&self) -> Vec<Offer> {
        let format = "$(FILENAME) $(SITE) $(COMPONENT) $(ARCHITECTURE)";
        let line = format!("apt-get indextargets --format '{format}' 'Created-By: Packages'");
        let told = self.inside(&line).out;
        let offer = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let [file, site, component, architecture] = words[..] else { panic!("{line}") };
            let file = self.0.join(file.trim_start_matches('/'));
            let packages = parse_packages(&fs::read(&file).unwrap()).unwrap();
            let name = file.display().to_string();
            let stem = name.rsplit_once(&format!("_{component}_binary-")).unwrap().0;
            let signed = fs::read_to_string(format!("{stem}_InRelease")).unwrap();
            let text = signed.split("\n\n").nth(1).unwrap();
            let text = text.split("-----BEGIN PGP SIGNATURE-----").next().unwrap();
            Offer {
                facts: Release::parse(text.as_bytes()).unwrap().facts,
                component: component.to_owned(),
                architecture: architecture.to_owned(),
                site: site.split('/').nth(2).unwrap_or("").to_owned(),
                packages: packages.into(),
            }
        };
        told.lines().map(offer).collect()
    }
}

fn holds_on(root: &Path, codename: &str) {
    let root = Root(root.to_owned());
    root.prepare(codename, &mirror().release);
    // An `all` package's own architecture is the native one where apt says either.
    let native = |(name, candidate, architecture): (String, String, String)| {
        let architecture = if architecture == "all" { "amd64".to_owned() } else { architecture };
        (name, candidate, architecture)
    };
    let apts: Listed = root.apts().into_iter().map(native).collect();
    assert!(apts.len() > 8, "apt lists only {apts:?}");
    let held = root.inside("dpkg --get-selections | grep -c hold").out;
    assert!(held.trim().parse::<u32>().unwrap() >= 3, "{held}");
    let foreign = apts.iter().any(|(.., architecture)| architecture == "i386");
    let offered = root.offers().iter().any(|offer| offer.architecture == "i386");
    assert_eq!(foreign, offered, "{apts:?}");
    assert_eq!(root.ours(), apts);
}

#[test]
fn what_applies_to_this_release_is_what_its_apt_lists() {
    let machine = Debian::fresh();
    holds_on(&machine.root(), &mirror().codename);
}

#[test]
fn what_applies_to_debian_13_is_what_its_apt_lists() {
    if !soak() {
        eprintln!("skipped: making a Debian 13 root takes minutes; `just soak` does it");
        return;
    }
    require_root();
    let folder = scratch();
    let root = folder.path().join("root");
    let mut make = Command::new("mmdebstrap");
    make.args(["--variant=apt", "--mode=root", "--quiet", "trixie"]).arg(&root);
    run_within(Duration::from_secs(600), make.arg(mirror().release)).ok();
    holds_on(&root, "trixie");
}
