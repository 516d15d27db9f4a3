//! `bundle.json`: what this bundle is and which targets carry which source.

use crate::Error;
use ids::{Digest, SiteName, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The schema number that this version writes, in `bundle.json` and in payload indexes.
pub const SCHEMA: u32 = 1;
/// Target name of the file, vouched for by the top-level targets role.
pub const INFO_NAME: &str = "bundle.json";
/// Largest `bundle.json` in bytes.
pub const INFO_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A pack is closed when the next payload would make it larger than this.
pub const PACK_BYTES_TARGET: u64 = 512 * 1024 * 1024;
/// Largest payload in bytes (1 TiB).
pub const PAYLOAD_BYTES_MAX: u64 = 1 << 40;
const SOURCES_MAX: usize = 1_000;
const PACKS_MAX: usize = 99_999;

/// What a bundle says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Sequence number: the version of the timestamp role.
    pub sequence: u64,
    /// When it was built.
    pub built_at: Timestamp,
    /// The publisher's name, for people: 1 to 200 printable characters.
    pub publisher: String,
    /// The site for which it was made; `None` for any site.
    pub site: Option<SiteName>,
    /// The bundle that was made for this site before.
    pub previous: Option<Previous>,
    /// The sources that are offered, sorted by id. Their packs, in this order, are the stream.
    pub sources: Vec<SourceInfo>,
}

/// An earlier bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its sequence number.
    pub sequence: u64,
    /// Digest of its `timestamp.json`, by which bundles are named.
    pub bundle: Digest,
}

/// The targets of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// The source, and the role that vouches for the targets.
    pub source: SourceId,
    /// Target name of the catalogue, [`catalogue_name`].
    pub catalogue: String,
    /// Target name of the payload index, [`index_name`].
    pub payloads: String,
    /// Target names of the packs in order, [`pack_name`] 1, 2, ...; none when nothing is carried.
    pub packs: Vec<String>,
}

/// Target name of a source's catalogue.
#[must_use]
pub fn catalogue_name(source: &SourceId) -> String {
    format!("{source}.catalogue.json.zst")
}

/// Target name of a source's payload index.
#[must_use]
pub fn index_name(source: &SourceId) -> String {
    format!("{source}.payloads.jsonl.zst")
}

/// Target name of a source's pack `number`, counted from 1.
#[must_use]
pub fn pack_name(source: &SourceId, number: u32) -> String {
    format!("{source}.pack-{number:05}")
}

/// Whether a target name is that of a pack, of whatever source.
#[must_use]
pub fn is_pack_name(name: &str) -> bool {
    name.split_once('.').is_some_and(|(_, rest)| {
        rest.strip_prefix("pack-")
            .is_some_and(|number| number.len() == 5 && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

impl Info {
    /// Reads `bundle.json`. Fields that this version does not know are left out and named in the
    /// second value, for a warning.
    ///
    /// # Errors
    /// [`Error::NewerSchema`], or what breaks the format.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<String>), Error> {
        if bytes.len() as u64 > INFO_BYTES_MAX {
            return Err(Error::TooLarge { what: INFO_NAME.into(), limit: INFO_BYTES_MAX });
        }
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(Error::json(INFO_NAME))?;
        check_schema(INFO_NAME, &value)?;
        let known = ["schema", "sequence", "built_at", "publisher", "site", "previous", "sources"];
        let skipped = value
            .as_object()
            .into_iter()
            .flat_map(|object| object.keys())
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| key.chars().take(80).collect())
            .take(20)
            .collect();
        let info: Self = serde_json::from_value(value).map_err(Error::json(INFO_NAME))?;
        info.check()?;
        Ok((info, skipped))
    }

    /// The bytes of `bundle.json`.
    ///
    /// # Errors
    /// What breaks the format: nothing is written that cannot be read.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.check()?;
        serde_json::to_vec_pretty(self).map_err(Error::json(INFO_NAME))
    }

    fn check(&self) -> Result<(), Error> {
        let rule = |rule: String| Err(Error::rule(INFO_NAME, rule));
        let name = &self.publisher;
        if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            return rule("the publisher's name is not 1 to 200 printable characters".into());
        }
        if self.sources.len() > SOURCES_MAX {
            return rule(format!("more than {SOURCES_MAX} sources"));
        }
        let mut seen = BTreeSet::new();
        for (index, entry) in self.sources.iter().enumerate() {
            let source = &entry.source;
            let sorted = index == 0 || self.sources[index - 1].source < *source;
            if !sorted || !seen.insert(source) || trust::is_reserved_role(source.as_str()) {
                return rule(format!("source {source} is out of order, repeated or reserved"));
            }
            if entry.packs.len() > PACKS_MAX {
                return rule(format!("source {source} has more than {PACKS_MAX} packs"));
            }
            let packs = (1..).zip(&entry.packs).all(|(n, name)| *name == pack_name(source, n));
            let names =
                entry.catalogue == catalogue_name(source) && entry.payloads == index_name(source);
            if !packs || !names {
                return rule(format!("the targets of source {source} are not named by the rule"));
            }
        }
        Ok(())
    }
}

/// Refuses what is written for a newer reader, before anything else is looked at.
pub(crate) fn check_schema(what: &str, value: &serde_json::Value) -> Result<(), Error> {
    let schema = value.get("schema").and_then(serde_json::Value::as_u64);
    let Some(found) = schema.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) else {
        return Err(Error::rule(what, "has no schema number"));
    };
    if found > SCHEMA {
        return Err(Error::NewerSchema { what: what.to_owned(), found, known: SCHEMA });
    }
    Ok(())
}
