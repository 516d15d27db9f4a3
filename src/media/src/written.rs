//! Words in which the appliance's server has its first program write a file to a medium, and is told what became of it.
//!
//! The server may not touch a device. It leaves the file and then the order, each whole, in a folder of its own; the first
//! program has `patchkeep-reader` write it, confined, and leaves word beside that folder.

use ids::{Digest, RecordId, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest word, in bytes.
pub const WORD_BYTES_MAX: u64 = 16 << 10;
/// Longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Where the words lie in the folder that both share.
pub mod files {
    /// What the server may write to.
    pub const IN: &str = "in";
    /// The file that is to be written.
    pub const FILE: &str = "in/file";
    /// What is to be done with it: [`super::Order`].
    pub const ORDER: &str = "in/order.json";
    /// What became of it: [`super::Written`].
    pub const WRITTEN: &str = "written.json";
}

/// A file that is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The medium's custody record.
    pub custody: RecordId,
    /// The folder in which the medium's files are read ([`crate::Plugged::at`]).
    pub at: PathBuf,
    /// The file's name: [`is_name`].
    pub name: String,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The medium's custody record.
    pub custody: RecordId,
    /// When that was known.
    pub at: Timestamp,
    /// Why it is not there; none where it is, and was read back from the medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Whether a file may have this name on a medium: short, plain, and no path.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
    name.len() <= NAME_BYTES_MAX
        && name.bytes().all(plain)
        && name.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric())
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_plain_and_no_path() {
        assert!(is_name("audit-20261129-110000.zip") && is_name("receipt.json"));
        for bad in ["", ".", "..", "../x", "a/b", "A", "-x", "x.", "a b", "a\\b", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
