//! What can go wrong with an audit bundle, and whose fault it is.

use ids::Fault;
use std::{io, path::PathBuf};

/// Why an audit bundle was not written or not opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// An entry of the log that this version cannot read.
    #[error("cannot read entry {index} of the log")]
    Entry {
        /// Its index.
        index: u64,
        /// Why.
        #[source]
        source: fleet::CodecError,
    },
    /// The checkpoint is not the log's, or not well formed.
    #[error("cannot read the log's checkpoint")]
    Checkpoint(#[source] merkle::Error),
    /// A tile or a proof could not be made.
    #[error("cannot make tiles and proofs of the log")]
    Tree(#[source] merkle::Error),
    /// Entries and checkpoint are not of one tree.
    #[error(
        "the {entries} entries of the log do not lead to the root that its checkpoint of {size} \
         entries names"
    )]
    NotTheTree {
        /// Entries given.
        entries: u64,
        /// Size in the checkpoint.
        size: u64,
    },
    /// The SSH form of the key or its signature could not be made.
    #[error("cannot sign the manifest in the SSH form")]
    Sign(#[source] ssh_key::Error),
    /// The public key could not be written as PEM.
    #[error("cannot write the public key as PEM: {0}")]
    Pem(String),
    /// A page could not be made from its template.
    #[error("cannot write {page}")]
    Page {
        /// Its file name.
        page: &'static str,
        /// Why.
        #[source]
        source: askama::Error,
    },
    /// A table could not be written as JSON.
    #[error("cannot write {table} as JSON")]
    Json {
        /// Which table.
        table: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A name that a bundle may not hold.
    #[error("{name:?} cannot be the name of a file in an audit bundle")]
    Name {
        /// The name.
        name: String,
    },
    /// The zip could not be written.
    #[error("cannot write the zip")]
    WriteZip(#[source] zip::result::ZipError),
    /// The output could not be written.
    #[error("cannot write the audit bundle")]
    Write(#[source] io::Error),
    /// A file or folder could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The zip cannot be read.
    #[error("cannot read the zip")]
    ReadZip(#[source] zip::result::ZipError),
    /// What was given is not an audit bundle, or is made to do harm.
    #[error("this audit bundle is not opened: {reason}")]
    Hostile {
        /// One sentence's end.
        reason: String,
    },
}

impl AuditError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Entry { .. }
            | Self::Checkpoint(_)
            | Self::Tree(_)
            | Self::NotTheTree { .. }
            | Self::Sign(_)
            | Self::Pem(_)
            | Self::Page { .. }
            | Self::Json { .. }
            | Self::Name { .. } => Fault::Broken,
            Self::WriteZip(_) | Self::Write(_) => Fault::Unavailable,
            Self::Read { .. } | Self::ReadZip(_) | Self::Hostile { .. } => Fault::Input,
        }
    }

    pub(super) fn hostile(reason: impl Into<String>) -> Self {
        Self::Hostile { reason: reason.into() }
    }
}
