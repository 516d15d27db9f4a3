//! "What will these machines need": inventories, status files, package lists or everything, as packages.

use crate::{
    Error,
    fetch::Tools,
    solve::{Offer, Root, Solved, Subject},
};
use ids::Digest;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use vendor_apt::{Installed, Inventory, Package, compare_versions, parse_status};

/// Most names of a package list.
const NAMES_MAX: usize = 50_000;

/// Which payloads are taken. Parts add up.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Machines, as inventories or dpkg status files: what their upgrade needs.
    pub machines: Vec<PathBuf>,
    /// A file of package names, one a line, `name` or `name=version`: they and what they need.
    pub packages: Option<PathBuf>,
    /// A site's need lists (`patchkeep ring need`): exactly these packages, or, where one is not offered
    /// any more, the newest in its place.
    pub needs: Vec<PathBuf>,
    /// Everything of the chosen components and architectures.
    pub all: bool,
}

/// What a site says it holds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Receipt {
    /// Digests that need not be carried again.
    pub payloads: BTreeSet<Digest>,
}

impl Receipt {
    /// Reads a receipt: JSON with `payloads`, a list of SHA-256 digests.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).map_err(Error::file("read", path))?;
        Self::parse(&bytes).map_err(|reason| Error::Settings { path: path.to_owned(), reason })
    }

    /// Parses a receipt.
    ///
    /// # Errors
    /// What is wrong with it, in one phrase.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }
}

/// What was chosen, and what is known of the machines it was chosen for.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    /// Package, version, architecture; `None`: everything.
    pub(crate) packages: Option<BTreeSet<(String, String, String)>>,
    /// The same, from need lists.
    pub(crate) needs: BTreeSet<(String, String, String)>,
    /// Oldest installed version of each source package.
    pub(crate) installed: BTreeMap<String, String>,
    pub(crate) notes: Vec<String>,
}

/// Solves for every machine and list. Blocks.
pub(crate) fn choose(
    selection: &Selection,
    tools: &Tools,
    offers: &[Offer],
    native: &str,
) -> Result<Chosen, Error> {
    let mut chosen = Chosen::default();
    let mut subjects = Vec::new();
    for path in &selection.machines {
        let bytes = fs::read(path).map_err(Error::file("read", path))?;
        let name = path.display().to_string();
        let told = |source| Error::Format { path: name.clone(), source };
        let (installed, subject) = if bytes.starts_with(b"{") {
            let inventory = Inventory::parse(&bytes).map_err(told)?;
            let installed = inventory.installed().map_err(told)?;
            (installed, Subject::of(name.clone(), inventory))
        } else {
            let installed = parse_status(&bytes).map_err(told)?;
            let subject = Subject::new(name.clone(), bytes, &installed, native);
            (installed, subject)
        };
        if installed.is_empty() {
            let reason = "it names no installed package".into();
            return Err(Error::Settings { path: path.clone(), reason });
        }
        remember_oldest(&mut chosen.installed, &installed);
        subjects.push(subject);
    }
    let names = match &selection.packages {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
            let told = |reason| Error::Settings { path: path.clone(), reason };
            parse_package_list(&text).map_err(told)?
        }
        None => Vec::new(),
    };
    if selection.all {
        return Ok(chosen);
    }
    let mut packages = BTreeSet::new();
    chosen.needs = read_needs(&selection.needs)?;
    if subjects.is_empty() && names.is_empty() {
        chosen.packages = Some(packages);
        return Ok(chosen);
    }
    let nobody = Subject::new("the package list".into(), Vec::new(), &[], native);
    let mut architectures: BTreeSet<String> = nobody.architectures.iter().cloned().collect();
    architectures.extend(subjects.iter().flat_map(|subject| subject.architectures.clone()));
    let root = Root::build(&tools.depot, offers, &architectures)?;
    for subject in &subjects {
        tools.progress.step(&format!("Solving for {}", subject.name));
        let solved = root.upgrade(subject)?;
        chosen.notes.extend(told(&subject.name, &solved));
        packages.extend(solved.installs);
    }
    if !names.is_empty() {
        let machines = if subjects.is_empty() { vec![nobody] } else { subjects };
        for subject in &machines {
            tools.progress.step(&format!("Solving the package list for {}", subject.name));
            let solved = root.install(subject, &names)?;
            chosen.notes.extend(told(&subject.name, &solved));
            packages.extend(solved.installs);
        }
    }
    chosen.packages = Some(packages);
    Ok(chosen)
}

/// Upgrades that need a person: never guessed, always listed.
fn told(name: &str, solved: &Solved) -> Vec<String> {
    let list = |names: &[String]| {
        let more = names.len().saturating_sub(50);
        let shown = names.iter().take(50).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{shown} and {more} more") } else { shown }
    };
    let mut notes = Vec::new();
    if !solved.kept_back.is_empty() {
        notes.push(format!("{name}: kept back, not taken: {}", list(&solved.kept_back)));
    }
    if !solved.removals.is_empty() {
        notes.push(format!("{name}: a full upgrade would remove: {}", list(&solved.removals)));
    }
    notes
}

fn remember_oldest(oldest: &mut BTreeMap<String, String>, installed: &[Installed]) {
    for package in installed {
        let known = oldest.entry(package.source.clone()).or_insert(package.source_version.clone());
        if compare_versions(&package.source_version, known) == Ok(std::cmp::Ordering::Less) {
            known.clone_from(&package.source_version);
        }
    }
}

/// A package list: `name` or `name=version` a line, `#` begins a comment. At most 50,000 names.
///
/// # Errors
/// The line that is neither.
pub fn parse_package_list(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let (name, version) = line.split_once('=').unwrap_or((line, "0"));
        let plain = |text: &str, more: &[u8]| {
            let known = |b: u8| b.is_ascii_alphanumeric() || more.contains(&b);
            (1..=128).contains(&text.len()) && text.bytes().all(known)
        };
        let named = plain(name, b"+-.:") && name.as_bytes()[0].is_ascii_alphanumeric();
        // apt takes a trailing hyphen as the wish to remove.
        if !named || name.ends_with('-') || !plain(version, b".+-:~") {
            return Err(format!("line {}: neither `name` nor `name=version`", i + 1));
        }
        names.push(line.to_owned());
        if names.len() > NAMES_MAX {
            return Err(format!("more than {NAMES_MAX} names"));
        }
    }
    if names.is_empty() {
        return Err("it names no package".into());
    }
    Ok(names)
}

fn read_needs(paths: &[PathBuf]) -> Result<BTreeSet<(String, String, String)>, Error> {
    let mut needs = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
        let told = |reason| Error::Settings { path: path.clone(), reason };
        needs.extend(parse_need_list(&text).map_err(told)?);
    }
    Ok(needs)
}

/// The lines of a need list that say what is needed: `need SOURCE PACKAGE VERSION ARCHITECTURE` and
/// words for people. At most 50,000.
///
/// # Errors
/// What is wrong with it.
fn parse_need_list(text: &str) -> Result<Vec<(String, String, String)>, String> {
    let mut needs = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        if !line.starts_with("need ") || words.next().is_none() || words.next().is_none() {
            continue;
        }
        let (Some(name), Some(version), Some(architecture)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(format!("line {}: not `need SOURCE PACKAGE VERSION ARCHITECTURE`", i + 1));
        };
        needs.push((name.to_owned(), version.to_owned(), architecture.to_owned()));
        if needs.len() > NAMES_MAX {
            return Err(format!("more than {NAMES_MAX} packages"));
        }
    }
    if needs.is_empty() {
        return Err("it needs nothing: no line begins with `need `".into());
    }
    Ok(needs)
}

impl Chosen {
    /// The packages of need lists among what a source offers: the exact one, or else the newest.
    fn needed<'a>(&self, offered: &'a [Package]) -> Vec<&'a Package> {
        if self.needs.is_empty() {
            return Vec::new();
        }
        let mut known: BTreeMap<(&str, &str), Vec<&Package>> = BTreeMap::new();
        for package in offered {
            known.entry((&package.name, &package.architecture)).or_default().push(package);
        }
        let newer = |a: &&Package, b: &&Package| {
            compare_versions(&a.version, &b.version).unwrap_or(std::cmp::Ordering::Equal)
        };
        let find = |(name, version, architecture): &(String, String, String)| {
            let all = known.get(&(name.as_str(), architecture.as_str()))?;
            let exact = all.iter().find(|package| package.version == *version);
            exact.copied().or_else(|| all.iter().copied().max_by(newer))
        };
        self.needs.iter().filter_map(find).collect()
    }

    /// The chosen ones among what a source offers.
    pub(crate) fn of(&self, offered: &[Package]) -> Vec<Package> {
        let mut taken: Vec<Package> = match &self.packages {
            None => offered.to_vec(),
            Some(chosen) => {
                let key = |p: &Package| (p.name.clone(), p.version.clone(), p.architecture.clone());
                let mut taken: Vec<&Package> =
                    offered.iter().filter(|package| chosen.contains(&key(package))).collect();
                taken.extend(self.needed(offered));
                taken.sort_by(|a, b| a.path.cmp(&b.path));
                taken.into_iter().cloned().collect()
            }
        };
        taken.dedup_by(|a, b| a.path == b.path);
        taken
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn package_lists_cannot_carry_options() {
        let good = parse_package_list("# x\ng++ # y\nopenssl=3.0~x-1\nlibc6:i386\n").unwrap();
        assert_eq!(good, ["g++", "openssl=3.0~x-1", "libc6:i386"]);
        for bad in ["", "-o=x", "--purge", "a b", "openssl-", "a=", "a=$(x)", "é"] {
            assert!(parse_package_list(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_need_list_names_packages_among_words_for_people() {
        let page = "NEED LIST of site x\n\nneed debian openssl 3.0-1 amd64  for 2 endpoints\n bye";
        let exact = ("openssl".to_owned(), "3.0-1".to_owned(), "amd64".to_owned());
        assert_eq!(parse_need_list(page).unwrap(), std::slice::from_ref(&exact));
        for bad in ["", "needless", "need debian openssl 3.0-1"] {
            assert!(parse_need_list(bad).is_err(), "{bad:?}");
        }
        let offered = |versions: &[&str]| {
            let stanza = |version: &&str| {
                format!(
                    "Package: openssl\nVersion: {version}\nArchitecture: amd64\nFilename: \
                     pool/o_{version}.deb\nSize: 1\nSHA256: {}\n\n",
                    "a".repeat(64)
                )
            };
            let text: String = versions.iter().map(stanza).collect();
            vendor_apt::parse_packages(text.as_bytes()).unwrap()
        };
        let needs = BTreeSet::from([exact]);
        let chosen = Chosen { needs, packages: Some(BTreeSet::new()), ..Chosen::default() };
        let taken = |versions: &[&str]| {
            let taken = chosen.of(&offered(versions));
            taken.into_iter().map(|package| package.version).collect::<Vec<_>>()
        };
        assert_eq!(taken(&["2.0", "3.0-1", "4.0"]), ["3.0-1"]);
        assert_eq!(taken(&["10.0", "4.0"]), ["10.0"]);
        assert!(taken(&[]).is_empty());
    }

    #[test]
    fn receipts_are_lists_of_digests() {
        let text = format!("{{\"payloads\": [\"{}\"], \"more\": 1}}", "a".repeat(64));
        assert_eq!(Receipt::parse(text.as_bytes()).unwrap().payloads.len(), 1);
        assert!(Receipt::parse(b"{\"payloads\": [\"x\"]}").is_err());
    }
}
