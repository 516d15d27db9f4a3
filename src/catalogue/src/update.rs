//! One vendor fix, with the date from which deadlines are counted.

use ids::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// One vendor fix: a source package at a fixed version, and the binary payloads built from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// `<source package>_<fixed version>`, unique in its catalogue.
    pub id: String,
    /// The vendor's source package.
    pub source_package: String,
    /// The version in which the vendor fixed it.
    pub fixed_version: String,
    /// Release date: what deadlines are counted from. Mandatory.
    pub released_at: Timestamp,
    /// What `released_at` rests on.
    pub released_by: ReleaseBasis,
    /// Date of the newest changelog entry; no release is older than that.
    pub changelog_at: Option<Timestamp>,
    /// `urgency=` of the changelog. Urgency is not severity.
    pub urgency: Option<String>,
    /// CVE ids that the changelog names for this fix; `None` is unknown, not none.
    pub cves: Option<Vec<String>>,
    /// The payloads that carry it, sorted by path.
    pub payloads: Vec<UpdatePayload>,
}

/// What a release date rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseBasis {
    /// The earliest `Date` of a signed release file in which the collector saw the update.
    SignedRelease,
    /// The changelog's date, because it is later than that.
    Changelog,
    /// The date of the vendor's signed advisory that names it.
    Advisory,
}

/// One binary package of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatePayload {
    /// Binary package name.
    pub package: String,
    /// Version of the binary package.
    pub version: String,
    /// Architecture, or `all`.
    pub architecture: String,
    /// Path of the file in the catalogue.
    pub path: String,
    /// Digest of the file.
    pub sha256: Digest,
}
