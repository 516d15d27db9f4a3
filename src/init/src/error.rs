//! What can go wrong before and beside the server; each is one sentence on the screen.

use rustix::io::Errno;
use std::{io, path::PathBuf};

/// A variant is the act that failed. [`chain`] says it with its cause.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{what} cannot be mounted on {at}")]
    Mount { what: String, at: String, source: Errno },
    #[error("{path} cannot be read")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} cannot be written")]
    Write { path: PathBuf, source: io::Error },
    #[error("the module {module} does not load")]
    Module { module: String, source: Errno },
    #[error("there is no partition {name}, as a disk of the appliance's own has it")]
    NoData { name: &'static str },
    #[error(
        "there are several partitions {name} ({found}): nothing was touched; take out the disk that is not this one's"
    )]
    ManyData { name: String, found: String },
    #[error("{device} holds something else than a data partition: nothing was touched")]
    Foreign { device: String },
    #[error("the TPM does not open it for what was started")]
    Locked,
    #[error("no TPM has measured what was started")]
    Unmeasured,
    #[error("its passphrase opens it")]
    Typed,
    #[error("this passphrase does not open it")]
    WrongPassphrase,
    #[error("{program} does not start")]
    Start { program: String, source: io::Error },
    #[error("{program} ended with {code}: {said}")]
    Program { program: String, code: String, said: String },
    #[error("the clock cannot be set")]
    Clock { source: Errno },
    #[error("the kernel does not see that the partition is larger now; a restart helps")]
    NotGrown,
    #[error("no address: {why}")]
    NoAddress { why: String },
    #[error("{path} is not understood: {why}")]
    Settings { path: PathBuf, why: String },
    #[error("the network does not take {what}")]
    Network { what: String, source: io::Error },
    #[error(
        "no watchdog announced itself: a machine that hangs stays so until a person restarts it"
    )]
    NoWatchdog,
    #[error("the firmware does not take {what}")]
    Firmware { what: String, source: io::Error },
    #[error("{device}, which was plugged in, cannot be used")]
    Medium { device: PathBuf, source: Box<Error> },
    #[error("{why}")]
    Image { why: String },
    #[error("signals cannot be waited for")]
    Signals { source: io::Error },
}

/// An error and what caused it, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
