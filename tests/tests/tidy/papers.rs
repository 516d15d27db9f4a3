//! Papers and manifests: the map, headings, and nothing that is true on one machine only.

use super::floors::floor;
use super::{Text, metadata, report, texts, top};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// The folders of crates as they stand.
fn rooms() -> BTreeSet<String> {
    let entries = fs::read_dir(top().join("src")).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().join("Cargo.toml").exists());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// The crates that the map's table of floors names: `| 3 machinery | `store` | ... |`.
fn mapped(map: &str) -> Vec<(String, String)> {
    let rows = map.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (floor, krate) = (cells.next()?, cells.next()?);
        let krate = krate.strip_prefix('`')?.strip_suffix('`')?;
        Some((krate.to_owned(), floor.split(' ').next()?.to_owned()))
    });
    rows.filter(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')).collect()
}

#[test]
fn the_map_names_every_room_on_its_floor_and_no_other() {
    let map = fs::read_to_string(top().join("src/README.md")).unwrap_or_default();
    let (rooms, mapped) = (rooms(), mapped(&map));
    let mut findings = Vec::new();
    for room in &rooms {
        if !mapped.iter().any(|(name, _)| name == room) {
            findings.push(format!("src/README.md: no row of the table of floors names `{room}`"));
        }
    }
    for (name, told) in mapped.iter().filter(|(name, _)| name != "tests") {
        if !rooms.contains(name) {
            findings.push(format!("src/README.md: there is no crate `{name}`"));
        } else if floor(name).map(|floor| floor.to_string()).as_ref() != Some(told) {
            findings.push(format!("src/README.md: `{name}` is not on floor {told}"));
        }
    }
    report(findings);
}

#[test]
fn folders_are_named_like_their_crates_and_keep_the_house_lints() {
    let mut findings = Vec::new();
    for package in metadata(&["--no-deps"])["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let manifest = package["manifest_path"].as_str().unwrap();
        if !manifest.ends_with(&format!("/{name}/Cargo.toml")) {
            findings.push(format!("{manifest}: folder and crate {name} should have one name"));
        }
        if !fs::read_to_string(manifest).unwrap().contains("[lints]\nworkspace = true") {
            findings.push(format!("{name}: keep the house lints ([lints] workspace = true)"));
        }
    }
    report(findings);
}

#[test]
fn a_page_has_one_title() {
    let mut findings = Vec::new();
    for Text { path, text } in texts().iter().filter(|file| file.path.ends_with(".md")) {
        let mut fenced = false;
        let mut titles = 0;
        for line in text.lines() {
            fenced ^= line.trim_start().starts_with("```");
            titles += usize::from(!fenced && line.starts_with("# "));
        }
        if titles != 1 {
            findings.push(format!("{path}: {titles} titles (lines that begin with #), not one"));
        }
    }
    report(findings);
}

/// Hosts that this machine takes packages from: its own business, and nobody else's.
fn registry_hosts() -> BTreeSet<String> {
    let mut files = vec![std::path::PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    let sources: String = files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    let named =
        sources.lines().filter(|line| line.starts_with("URIs:") || line.starts_with("deb "));
    let mut addresses: Vec<String> =
        named.flat_map(str::split_whitespace).map(str::to_owned).collect();
    for (program, arguments) in
        [("npm", ["config", "get", "registry"]), ("pip", ["config", "get", "global.index-url"])]
    {
        if let Ok(output) = Command::new(program).args(arguments).output() {
            addresses.push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
    }
    let hosts =
        addresses.iter().filter_map(|address| address.split_once("://")?.1.split('/').next());
    hosts.filter(|host| host.contains('.')).map(str::to_owned).collect()
}

#[test]
fn nothing_is_true_on_this_machine_only() {
    let top = top();
    let mut never = registry_hosts();
    never.insert(format!("{}/", top.display()));
    // A folder that other people have too says nothing about this machine.
    let above = top.parent().unwrap().display().to_string();
    if !["/", "/tmp", "/root", "/home", "/srv", "/opt", "/var/tmp"].contains(&&*above) {
        never.insert(format!("{above}/"));
    }
    let mut findings = Vec::new();
    for Text { path, text } in texts().iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        for (number, line) in text.lines().enumerate() {
            for word in never.iter().filter(|word| line.contains(&***word)) {
                findings.push(format!("{path}:{}: names {word}, of this machine", number + 1));
            }
        }
    }
    report(findings);
}
