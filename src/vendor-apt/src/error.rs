//! Why a Debian repository's words are not taken.

use ids::Fault;

/// What was wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Text that is not deb822, or larger than any real one.
    #[error("{what} is malformed{}: {reason}", at(*.stanza))]
    Malformed {
        /// Which kind of file.
        what: &'static str,
        /// Stanza number from 1; 0 where there is only one.
        stanza: usize,
        /// What is wrong.
        reason: String,
    },
    /// A field that must be there is missing or wrong.
    #[error("{what} has no usable {field}{}", at(*.stanza))]
    Field {
        /// Which kind of file.
        what: &'static str,
        /// Stanza number from 1; 0 where there is only one.
        stanza: usize,
        /// The field.
        field: &'static str,
    },
    /// Only weak hashes name the files.
    #[error("{what} names files by weak hashes only: SHA256 is missing{}", at(*.stanza))]
    WeakHash {
        /// Which kind of file.
        what: &'static str,
        /// Stanza number from 1; 0 where there is only one.
        stanza: usize,
    },
    /// A path that would leave the repository's root.
    #[error("{what} names an unsafe path {path:?}")]
    UnsafePath {
        /// Which kind of file.
        what: &'static str,
        /// The path, cut to 200 characters.
        path: String,
    },
    /// Text that is no Debian version.
    #[error("{text:?} is not a Debian version")]
    Version {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// The vendor's signed release does not vouch for a file.
    #[error("the vendor's signed release does not vouch for {path}: {reason}")]
    NotVouched {
        /// Path in the catalogue.
        path: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// The catalogue says something else of its source than the release file.
    #[error("the catalogue and the vendor's signed release differ in {what}")]
    Differs {
        /// The field.
        what: &'static str,
    },
    /// An index is not the one that the release file names.
    #[error("index {path} is not the one that the vendor's signed release names")]
    WrongIndex {
        /// Path below the suite's folder.
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
            | Self::UnsafePath { .. }
            | Self::Version { .. } => Fault::Input,
            Self::NotVouched { .. } | Self::Differs { .. } | Self::WrongIndex { .. } => {
                Fault::Refused
            }
        }
    }
}

fn at(stanza: usize) -> String {
    if stanza == 0 { String::new() } else { format!(" in stanza {stanza}") }
}
