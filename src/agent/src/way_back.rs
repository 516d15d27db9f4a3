//! The way back: a copy of the machine, made and proven before anything is changed.
//!
//! The copy holds everything on the machine's own file systems. What is put back by itself is only what
//! packages own (programs, settings, dpkg's and apt's own records): a server's data goes on from where
//! it is, and whatever else is in the copy is for a person to take.

mod archive;
mod btrfs;
mod put_back;

use crate::{Error, Machine};
use ids::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

const FOLDER: &str = "/var/lib/patchkeep/way-back";
const STATUS: &str = "var/lib/dpkg/status";
/// What packages own, and what is put back.
const OWNED: &[&str] = &[
    "bin",
    "boot",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "opt",
    "sbin",
    "usr",
    "var/cache/debconf",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/lib/pam",
    "var/lib/systemd/deb-systemd-helper-enabled",
    "var/lib/systemd/deb-systemd-user-helper-enabled",
    "var/lib/ucf",
];
/// Inside of that, what is nobody's package: an administrator's own programs, our own keys.
const NOT_OWNED: &[&str] = &["usr/local", "etc/patchkeep"];
/// Longest time for one copy, in seconds.
const COPY_SECONDS_MAX: u64 = 2 * 60 * 60;

/// A way back that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// Which provider made it.
    pub(crate) kind: Kind,
    /// Its name in the folder of ways back.
    pub(crate) name: String,
    /// When its making began.
    pub(crate) at: Timestamp,
    /// Digest of the archive, where it is one.
    pub(crate) sha256: Option<Digest>,
    /// What it holds: the root, and the file systems of their own below it, as `./boot`.
    pub(crate) parts: Vec<String>,
    /// Digest of dpkg's status in it: the package set to which it leads.
    pub(crate) status: Digest,
}

/// A provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A tar archive on the machine's own disk.
    Archive,
    /// A read-only snapshot of the btrfs subvolume that is the machine's root.
    Btrfs,
}

/// Makes ways back, proves them, goes them.
pub(crate) trait WayBack {
    /// Makes one under a name.
    fn make(&self, name: &str) -> Result<Made, Error>;
    /// Shows that it is whole, and that it leads to the machine as it is now.
    fn prove(&self, made: &Made) -> Result<(), Error>;
    /// Puts back what packages own, and shows that the package set is the old one.
    fn restore(&self, made: &Made) -> Result<(), Error>;
    /// Removes it. One that is gone already is no error.
    fn delete(&self, made: &Made) -> Result<(), Error>;
}

/// The best provider for a machine.
pub(crate) fn provider(machine: &Machine) -> Box<dyn WayBack + '_> {
    if btrfs::fits(machine) { of(Kind::Btrfs, machine) } else { of(Kind::Archive, machine) }
}

/// The provider of a kind: the one that made a way back is the one to go it.
pub(crate) fn of(kind: Kind, machine: &Machine) -> Box<dyn WayBack + '_> {
    match kind {
        Kind::Archive => Box::new(archive::Archive { machine }),
        Kind::Btrfs => Box::new(btrfs::Btrfs { machine }),
    }
}

/// Whether a path below the root is a package's to own.
pub(crate) fn is_owned(path: &Path) -> bool {
    OWNED.iter().any(|folder| path.starts_with(folder))
        && !NOT_OWNED.iter().any(|folder| path.starts_with(folder))
}

fn folder(machine: &Machine) -> Result<PathBuf, Error> {
    let folder = machine.path(FOLDER);
    crate::files::make_folder(&folder, 0o700)?;
    Ok(folder)
}

/// What has to be copied: the root, and file systems of their own where packages put files.
fn parts(machine: &Machine) -> Result<Vec<String>, Error> {
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table).map_err(Error::file("read", table))?;
    let mut parts = vec![".".to_owned()];
    for line in text.lines() {
        let Some(at) = line.split(' ').nth(4) else { continue };
        let Ok(inside) = Path::new(at).strip_prefix(machine.root()) else { continue };
        let owned = OWNED
            .iter()
            .any(|folder| inside.starts_with(folder) || Path::new(folder).starts_with(inside));
        let part = format!("./{}", inside.display());
        if owned && inside.components().next().is_some() && !parts.contains(&part) {
            parts.push(part);
        }
    }
    Ok(parts)
}

/// Digest of dpkg's status as it is now.
pub(crate) fn live_status(machine: &Machine) -> Result<Digest, Error> {
    let path = machine.path(STATUS);
    let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
    Ok(Digest::of(&bytes))
}

fn leads_here(machine: &Machine, made: &Made) -> Result<(), Error> {
    if live_status(machine)? == made.status {
        return Ok(());
    }
    Err(Error::WayBack("it leads to another set of packages than the one installed now".into()))
}
