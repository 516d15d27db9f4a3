//! Errors of the use cases: a variant is the act that failed.

use ids::{Fault, Timestamp};
use std::path::PathBuf;

/// What failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "fields are in the sentence")]
pub enum Error {
    /// Another process is the writer.
    #[error("the data folder {} is in use by another process", path.display())]
    InUse { path: PathBuf },
    /// No site was founded here.
    #[error("no site has been founded in {}; run `patchkeep init` first", path.display())]
    NotFounded { path: PathBuf },
    /// A site was founded here.
    #[error("a site has been founded in {} already; nothing was changed", path.display())]
    Founded { path: PathBuf },
    /// A file or folder of the data folder cannot be used.
    #[error("cannot use {}", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Randomness is not to be had.
    #[error("cannot get random bytes from the system")]
    Random(#[source] std::io::Error),
    /// A key cannot be used.
    #[error("cannot use the key {}: {reason}", path.display())]
    Key { path: PathBuf, reason: String },
    /// Another import is under way.
    #[error("another import is under way; wait for it to end")]
    Busy,
    /// The rules say no.
    #[error("the site refuses this")]
    Refused(#[source] fleet::Refused),
    /// A document that people signed is not obeyed.
    #[error("the document is not taken ({}), and nothing was changed", .0.code())]
    Denied(#[source] trust::Denial),
    /// Whoever asks is not an endpoint of this site, or not any more.
    #[error("this endpoint has not joined the site, or has left it: enrol it again")]
    NotAnEndpoint,
    /// An endpoint would fill the ledger.
    #[error("this endpoint has said too much within an hour; it is heard again in the next")]
    TooOften,
    /// The appliance was restored and its next epoch is not open.
    #[error(
        "this appliance was restored from a backup of {at} with {entries} entries, and only reads: \
         draw up a site root for the next epoch (`patchkeep site draft`), have two administrators \
         sign it, stop the server, and open the epoch (`patchkeep site accept`)"
    )]
    Restored { at: Timestamp, entries: u64 },
    /// The state that an epoch goes on from is not there as it was.
    #[error("the state that this epoch goes on from cannot be used")]
    Carried(#[source] fleet::NotCarried),
    /// A backup could not be written.
    #[error("the backup could not be written, and nothing of it was kept: {0}")]
    Backup(String),
    /// There is next to no room on the data folder's disk.
    #[error(
        "the disk is full: {available_bytes} bytes are free where the data folder is. Nothing was changed and nothing is \
         lost: make room there, and try again"
    )]
    DiskFull { available_bytes: u64 },
    /// The ledger failed; nothing more is written until a restart.
    #[error("the ledger cannot be written; stop, look at the disk, and start again")]
    Ledger(#[source] ledger::Error),
    /// The ledger cannot be opened.
    #[error("the ledger cannot be opened")]
    OpenLedger(#[source] ledger::Error),
    /// The writer has stopped after an earlier failure.
    #[error("the ledger's writer has stopped after a failure; restart the appliance")]
    Stopped,
    /// An entry cannot be read or written.
    #[error("entry {index} of the ledger cannot be used")]
    Entry {
        index: u64,
        #[source]
        source: fleet::CodecError,
    },
    /// The state cannot be written out.
    #[error("the state cannot be written as JSON")]
    State(#[source] serde_json::Error),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] store::Error),
    /// The views failed.
    #[error("the views failed")]
    Views(#[source] views::Error),
    /// The sandboxed reader is not there or failed.
    #[error("the reader failed")]
    Reader(#[source] sandbox::Error),
    /// The medium cannot be read.
    #[error("the medium cannot be read")]
    Medium(#[source] media::Error),
    /// Something that was given is not what it should be.
    #[error("{0}")]
    Input(String),
    /// The audit bundle cannot be made.
    #[error("the audit bundle cannot be made")]
    Audit(#[source] crate::audit::AuditError),
    /// An image is not handed over.
    #[error("no image was handed over: {0}")]
    Image(String),
    /// The network is not changed.
    #[error("the network was left as it is: {0}")]
    Network(String),
    /// Nothing is written to a medium.
    #[error("nothing was written to the medium: {0}")]
    MediumWrite(String),
    /// Signing in failed; which part was wrong is not said.
    #[error(
        "the name, the password or the number is not right, or the account cannot sign in; an administrator can \
         reset it"
    )]
    SignIn,
    /// Signing in failed too often.
    #[error("too many tries: wait {seconds} seconds and try again")]
    SlowDown { seconds: i64 },
    /// Whoever is signed in may not do this.
    #[error(
        "your roles do not allow this, nothing was changed, and that you asked is in the log: it takes the role {role}"
    )]
    NotAllowed { role: &'static str },
    /// The certificate authority failed.
    #[error("the site's certificate authority failed")]
    Authority(#[source] crate::CaError),
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::InUse { .. }
            | Self::Busy
            | Self::TooOften
            | Self::SlowDown { .. }
            | Self::Restored { .. }
            | Self::DiskFull { .. }
            | Self::Backup(_) => Fault::Unavailable,
            Self::NotFounded { .. } | Self::Input(_) => Fault::Input,
            Self::Founded { .. } => Fault::Conflict,
            Self::NotAnEndpoint
            | Self::SignIn
            | Self::NotAllowed { .. }
            | Self::Image(_)
            | Self::Network(_)
            | Self::MediumWrite(_) => Fault::Refused,
            Self::Folder { .. } | Self::Random(_) => Fault::Unavailable,
            Self::Refused(source) => source.fault(),
            Self::Denied(source) => source.fault(),
            Self::OpenLedger(source) => source.fault(),
            Self::Entry { source, .. } => source.fault(),
            Self::Store(source) => source.fault(),
            Self::Views(source) => source.fault(),
            Self::Reader(source) => source.fault(),
            Self::Audit(source) => source.fault(),
            Self::Medium(source) => source.fault(),
            Self::Ledger(_)
            | Self::Stopped
            | Self::State(_)
            | Self::Carried(_)
            | Self::Key { .. } => Fault::Broken,
            Self::Authority(source) => source.fault(),
        }
    }
}
