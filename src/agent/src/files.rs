//! Files that the agent keeps: put in place whole, with their owner and permissions from the first byte.

use crate::{Error, Machine};
use durable::{Disk, RealDisk};
use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
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

/// Fails where anybody but root could have written a file or folder of the machine, or one of the folders
/// above it.
pub(crate) fn only_roots(machine: &Machine, inside: &str) -> Result<(), Error> {
    for inside in Path::new(inside).ancestors().filter(|path| *path != Path::new("/")) {
        let path = machine.path(&inside.to_string_lossy());
        let meta = fs::symlink_metadata(&path).map_err(Error::file("read", &path))?;
        let text = inside.display();
        if meta.is_symlink() {
            return Err(Error::Refused(format!("{text} is a link: put the thing itself there")));
        }
        if meta.uid() != 0 || meta.mode() & 0o022 != 0 {
            return Err(Error::Refused(format!(
                "{text} is not root's alone: others than root could have written it"
            )));
        }
    }
    Ok(())
}

/// A file's bytes, or nothing where there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { act: "read", path: path.to_owned(), source }),
    }
}
