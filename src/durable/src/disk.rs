//! The `Disk` trait: every change that the house makes to a file goes through it.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A new file that is being written from front to back.
pub trait WriteFile: Write + Send {
    /// Makes the bytes written so far durable (fsync). The *name* of the file is durable only after
    /// [`Disk::sync_dir`] of its folder. An error is final: give the file up.
    ///
    /// # Errors
    /// What the disk answers.
    fn sync(&mut self) -> io::Result<()>;
}

/// Files and folders. Paths are used as they are; whoever makes them from outside text checks first.
///
/// Errors are those of the operating system; a missing file is [`io::ErrorKind::NotFound`], a full
/// disk [`io::ErrorKind::StorageFull`]. New files get the permissions that the process's umask leaves.
pub trait Disk: Send + Sync {
    /// The whole file.
    ///
    /// # Errors
    /// `NotFound`, or what the disk answers.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Puts a whole file in place, durably: a temporary file in the same folder, fsync, rename, fsync
    /// of the folder. After a crash the old or the new bytes are there, never a mixture.
    ///
    /// # Errors
    /// What the disk answers. The old bytes, or the new ones, are in place; which, is unknown.
    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Adds bytes at the end of a file, durably (one fdatasync). Makes the file if it is missing.
    ///
    /// # Errors
    /// What the disk answers. Any number of the bytes may have been added: the tail must be read
    /// again before anything else is added.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file to `len` bytes, durably.
    ///
    /// # Errors
    /// `NotFound`, or what the disk answers.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;

    /// Makes a new file for streaming. Nothing is durable before its `sync` and `sync_dir`.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken, or what the disk answers.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Gives a file another name on the same file system, over whatever bears it. Durable only after
    /// [`Disk::sync_dir`] of both folders, or [`Disk::sync_filesystem`].
    ///
    /// # Errors
    /// `NotFound`, or what the disk answers.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the disk answers; final.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Names of the files and folders in `dir`, sorted, without those for which [`is_temporary`] holds.
    ///
    /// # Errors
    /// `NotFound`; `NotADirectory`; `InvalidData` for a name that is not UTF-8.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Removes a file or an empty folder. Durable only after [`Disk::sync_dir`] of its folder.
    ///
    /// # Errors
    /// `NotFound`, `DirectoryNotEmpty`, or what the disk answers.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Length of a file in bytes.
    ///
    /// # Errors
    /// `NotFound`, or what the disk answers.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Makes a folder and those above it, durably. A folder that is there already is no error.
    ///
    /// # Errors
    /// What the disk answers.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Keeps a file or a folder from everybody but its owner (mode 0600, 0700).
    ///
    /// # Errors
    /// `NotFound`, or what the disk answers.
    fn keep_private(&self, path: &Path) -> io::Result<()>;

    /// Makes everything on the file system that holds `path` durable (syncfs): one call for many files.
    ///
    /// # Errors
    /// What the disk answers; final.
    fn sync_filesystem(&self, path: &Path) -> io::Result<()>;

    /// Bytes that an unprivileged program may still write on the file system that holds `path`.
    ///
    /// # Errors
    /// What the disk answers.
    fn available(&self, path: &Path) -> io::Result<u64>;
}

const SUFFIX: &str = ".tmp";

/// Whether `name` is that of an atomic write in the making, or of one that a crash left behind.
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(SUFFIX)
}

/// The folder of `path`; `.` for a bare name.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary name beside `path`, another one for each call, so that two threads never share it.
pub(crate) fn temporary(path: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name")
    })?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}{SUFFIX}", NEXT.fetch_add(1, Ordering::Relaxed)));
    Ok(folder(path).join(temporary))
}
