//! What can go wrong with snapshots, sorted by whose fault it is.

use ids::Fault;
use std::{io, path::PathBuf};

/// Why a call did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text is not a name of a snapshot.
    #[error(
        "{text:?} is not a snapshot's name: 1 to 63 of a-z, 0-9 and hyphen, beginning with a letter"
    )]
    Name {
        /// Its beginning.
        text: String,
    },
    /// The binding cannot be meant.
    #[error("the binding's {field} cannot be used: {reason}")]
    Binding {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A socket could not be reached.
    #[error("{who} cannot be reached at {}", .path.display())]
    Reach {
        /// Who should be there.
        who: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A conversation broke.
    #[error("the conversation with {who} broke off")]
    Talk {
        /// With whom.
        who: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A time limit fired.
    #[error("{what} took longer than {seconds} s and was given up")]
    TimedOut {
        /// What took so long.
        what: String,
        /// The limit.
        seconds: f32,
    },
    /// A program could not be started.
    #[error("could not start {}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An answer is not one.
    #[error("{who} gave an answer that cannot be used: {reason}")]
    Garbage {
        /// Who.
        who: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The other side did not do it, and says why.
    #[error("{who} did not {act}: {reason}")]
    Failed {
        /// Who.
        who: String,
        /// What was asked.
        act: String,
        /// Its reason.
        reason: String,
        /// How the other side sorts it, where it does.
        fault: Fault,
    },
    /// The other side says that it did, and what can be looked at says otherwise.
    #[error("{who} says that it did {act}, but {truth}")]
    Contradicted {
        /// Who.
        who: String,
        /// What was asked.
        act: String,
        /// What is seen.
        truth: String,
    },
    /// There is no such snapshot.
    #[error("there is no whole snapshot {name} of {machine}, so nothing was touched")]
    NoSuch {
        /// The name.
        name: String,
        /// The machine.
        machine: String,
    },
    /// The name is taken.
    #[error("{machine} has a snapshot {name} already, so none was made")]
    Exists {
        /// The name.
        name: String,
        /// The machine.
        machine: String,
    },
    /// The record is of another machine.
    #[error("the snapshot is of {recorded}, but this is {found}, so nothing was touched")]
    OtherMachine {
        /// The machine of the record.
        recorded: String,
        /// The machine that answers.
        found: String,
    },
    /// A disk would not be in the snapshot.
    #[error("disk {disk} cannot be part of a snapshot ({reason}), so none was made")]
    Uncovered {
        /// The disk.
        disk: String,
        /// Why.
        reason: String,
    },
    /// Too little room.
    #[error("{} has {bytes_free} bytes free, and {bytes_needed} are needed", .folder.display())]
    NoSpace {
        /// Where.
        folder: PathBuf,
        /// What is free.
        bytes_free: u64,
        /// What is needed.
        bytes_needed: u64,
    },
    /// The wished consistency cannot be had, and the order says to make nothing then.
    #[error("the guest could not be brought to rest, so no snapshot was made: {reason}")]
    NotQuiet {
        /// Why.
        reason: String,
    },
    /// Somebody froze the guest before.
    #[error(
        "the guest's file systems are frozen already: somebody else is at work, or was killed at it"
    )]
    FrozenBefore,
    /// A guest may still be frozen.
    #[error(
        "the guest's file systems may still be frozen, look at it now (snapshot made: {made}): {reason}"
    )]
    StillFrozen {
        /// Whether the snapshot was made.
        made: bool,
        /// Why a thaw could not be shown.
        reason: String,
    },
    /// A snapshot does not stand a look.
    #[error("snapshot {name} is no way back: {reason}")]
    Unproven {
        /// The snapshot.
        name: String,
        /// What was found.
        reason: String,
    },
    /// There would be no way to go back.
    #[error("one cannot go back to snapshot {name} from here, so nothing was touched: {reason}")]
    NoWayBack {
        /// The snapshot.
        name: String,
        /// Why.
        reason: String,
    },
    /// The machine is not shown to be at the snapshot.
    #[error("the machine is not shown to be at snapshot {name}, look at it now: {reason}")]
    NotRestored {
        /// The snapshot.
        name: String,
        /// What was found.
        reason: String,
    },
    /// A file or folder could not be used.
    #[error("could not {act} {}", .path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// The path.
        path: PathBuf,
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
            Self::Name { .. } | Self::Binding { .. } | Self::Garbage { .. } => Fault::Input,
            Self::Failed { fault, .. } => *fault,
            Self::Uncovered { .. }
            | Self::NotQuiet { .. }
            | Self::Contradicted { .. }
            | Self::Unproven { .. }
            | Self::NoWayBack { .. } => Fault::Refused,
            Self::NoSuch { .. }
            | Self::Exists { .. }
            | Self::OtherMachine { .. }
            | Self::FrozenBefore => Fault::Conflict,
            Self::Reach { .. }
            | Self::Talk { .. }
            | Self::TimedOut { .. }
            | Self::Start { .. }
            | Self::NoSpace { .. }
            | Self::File { .. } => Fault::Unavailable,
            Self::StillFrozen { .. } | Self::NotRestored { .. } => Fault::Broken,
        }
    }

    /// The whole chain of reasons in one line, for a record that keeps it.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(source) = next {
            text.push_str(": ");
            text.push_str(&source.to_string());
            next = source.source();
        }
        text
    }
}

/// A stranger's words as they may stand in a message: one line, bounded, nothing that confuses a terminal.
pub(crate) fn harmless(text: &str) -> String {
    let line = text.trim().chars().take(400);
    line.map(|c| if c.is_control() { ' ' } else { c }).collect()
}
