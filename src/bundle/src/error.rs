//! What can be wrong with the parts of a bundle.

use ids::Fault;

/// A part of a bundle is not what the format says, or does not fit the rest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// JSON that is not what it should be.
    #[error("{what} is not valid")]
    Json {
        /// Which part.
        what: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Written for a newer reader.
    #[error("{what} has schema {found}; this version reads up to {known}: update the appliance")]
    NewerSchema {
        /// Which part.
        what: String,
        /// Its schema number.
        found: u32,
        /// The highest that is understood.
        known: u32,
    },
    /// A rule of the format is broken.
    #[error("{what}: {rule}")]
    Rule {
        /// Which part.
        what: String,
        /// What is wrong.
        rule: String,
    },
    /// Larger or more than any honest bundle needs.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// Which part.
        what: String,
        /// The limit, in bytes or entries.
        limit: u64,
    },
    /// Compressed bytes that do not decompress.
    #[error("{what} does not decompress")]
    Decompress {
        /// Which part.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Our own bytes could not be compressed.
    #[error("compressing {what}")]
    Compress {
        /// Which part.
        what: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Json { .. }
            | Self::Rule { .. }
            | Self::TooLarge { .. }
            | Self::Decompress { .. } => Fault::Input,
            Self::NewerSchema { .. } => Fault::Refused,
            Self::Compress { .. } => Fault::Broken,
        }
    }

    pub(crate) fn rule(what: &str, rule: impl Into<String>) -> Self {
        Self::Rule { what: what.to_owned(), rule: rule.into() }
    }

    pub(crate) fn json(what: &str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { what: what.to_owned(), source }
    }
}
