//! What a bundle offers: its metadata files, bounded before anything is parsed.

use crate::{Reason, Refusal};
use std::collections::BTreeMap;

/// Largest root file in bytes (python-tuf's own limit, the smallest of the known clients).
pub const ROOT_BYTES_MAX: usize = 512_000;
/// Largest timestamp file in bytes.
pub const TIMESTAMP_BYTES_MAX: usize = 16_384;
/// Largest snapshot file in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 1_048_576;
/// Largest targets file, top-level or delegated, in bytes.
pub const TARGETS_BYTES_MAX: usize = 5_000_000;
/// Most root versions that one bundle may bring beyond the trusted one.
pub const ROOTS_MAX: usize = 256;
/// Most metadata files in one bundle.
pub const METADATA_FILES_MAX: usize = 2_048;

/// The metadata files of one bundle by file name, as on the medium; nothing is checked yet but
/// names, counts and sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    files: BTreeMap<String, Vec<u8>>,
}

impl Offered {
    /// Takes the metadata files of a bundle, `(file name, bytes)`.
    ///
    /// # Errors
    /// [`Reason::Oversized`] for too many or too large files, [`Reason::Malformed`] for a name that
    /// is no metadata file's or comes twice.
    pub fn new(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Refusal> {
        let mut offered = Self::default();
        for (name, bytes) in files {
            let Some(limit) = metadata_bytes_max(&name) else {
                return Err(Refusal::new(
                    Reason::Malformed,
                    format!("{name:?} is not the name of a metadata file"),
                ));
            };
            if bytes.len() > limit {
                let sentence = format!("metadata file {name} is larger than {limit} bytes");
                return Err(Refusal::new(Reason::Oversized, sentence));
            }
            if offered.files.len() >= METADATA_FILES_MAX {
                let sentence =
                    format!("the bundle has more than {METADATA_FILES_MAX} metadata files");
                return Err(Refusal::new(Reason::Oversized, sentence));
            }
            if offered.files.insert(name.clone(), bytes).is_some() {
                let sentence = format!("metadata file {name} comes twice");
                return Err(Refusal::new(Reason::Malformed, sentence));
            }
        }
        Ok(offered)
    }

    /// The bytes of one file.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The bytes of one root version.
    #[must_use]
    pub fn root(&self, version: u64) -> Option<&[u8]> {
        self.file(&format!("{version}.root.json"))
    }

    /// All files by name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// The root versions that are there, ascending.
    pub(crate) fn root_versions(&self) -> Vec<u64> {
        let mut versions: Vec<u64> = self
            .files
            .keys()
            .filter_map(|name| name.strip_suffix(".root.json")?.parse().ok())
            .collect();
        versions.sort_unstable();
        versions
    }

    pub(crate) fn required(&self, name: &str) -> Result<&[u8], Refusal> {
        self.file(name).ok_or_else(|| {
            Refusal::new(Reason::MissingFile, format!("metadata file {name} is missing"))
        })
    }
}

/// Whether `name` is one that a bundle's `metadata` folder may hold: `timestamp.json` or
/// `<version>.<role>.json`, the version without leading zeros, the role of a-z, 0-9 and hyphen.
#[must_use]
pub fn is_metadata_name(name: &str) -> bool {
    metadata_bytes_max(name).is_some()
}

/// The largest size in bytes of the metadata file `name`, or `None` when it is no such name.
#[must_use]
pub fn metadata_bytes_max(name: &str) -> Option<usize> {
    if name == "timestamp.json" {
        return Some(TIMESTAMP_BYTES_MAX);
    }
    let (version, role) = name.strip_suffix(".json")?.split_once('.')?;
    let digits = !version.is_empty()
        && version.len() <= 19
        && version.bytes().all(|b| b.is_ascii_digit())
        && !version.starts_with('0');
    match role {
        _ if !digits => None,
        "timestamp" => None,
        "root" => Some(ROOT_BYTES_MAX),
        "snapshot" => Some(SNAPSHOT_BYTES_MAX),
        _ => role.parse::<ids::SourceId>().ok().map(|_| TARGETS_BYTES_MAX),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_metadata_names_are_taken() {
        for good in ["timestamp.json", "1.root.json", "12.targets.json", "3.debian-x.json"] {
            assert!(is_metadata_name(good), "{good}");
        }
        let long = format!("{}.root.json", "1".repeat(20));
        for bad in [
            "root.json",
            "01.root.json",
            "0.root.json",
            "1.a/b.json",
            "1.timestamp.json",
            "._1.root.json",
            "1..json",
            "-1.root.json",
            "1.Root.json",
            "1.root.json.bak",
            &long,
        ] {
            assert!(!is_metadata_name(bad), "{bad}");
        }
    }

    #[test]
    fn endless_data_stops_before_parsing() {
        let refusal = Offered::new([("timestamp.json".into(), vec![b' '; 16_385])]).unwrap_err();
        assert_eq!(refusal.code(), "oversized");
        let many = (1..3000).map(|n| (format!("{n}.snapshot.json"), Vec::new()));
        assert_eq!(Offered::new(many).unwrap_err().code(), "oversized");
        let twice = [("1.root.json".into(), vec![]), ("1.root.json".into(), vec![])];
        assert_eq!(Offered::new(twice).unwrap_err().code(), "malformed");
    }
}
