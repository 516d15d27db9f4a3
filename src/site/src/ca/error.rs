//! What can go wrong in the certificate authority, and whose fault it is.

use ids::{EndpointName, Fault};
use std::{io, path::PathBuf};

/// An act of the certificate authority that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// A file of keys could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of keys could not be written, or its permissions not set.
    #[error("could not write {}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of keys does not hold one certificate and its private key.
    #[error("{} does not hold a certificate and its key", path.display())]
    NotKeys {
        /// Which one.
        path: PathBuf,
    },
    /// A name that cannot stand in a certificate.
    #[error("{name:?} cannot stand in a certificate")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A certificate could not be made.
    #[error("could not make a certificate for {subject}")]
    Issue {
        /// For whom.
        subject: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A certificate request that is not one, or is not signed with the key that it names.
    #[error("certificate request of {endpoint} is not valid")]
    Request {
        /// Whose.
        endpoint: EndpointName,
        /// Why.
        source: rcgen::Error,
    },
    /// A certificate request that is too long, or whose key is none of P-256, P-384 and Ed25519.
    #[error("certificate request of {endpoint} is refused: {reason}")]
    RequestRefused {
        /// Whose.
        endpoint: EndpointName,
        /// Why.
        reason: &'static str,
    },
}

impl CaError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Name { .. } | Self::Request { .. } => Fault::Input,
            Self::RequestRefused { .. } => Fault::Refused,
            Self::Read { .. } | Self::Write { .. } | Self::NotKeys { .. } | Self::Issue { .. } => {
                Fault::Broken
            }
        }
    }
}
