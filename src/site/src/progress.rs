//! What long work says of itself while it goes on.

use serde::{Deserialize, Serialize};

/// One report of progress; the hand draws it as a bar or prints it as a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, in a few words.
    pub step: String,
    /// Done so far, in `unit`.
    pub done: u64,
    /// How much there is in all; 0 is unknown.
    pub total: u64,
    /// `bytes` or what is counted.
    pub unit: String,
}

/// Takes reports of progress.
pub type Report<'a> = &'a mut dyn FnMut(Progress);

impl Progress {
    /// A report in bytes.
    #[must_use]
    pub fn bytes(step: &str, done: u64, total: u64) -> Self {
        Self { step: step.to_owned(), done, total, unit: "bytes".to_owned() }
    }

    /// A report in things of one kind.
    #[must_use]
    pub fn count(step: &str, done: u64, total: u64, unit: &str) -> Self {
        Self { step: step.to_owned(), done, total, unit: unit.to_owned() }
    }
}
