//! What can go wrong with a child, sorted by whose fault it is.

use crate::wire::SignatureClaim;
use ids::Fault;
use std::{io, path::PathBuf};

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not where it should be.
    #[error("patchkeep-reader is not beside this program (looked in {})", .looked_in.display())]
    Missing {
        /// The folder that was searched.
        looked_in: PathBuf,
    },
    /// The program could not be started.
    #[error("could not start {}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The sandbox cannot be had on this machine.
    #[error("this machine cannot confine the reader, so nothing was read: {reason}")]
    Unconfined {
        /// What failed.
        reason: String,
    },
    /// The time limit fired and the child was killed.
    #[error("reading {what} took longer than {seconds} seconds and was stopped")]
    TimedOut {
        /// What was being read.
        what: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// The child died without an answer.
    #[error("the reader died while reading {what} ({how}){said}")]
    Crashed {
        /// What was being read.
        what: &'static str,
        /// Signal or exit code.
        how: String,
        /// The first line of what it printed, with a leading colon, or nothing.
        said: String,
    },
    /// More came out than was allowed.
    #[error("{what} is larger than {bytes_max} bytes")]
    TooLarge {
        /// What was being read.
        what: &'static str,
        /// The limit.
        bytes_max: u64,
    },
    /// The input is not what it should be.
    #[error("{what} cannot be read: {reason}")]
    Refused {
        /// What was being read.
        what: &'static str,
        /// The child's reason.
        reason: String,
    },
    /// No signature holds.
    #[error("no good signature{}", reasons(.claims))]
    NoGoodSignature {
        /// What was said of each.
        claims: Vec<SignatureClaim>,
    },
    /// The child claims what the parent can see to be untrue.
    #[error("the reader's claim about {what} does not fit: {claim}")]
    Claim {
        /// What was being read.
        what: &'static str,
        /// The claim.
        claim: &'static str,
    },
    /// Talking to the child failed.
    #[error("could not talk to the reader of {what}")]
    Talk {
        /// What was being read.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Missing { .. } | Self::Unconfined { .. } => Fault::Broken,
            Self::Start { .. } | Self::Talk { .. } => Fault::Unavailable,
            Self::TimedOut { .. }
            | Self::Crashed { .. }
            | Self::TooLarge { .. }
            | Self::Refused { .. }
            | Self::Claim { .. } => Fault::Input,
            Self::NoGoodSignature { .. } => Fault::Refused,
        }
    }
}

fn reasons(claims: &[SignatureClaim]) -> String {
    let mut text = String::new();
    for (i, claim) in claims.iter().take(8).enumerate() {
        text.push_str(if i == 0 { ": " } else { "; " });
        text.push_str(&format!("{} {}", claim.fingerprint, claim.reason));
    }
    text
}
