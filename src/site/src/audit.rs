//! The audit bundle: evidence that leaves the appliance and needs no Patchkeep to be checked.
//!
//! [`Export`] writes it, [`open`] and [`verify`] check all of it, [`sentence`] and [`show`] put events
//! into words. Formats: C2SP tlog-tiles, tlog-checkpoint and tlog-proof for the log; OpenSSH's SSHSIG
//! and raw Ed25519 (RFC 8032) for the signature over `manifest.json`; RFC 4180 for CSV.
//!
//! **Invariant:** equal input gives equal bytes: names sorted, times fixed, nothing random.
//! **Invariant:** a bundle's names, sizes and counts are bounded before its contents are looked at.

mod archive;
mod error;
mod export;
mod html;
mod index;
mod keys;
mod manifest;
mod people;
mod rows;
mod seam;
mod sentence;
mod show;
mod texts;
mod told;
mod tree;
mod verify;

pub use archive::{Limits, open, open_folder, open_zip};
pub use error::AuditError;
pub use export::{Export, Exported, KeptEvidence};
pub use keys::{NAMESPACE, PRINCIPAL, fingerprint};
pub use manifest::{Manifest, Scope};
pub use people::Witness;
pub use sentence::{count, sentence, thousands};
pub use show::{Filter, Line, show};
pub use verify::{Checks, Finding, Findings, Holds, verify};
