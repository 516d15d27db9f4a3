//! The appliance's data folder: which file is where, and the lock that makes one process its writer.

use crate::Error;
use durable::Disk;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How often a lock is tried, and how long to wait in between.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The data folder at `path`; nothing is touched.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The log: checkpoint, tiles, journal.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }

    /// Payloads by digest, and imports under way.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// What events only commit to.
    #[must_use]
    pub fn evidence(&self) -> PathBuf {
        self.0.join("evidence")
    }

    /// The views in sled.
    #[must_use]
    pub fn views(&self) -> PathBuf {
        self.0.join("views")
    }

    /// Private keys, each in a file of its own.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// What people sign in with, a file for each of them.
    #[must_use]
    pub fn accounts(&self) -> PathBuf {
        self.0.join("accounts")
    }

    /// The newest snapshot of the state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// What a restored appliance keeps until its next epoch is open.
    pub(crate) fn recovery(&self) -> PathBuf {
        self.0.join("recovery")
    }

    /// The log of an epoch that is over, as it was published last.
    pub(crate) fn frozen(&self, epoch: u32) -> PathBuf {
        self.0.join(format!("ledger-epoch-{epoch}"))
    }

    /// Whether an epoch was opened here and its log is to be put in its place at the next start.
    #[must_use]
    pub fn is_opening(&self, disk: &dyn Disk) -> bool {
        is_there(disk, &self.recovery().join("opened"))
    }

    /// Whether the appliance was restored and its next epoch is not open.
    #[must_use]
    pub fn is_restored(&self, disk: &dyn Disk) -> bool {
        is_there(disk, &self.recovery().join("restored.json"))
    }

    /// The socket through which verbs reach a running server.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// The log's origin, as it was founded with. It is beside the log, not in it, because the log
    /// cannot be opened without it.
    ///
    /// # Errors
    /// [`Error::Folder`].
    pub fn origin(&self, disk: &dyn Disk) -> Result<String, Error> {
        let path = self.origin_file();
        let bytes = disk.read(&path).map_err(|source| Error::Folder { path, source })?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Where the log's origin is written.
    pub(crate) fn origin_file(&self) -> PathBuf {
        self.0.join("origin")
    }

    /// Whether a site was founded here.
    #[must_use]
    pub fn is_founded(&self, disk: &dyn Disk) -> bool {
        let log = self.ledger();
        ["checkpoint", "journal"].iter().any(|name| is_there(disk, &log.join(name)))
            || self.is_opening(disk)
    }

    /// Makes the folder, readable by its owner only, and takes its lock.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds it.
    pub fn lock(&self) -> Result<Lock, Error> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        let fail = |source| Error::Folder { path: self.0.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(fail)?;
        let path = self.0.join("lock");
        let mut options = File::options();
        let options = options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(path).map_err(fail)?;
        // A process that was killed a moment ago can hold it a little longer through a child that was
        // forked and not yet executed: only a lock that stays is somebody's.
        for patience in (0..LOCK_TRIES).rev() {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(fs::TryLockError::WouldBlock) if patience == 0 => break,
                Err(fs::TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(fs::TryLockError::Error(source)) => return Err(fail(source)),
            }
        }
        Err(Error::InUse { path: self.0.clone() })
    }
}

/// Whether a file is there, whatever is in it.
fn is_there(disk: &dyn Disk, path: &Path) -> bool {
    disk.len(path).is_ok()
}

/// The lock of a data folder, held while this lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}
