//! What can go wrong on the publisher's side.

use ids::{Digest, Fault, SourceId};
use std::path::PathBuf;

/// A ceremony, a build or a check of a bundle failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A file of ours could not be read or written.
    #[error("{act} {}", .path.display())]
    File {
        /// What was being done, e.g. `writing`.
        act: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A folder that must be new is in use.
    #[error("{} is there already; choose another folder", .path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// Another build uses the same state.
    #[error("another build is using {}", .path.display())]
    Busy {
        /// The state folder.
        path: PathBuf,
    },
    /// A key file that is no PKCS#8 Ed25519 private key in PEM.
    #[error("{} is not an Ed25519 private key in PEM (PKCS#8)", .path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
    },
    /// The wish for keys makes no sense.
    #[error("{0}")]
    Keys(String),
    /// Too few of a role's keys are in the key folder.
    #[error(
        "role {role} needs {needed} of its keys to sign; the key folder has {found}: bring the key, \
         or make one for a new source with `patchkeep keys add-source`"
    )]
    TooFewKeys {
        /// The role.
        role: String,
        /// Its threshold.
        needed: u64,
        /// How many of its keys are there.
        found: u64,
    },
    /// tough could not sign a role.
    #[error("signing {role}")]
    Sign {
        /// The role.
        role: String,
        /// Why.
        #[source]
        source: Box<tough::error::Error>,
    },
    /// Metadata of ours that `trust` would refuse.
    #[error("our own metadata would be refused")]
    Trust(#[source] trust::Refusal),
    /// A part of the bundle breaks the format.
    #[error("the bundle cannot be written as its format demands")]
    Format(#[source] bundle::Error),
    /// A finished bundle cannot be read back.
    #[error("the bundle cannot be read")]
    Medium(#[source] media::Error),
    /// The publisher's state file is not one.
    #[error("{} is not a publisher's state", .path.display())]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// An update without a release date: deadlines are counted from it.
    #[error("update {update} of source {source_id} has no believable release date")]
    ReleaseDate {
        /// The source.
        source_id: SourceId,
        /// The update.
        update: String,
    },
    /// A wish for the build that contradicts itself.
    #[error("{0}")]
    Request(String),
    /// A payload that the catalogue names could not be had.
    #[error("payload {digest} of source {source_id}")]
    Payload {
        /// The source.
        source_id: SourceId,
        /// The payload.
        digest: Digest,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A payload whose bytes are not those that the catalogue names.
    #[error("payload {digest} of source {source_id} is not what the catalogue says: collect again")]
    PayloadAltered {
        /// The source.
        source_id: SourceId,
        /// The payload.
        digest: Digest,
    },
    /// Not enough room; nothing was written.
    #[error("{} has {available} bytes free; the bundle needs {needed}", .path.display())]
    Space {
        /// Where.
        path: PathBuf,
        /// What is needed, in bytes.
        needed: u64,
        /// What is there, in bytes.
        available: u64,
    },
    /// The randomness of the system failed.
    #[error("the system gave no random numbers")]
    Random,
}

impl PublishError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::File { .. } | Self::Space { .. } | Self::Payload { .. } => Fault::Unavailable,
            Self::Exists { .. } | Self::Busy { .. } => Fault::Conflict,
            Self::KeyFile { .. }
            | Self::Keys(_)
            | Self::Request(_)
            | Self::ReleaseDate { .. }
            | Self::PayloadAltered { .. } => Fault::Input,
            Self::TooFewKeys { .. } => Fault::Refused,
            Self::Sign { .. } | Self::State { .. } | Self::Random => Fault::Broken,
            Self::Trust(refusal) => refusal.fault(),
            Self::Format(error) => error.fault(),
            Self::Medium(error) => error.fault(),
        }
    }

    pub(crate) fn file(
        act: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path, source }
    }
}
