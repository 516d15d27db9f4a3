//! Payloads and evidence on disk, each under the digest of what it holds.
//!
//! [`Store`] keeps payloads; [`Incoming`] is an import under way, whose payloads become part of the
//! store all together; [`Evidence`] keeps what events only commit to. Start reading at `payloads.rs`.
//!
//! **Invariant:** a file under a payload's name holds the bytes of that digest: nothing gets the
//! name before it was hashed. **Invariant:** bytes are hashed as they are written, never read
//! again for it; only what a crash left behind is. **Invariant:** what fails, a full disk
//! included, leaves the store as it was. **Invariant:** no format is parsed here and no name comes
//! from outside: names are digests and record ids.
//!
//! On disk: `payloads/<2 hex>/<62 hex>`, `incoming/<record id>/<64 hex>` for a whole payload and
//! `incoming/<record id>/<64 hex>.<first byte>-<byte after the last>` for a part of one.

mod error;
mod evidence;
mod fragments;
mod incoming;
mod payloads;

pub use error::Error;
pub use evidence::{EVIDENCE_BYTES_MAX, Evidence};
pub use incoming::{Incoming, Progress, Promoted};
pub use payloads::{Store, Total};
