//! Room on the data partition: how much there is, and all that is free behind it on its disk.
//!
//! The image's disk is as small as it can be, and whoever writes it to a real one, or enlarges a virtual one, wants all of that
//! used. The table of partitions is changed by sfdisk, the file system by resize2fs: nothing else on the disk is touched.

use super::{AT, DISK_WITHIN};
use crate::{error::Error, program};
use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Below this much free space there is none for bundles, in bytes: `KEEP_FREE_BYTES` of `site`.
const LOW_BYTES: u64 = 256 << 20;
/// Below this much nothing is written, in bytes: `LEAST_BYTES` of `site`.
const LEAST_BYTES: u64 = 1 << 20;
/// What is not worth while, in bytes: partitions end where disks like it.
const GAIN_BYTES_LEAST: u64 = 64 << 20;
/// What sizes are counted in in /sys, whatever the disk's own sectors are, in bytes.
const SECTOR_BYTES: u64 = 512;

/// Room, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) free: u64,
    pub(crate) all: u64,
}

/// How little room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scarce {
    /// No bundle is taken in.
    Low,
    /// Nothing is written.
    Full,
}

impl Room {
    /// What the server makes of it.
    pub(crate) fn scarce(self) -> Option<Scarce> {
        match self.free {
            free if free < LEAST_BYTES => Some(Scarce::Full),
            free if free < LOW_BYTES => Some(Scarce::Low),
            _ => None,
        }
    }
}

/// How much room is left for the server's files, and how much there is in all.
pub(crate) fn now() -> Option<Room> {
    let facts = rustix::fs::statvfs(AT).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(facts.f_frsize);
    Some(Room { free: bytes(facts.f_bavail), all: bytes(facts.f_blocks) })
}

/// A partition on its disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    begins: u64,
    length: u64,
}

/// What is free behind a partition, where it is the last one of a disk of this length, and worth while.
fn behind(own: Extent, others: &[Extent], disk: u64) -> Option<u64> {
    let is_last = others.iter().all(|other| other.begins < own.begins);
    let free = disk.checked_sub(own.begins.checked_add(own.length)?)?;
    (is_last && free >= GAIN_BYTES_LEAST).then_some(free)
}

/// Gives a partition what is free behind it on its disk; how much that was, in MiB.
pub(super) fn grow(device: &Path) -> Result<Option<u64>, Error> {
    let name = device.file_name().unwrap_or_default();
    let linked = Path::new("/sys/class/block").join(name);
    let told = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    };
    let own = fs::canonicalize(&linked).map_err(told(&linked))?;
    let Some((disk, disk_name)) = own.parent().zip(own.parent().and_then(Path::file_name)) else {
        return Ok(None);
    };
    let mut others = Vec::new();
    for entry in fs::read_dir(disk).map_err(told(disk))? {
        let path = entry.map_err(told(disk))?.path();
        if path != own && path.join("partition").exists() {
            others.push(extent(&path)?);
        }
    }
    let before = extent(&own)?;
    let Some(free) = behind(before, &others, number(&disk.join("size"))? * SECTOR_BYTES) else {
        return Ok(None);
    };
    let number = number(&own.join("partition"))?.to_string();
    let mut change = Command::new("/bin/sfdisk");
    change.args(["--quiet", "-N", &number]).arg(Path::new("/dev").join(disk_name));
    // As it is, and as long as it can be.
    let (asked, mut words) = io::pipe().map_err(told(Path::new("a pipe")))?;
    words.write_all(b", +\n").map_err(told(Path::new("a pipe")))?;
    drop(words);
    program::run(change.stdin(asked), &[0])?;
    let begun = Instant::now();
    while extent(&own).ok().is_none_or(|now| now.length <= before.length) || !device.exists() {
        if begun.elapsed() > DISK_WITHIN {
            return Err(Error::NotGrown);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(Some(free >> 20))
}

fn extent(partition: &Path) -> Result<Extent, Error> {
    let bytes = |name: &str| Ok::<_, Error>(number(&partition.join(name))? * SECTOR_BYTES);
    Ok(Extent { begins: bytes("start")?, length: bytes("size")? })
}

/// A number that the kernel gives in a file.
fn number(path: &Path) -> Result<u64, Error> {
    let told = |source| Error::Read { path: PathBuf::from(path), source };
    let text = fs::read_to_string(path).map_err(told)?;
    text.trim().parse().map_err(|_| told(io::ErrorKind::InvalidData.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn extent(begins: u64, length: u64) -> Extent {
        Extent { begins: begins * MIB, length: length * MIB }
    }

    #[test]
    fn only_the_last_partition_of_a_disk_is_given_what_is_free_behind_it() {
        let (esp, data) = (extent(1, 384), extent(385, 1024));
        assert_eq!(behind(data, &[esp], 8192 * MIB), Some((8192 - 1409) * MIB));
        assert_eq!(behind(data, &[esp, extent(1409, 100)], 8192 * MIB), None);
        assert_eq!(behind(data, &[esp, extent(5000, 100)], 8192 * MIB), None);
        // The image's own disk: the second copy of the table is there.
        assert_eq!(behind(data, &[esp], 1410 * MIB), None);
        assert_eq!(behind(data, &[esp], 1000 * MIB), None);
    }

    #[test]
    fn room_is_scarce_as_the_server_has_it() {
        let scarce = |free| Room { free, all: 1 << 30 }.scarce();
        assert_eq!(scarce(0), Some(Scarce::Full));
        assert_eq!(scarce(MIB), Some(Scarce::Low));
        assert_eq!(scarce(256 * MIB), None);
    }
}
