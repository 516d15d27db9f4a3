//! The collection's folder: files by digest, batches made durable together, small state files.
//!
//! A file is fetched into `incoming/<digest>`, verified, and moved to `payloads/<2>/<digest>` with
//! its batch after one file system sync: what bears a name in `payloads` is whole. After a crash
//! the leftovers in `incoming` are resumed or verified again.

use crate::Error;
use durable::{Disk, RealDisk};
use ids::{Digest, Hasher};
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// Where files by digest live.
#[derive(Debug, Clone)]
pub(crate) struct Depot {
    folder: PathBuf,
}

impl Depot {
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        for part in ["incoming", "payloads", "state/changelogs"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(Error::file("make folder", &path))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        payload_path(&self.folder, digest)
    }

    pub(crate) fn incoming(&self, digest: &Digest) -> PathBuf {
        self.folder.join("incoming").join(digest.to_hex())
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.folder.join("state").join(name)
    }

    pub(crate) fn has(&self, digest: &Digest, length: u64) -> bool {
        fs::metadata(self.path(digest)).is_ok_and(|meta| meta.is_file() && meta.len() == length)
    }

    pub(crate) fn read(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let path = self.path(digest);
        let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
        if Digest::of(&bytes) == *digest {
            return Ok(bytes);
        }
        // Set it aside, so that the next run fetches it again.
        let _ = fs::remove_file(&path);
        Err(Error::Altered { path: path.display().to_string() })
    }

    /// Keeps bytes that were fetched whole.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        if !self.has(&digest, bytes.len() as u64) {
            let path = self.path(&digest);
            make_parent(&path)?;
            RealDisk.write_atomic(&path, bytes).map_err(Error::file("write", &path))?;
        }
        Ok(digest)
    }

    /// Moves verified files to their names, durably: one sync before, one after, for all of them.
    pub(crate) fn promote(&self, batch: &[Digest]) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let sync = || {
            let act = Error::file("sync", &self.folder);
            RealDisk.sync_filesystem(&self.folder).map_err(act)
        };
        sync()?;
        for digest in batch {
            let (from, to) = (self.incoming(digest), self.path(digest));
            make_parent(&to)?;
            fs::rename(&from, &to).map_err(Error::file("rename", &from))?;
            let _ = fs::remove_file(tag_path(&from));
        }
        sync()
    }

    pub(crate) fn write_state(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.state(name);
        RealDisk.write_atomic(&path, bytes).map_err(Error::file("write", &path))
    }

    /// A state file; `None` where there is none.
    pub(crate) fn read_state(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.state(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::file("read", &path)(e)),
        }
    }
}

/// Where a collection keeps the file with this digest.
#[must_use]
pub fn payload_path(folder: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.to_hex();
    folder.join("payloads").join(&hex[..2]).join(hex)
}

/// Beside a partial file: the validator under which it may be resumed.
pub(crate) fn tag_path(incoming: &Path) -> PathBuf {
    incoming.with_extension("tag")
}

fn make_parent(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(Error::file("make folder", parent)),
        None => Ok(()),
    }
}

/// Digest and length of a file.
pub(crate) fn digest_of(path: &Path) -> Result<(Digest, u64), Error> {
    let act = Error::file("read", path);
    let mut file = File::open(path).map_err(&act)?;
    let mut hasher = Hasher::default();
    let mut piece = vec![0; 1 << 18];
    let mut total = 0;
    loop {
        let length = file.read(&mut piece).map_err(&act)?;
        if length == 0 {
            return Ok((hasher.finish(), total));
        }
        total += length as u64;
        hasher.update(&piece[..length]);
    }
}
