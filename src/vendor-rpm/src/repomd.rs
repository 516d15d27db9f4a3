//! `repomd.xml`: the signed top of a repository, which names every list by its SHA-256.

use crate::{
    Error,
    xml::{Step, safe_path, sha256, walk},
};
use ids::{Digest, Timestamp};
use std::collections::BTreeMap;

const WHAT: &str = "repomd.xml";
/// Most bytes that are read; real ones have 10 kB.
const BYTES_MAX: usize = 4 << 20;
/// Most lists that it may name.
const PARTS_MAX: usize = 256;

/// What a `repomd.xml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repomd {
    /// When it was made: the newest time of its lists.
    pub date: Timestamp,
    /// Its lists by type, e.g. `primary`.
    pub parts: BTreeMap<String, Part>,
}

/// One list of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Path below the repository's root.
    pub path: String,
    /// Digest of the file as it is served.
    pub sha256: Digest,
    /// Its length in bytes.
    pub length: u64,
    /// Digest and length of its plain bytes, where they are told.
    pub plain: Option<(Digest, u64)>,
}

/// A list in the making.
#[derive(Default)]
struct Draft {
    kind: String,
    path: Option<String>,
    sha256: Option<Digest>,
    length: Option<u64>,
    open_sha256: Option<Digest>,
    open_length: Option<u64>,
    at: Option<Timestamp>,
}

impl Repomd {
    /// Parses the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > BYTES_MAX {
            let reason = format!("it has more than {BYTES_MAX} bytes");
            return Err(Error::Malformed { what: WHAT, reason });
        }
        let (mut draft, mut kind) = (Draft::default(), None);
        let (mut parts, mut date) = (BTreeMap::new(), None);
        walk(WHAT, bytes, |path, step| {
            match (path, step) {
                ("repomd/data", Step::Open(attributes)) => {
                    draft = Draft {
                        kind: attributes.get("type").unwrap_or_default(),
                        ..Draft::default()
                    };
                }
                ("repomd/data/location", Step::Open(attributes)) => {
                    if attributes.get("xml:base").is_some() {
                        let reason = format!("its {} is kept elsewhere (xml:base)", draft.kind);
                        return Err(Error::Malformed { what: WHAT, reason });
                    }
                    let href = attributes.get("href").unwrap_or_default();
                    draft.path = Some(safe_path(WHAT, href)?);
                }
                (path, Step::Open(attributes)) if path.ends_with("checksum") => {
                    kind = attributes.get("type");
                }
                ("repomd/data/checksum", Step::Close(text)) => {
                    draft.sha256 = Some(sha256(WHAT, &draft.kind, kind.as_deref(), text)?);
                }
                ("repomd/data/open-checksum", Step::Close(text)) => {
                    draft.open_sha256 = Some(sha256(WHAT, &draft.kind, kind.as_deref(), text)?);
                }
                ("repomd/data/size", Step::Close(text)) => draft.length = text.parse().ok(),
                ("repomd/data/open-size", Step::Close(text)) => {
                    draft.open_length = text.parse().ok()
                }
                ("repomd/data/timestamp", Step::Close(text)) => draft.at = seconds(text),
                ("repomd/data", Step::Close(_)) => {
                    date = date.max(draft.at);
                    let (kind, part) = std::mem::take(&mut draft).finish()?;
                    if parts.insert(kind.clone(), part).is_some() || parts.len() > PARTS_MAX {
                        let reason = format!("it names {kind:?} twice, or too many lists");
                        return Err(Error::Malformed { what: WHAT, reason });
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        let lacks = |field| Error::Field { what: WHAT, field, of: String::new() };
        if !parts.contains_key("primary") {
            return Err(lacks("list of packages (primary)"));
        }
        Ok(Self { date: date.ok_or_else(|| lacks("timestamp"))?, parts })
    }

    /// The list of packages.
    #[must_use]
    pub fn primary(&self) -> Option<&Part> {
        self.parts.get("primary")
    }

    /// The advisories, where there are any.
    #[must_use]
    pub fn updateinfo(&self) -> Option<&Part> {
        self.parts.get("updateinfo")
    }
}

impl Draft {
    fn finish(self) -> Result<(String, Part), Error> {
        let lacks = |field| Error::Field { what: WHAT, field, of: self.kind.clone() };
        if self.kind.is_empty() || self.kind.len() > 64 {
            return Err(lacks("type"));
        }
        let part = Part {
            path: self.path.clone().ok_or_else(|| lacks("location"))?,
            sha256: self.sha256.ok_or_else(|| lacks("checksum"))?,
            length: self.length.ok_or_else(|| lacks("size"))?,
            plain: self.open_sha256.zip(self.open_length),
        };
        Ok((self.kind, part))
    }
}

/// A time in seconds since 1970, as some tools write it with a fraction.
fn seconds(text: &str) -> Option<Timestamp> {
    let whole = text.split('.').next().unwrap_or(text);
    Timestamp::from_second(whole.parse().ok()?).ok()
}
