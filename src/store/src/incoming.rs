//! An import under way: payloads are hashed while they are written, and enter the store together.

use crate::{
    Error, Store,
    fragments::{Parts, parse_part_name, part_name},
    payloads::{CHUNK_BYTES, for_each_chunk, hash, read_some},
};
use durable::WriteFile;
use ids::{Digest, Hasher, RecordId};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Read, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The payloads of one import. Several threads may write different payloads at the same time.
///
/// When this is dropped, what came stays on disk, and [`Store::begin`] resumes it.
pub struct Incoming {
    store: Store,
    dir: PathBuf,
    keep_free: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    whole: HashMap<Digest, u64>,
    parts: HashMap<Digest, Parts>,
    busy: HashSet<Digest>,
}

/// How far a payload is whose parts come one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// All bytes are there and have the digest.
    Whole,
    /// These bytes have not come yet.
    Missing(Vec<Range<u64>>),
}

/// What an import brought that was not in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Promoted {
    /// Number of payloads.
    pub payloads: u64,
    /// Their lengths together, in bytes.
    pub bytes: u64,
}

impl Incoming {
    pub(crate) fn begin(store: Store, record: &RecordId, keep_free: u64) -> Result<Self, Error> {
        let dir = store.incoming_dir().join(record.as_str());
        store.disk.create_dir_all(&dir).map_err(Error::write(&dir))?;
        let mut state = State::default();
        for name in store.names(&dir)? {
            let path = dir.join(&name);
            if !state.resume(&store, &path, &name)? {
                store.disk.remove(&path).map_err(Error::write(path))?;
            }
        }
        Ok(Self { store, dir, keep_free, state: Mutex::new(state) })
    }

    /// Whether a payload is in the store or has come whole in this import.
    #[must_use]
    pub fn already(&self, digest: &Digest) -> bool {
        self.state().whole.contains_key(digest) || self.store.has(digest)
    }

    /// The payloads that have come whole in this import and were not in the store, sorted.
    #[must_use]
    pub fn come(&self) -> Vec<Digest> {
        let mut come: Vec<Digest> = self.state().whole.keys().copied().collect();
        come.retain(|digest| !self.store.has(digest));
        come.sort_unstable();
        come
    }

    /// Opens a payload of [`come`](Self::come) for reading, with its length in bytes.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn open_come(&self, digest: &Digest) -> Result<(File, u64), Error> {
        let path = self.dir.join(digest.to_hex());
        let file = File::open(&path).map_err(Error::read(&path))?;
        let length = file.metadata().map_err(Error::read(path))?.len();
        Ok((file, length))
    }

    /// A payload that has come whole or is in the store, of at most `max` bytes, hashed again.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read(&self, digest: &Digest, max: u64) -> Result<Vec<u8>, Error> {
        let come = self.state().whole.get(digest).copied();
        let path = self.dir.join(digest.to_hex());
        match (come, self.store.disk.len(&path)) {
            (Some(length), Ok(_)) if length > max => {
                Err(Error::TooLong { digest: *digest, length, max })
            }
            (Some(_), Ok(_)) => {
                let bytes = self.store.disk.read(&path).map_err(Error::read(path))?;
                let actual = Digest::of(&bytes);
                if actual == *digest {
                    Ok(bytes)
                } else {
                    Err(Error::Damaged { digest: *digest, actual })
                }
            }
            _ => self.store.read(digest, max),
        }
    }

    /// What of a payload of `total` bytes has not come yet; nothing when it is
    /// [`already`](Self::already) there.
    ///
    /// When all parts are there but not yet put together, because a crash came between, the answer
    /// is empty too: [`write_range`](Self::write_range) with a length of 0 puts them together.
    #[must_use]
    pub fn missing(&self, digest: &Digest, total: u64) -> Vec<Range<u64>> {
        if self.already(digest) {
            return Vec::new();
        }
        self.missing_of(digest, 0..total)
    }

    /// Takes a payload: exactly `length` bytes are read from `from`, also when the payload is there
    /// already (they are then only hashed) and when the digest turns out wrong.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for other bytes, [`Error::Short`] and [`Error::Source`] when they cannot
    /// be read, [`Error::NoRoom`] before anything is read, [`Error::Full`] or [`Error::Write`] when
    /// the disk refuses. Nothing of the payload is kept then.
    pub fn write(&self, digest: &Digest, length: u64, from: &mut impl Read) -> Result<(), Error> {
        let _busy = self.claim(digest)?;
        let there = self.already(digest);
        let actual = if there {
            take(digest, length, from, |_| Ok(()))?
        } else {
            self.room(length)?;
            let path = self.dir.join(digest.to_hex());
            self.fill(&path, digest, |file| {
                take(digest, length, from, |bytes| put(file, &path, bytes))
            })?
        };
        if actual != *digest {
            return Err(Error::Mismatch { digest: *digest, actual });
        }
        if !there {
            self.state().whole.insert(*digest, length);
        }
        Ok(())
    }

    /// Takes `length` bytes of a payload of `total` bytes, beginning at `offset`. Parts may come in
    /// any order and more than once; with the last one the payload is put together and its digest
    /// checked. Exactly `length` bytes are read from `from`.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`Error::OutOfRange`]. After [`Error::Mismatch`] all parts are
    /// gone, since nobody knows which one is wrong.
    pub fn write_range(
        &self,
        digest: &Digest,
        total: u64,
        offset: u64,
        length: u64,
        from: &mut impl Read,
    ) -> Result<Progress, Error> {
        let end = offset.checked_add(length).filter(|end| *end <= total);
        let Some(end) = end else {
            let end = offset.saturating_add(length);
            return Err(Error::OutOfRange { digest: *digest, offset, end, total });
        };
        let _busy = self.claim(digest)?;
        if self.already(digest) {
            take(digest, length, from, |_| Ok(()))?;
            return Ok(Progress::Whole);
        }
        let mut at = offset;
        for part in self.missing_of(digest, offset..end) {
            take(digest, part.start - at, from, |_| Ok(()))?;
            at = part.end;
            self.write_part(digest, part, from)?;
        }
        take(digest, end - at, from, |_| Ok(()))?;
        let missing = self.missing_of(digest, 0..total);
        if !missing.is_empty() {
            return Ok(Progress::Missing(missing));
        }
        self.assemble(digest, total)?;
        Ok(Progress::Whole)
    }

    /// Everything that came becomes part of the store: the file system is synced, the files get
    /// their names, and it is synced again. Parts of payloads that never became whole are removed.
    ///
    /// # Errors
    /// [`Error::Write`] or [`Error::Full`]. Some payloads may have entered the store, each whole;
    /// [`Store::begin`] with the same record resumes with the others.
    pub fn promote(self) -> Result<Promoted, Error> {
        let promoted = self.move_all();
        self.store.forget_total();
        let promoted = promoted?;
        self.abandon()?;
        Ok(promoted)
    }

    fn move_all(&self) -> Result<Promoted, Error> {
        let disk = &self.store.disk;
        let sync = || disk.sync_filesystem(&self.dir).map_err(Error::write(&self.dir));
        sync()?;
        let mut promoted = Promoted::default();
        let mut folders = HashSet::new();
        for (digest, length) in &self.state().whole {
            let from = self.dir.join(digest.to_hex());
            let to = self.store.path(digest);
            if let Some(folder) = to.parent().filter(|f| !folders.contains(*f)) {
                disk.create_dir_all(folder).map_err(Error::write(folder))?;
                folders.insert(folder.to_owned());
            }
            disk.rename(&from, &to).map_err(Error::write(to))?;
            promoted.payloads += 1;
            promoted.bytes += length;
        }
        sync()?;
        Ok(promoted)
    }

    /// Removes everything that came in this import.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Write`].
    pub fn abandon(self) -> Result<(), Error> {
        let disk = &self.store.disk;
        for name in self.store.names(&self.dir)? {
            let path = self.dir.join(name);
            disk.remove(&path).map_err(Error::write(path))?;
        }
        disk.remove(&self.dir).map_err(Error::write(&self.dir))?;
        let above = self.store.incoming_dir();
        disk.sync_dir(&above).map_err(Error::write(above))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, digest: &Digest) -> Result<Claim<'_>, Error> {
        if !self.state().busy.insert(*digest) {
            return Err(Error::Busy { digest: *digest });
        }
        Ok(Claim { incoming: self, digest: *digest })
    }

    fn room(&self, length: u64) -> Result<(), Error> {
        let needed = length.saturating_add(self.keep_free);
        let available = self.store.available()?;
        if needed > available {
            return Err(Error::NoRoom { needed, available });
        }
        Ok(())
    }

    fn missing_of(&self, digest: &Digest, wanted: Range<u64>) -> Vec<Range<u64>> {
        match self.state().parts.get(digest) {
            Some(parts) => parts.missing(wanted),
            None => Parts::default().missing(wanted),
        }
    }

    fn write_part(
        &self,
        digest: &Digest,
        part: Range<u64>,
        from: &mut impl Read,
    ) -> Result<(), Error> {
        let length = part.end - part.start;
        self.room(length)?;
        let path = self.dir.join(part_name(digest, &part));
        let mut file = self.create(&path)?;
        let written = take(digest, length, from, |bytes| put(&mut *file, &path, bytes));
        drop(file);
        if let Err(error) = written {
            self.discard(&path);
            return Err(error);
        }
        self.state().parts.entry(*digest).or_default().add(part);
        Ok(())
    }

    fn assemble(&self, digest: &Digest, total: u64) -> Result<(), Error> {
        let parts = self.state().parts.get(digest).cloned().unwrap_or_default();
        let path = self.dir.join(digest.to_hex());
        self.room(total)?;
        let actual = self.fill(&path, digest, |file| {
            let mut hasher = Hasher::default();
            let mut chunk = vec![0; CHUNK_BYTES];
            for part in parts.ranges() {
                let path_of_part = self.dir.join(part_name(digest, &part));
                for_each_chunk(&path_of_part, &mut chunk, |bytes| {
                    hasher.update(bytes);
                    put(file, &path, bytes)
                })?;
            }
            Ok(hasher.finish())
        })?;
        self.state().parts.remove(digest);
        for part in parts.ranges() {
            self.discard(&self.dir.join(part_name(digest, &part)));
        }
        if actual != *digest {
            return Err(Error::Mismatch { digest: *digest, actual });
        }
        self.state().whole.insert(*digest, total);
        Ok(())
    }

    /// Writes the file of a whole payload; it stays only when its bytes have the digest.
    fn fill(
        &self,
        path: &Path,
        digest: &Digest,
        write: impl FnOnce(&mut dyn Write) -> Result<Digest, Error>,
    ) -> Result<Digest, Error> {
        let mut file = self.create(path)?;
        let written = write(&mut file);
        drop(file);
        if !matches!(&written, Ok(actual) if actual == digest) {
            self.discard(path);
        }
        written
    }

    /// A new file; one that could not be removed when it turned out to be of no use gives way.
    fn create(&self, path: &Path) -> Result<Box<dyn WriteFile>, Error> {
        let disk = &self.store.disk;
        match disk.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(path).and_then(|()| disk.create(path))
            }
            done => done,
        }
        .map_err(Error::write(path))
    }

    /// Removes what is of no use. Should that fail, the next `begin` finds it and removes it.
    fn discard(&self, path: &Path) {
        let _ = self.store.disk.remove(path);
    }
}

impl State {
    /// Takes in a file that an earlier attempt left; `false` when it is of no use.
    fn resume(&mut self, store: &Store, path: &Path, name: &str) -> Result<bool, Error> {
        let length = || store.disk.len(path).map_err(Error::read(path));
        if let Some((digest, part)) = parse_part_name(name) {
            let whole = length()? == part.end - part.start;
            return Ok(whole && self.parts.entry(digest).or_default().add(part));
        }
        let Ok(digest) = name.parse::<Digest>() else {
            return Ok(false);
        };
        let good = hash(path)? == digest;
        if good {
            self.whole.insert(digest, length()?);
        }
        Ok(good)
    }
}

/// Holds a payload for one writer.
struct Claim<'a> {
    incoming: &'a Incoming,
    digest: Digest,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.incoming.state().busy.remove(&self.digest);
    }
}

fn put(file: &mut (impl Write + ?Sized), path: &Path, bytes: &[u8]) -> Result<(), Error> {
    file.write_all(bytes).map_err(Error::write(path))
}

/// Reads exactly `length` bytes, hands them on and hashes them.
fn take(
    digest: &Digest,
    length: u64,
    from: &mut impl Read,
    mut each: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<Digest, Error> {
    let mut hasher = Hasher::default();
    let chunk_bytes = usize::try_from(length).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
    let mut chunk = vec![0; chunk_bytes];
    let mut got = 0;
    while got < length {
        let most = usize::try_from(length - got).unwrap_or(chunk_bytes).min(chunk_bytes);
        let n = read_some(from, &mut chunk[..most])
            .map_err(|source| Error::Source { digest: *digest, source })?;
        if n == 0 {
            return Err(Error::Short { digest: *digest, expected: length, got });
        }
        hasher.update(&chunk[..n]);
        each(&chunk[..n])?;
        got += n as u64;
    }
    Ok(hasher.finish())
}
