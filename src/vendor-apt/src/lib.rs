//! Debian repositories: what a release file, its indexes, a changelog and apt's own settings say.
//!
//! Start at [`Vouching`]: whether every file of a catalogue is named by the vendor's signed release
//! file, or by an index that the release file names, with the same SHA-256 and length; and at
//! [`Offers`]: which updates apply to a machine, as its own apt would list them.
//!
//! **Invariant:** pure: bytes in, words out; no clock, disk, network or process. Signatures and
//! compression are not judged here but in the sandboxed reader. **Invariant:** weak hashes (MD5,
//! SHA-1) never count; what names a file twice, or leaves the repository's root, is refused.
//!
//! Standards: the Debian repository format, deb822(5), deb-changelog(5), deb-version(7),
//! sources.list(5), apt_preferences(5). Limits stand beside each parser.

mod applicable;
mod changelog;
mod error;
mod inventory;
mod packages;
mod relations;
mod release;
mod sources;
mod stanza;
mod status;
mod version;
mod vouch;

pub use applicable::{
    Applicable, Closure, KeptBack, Machine, Needed, Offer, Offers, Pool, count_pins,
};
pub use changelog::{Changelog, Entry};
pub use error::Error;
pub use inventory::Inventory;
pub use packages::{Package, parse_packages};
pub use release::{IndexForm, Release, ReleaseFacts};
pub use sources::{AptSource, SignedBy, parse_one_line_sources, parse_sources};
pub use status::{Installed, parse_status};
pub use version::compare_versions;
pub use vouch::{Vouched, Vouching, WantedIndex, package_indexes, vouch};
