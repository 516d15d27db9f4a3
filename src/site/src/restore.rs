//! Restoring a backup (`backup.rs`) into an empty data folder, where every byte of it holds.
//!
//! It is unpacked beside its place and moved there once everything was verified; what fails leaves the
//! folder as it was. The appliance only reads afterwards (`recovery.rs`).

use crate::{
    Error, Folder, Progress, Report, Restored,
    backup::{FILE_BYTES_MAX, Listed, MANIFEST, Manifest, SCHEMA},
    clock, keys,
    site::replay,
    snapshot::Snapshots,
};
use durable::{Disk, FileBlobs, RealDisk};
use fleet::{Epoch, Fact};
use ids::{Digest, Hasher};
use ledger::{FileLedger, Log};
use merkle::{KeyKind, VerifierKey};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::{self, BufReader, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use store::{Evidence, Store};

/// Longest manifest, in bytes.
const MANIFEST_BYTES_MAX: u64 = 256 << 20;
/// Where it is unpacked, in the data folder itself: that may be a disk of its own.
const STAGING: &str = ".restoring";
/// What may stand at the top of a backup.
const TOPS: [&str; 8] =
    ["accounts", "evidence", "keys", "ledger", "origin", "recovery", "state", "store"];
/// How the logs of epochs that are over are named.
const FROZEN: &str = "ledger-epoch-";
/// What a new file system brings along.
const LOST_AND_FOUND: &str = "lost+found";

/// What to restore, and who opens it.
#[derive(Debug, Clone)]
pub struct RestoreOrder {
    /// The backup.
    pub from: PathBuf,
    /// An age identity file (`AGE-SECRET-KEY-1...`).
    pub identity: Vec<u8>,
    /// SHA-256 of the manifest, where somebody wrote it down.
    pub manifest: Option<Digest>,
}

/// Restores a backup into a data folder that is empty, or not there.
///
/// # Errors
/// [`Error::Input`] for what is no backup, is cut off or altered, or was made for others, and for a
/// folder that is not empty; what the disk refuses. Nothing of it is left behind.
pub fn restore(
    folder: &Folder,
    order: &RestoreOrder,
    report: Report<'_>,
) -> Result<Restored, Error> {
    let made = is_empty(folder.path())?;
    let lock = folder.lock()?;
    let nothing_else = |name: &str| {
        TOPS.contains(&name) || name.starts_with(FROZEN) || [STAGING, "lock"].contains(&name)
    };
    let staging = folder.path().join(STAGING);
    let done = unpack(order, &staging, report).and_then(|manifest| {
        let restored = verify(&Folder::at(&staging), manifest, report)?;
        move_up(&staging, folder.path())?;
        Ok(restored)
    });
    if done.is_err() {
        let entries = fs::read_dir(folder.path()).into_iter().flatten().flatten();
        for entry in entries.filter(|e| e.file_name().to_str().is_some_and(nothing_else)) {
            let path = entry.path();
            drop(if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) });
        }
        drop(lock);
        if made {
            drop(fs::remove_dir(folder.path()));
        }
    }
    done
}

/// Whether the folder is not there; an error when it holds anything.
fn is_empty(path: &Path) -> Result<bool, Error> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other.map_err(|source| Error::Folder { path: path.to_owned(), source })?,
    };
    if entries.flatten().any(|entry| entry.file_name() != LOST_AND_FOUND) {
        return Err(Error::Input(format!(
            "{} is not empty, and a backup is restored into an empty folder only; nothing was changed",
            path.display()
        )));
    }
    Ok(false)
}

/// Opens the backup and writes its files below `into`, each of them as the manifest lists it.
fn unpack(
    order: &RestoreOrder,
    into: &Path,
    report: Report<'_>,
) -> Result<(Manifest, Digest), Error> {
    let from = order.from.display();
    let unread = |source| Error::Folder { path: order.from.clone(), source };
    let file = File::open(&order.from).map_err(unread)?;
    let length = file.metadata().map_err(unread)?.len();
    let not_whole = |e: io::Error| match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied => {
            Error::Folder { path: into.to_owned(), source: e }
        }
        _ => Error::Input(format!(
            "{from} is cut off or was altered ({e}); nothing was restored: take another copy of it"
        )),
    };
    let opened = open(file, order)?;
    let mut archive = tar::Archive::new(opened);
    let mut found: BTreeMap<String, Listed> = BTreeMap::new();
    let mut manifest: Option<Vec<u8>> = None;
    let mut done = 0;
    for member in archive.entries().map_err(not_whole)? {
        let mut member = member.map_err(not_whole)?;
        let path = member.path().map_err(not_whole)?.to_string_lossy().into_owned();
        if manifest.is_some() || member.header().entry_type() != tar::EntryType::Regular {
            return Err(no_backup(&format!("{from} holds {path:?}, which no backup does")));
        }
        if path == MANIFEST {
            let mut bytes = Vec::new();
            let mut limited = (&mut member).take(MANIFEST_BYTES_MAX);
            limited.read_to_end(&mut bytes).map_err(not_whole)?;
            manifest = Some(bytes);
            continue;
        }
        let listed = write_member(&mut member, &path, into).map_err(not_whole)?;
        done += listed.bytes;
        found.insert(path, listed);
        report(Progress::bytes("restoring", done.min(length), length));
    }
    // To its very end, where a file that was cut off shows.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(not_whole)?;
    let bytes = manifest.ok_or_else(|| no_backup(&format!("{from} has no manifest")))?;
    let digest = Digest::of(&bytes);
    if let Some(known) = order.manifest.filter(|known| *known != digest) {
        let message = format!("{from} is another backup: its manifest is {digest}, not {known}");
        return Err(no_backup(&message));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|e| no_backup(&format!("the manifest of {from} cannot be read: {e}")))?;
    if manifest.schema != SCHEMA || manifest.files != found {
        let message = format!("{from} does not hold the files that its manifest lists");
        return Err(no_backup(&message));
    }
    Ok((manifest, digest))
}

fn no_backup(why: &str) -> Error {
    Error::Input(format!("{why}; nothing was restored"))
}

/// The plain stream of a backup.
fn open(file: File, order: &RestoreOrder) -> Result<impl Read + use<>, Error> {
    let identities = age::IdentityFile::from_buffer(&order.identity[..])
        .and_then(|file| file.into_identities().map_err(io::Error::other))
        .map_err(|e| no_backup(&format!("the identity file is none of age's ({e})")))?;
    let from = order.from.display();
    let sealed = age::Decryptor::new_buffered(BufReader::new(file));
    let sealed = sealed
        .map_err(|e| no_backup(&format!("{from} is no backup, or its head was altered ({e})")))?;
    let known = identities.iter().map(|identity| &**identity as &dyn age::Identity);
    sealed.decrypt(known).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys => {
            no_backup(&format!("{from} was not made for this identity"))
        }
        other => no_backup(&format!("{from} was altered ({other})")),
    })
}

/// Writes one file of the tar, and says what it was.
fn write_member(from: &mut impl Read, path: &str, into: &Path) -> io::Result<Listed> {
    durable::check_key(path)?;
    let top = path.split('/').next().unwrap_or_default();
    if !TOPS.contains(&top) && !top.starts_with(FROZEN) {
        return Err(io::Error::other(format!("{path:?} has no place in a data folder")));
    }
    let place = into.join(path);
    if let Some(folder) = place.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&place)?;
    let (mut hasher, mut bytes, mut chunk) = (Hasher::default(), 0, vec![0; 64 << 10]);
    loop {
        let n = from.read(&mut chunk)?;
        if n == 0 {
            return Ok(Listed { bytes, sha256: hasher.finish() });
        }
        bytes += n as u64;
        if bytes > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("{path} is too long")));
        }
        hasher.update(&chunk[..n]);
        file.write_all(&chunk[..n])?;
    }
}

/// The logs against their signed checkpoints, documents and evidence against their digests, and the
/// state that follows.
fn verify(
    staged: &Folder,
    (manifest, digest): (Manifest, Digest),
    report: Report<'_>,
) -> Result<Restored, Error> {
    report(Progress::count("verifying the log", 0, manifest.entries, "entries"));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let key = keys::load(disk.as_ref(), staged, keys::Purpose::Log)?;
    let origin = staged.origin(disk.as_ref())?;
    let public = VerifierKey::new(&origin, KeyKind::Ed25519, key.verifying_key());
    let public = public.map_err(|e| no_backup(&e.to_string()))?;
    let log = whole(&staged.ledger(), &public)?;
    let checkpoint = log.checkpoint();
    if (checkpoint.size, checkpoint.root) != (manifest.entries, manifest.root) {
        return Err(no_backup("the log is not the one that the manifest names"));
    }
    let mut before = first(&log)?;
    while let Some(epoch) = before {
        let key = VerifierKey::parse(&epoch.previous_key).map_err(|e| no_backup(&e.to_string()))?;
        let frozen = (1..epoch.epoch).rev().map(|n| staged.frozen(n)).find(|path| path.exists());
        let Some(frozen) = frozen else { break };
        let log = whole(&frozen, &key)?;
        if log.checkpoint().root != epoch.previous_root {
            return Err(no_backup("the log of an earlier epoch is not the one that was left"));
        }
        before = first(&log)?.filter(|older| older.epoch < epoch.epoch);
    }
    let store = Store::open(Arc::clone(&disk), &staged.store()).map_err(Error::Store)?;
    for document in store.list().map_err(Error::Store)? {
        store.check(&document).map_err(Error::Store)?;
    }
    let evidence = Evidence::open(Arc::clone(&disk), &staged.evidence()).map_err(Error::Store)?;
    for commitment in evidence.list().map_err(Error::Store)? {
        evidence.get(&commitment).map_err(Error::Store)?;
    }
    disk.create_dir_all(&staged.state())
        .map_err(|source| Error::Folder { path: staged.state(), source })?;
    let (ledger, _) =
        FileLedger::open_thoroughly(Arc::clone(&disk), &staged.ledger(), &origin, key)
            .map_err(Error::OpenLedger)?;
    let mut snapshots = Snapshots::new(Arc::clone(&disk), &staged.state());
    let state = replay(&ledger, &mut snapshots, &store)?;
    if state.site.as_ref() != Some(&manifest.site) || state.entries != manifest.entries {
        return Err(no_backup("the state that the log leads to is not this site's"));
    }
    let restored = Restored {
        site: manifest.site,
        backup_at: manifest.made_at,
        restored_at: clock::now(),
        entries: manifest.entries,
        manifest: digest,
        payloads: manifest.payloads,
        payload_bytes: manifest.payload_bytes,
    };
    restored.save(disk.as_ref(), staged)?;
    Ok(restored)
}

/// A published log, every entry of it hashed.
fn whole(folder: &Path, key: &VerifierKey) -> Result<Log, Error> {
    let blobs = FileBlobs::new(Arc::new(RealDisk), folder.to_owned());
    let log = Log::read(Arc::new(blobs), key).map_err(Error::OpenLedger)?;
    log.verify_all().map_err(Error::OpenLedger)?;
    Ok(log)
}

/// How a log's epoch goes on from the one before, where it does.
fn first(log: &Log) -> Result<Option<Box<Epoch>>, Error> {
    if log.checkpoint().size == 0 {
        return Ok(None);
    }
    let entries = log.entries(0..1).map_err(Error::OpenLedger)?;
    let entry = entries.first().map_or(&[][..], Vec::as_slice);
    let event = fleet::decode(entry).map_err(|source| Error::Entry { index: 0, source })?;
    Ok(match event.fact {
        Fact::EpochOpened(epoch) => Some(epoch),
        _ => None,
    })
}

/// Puts everything in its place, durably: the mark first, the log last, since it makes it a site.
fn move_up(staging: &Path, folder: &Path) -> Result<(), Error> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Folder { path, source }
    };
    RealDisk.sync_filesystem(staging).map_err(fail(staging))?;
    let mut names = RealDisk.list(staging).map_err(fail(staging))?;
    names.sort_by_key(|name| match name.as_str() {
        "recovery" => 0,
        "ledger" => 2,
        _ => 1,
    });
    for name in names {
        let place = folder.join(&name);
        RealDisk.rename(&staging.join(&name), &place).map_err(fail(&place))?;
        RealDisk.sync_dir(folder).map_err(fail(folder))?;
    }
    RealDisk.remove(staging).map_err(fail(staging))?;
    RealDisk.sync_dir(folder).map_err(fail(folder))
}
