//! Errors of the views.

use std::path::PathBuf;

/// What failed. None of these loses anything: views are derived.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be prepared.
    #[error("cannot prepare the views folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// sled failed.
    #[error("cannot {act} the views")]
    Sled {
        /// What was being done.
        act: &'static str,
        /// Why.
        #[source]
        source: sled::Error,
    },
    /// A row is not JSON.
    #[error("row in view {tree} is not JSON")]
    Row {
        /// The tree.
        tree: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// Whose fault it is: the disk's, always.
    #[must_use]
    pub const fn fault(&self) -> ids::Fault {
        match self {
            Self::Folder { .. } | Self::Sled { .. } | Self::Row { .. } => ids::Fault::Unavailable,
        }
    }
}
