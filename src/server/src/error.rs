//! Why a server could not start.

use ids::Fault;
use std::{io, net::SocketAddr};

/// A server that could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address cannot be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Certificate and key of the server do not fit, or their kind is not supported.
    #[error("the server's certificate cannot be used")]
    Identity(#[source] rustls::Error),
    /// The server's private key cannot be read.
    #[error("the server's private key is not PKCS #8")]
    Key,
    /// A root certificate for clients cannot be read.
    #[error("root certificate {number} for clients cannot be used")]
    Root {
        /// Which one, from 1.
        number: usize,
        /// Why.
        source: rustls::Error,
    },
    /// No root certificate for clients was given.
    #[error("certificates of clients cannot be checked")]
    Clients(#[source] rustls::server::VerifierBuilderError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Listen { .. } => Fault::Unavailable,
            Self::Identity(_) | Self::Key | Self::Root { .. } | Self::Clients(_) => Fault::Input,
            Self::Tls(_) => Fault::Broken,
        }
    }
}
