//! Immutable objects by key: the shape that an S3-compatible store can take over.

use crate::disk::{Disk, folder};
use std::{io, path::PathBuf, sync::Arc};

/// Objects that are put once and never change.
///
/// A key is 1 to 512 bytes: segments of `A-Z a-z 0-9 . _ -` separated by `/`, none of them empty or
/// beginning with a dot ([`check_key`]). Another key is [`io::ErrorKind::InvalidInput`].
pub trait Blobs: Send + Sync {
    /// Keeps `bytes` under `key`, durably. Putting the same bytes again is no error.
    ///
    /// # Errors
    /// `AlreadyExists` if other bytes are kept under that key; what the storage answers.
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()>;

    /// The bytes under `key`.
    ///
    /// # Errors
    /// `NotFound`; what the storage answers.
    fn get(&self, key: &str) -> io::Result<Vec<u8>>;

    /// Whether something is kept under `key`.
    ///
    /// # Errors
    /// What the storage answers.
    fn has(&self, key: &str) -> io::Result<bool>;

    /// All keys below the segments in `prefix` (all keys for an empty one), sorted.
    ///
    /// # Errors
    /// What the storage answers.
    fn list(&self, prefix: &str) -> io::Result<Vec<String>>;

    /// Removes what is under `key`, durably.
    ///
    /// # Errors
    /// `NotFound`; what the storage answers.
    fn remove(&self, key: &str) -> io::Result<()>;
}

/// Checks a key against the rule of [`Blobs`].
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`].
pub fn check_key(key: &str) -> io::Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let segment = |s: &str| !s.is_empty() && !s.starts_with('.') && s.bytes().all(allowed);
    if key.len() <= 512 && key.split('/').all(segment) {
        return Ok(());
    }
    let shown: String = key.chars().take(80).collect();
    let message = format!("{shown:?} is not a key of an object");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Objects as files below one folder of a [`Disk`]; the key is the path.
#[derive(Clone)]
pub struct FileBlobs {
    disk: Arc<dyn Disk>,
    root: PathBuf,
}

impl FileBlobs {
    /// Objects below `root`, which is made when the first one is put.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, root: PathBuf) -> Self {
        Self { disk, root }
    }

    fn path(&self, key: &str) -> io::Result<PathBuf> {
        check_key(key)?;
        Ok(self.root.join(key))
    }

    fn collect(&self, prefix: &str, keys: &mut Vec<String>) -> io::Result<()> {
        let names = match self.disk.list(&self.root.join(prefix)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                keys.push(prefix.to_owned());
                return Ok(());
            }
            other => other?,
        };
        for name in names {
            let key = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            self.collect(&key, keys)?;
        }
        Ok(())
    }
}

impl Blobs for FileBlobs {
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(key)?;
        match self.disk.read(&path) {
            Ok(kept) if kept == bytes => return Ok(()),
            Ok(_) => {
                let message = format!("other bytes are kept under {key:?}");
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.disk.create_dir_all(folder(&path))?;
        self.disk.write_atomic(&path, bytes)
    }

    fn get(&self, key: &str) -> io::Result<Vec<u8>> {
        self.disk.read(&self.path(key)?)
    }

    fn has(&self, key: &str) -> io::Result<bool> {
        match self.disk.len(&self.path(key)?) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        if !prefix.is_empty() {
            check_key(prefix)?;
        }
        let mut keys = Vec::new();
        self.collect(prefix, &mut keys)?;
        keys.sort_unstable();
        Ok(keys)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        let path = self.path(key)?;
        self.disk.remove(&path)?;
        self.disk.sync_dir(folder(&path))
    }
}
