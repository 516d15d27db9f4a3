//! This machine's own sources, as its apt fetches and reads them.

use crate::apt::Root;
use std::fs;
use vendor_apt::{Offer, Release, parse_packages};

/// Fetches the lists of this machine's sources into a private root; nothing of the machine is changed.
pub(crate) fn fetch(root: &Root, architectures: &[String]) {
    root.settings(architectures);
    root.machine("", &[]);
    let list = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    root.write("etc/sources.list", &list);
    for entry in fs::read_dir("/etc/apt/sources.list.d").unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".sources") || name.ends_with(".list") {
            let text = fs::read_to_string(entry.path()).unwrap();
            root.write(&format!("etc/sources.list.d/{name}"), &text);
        }
    }
    let done = root.run("apt-get", &["update", "-eany"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// What the fetched sources offer, in apt's order.
pub(crate) fn offers(root: &Root) -> Vec<Offer> {
    let format = "$(FILENAME) $(SITE) $(COMPONENT) $(ARCHITECTURE)";
    let done = root.run("apt-get", &["indextargets", "--format", format, "Created-By: Packages"]);
    let told = String::from_utf8(done.stdout).unwrap();
    let mut offers = Vec::new();
    for line in told.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [file, site, component, architecture] = words[..] else { panic!("apt says {line:?}") };
        let Ok(packages) = fs::read(file) else { continue };
        let stem = file.rsplit_once(&format!("_{component}_binary-")).unwrap().0;
        let signed = fs::read_to_string(format!("{stem}_InRelease")).unwrap();
        let text = signed.split("\n\n").nth(1).unwrap();
        let text = text.split("-----BEGIN PGP SIGNATURE-----").next().unwrap();
        let host = site.split('/').nth(2).unwrap_or("");
        offers.push(Offer {
            facts: Release::parse(text.as_bytes()).unwrap().facts,
            component: component.to_owned(),
            architecture: architecture.to_owned(),
            site: host.to_owned(),
            packages: parse_packages(&packages).unwrap().into(),
        });
    }
    offers
}

/// A status file in which every `nth` package is an older one.
pub(crate) fn aged(status: &str, nth: usize) -> String {
    let mut count = 0;
    let mut text = String::new();
    for line in status.lines() {
        text.push_str(line);
        if line.starts_with("Version: ") {
            count += 1;
            if count % nth == 0 {
                text.push('~');
            }
        }
        text.push('\n');
    }
    text
}
