//! A made-up site with a real log: the real crates write it, nothing of it was ever served.

use catalogue::{Catalogue, File, FileKind, ReleaseBasis, Update, UpdatePayload, Vendor};
use ed25519_dalek::SigningKey;
use fleet::{
    Actor, AnchorKind, Custody, Door, Event, Fact, ImportedSource, MediaType, RefusalKind, Role,
    SourceFacts, State, Verdict,
};
use ids::{Digest, Hasher, RecordId, SourceId, Timestamp};
use jiff::SignedDuration;
use merkle::{Checkpoint, Edge, KeyKind, VerifierKey};
use site::audit::{Export, Exported, KeptEvidence, Scope, Witness};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Cursor,
    path::Path,
};

pub(crate) const ORIGIN: &str = "patchkeep.invalid/plant-7/epoch-1";

/// What a vendor signed, and the keyring that says so.
pub(crate) struct Signed {
    pub(crate) release: Vec<u8>,
    pub(crate) keyring: Vec<u8>,
    pub(crate) date: Timestamp,
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) fingerprints: Vec<String>,
}

/// Bytes that no vendor signed, for desks without gpgv.
pub(crate) fn unsigned() -> Signed {
    Signed {
        release: b"Origin: nobody\n".to_vec(),
        keyring: b"no keyring\n".to_vec(),
        date: "2026-11-20T00:12:41Z".parse().unwrap(),
        valid_until: None,
        fingerprints: vec![],
    }
}

/// A release file that Debian signed, where this machine's own apt has fetched one.
pub(crate) fn genuine(reader: &sandbox::Reader) -> Option<Signed> {
    let lists = fs::read_dir("/var/lib/apt/lists").ok()?;
    let mut names: Vec<_> = lists.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.sort();
    let release = names.iter().find(|path| path.to_string_lossy().ends_with("_InRelease"))?;
    let release = fs::read(release).ok()?;
    let keyring = fs::read("/usr/share/keyrings/debian-archive-keyring.gpg").ok()?;
    let read = vendor_apt::Release::parse(&sandbox::cleartext(&release)?).ok()?;
    let at = read.date + SignedDuration::from_hours(48);
    let signed = reader.verify_clearsigned(&release, &keyring, at).ok()?;
    let good = signed.signatures.into_iter().filter(|s| s.good).map(|s| s.fingerprint);
    let (date, valid_until) = (read.date, read.valid_until);
    Some(Signed { release, keyring, date, valid_until, fingerprints: good.collect() })
}

pub(crate) struct MadeUp {
    pub(crate) witnesses: Vec<Witness>,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) state: State,
    pub(crate) at: Timestamp,
    pub(crate) log: SigningKey,
    pub(crate) audit: SigningKey,
    blobs: HashMap<Digest, Vec<u8>>,
    evidence: HashMap<Digest, KeptEvidence>,
    signed: Signed,
}

impl MadeUp {
    /// A site that imported two bundles, refused one and kept one out; then `looks` looks at its log.
    pub(crate) fn new(signed: Signed, updates: usize, looks: usize) -> Self {
        let mut site = Self {
            witnesses: Vec::new(),
            entries: vec![],
            state: State::default(),
            at: signed.date + SignedDuration::from_hours(30),
            log: SigningKey::from_bytes(&[7; 32]),
            audit: SigningKey::from_bytes(&[9; 32]),
            blobs: HashMap::new(),
            evidence: HashMap::new(),
            signed,
        };
        site.found();
        site.import(1, updates / 2);
        site.say(Fact::StateSnapshot {
            entries: site.state.entries,
            sha256: site.state.digest().unwrap(),
        });
        site.refuse();
        site.at += SignedDuration::from_hours(5);
        site.import(2, updates);
        let (since, until) = (site.at, site.at + SignedDuration::from_mins(10));
        let source = RefusalKind::EndpointDoor;
        let reason = "unknown certificate".into();
        site.say(Fact::RefusalsCounted { source, reason, count: 41, since, until });
        for _ in 0..looks.max(1) {
            site.ask(Fact::LogViewed { filter: "everything".into(), entries: 12 });
        }
        site
    }

    pub(crate) fn say(&mut self, fact: Fact) {
        self.push(Actor::Appliance, fact);
    }

    fn ask(&mut self, fact: Fact) {
        let person = "operator-1".parse().unwrap();
        self.push(Actor::Person { person, role: Role::Operator, door: Door::CommandLine }, fact);
    }

    fn push(&mut self, actor: Actor, fact: Fact) {
        self.at += SignedDuration::from_secs(17);
        let event = Event { at: self.at, actor, fact };
        self.state.evolve(&event);
        self.entries.push(fleet::encode(&event).unwrap());
    }

    fn keep(&mut self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        self.blobs.insert(digest, bytes);
        digest
    }

    fn commit(&mut self, value: serde_json::Value) -> Digest {
        let salt = *Digest::of(&(self.evidence.len() as u64).to_be_bytes()).as_bytes();
        let mut hasher = Hasher::default();
        hasher.update(&salt);
        hasher.update(&serde_json_canonicalizer::to_vec(&value).unwrap());
        let commitment = hasher.finish();
        self.evidence.insert(commitment, KeptEvidence { salt, value });
        commitment
    }

    fn found(&mut self) {
        let site = "plant-7".parse().unwrap();
        self.say(Fact::SiteCreated { site, origin: ORIGIN.into(), epoch: 1 });
        let log = self.vkey().to_string();
        self.say(Fact::KeyMade { purpose: "log".into(), public: log });
        let public = ssh_key::public::Ed25519PublicKey(self.audit.verifying_key().to_bytes());
        let public = ssh_key::PublicKey::from(public).to_openssh().unwrap();
        self.say(Fact::KeyMade { purpose: "audit".into(), public });
        let root = self.keep(b"{\"a root\": 1}".to_vec());
        self.say(Fact::AnchorAccepted {
            anchor: AnchorKind::PublisherRoot,
            name: "publisher".into(),
            sha256: root,
            fingerprints: vec![],
        });
        let keyring = self.keep(self.signed.keyring.clone());
        self.say(Fact::AnchorAccepted {
            anchor: AnchorKind::VendorKeyring,
            name: "debian-archive-keyring".into(),
            sha256: keyring,
            fingerprints: self.signed.fingerprints.clone(),
        });
        self.ask(Fact::RingCreated { ring: "broad".parse().unwrap(), follows: true });
        self.say(Fact::ServiceStarted {
            version: "0.1.0".into(),
            entries: 6,
            data_partition: Some(fleet::DataPartition::NotEncrypted),
        });
    }

    fn medium(&mut self, number: u64) -> RecordId {
        let custody: RecordId = format!("01ARZ3NDEKTSV4RRFFQ69G5{number:03}").parse().unwrap();
        let record = Custody {
            schema_version: 1,
            direction: "import".into(),
            custody_id: Some(custody.clone()),
            media_type: Some(MediaType::UsbFlash),
            media_asset_tag: Some(format!("PK-{number:03}")),
            usb_serial: Some("4C530001".into()),
            ..Custody::default()
        };
        let record = self.commit(serde_json::to_value(record).unwrap());
        self.ask(Fact::CustodyOpened { custody: custody.clone(), record });
        custody
    }

    fn close(&mut self, custody: RecordId, verdict: Verdict) {
        let record = self.commit(serde_json::json!({"custody_id": custody, "verdict": verdict}));
        self.say(Fact::CustodyClosed { custody, record, verdict });
    }

    fn refuse(&mut self) {
        let custody = self.medium(100);
        let bundle = Some(Digest::of(b"altered"));
        let reason = "signature".into();
        let message = "the signature of role targets does not hold: =one byte was changed".into();
        let refused = Fact::BundleRefused { custody: custody.clone(), reason, message, bundle };
        self.say(refused);
        self.close(custody, Verdict::Rejected);
        let custody = self.medium(101);
        let (bundle, reason) = (Digest::of(b"old"), "expired".into());
        let message = "its timestamp expired on 2 October 2026".into();
        let kept_out =
            Fact::BundleQuarantined { custody: custody.clone(), reason, message, bundle };
        self.say(kept_out);
        self.close(custody, Verdict::Quarantined);
    }

    fn import(&mut self, sequence: u64, updates: usize) {
        let custody = self.medium(sequence);
        let bundle = Digest::of(&sequence.to_be_bytes());
        let import = custody.clone();
        let started = Fact::ImportStarted { import, custody: custody.clone(), bundle, sequence };
        self.ask(started);
        let source = self.source(sequence, updates);
        let id = source.source.clone();
        let root = Digest::of(b"{\"a root\": 1}");
        let timestamp = Some(trust::Seen { version: sequence, sha256: bundle });
        let publisher = trust::Publisher {
            roots: BTreeMap::from([(1, root)]),
            timestamp,
            snapshot: None,
            latest_signed_at: None,
        };
        self.ask(Fact::BundleImported {
            import: custody.clone(),
            custody: custody.clone(),
            bundle,
            sequence,
            previous: sequence.checked_sub(1).filter(|n| *n > 0),
            skipped: false,
            metadata: Digest::of(b"never kept"),
            publisher: Box::new(publisher),
            sources: vec![source],
            payloads_new: 3 * updates as u64,
            bytes_new: 48_211_337 * sequence,
            signed_time: self.signed.date,
        });
        let ring = "broad".parse().unwrap();
        self.say(Fact::RingPointed { ring, source: id, sequence, generation: sequence });
        self.close(custody, Verdict::Accepted);
    }

    fn source(&mut self, sequence: u64, updates: usize) -> ImportedSource {
        let id: SourceId = "debian-bookworm-security".parse().unwrap();
        let release = self.keep(self.signed.release.clone());
        let updates: Vec<Update> = (0..updates).map(|n| update(self.signed.date, n)).collect();
        let cves: std::collections::BTreeSet<_> =
            updates.iter().flat_map(|u| u.cves.clone().unwrap_or_default()).collect();
        let path = "dists/bookworm-security/InRelease".into();
        let length = self.signed.release.len() as u64;
        let catalogue = Catalogue {
            schema: catalogue::SCHEMA,
            source: id.clone(),
            vendor: Vendor::Apt {
                origin: "Debian".into(),
                suite: "bookworm-security".into(),
                codename: "bookworm-security".into(),
                components: vec!["main".into()],
                architectures: vec!["amd64".into()],
            },
            collected_at: self.signed.date,
            release_date: self.signed.date,
            valid_until: self.signed.valid_until,
            files: vec![File { path, sha256: release, length, kind: FileKind::Release }],
            updates,
            notes: vec![format!("bundle {sequence}")],
            advice: None,
        };
        let counts = (catalogue.updates.len() as u64, cves.len() as u64);
        let catalogue = self.keep(serde_json::to_vec(&catalogue).unwrap());
        ImportedSource {
            source: id,
            catalogue,
            vendor: SourceFacts {
                release,
                release_date: self.signed.date,
                valid_until: self.signed.valid_until,
                signature: None,
                signed_by: self.signed.fingerprints.clone(),
                anchor: "debian-archive-keyring".into(),
            },
            files: 1,
            updates: counts.0,
            cves: counts.1,
            missing: 0,
        }
    }

    fn vkey(&self) -> VerifierKey {
        VerifierKey::new(ORIGIN, KeyKind::Ed25519, self.log.verifying_key()).unwrap()
    }

    pub(crate) fn checkpoint(&self) -> String {
        let mut edge = Edge::default();
        for entry in &self.entries {
            edge.push(merkle::leaf_hash(entry), |_, _| {});
        }
        let (size, root) = (edge.size(), edge.root());
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root };
        checkpoint.sign(&self.log).unwrap().to_string()
    }

    /// An endpoint that holds a checkpoint of the first `size` entries, or of others in their place.
    pub(crate) fn vouch(&mut self, size: u64, other: Option<&[u8]>) {
        let mut edge = Edge::default();
        let count = usize::try_from(size).unwrap();
        for entry in &self.entries[..count] {
            edge.push(merkle::leaf_hash(other.unwrap_or(entry)), |_, _| {});
        }
        let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root: edge.root() };
        let number = self.witnesses.len();
        self.witnesses.push(Witness {
            endpoint: format!("01ARZ3NDEKTSV4RRFFQ69G5FB{number}").parse().unwrap(),
            seen_at: self.at,
            size,
            checkpoint: checkpoint.sign(&self.log).unwrap().to_string(),
        });
    }

    /// The bundle as bytes.
    pub(crate) fn export(&self, scope: Scope) -> (Vec<u8>, Exported) {
        let mut out = Cursor::new(Vec::new());
        let exported = Export {
            entries: &self.entries,
            checkpoint: &self.checkpoint(),
            log: &self.vkey(),
            key: &self.audit,
            scope,
            witnesses: &self.witnesses,
            generated_at: self.at + SignedDuration::from_hours(1),
            patchkeep: "0.1.0",
            blob: &|digest| self.blobs.get(digest).cloned(),
            evidence: &|commitment| self.evidence.get(commitment).cloned(),
        };
        let exported = exported.write(&mut out).unwrap();
        (out.into_inner(), exported)
    }

    /// The bundle, unpacked into a folder.
    pub(crate) fn unpack(&self, scope: Scope, into: &Path) -> Exported {
        let (bytes, exported) = self.export(scope);
        zip::ZipArchive::new(Cursor::new(bytes)).unwrap().extract(into).unwrap();
        exported
    }
}

fn update(newest: Timestamp, n: usize) -> Update {
    const NAMES: [&str; 8] =
        ["openssl", "linux", "curl", "sudo", "glibc", "openssh", "systemd", "xz-utils"];
    let name = NAMES[n % NAMES.len()];
    let days = [1, 3, 6, 9, 12, 13, 17, 26, 44, 71, 140][n * 7 % 11];
    let version = format!("1:2.{n}-1+deb12u{}", n + 1);
    let sha256 = Digest::of(version.as_bytes());
    let path = format!("pool/updates/main/{name}_{n}_amd64.deb");
    let package = name.to_owned();
    let payload = UpdatePayload {
        package,
        version: version.clone(),
        architecture: "amd64".into(),
        path,
        sha256,
    };
    let cve = |k: usize| format!("CVE-2026-{}", 10_000 + 37 * n + k);
    Update {
        id: format!("{name}_{version}"),
        source_package: name.into(),
        fixed_version: version,
        released_at: newest - SignedDuration::from_hours(24 * days),
        released_by: if n.is_multiple_of(3) {
            ReleaseBasis::Changelog
        } else {
            ReleaseBasis::SignedRelease
        },
        changelog_at: Some(newest - SignedDuration::from_hours(24 * days + 5)),
        urgency: Some("high".into()),
        severity: None,
        cves: (!n.is_multiple_of(5)).then(|| (0..n % 7).map(cve).collect()),
        payloads: vec![payload],
    }
}
