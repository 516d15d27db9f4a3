//! The writer: commit to the journal, then publish tiles and checkpoint with the function that
//! recovery uses too.

use crate::{
    error::Error,
    frame::{encode, scan},
    ledger::{Appended, Ledger, ROTATE_BYTES, check_batch},
    log::Log,
    recover::{Examined, Mend, examine},
    repair::Repair,
    tail::Tail,
    tiles::Tiles,
};
use durable::{Commit, Disk, FileBlobs, FileCommit};
use ed25519_dalek::SigningKey;
use ids::Digest;
use merkle::{
    Checkpoint, Edge, HashReader, KeyKind, Tile, TileKind, VerifierKey, consistency_proof,
    inclusion_proof,
};
use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The log in a folder.
pub struct FileLedger {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    key: SigningKey,
    public: VerifierKey,
    blobs: Arc<FileBlobs>,
    commit: FileCommit,
    tail: Tail,
    checkpoint: Checkpoint,
    note: String,
    /// Bytes of the journal, and how many make it start again.
    journal: u64,
    rotate_at: u64,
    rotate_bytes: u64,
    /// Size of the published checkpoint; `None` until it is written again.
    published: Option<u64>,
    poisoned: bool,
}

impl FileLedger {
    /// Starts a log in an empty folder, which is made if it is missing. `origin` names it for ever: one
    /// line without spaces or plus signs, with an epoch in it.
    ///
    /// # Errors
    /// [`Error::Exists`] if the folder holds anything; what writing fails with.
    pub fn create(
        disk: Arc<dyn Disk>,
        dir: &Path,
        origin: &str,
        key: SigningKey,
    ) -> Result<Self, Error> {
        disk.create_dir_all(dir).map_err(|source| write_error(".", source))?;
        let names =
            disk.list(dir).map_err(|source| Error::Read { path: ".".to_owned(), source })?;
        if !names.is_empty() {
            return Err(Error::Exists(dir.to_owned()));
        }
        let tail = Tail::new(Edge::default());
        let checkpoint =
            Checkpoint { origin: origin.to_owned(), size: 0, root: tail.edge().root() };
        let note = checkpoint.sign(&key)?.to_string();
        let frame = encode(0, &[], &note).ok_or(Error::Batch { entries: 0, bytes: 0 })?;
        let mut log = Self::new(disk, dir, origin, key, (tail, checkpoint, note))?;
        log.replace_journal(&frame)?;
        log.publish()?;
        Ok(log)
    }

    /// Opens a log, and mends what a crash or damage left as far as a signed checkpoint covers it. The
    /// repairs are for the caller to report. Hashes only what the journal covers.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Key`], [`Error::Lost`], [`Error::Fork`]: nothing was changed. What
    /// reading or writing fails with.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        origin: &str,
        key: SigningKey,
    ) -> Result<(Self, Vec<Repair>), Error> {
        Self::open_as(disk, dir, origin, key, false)
    }

    /// As [`FileLedger::open`], but hashes every entry, and mends hash tiles anywhere.
    ///
    /// # Errors
    /// As [`FileLedger::open`].
    pub fn open_thoroughly(
        disk: Arc<dyn Disk>,
        dir: &Path,
        origin: &str,
        key: SigningKey,
    ) -> Result<(Self, Vec<Repair>), Error> {
        Self::open_as(disk, dir, origin, key, true)
    }

    fn open_as(
        disk: Arc<dyn Disk>,
        dir: &Path,
        origin: &str,
        key: SigningKey,
        thorough: bool,
    ) -> Result<(Self, Vec<Repair>), Error> {
        let public = VerifierKey::new(origin, KeyKind::Ed25519, key.verifying_key())?;
        let blobs = FileBlobs::new(disk.clone(), dir.to_owned());
        let found = examine(&blobs, &public, thorough)?;
        let found = found.ok_or_else(|| Error::Missing(dir.to_owned()))?;
        let Examined { tail, checkpoint, note, journal, mend, tiles, published } = found;
        let mut log = Self::new(disk, dir, origin, key, (tail, checkpoint, note))?;
        log.journal = journal.len() as u64;
        log.rotate_at = log.journal.max(ROTATE_BYTES);
        log.published = published;
        let mut repairs = Vec::new();
        repairs.extend(log.mend_journal(&journal, mend)?);
        if !tiles.is_empty() {
            log.put_tiles(&tiles)?;
            log.sync()?;
            repairs.push(Repair::TilesRebuilt { tiles: tiles.len() });
        }
        if published.is_none() {
            match log.publish() {
                Ok(()) if thorough => {}
                Ok(()) => repairs.push(Repair::CheckpointRepublished),
                // Publishing can wait; the journal holds everything.
                Err(error) if error.is_storage_full() => {}
                Err(error) => return Err(error),
            }
        }
        Ok((log, repairs))
    }

    fn new(
        disk: Arc<dyn Disk>,
        dir: &Path,
        origin: &str,
        key: SigningKey,
        (tail, checkpoint, note): (Tail, Checkpoint, String),
    ) -> Result<Self, Error> {
        let public = VerifierKey::new(origin, KeyKind::Ed25519, key.verifying_key())?;
        Ok(Self {
            public,
            blobs: Arc::new(FileBlobs::new(disk.clone(), dir.to_owned())),
            commit: FileCommit::new(disk.clone(), dir.join("journal")),
            disk,
            dir: dir.to_owned(),
            key,
            tail,
            checkpoint,
            note,
            journal: 0,
            rotate_at: ROTATE_BYTES,
            rotate_bytes: ROTATE_BYTES,
            published: None,
            poisoned: false,
        })
    }

    /// The key that verifies this log's checkpoints.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.public
    }

    /// Lets the journal start again each time that it has grown by `bytes` instead of [`ROTATE_BYTES`].
    pub fn rotate_after(&mut self, bytes: u64) {
        self.rotate_at = self.rotate_at.saturating_sub(self.rotate_bytes).saturating_add(bytes);
        self.rotate_bytes = bytes;
    }

    /// Size of the log that the published files show.
    #[must_use]
    pub fn published_size(&self) -> u64 {
        self.published.unwrap_or(0)
    }

    /// Writes tiles and checkpoint for everything that is committed. May be tried again after an error.
    ///
    /// # Errors
    /// [`Error::Write`]; [`Error::Poisoned`].
    pub fn publish(&mut self) -> Result<(), Error> {
        let published = self.published.unwrap_or(0).max(self.tail.base());
        if self.published == Some(self.checkpoint.size) {
            return Ok(());
        }
        self.publish_from(published)
    }

    /// Publishes and closes.
    ///
    /// # Errors
    /// As [`FileLedger::publish`]; nothing that was committed is lost by it.
    pub fn close(mut self) -> Result<(), Error> {
        self.publish()
    }

    /// Reads everything again from the disk: all entries, tiles and the published checkpoint, then the
    /// journal from its first byte.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn verify_all(&self) -> Result<(), Error> {
        Log::read(self.blobs.clone(), &self.public)?.verify_all()?;
        let read = |source| Error::Read { path: "journal".to_owned(), source };
        let found = scan(&self.commit.load().map_err(read)?);
        let whole = found.damage.is_empty() && found.torn.is_none();
        let mut tail = Tail::new(Edge::load(self.tail.base(), &self.tiles())?);
        for (_, frame) in found.frames {
            if frame.first != tail.size() {
                return Err(Error::Changed("journal".to_owned()));
            }
            tail.accept(tail.next(frame.entries));
        }
        let newest = Checkpoint::open(self.note.as_bytes(), &self.public)?;
        if whole && tail.size() == newest.size && tail.edge().root() == newest.root {
            return Ok(());
        }
        Err(Error::Changed("journal".to_owned()))
    }

    // Tiles, then one sync for all of them, then the checkpoint: whoever sees a checkpoint, also after a
    // power cut, finds its tiles. Tiles are written anew at each try, because a failed sync may have
    // dropped the pages of those that look right.
    fn publish_from(&mut self, published: u64) -> Result<(), Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let tiles = self.tail.tiles(published)?;
        self.put_tiles(&tiles)?;
        self.sync()?;
        let path = self.dir.join("checkpoint");
        let written = self.disk.write_atomic(&path, self.note.as_bytes());
        written.map_err(|source| write_error("checkpoint", source))?;
        self.published = Some(self.checkpoint.size);
        for (tile, _) in tiles.iter().filter(|(tile, _)| tile.is_full()) {
            self.remove_partial(*tile);
        }
        Ok(())
    }

    /// Removes the partial tiles that a full one replaces. They are in nobody's way, so errors are too.
    fn remove_partial(&self, tile: Tile) {
        let folder = self.dir.join(format!("{tile}.p"));
        for name in self.disk.list(&folder).unwrap_or_default() {
            let _ = self.disk.remove(&folder.join(name));
        }
        let _ = self.disk.remove(&folder);
    }

    fn put_tiles(&self, tiles: &[(Tile, Vec<u8>)]) -> Result<(), Error> {
        for (tile, bytes) in tiles {
            let put = self.put(&self.dir.join(tile.to_string()), bytes);
            put.map_err(|source| write_error(&tile.to_string(), source))?;
        }
        Ok(())
    }

    /// Puts a file in place without syncing it.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        self.disk.create_dir_all(folder)?;
        let temporary = folder.join(format!(".{}.tmp", name.to_string_lossy()));
        let mut file = match self.disk.create(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.remove(&temporary)?;
                self.disk.create(&temporary)?
            }
            other => other?,
        };
        file.write_all(bytes)?;
        self.disk.rename(&temporary, path)
    }

    fn sync(&self) -> Result<(), Error> {
        self.disk.sync_filesystem(&self.dir).map_err(|source| write_error("tile", source))
    }

    /// Starts the journal again at the last tile boundary. All tiles that it covers are written anew, so
    /// that damage since they were published does not outlive their second copy.
    fn rotate(&mut self) -> Result<(), Error> {
        self.publish_from(self.tail.base())?;
        let base = self.checkpoint.size - self.checkpoint.size % 256;
        let entries = self.tail.entries(base..self.checkpoint.size).unwrap_or_default();
        let (entries, bytes) = (entries.to_vec(), self.journal as usize);
        let count = entries.len();
        let frame = encode(base, &entries, &self.note);
        self.replace_journal(&frame.ok_or(Error::Batch { entries: count, bytes })?)?;
        self.rotate_at = self.journal + self.rotate_bytes;
        self.tail.forget_full_tiles();
        Ok(())
    }

    fn replace_journal(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Err(error) = self.commit.replace(self.journal, bytes) {
            let error = Error::Commit(error);
            // A disk that was full before the new journal took the old one's place did no harm.
            let old = self.commit.load().is_ok_and(|found| found != bytes);
            self.poisoned = !(old && error.is_storage_full());
            return Err(error);
        }
        self.journal = bytes.len() as u64;
        Ok(())
    }

    fn mend_journal(&mut self, journal: &[u8], mend: Mend) -> Result<Option<Repair>, Error> {
        match mend {
            Mend::Nothing => Ok(None),
            Mend::Cut(at) => {
                let kept = self.set_aside(&journal[at..])?;
                let cut = self.disk.truncate(&self.dir.join("journal"), at as u64);
                cut.map_err(|source| write_error("journal", source))?;
                self.journal = at as u64;
                let (offset, bytes) = (at as u64, (journal.len() - at) as u64);
                Ok(Some(Repair::TornFrame { offset, bytes, kept }))
            }
            Mend::Replace(bytes) => {
                let kept = if journal.is_empty() { None } else { self.set_aside(journal)? };
                self.replace_journal(&bytes)?;
                Ok(Some(Repair::JournalRebuilt { size: self.checkpoint.size, kept }))
            }
        }
    }

    /// Keeps bytes that a repair takes out. On a full disk they are given up: the log comes first.
    fn set_aside(&self, bytes: &[u8]) -> Result<Option<String>, Error> {
        let name = format!("set-aside/journal-{}", Digest::of(bytes).short());
        let folder = self.dir.join("set-aside");
        let kept = self.disk.create_dir_all(&folder);
        match kept.and_then(|()| self.disk.write_atomic(&self.dir.join(&name), bytes)) {
            Ok(()) => Ok(Some(name)),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(None),
            Err(source) => Err(write_error(&name, source)),
        }
    }
}

impl Ledger for FileLedger {
    fn append(&mut self, entries: Vec<Vec<u8>>) -> Result<Appended, Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let first_index = self.checkpoint.size;
        if entries.is_empty() {
            return Ok(Appended { first_index, checkpoint: self.note.clone() });
        }
        check_batch(&entries)?;
        let next = self.tail.next(entries);
        let (size, root) = (next.edge.size(), next.edge.root());
        let checkpoint = Checkpoint { origin: self.checkpoint.origin.clone(), size, root };
        let note = checkpoint.sign(&self.key)?.to_string();
        let count = next.entries().len();
        let frame = encode(first_index, next.entries(), &note);
        let frame = frame.ok_or(Error::Batch { entries: count, bytes: 0 })?;
        if let Err(error) = self.commit.commit(self.journal, &frame) {
            self.poisoned = true;
            return Err(Error::Commit(error));
        }
        self.journal += frame.len() as u64;
        self.tail.accept(next);
        (self.checkpoint, self.note) = (checkpoint, note);
        if self.journal >= self.rotate_at {
            self.rotate_later();
        }
        Ok(Appended { first_index, checkpoint: self.note.clone() })
    }

    fn size(&self) -> u64 {
        self.checkpoint.size
    }

    fn checkpoint(&self) -> &str {
        &self.note
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Error> {
        let (size, base) = (self.checkpoint.size, self.tail.base());
        if range.start > range.end || range.end > size {
            return Err(merkle::Error::OutsideTree { index: range.end, size }.into());
        }
        let old = range.start.min(base)..range.end.min(base);
        let mut entries = self.tiles().entries(old)?;
        let recent = self.tail.entries(range.start.max(base)..range.end.max(base));
        entries.extend_from_slice(recent.unwrap_or_default());
        Ok(entries)
    }

    fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Digest>, Error> {
        self.check_size(size)?;
        inclusion_proof(index, size, self)
    }

    fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Digest>, Error> {
        self.check_size(new)?;
        consistency_proof(old, new, self)
    }
}

impl FileLedger {
    /// What is on disk, synced, and not in memory.
    fn tiles(&self) -> Tiles<'_> {
        Tiles { blobs: self.blobs.as_ref(), size: self.tail.base() }
    }

    fn check_size(&self, size: u64) -> Result<(), Error> {
        if size <= self.checkpoint.size {
            return Ok(());
        }
        Err(merkle::Error::OutsideTree { index: size, size: self.checkpoint.size }.into())
    }

    // The batch is committed whatever happens here, so its append succeeds. On a full disk the journal
    // goes on for a while; after any other failure the handle is not to be trusted.
    fn rotate_later(&mut self) {
        match self.rotate() {
            Ok(()) => {}
            Err(error) if error.is_storage_full() && !self.poisoned => {
                self.rotate_at = self.journal + self.rotate_bytes / 4;
            }
            Err(_) => self.poisoned = true,
        }
    }
}

impl HashReader for FileLedger {
    type Error = Error;

    fn tile(&self, tile: Tile) -> Result<Vec<Digest>, Error> {
        match self.tail.hashes(tile) {
            Some(hashes) => Ok(hashes.to_vec()),
            // What is not in memory is full and lies below the base.
            None if matches!(tile.kind(), TileKind::Hashes(_)) => self.tiles().tile(tile),
            None => Err(merkle::Error::TilePath(tile.to_string()).into()),
        }
    }
}

fn write_error(path: &str, source: io::Error) -> Error {
    Error::Write { path: path.to_owned(), source }
}
