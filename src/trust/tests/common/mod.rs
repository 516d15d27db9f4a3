//! A publisher in miniature: signs whatever a test wishes, good or bad.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub, missing_docs)]

use ed25519_dalek::{Signer, SigningKey};
use ids::{Digest, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trust::{Offered, Outcome, Publisher, Refusal, canonical_json};

pub type Files = BTreeMap<String, Vec<u8>>;

pub const NOW: &str = "2026-11-22T12:00:00Z";
pub const LATE: &str = "2099-01-01T00:00:00Z";
pub const PAST: &str = "2020-01-01T00:00:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn key_json(seed: u8) -> Value {
    let public: String =
        key(seed).verifying_key().to_bytes().iter().map(|b| format!("{b:02x}")).collect();
    json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}})
}

pub fn key_id(seed: u8) -> String {
    Digest::of(&canonical_json(&key_json(seed)).unwrap()).to_hex()
}

/// A signed file: canonical JSON, signed by the given keys in order, repeats included.
pub fn signed(role: &Value, seeds: &[u8]) -> Vec<u8> {
    let message = canonical_json(role).unwrap();
    let signatures: Vec<Value> = seeds
        .iter()
        .map(|seed| {
            let sig = key(*seed).sign(&message).to_bytes();
            let sig: String = sig.iter().map(|b| format!("{b:02x}")).collect();
            json!({"keyid": key_id(*seed), "sig": sig})
        })
        .collect();
    canonical_json(&json!({"signatures": signatures, "signed": role})).unwrap()
}

pub fn metafile(version: u64, bytes: &[u8]) -> Value {
    json!({"version": version, "length": bytes.len(), "hashes": {"sha256": Digest::of(bytes)}})
}

#[derive(Clone)]
pub struct RootSpec {
    pub root: Vec<u8>,
    pub threshold: u64,
    pub timestamp: u8,
    pub snapshot: u8,
    pub targets: u8,
    pub expires: &'static str,
    /// Who signs it, beside those whom the chain asks for; `None` for just these.
    pub signers: Option<Vec<u8>>,
}

#[derive(Clone)]
pub struct SourceSpec {
    pub key: u8,
    pub signers: Vec<u8>,
    pub version: u64,
    pub targets: Vec<String>,
    pub paths: Vec<String>,
    pub expires: &'static str,
}

#[derive(Clone)]
pub struct Press {
    pub roots: Vec<RootSpec>,
    pub sources: BTreeMap<String, SourceSpec>,
    pub sequence: u64,
    pub snapshot: u64,
    pub targets: u64,
    pub signed_at: String,
    pub timestamp_expires: &'static str,
    pub snapshot_expires: &'static str,
    pub targets_expires: &'static str,
    /// Signers of timestamp, snapshot and targets when they are not those of the newest root.
    pub signers: BTreeMap<&'static str, Vec<u8>>,
}

pub fn source(name: &str, key: u8, version: u64) -> SourceSpec {
    let targets = ["catalogue.json.zst", "payloads.jsonl.zst", "pack-00001"];
    SourceSpec {
        key,
        signers: vec![key],
        version,
        targets: targets.iter().map(|t| format!("{name}.{t}")).collect(),
        paths: vec![format!("{name}.*")],
        expires: LATE,
    }
}

impl Press {
    /// Root 1 (2 of 3), two sources, everything at version `sequence`.
    pub fn new(sequence: u64) -> Self {
        let root = RootSpec {
            root: vec![1, 2, 3],
            threshold: 2,
            timestamp: 11,
            snapshot: 12,
            targets: 13,
            expires: LATE,
            signers: None,
        };
        let sources = [("debian", 21), ("firmware", 22)];
        Self {
            roots: vec![root],
            sources: sources.map(|(n, k)| (n.to_owned(), source(n, k, sequence))).into(),
            sequence,
            snapshot: sequence,
            targets: sequence,
            signed_at: "2026-11-20T00:00:00Z".to_owned(),
            timestamp_expires: LATE,
            snapshot_expires: LATE,
            targets_expires: LATE,
            signers: BTreeMap::new(),
        }
    }

    pub fn rotate(&mut self, change: impl FnOnce(&mut RootSpec)) -> &mut Self {
        let mut next = self.roots.last().unwrap().clone();
        next.signers = None;
        change(&mut next);
        self.roots.push(next);
        self
    }

    pub fn root_file(&self, index: usize) -> Vec<u8> {
        let spec = &self.roots[index];
        let role = |ids: &[u8], threshold: u64| {
            json!({"keyids": ids.iter().map(|s| key_id(*s)).collect::<Vec<_>>(),
                "threshold": threshold})
        };
        let single = [spec.timestamp, spec.snapshot, spec.targets];
        let keys: BTreeMap<String, Value> =
            spec.root.iter().chain(&single).map(|s| (key_id(*s), key_json(*s))).collect();
        let root = json!({
            "_type": "root", "spec_version": "1.0.0", "consistent_snapshot": true,
            "version": index + 1, "expires": spec.expires, "keys": keys,
            "roles": {
                "root": role(&spec.root, spec.threshold),
                "timestamp": role(&[spec.timestamp], 1),
                "snapshot": role(&[spec.snapshot], 1),
                "targets": role(&[spec.targets], 1),
            },
        });
        let mut signers = spec.root.clone();
        if let Some(before) = index.checked_sub(1) {
            let old = self.roots[before].root.clone();
            signers.extend(old.into_iter().filter(|seed| !spec.root.contains(seed)));
        }
        signed(&root, spec.signers.as_deref().unwrap_or(&signers))
    }

    fn signers(&self, role: &'static str) -> Vec<u8> {
        let root = self.roots.last().unwrap();
        let usual = match role {
            "timestamp" => root.timestamp,
            "snapshot" => root.snapshot,
            _ => root.targets,
        };
        self.signers.get(role).cloned().unwrap_or_else(|| vec![usual])
    }

    pub fn files(&self) -> Files {
        let mut files = Files::new();
        for index in 0..self.roots.len() {
            files.insert(format!("{}.root.json", index + 1), self.root_file(index));
        }
        let target = |name: &String| {
            let bytes = format!("{name} {}", self.sequence);
            (
                name.clone(),
                json!({"length": bytes.len(),
                "hashes": {"sha256": Digest::of(bytes.as_bytes())}}),
            )
        };
        let mut meta = serde_json::Map::new();
        let mut roles = Vec::new();
        let mut keys = serde_json::Map::new();
        for (name, spec) in &self.sources {
            let targets: serde_json::Map<_, _> = spec.targets.iter().map(target).collect();
            let role = json!({"_type": "targets", "spec_version": "1.0.0",
                "version": spec.version, "expires": spec.expires, "targets": targets});
            let bytes = signed(&role, &spec.signers);
            meta.insert(format!("{name}.json"), metafile(spec.version, &bytes));
            files.insert(format!("{}.{name}.json", spec.version), bytes);
            keys.insert(key_id(spec.key), key_json(spec.key));
            roles.push(json!({"name": name, "keyids": [key_id(spec.key)], "threshold": 1,
                "paths": spec.paths, "terminating": true}));
        }
        let (top, entry) = target(&"bundle.json".to_owned());
        let role = json!({"_type": "targets", "spec_version": "1.0.0", "version": self.targets,
            "expires": self.targets_expires, "targets": {top: entry},
            "delegations": {"keys": keys, "roles": roles}});
        let bytes = signed(&role, &self.signers("targets"));
        meta.insert("targets.json".into(), metafile(self.targets, &bytes));
        files.insert(format!("{}.targets.json", self.targets), bytes);

        let role = json!({"_type": "snapshot", "spec_version": "1.0.0", "version": self.snapshot,
            "expires": self.snapshot_expires, "meta": meta});
        let snapshot = signed(&role, &self.signers("snapshot"));
        let role = json!({"_type": "timestamp", "spec_version": "1.0.0",
            "version": self.sequence, "expires": self.timestamp_expires,
            "meta": {"snapshot.json": metafile(self.snapshot, &snapshot)},
            trust::SIGNED_AT: self.signed_at});
        files.insert(format!("{}.snapshot.json", self.snapshot), snapshot);
        files.insert("timestamp.json".into(), signed(&role, &self.signers("timestamp")));
        files
    }
}

/// A site: what it remembers, and the root that it keeps.
#[derive(Clone)]
pub struct Site {
    pub publisher: Publisher,
    pub root: Vec<u8>,
}

impl Site {
    pub fn new() -> Self {
        let root = Press::new(1).root_file(0);
        let publisher = Publisher::anchor(&root, Digest::of(&root)).unwrap();
        Self { publisher, root }
    }

    pub fn judge(&self, files: &Files) -> Result<Outcome, Refusal> {
        let offered = Offered::new(files.clone())?;
        trust::follow(&self.publisher, &self.root, &offered, at(NOW))
    }

    /// Judges and, when it is newer, commits.
    pub fn import(&mut self, files: &Files) -> Result<&'static str, Refusal> {
        Ok(match self.judge(files)? {
            Outcome::Newer { repository, publisher } => {
                self.root = files[&format!("{}.root.json", repository.root_version)].clone();
                self.publisher = publisher;
                "newer"
            }
            Outcome::Same(_) => "same",
            Outcome::Carrier(_) => "carrier",
        })
    }

    /// The code of a refusal, after checking that the next good bundle still imports.
    pub fn refuses(&self, files: &Files) -> &'static str {
        let refusal = self.judge(files).expect_err("must be refused");
        assert!(!refusal.sentence().is_empty());
        let mut after = self.clone();
        let next = after.publisher.sequence().unwrap_or(0) + 1;
        assert_eq!(after.import(&Press::new(next).files()), Ok("newer"));
        refusal.code()
    }
}
