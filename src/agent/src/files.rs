//! Files that the agent keeps: put in place whole, with their owner and permissions from the first byte.

use crate::Error;
use durable::{Disk, RealDisk};
use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown},
    path::Path,
};

/// Puts a file in place: written beside it, synced, renamed over it.
pub(crate) fn put(path: &Path, bytes: &[u8], mode: u32, owner: Option<u32>) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_folder(folder, 0o755)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.tmp"));
    let written = (|| {
        drop(fs::remove_file(&temporary));
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        if owner.is_some() {
            chown(&temporary, owner, None)?;
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        RealDisk.rename(&temporary, path)?;
        RealDisk.sync_dir(folder)
    })();
    written.map_err(Error::file("write", path))
}

/// Makes a folder, unless it is there.
pub(crate) fn make_folder(path: &Path, mode: u32) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    RealDisk
        .create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))
        .map_err(Error::file("make folder", path))
}

/// A file's bytes, or nothing where there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { act: "read", path: path.to_owned(), source }),
    }
}
