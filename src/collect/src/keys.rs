//! The publisher's keys: the ceremony that makes them, and what replaces a lost one.
//!
//! A key folder holds one PEM file a key, `<name>.<generation>.pem` (PKCS#8 version 1, Ed25519,
//! mode 0600), and every root that was ever signed, `metadata/<version>.root.json`. The names are
//! `root-1` ..., `targets`, `snapshot`, `timestamp` and `source.<source id>`. Any key may be kept
//! elsewhere and brought back for the hour in which it is needed; which key has a say is decided by
//! the root, never by a file's name.

mod ceremony;
mod files;
mod sign;

pub use ceremony::{Ceremonial, Ceremony, Rotation, add_source_key, rotate_root};
pub(crate) use ceremony::{in_days, key_id, newest_root};
pub use files::{KeyName, Keyring, fingerprint_groups};
pub(crate) use sign::{sign_role, to_file, tuf_key};
