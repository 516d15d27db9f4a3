//! The connected side: mirror vendors' signed updates, select what machines need, publish bundles.
//!
//! Start at [`collect`]. It leaves a folder: `<source>.catalogue.json`, files by digest under
//! `payloads/`, and `state/` with what must be remembered between runs: the newest release file of
//! each source (nothing older is taken), and when each update was first seen.
//!
//! **Invariant:** nothing is kept under its name before its digest, length and the vendor's
//! signature above it were checked; there is no switch that skips one. **Invariant:** no mirror's
//! address is known to this program: it is in the settings, or in this machine's apt.
//!
//! Everything is resumable: a run that was killed goes on where it was, and a run with nothing new
//! asks only for the release files.

mod advice;
mod changes;
mod collection;
mod depot;
mod error;
mod fetch;
mod image;
mod indexes;
mod keys;
mod machine;
mod net;
mod progress;
mod publish;
mod release;
mod rpm;
mod select;
mod settings;
mod solve;

pub use advice::Lists;
pub use collection::{CollectedSource, Collection, Request, Summary, collect};
pub use depot::payload_path;
pub use error::Error;
pub use keys::{
    Ceremonial, Ceremony, KeyName, Keyring, Rotation, add_source_key, fingerprint_groups,
    rotate_root,
};
pub use machine::Machine;
pub use net::read_credentials;
pub use progress::{Progress, Quiet};
pub use publish::{
    Build, Built, Checked, CheckedSource, Cut, Held, PublishError, SiteRecord, State,
    build as build_bundle, cut as cut_volumes, inspect as inspect_bundle, verify as verify_bundle,
};
pub use select::{Receipt, Selection, parse_package_list};
pub use settings::{Network, Settings, SourceSettings, VendorKind};
pub use solve::read_simulation;
