//! What the appliance's first program says of the media that are plugged in: it knows where each one's files are read.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest such file, in bytes.
pub const PLUGGED_BYTES_MAX: u64 = 1 << 20;

/// One of them: a partition, or a device without any. The file is a JSON array of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugged {
    /// The device, such as `/dev/sda1`.
    pub device: PathBuf,
    /// The folder of its files; none as long as it is looked at, where there are none, and for a volume without a file system.
    pub at: Option<PathBuf>,
    /// Its name, as a person gave it; empty where it has none that is known.
    pub label: String,
    /// What is on it, in a word or two; none as long as it is looked at, and where that is not known.
    pub holds: Option<String>,
    /// Whether a file can be written to it.
    #[serde(default)]
    pub is_writable: bool,
    /// Why it cannot be read.
    pub wrong: Option<String>,
}
