//! Certificates that are refused although the site issued them.

use arc_swap::ArcSwap;
use ids::Digest;
use std::{collections::HashSet, sync::Arc};

/// Certificates that are refused although the site issued them, by SHA-256 of their DER. Clones share
/// the set; a change takes effect with the next request.
#[derive(Debug, Clone, Default)]
pub struct Revoked(Arc<ArcSwap<HashSet<Digest>>>);

impl Revoked {
    /// Replaces the set.
    pub fn set(&self, certificates: HashSet<Digest>) {
        self.0.store(Arc::new(certificates));
    }

    /// Whether a certificate is in the set.
    #[must_use]
    pub fn contains(&self, certificate: &Digest) -> bool {
        self.0.load().contains(certificate)
    }
}
