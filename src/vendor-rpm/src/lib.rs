//! RPM repositories: what `repomd.xml`, the list of packages and the advisories beside it say.
//!
//! Start at [`Vouching`]: whether every file of a catalogue is named by the vendor's signed `repomd.xml`, or by the
//! list of packages that it names, with the same SHA-256 and length.
//!
//! **Invariant:** pure: bytes in, words out; no clock, disk, network or process. Signatures and compression are not
//! judged here but in the sandboxed reader. **Invariant:** weak hashes (MD5, SHA-1) never count; what names a file
//! twice, or leaves the repository's root, is refused.
//!
//! Standards: rpm-md as createrepo_c(8) writes it, and its `updateinfo`; neither has a written standard. XML 1.0
//! without document type declarations, so that nothing in it is expanded. Limits stand beside each parser.

mod error;
mod primary;
mod repomd;
#[cfg(test)]
mod tests;
mod updateinfo;
mod vouch;
mod xml;

pub use error::Error;
pub use primary::{Package, parse_primary};
pub use repomd::{Part, Repomd};
pub use updateinfo::{Advisory, parse_updateinfo};
pub use vouch::{Vouched, Vouching, WantedIndex};

/// Path of the signed top of a repository.
pub const REPOMD: &str = "repodata/repomd.xml";
/// Path of the vendor's OpenPGP signature over it.
pub const REPOMD_SIGNATURE: &str = "repodata/repomd.xml.asc";
