//! Backing up: one file, encrypted with age, that holds all but payloads; bundles bring those back.
//!
//! Inside is a tar. Its last member, `manifest.json`, lists every other one with length and SHA-256, so
//! that whoever wrote its digest down knows the backup again. `restore.rs` reads it.

use crate::{Error, Progress, Report, Site};
use age::x25519::Recipient;
use durable::{Disk, RealDisk};
use fleet::{Actor, Command, Fact};
use ids::{Digest, SiteName, Timestamp};
use ledger::Log;
use merkle::{Edge, Tile, TileKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The schema number of the manifest.
pub(crate) const SCHEMA: u32 = 1;
/// The manifest's name in the tar.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The list of payloads, in the tar and in a restored data folder: digest and length, one a line.
pub(crate) const PAYLOADS: &str = "recovery/payloads";
/// Longest file of a backup, in bytes: a catalogue may be as long.
pub(crate) const FILE_BYTES_MAX: u64 = bundle::COMPRESSED_BYTES_MAX;
/// Entries in one tile of entries.
const TILE: u64 = merkle::TILE_WIDTH as u64;

/// What to back up, and for whom.
#[derive(Debug, Clone)]
pub struct BackupOrder {
    /// The file to write; it must not be there yet.
    pub into: PathBuf,
    /// Whose keys open it: `age1...`.
    pub recipients: Vec<String>,
}

/// A backup that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// SHA-256 of its manifest: who knows it, knows the backup again.
    pub manifest: Digest,
    /// When.
    pub made_at: Timestamp,
    /// Entries of the log in it.
    pub entries: u64,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the encrypted file.
    pub written: u64,
    /// Payloads that are only listed in it.
    pub payloads: u64,
    /// Their lengths together.
    pub payload_bytes: u64,
    /// How many keys open it.
    pub recipients: u64,
}

/// The last member of the tar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) schema: u32,
    pub(crate) site: SiteName,
    pub(crate) origin: String,
    pub(crate) entries: u64,
    pub(crate) root: Digest,
    pub(crate) made_at: Timestamp,
    pub(crate) patchkeep: String,
    pub(crate) payloads: u64,
    pub(crate) payload_bytes: u64,
    /// Every file but this one, by name.
    pub(crate) files: BTreeMap<String, Listed>,
}

/// One file of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    pub(crate) bytes: u64,
    pub(crate) sha256: Digest,
}

impl Site {
    /// Writes a backup of everything that is published so far, and says so in the ledger.
    ///
    /// # Errors
    /// [`Error::Input`] for recipients that are none and a file that is there; [`Error::Backup`] when it
    /// cannot be written: nothing of it is kept.
    pub fn back_up(
        &self,
        actor: Actor,
        order: &BackupOrder,
        report: Report<'_>,
    ) -> Result<BackedUp, Error> {
        self.writable()?;
        let recipients = recipients(&order.recipients)?;
        let into = &order.into;
        if into.exists() {
            let message = format!("{} is there already; nothing was written", into.display());
            return Err(Error::Input(message));
        }
        let failed = |e: io::Error| Error::Backup(format!("{}: {e}", into.display()));
        let partial = into.with_added_extension("partial");
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&partial);
        let written = self.write_backup(file.map_err(failed)?, &recipients, report);
        let done = written.and_then(|done| {
            fs::rename(&partial, into).map_err(failed)?;
            let folder = into.parent().filter(|folder| !folder.as_os_str().is_empty());
            RealDisk.sync_dir(folder.unwrap_or(Path::new("."))).map_err(failed)?;
            Ok(done)
        });
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                drop(fs::remove_file(&partial));
                return Err(error);
            }
        };
        let BackedUp { manifest, entries, files, bytes, recipients, .. } = done;
        let command = Command::RecordBackup { manifest, entries, files, bytes, recipients };
        self.heart().ask(actor, command)?;
        Ok(done)
    }

    fn write_backup(
        &self,
        file: File,
        recipients: &[Recipient],
        report: Report<'_>,
    ) -> Result<BackedUp, Error> {
        let unwritten = |e: io::Error| Error::Backup(e.to_string());
        let whom = recipients.iter().map(|r| r as &dyn age::Recipient);
        let sealed = age::Encryptor::with_recipients(whom);
        let sealed = sealed.map_err(|e| Error::Backup(e.to_string()))?;
        let out = sealed.wrap_output(BufWriter::new(file)).map_err(unwritten)?;
        self.keep_seen()?;
        // Before publishing: a state that is newer than the log would be of no use.
        let state = read_if_there(&self.folder().state().join("state.json"))?;
        self.heart().publish()?;
        let log = self.published_log()?;
        let mut pack = Pack::new(out, report);
        let mut named = self.pack_log(&log, &mut pack)?;
        if let Some(state) = state {
            pack.put("state/state.json", &state)?;
        }
        pack.put("origin", format!("{}\n", log.checkpoint().origin).as_bytes())?;
        pack.put_folder("keys", &self.folder().keys())?;
        let accounts = self.folder().accounts();
        if accounts.exists() {
            pack.put_folder("accounts", &accounts)?;
        }
        self.pack_frozen(&mut named, &mut pack)?;
        pack.put_file("state/seen.json", &self.folder().state().join("seen.json"))?;
        for commitment in self.evidence().list().map_err(Error::Store)? {
            let path = self.folder().evidence().join(commitment.to_hex());
            // One that is erased meanwhile is gone, as it should be.
            pack.put_file(&format!("evidence/{commitment}"), &path)?;
        }
        let (payloads, payload_bytes) = self.pack_documents(&named, &mut pack)?;
        let manifest = Manifest {
            schema: SCHEMA,
            site: self.name()?,
            origin: log.checkpoint().origin.clone(),
            entries: log.checkpoint().size,
            root: log.checkpoint().root,
            made_at: self.now(),
            patchkeep: env!("CARGO_PKG_VERSION").to_owned(),
            payloads,
            payload_bytes,
            files: pack.listed.clone(),
        };
        let bytes = serde_json::to_vec_pretty(&manifest).map_err(Error::State)?;
        let (files, sum) = (manifest.files.len() as u64, pack.bytes);
        pack.put(MANIFEST, &bytes)?;
        let sealed = pack.tar.into_inner().and_then(age::stream::StreamWriter::finish);
        let file = sealed.and_then(|out| Ok(out.into_inner()?)).map_err(unwritten)?;
        file.sync_all().map_err(unwritten)?;
        Ok(BackedUp {
            manifest: Digest::of(&bytes),
            made_at: manifest.made_at,
            entries: manifest.entries,
            files,
            bytes: sum,
            written: file.metadata().map_err(unwritten)?.len(),
            payloads,
            payload_bytes,
            recipients: recipients.len() as u64,
        })
    }

    /// The published log, hashed again from its entries; gives the digests that these name.
    fn pack_log<W: Write>(
        &self,
        log: &Log,
        pack: &mut Pack<'_, W>,
    ) -> Result<BTreeSet<Digest>, Error> {
        let (size, mut named) = (log.checkpoint().size, BTreeSet::new());
        let (mut edge, mut tiles) = (Edge::default(), Vec::new());
        for index in 0..size.div_ceil(TILE) {
            let range = index * TILE..size.min((index + 1) * TILE);
            let entries = log.entries(range).map_err(Error::OpenLedger)?;
            for entry in &entries {
                edge.push(merkle::leaf_hash(entry), |tile, hashes| {
                    tiles.push((tile, merkle::encode_hashes(hashes)));
                });
                self.name_digests(entry, &mut named)?;
            }
            if let Some(tile) = Tile::of_tree(TileKind::Entries, index, size) {
                let bytes = merkle::encode_entries(&entries);
                let bytes = bytes.map_err(|e| Error::Backup(e.to_string()))?;
                pack.put(&format!("ledger/{tile}"), &bytes)?;
            }
        }
        if edge.root() != log.checkpoint().root {
            return Err(Error::OpenLedger(ledger::Error::Root { size }));
        }
        tiles.extend(edge.partial_tiles().map(|(tile, row)| (tile, merkle::encode_hashes(row))));
        for (tile, bytes) in tiles {
            pack.put(&format!("ledger/{tile}"), &bytes)?;
        }
        pack.put("ledger/checkpoint", log.note().as_bytes())?;
        Ok(named)
    }

    /// The logs of epochs before this one, as they were published last, and what they name.
    fn pack_frozen<W: Write>(
        &self,
        named: &mut BTreeSet<Digest>,
        pack: &mut Pack<'_, W>,
    ) -> Result<(), Error> {
        for epoch in 1..self.state().epoch() {
            let folder = self.folder().frozen(epoch);
            if !folder.exists() {
                continue;
            }
            let name = format!("ledger-epoch-{epoch}");
            pack.put_file(&format!("{name}/checkpoint"), &folder.join("checkpoint"))?;
            pack.put_folder(&format!("{name}/tile"), &folder.join("tile"))?;
            let entries = format!("{name}/tile/entries/");
            let of_entries: Vec<String> =
                pack.listed.keys().filter(|path| path.starts_with(&entries)).cloned().collect();
            for path in of_entries {
                let bytes = read_if_there(&self.folder().path().join(&path))?.unwrap_or_default();
                let entries = merkle::parse_entries(&bytes);
                for entry in entries.map_err(|e| Error::Backup(format!("{path}: {e}")))? {
                    self.name_digests(&entry, named)?;
                }
            }
        }
        Ok(())
    }

    /// Takes up every digest that an entry names, and those in what it names that are lists of others:
    /// the publisher's metadata, and the state that an epoch went on from.
    fn name_digests(&self, entry: &[u8], named: &mut BTreeSet<Digest>) -> Result<(), Error> {
        let value: Value = serde_json::from_slice(entry).map_err(Error::State)?;
        digests_in(&value, named);
        let list = match fleet::decode(entry).map(|event| event.fact) {
            Ok(Fact::BundleImported { metadata, .. }) => metadata,
            Ok(Fact::EpochOpened(epoch)) => epoch.state,
            _ => return Ok(()),
        };
        if let Ok(bytes) = self.store().read(&list, crate::epoch::STATE_BYTES_MAX) {
            digests_in(&serde_json::from_slice(&bytes).map_err(Error::State)?, named);
        }
        Ok(())
    }

    /// Documents that the log names, and the list of everything else that the store holds: payloads.
    fn pack_documents<W: Write>(
        &self,
        named: &BTreeSet<Digest>,
        pack: &mut Pack<'_, W>,
    ) -> Result<(u64, u64), Error> {
        let (mut list, mut payloads, mut sum) = (String::new(), 0, 0);
        for digest in self.store().list().map_err(Error::Store)? {
            if named.contains(&digest) {
                let bytes = self.store().read(&digest, FILE_BYTES_MAX).map_err(Error::Store)?;
                let hex = digest.to_hex();
                let (folder, name) = hex.split_at(2);
                pack.put(&format!("store/payloads/{folder}/{name}"), &bytes)?;
            } else {
                let length = self.store().length(&digest).map_err(Error::Store)?;
                (payloads, sum) = (payloads + 1, sum + length);
                // Writing to a String cannot fail.
                let _ = writeln!(list, "{digest} {length}");
            }
        }
        pack.put(PAYLOADS, list.as_bytes())?;
        Ok((payloads, sum))
    }
}

/// A tar in the making.
struct Pack<'a, W: Write> {
    tar: tar::Builder<W>,
    listed: BTreeMap<String, Listed>,
    bytes: u64,
    report: Report<'a>,
}

impl<'a, W: Write> Pack<'a, W> {
    fn new(out: W, report: Report<'a>) -> Self {
        Self { tar: tar::Builder::new(out), listed: BTreeMap::new(), bytes: 0, report }
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let length = bytes.len() as u64;
        if length > FILE_BYTES_MAX {
            return Err(Error::Backup(format!("{path} has {length} bytes, too many for one file")));
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(length);
        header.set_mode(0o600);
        header.set_mtime(0);
        let put = header.set_path(path).and_then(|()| {
            header.set_cksum();
            self.tar.append(&header, bytes)
        });
        put.map_err(|e| Error::Backup(format!("{path}: {e}")))?;
        self.listed.insert(path.to_owned(), Listed { bytes: length, sha256: Digest::of(bytes) });
        self.bytes += length;
        (self.report)(Progress::bytes("backing up", self.bytes, 0));
        Ok(())
    }

    /// A file, where it is there.
    fn put_file(&mut self, path: &str, file: &Path) -> Result<(), Error> {
        read_if_there(file)?.map_or(Ok(()), |bytes| self.put(path, &bytes))
    }

    /// Every file below a folder.
    fn put_folder(&mut self, name: &str, folder: &Path) -> Result<(), Error> {
        let fail = |source| Error::Folder { path: folder.to_owned(), source };
        for inside in RealDisk.list(folder).map_err(fail)? {
            let (path, inner) = (folder.join(&inside), format!("{name}/{inside}"));
            if path.is_dir() {
                self.put_folder(&inner, &path)?;
            } else {
                self.put_file(&inner, &path)?;
            }
        }
        Ok(())
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match RealDisk.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(|source| Error::Folder { path: path.to_owned(), source }),
    }
}

/// Every SHA-256 in a value.
fn digests_in(value: &Value, named: &mut BTreeSet<Digest>) {
    match value {
        Value::String(text) => named.extend(text.parse::<Digest>().ok()),
        Value::Array(items) => items.iter().for_each(|item| digests_in(item, named)),
        Value::Object(fields) => fields.values().for_each(|item| digests_in(item, named)),
        _ => {}
    }
}

/// Whose keys open a backup; each once.
fn recipients(texts: &[String]) -> Result<Vec<Recipient>, Error> {
    let distinct: BTreeSet<&str> = texts.iter().map(|text| text.trim()).collect();
    let parse = |text: &&str| {
        text.parse::<Recipient>().map_err(|why| {
            let message = format!(
                "{text:?} is no age recipient ({why}): it begins with age1 and comes from \
                 age-keygen; nothing was written"
            );
            Error::Input(message)
        })
    };
    let recipients: Vec<Recipient> = distinct.iter().map(parse).collect::<Result<_, _>>()?;
    if recipients.is_empty() {
        let message = "a backup needs at least one recipient who can open it: nothing was written";
        return Err(Error::Input(message.to_owned()));
    }
    Ok(recipients)
}
