//! The payloads that are kept: where they are, how long, and whether they are still whole.

use crate::{Error, Incoming};
use durable::Disk;
use ids::{Digest, Hasher, RecordId};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Bytes that are read, hashed and written at once.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// The payloads of one appliance. Cheap to clone; all clones are the same store.
///
/// All changes go through the disk that it is given; long files are streamed straight from the file
/// system, so that disk must be a real one, or one that fails on purpose in front of a real one.
#[derive(Clone)]
pub struct Store {
    pub(crate) disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// How much is kept, as long as that is known: to look at every file takes long.
    total: Arc<Mutex<Option<Total>>>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// Number of payloads.
    pub payloads: u64,
    /// Their lengths together, in bytes.
    pub bytes: u64,
}

impl Store {
    /// The store in folder `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Write`] or [`Error::Full`] when the folders cannot be made.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, Error> {
        for name in ["payloads", "incoming"] {
            let path = dir.join(name);
            disk.create_dir_all(&path).map_err(Error::write(path))?;
        }
        disk.sync_dir(dir).map_err(Error::write(dir))?;
        Ok(Self { disk, dir: dir.to_owned(), total: Arc::default() })
    }

    /// Begins or resumes the import of this record. What an earlier attempt left is hashed once:
    /// whole payloads and parts stay, everything else is removed. `keep_free` bytes of the disk are
    /// never used.
    ///
    /// One import of a record is under way at a time; the caller sees to that.
    ///
    /// # Errors
    /// When the import's folder cannot be read or written.
    pub fn begin(&self, record: &RecordId, keep_free: u64) -> Result<Incoming, Error> {
        Incoming::begin(self.clone(), record, keep_free)
    }

    /// The imports that were begun and neither promoted nor abandoned.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn unfinished(&self) -> Result<Vec<RecordId>, Error> {
        let names = self.names(&self.dir.join("incoming"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Keeps a short document under its digest, durably: what comes by itself and fits in memory.
    ///
    /// # Errors
    /// [`Error::Write`] or [`Error::Full`].
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        if let Some(folder) = path.parent() {
            self.disk.create_dir_all(folder).map_err(Error::write(folder))?;
        }
        let mut total = self.known_total();
        let is_new = !self.has(&digest);
        self.disk.write_atomic(&path, bytes).map_err(Error::write(path))?;
        if let Some(total) = total.as_mut().filter(|_| is_new) {
            total.payloads += 1;
            total.bytes += bytes.len() as u64;
        }
        Ok(digest)
    }

    /// Opens a payload for reading, with its length in bytes.
    ///
    /// # Errors
    /// [`Error::Absent`], or [`Error::Read`].
    pub fn open_payload(&self, digest: &Digest) -> Result<(File, u64), Error> {
        let path = self.path(digest);
        let file = File::open(&path).map_err(|source| self.absent(digest, &path, source))?;
        let length = file.metadata().map_err(Error::read(path))?.len();
        Ok((file, length))
    }

    /// Whether a payload is kept.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.disk.len(&self.path(digest)).is_ok()
    }

    /// The length of a payload in bytes.
    ///
    /// # Errors
    /// [`Error::Absent`], or [`Error::Read`].
    pub fn length(&self, digest: &Digest) -> Result<u64, Error> {
        let path = self.path(digest);
        self.disk.len(&path).map_err(|source| self.absent(digest, &path, source))
    }

    /// A payload of at most `max` bytes, whole and hashed again.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::TooLong`], [`Error::Read`], or [`Error::Damaged`] when the disk
    /// changed it.
    pub fn read(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, Error> {
        let length = self.length(digest)?;
        if length > max {
            return Err(Error::TooLong { digest: *digest, length, max });
        }
        let path = self.path(digest);
        let bytes = self.disk.read(&path).map_err(Error::read(path))?;
        same(digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// Reads a payload and compares its digest.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Read`], or [`Error::Damaged`].
    pub fn check(&self, digest: &Digest) -> Result<(), Error> {
        let path = self.path(digest);
        self.length(digest)?;
        same(digest, hash(&path)?)
    }

    /// Every payload that is kept, sorted.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let root = self.dir.join("payloads");
        let mut digests = Vec::new();
        for prefix in self.names(&root)? {
            for name in self.names(&root.join(&prefix))? {
                digests.extend(format!("{prefix}{name}").parse::<Digest>());
            }
        }
        digests.sort_unstable();
        Ok(digests)
    }

    /// How much is kept.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn total(&self) -> Result<Total, Error> {
        let mut known = self.known_total();
        if let Some(total) = *known {
            return Ok(total);
        }
        let mut total = Total::default();
        for digest in self.list()? {
            total.payloads += 1;
            total.bytes += self.length(&digest)?;
        }
        *known = Some(total);
        Ok(total)
    }

    /// Forgets how much is kept: payloads came or went.
    pub(crate) fn forget_total(&self) {
        *self.known_total() = None;
    }

    fn known_total(&self) -> MutexGuard<'_, Option<Total>> {
        self.total.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes payloads; what is not there is passed over. Returns what was removed.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Write`]; some may have been removed.
    pub fn remove(&self, digests: &[Digest]) -> Result<Total, Error> {
        let mut removed = Total::default();
        let mut folders = BTreeSet::new();
        // Nobody counts meanwhile.
        let mut total = self.known_total();
        *total = None;
        for digest in digests {
            let bytes = match self.length(digest) {
                Ok(bytes) => bytes,
                Err(Error::Absent { .. }) => continue,
                Err(other) => return Err(other),
            };
            let path = self.path(digest);
            self.disk.remove(&path).map_err(Error::write(&path))?;
            folders.extend(path.parent().map(Path::to_owned));
            removed.payloads += 1;
            removed.bytes += bytes;
        }
        folders
            .into_iter()
            .try_for_each(|dir| self.disk.sync_dir(&dir).map_err(Error::write(dir)))?;
        Ok(removed)
    }

    /// Bytes that the disk could still take.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn available(&self) -> Result<u64, Error> {
        self.disk.available(&self.dir).map_err(Error::read(&self.dir))
    }

    /// Where a payload is, or would be.
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        let (prefix, rest) = hex.split_at(2);
        self.dir.join("payloads").join(prefix).join(rest)
    }

    pub(crate) fn incoming_dir(&self) -> PathBuf {
        self.dir.join("incoming")
    }

    pub(crate) fn names(&self, dir: &Path) -> Result<Vec<String>, Error> {
        self.disk.list(dir).map_err(Error::read(dir))
    }

    fn absent(&self, digest: &Digest, path: &Path, source: io::Error) -> Error {
        if source.kind() == io::ErrorKind::NotFound {
            Error::Absent { digest: *digest }
        } else {
            Error::Read { path: path.to_owned(), source }
        }
    }
}

fn same(digest: &Digest, actual: Digest) -> Result<(), Error> {
    if actual == *digest {
        return Ok(());
    }
    Err(Error::Damaged { digest: *digest, actual })
}

/// One read, tried again when a signal interrupts it.
pub(crate) fn read_some(from: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The digest of what is in a file now.
pub(crate) fn hash(path: &Path) -> Result<Digest, Error> {
    let mut hasher = Hasher::default();
    for_each_chunk(path, &mut vec![0; CHUNK_BYTES], |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Hands a file's bytes on, a chunk at a time.
pub(crate) fn for_each_chunk(
    path: &Path,
    chunk: &mut [u8],
    mut each: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut file = File::open(path).map_err(Error::read(path))?;
    while let n @ 1.. = read_some(&mut file, chunk).map_err(Error::read(path))? {
        each(&chunk[..n])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use durable::RealDisk;

    #[test]
    fn a_short_document_is_kept_once_and_read_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(Arc::new(RealDisk), folder.path()).unwrap();
        let digest = store.keep(b"a request").unwrap();
        assert_eq!(store.keep(b"a request").unwrap(), digest);
        assert_eq!(store.read(&digest, 9).unwrap(), b"a request");
        assert_eq!(store.list().unwrap(), [digest]);
        assert!(store.unfinished().unwrap().is_empty());
        let total = Total { payloads: 1, bytes: 9 };
        assert_eq!(store.total().unwrap(), total);
        store.keep(b"a request").unwrap();
        assert_eq!(store.total().unwrap(), total, "it was there");
        let other = store.keep(b"another").unwrap();
        assert_eq!(store.total().unwrap(), Total { payloads: 2, bytes: 16 });
        store.remove(&[other]).unwrap();
        assert_eq!(store.total().unwrap(), total);
        // What the disk had damaged is whole again.
        std::fs::write(store.path(&digest), b"a damage!").unwrap();
        store.keep(b"a request").unwrap();
        store.check(&digest).unwrap();
    }
}
