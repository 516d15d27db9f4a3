//! apt's own solver in a private root: own state, own settings, the genuine signed indexes.
//!
//! Nothing of the machine that runs this is read or changed, apart from the programs of apt
//! itself. Only simulations run here: nothing is ever installed.

use crate::{Error, depot::Depot, machine::Keyring};
use catalogue::File;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use vendor_apt::{Installed, Inventory};

/// A source as the solver sees it.
pub(crate) struct Offer {
    pub(crate) name: String,
    pub(crate) suite: String,
    pub(crate) components: Vec<String>,
    pub(crate) keyring: Keyring,
    /// The release file and the indexes.
    pub(crate) files: Vec<File>,
}

/// What apt would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Solved {
    /// Package, version, architecture.
    pub(crate) installs: BTreeSet<(String, String, String)>,
    /// Packages that a plain upgrade keeps back.
    pub(crate) kept_back: Vec<String>,
    /// Packages that would have to go.
    pub(crate) removals: Vec<String>,
}

/// What is to be solved for.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// For messages: the status file's path, or the list's.
    pub(crate) name: String,
    /// The status file's bytes; empty for a machine with nothing installed.
    pub(crate) status: Vec<u8>,
    /// Its architectures, the native one first.
    pub(crate) architectures: Vec<String>,
    /// Its pins, in apt's order.
    pub(crate) preferences: Vec<String>,
}

impl Subject {
    pub(crate) fn new(
        name: String,
        status: Vec<u8>,
        installed: &[Installed],
        native: &str,
    ) -> Self {
        let own = installed.iter().find(|p| p.name == "dpkg").map_or(native, |p| &p.architecture);
        let mut architectures = vec![own.to_owned()];
        for package in installed.iter().filter(|package| package.architecture != "all") {
            if !architectures.contains(&package.architecture) {
                architectures.push(package.architecture.clone());
            }
        }
        Self { name, status, architectures, preferences: Vec::new() }
    }

    /// A machine as its inventory shows it: with its foreign architectures and its pins.
    pub(crate) fn of(name: String, inventory: Inventory) -> Self {
        let Inventory { architectures, preferences, status, .. } = inventory;
        Self { name, status: status.into_bytes(), architectures, preferences }
    }
}

/// A private root with the sources' lists in it.
pub(crate) struct Root {
    folder: TempDir,
}

impl Root {
    /// Lays the root out and lets apt verify and index the lists.
    pub(crate) fn build(
        depot: &Depot,
        offers: &[Offer],
        architectures: &BTreeSet<String>,
    ) -> Result<Self, Error> {
        let place = depot.state("");
        let act = Error::file("make folder", &place);
        let folder = tempfile::Builder::new().prefix("solve-").tempdir_in(&place).map_err(act)?;
        let root = Self { folder };
        for part in [
            "etc/sources.list.d",
            "etc/preferences.d",
            "etc/apt.conf.d",
            "state/lists/partial",
            "cache/archives/partial",
            "log",
            "etc/trusted.gpg.d",
        ] {
            make(&root.path(part))?;
        }
        root.write("apt.conf", root.settings().as_bytes())?;
        root.write("status", b"")?;
        for offer in offers {
            root.lay_out(depot, offer)?;
        }
        let subject = Subject {
            name: "the lists".into(),
            status: Vec::new(),
            architectures: architectures.iter().cloned().collect(),
            preferences: Vec::new(),
        };
        root.apt(&subject, &["update", "-eany"])?;
        Ok(root)
    }

    fn settings(&self) -> String {
        let root = self.folder.path().display();
        // Freshness was judged a moment ago against the run's own time. The rest keeps this
        // machine's settings out.
        format!(
            "Dir \"{root}/\";\nDir::State \"{root}/state/\";\nDir::State::status \"{root}/status\";\n\
             Dir::Cache \"{root}/cache/\";\nDir::Etc \"{root}/etc/\";\nDir::Log \"{root}/log/\";\n\
             Acquire::Check-Valid-Until \"no\";\nAcquire::Check-Date \"no\";\n\
             Acquire::Languages \"none\";\nAcquire::By-Hash \"no\";\nAPT::Sandbox::User \"root\";\n\
             Debug::NoLocking \"1\";\nAPT::Get::Show-User-Simulation-Note \"0\";\n\
             APT::Get::Always-Include-Phased-Updates \"1\";\n"
        )
    }

    fn lay_out(&self, depot: &Depot, offer: &Offer) -> Result<(), Error> {
        let repository = self.path(&format!("repository/{}", offer.name));
        for file in &offer.files {
            let to = repository.join(&file.path);
            make(to.parent().unwrap_or(&repository))?;
            let from = depot.path(&file.sha256);
            let from = fs::canonicalize(&from).map_err(Error::file("read", &from))?;
            symlink(&from, &to).map_err(Error::file("link", &to))?;
        }
        let mut keys = Vec::new();
        for (ending, bytes) in [("gpg", &offer.keyring.binary), ("asc", &offer.keyring.armoured)] {
            if !bytes.is_empty() {
                let name = format!("{}.{ending}", offer.name);
                self.write(&name, bytes)?;
                keys.push(self.path(&name).display().to_string());
            }
        }
        let stanza = format!(
            "Types: deb\nURIs: file:{}\nSuites: {}\nComponents: {}\nSigned-By: {}\n",
            repository.display(),
            offer.suite,
            offer.components.join(" "),
            keys.join(" ")
        );
        self.write(&format!("etc/sources.list.d/{}.sources", offer.name), stanza.as_bytes())
    }

    /// What a machine's upgrade would bring, and what it would not.
    pub(crate) fn upgrade(&self, subject: &Subject) -> Result<Solved, Error> {
        let told = self.simulate(subject, &["-s", "--with-new-pkgs", "upgrade"])?;
        let mut solved = parse_simulation(&told);
        if !solved.kept_back.is_empty() {
            let all = self.simulate(subject, &["-s", "dist-upgrade"])?;
            solved.removals = parse_simulation(&all).removals;
        }
        Ok(solved)
    }

    /// What installing packages (`name` or `name=version`) would bring.
    pub(crate) fn install(&self, subject: &Subject, names: &[String]) -> Result<Solved, Error> {
        let mut arguments = vec!["-s", "install"];
        arguments.extend(names.iter().map(String::as_str));
        Ok(parse_simulation(&self.simulate(subject, &arguments)?))
    }

    fn simulate(&self, subject: &Subject, arguments: &[&str]) -> Result<String, Error> {
        self.write("status", &subject.status)?;
        let folder = self.path("etc/preferences.d");
        fs::remove_dir_all(&folder).map_err(Error::file("empty", &folder))?;
        make(&folder)?;
        for (number, text) in subject.preferences.iter().enumerate() {
            self.write(&format!("etc/preferences.d/{number:04}"), text.as_bytes())?;
        }
        self.apt(subject, arguments)
    }

    fn apt(&self, subject: &Subject, arguments: &[&str]) -> Result<String, Error> {
        let failed = |reason: String| Error::Solver { what: subject.name.clone(), reason };
        let mut command = Command::new("apt-get");
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("APT_CONFIG", self.path("apt.conf"))
            .env("TMPDIR", self.folder.path());
        for (i, name) in subject.architectures.iter().enumerate() {
            if i == 0 {
                command.arg("-o").arg(format!("APT::Architecture={name}"));
            }
            command.arg("-o").arg(format!("APT::Architectures::={name}"));
        }
        let done = command.args(arguments).output().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => failed("apt-get is not installed here".into()),
            _ => failed(e.to_string()),
        })?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            let lines: Vec<&str> = said.lines().filter(|l| l.starts_with("E:")).take(4).collect();
            return Err(failed(lines.join(" ").chars().take(600).collect()));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    fn write(&self, part: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path(part);
        fs::write(&path, bytes).map_err(Error::file("write", &path))
    }
}

fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file("make folder", folder))
}

/// Reads what `apt-get -s` says: `Inst` and `Remv` lines, and the list of what is kept back.
pub(crate) fn parse_simulation(text: &str) -> Solved {
    let mut solved = Solved::default();
    let mut in_kept = false;
    for line in text.lines() {
        if in_kept && line.starts_with(' ') {
            solved.kept_back.extend(line.split_ascii_whitespace().map(str::to_owned));
            continue;
        }
        in_kept = line.starts_with("The following packages have been kept back");
        let first = line.split_ascii_whitespace().nth(1).unwrap_or_default();
        let name = first.split(':').next().unwrap_or_default().to_owned();
        if line.starts_with("Remv ") {
            solved.removals.push(name);
        } else if line.starts_with("Inst ")
            && let Some((version, architecture)) = inside(line)
        {
            solved.installs.insert((name, version.to_owned(), architecture.to_owned()));
        }
    }
    solved
}

/// Reads what `apt-get -s` says and tells how many packages it speaks of: the door for fuzzing.
#[must_use]
pub fn read_simulation(text: &str) -> usize {
    let solved = parse_simulation(text);
    solved.installs.len() + solved.kept_back.len() + solved.removals.len()
}

/// `(version origin [architecture])`
fn inside(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(" (")?;
    let (rest, _) = rest.split_once(')')?;
    let version = rest.split_ascii_whitespace().next()?;
    let (_, architecture) = rest.rsplit_once(" [")?;
    Some((version, architecture.strip_suffix(']')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apt_says() {
        let text = "Reading package lists...\nThe following packages have been kept back:\n  b c\n  d\n\
            1 upgraded\nInst libc6:i386 [1-1] (1:1-2 Debian-Security:12/stable [i386]) []\n\
            Inst new (3~x Debian:12/stable, Debian-Security:12/stable [all])\n\
            Conf new (3~x Debian:12/stable [all])\nRemv old [1]\n";
        let solved = parse_simulation(text);
        let installs: Vec<_> = solved.installs.iter().map(|(a, b, c)| (&**a, &**b, &**c)).collect();
        assert_eq!(installs, [("libc6", "1:1-2", "i386"), ("new", "3~x", "all")]);
        assert_eq!(solved.kept_back, ["b", "c", "d"]);
        assert_eq!(solved.removals, ["old"]);
        assert_eq!(
            parse_simulation("Inst\nInst x (\nInst y [1] ()\nRemv"),
            Solved { removals: Vec::new(), ..Solved::default() }
        );
    }
}
