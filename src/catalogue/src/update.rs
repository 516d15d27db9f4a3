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
    /// The gravest word of the vendor's advisories about it; `None`: there is none, or it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<VendorSeverity>,
    /// CVE ids that the changelog names for this fix; `None` is unknown, not none.
    pub cves: Option<Vec<String>>,
    /// The payloads that carry it, sorted by path.
    pub payloads: Vec<UpdatePayload>,
}

/// How severe a vendor says that something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the words are the vendors'")]
pub enum VendorSeverity {
    Low,
    Medium,
    High,
    Critical,
}

impl VendorSeverity {
    /// The gravest first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// What a vendor's word means, in any case: CVSS's words, and those of Red Hat and its kin.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "low" => Some(Self::Low),
            "medium" | "moderate" => Some(Self::Medium),
            "high" | "important" => Some(Self::High),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }

    /// The rating of a CVSS v3 base score in tenths (CVSS v3.1, section 5); of 0 there is none.
    #[must_use]
    pub const fn of_score(tenths: u16) -> Option<Self> {
        match tenths {
            0 => None,
            1..40 => Some(Self::Low),
            40..70 => Some(Self::Medium),
            70..90 => Some(Self::High),
            _ => Some(Self::Critical),
        }
    }
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
