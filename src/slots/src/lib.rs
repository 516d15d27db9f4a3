//! Which of two images the machine starts.
//!
//! An image is one file; two of them lie on the EFI partition, and firmware has an entry for each. A new image goes to the
//! slot that does not run, is started **once** (`BootNext`), and becomes the one that is started always (`BootOrder`) only
//! after its server answered. Whatever else happens, the next start is that of the old one, and nobody has to do anything.
//!
//! Start at [`Record::at_start`]: what to make of the slot that was started. [`admit`] says whether an image may be tried.
//!
//! **Invariant:** rules only: no disk, no clock, no firmware. `init` has these.
//! **Invariant:** no version that is older than one that was blessed here is tried, unless somebody at the machine said so.

mod entry;
mod image;
mod record;

pub use entry::{Partition, free_number, load_option, names, order, partition_id};
pub use image::{IMAGE_BYTES_MAX, Refused, Request, admit, measured, version_of};
pub use record::{Became, Outcome, Record, Standing, Trial};
pub use semver::Version;

use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the two places for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The one that a new disk starts.
    A,
    /// The other one.
    B,
}

impl Slot {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The one that is not this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its file on the EFI partition.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::A => "EFI/patchkeep/a.efi",
            Self::B => "EFI/patchkeep/b.efi",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// The file that firmware starts where it has no entry of ours: a copy of the image that was blessed last.
pub const SPARE_FILE: &str = "EFI/BOOT/BOOTX64.EFI";

/// Which file was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// That of a slot.
    Slot(Slot),
    /// The spare one.
    Spare,
}

impl Started {
    /// By the path that the boot stub tells, with backslashes and in whatever case firmware writes it.
    #[must_use]
    pub fn by(path: &str) -> Option<Self> {
        let path = path.replace('\\', "/");
        let is = |file: &str| path.trim_start_matches('/').eq_ignore_ascii_case(file);
        let slot = Slot::ALL.into_iter().find(|slot| is(slot.file())).map(Self::Slot);
        slot.or_else(|| is(SPARE_FILE).then_some(Self::Spare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_started_is_known_by_its_path() {
        assert_eq!(Started::by("\\EFI\\patchkeep\\b.efi"), Some(Started::Slot(Slot::B)));
        assert_eq!(Started::by("\\EFI\\PATCHKEEP\\A.EFI"), Some(Started::Slot(Slot::A)));
        assert_eq!(Started::by("\\EFI\\BOOT\\BOOTX64.EFI"), Some(Started::Spare));
        assert_eq!(Started::by("\\EFI\\debian\\shimx64.efi"), None);
    }
}
