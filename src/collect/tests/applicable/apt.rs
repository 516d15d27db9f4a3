//! Real apt in a private root whose lists are laid by hand: nothing is fetched, and nothing of the machine
//! that runs this is read but apt's own programs.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;
use vendor_apt::{Applicable, ReleaseFacts};

/// A root folder with another apt than this machine's, to ask that one instead.
const OTHER: &str = "PATCHKEEP_TEST_APT_ROOT";

/// Name, architecture, installed version, candidate.
pub(crate) type Listed = BTreeSet<(String, String, String, String)>;

/// What a source offers, as text.
#[derive(Clone)]
pub(crate) struct Repository {
    pub(crate) facts: ReleaseFacts,
    /// Host; empty for a folder.
    pub(crate) site: String,
    /// The suite's name in the path.
    pub(crate) folder: String,
    /// Component, architecture, text.
    pub(crate) indexes: Vec<(String, String, String)>,
}

/// A machine, as text.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) repositories: Vec<Repository>,
    pub(crate) architectures: Vec<String>,
    pub(crate) preferences: Vec<String>,
    pub(crate) status: String,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Repository { facts, site, indexes, .. } in &self.repositories {
            writeln!(f, "\n# {facts:?} at {site:?}")?;
            for (component, architecture, text) in indexes {
                writeln!(f, "## {component} {architecture}\n{text}")?;
            }
        }
        for text in &self.preferences {
            writeln!(f, "# preferences\n{text}")?;
        }
        writeln!(f, "# status of {:?}\n{}", self.architectures, self.status)
    }
}

pub(crate) struct Root {
    folder: TempDir,
    /// The folder as apt sees it.
    inside: PathBuf,
    other: Option<String>,
}

impl Root {
    pub(crate) fn new() -> Self {
        let other = std::env::var(OTHER).ok();
        let place =
            other.as_ref().map_or_else(std::env::temp_dir, |root| Path::new(root).join("tmp"));
        let folder = tempfile::Builder::new().prefix("applicable-").tempdir_in(place).unwrap();
        let inside = match &other {
            Some(root) => Path::new("/").join(folder.path().strip_prefix(root).unwrap()),
            None => folder.path().to_owned(),
        };
        Self { folder, inside, other }
    }

    pub(crate) fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    pub(crate) fn write(&self, part: &str, text: &str) {
        let path = self.path(part);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Lays out a case from nothing.
    pub(crate) fn lay_out(&self, case: &Case) {
        for part in ["etc", "state"] {
            let _ = fs::remove_dir_all(self.path(part));
        }
        self.settings(&case.architectures);
        self.machine(&case.status, &case.preferences);
        let mut sources = String::new();
        for repository in &case.repositories {
            self.lay_out_repository(repository, &mut sources);
        }
        self.write("etc/sources.list", &sources);
    }

    pub(crate) fn settings(&self, architectures: &[String]) {
        for part in [
            "etc/sources.list.d",
            "etc/preferences.d",
            "etc/apt.conf.d",
            "etc/trusted.gpg.d",
            "state/lists/partial",
            "cache/archives/partial",
            "log",
        ] {
            fs::create_dir_all(self.path(part)).unwrap();
        }
        let root = self.inside.display();
        let mut text = format!(
            "Dir \"{root}/\";\nDir::State \"{root}/state/\";\nDir::State::status \"{root}/status\";\n\
             Dir::Cache \"{root}/cache/\";\nDir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\n\
             Dir::Etc \"{root}/etc/\";\nDir::Log \"{root}/log/\";\nAcquire::Languages \"none\";\n\
             APT::Sandbox::User \"root\";\nDebug::NoLocking \"1\";\nAPT::Architecture \"{}\";\n",
            architectures[0]
        );
        for name in architectures {
            text.push_str(&format!("APT::Architectures:: \"{name}\";\n"));
        }
        self.write("apt.conf", &text);
    }

    pub(crate) fn machine(&self, status: &str, preferences: &[String]) {
        self.write("status", status);
        let folder = self.path("etc/preferences.d");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder).unwrap();
        for (number, text) in preferences.iter().enumerate() {
            // The first as the single file, the others as parts: apt reads them in this order.
            match number {
                0 => self.write("etc/preferences", text),
                _ => self.write(&format!("etc/preferences.d/{number:04}"), text),
            }
        }
    }

    fn lay_out_repository(&self, repository: &Repository, sources: &mut String) {
        let Repository { facts, site, folder, indexes } = repository;
        let (uri, stem) = match site.as_str() {
            "" => ("file:/srv/d".to_owned(), "_srv_d".to_owned()),
            site => (format!("http://{site}/d"), format!("{site}_d")),
        };
        let set = |get: fn(&(String, String, String)) -> &String| -> Vec<String> {
            let mut all: Vec<_> = indexes.iter().map(get).cloned().collect();
            all.dedup();
            all
        };
        let components = set(|index| &index.0).join(" ");
        sources.push_str(&format!("deb [trusted=yes] {uri} {folder} {components}\n"));
        let mut release = String::new();
        for (field, value) in [
            ("Origin", facts.origin.as_str()),
            ("Label", &facts.label),
            ("Suite", &facts.suite),
            ("Codename", &facts.codename),
            ("Version", &facts.version),
            ("NotAutomatic", if facts.not_automatic { "yes" } else { "" }),
            ("ButAutomaticUpgrades", if facts.but_automatic_upgrades { "yes" } else { "" }),
        ] {
            if !value.is_empty() {
                release.push_str(&format!("{field}: {value}\n"));
            }
        }
        release.push_str("Date: Sat, 21 Nov 2026 10:11:12 UTC\nArchitectures: amd64 i386 all\n");
        release.push_str(&format!("Components: {components}\nSHA256:\n"));
        for (component, architecture, text) in indexes {
            let digest = "a".repeat(64);
            release.push_str(&format!(" {digest} 1 {component}/binary-{architecture}/Packages\n"));
            let name = format!("{stem}_dists_{folder}_{component}_binary-{architecture}_Packages");
            self.write(&format!("state/lists/{name}"), text);
        }
        self.write(&format!("state/lists/{stem}_dists_{folder}_Release"), &release);
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = match &self.other {
            Some(root) => {
                let mut command = Command::new("chroot");
                command.arg(root).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("APT_CONFIG", self.inside.join("apt.conf"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What `apt list --upgradable` says, or its complaint.
    pub(crate) fn upgradable(&self, native: &str) -> Result<Listed, String> {
        let done = self.run("apt", &["list", "--upgradable"]);
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        Ok(told
            .lines()
            .filter(|line| line.contains("[upgradable from:"))
            .map(|line| listed(line, native))
            .collect())
    }
}

/// `name/archives candidate architecture [upgradable from: installed]`
///
/// The architecture is that of the installed version: a candidate may be of `all` and the other not, so
/// only whose package it is counts here. Of two ways to write one version apt may say either as the
/// installed one.
fn listed(line: &str, native: &str) -> (String, String, String, String) {
    let (name, rest) = line.split_once('/').unwrap();
    let (_, rest) = rest.split_once(' ').unwrap();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [candidate, architecture, "[upgradable", "from:", installed] = words[..] else {
        panic!("apt says {line:?}")
    };
    let installed = installed.trim_end_matches(']');
    (name.into(), own(architecture, native), plain(installed), candidate.into())
}

fn own(architecture: &str, native: &str) -> String {
    if architecture == "all" { native } else { architecture }.to_owned()
}

fn plain(version: &str) -> String {
    if ["1.0-0", "1.00"].contains(&version) { "1.0" } else { version }.to_owned()
}

pub(crate) fn answered(all: &[Applicable], native: &str) -> Listed {
    let one = |a: &Applicable| {
        let candidate = a.candidate();
        let architecture = own(&candidate.architecture, native);
        (a.name().to_owned(), architecture, plain(a.installed()), candidate.version.clone())
    };
    all.iter().map(one).collect()
}
