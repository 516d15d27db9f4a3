//! Errors on an endpoint: a variant is the act that failed.

use ids::Fault;
use std::path::PathBuf;

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the machine cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of the machine is not what it should be.
    #[error("cannot understand {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: vendor_apt::Error,
    },
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Read { .. } | Self::Format { .. } => Fault::Input,
        }
    }
}
