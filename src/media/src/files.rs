//! Opening files of a hostile medium: no links followed, nothing but plain files, no waiting.

use crate::Error;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, openat};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Most entries that are read of one folder.
pub(crate) const FOLDER_ENTRIES_MAX: usize = 100_000;

/// A folder on a medium, held open.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    fd: OwnedFd,
}

impl Folder {
    /// Opens the folder that a person named: the path up to it may have links, it may not be one.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::at(CWD, path, path.to_owned())
    }

    pub(crate) fn folder(&self, name: &str) -> Result<Self, Error> {
        Self::at(&self.fd, Path::new(name), self.path.join(name))
    }

    fn at(dir: impl AsFd, name: &Path, path: PathBuf) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(dir, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { path, fd }),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
                Err(Error::NotPlain { path, kind: "folder" })
            }
            Err(errno) => Err(Error::Read { path, source: errno.into() }),
        }
    }

    /// A plain file of this folder, and its length.
    pub(crate) fn file(&self, name: &str) -> Result<(File, u64), Error> {
        open_at(&self.fd, Path::new(name), self.path.join(name), false)
    }

    /// Names of all entries but `.` and `..`, sorted; names that are not UTF-8 are replaced by
    /// something readable, under which nothing can be opened.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let read = |errno: rustix::io::Errno| Error::Read {
            path: self.path.clone(),
            source: errno.into(),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(read)? {
            let name = entry.map_err(read)?.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
                continue;
            }
            if names.len() >= FOLDER_ENTRIES_MAX {
                let path = self.path.clone();
                return Err(Error::TooMany { path, limit: FOLDER_ENTRIES_MAX });
            }
            names.push(name);
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// A volume that a person named: a plain file, or a block device that holds one.
pub(crate) fn open_volume(path: &Path) -> Result<(File, u64), Error> {
    open_at(CWD, path, path.to_owned(), true)
}

fn open_at(dir: impl AsFd, name: &Path, path: PathBuf, device: bool) -> Result<(File, u64), Error> {
    // NONBLOCK: a pipe in the place of a file must not keep us waiting.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = match openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::LOOP) => return Err(Error::NotPlain { path, kind: "file" }),
        Err(errno) => return Err(Error::Read { path, source: errno.into() }),
    };
    let read = |source: std::io::Error| Error::Read { path: path.clone(), source };
    let stat = fstat(&fd).map_err(|errno| read(errno.into()))?;
    let mut file = File::from(fd);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((file, u64::try_from(stat.st_size).unwrap_or(0))),
        FileType::BlockDevice if device => {
            let length = std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).map_err(read)?;
            Ok((file, length))
        }
        _ => Err(Error::NotPlain { path, kind: "file" }),
    }
}

/// Reads a whole small file, at most one byte more than `limit`.
pub(crate) fn read_bounded(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}
