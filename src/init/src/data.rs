//! The data partition: found by its name, made where it is blank (encrypted where a TPM can open it), opened, checked, mounted.
//! Nothing else is ever written to.

use crate::{
    crypt,
    error::{Error, chain},
    firmware, media, network, program, screen, server, update,
};
use rustix::mount::MountFlags;
use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

pub(crate) mod room;

/// Its name in the disk's GUID partition table.
pub(crate) const NAME: &str = "patchkeep-data";
/// Where it is mounted.
pub(crate) const AT: &str = "/data";
/// How long a disk may take to turn up: SCSI and USB look for their disks after their module has loaded.
const DISK_WITHIN: Duration = Duration::from_secs(10);
/// How much of a partition must be zeros for it to be blank: whatever file system there was, it begins in here.
const BLANK_BYTES: usize = 1 << 20;
/// How much of it is erased: the whole header of LUKS2, with its keys.
const ERASED_BYTES: usize = 16 << 20;
/// Where ext4 keeps its magic number, and what that is.
pub(crate) const EXT4_MAGIC: (usize, [u8; 2]) = (1024 + 0x38, [0x53, 0xef]);

/// What a partition begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Blank,
    Ext4,
    Encrypted,
    /// With a passphrase.
    Typed,
}

/// What came of opening it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What was done, for the screen.
    pub(crate) done: String,
    /// The recovery key, where it was encrypted just now.
    pub(crate) recovery: Option<String>,
}

/// What a partition begins with; `None` for what is not the appliance's.
fn content(head: &[u8]) -> Option<Content> {
    let (at, magic) = EXT4_MAGIC;
    if head.get(at..at + magic.len()) == Some(&magic) {
        return Some(Content::Ext4);
    }
    match crypt::header(head) {
        Some(crypt::Header::Whole) => Some(Content::Encrypted),
        Some(crypt::Header::Typed) => Some(Content::Typed),
        // Nothing was ever in it.
        Some(crypt::Header::Unfinished) => Some(Content::Blank),
        None => {
            let is_blank = head.len() == BLANK_BYTES && head.iter().all(|byte| *byte == 0);
            is_blank.then_some(Content::Blank)
        }
    }
}

/// The one device of these (name, text of its `uevent`) that is a partition of that name.
pub(crate) fn choose<'a>(
    devices: &'a [(String, String)],
    wanted: &str,
) -> Result<Option<&'a str>, Error> {
    let own = |(_, uevent): &&(String, String)| {
        uevent.lines().any(|line| line.strip_prefix("PARTNAME=").is_some_and(|name| name == wanted))
    };
    let found: Vec<&str> = devices.iter().filter(own).map(|(name, _)| name.as_str()).collect();
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(Error::ManyData { name: wanted.to_owned(), found: found.join(", ") }),
    }
}

/// Makes its folders: the server's own, and the settings, which are not its; and where new images go.
pub(crate) fn folders() -> Result<(), Error> {
    for (path, owner, mode) in [
        (server::SITE, server::ACCOUNT, 0o700),
        ("/data/settings", 0, 0o700),
        (update::FOLDER, 0, 0o755),
        (update::IN, server::ACCOUNT, 0o700),
        (network::FOLDER, 0, 0o755),
        (network::IN, server::ACCOUNT, 0o700),
        (media::WRITES, 0, 0o755),
        (media::WRITES_IN, server::ACCOUNT, 0o700),
    ] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .and_then(|()| chown(path, Some(owner), Some(owner)))
            .map_err(|source| Error::Write { path: path.into(), source })?;
    }
    Ok(())
}

/// Finds, makes, opens, checks and mounts it.
pub(crate) fn open() -> Result<Opened, Error> {
    let device = find()?;
    let path = device.display().to_string();
    let mut head = Vec::new();
    fs::File::open(&device)
        .and_then(|file| file.take(BLANK_BYTES as u64).read_to_end(&mut head))
        .map_err(|source| Error::Read { path: device.clone(), source })?;
    let content = content(&head).ok_or_else(|| Error::Foreign { device: path.clone() })?;
    // What is not grown is used as it is.
    let grown = match room::grow(&device) {
        Ok(None) => String::new(),
        Ok(Some(mib)) => format!("; it was given the {mib} MiB that were free behind it"),
        Err(error) => format!("; it was NOT given what is free behind it: {}", chain(&error)),
    };
    let mut recovery = None;
    let (inside, done) = match content {
        Content::Blank if crypt::measured().is_some() => {
            recovery = Some(crypt::make(&path)?);
            format(crypt::INSIDE)?;
            crypt::finish(&path, crypt::Header::Whole)?;
            (crypt::INSIDE, format!("{path} was blank and has been made; {}", said_of_key()))
        }
        Content::Blank => {
            format(&path)?;
            let why = "no TPM has measured this start";
            (&*path, format!("{path} was blank and has been made; it is NOT encrypted: {why}"))
        }
        Content::Ext4 => (&*path, format!("{path} {}; it is NOT encrypted", check(&path)?)),
        Content::Typed => return Err(Error::Typed),
        Content::Encrypted => {
            crypt::open(&path)?;
            (crypt::INSIDE, format!("{path} {}; {}", check(crypt::INSIDE)?, said_of_key()))
        }
    };
    mount(inside)?;
    Ok(Opened { done: done + &grown, recovery })
}

/// Opens it with what a person typed: its passphrase, or the recovery key, which also binds it to what was started now.
pub(crate) fn recover(locked: &Error, typed: &str) -> Result<Opened, Error> {
    let path = find()?.display().to_string();
    if matches!(locked, Error::Typed) {
        crypt::open_typed(&path, typed.trim())?;
        let done = format!("{path} {}; it is encrypted with a passphrase", check(crypt::INSIDE)?);
        mount(crypt::INSIDE)?;
        return Ok(Opened { done, recovery: None });
    }
    let bound = match crypt::recover(&path, typed)? {
        None => said_of_key(),
        Some(error) => {
            format!("it is encrypted, and the TPM could not be bound to it: {}", chain(&error))
        }
    };
    let done = format!("{path} {}; {bound}", check(crypt::INSIDE)?);
    mount(crypt::INSIDE)?;
    Ok(Opened { done, recovery: None })
}

fn said_of_key() -> String {
    let taken = "the TPM opens it for this image";
    match firmware::has_secure_boot() {
        true => format!("it is encrypted, {taken}"),
        false => format!(
            "it is encrypted, {taken}; Secure Boot is OFF: whoever starts another system on this machine may open it too"
        ),
    }
}

fn format(device: &str) -> Result<(), Error> {
    let words = ["-q", "-F", "-t", "ext4", "-m", "0.1", "-L", NAME, "-E", "lazy_itable_init=1"];
    program::run(Command::new("/bin/mke2fs").args(words).arg(device), &[0]).map(drop)
}

fn check(device: &str) -> Result<&'static str, Error> {
    // 1: what was wrong was put right.
    Ok(match program::run(Command::new("/bin/e2fsck").args(["-p", device]), &[0, 1])? {
        0 => "was checked",
        _ => "was checked and mended",
    })
}

fn mount(device: &str) -> Result<(), Error> {
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NOATIME;
    rustix::mount::mount(device, AT, "ext4", flags, c"errors=remount-ro")
        .map_err(|source| Error::Mount { what: device.to_owned(), at: AT.to_owned(), source })?;
    // Whatever made its device larger, also at a start that was cut short.
    if let Err(error) = program::run(Command::new("/bin/resize2fs").arg(device), &[0]) {
        screen::log(&format!("The data partition's file system does not grow: {}.", chain(&error)));
    }
    Ok(())
}

/// How it is kept, in a word that the server knows.
pub(crate) fn kept() -> &'static str {
    if crypt::is_typed() {
        return "encrypted-with-passphrase";
    }
    match (crypt::is_open(), firmware::has_secure_boot()) {
        (true, true) => "encrypted",
        (true, false) => "encrypted-without-secure-boot",
        (false, _) => "not-encrypted",
    }
}

/// Finds it; a disk may take a while to turn up.
pub(crate) fn find() -> Result<PathBuf, Error> {
    let begun = Instant::now();
    loop {
        if let Some(name) = choose(&devices(), NAME)? {
            return Ok(Path::new("/dev").join(name));
        }
        if begun.elapsed() > DISK_WITHIN {
            return Err(Error::NoData { name: NAME });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Every block device and the text of its `uevent`, by name.
pub(crate) fn devices() -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir("/sys/class/block") else { return Vec::new() };
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        Some((name, fs::read_to_string(entry.path().join("uevent")).ok()?))
    };
    let mut devices: Vec<_> = entries.filter_map(io::Result::ok).filter_map(read).collect();
    devices.sort();
    devices
}

/// Makes it blank, so that the next start makes it anew: its beginning is zeros, where all keys lie if it is encrypted,
/// and the rest is what it was.
pub(crate) fn erase() -> Result<(), Error> {
    let device = find()?;
    let erased = fs::File::options().write(true).open(&device).and_then(|mut file| {
        file.write_all(&vec![0; ERASED_BYTES])?;
        file.sync_all()
    });
    erased.map_err(|source| Error::Write { path: device, source })
}

/// Makes it anew, encrypted with a passphrase; nothing is in it then.
pub(crate) fn encrypt(passphrase: &str) -> Result<(), Error> {
    erase()?;
    let device = find()?.display().to_string();
    crypt::make_typed(&device, passphrase)?;
    format(crypt::INSIDE)?;
    crypt::close()?;
    crypt::finish(&device, crypt::Header::Typed)
}

/// Writes everything down and lets go of it.
pub(crate) fn close() -> Result<(), Error> {
    rustix::fs::sync();
    rustix::mount::unmount(AT, rustix::mount::UnmountFlags::empty())
        .map_err(|source| Error::Mount { what: "nothing".to_owned(), at: AT.to_owned(), source })?;
    crypt::close()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_zeros_are_blank() {
        let mut head = vec![0; BLANK_BYTES];
        assert_eq!(content(&head), Some(Content::Blank));
        head[BLANK_BYTES - 1] = 1;
        assert_eq!(content(&head), None);
        head[EXT4_MAGIC.0..EXT4_MAGIC.0 + 2].copy_from_slice(&EXT4_MAGIC.1);
        assert_eq!(content(&head), Some(Content::Ext4));
        assert_eq!(content(&[]), None);
        assert_eq!(content(&[0; 4096]), None);
    }

    #[test]
    fn the_data_partition_is_known_by_its_whole_name_and_there_is_one() {
        let device = |name: &str, partition: &str| {
            (name.to_owned(), format!("DEVNAME={name}\nDEVTYPE=partition\nPARTNAME={partition}\n"))
        };
        let others = [device("sda1", "patchkeep-data-old"), device("sda2", "data")];
        assert!(choose(&others, NAME).unwrap().is_none());
        let own = [&others[..], &[device("vda2", NAME)]].concat();
        assert_eq!(choose(&own, NAME).unwrap(), Some("vda2"));
        let two = [&own[..], &[device("sdb1", NAME)]].concat();
        assert!(matches!(choose(&two, NAME), Err(Error::ManyData { .. })));
    }
}
