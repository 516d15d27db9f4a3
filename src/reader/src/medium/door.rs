//! The kernel's questions (FUSE), passed on from the thread that hears them to the one that reads the medium.

use super::{
    files::Kind,
    tree::{ROOT, Tree},
};
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyDirectory, ReplyEntry, ReplyStatfs, Request,
};
use std::{
    ffi::OsStr,
    io,
    sync::mpsc::Sender,
    time::{Duration, UNIX_EPOCH},
};

/// How long the kernel may believe what it was told: nothing changes as long as the medium is there.
const BELIEVED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The unit of sizes that are told, in bytes.
const BLOCK_BYTES: u32 = 512;

/// A question, with the way to answer it.
pub(crate) enum Ask {
    Lookup(u64, String, ReplyEntry),
    Attributes(u64, ReplyAttr),
    List(u64, u64, ReplyDirectory),
    Read(u64, u64, u32, ReplyData),
    Size(ReplyStatfs),
}

impl Ask {
    /// Answers from a medium of this length.
    pub(crate) fn answer(self, tree: &mut Tree<'_>, length: u64) {
        match self {
            Self::Lookup(folder, name, reply) => match attributes_of(tree, folder, &name) {
                Ok(attributes) => reply.entry(&BELIEVED_FOR, &attributes, Generation(0)),
                Err(error) => reply.error(code(&error)),
            },
            Self::Attributes(number, reply) => match tree.kind(number) {
                Ok(kind) => reply.attr(&BELIEVED_FOR, &attributes(number, kind)),
                Err(error) => reply.error(code(&error)),
            },
            Self::List(folder, from, reply) => list(tree, folder, from, reply),
            Self::Read(number, at, bytes, reply) => match tree.read(number, at, bytes) {
                Ok(bytes) => reply.data(&bytes),
                Err(error) => reply.error(code(&error)),
            },
            Self::Size(reply) => {
                let blocks = length / u64::from(BLOCK_BYTES);
                reply.statfs(blocks, 0, 0, 0, 0, BLOCK_BYTES, 255, BLOCK_BYTES);
            }
        }
    }

    /// Says that the medium cannot be read.
    pub(crate) fn refuse(self) {
        match self {
            Self::Lookup(_, _, reply) => reply.error(Errno::EIO),
            Self::Attributes(_, reply) => reply.error(Errno::EIO),
            Self::List(_, _, reply) => reply.error(Errno::EIO),
            Self::Read(_, _, _, reply) => reply.error(Errno::EIO),
            Self::Size(reply) => reply.error(Errno::EIO),
        }
    }
}

fn attributes_of(tree: &mut Tree<'_>, folder: u64, name: &str) -> io::Result<FileAttr> {
    let number = tree.lookup(folder, name)?;
    Ok(attributes(number, tree.kind(number)?))
}

/// Lists a folder from a place on: the kernel asks again for what did not fit.
fn list(tree: &mut Tree<'_>, folder: u64, from: u64, mut reply: ReplyDirectory) {
    let children: Vec<(String, u64)> = match tree.children(folder) {
        Ok(children) => children.iter().map(|(name, number)| (name.clone(), *number)).collect(),
        Err(error) => return reply.error(code(&error)),
    };
    let dots = [(".".to_owned(), folder), ("..".to_owned(), ROOT)];
    let entries = dots.into_iter().chain(children).zip(1..);
    for ((name, number), next) in entries.skip(usize::try_from(from).unwrap_or(usize::MAX)) {
        let kind = match tree.kind(number) {
            Ok(Kind::File(_)) => FileType::RegularFile,
            _ => FileType::Directory,
        };
        if reply.add(INodeNo(number), next, kind, name) {
            break;
        }
    }
    reply.ok();
}

/// Everybody may read, nobody may write; nobody's, and of no time.
fn attributes(number: u64, kind: Kind) -> FileAttr {
    let (size, kind, perm) = match kind {
        Kind::Folder => (0, FileType::Directory, 0o555),
        Kind::File(length) => (length, FileType::RegularFile, 0o444),
    };
    FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(u64::from(BLOCK_BYTES)),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

fn code(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::NotFound => Errno::ENOENT,
        io::ErrorKind::NotADirectory => Errno::ENOTDIR,
        _ => Errno::EIO,
    }
}

/// What hears the kernel.
pub(crate) struct Door(Sender<Ask>);

impl Door {
    pub(crate) fn new(asks: Sender<Ask>) -> Self {
        Self(asks)
    }

    fn pass(&self, ask: Ask) {
        // Nobody reads any more: the process is about to end.
        if let Err(unheard) = self.0.send(ask) {
            unheard.0.refuse();
        }
    }
}

impl Filesystem for Door {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name.to_str() {
            Some(name) => self.pass(Ask::Lookup(parent.0, name.to_owned(), reply)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.pass(Ask::Attributes(number.0, reply));
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        at: u64,
        bytes: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.pass(Ask::Read(number.0, at, bytes, reply));
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        from: u64,
        reply: ReplyDirectory,
    ) {
        self.pass(Ask::List(number.0, from, reply));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.pass(Ask::Size(reply));
    }
}
