//! What the site trusts from outside: the publisher's root and vendors' certificates, as people look at them.

use crate::{Error, Site};
use fleet::AnchorKind;
use ids::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// Most bytes of a vendor's certificates.
const KEYRING_BYTES_MAX: u64 = 16 << 20;

/// An anchor that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// What kind of trust it founds.
    pub kind: AnchorKind,
    /// What the log calls it.
    pub name: String,
    /// SHA-256 of what was accepted.
    pub sha256: Digest,
    /// A vendor's certificates: fingerprint and the name that each gives itself.
    pub certificates: Vec<(String, String)>,
}

/// The publisher's root that is trusted now: the first one, or one that followed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedRoot {
    /// Its version.
    pub version: u64,
    /// SHA-256 of its file.
    pub sha256: Digest,
    /// When it ends; `None` where it does not say.
    pub expires: Option<Timestamp>,
}

impl Site {
    /// The anchors, by kind and name.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Reader`] when what is kept cannot be read.
    pub fn anchors(&self) -> Result<Vec<Anchor>, Error> {
        let mut anchors = Vec::new();
        for ((kind, name), sha256) in &self.state().anchors {
            let mut certificates = Vec::new();
            if *kind == AnchorKind::VendorKeyring {
                let bytes = self.store().read(sha256, KEYRING_BYTES_MAX).map_err(Error::Store)?;
                let listed = self.reader().list_certificates(&bytes).map_err(Error::Reader)?;
                certificates.extend(listed.into_iter().map(|one| (one.fingerprint, one.name)));
            }
            anchors.push(Anchor { kind: *kind, name: name.clone(), sha256: *sha256, certificates });
        }
        Ok(anchors)
    }

    /// The publisher's root that is trusted now; `None` before the first bundle.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::State`] when what is kept cannot be read.
    pub fn trusted_root(&self) -> Result<Option<TrustedRoot>, Error> {
        let state = self.state();
        let Some(root) = state.publisher.as_ref().and_then(trust::Publisher::trusted_root) else {
            return Ok(None);
        };
        let max = trust::ROOT_BYTES_MAX as u64;
        let bytes = self.store().read(&root.sha256, max).map_err(Error::Store)?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(Error::State)?;
        let expires = value["signed"]["expires"].as_str().and_then(|text| text.parse().ok());
        Ok(Some(TrustedRoot { version: root.version, sha256: root.sha256, expires }))
    }
}
