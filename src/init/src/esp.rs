//! The EFI partition: found by its name, mounted for as long as an image is written, read back, or copied.

use crate::{data, error::Error};
use ids::{Digest, Hasher};
use rustix::mount::{MountFlags, UnmountFlags};
use slots::{Partition, SPARE_FILE, Slot};
use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// Its name in the disk's GUID partition table.
const NAME: &str = "patchkeep-esp";
const AT: &str = "/run/esp";
/// Bytes that are read or written at once.
const CHUNK: usize = 1 << 20;

/// The one partition of that name, as firmware is told of it.
pub(crate) fn partition(id: [u8; 16]) -> Result<Partition, Error> {
    let name = name()?;
    let folder = Path::new("/sys/class/block").join(&name);
    let number = |file: &str| -> Result<u64, Error> {
        let path = folder.join(file);
        let text = fs::read_to_string(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let why = |_| Error::Settings { path, why: "it is no number".to_owned() };
        text.trim().parse().map_err(why)
    };
    // The kernel counts in 512 bytes, firmware in the disk's own blocks.
    let block = number("../queue/logical_block_size").unwrap_or(512).max(512) / 512;
    let partition = u32::try_from(number("partition")?).unwrap_or_default();
    Ok(Partition {
        number: partition,
        first_block: number("start")? / block,
        blocks: number("size")? / block,
        id,
    })
}

fn name() -> Result<String, Error> {
    let devices = data::devices();
    let chosen = data::choose(&devices, NAME)?;
    chosen.map(str::to_owned).ok_or(Error::NoData { name: NAME })
}

/// Puts an image into a slot: whole, read back from the disk, and only then in the old one's place.
pub(crate) fn write(slot: Slot, image: &[u8]) -> Result<(), Error> {
    let fresh = format!("{}.new", slot.file());
    with_mounted(|at| {
        // What a power cut left is in the way.
        drop(fs::remove_file(at.join(&fresh)));
        let path = at.join(&fresh);
        store(&path, &mut &*image).map_err(|source| Error::Write { path, source })
    })?;
    // Mounted anew, nothing of it is in memory any more.
    let read = with_mounted(|at| digest(&at.join(&fresh)))?;
    if read != Digest::of(image) {
        let why = "what was read back from the disk is not what was written".to_owned();
        return Err(Error::Image { why });
    }
    with_mounted(|at| replace(&at.join(&fresh), &at.join(slot.file())))
}

/// Makes the spare file a copy of a slot's, for firmware that lost its entries.
pub(crate) fn copy_to_spare(slot: Slot) -> Result<(), Error> {
    with_mounted(|at| {
        let (from, to) = (at.join(slot.file()), at.join(SPARE_FILE));
        let fresh = to.with_extension("new");
        let told = |source| Error::Write { path: fresh.clone(), source };
        fs::File::open(&from).and_then(|mut file| store(&fresh, &mut file)).map_err(told)?;
        if digest(&fresh)? != digest(&from)? {
            return Err(Error::Image { why: "its copy is not what it was copied from".to_owned() });
        }
        replace(&fresh, &to)
    })
}

fn replace(fresh: &Path, path: &Path) -> Result<(), Error> {
    let done = fs::rename(fresh, path).and_then(|()| fs::File::open(path)?.sync_all());
    done.map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn store(path: &Path, from: &mut impl io::Read) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            return file.sync_all();
        }
        file.write_all(&chunk[..read])?;
    }
}

fn digest(path: &Path) -> Result<Digest, Error> {
    let told = |source| Error::Read { path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(told)?;
    let (mut hasher, mut chunk) = (Hasher::default(), vec![0; CHUNK]);
    loop {
        let read = file.read(&mut chunk).map_err(told)?;
        if read == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&chunk[..read]);
    }
}

/// Does something with the partition's folder; it is written down and let go of afterwards.
fn with_mounted<T>(act: impl FnOnce(&Path) -> Result<T, Error>) -> Result<T, Error> {
    let device = PathBuf::from("/dev").join(name()?);
    let at = Path::new(AT);
    fs::create_dir_all(at).map_err(|source| Error::Write { path: at.to_owned(), source })?;
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    let told =
        |source| Error::Mount { what: device.display().to_string(), at: AT.to_owned(), source };
    rustix::mount::mount(&device, at, "vfat", flags, c"umask=0077").map_err(told)?;
    let done = act(at);
    rustix::mount::unmount(at, UnmountFlags::empty()).map_err(told)?;
    done
}
