//! Building, cutting, inspecting and verifying bundles on the connected side.
//!
//! [`build`] turns catalogues and payloads into a finished bundle folder; [`cut`] cuts one into
//! volumes; [`verify`] reads one back as an appliance would and hashes every byte of it.
//!
//! A build is all or nothing: it writes beside the wished folder, makes everything durable, and
//! takes the wished name last. The sequence number is spent first and never used twice.

mod build;
mod cut;
mod error;
mod packs;
mod roles;
mod state;
mod verify;

pub use build::{Build, Built, Held, build};
pub use cut::{Cut, cut};
pub use error::PublishError;
pub use state::{SiteRecord, State};
pub use verify::{Checked, CheckedSource, inspect, verify};
