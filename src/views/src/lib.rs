//! What pages, lists and searches need, in sled: rows derived from the ledger, rebuilt at will.
//!
//! Nothing here is the truth, so damage is harmless: a database that is missing, corrupt, behind or
//! foreign is set aside and built again. sled 0.34 can panic or spin for ever on damaged files, so
//! after an unclean stop a child process with a time limit opens it first ([`probe`]), and a watchdog
//! ends the program, leaving a rebuild mark, when an operation does not come back.
//!
//! **Invariant:** `views` does not know what a row means; whoever writes it says so by its tree.

mod error;
mod open;
mod watchdog;

pub use error::Error;
pub use open::{FORMAT, Identity, PROBE_SECS_MAX, Reason, Views, probe};

/// One change to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The tree (table) that the row is in.
    pub tree: &'static str,
    /// Its key; rows of a tree are sorted by it.
    pub key: Vec<u8>,
    /// Its value as JSON, or `None` to remove it.
    pub value: Option<serde_json::Value>,
}
