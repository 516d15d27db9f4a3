//! Files that a running server makes for a verb: it writes in its data folder only, so the verb takes them from there.

use super::{Reply, Request};
use crate::failure::Failure;
use durable::{Disk as _, RealDisk};
use ids::Fault;
use site::Folder;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
};
use tempfile::TempDir;

/// Has a server do what `request` says, and puts the file that it makes, if it makes one, where it was wanted.
pub(super) fn around(
    folder: &Folder,
    mut request: Request,
    ask: impl FnOnce(&Request) -> Result<Reply, Failure>,
) -> Result<Reply, Failure> {
    let (Request::ExportAudit { into, .. } | Request::Backup { into, .. }) = &mut request else {
        return ask(&request);
    };
    if into.exists() {
        let message = format!("{} is there already; nothing was written", into.display());
        return Err(Failure::say(Fault::Input, message));
    }
    let place = place(folder.path()).map_err(|e| Failure::file("write in", folder.path(), &e))?;
    let made = place.path().join("file");
    let wanted = std::mem::replace(into, made.clone());
    let reply = ask(&request)?;
    if let Err(error) = take(&made, &wanted) {
        // The log says that it was made: it is not thrown away.
        let kept = place.keep().join("file");
        let message = format!(
            "{} could not be written ({error}); what was made is kept as {}",
            wanted.display(),
            kept.display()
        );
        return Err(Failure::say(Fault::Unavailable, message));
    }
    Ok(reply)
}

/// A folder of one verb's, in which the account of the data folder may write, whoever runs the verb.
fn place(data: &Path) -> io::Result<TempDir> {
    let place = tempfile::Builder::new().prefix("handed-over-").tempdir_in(data)?;
    let owner = fs::metadata(data)?;
    if fs::metadata(place.path())?.uid() != owner.uid() {
        chown(place.path(), Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(place)
}

/// Moves a file, to another file system too; it has its name there once all of it is on the disk.
fn take(made: &Path, wanted: &Path) -> io::Result<()> {
    match fs::rename(made, wanted) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let partial = wanted.with_added_extension("partial");
            let copied = fs::copy(made, &partial)
                .and_then(|_| File::open(&partial)?.sync_all())
                .and_then(|()| fs::rename(&partial, wanted));
            copied.inspect_err(|_| drop(fs::remove_file(&partial)))?;
        }
        moved => moved?,
    }
    RealDisk.sync_dir(wanted.parent().unwrap_or(Path::new("/")))
}
