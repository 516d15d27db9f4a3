//! What is remembered of a publisher: the pins against which the next bundle is judged.

use crate::envelope::Envelope;
use crate::{Reason, Refusal, roles, threshold};
use ids::{Digest, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeMap;

/// What the ledger remembers of a publisher. Plain data: made by [`Publisher::anchor`] once, then
/// replaced by what [`crate::Outcome::Newer`] carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    /// Digest of every root version that was ever accepted; the highest is the trusted one.
    #[serde(deserialize_with = "roots")]
    pub roots: BTreeMap<u64, Digest>,
    /// The trusted timestamp file. Its version is the bundle's sequence number.
    pub timestamp: Option<Seen>,
    /// What the trusted snapshot lists.
    pub snapshot: Option<Listed>,
    /// The latest time at which the publisher said that it signed.
    pub latest_signed_at: Option<Timestamp>,
}

/// Versions as JSON's keys, which are text: inside a tagged enum serde does not turn them into
/// numbers by itself, and an event that carries a publisher could be written but never read.
fn roots<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u64, Digest>, D::Error> {
    let texts = BTreeMap::<String, Digest>::deserialize(deserializer)?;
    let number = |(text, digest): (String, Digest)| {
        let version: u64 = text.parse().map_err(de::Error::custom)?;
        Ok((version, digest))
    };
    texts.into_iter().map(number).collect()
}

/// A file that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its version.
    pub version: u64,
    /// Digest of the whole file. Of the timestamp file, this names the bundle.
    pub sha256: Digest,
}

/// The trusted snapshot: versions that must not go back or disappear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The snapshot's own version.
    pub version: u64,
    /// Versions by file name without version, e.g. `targets.json`.
    pub files: BTreeMap<String, u64>,
}

impl Publisher {
    /// A publisher of whom nothing is known but its first root, handed over apart from the bundle.
    /// `fingerprint` is the SHA-256 of that root file, as printed on paper.
    ///
    /// # Errors
    /// [`Reason::Fingerprint`] when the file is another; otherwise as [`crate::follow`].
    pub fn anchor(root: &[u8], fingerprint: Digest) -> Result<Self, Refusal> {
        let sha256 = Digest::of(root);
        if sha256 != fingerprint {
            let sentence = format!(
                "the publisher's root has the fingerprint {sha256}, not the expected {fingerprint}"
            );
            return Err(Refusal::new(Reason::Fingerprint, sentence));
        }
        let envelope = Envelope::read("root.json", root)?;
        let role = roles::read_root(&envelope)?;
        threshold::check(&envelope, &[&role.root])?;
        Ok(Self {
            roots: BTreeMap::from([(role.version, sha256)]),
            timestamp: None,
            snapshot: None,
            latest_signed_at: None,
        })
    }

    /// Version and digest of the trusted root; `None` only for a hand-made value without roots.
    #[must_use]
    pub fn trusted_root(&self) -> Option<Seen> {
        let (&version, &sha256) = self.roots.last_key_value()?;
        Some(Seen { version, sha256 })
    }

    /// The sequence number of the newest bundle that was accepted.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.timestamp.map(|seen| seen.version)
    }
}
