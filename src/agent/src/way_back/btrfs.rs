//! A way back as a read-only snapshot, where the machine's root is a btrfs subvolume.
//!
//! Going it writes the snapshot out as an archive and puts that back: a running root cannot be swapped.

use super::{
    COPY_SECONDS_MAX, FOLDER, Kind, Made, OWNED, STATUS, WayBack, folder, leads_here, put_back,
};
use crate::{Error, Machine};
use ids::{Digest, Timestamp};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Every btrfs subvolume's own folder has this number.
const SUBVOLUME_INODE: u64 = 256;

pub(super) struct Btrfs<'a> {
    pub(super) machine: &'a Machine,
}

/// Whether the machine's root is a subvolume with all that packages own in it, and the program that
/// makes snapshots is here.
pub(super) fn fits(machine: &Machine) -> bool {
    let root = machine.root().display().to_string();
    let kind = machine.tool("stat", ["--file-system", "--format=%T", root.as_str()]).run();
    kind.is_ok_and(|kind| kind.trim() == "btrfs")
        && fs::metadata(machine.root()).is_ok_and(|meta| meta.ino() == SUBVOLUME_INODE)
        && super::parts(machine).is_ok_and(|parts| parts.len() == 1)
        && machine.tool("btrfs", ["--version"]).run().is_ok()
}

impl WayBack for Btrfs<'_> {
    fn make(&self, name: &str) -> Result<Made, Error> {
        let folder = folder(self.machine)?;
        for old in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if old.path().is_dir() {
                self.remove(&old.path())?;
            }
        }
        let at = Timestamp::now();
        let path = folder.join(name);
        let (root, to) = (self.machine.root().display().to_string(), path.display().to_string());
        let words = ["subvolume", "snapshot", "-r", root.as_str(), to.as_str()];
        self.machine.tool("btrfs", words).within(600).run()?;
        self.machine.tool("btrfs", ["filesystem", "sync", root.as_str()]).within(600).run()?;
        let status = status(&path)?;
        Ok(Made {
            kind: Kind::Btrfs,
            name: name.to_owned(),
            at,
            sha256: None,
            parts: vec![".".into()],
            status,
        })
    }

    fn prove(&self, made: &Made) -> Result<(), Error> {
        let path = self.path(made);
        let text = path.display().to_string();
        let told = self.machine.tool("btrfs", ["property", "get", text.as_str(), "ro"]).run()?;
        if told.trim() != "ro=true" || status(&path)? != made.status {
            return Err(Error::WayBack("the snapshot is not as it was made".into()));
        }
        leads_here(self.machine, made)
    }

    fn restore(&self, made: &Made) -> Result<(), Error> {
        let path = self.path(made);
        let archive = folder(self.machine)?.join(format!("{}.part", made.name));
        let (from, to) = (path.display().to_string(), archive.display().to_string());
        let mut words = vec!["--create", "--file", &to, "--acls", "--xattrs", "--numeric-owner"];
        words.extend(["--sparse", "--directory", &from]);
        let parts: Vec<String> = OWNED
            .iter()
            .filter(|part| fs::symlink_metadata(path.join(part)).is_ok())
            .map(|part| format!("./{part}"))
            .collect();
        words.extend(parts.iter().map(String::as_str));
        self.machine.tool("tar", words).within(COPY_SECONDS_MAX).run()?;
        let done = put_back::put_back(self.machine, &archive, made);
        drop(fs::remove_file(&archive));
        done?;
        leads_here(self.machine, made)
    }

    fn delete(&self, made: &Made) -> Result<(), Error> {
        let path = self.path(made);
        if path.exists() { self.remove(&path) } else { Ok(()) }
    }
}

impl Btrfs<'_> {
    fn path(&self, made: &Made) -> PathBuf {
        self.machine.path(&format!("{FOLDER}/{}", made.name))
    }

    fn remove(&self, path: &Path) -> Result<(), Error> {
        let text = path.display().to_string();
        let words = ["subvolume", "delete", text.as_str()];
        self.machine.tool("btrfs", words).within(600).run().map(drop)
    }
}

fn status(snapshot: &Path) -> Result<Digest, Error> {
    let path = snapshot.join(STATUS);
    let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
    Ok(Digest::of(&bytes))
}
