//! What can be wrong with a medium: each error names the file or volume.

use ids::Fault;
use std::path::PathBuf;

/// A medium cannot be read, or is not what a bundle should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing there that is a bundle.
    #[error("no bundle found in {}", .path.display())]
    NoBundle {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The device answered with an error: pulled out, worn out, not allowed.
    #[error("reading {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A link, a device or a pipe where a plain file or folder must be.
    #[error("{} is not a plain {kind}", .path.display())]
    NotPlain {
        /// Which file.
        path: PathBuf,
        /// `file` or `folder`.
        kind: &'static str,
    },
    /// More files than any honest bundle has.
    #[error("{} holds more than {limit} files", .path.display())]
    TooMany {
        /// Which folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A file ends early.
    #[error("{} is cut short: copy it again", .path.display())]
    CutShort {
        /// Which file.
        path: PathBuf,
    },
    /// A volume is not built as a volume is.
    #[error("{} is not a sound volume", .path.display())]
    Volume {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: bundle::Error,
    },
    /// A volume contradicts itself.
    #[error("{} is damaged: {what}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// Volumes of two bundles at once.
    #[error("{} belongs to bundle {found}, but {} to bundle {expected}", .path.display(), .first.display())]
    OtherBundle {
        /// The volume that does not belong.
        path: PathBuf,
        /// Sequence number of its bundle.
        found: u64,
        /// The volume that was read first.
        first: PathBuf,
        /// Sequence number of that one's bundle.
        expected: u64,
    },
    /// One volume twice.
    #[error("{} and {} are both volume {volume}", .path.display(), .first.display())]
    Repeated {
        /// The second.
        path: PathBuf,
        /// The first.
        first: PathBuf,
        /// The number of the volume.
        volume: u32,
    },
    /// A target that the metadata names is not on the medium.
    #[error("{name} is missing from the bundle")]
    MissingTarget {
        /// Target name.
        name: String,
    },
    /// A target is not the file that the metadata vouches for.
    #[error("{name} is not the file that the publisher signed")]
    WrongTarget {
        /// Target name.
        name: String,
    },
    /// Metadata that is refused before it is judged.
    #[error("the bundle's metadata is refused")]
    Metadata(#[source] trust::Refusal),
    /// A part of the bundle that is not what the format says.
    #[error("the bundle's contents are not sound")]
    Contents(#[source] bundle::Error),
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Read { .. } => Fault::Unavailable,
            Self::NoBundle { .. }
            | Self::NotPlain { .. }
            | Self::TooMany { .. }
            | Self::CutShort { .. }
            | Self::Damaged { .. }
            | Self::OtherBundle { .. }
            | Self::Repeated { .. }
            | Self::MissingTarget { .. } => Fault::Input,
            Self::WrongTarget { .. } => Fault::Refused,
            Self::Metadata(refusal) => refusal.fault(),
            Self::Volume { source, .. } | Self::Contents(source) => source.fault(),
        }
    }

    /// A stable code for events and reports.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoBundle { .. } => "no-bundle",
            Self::Read { .. } => "medium-unreadable",
            Self::NotPlain { .. } => "not-a-plain-file",
            Self::TooMany { .. } => "too-many-files",
            Self::CutShort { .. } => "cut-short",
            Self::Volume { .. } => "volume-format",
            Self::Damaged { .. } => "volume-damaged",
            Self::OtherBundle { .. } => "volume-of-another-bundle",
            Self::Repeated { .. } => "volume-repeated",
            Self::MissingTarget { .. } => "missing-target",
            Self::WrongTarget { .. } => "wrong-target",
            Self::Metadata(refusal) => refusal.code(),
            Self::Contents(_) => "contents-format",
        }
    }
}
