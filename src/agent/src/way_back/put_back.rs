//! Putting back what packages own from an archive: what was added goes, what changed since is replaced.
//!
//! A file that has not changed since the copy was begun (its change time says so, which nobody can set)
//! is left alone, so that as little as possible is touched on a machine that runs.

use super::{COPY_SECONDS_MAX, Made, NOT_OWNED, OWNED, is_owned};
use crate::{Error, Machine};
use ids::Timestamp;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File, Metadata},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
};
use tar::EntryType;

/// A member of the archive, as far as it is compared.
struct Member {
    /// As the archive spells it.
    name: Vec<u8>,
    /// Below the root.
    path: PathBuf,
    kind: EntryType,
    size: u64,
    mtime: u64,
    link: Option<PathBuf>,
}

pub(super) fn put_back(machine: &Machine, archive: &Path, made: &Made) -> Result<(), Error> {
    let members = members(archive)?;
    let since = made.at;
    let known = members.iter().map(|member| member.path.as_path()).collect();
    let parts = made.parts.iter().map(|part| Path::new(part.trim_start_matches("./"))).collect();
    let added = Added { machine, known, parts };
    for folder in OWNED.iter().map(Path::new) {
        let above = machine.root().join(folder.parent().unwrap_or(Path::new("")));
        if let Ok(above) = fs::metadata(above) {
            added.remove(folder, above.dev())?;
        }
    }
    let changed: Vec<&Member> =
        members.iter().filter(|member| differs(machine, member, Some(since))).collect();
    extract(machine, archive, &changed)?;
    match members.iter().find(|member| differs(machine, member, None)) {
        None => Ok(()),
        Some(member) => {
            let path = member.path.display();
            Err(Error::WayBack(format!("/{path} is not as it was before")))
        }
    }
}

fn members(archive: &Path) -> Result<Vec<Member>, Error> {
    let failed = Error::file("read", archive);
    let file = File::open(archive).map_err(&failed)?;
    let mut members = Vec::new();
    for entry in tar::Archive::new(file).entries().map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let name = entry.path_bytes().into_owned();
        let bare = name.strip_prefix(b"./").unwrap_or(&name);
        let path = PathBuf::from(OsStr::from_bytes(bare.strip_suffix(b"/").unwrap_or(bare)));
        if !is_owned(&path) {
            continue;
        }
        let link = entry.link_name_bytes().map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes)));
        let header = entry.header();
        members.push(Member {
            kind: header.entry_type(),
            size: entry.size(),
            mtime: header.mtime().map_err(&failed)?,
            name,
            path,
            link,
        });
    }
    Ok(members)
}

/// What was added since the copy was made.
struct Added<'a> {
    machine: &'a Machine,
    known: BTreeSet<&'a Path>,
    /// File systems of their own that are in the copy. What is mounted elsewhere is not ours to judge.
    parts: BTreeSet<&'a Path>,
}

impl Added<'_> {
    /// Removes what is in a folder and not in the archive, deepest first. `device` is that of the folder
    /// above.
    fn remove(&self, folder: &Path, device: u64) -> Result<(), Error> {
        let place = self.machine.root().join(folder);
        let Some(own) = fs::symlink_metadata(&place).ok().filter(Metadata::is_dir) else {
            return Ok(());
        };
        let copied = own.dev() == device || self.parts.contains(folder);
        if !copied || NOT_OWNED.iter().any(|other| Path::new(other) == folder) {
            return Ok(());
        }
        for entry in fs::read_dir(&place).map_err(Error::file("list", &place))? {
            let entry = entry.map_err(Error::file("list", &place))?;
            let kind = entry.file_type().map_err(Error::file("read", &entry.path()))?;
            let path = folder.join(entry.file_name());
            if kind.is_dir() {
                self.remove(&path, own.dev())?;
            }
            // No archive holds sockets.
            if self.known.contains(path.as_path()) || kind.is_socket() || !is_owned(&path) {
                continue;
            }
            let removed = if kind.is_dir() {
                fs::remove_dir(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            match removed {
                // What is left in it is none of ours, or something is mounted there.
                Err(error) if kind.is_dir() && is_in_use(&error) => {}
                other => other.map_err(Error::file("remove", &entry.path()))?,
            }
        }
        Ok(())
    }
}

fn is_in_use(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::ResourceBusy)
}

/// Whether the live file is another than the member, or was changed at or after `since`.
fn differs(machine: &Machine, member: &Member, since: Option<Timestamp>) -> bool {
    let place = machine.root().join(&member.path);
    let Ok(live) = fs::symlink_metadata(&place) else { return true };
    // A second of grace: file systems keep coarser time than clocks.
    if since.is_some_and(|since| live.ctime() >= since.as_second() - 1) {
        return true;
    }
    let same_time = u64::try_from(live.mtime()).is_ok_and(|time| time == member.mtime);
    let same = match member.kind {
        // What a folder holds was compared by itself; its time changes with each name in it.
        EntryType::Directory => live.is_dir(),
        EntryType::Symlink => {
            live.is_symlink() && fs::read_link(&place).ok().as_ref() == member.link.as_ref()
        }
        EntryType::Link => is_linked(machine, &live, member),
        EntryType::Char => live.file_type().is_char_device(),
        EntryType::Block => live.file_type().is_block_device(),
        EntryType::Fifo => live.file_type().is_fifo(),
        // A sparse file's length in the archive is not its own.
        EntryType::GNUSparse => live.is_file() && same_time,
        _ => live.is_file() && same_time && live.len() == member.size,
    };
    !same
}

fn is_linked(machine: &Machine, live: &Metadata, member: &Member) -> bool {
    let Some(target) = &member.link else { return false };
    let target = target.strip_prefix(".").unwrap_or(target);
    let target = fs::symlink_metadata(machine.root().join(target));
    target.is_ok_and(|target| target.ino() == live.ino() && target.dev() == live.dev())
}

fn extract(machine: &Machine, archive: &Path, members: &[&Member]) -> Result<(), Error> {
    if members.is_empty() {
        return Ok(());
    }
    let list = archive.with_extension("list");
    let failed = Error::file("write", &list);
    let mut file = File::create(&list).map_err(&failed)?;
    for member in members {
        file.write_all(&member.name).and_then(|()| file.write_all(b"\0")).map_err(&failed)?;
    }
    drop(file);
    let (list_name, archive) = (list.display().to_string(), archive.display().to_string());
    let root = machine.root().display().to_string();
    let words = [
        "--extract",
        "--file",
        &archive,
        "--directory",
        &root,
        "--acls",
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "--same-owner",
        "--preserve-permissions",
        "--no-recursion",
        "--null",
        "--verbatim-files-from",
        "--files-from",
        &list_name,
    ];
    let done = machine.tool("tar", words).within(COPY_SECONDS_MAX).run();
    drop(fs::remove_file(&list));
    done.map(drop)
}
