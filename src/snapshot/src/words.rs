//! The words of snapshots, as they are recorded in evidence.

use ids::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{fmt, path::PathBuf, str::FromStr};

/// The name of a snapshot: 1 to 63 of a-z, 0-9 and hyphen, beginning with a letter. (`qemu-img` takes a
/// number for an id, a leading hyphen would be an option, and the name stands in file names.)
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SnapshotName(String);

impl SnapshotName {
    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SnapshotName {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if first && text.len() <= 63 && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(crate::Error::Name { text: text.chars().take(80).collect() })
    }
}

impl<'de> Deserialize<'de> for SnapshotName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How consistent a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The running machine itself: memory, devices and disks of one moment.
    Memory,
    /// The disks, while the guest had frozen its file systems.
    Frozen,
    /// The disks as after a power cut.
    CrashConsistent,
}

/// What to do where the wished level cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IfNot {
    /// Make nothing.
    Fail,
    /// Make a crash-consistent one, and record why.
    CrashConsistent,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Its name; no other snapshot of the machine may have it.
    pub name: SnapshotName,
    /// How consistent it has to be.
    pub level: Level,
    /// What to do where that cannot be had.
    pub if_not: IfNot,
}

/// One disk of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskState {
    /// The disk, as its provider names it.
    pub disk: String,
    /// The file that holds the snapshot's content.
    pub file: PathBuf,
    /// The file that takes the changes since, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlay: Option<PathBuf>,
    /// When `file` was last written, where it may not be written any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Timestamp>,
}

/// A snapshot that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Its name.
    pub name: SnapshotName,
    /// The machine, as its provider names it: a record is of no use for another one.
    pub machine: String,
    /// When, by the provider.
    pub at: Timestamp,
    /// How consistent it is; [`Level::CrashConsistent`] where nobody knows better.
    pub level: Level,
    /// Why it is less consistent than ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fell_back: Option<String>,
    /// Whether the machine ran, so that it runs again after going back; nothing where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// The disks that it covers.
    pub disks: Vec<DiskState>,
    /// Size of the kept memory and devices; 0 where it has none, or where the provider does not say (libvirt).
    pub bytes_memory: u64,
    /// How long the guest's file systems were frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_ms: Option<u64>,
    /// How long making it took.
    pub took_ms: u64,
}

/// A snapshot as its provider lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its name, as it stands there: others make snapshots too.
    pub name: String,
    /// When, by the provider.
    pub at: Timestamp,
    /// Whether it covers every disk that it has to.
    pub whole: bool,
    /// Size of the kept memory and devices; 0 where it has none.
    pub bytes_memory: u64,
    /// The disks that it covers.
    pub disks: Vec<DiskState>,
}

impl Listed {
    /// The record of a snapshot that somebody made.
    pub(crate) fn adopted(
        self,
        machine: &str,
        has_memory: bool,
        running: Option<bool>,
    ) -> Option<Made> {
        Some(Made {
            name: self.name.parse().ok()?,
            machine: machine.to_owned(),
            at: self.at,
            level: if has_memory { Level::Memory } else { Level::CrashConsistent },
            fell_back: None,
            running,
            disks: self.disks,
            bytes_memory: self.bytes_memory,
            frozen_ms: None,
            took_ms: 0,
        })
    }
}

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// The provider lists it, whole.
    Listed,
    /// And its content is read.
    Content,
    /// And a throw-away copy is tried.
    Clone,
}

/// What a look found. What was looked at and found bad is an error instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "look", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Look {
    /// Looked, and good.
    Good {
        /// How.
        how: String,
        /// How much was read.
        bytes: u64,
    },
    /// Could not be looked at from here.
    NotPossible {
        /// Why.
        reason: String,
    },
    /// Was not asked for.
    NotAsked,
}

/// What shows that a snapshot is a way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// When it was looked at.
    pub at: Timestamp,
    /// The provider's own entry.
    pub listed: Listed,
    /// The room that is left for it to grow.
    pub space: Option<Space>,
    /// Its content.
    pub content: Look,
    /// A throw-away copy.
    pub clone: Look,
    /// How long the look took.
    pub took_ms: u64,
}

/// How a machine was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Loaded into the machine as it stood.
    Loaded,
    /// Stopped, disks put back, started.
    Restarted,
}

/// A machine that was put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// The snapshot.
    pub name: SnapshotName,
    /// When it was shown.
    pub at: Timestamp,
    /// How.
    pub how: How,
    /// Whether the machine runs now.
    pub running: bool,
    /// What shows that the machine is at the snapshot.
    pub shown_by: String,
    /// Whether the snapshot is used up, so that it cannot be gone back to again.
    pub used_up: bool,
    /// How long it took.
    pub took_ms: u64,
}

/// The room where snapshots grow: the tightest, where they are in several file systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// A folder on that file system.
    pub folder: PathBuf,
    /// What is free.
    pub bytes_free: u64,
    /// Its size.
    pub bytes_total: u64,
    /// The most that one more snapshot and every change after it can take.
    pub bytes_worst: u64,
}

/// What one door of a machine answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It answers.
    Yes {
        /// What it says of itself.
        says: String,
    },
    /// It does not.
    Silent {
        /// Why, as far as one can see.
        reason: String,
    },
    /// There is no such door.
    Absent,
}

/// What a machine says when it is asked from below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alive {
    /// When it was asked.
    pub at: Timestamp,
    /// Whoever runs it; `says` is the run state in its words (`running`, `paused`, `internal-error`, ...).
    pub machine: Answer,
    /// The agent in the guest; `says` is the state of its file systems (`thawed`, `frozen`).
    pub guest: Answer,
}
