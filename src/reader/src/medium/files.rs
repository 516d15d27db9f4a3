//! The two file systems that are read here, behind one trait, and the device below them.

use ext4_view::{Ext4, Ext4Read};
use fatfs::{FileSystem, FsOptions};
use rustix::fs::{Advice, fadvise};
use std::{
    cell::Cell,
    error::Error,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::fs::FileExt as _,
    },
    rc::Rc,
};

/// Most that is read of a device for one question, in bytes. The longest way to a place in a file of FAT takes 32 MiB, a
/// folder with as many entries as are shown less.
const QUESTION_BYTES_MAX: u64 = 128 << 20;

/// What an entry of a folder is. Anything else is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    /// With its length in bytes.
    File(u64),
}

/// What a file is read with.
pub(crate) trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

/// A file system. Paths are from its root, without a first slash; the root's is empty.
pub(crate) trait Files {
    /// Its name, as a person gave it; empty where it has none.
    fn label(&self) -> String;
    /// Whether `A` is found as `a`.
    fn ignores_case(&self) -> bool;
    /// What lies in a folder, at most `most` entries.
    fn folder(&self, path: &str, most: usize) -> io::Result<Vec<(String, Kind)>>;
    /// A file.
    fn file<'a>(&'a self, path: &str) -> io::Result<Box<dyn ReadSeek + 'a>>;
}

/// How much is read at once for reads that are smaller: tables are read in pieces of a few bytes.
const BLOCK_BYTES: u64 = 4096;

/// What may still be read of a device, in bytes: without bounds until it is first renewed.
#[derive(Debug, Clone)]
pub(crate) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    /// Begins a question.
    pub(crate) fn renew(&self) {
        self.0.set(QUESTION_BYTES_MAX);
    }

    /// Whether the question kept to it.
    pub(crate) fn holds(&self) -> io::Result<()> {
        match self.0.get() {
            0 => {
                let most = QUESTION_BYTES_MAX >> 20;
                Err(io::Error::other(format!(
                    "its tables lead in circles ({most} MiB were read for one question)"
                )))
            }
            _ => Ok(()),
        }
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        self.0.set(self.0.get().saturating_sub(bytes as u64));
        self.holds()
    }
}

/// A device, used with calls that a confined process may make.
pub(crate) struct Device {
    file: File,
    length: u64,
    at: u64,
    is_written: bool,
    /// Where the block that was read last begins, and its bytes. None of a device that is written to.
    block: (u64, Vec<u8>),
    allowance: Allowance,
}

impl Device {
    /// One that is only ever read. Learns its length, which is not reading.
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let allowance = Allowance(Rc::new(Cell::new(u64::MAX)));
        Ok(Self { file, length, at: 0, is_written: false, block: (0, Vec::new()), allowance })
    }

    /// What may still be read of it.
    pub(crate) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }

    /// The number of its descriptor.
    pub(crate) fn number(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Waits until everything is on it, and has the kernel forget what it remembers of it: what is read then is what it has.
    pub(crate) fn forget(&self) -> io::Result<()> {
        self.file.sync_all()?;
        Ok(fadvise(&self.file, 0, None, Advice::DontNeed)?)
    }

    /// The same device, to be written to.
    pub(crate) fn writable(self) -> Self {
        Self { is_written: true, ..self }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// At most to the end of a block, which is read only if it is another one than the last.
    fn read_of_block(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begins = self.at - self.at % BLOCK_BYTES;
        let (begun, block) = &mut self.block;
        if *begun != begins || block.is_empty() {
            *begun = begins;
            block.resize(BLOCK_BYTES as usize, 0);
            // Nothing is left of it where it cannot be read.
            let read = self.file.read_at(block, begins);
            block.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let rest = usize::try_from(self.at - begins).ok().and_then(|from| block.get(from..));
        rest.unwrap_or_default().read(buffer)
    }
}

impl Read for Device {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.allowance.take(buffer.len())?;
        let read = match self.is_written || buffer.len() as u64 >= BLOCK_BYTES {
            true => self.file.read_at(buffer, self.at)?,
            false => self.read_of_block(buffer)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Device {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// `fatfs` asks for it of a device that is read, too.
impl Write for Device {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_written {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Ext4Read for Device {
    fn read(
        &mut self,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        self.allowance.take(into.len())?;
        Ok(self.file.read_exact_at(into, at)?)
    }
}

/// FAT12, FAT16, FAT32.
pub(crate) struct Fat(FileSystem<Device>);

impl Fat {
    pub(crate) fn open(device: Device) -> io::Result<Self> {
        FileSystem::new(device, FsOptions::new()).map(Self)
    }
}

impl Files for Fat {
    fn label(&self) -> String {
        // What was given later stands in the root folder.
        let later = self.0.read_volume_label_from_root_dir().ok().flatten();
        let label = later.unwrap_or_else(|| self.0.volume_label());
        let label = label.trim_end_matches(['\0', ' ']);
        if label == "NO NAME" { String::new() } else { label.to_owned() }
    }

    fn ignores_case(&self) -> bool {
        true
    }

    fn folder(&self, path: &str, most: usize) -> io::Result<Vec<(String, Kind)>> {
        let folder = match path {
            "" => self.0.root_dir(),
            path => self.0.root_dir().open_dir(path)?,
        };
        let kind = |entry: &fatfs::DirEntry<'_, Device>| match entry.is_dir() {
            true => Kind::Folder,
            false => Kind::File(entry.len()),
        };
        folder.iter().take(most).map(|entry| entry.map(|e| (e.file_name(), kind(&e)))).collect()
    }

    fn file<'a>(&'a self, path: &str) -> io::Result<Box<dyn ReadSeek + 'a>> {
        Ok(Box::new(self.0.root_dir().open_file(path)?))
    }
}

/// ext2, ext3, ext4.
pub(crate) struct Ext(Ext4);

impl Ext {
    pub(crate) fn open(device: Device) -> io::Result<Self> {
        Ok(Self(Ext4::load(Box::new(device))?))
    }
}

impl Files for Ext {
    fn label(&self) -> String {
        self.0.label().display().to_string()
    }

    fn ignores_case(&self) -> bool {
        false
    }

    fn folder(&self, path: &str, most: usize) -> io::Result<Vec<(String, Kind)>> {
        let mut found = Vec::new();
        for entry in self.0.read_dir(&*format!("/{path}"))?.take(most) {
            let entry = entry?;
            // A name that is no UTF-8 could not be asked for.
            let Ok(name) = entry.file_name().as_str().map(str::to_owned) else { continue };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                found.push((name, Kind::Folder));
            } else if kind.is_regular_file() {
                found.push((name, Kind::File(entry.metadata()?.len())));
            }
        }
        Ok(found)
    }

    fn file<'a>(&'a self, path: &str) -> io::Result<Box<dyn ReadSeek + 'a>> {
        Ok(Box::new(self.0.open(&*format!("/{path}"))?))
    }
}
