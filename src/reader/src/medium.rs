//! Shows the files of a medium: its file system is read here, confined, and not in the kernel.
//!
//! Who started `patchkeep-reader medium fat` (or `ext`) gave it the device as standard input and a connection to the kernel's
//! FUSE as standard output, which is mounted already, read-only. On standard error stands one line of JSON, a [`Said`]; then
//! the kernel's questions are answered until it is unmounted.
//!
//! **Invariant:** not a byte of the device is read before the process is confined, and nothing is ever written to it.
//! **Invariant:** a question is answered or refused within a bounded amount of reading ([`files::Allowance`]): a medium whose
//! tables lead in circles keeps nobody waiting, and is given up.
//! **Invariant:** plain files and folders are shown and nothing else: no links, no devices, no names that mean something.
//!
//! FAT12, FAT16 and FAT32 are read by `fatfs`; ext2, ext3 and ext4 by `ext4-view`.

mod door;
mod files;
mod tree;
mod write;

use files::{Allowance, Device, Ext, Fat, Files};
use fuser::{Config, Session, SessionACL};
use sandbox::child::{Given, Limits, confine};
use std::{
    fs::File,
    io, iter,
    os::fd::{AsFd as _, AsRawFd as _},
    process::ExitCode,
    sync::mpsc::{Receiver, channel},
};
use tree::Tree;

/// What it may use up: a stick may stay for days, and a terabyte takes hours.
const LIMITS: Limits = Limits { memory_bytes_max: 768 << 20, cpu_seconds_max: 24 * 60 * 60 };

/// Reads a file system's first tables.
type Open = fn(Device) -> io::Result<Box<dyn Files>>;

pub use write::write;

/// Reads the medium on standard input as this kind of file system, until it is unmounted.
pub fn serve(kind: &str) -> ExitCode {
    let open = match kind {
        "fat" => open_fat,
        "ext" => open_ext,
        _ => {
            eprintln!("patchkeep-reader medium: {kind} is none of fat and ext");
            return ExitCode::from(2);
        }
    };
    match show(open) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Its cause alone: it stands in a sentence of PID 1's.
            eprintln!("{}", serde_json::json!({ "error": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn open_fat(device: Device) -> io::Result<Box<dyn Files>> {
    Ok(Box::new(Fat::open(device)?))
}

fn open_ext(device: Device) -> io::Result<Box<dyn Files>> {
    Ok(Box::new(Ext::open(device)?))
}

fn show(open: Open) -> io::Result<()> {
    let (file, connection) =
        (io::stdin().as_fd().try_clone_to_owned()?, io::stdout().as_fd().try_clone_to_owned()?);
    let given = Given::Medium { device: file.as_raw_fd(), connection: connection.as_raw_fd() };
    let device = Device::new(File::from(file))?;
    let (asks, asked) = channel();
    let session =
        Session::from_fd(door::Door::new(asks), connection, SessionACL::All, Config::default())?;
    // Its threads may not be made any more once this is confined; they are up when the first question is here.
    let _session = session.spawn()?;
    let Ok(first) = asked.recv() else { return Ok(()) };
    confine(LIMITS, given).map_err(io::Error::other)?;
    let (length, allowance) = (device.length(), device.allowance());
    match open_with_label(device, open) {
        Ok((files, label)) => {
            eprintln!("{}", serde_json::json!({ "label": label }));
            answer(first, &asked, &mut Tree::new(&*files), length, &allowance)
        }
        Err(error) => {
            first.refuse();
            Err(error)
        }
    }
}

fn open_with_label(device: Device, open: Open) -> io::Result<(Box<dyn Files>, String)> {
    let allowance = device.allowance();
    allowance.renew();
    let files = open(device)?;
    let label = files.label();
    allowance.holds()?;
    Ok((files, label))
}

/// Answers until the kernel hangs up, which it does when it is unmounted, or the medium leads in circles.
fn answer(
    first: door::Ask,
    asked: &Receiver<door::Ask>,
    tree: &mut Tree<'_>,
    length: u64,
    allowance: &Allowance,
) -> io::Result<()> {
    for ask in iter::once(first).chain(asked) {
        allowance.renew();
        ask.answer(tree, length);
        allowance.holds()?;
    }
    Ok(())
}
