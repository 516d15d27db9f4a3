//! Writing an audit bundle.

use super::{
    AuditError, Manifest, Scope, Witness, html, index, keys,
    manifest::{Absent, Listed, Log, MANIFEST, RAW_SIGNATURE, SCHEMA, SSH_SIGNATURE, is_safe_name},
    people, rows, seam, texts, told,
    told::Told,
    tree::Tree,
};
use ed25519_dalek::SigningKey;
use fleet::{AnchorKind, Event, Fact};
use ids::{Digest, Hasher, Timestamp};
use merkle::{Checkpoint, VerifierKey};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Seek, Write},
};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// Inclusion proofs besides those of imports and of the last entry.
const SAMPLED: u64 = 8;

/// What a bundle is made from. Everything is in memory at once: entries, catalogues and metadata.
pub struct Export<'a> {
    /// All entries of the log, as they are in it.
    pub entries: &'a [Vec<u8>],
    /// The signed checkpoint over exactly these entries.
    pub checkpoint: &'a str,
    /// The log's own key.
    pub log: &'a VerifierKey,
    /// The key that signs bundles. Keep it apart from the log's.
    pub key: &'a SigningKey,
    /// How much leaves the site. Once people are known to the appliance, releasing
    /// [`Scope::Full`] takes two of them; until then the caller decides alone.
    pub scope: Scope,
    /// Checkpoints that endpoints hold, by endpoint.
    pub witnesses: &'a [Witness],
    /// The time to print.
    pub generated_at: Timestamp,
    /// Version of the program.
    pub patchkeep: &'a str,
    /// Bytes that the log names by digest: release files, catalogues, keyrings, publisher metadata.
    pub blob: &'a dyn Fn(&Digest) -> Option<Vec<u8>>,
    /// Evidence behind a commitment; `None` where it was erased.
    pub evidence: &'a dyn Fn(&Digest) -> Option<KeptEvidence>,
}

/// What was kept behind a commitment: `SHA-256(salt || value as canonical JSON)`.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptEvidence {
    /// 32 random bytes.
    pub salt: [u8; 32],
    /// The record.
    pub value: Value,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// SHA-256 of `manifest.json`.
    pub manifest: Digest,
    /// Files in the bundle.
    pub files: u64,
    /// Their bytes, before compression.
    pub bytes: u64,
    /// Entries of the log in it.
    pub entries: u64,
    /// Fingerprint of the key that signed.
    pub key: String,
    /// What the log names and the bundle does not hold.
    pub absent: u64,
}

impl Export<'_> {
    /// Writes the bundle as a zip. Equal input gives equal bytes.
    ///
    /// # Errors
    /// [`AuditError`]: entries that do not fit the checkpoint, or an output that cannot be written.
    pub fn write<W: Write + Seek>(&self, out: W) -> Result<Exported, AuditError> {
        let (files, absent) = self.files()?;
        write_zip(&files, out)?;
        let manifest = files.get(MANIFEST).map(|bytes| Digest::of(bytes));
        Ok(Exported {
            manifest: manifest.unwrap_or_else(|| Digest::of(b"")),
            files: files.len() as u64,
            bytes: files.values().map(|bytes| bytes.len() as u64).sum(),
            entries: self.entries.len() as u64,
            key: keys::fingerprint(&self.key.verifying_key()),
            absent,
        })
    }

    /// All files by name, and how many things are absent.
    fn files(&self) -> Result<(BTreeMap<String, Vec<u8>>, u64), AuditError> {
        let checkpoint = Checkpoint::open(self.checkpoint.as_bytes(), self.log)
            .map_err(AuditError::Checkpoint)?;
        let tree = Tree::new(self.entries);
        if tree.size() != checkpoint.size || tree.root() != checkpoint.root {
            let (entries, size) = (tree.size(), checkpoint.size);
            return Err(AuditError::NotTheTree { entries, size });
        }
        let events = decode(self.entries)?;
        let mut files = Collected { files: BTreeMap::new(), absent: BTreeMap::new() };
        self.log_files(&tree, &events, &mut files)?;
        self.origins(&events, &mut files);
        for (path, digest, what) in seam::files(&events, self.blob) {
            if let Some(bytes) = files.take(self.blob, &digest, what) {
                files.put(path, bytes);
            }
        }
        let records = self.records(&events, &mut files);
        let custody = |record: &Digest| records.get(record).cloned();
        let told = told::gather(&events, self.blob, &custody, self.witnesses);
        let witnesses = people::witnesses_file(self.witnesses);
        let json = |source| AuditError::Json { table: people::WITNESSES, source };
        files.put(people::WITNESSES, witnesses.map_err(json)?);
        self.reports(&told, &events, &checkpoint, &mut files)?;
        self.texts(&checkpoint, &mut files)?;
        self.seal(&told, &checkpoint, files)
    }

    /// Tiles, entries, checkpoint and proofs.
    fn log_files(
        &self,
        tree: &Tree<'_>,
        events: &[Event],
        files: &mut Collected,
    ) -> Result<(), AuditError> {
        files.put("checkpoint", self.checkpoint);
        for (path, bytes) in tree.files()? {
            files.put(format!("log/{path}"), bytes);
        }
        let mut lines = self.entries.join(&b'\n');
        lines.push(b'\n');
        files.put("events/events.jsonl", lines);
        for index in sample(events, &tree.root()) {
            let proof = tree.proof(index, self.checkpoint)?;
            files.put(format!("proofs/{index}.tlog-proof"), proof.to_string());
            let entry = usize::try_from(index).ok().and_then(|index| self.entries.get(index));
            files.put(format!("proofs/{index}.entry"), entry.cloned().unwrap_or_default());
        }
        Ok(())
    }

    /// What vendors and publisher signed.
    fn origins(&self, events: &[Event], files: &mut Collected) {
        let mut newest = None;
        for event in events {
            match &event.fact {
                Fact::AnchorAccepted {
                    anchor: AnchorKind::VendorKeyring, name, sha256, ..
                } => {
                    let what = format!("vendor keyring {name}");
                    if let Some(bytes) = files.take(self.blob, sha256, what) {
                        let kind = if bytes.starts_with(b"-----") { "asc" } else { "gpg" };
                        files.put(format!("vendor/keyrings/{}.{kind}", plain_name(name)), bytes);
                    }
                }
                Fact::SiteRootAccepted { generation, root, .. } => {
                    let what = format!("site root {generation}");
                    if let Some(bytes) = files.take(self.blob, root, what) {
                        files.put(format!("site/root-{generation}.json"), bytes);
                    }
                }
                Fact::StatementAccepted { ring, generation, envelope, .. } => {
                    self.signed(format!("statement-{ring}-{generation}"), envelope, files);
                }
                Fact::WaiverAccepted { envelope, .. } => {
                    self.signed(format!("waiver-{}", envelope.short()), envelope, files);
                }
                Fact::BundleImported { sources, sequence, metadata, .. } => {
                    newest = Some(metadata);
                    for source in sources {
                        let id = &source.source;
                        let what = format!("release file of {id} in bundle {sequence}");
                        let signature = source.vendor.signature;
                        let mut name = "InRelease";
                        if let Some(bytes) = files.take(self.blob, &source.vendor.release, what) {
                            name = release_name(signature.is_some(), &bytes);
                            files.put(format!("vendor/{id}/{sequence}/{name}"), bytes);
                        }
                        let what = format!("signature over {id} in bundle {sequence}");
                        let signature = signature.and_then(|of| files.take(self.blob, &of, what));
                        if let Some(bytes) = signature {
                            files.put(format!("vendor/{id}/{sequence}/{name}.asc"), bytes);
                        }
                        let what = format!("catalogue of {id} in bundle {sequence}");
                        if let Some(bytes) = files.take(self.blob, &source.catalogue, what) {
                            let name = catalogue_name(&bytes);
                            files.put(format!("vendor/{id}/{sequence}/{name}"), bytes);
                        }
                    }
                }
                _ => {}
            }
        }
        if let Some(metadata) = newest {
            self.publisher(metadata, files);
        }
    }

    /// What an approver signed: it names endpoints, so the scope has a say.
    fn signed(&self, name: String, envelope: &Digest, files: &mut Collected) {
        if self.scope == Scope::Summary {
            files.absent.insert(*envelope, format!("{name}, withheld by scope"));
        } else if let Some(bytes) = files.take(self.blob, envelope, name.clone()) {
            files.put(format!("site/{name}.json"), bytes);
        }
    }

    /// The chain of roots and the other metadata of the newest bundle, as the list in the log says.
    fn publisher(&self, metadata: &Digest, files: &mut Collected) {
        let list = "list of the publisher's metadata";
        let Some(bytes) = files.take(self.blob, metadata, list.into()) else { return };
        let names: BTreeMap<String, Digest> = serde_json::from_slice(&bytes).unwrap_or_default();
        files.put("publisher/metadata.json", bytes);
        for (name, digest) in names.into_iter().filter(|(name, _)| trust::is_metadata_name(name)) {
            if let Some(bytes) = files.take(self.blob, &digest, format!("publisher's {name}")) {
                files.put(format!("publisher/metadata/{name}"), bytes);
            }
        }
    }

    /// The records behind the events, where the scope lets them out: custody, endpoints.
    fn records(&self, events: &[Event], files: &mut Collected) -> BTreeMap<Digest, Value> {
        let mut records = BTreeMap::new();
        for event in events {
            let Some((path, commitment)) = record_of(&event.fact) else { continue };
            let what = || path.trim_end_matches(".json").to_owned();
            if self.scope == Scope::Summary {
                files.absent.insert(*commitment, format!("{}, withheld by scope", what()));
                continue;
            }
            let Some(kept) = (self.evidence)(commitment) else {
                files.absent.insert(*commitment, format!("{}, erased or lost", what()));
                continue;
            };
            let salt = Digest::from_bytes(kept.salt);
            let both = serde_json::json!({"salt": salt, "value": kept.value});
            if let Ok(bytes) = serde_json_canonicalizer::to_vec(&both) {
                files.put(path, bytes);
                records.insert(*commitment, kept.value);
            }
        }
        records
    }

    fn reports(
        &self,
        told: &Told,
        events: &[Event],
        checkpoint: &Checkpoint,
        files: &mut Collected,
    ) -> Result<(), AuditError> {
        table("imports", &told.imports, files)?;
        table("updates", &told.updates, files)?;
        table("refusals", &told.refusals, files)?;
        table("decisions", &told.decisions, files)?;
        table("endpoints", &told.endpoints, files)?;
        let page = html::Context {
            told,
            events,
            checkpoint,
            log: self.log,
            key: keys::fingerprint(&self.key.verifying_key()),
            scope: self.scope,
            generated_at: self.generated_at,
            patchkeep: self.patchkeep,
        };
        files.put("reports/report.html", html::report(&page)?);
        files.put("reports/summary.json", html::summary(&page)?);
        files.put("evidence-index.csv", index::evidence_index(told, events));
        Ok(())
    }

    fn texts(&self, checkpoint: &Checkpoint, files: &mut Collected) -> Result<(), AuditError> {
        let key = self.key.verifying_key();
        files.put("key.pub.pem", keys::pem(&key)?);
        files.put("log.pub.pem", keys::pem(self.log.key())?);
        files.put("allowed_signers", keys::allowed_signers(&key)?);
        files.put("verify.sh", include_str!("../../assets/verify.sh"));
        let windows = include_str!("../../assets/verify.ps1").replace('\n', "\r\n");
        files.put("verify.ps1", windows);
        let fingerprint = keys::fingerprint(&key);
        let texts =
            texts::texts(&fingerprint, checkpoint, self.log, self.scope, self.generated_at)?;
        for (name, text) in texts {
            files.put(name, text);
        }
        Ok(())
    }

    /// Sums, manifest and signatures.
    fn seal(
        &self,
        told: &Told,
        checkpoint: &Checkpoint,
        collected: Collected,
    ) -> Result<(BTreeMap<String, Vec<u8>>, u64), AuditError> {
        let Collected { mut files, absent } = collected;
        let sums: String =
            files.iter().map(|(path, bytes)| format!("{}  {path}\n", Digest::of(bytes))).collect();
        files.insert("SHA256SUMS".into(), sums.into_bytes());
        if let Some(name) = files.keys().find(|name| !is_safe_name(name)) {
            return Err(AuditError::Name { name: name.clone() });
        }
        let listed = |(path, bytes): (&String, &Vec<u8>)| {
            let (sha256, length) = (Digest::of(bytes), bytes.len() as u64);
            Listed { sha256, bytes: length, path: path.clone() }
        };
        let absent: Vec<Absent> =
            absent.into_iter().map(|(digest, what)| Absent { digest, what }).collect();
        let absences = absent.len() as u64;
        let manifest = Manifest {
            schema: SCHEMA,
            scope: self.scope,
            generated_at: self.generated_at,
            patchkeep: self.patchkeep.to_owned(),
            site: told.state.site.as_ref().map(ToString::to_string).unwrap_or_default(),
            key: keys::fingerprint(&self.key.verifying_key()),
            log: Log {
                origin: checkpoint.origin.clone(),
                size: checkpoint.size,
                root: checkpoint.root,
                vkey: self.log.to_string(),
            },
            absent,
            files: files.iter().map(listed).collect(),
        };
        let json = |source| AuditError::Json { table: MANIFEST, source };
        let manifest = manifest.to_json().map_err(json)?.into_bytes();
        let signatures = keys::sign(self.key, &manifest)?;
        files.insert(SSH_SIGNATURE.into(), signatures.ssh.into_bytes());
        files.insert(RAW_SIGNATURE.into(), signatures.raw.to_vec());
        files.insert(MANIFEST.into(), manifest);
        Ok((files, absences))
    }
}

/// Files in the making.
struct Collected {
    files: BTreeMap<String, Vec<u8>>,
    absent: BTreeMap<Digest, String>,
}

impl Collected {
    fn put(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }

    /// The bytes behind a digest, if they are there and theirs; else a line in `absent`.
    fn take(
        &mut self,
        blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
        digest: &Digest,
        what: String,
    ) -> Option<Vec<u8>> {
        let bytes = blob(digest).filter(|bytes| Digest::of(bytes) == *digest);
        if bytes.is_none() {
            self.absent.insert(*digest, what);
        }
        bytes
    }
}

/// All events of a log.
pub(super) fn decode(entries: &[Vec<u8>]) -> Result<Vec<Event>, AuditError> {
    let read = |(index, entry): (u64, &Vec<u8>)| {
        fleet::decode(entry).map_err(|source| AuditError::Entry { index, source })
    };
    (0..).zip(entries).map(read).collect()
}

/// The file name of a catalogue, which is kept as it came.
pub(super) fn catalogue_name(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"{") { "catalogue.json" } else { "catalogue.json.zst" }
}

/// The file name of what a vendor signed; `detached` where its signature is a file of its own.
fn release_name(detached: bool, bytes: &[u8]) -> &'static str {
    match detached {
        false => "InRelease",
        true if bytes.trim_ascii_start().starts_with(b"{") => vendor_image::RELEASE,
        true => "repomd.xml",
    }
}

/// A name for a file: as it is where that is safe, else its digest.
pub(super) fn plain_name(name: &str) -> String {
    let safe = is_safe_name(name) && !name.contains('/') && name.len() <= 100;
    if safe { name.to_owned() } else { Digest::of(name.as_bytes()).to_hex() }
}

/// Entries that get a proof: imports, the last one, and some that the root picks.
fn sample(events: &[Event], root: &Digest) -> BTreeSet<u64> {
    let size = events.len() as u64;
    let imported = |event: &Event| matches!(event.fact, Fact::BundleImported { .. });
    let imports = (0..).zip(events).filter(|(_, event)| imported(event)).map(|(index, _)| index);
    let mut picked: BTreeSet<u64> = imports.chain(size.checked_sub(1)).collect();
    for n in 0..SAMPLED {
        let mut hasher = Hasher::default();
        hasher.update(root.as_bytes());
        hasher.update(&n.to_be_bytes());
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finish().as_bytes();
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        picked.extend(number.checked_rem(size));
    }
    picked
}

fn table<R: rows::Row>(
    name: &'static str,
    rows: &[R],
    files: &mut Collected,
) -> Result<(), AuditError> {
    files.put(format!("reports/{name}.csv"), rows::csv(rows));
    files.put(format!("reports/{name}.json"), html::json(name, rows)?);
    Ok(())
}

fn write_zip<W: Write + Seek>(files: &BTreeMap<String, Vec<u8>>, out: W) -> Result<(), AuditError> {
    let mut zip = ZipWriter::new(out);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::DEFAULT);
    for (path, bytes) in files {
        let mode = if path == "verify.sh" { 0o755 } else { 0o644 };
        zip.start_file(path, options.unix_permissions(mode)).map_err(AuditError::WriteZip)?;
        zip.write_all(bytes).map_err(AuditError::Write)?;
    }
    let mut out = zip.finish().map_err(AuditError::WriteZip)?;
    out.flush().map_err(AuditError::Write)
}

/// Where the record behind a fact stands in a bundle, and the commitment to it.
pub(super) fn record_of(fact: &Fact) -> Option<(String, &Digest)> {
    match fact {
        Fact::CustodyOpened { custody, record } => {
            Some((format!("custody/{custody}-opened.json"), record))
        }
        Fact::CustodyClosed { custody, record, .. } => {
            Some((format!("custody/{custody}-closed.json"), record))
        }
        Fact::MediumWriteAsked { custody, record, .. } => {
            Some((format!("custody/{custody}-written.json"), record))
        }
        Fact::EndpointCertificateIssued { endpoint: record, .. }
        | Fact::EnrolmentTokenIssued { name: record, .. }
        | Fact::JobReported { record, .. }
        | Fact::LogDoubted { record, .. }
        | Fact::UpdateDeclined { record, .. } => Some((format!("evidence/{record}.json"), record)),
        // Inventories and plans stay at the site: they are many, and a map of its weaknesses.
        _ => None,
    }
}
