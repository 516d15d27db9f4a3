//! What a vendor offers: sources, their updates, and the payloads that carry them.
//!
//! A [`Catalogue`] describes one source at one moment. It travels in a bundle as JSON and is the
//! list from which an appliance serves: every file has a path in the vendor's own layout and a
//! digest. **Invariant:** pure words; nothing here parses a vendor's format or touches a disk.
//!
//! Sizes are bytes, times RFC 3339 UTC with a resolution of one second.

mod advice;
mod named;
mod update;

pub use advice::{Advice, CveAdvice, Risk};
pub use named::{Indexed, NotNamed, Payloads};
pub use update::{ReleaseBasis, Update, UpdatePayload, VendorSeverity};

use ids::{Digest, SourceId, Timestamp};
use serde::{Deserialize, Serialize};

/// The schema number that this version writes. Readers skip, loudly, what is newer.
pub const SCHEMA: u32 = 1;

/// One source at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which source.
    pub source: SourceId,
    /// The vendor's own name for the stream and what of it was selected.
    pub vendor: Vendor,
    /// When the collector finished.
    pub collected_at: Timestamp,
    /// `Date` of the vendor's signed release file.
    pub release_date: Timestamp,
    /// `Valid-Until` of the vendor's signed release file, where it has one.
    pub valid_until: Option<Timestamp>,
    /// Every file that can be served, sorted by path, no path twice.
    pub files: Vec<File>,
    /// What the vendor fixed, sorted by source package and version.
    pub updates: Vec<Update>,
    /// What the selection could not promise, e.g. an upgrade that would remove a package.
    pub notes: Vec<String>,
    /// What public lists say of the CVEs that the updates name; absent where the collector had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
}

/// A vendor's stream in the vendor's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Vendor {
    /// A Debian-style repository.
    Apt {
        /// `Origin` of the release file.
        origin: String,
        /// The suite as endpoints name it in their sources, e.g. `bookworm-security`.
        suite: String,
        /// `Codename` of the release file.
        codename: String,
        /// Components taken, e.g. `main`.
        components: Vec<String>,
        /// Architectures whose payloads were selected, e.g. `amd64`.
        architectures: Vec<String>,
    },
    /// An RPM repository (rpm-md).
    Rpm {
        /// Architectures whose payloads were selected, e.g. `x86_64`.
        architectures: Vec<String>,
    },
    /// The appliance's own images: one at a time, announced by a signed `release.json`.
    Image,
}

/// One file of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Path below the repository's root, as the vendor spells it; see [`is_safe_path`].
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Length in bytes.
    pub length: u64,
    /// What it is.
    pub kind: FileKind,
}

/// What a file of a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// The vendor's signed top of the tree (`InRelease`, `repodata/repomd.xml`, `release.json`).
    Release,
    /// The vendor's signature over it, where that is a file of its own (`repodata/repomd.xml.asc`).
    Signature,
    /// An index that the release file vouches for.
    Index,
    /// A payload that an index vouches for.
    Payload,
}

/// Whether a vendor's path may be used as a name below a repository's root: relative, at most 512
/// bytes, printable ASCII without backslash, no empty, `.` or `..` segment.
#[must_use]
pub fn is_safe_path(path: &str) -> bool {
    (1..=512).contains(&path.len())
        && path.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'\\')
        && path.split('/').all(|s| !s.is_empty() && s != "." && s != "..")
}

#[cfg(test)]
mod tests {
    use super::is_safe_path;

    #[test]
    fn paths_stay_below_their_root() {
        for good in ["dists/bookworm/InRelease", "pool/main/g/g++/g++_1%3a2~b+c_amd64.deb", "a"] {
            assert!(is_safe_path(good), "{good}");
        }
        let long = "a/".repeat(300);
        for bad in ["", "/a", "a//b", "../a", "a/..", "a/./b", "a\\b", "a b", "a\n", "é", &long] {
            assert!(!is_safe_path(bad), "{bad:?}");
        }
    }
}
