//! What can go wrong on the connected side, each in one sentence.

use ids::{Fault, Timestamp};
use std::{io, path::PathBuf};

/// Why a collection stopped. What was fetched and verified by then is kept for the next run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are not usable.
    #[error("the settings {} cannot be used: {reason}", .path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A list about vulnerabilities is not usable.
    #[error("the list {} cannot be used: {reason}; nothing was collected", .path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No mirror is named, neither in the settings nor by this machine.
    #[error(
        "no mirror is known for {suite}: name one with `mirror = \"https://...\"` in the settings, \
         or run this where apt's own sources name one"
    )]
    NoMirror {
        /// The suite that was asked for.
        suite: String,
    },
    /// Neither settings nor apt sources.
    #[error("nothing to collect: there are no settings, and this machine's apt names no sources")]
    Unconfigured,
    /// Another collection works in the same folder.
    #[error("another collection is at work in {}", .folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// No keys to judge a vendor's signature by.
    #[error(
        "no keyring is known for {suite}: install debian-archive-keyring or put keys into a folder"
    )]
    NoKeyring {
        /// The suite.
        suite: String,
    },
    /// A file of this machine cannot be read or written.
    #[error("could not {act} {}", .path.display())]
    File {
        /// Read, write, ...
        act: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The network client could not be set up.
    #[error("could not set up the network client: {reason}")]
    Client {
        /// Why.
        reason: String,
    },
    /// The mirror could not be reached, or broke off too often.
    #[error(
        "could not fetch {path} after {attempts} attempts: {reason}; what was fetched is kept, run again"
    )]
    Fetch {
        /// Path on the mirror.
        path: String,
        /// How often it was tried.
        attempts: u32,
        /// The last reason.
        reason: String,
    },
    /// The mirror refuses.
    #[error("the mirror or proxy refuses {path} (status {status}){}", hint(*.status))]
    Denied {
        /// Path on the mirror.
        path: String,
        /// HTTP status.
        status: u16,
    },
    /// A file that must be there is missing.
    #[error("the mirror does not have {path}: it is incomplete, or being updated; try again later")]
    MissingFile {
        /// Path on the mirror.
        path: String,
    },
    /// What came is not what the signed metadata names.
    #[error(
        "{path} from the mirror is not what the vendor signed (digest or length differs); it was thrown away"
    )]
    Altered {
        /// Path on the mirror.
        path: String,
    },
    /// The release file's signature does not hold.
    #[error("the release file of {suite} is refused")]
    Signature {
        /// The suite.
        suite: String,
        /// The reasons.
        #[source]
        source: sandbox::Error,
    },
    /// The release file is older than one seen before.
    #[error(
        "the release file of {suite} is of {date}, older than the one of {seen} seen before: refused"
    )]
    Rollback {
        /// The suite.
        suite: String,
        /// Its date.
        date: Timestamp,
        /// Date of the newest seen.
        seen: Timestamp,
    },
    /// The release file is past its own end.
    #[error(
        "the release file of {suite} was valid until {until}: refused; the mirror may be stuck"
    )]
    Stale {
        /// The suite.
        suite: String,
        /// `Valid-Until`.
        until: Timestamp,
    },
    /// The release file is from the future.
    #[error(
        "the release file of {suite} is dated {date}, more than a day ahead of this clock: refused"
    )]
    Future {
        /// The suite.
        suite: String,
        /// `Date`.
        date: Timestamp,
    },
    /// A genuine release file of something else.
    #[error("the mirror answered for {suite} with a release file of {codename}: refused")]
    WrongSuite {
        /// The suite that was asked for.
        suite: String,
        /// What came.
        codename: String,
    },
    /// The release file has nothing for what the settings name.
    #[error("{suite} has no {what}")]
    NotOffered {
        /// The suite.
        suite: String,
        /// Component or architecture.
        what: String,
    },
    /// The vendor's words cannot be read.
    #[error("{path} cannot be used")]
    Format {
        /// Path on the mirror, or on this machine.
        path: String,
        /// Why.
        #[source]
        source: vendor_apt::Error,
    },
    /// The words of an RPM repository cannot be read.
    #[error("{path} cannot be used")]
    RpmFormat {
        /// Path on the mirror.
        path: String,
        /// Why.
        #[source]
        source: vendor_rpm::Error,
    },
    /// The words of a release of an image cannot be read.
    #[error("{path} cannot be used")]
    ImageFormat {
        /// Path on the mirror.
        path: String,
        /// Why.
        #[source]
        source: vendor_image::Error,
    },
    /// The sandboxed reader could not do its work.
    #[error("{path} could not be read")]
    Read {
        /// Path on the mirror.
        path: String,
        /// Why.
        #[source]
        source: sandbox::Error,
    },
    /// apt's solver failed.
    #[error("apt's solver failed for {what}: {reason}")]
    Solver {
        /// The machine or list.
        what: String,
        /// What apt said.
        reason: String,
    },
    /// Our own invariant is broken.
    #[error("a broken invariant: {what}")]
    Invariant {
        /// Which.
        what: String,
    },
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Settings { .. }
            | Self::List { .. }
            | Self::NoMirror { .. }
            | Self::Unconfigured
            | Self::NoKeyring { .. }
            | Self::NotOffered { .. }
            | Self::Format { .. }
            | Self::RpmFormat { .. }
            | Self::ImageFormat { .. }
            | Self::Solver { .. } => Fault::Input,
            Self::File { .. }
            | Self::Client { .. }
            | Self::Fetch { .. }
            | Self::MissingFile { .. } => Fault::Unavailable,
            Self::Busy { .. } => Fault::Conflict,
            Self::Denied { .. }
            | Self::Altered { .. }
            | Self::Rollback { .. }
            | Self::Stale { .. }
            | Self::Future { .. }
            | Self::WrongSuite { .. } => Fault::Refused,
            Self::Signature { source, .. } | Self::Read { source, .. } => source.fault(),
            Self::Invariant { .. } => Fault::Broken,
        }
    }

    pub(crate) fn file(act: &'static str, path: &std::path::Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path: path.clone(), source }
    }
}

/// What to look at after a refusal.
fn hint(status: u16) -> &'static str {
    match status {
        401 | 407 => ": name and password in the settings are wrong, or missing",
        _ => "",
    }
}
