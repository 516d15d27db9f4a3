//! What can go wrong on an endpoint, each in one sentence.

use ids::Fault;
use std::{fmt::Write as _, io, path::PathBuf};

/// What failed, or why the agent does not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the machine cannot be used.
    #[error("cannot {act} {}", .path.display())]
    File {
        /// Read, write, ...
        act: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{} cannot be used: {reason}", .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No `enrol` was brought to its end here.
    #[error("this machine is not enrolled: run `patchkeep-agent enrol`")]
    NotEnrolled,
    /// It belongs to a site already.
    #[error("this machine belongs to site {site} already, as {endpoint}; nothing was changed")]
    Enrolled {
        /// The site.
        site: String,
        /// Its name there.
        endpoint: String,
    },
    /// Another agent works on the same machine.
    #[error("another patchkeep-agent is at work on this machine")]
    Busy,
    /// Words on the command line, or a host name, that do not do.
    #[error("{0}")]
    Words(String),
    /// The network client could not be set up.
    #[error("could not set up the network client")]
    Client(#[source] reqwest::Error),
    /// The appliance could not be reached.
    #[error("the appliance did not answer at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The appliance said no.
    #[error("the appliance refuses ({code}): {message}")]
    Problem {
        /// HTTP status.
        status: u16,
        /// Its code.
        code: String,
        /// Its sentence.
        message: String,
    },
    /// An answer that is not one.
    #[error("the appliance's answer cannot be used: {0}")]
    Answer(String),
    /// The root certificate at the address is not the pinned one.
    #[error("the appliance's root certificate is {found}, not {pinned}: nothing was sent to it")]
    Authority {
        /// The one that was found.
        found: String,
        /// The one that was handed over.
        pinned: String,
    },
    /// A key or a request for a certificate could not be made.
    #[error("could not make a key")]
    Key(#[source] rcgen::Error),
    /// The appliance names another key than ours.
    #[error("the appliance sees key {theirs}, and ours is {ours}: somebody stands in between")]
    OtherKey {
        /// What the appliance says.
        theirs: String,
        /// What is true.
        ours: String,
    },
    /// A person has to confirm the key at the appliance.
    #[error(
        "key {0} is not confirmed yet: compare and confirm it at the appliance, then run this again"
    )]
    Pending(String),
    /// A root, an approval or a waiver is not obeyed.
    #[error("{what} is refused")]
    Denied {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: trust::Denial,
    },
    /// What is asked for is refused by a rule of the agent's own.
    #[error("{0}")]
    Refused(String),
    /// The log went back or forked, or what was remembered is lost: nothing is applied.
    #[error("nothing is applied until a person has run `patchkeep-agent reset`: {0}")]
    Alarm(String),
    /// A program of the machine failed.
    #[error("{line} failed ({code}): {said}")]
    Program {
        /// The command.
        line: String,
        /// How it ended.
        code: String,
        /// The end of what it said.
        said: String,
    },
    /// A program was ended because it took too long.
    #[error("{line} was stopped after {seconds} seconds")]
    TimeOut {
        /// The command.
        line: String,
        /// Its limit.
        seconds: u64,
    },
    /// dpkg or apt's own state is broken, and not by us.
    #[error("dpkg is not in order, and nothing was changed; run `dpkg --audit`: {0}")]
    Dpkg(String),
    /// An archive is not the approved one.
    #[error("{file} is not the payload that was approved: it was thrown away")]
    Altered {
        /// Name of the archive.
        file: String,
    },
    /// There is no room for a way back.
    #[error("a way back needs {needed} bytes, and {available} are free")]
    Space {
        /// What it would take.
        needed: u64,
        /// What is there.
        available: u64,
    },
    /// The way back does not hold.
    #[error("the way back does not hold: {0}")]
    WayBack(String),
    /// The machine's inventory cannot be taken.
    #[error("cannot take the inventory")]
    Inventory(#[source] client::Error),
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Content { .. } | Self::Words(_) | Self::NotEnrolled | Self::Answer(_) => {
                Fault::Input
            }
            Self::File { .. }
            | Self::Client(_)
            | Self::Unreachable { .. }
            | Self::Pending(_)
            | Self::Program { .. }
            | Self::TimeOut { .. }
            | Self::Space { .. } => Fault::Unavailable,
            Self::Enrolled { .. } | Self::Busy => Fault::Conflict,
            Self::Problem { status, .. } if *status >= 500 => Fault::Unavailable,
            Self::Denied { source, .. } => source.fault(),
            Self::Problem { .. }
            | Self::Authority { .. }
            | Self::OtherKey { .. }
            | Self::Refused(_)
            | Self::Alarm(_)
            | Self::Dpkg(_)
            | Self::Altered { .. } => Fault::Refused,
            Self::Key(_) | Self::WayBack(_) => Fault::Broken,
            Self::Inventory(source) => source.fault(),
        }
    }

    pub(crate) fn file(act: &'static str, path: &std::path::Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { act, path: path.clone(), source }
    }

    pub(crate) fn denied(what: &'static str) -> impl Fn(trust::Denial) -> Self {
        move |source| Self::Denied { what, source }
    }
}

/// An error and its causes in one sentence.
#[must_use]
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {source}");
        cause = source.source();
    }
    text
}
