//! How a verb fails: one sentence with its causes, and an exit code.

use ids::Fault;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A verb's failure. It crosses the control socket as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The sentence.
    pub(crate) message: String,
    /// See [`Fault::exit_code`].
    pub(crate) exit_code: u8,
}

impl Failure {
    /// A failure from an error, its causes told once each.
    pub(crate) fn new(fault: Fault, error: &dyn std::error::Error) -> Self {
        Self::say(fault, site::chain(error))
    }

    /// A failure in words.
    pub(crate) fn say(fault: Fault, message: impl Into<String>) -> Self {
        Self { message: message.into(), exit_code: fault.exit_code() }
    }

    /// A file that cannot be used; `act` is what was tried, e.g. `read`.
    pub(crate) fn file(act: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::say(Fault::Unavailable, format!("cannot {act} {}: {error}", path.display()))
    }
}

impl From<site::Error> for Failure {
    fn from(error: site::Error) -> Self {
        Self::new(error.fault(), &error)
    }
}

impl From<collect::PublishError> for Failure {
    fn from(error: collect::PublishError) -> Self {
        Self::new(error.fault(), &error)
    }
}

impl From<collect::Error> for Failure {
    fn from(error: collect::Error) -> Self {
        Self::new(error.fault(), &error)
    }
}

impl From<trust::Denial> for Failure {
    fn from(denial: trust::Denial) -> Self {
        Self::say(denial.fault(), format!("{denial} ({})", denial.code()))
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        Self::new(error.fault(), &error)
    }
}

impl From<server::Error> for Failure {
    fn from(error: server::Error) -> Self {
        Self::new(error.fault(), &error)
    }
}

impl From<sandbox::Error> for Failure {
    fn from(error: sandbox::Error) -> Self {
        Self::new(error.fault(), &error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Fault::Broken, &error)
    }
}
