//! A small publisher: catalogues of made-up payloads, keys and state in a temporary folder.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub, missing_docs)]

use catalogue::{Catalogue, File, FileKind, ReleaseBasis, Update, UpdatePayload, Vendor};
use collect::{Build, Built, Ceremony, Held, PublishError, build_bundle};
use ids::{Digest, SiteName, SourceId, Timestamp};
use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub struct Works {
    pub dir: TempDir,
    pub payloads: BTreeMap<Digest, Vec<u8>>,
    pub now: Timestamp,
}

pub fn source(name: &str) -> SourceId {
    name.parse().unwrap()
}

impl Works {
    pub fn new() -> Self {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let works = Self { dir: TempDir::new().unwrap(), payloads: BTreeMap::new(), now };
        let sources = vec![source("debian"), source("firmware")];
        Ceremony { sources, ..Ceremony::default() }.hold(&works.path("keys"), now).unwrap();
        works
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A catalogue of `lengths.len()` payloads whose bytes follow from `seed`.
    pub fn catalogue(&mut self, name: &str, seed: u8, lengths: &[usize]) -> Catalogue {
        let mut files = Vec::new();
        let mut updates = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let mut state = u64::from(seed) << 32 | number as u64 | 1;
            let bytes: Vec<u8> = (0..*length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state as u8
                })
                .collect();
            let sha256 = Digest::of(&bytes);
            let path = format!("pool/{seed:03}/{number:05}.deb");
            self.payloads.insert(sha256, bytes);
            files.push(File {
                path: path.clone(),
                sha256,
                length: *length as u64,
                kind: FileKind::Payload,
            });
            updates.push(Update {
                id: format!("package-{number}_{seed}"),
                source_package: format!("package-{number}"),
                fixed_version: seed.to_string(),
                released_at: self.now,
                released_by: ReleaseBasis::SignedRelease,
                changelog_at: None,
                urgency: None,
                severity: None,
                cves: None,
                payloads: vec![UpdatePayload {
                    package: format!("package-{number}"),
                    version: seed.to_string(),
                    architecture: "amd64".into(),
                    path,
                    sha256,
                }],
            });
        }
        Catalogue {
            schema: catalogue::SCHEMA,
            source: source(name),
            vendor: Vendor::Apt {
                origin: "Test".into(),
                suite: "test".into(),
                codename: "test".into(),
                components: vec!["main".into()],
                architectures: vec!["amd64".into()],
            },
            collected_at: self.now,
            release_date: self.now,
            valid_until: None,
            files,
            updates,
            notes: Vec::new(),
            advice: None,
        }
    }

    pub fn build(&self, out: &str, catalogues: &[Catalogue]) -> Result<Built, PublishError> {
        self.build_with(out, catalogues, |_| {})
    }

    pub fn build_with<'a>(
        &self,
        out: &str,
        catalogues: &'a [Catalogue],
        change: impl FnOnce(&mut Build<'a>),
    ) -> Result<Built, PublishError> {
        let path = |name: &str| -> &'static Path { Box::leak(self.path(name).into_boxed_path()) };
        let mut wish = Build {
            keys: path("keys"),
            state: path("state"),
            out: path(out),
            publisher: "Test publisher",
            site: None,
            catalogues,
            remove: &[],
            held: Held::Nothing,
            timestamp_days: 45,
            now: self.now,
        };
        change(&mut wish);
        build_bundle(&wish, |digest| self.open(digest), |_| {})
    }

    pub fn open(&self, digest: &Digest) -> io::Result<Cursor<Vec<u8>>> {
        let bytes = self.payloads.get(digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(Cursor::new(bytes.clone()))
    }

    pub fn site(name: &str) -> Option<SiteName> {
        Some(name.parse().unwrap())
    }
}
