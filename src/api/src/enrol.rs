//! Enrolment: a token from a person, a key that never leaves the endpoint, and a person's confirmation.

use ids::{EndpointName, RingName, SiteName};
use serde::{Deserialize, Serialize};
use trust::Envelope;

/// An agent's request for a certificate. It may be repeated with the same key until it is answered with
/// [`Enrolled::Certified`]; the token used with another key is an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrol {
    /// The one-time token, as it was handed over; empty from an endpoint whose certificate has ended, which
    /// is known by its key.
    pub token: String,
    /// The endpoint's own name.
    pub endpoint: EndpointName,
    /// PKCS #10 certificate signing request, PEM.
    pub request: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Enrolled {
    /// A person has to compare the key's fingerprint and confirm it at the appliance.
    Pending {
        /// Fingerprint of the key as the appliance sees it: `SHA256:` and base64 of the digest of its
        /// SubjectPublicKeyInfo.
        fingerprint: String,
    },
    /// The endpoint belongs to the site.
    Certified {
        /// Its certificate, PEM.
        certificate: String,
        /// The site.
        site: SiteName,
        /// Its ring.
        ring: RingName,
        /// The chain of site roots from the first on; the agent holds them against the fingerprint that
        /// it was given. Empty where the site has no root yet: such an agent applies nothing.
        roots: Vec<Envelope>,
    },
}
