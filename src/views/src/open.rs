//! Opening, setting aside, applying and reading the views.

use crate::{Error, Row, watchdog::Watchdog};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Raised whenever the rows that are derived from events change their shape.
pub const FORMAT: u32 = 9;

/// Longest time that the probing child may take.
pub const PROBE_SECS_MAX: u64 = 20;

/// Longest wait for the lock of a database that was just closed.
const LOCK_SECS_MAX: u64 = 5;

const META: &str = "meta";
const APPLIED: &[u8] = b"applied";
const IDENTITY: &[u8] = b"identity";

/// Which ledger the rows are derived from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Origin of the log, with its epoch.
    pub origin: String,
    /// [`FORMAT`].
    pub format: u32,
}

/// Why the views were built anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There were none.
    Missing,
    /// They could not be opened, or not in time.
    Damaged,
    /// They are of another ledger or another format.
    Foreign,
    /// They know of events that the ledger does not have.
    Ahead,
    /// The watchdog asked for it.
    Marked,
}

impl Reason {
    /// One word for the ledger.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Foreign => "foreign",
            Self::Ahead => "ahead",
            Self::Marked => "marked",
        }
    }
}

/// The open views.
#[derive(Debug)]
pub struct Views {
    db: sled::Db,
    folder: PathBuf,
    watchdog: Watchdog,
}

impl Views {
    /// Opens the views in `folder`, or builds new empty ones; the reason is told where it did.
    /// `entries` is the length of the ledger. `prober` is a command that calls [`probe`] on the
    /// folder given as its last argument and exits 0; it runs only after an unclean stop.
    ///
    /// # Errors
    /// Only when not even new views can be made.
    pub fn open(
        folder: &Path,
        identity: &Identity,
        entries: u64,
        prober: Command,
    ) -> Result<(Self, Option<Reason>), Error> {
        let fail = |source| Error::Folder { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(fail)?;
        let judged = match judge(folder, prober) {
            Some(reason) => Err(reason),
            None => sound(folder, identity, entries),
        };
        let (db, reason) = match judged {
            Ok(db) => (db, None),
            Err(reason) => {
                set_aside(folder).map_err(fail)?;
                (anew(folder, identity)?, Some(reason))
            }
        };
        drop(std::fs::remove_file(folder.join("clean")));
        let watchdog = Watchdog::start(folder.join("rebuild"));
        Ok((Self { db, folder: folder.to_owned(), watchdog }, reason))
    }

    /// How many entries of the ledger the rows say.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn applied(&self) -> Result<u64, Error> {
        self.watchdog.run(|| applied(&self.db))
    }

    /// Takes in rows; from here on they say the first `entries` entries. Not durable until sled
    /// flushes, which is harmless: what is lost is applied again.
    ///
    /// # Errors
    /// [`Error::Sled`] or [`Error::Row`].
    pub fn apply(&self, entries: u64, rows: &[Row]) -> Result<(), Error> {
        self.watchdog.run(|| {
            for row in rows {
                let tree = self.tree(row.tree)?;
                let done = match &row.value {
                    Some(value) => {
                        let bytes = serde_json::to_vec(value)
                            .map_err(|source| Error::Row { tree: row.tree.into(), source })?;
                        tree.insert(&row.key, bytes)
                    }
                    None => tree.remove(&row.key),
                };
                done.map_err(|source| Error::Sled { act: "write", source })?;
            }
            put_meta(&self.db, APPLIED, &entries.to_be_bytes())
        })
    }

    /// One row.
    ///
    /// # Errors
    /// [`Error::Sled`] or [`Error::Row`].
    pub fn row(&self, tree: &str, key: &[u8]) -> Result<Option<serde_json::Value>, Error> {
        self.watchdog.run(|| {
            let found = self.tree(tree)?.get(key);
            let found = found.map_err(|source| Error::Sled { act: "read", source })?;
            found.map(|bytes| parse(tree, &bytes)).transpose()
        })
    }

    /// Rows of a tree whose keys begin with `prefix`, sorted by key, at most `most`.
    ///
    /// # Errors
    /// [`Error::Sled`], or [`Error::Row`] for one that is no `T`.
    pub fn rows<T: DeserializeOwned>(
        &self,
        tree: &str,
        prefix: &[u8],
        most: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, Error> {
        self.watchdog.run(|| read(tree, self.tree(tree)?.scan_prefix(prefix).take(most)))
    }

    /// Rows of a tree from `start` on, sorted by key, at most `most`.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn rows_from<T: DeserializeOwned>(
        &self,
        tree: &str,
        start: &[u8],
        most: usize,
    ) -> Result<Vec<(Vec<u8>, T)>, Error> {
        self.watchdog.run(|| read(tree, self.tree(tree)?.range(start..).take(most)))
    }

    /// Keys of a tree that begin with `prefix` and are below `end`, the last first, at most `most`. Values are
    /// not read.
    ///
    /// # Errors
    /// [`Error::Sled`].
    pub fn last_keys(
        &self,
        tree: &str,
        prefix: &[u8],
        end: &[u8],
        most: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        self.watchdog.run(|| {
            let mut keys = Vec::new();
            for key in self.tree(tree)?.range(prefix..end).keys().rev().take(most) {
                keys.push(key.map_err(|source| Error::Sled { act: "read", source })?.to_vec());
            }
            Ok(keys)
        })
    }

    /// Writes everything out and marks the stop as clean.
    ///
    /// # Errors
    /// [`Error::Sled`] or [`Error::Folder`].
    pub fn close(self) -> Result<(), Error> {
        let flushed = self.watchdog.run(|| self.db.flush());
        flushed.map_err(|source| Error::Sled { act: "flush", source })?;
        let clean = self.folder.join("clean");
        std::fs::write(&clean, b"").map_err(|source| Error::Folder { path: clean, source })
    }

    fn tree(&self, name: &str) -> Result<sled::Tree, Error> {
        self.db.open_tree(name).map_err(|source| Error::Sled { act: "open a tree of", source })
    }
}

/// Opens and walks the database in `folder`. For a child process: on a damaged database this may
/// panic or never return.
///
/// # Errors
/// [`Error::Sled`].
pub fn probe(folder: &Path) -> Result<u64, Error> {
    let db = open_db(folder)?;
    let mut rows = 0;
    for name in db.tree_names() {
        let tree = db.open_tree(name).map_err(|source| Error::Sled { act: "walk", source })?;
        for pair in tree.iter() {
            pair.map_err(|source| Error::Sled { act: "walk", source })?;
            rows += 1;
        }
    }
    Ok(rows)
}

/// What the folder itself says, before sled is asked.
fn judge(folder: &Path, prober: Command) -> Option<Reason> {
    if folder.join("rebuild").exists() {
        return Some(Reason::Marked);
    }
    if !folder.join("db").exists() {
        return Some(Reason::Missing);
    }
    if folder.join("clean").exists() {
        return None;
    }
    (!survives(folder, prober)).then_some(Reason::Damaged)
}

/// Whether the prober comes back with success in time; it is killed when it does not.
fn survives(folder: &Path, mut prober: Command) -> bool {
    prober.arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = prober.spawn() else { return false };
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if begun.elapsed() < Duration::from_secs(PROBE_SECS_MAX) => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(None) | Err(_) => {
                drop(child.kill());
                drop(child.wait());
                return false;
            }
        }
    }
}

/// The database, if its rows are those of this ledger.
fn sound(folder: &Path, identity: &Identity, entries: u64) -> Result<sled::Db, Reason> {
    let db = open_db(folder).map_err(|_| Reason::Damaged)?;
    match judge_rows(&db, identity, entries) {
        Ok(None) => Ok(db),
        Ok(Some(reason)) => Err(reason),
        Err(_) => Err(Reason::Damaged),
    }
}

/// A new, empty database.
fn anew(folder: &Path, identity: &Identity) -> Result<sled::Db, Error> {
    let db = open_db(folder)?;
    let text =
        serde_json::to_vec(identity).map_err(|source| Error::Row { tree: META.into(), source })?;
    put_meta(&db, IDENTITY, &text)?;
    put_meta(&db, APPLIED, &0_u64.to_be_bytes())?;
    Ok(db)
}

fn judge_rows(db: &sled::Db, identity: &Identity, entries: u64) -> Result<Option<Reason>, Error> {
    let meta = db.open_tree(META).map_err(|source| Error::Sled { act: "read", source })?;
    let found = meta.get(IDENTITY).map_err(|source| Error::Sled { act: "read", source })?;
    // sled may come back empty from a damaged file, without an error.
    let Some(found) = found else { return Ok(Some(Reason::Damaged)) };
    if serde_json::from_slice::<Identity>(&found).ok().as_ref() != Some(identity) {
        return Ok(Some(Reason::Foreign));
    }
    Ok((applied(db)? > entries).then_some(Reason::Ahead))
}

fn applied(db: &sled::Db) -> Result<u64, Error> {
    let meta = db.open_tree(META).map_err(|source| Error::Sled { act: "read", source })?;
    let found = meta.get(APPLIED).map_err(|source| Error::Sled { act: "read", source })?;
    let bytes: Option<[u8; 8]> = found.and_then(|bytes| bytes.as_ref().try_into().ok());
    Ok(bytes.map_or(0, u64::from_be_bytes))
}

fn put_meta(db: &sled::Db, key: &[u8], value: &[u8]) -> Result<(), Error> {
    let meta = db.open_tree(META).map_err(|source| Error::Sled { act: "write", source })?;
    meta.insert(key, value).map_err(|source| Error::Sled { act: "write", source })?;
    Ok(())
}

fn open_db(folder: &Path) -> Result<sled::Db, Error> {
    let config = sled::Config::new().path(folder.join("db")).cache_capacity(64 << 20);
    let begun = Instant::now();
    loop {
        match config.open() {
            // sled lets go of its lock a moment after a database was dropped.
            Err(sled::Error::Io(e))
                if e.to_string().contains("acquire lock")
                    && begun.elapsed() < Duration::from_secs(LOCK_SECS_MAX) =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => return opened.map_err(|source| Error::Sled { act: "open", source }),
        }
    }
}

/// Keeps the damaged database under another name, at most one of them.
fn set_aside(folder: &Path) -> std::io::Result<()> {
    for mark in ["rebuild", "clean"] {
        drop(std::fs::remove_file(folder.join(mark)));
    }
    let (db, aside) = (folder.join("db"), folder.join("set-aside"));
    if db.exists() {
        if aside.exists() {
            std::fs::remove_dir_all(&aside)?;
        }
        std::fs::rename(db, aside)?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(
    tree: &str,
    pairs: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
) -> Result<Vec<(Vec<u8>, T)>, Error> {
    let row = |pair: sled::Result<(sled::IVec, sled::IVec)>| {
        let (key, bytes) = pair.map_err(|source| Error::Sled { act: "read", source })?;
        Ok((key.to_vec(), parse(tree, &bytes)?))
    };
    pairs.map(row).collect()
}

fn parse<T: DeserializeOwned>(tree: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Row { tree: tree.into(), source })
}
