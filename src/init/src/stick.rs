//! A stick that sets the network: FAT, with `patchkeep/network.toml` ([`Settings`]) on it.
//!
//! It is mounted read-only for as long as that one small file is read. Sites are founded in the browser, behind the code on
//! the screen; a browser needs an address to reach, and this is where it comes from.

use crate::{data, error::Error, settings};
use network::Settings;
use rustix::mount::{MountFlags, UnmountFlags};
use std::{fs, io::Read as _, path::Path, time::Duration};

/// How often sticks are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long after the start they are looked at where a network is set already, so that it can be changed.
pub(crate) const CHANGED_WITHIN: Duration = Duration::from_secs(60);
const MEDIUM: &str = "/media";

/// Whether a disk begins as FAT does: the mark of a boot sector, and the name where FAT16 or FAT32 have it.
fn is_fat(sector: &[u8; 512]) -> bool {
    sector[510..] == [0x55, 0xaa]
        && (sector[54..].starts_with(b"FAT") || sector[82..].starts_with(b"FAT32"))
}

/// What a stick says of the network; `None` where no stick says anything.
pub(crate) fn look() -> Option<Result<Settings, Error>> {
    data::devices().into_iter().find_map(|(name, _)| {
        let device = Path::new("/dev").join(name);
        let mut sector = [0; 512];
        fs::File::open(&device).and_then(|mut file| file.read_exact(&mut sector)).ok()?;
        if !is_fat(&sector) {
            return None;
        }
        let flags =
            MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
        rustix::mount::mount(&device, MEDIUM, "vfat", flags, None).ok()?;
        let file = Path::new(MEDIUM).join("patchkeep/network.toml");
        let told = file.exists().then(|| settings::read(&file));
        let _ = rustix::mount::unmount(MEDIUM, UnmountFlags::DETACH);
        told
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_medium_is_mounted_only_where_it_begins_as_fat_does() {
        let mut sector = [0; 512];
        assert!(!is_fat(&sector));
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        assert!(!is_fat(&sector), "a partition table");
        sector[82..90].copy_from_slice(b"FAT32   ");
        assert!(is_fat(&sector));
        sector[510] = 0;
        assert!(!is_fat(&sector));
    }
}
