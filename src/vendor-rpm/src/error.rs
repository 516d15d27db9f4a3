//! Why an RPM repository's words are not taken.

use ids::Fault;

/// What was wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Text that is not XML, or larger or deeper than any real one.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// Which kind of file.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// An element that must be there is missing or wrong.
    #[error("{what} has no usable {field}{}", named(.of))]
    Field {
        /// Which kind of file.
        what: &'static str,
        /// The element.
        field: &'static str,
        /// What it is missing of, where there are several.
        of: String,
    },
    /// Only hashes that do not count name the file.
    #[error("{what} names {of} by {kind:?}, and only SHA-256 counts here")]
    WeakHash {
        /// Which kind of file.
        what: &'static str,
        /// The name of the hash, cut to 40 characters.
        kind: String,
        /// What is named.
        of: String,
    },
    /// A path that would leave the repository's root.
    #[error("{what} names an unsafe path {path:?}")]
    UnsafePath {
        /// Which kind of file.
        what: &'static str,
        /// The path, cut to 200 characters.
        path: String,
    },
    /// The vendor's signed release does not vouch for a file.
    #[error("the vendor's signed repomd.xml does not vouch for {path}: {reason}")]
    NotVouched {
        /// Path in the catalogue.
        path: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// The catalogue says something else of its source than the signed file.
    #[error("the catalogue and the vendor's signed repomd.xml differ in {what}")]
    Differs {
        /// The field.
        what: &'static str,
    },
    /// A list is not the one that the signed file names.
    #[error("{path} is not the one that the vendor's signed repomd.xml names")]
    WrongIndex {
        /// Path below the repository's root.
        path: String,
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
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed { .. }
            | Self::Field { .. }
            | Self::WeakHash { .. }
            | Self::UnsafePath { .. } => Fault::Input,
            Self::NotVouched { .. } | Self::Differs { .. } | Self::WrongIndex { .. } => {
                Fault::Refused
            }
        }
    }
}

fn named(of: &str) -> String {
    if of.is_empty() { String::new() } else { format!(" of {of}") }
}
