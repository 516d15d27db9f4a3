//! The log on disk: the truth of an appliance, as plain files that any tlog-tiles client can read.
//!
//! A folder holds `journal` (the commit point: one frame a batch, one fdatasync), `tile/...` and
//! `checkpoint` (the published log, exactly C2SP tlog-tiles and signed-note) and `set-aside/` (what a
//! repair took out). Publishing follows the commit and may lag; every `ROTATE_BYTES` of journal the
//! tiles are synced and the journal starts again at the last full tile.
//!
//! Journal and tiles are two copies: damage to one is mended from the other as far as a signed
//! checkpoint covers it. Where neither reaches the newest signed checkpoint, opening refuses and
//! changes nothing. Start reading at [`FileLedger`], then `recover.rs`.
//!
//! **Invariant:** `append` returns only after its batch is durable, and never signs two histories: a
//! handle that failed to commit refuses everything until it is opened again.
//! **Invariant:** no log is ever started by opening one; `create` and `open` are different calls.
//! **Invariant:** nothing here knows what an entry means, and there is no clock.
//!
//! One process writes a log; its caller holds the lock of the data folder.

mod error;
mod file;
mod frame;
mod ledger;
mod log;
mod recover;
mod repair;
mod tail;
mod tiles;

pub use error::Error;
pub use file::FileLedger;
pub use frame::{Frame, parse_frame};
pub use ledger::{Appended, BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Ledger, ROTATE_BYTES};
pub use log::Log;
pub use repair::Repair;
