//! Why a release of an image is not taken.

use ids::Fault;

/// What was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not the JSON that a release is.
    #[error("release.json is malformed: {0}")]
    Malformed(String),
    /// A field of it has a value that no release has.
    #[error("release.json has no usable {field}: {why}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The signed release does not vouch for a file.
    #[error("the vendor's signed release.json does not vouch for {path}: {reason}")]
    NotVouched {
        /// Path in the catalogue.
        path: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// The catalogue says something else of its source than the signed file.
    #[error("the catalogue and the vendor's signed release.json differ in {what}")]
    Differs {
        /// The field.
        what: &'static str,
    },
}

impl From<catalogue::NotNamed> for Error {
    fn from(not: catalogue::NotNamed) -> Self {
        Self::NotVouched { path: not.path, reason: not.reason }
    }
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Malformed(_) | Self::Field { .. } => Fault::Input,
            Self::NotVouched { .. } | Self::Differs { .. } => Fault::Refused,
        }
    }
}
