//! The first start: a site is founded from what a medium says, and from nothing else.
//!
//! The medium is FAT and has a folder `patchkeep` with `site.toml` ([`settings::Site`]) and the files that it names. It is
//! mounted read-only for as long as these are copied. Whoever holds it decides whom the site trusts: the screen says
//! the fingerprint of the publisher's root afterwards, to be compared with the paper.

use crate::{data, error::Error, program, server, settings};
use rustix::mount::{MountFlags, UnmountFlags};
use std::{
    fs,
    io::Read as _,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often media are looked at while no site is founded.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Says that a site stands on the data partition.
const FOUNDED: &str = "/data/settings/founded";
const MEDIUM: &str = "/media";
const COPIED: &str = "/run/founding";
/// Longest file of a medium that is copied, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// `patchkeep init`: 0 founded, 5 there is a site already.
const FOUNDED_CODES: [i32; 2] = [0, 5];

/// Whether a site stands on the data partition.
pub(crate) fn is_done() -> bool {
    Path::new(FOUNDED).exists()
}

/// Whether a disk begins as FAT does: the mark of a boot sector, and the name where FAT16 or FAT32 have it.
fn is_fat(sector: &[u8; 512]) -> bool {
    sector[510..] == [0x55, 0xaa]
        && (sector[54..].starts_with(b"FAT") || sector[82..].starts_with(b"FAT32"))
}

/// Looks for a medium with a site on it and founds that; `None` where there is none. What was founded, for the screen.
pub(crate) fn look() -> Option<Result<String, Error>> {
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
        let folder = Path::new(MEDIUM).join("patchkeep");
        let copied = folder.join("site.toml").exists().then(|| copy(&folder));
        let _ = rustix::mount::unmount(MEDIUM, UnmountFlags::DETACH);
        Some(copied?.and_then(|site| found(&site)))
    })
}

/// Copies what a site needs off its medium.
fn copy(folder: &Path) -> Result<settings::Site, Error> {
    let site: settings::Site = settings::read(&folder.join("site.toml"))?;
    let told = |source| Error::Write { path: COPIED.into(), source };
    drop(fs::remove_dir_all(COPIED));
    fs::create_dir_all(COPIED).map_err(told)?;
    for name in [&site.publisher_root].into_iter().chain(site.keyrings.values()) {
        let bytes = settings::bounded(&settings::beside(folder, name)?, FILE_BYTES_MAX)?;
        fs::write(Path::new(COPIED).join(name), bytes).map_err(told)?;
    }
    Ok(site)
}

fn found(site: &settings::Site) -> Result<String, Error> {
    let mut command = server::command();
    command.args(["init", "--data", server::SITE, "--site", &site.site, "--as", &site.person]);
    command.arg("--publisher-root").arg(Path::new(COPIED).join(&site.publisher_root));
    command.args(["--root-fingerprint", &site.root_fingerprint]);
    if let Some(ring) = &site.ring {
        command.args(["--ring", ring]);
    }
    for (name, file) in &site.keyrings {
        command.arg("--vendor-keyring").arg(format!("{name}={COPIED}/{file}"));
    }
    program::run(&mut command, &FOUNDED_CODES)?;
    settings::write(&network_file(), &site.network)?;
    fs::write(FOUNDED, b"").map_err(|source| Error::Write { path: FOUNDED.into(), source })?;
    Ok(format!(
        "{} was founded, and trusts the publisher's root {}",
        site.site, site.root_fingerprint
    ))
}

/// Where the network's settings are kept.
pub(crate) fn network_file() -> PathBuf {
    Path::new(data::AT).join("settings/network.toml")
}

/// Makes the folders of the data partition: the server's own, and the settings, which are not its.
pub(crate) fn folders() -> Result<(), Error> {
    for (path, owner) in [(server::SITE, server::ACCOUNT), ("/data/settings", 0)] {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .and_then(|()| chown(path, Some(owner), Some(owner)))
            .map_err(|source| Error::Write { path: path.into(), source })?;
    }
    Ok(())
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
