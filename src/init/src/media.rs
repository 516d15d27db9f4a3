//! Media that are plugged in: which devices are media, what is on each, and the folder that its files are read from.
//!
//! FAT and ext4 are read by `patchkeep-reader medium`, confined and without root's rights: the kernel passes questions on to
//! it (FUSE) and never looks at the file system. For exFAT, ISO 9660 and UDF there is no well-kept reader: the kernel
//! mounts them, read-only, without devices, programs and set-user-ids. A volume that was written straight to a device is
//! the server's to read. What is there stands in [`FILE`], for the server.
//!
//! A file that the server leaves in [`WRITES`] is written to a medium (`write.rs`).
//!
//! **Invariant:** nothing else is ever written to a medium, and what a medium does not answer keeps nobody waiting: it is
//! looked at in threads of its own.

mod begins;
mod write;

use crate::{
    Event, data,
    error::{Error, chain},
    screen, server,
    settings::{self, write_json},
};
use ::media::Plugged;
use begins::{Holds, iso_label};
use network::Settings;
use rustix::{
    mount::{MountFlags, UnmountFlags},
    process::{Pid, Signal, kill_process},
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    ffi::CString,
    fs::{self, File},
    io::{self, Read as _},
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{PermissionsExt as _, chown},
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::Sender,
    thread,
};

/// Where the server reads what is plugged in.
pub(crate) const FILE: &str = "/run/media.json";
/// Where the server has files written to them, and reads what became of that.
pub(crate) const WRITES: &str = "/data/media";
/// Where it puts what is to be written; its account's own.
pub(crate) const WRITES_IN: &str = "/data/media/in";
/// Where their files are found.
const AT: &str = "/media";
/// How often the kernel asks drives whether they have another disc.
const POLLS: &str = "/sys/module/block/parameters/events_dfl_poll_msecs";
const POLL_MILLISECONDS: &str = "1000";
/// Whether a drive keeps a disc that is mounted: whoever presses its button gets it.
const LOCKS: &str = "/proc/sys/dev/cdrom/lock";
/// `ENOMEDIUM`, which std has no word for.
const NO_MEDIUM: i32 = 123;
const READER: &str = "/bin/patchkeep-reader";
/// The account of what reads media: nothing is its own.
const READER_ACCOUNT: u32 = server::ACCOUNT + 1;
/// A file with the network's settings, on any medium.
const NETWORK: &str = "patchkeep/network.toml";
const UNKNOWN: &str = "no file system that is read here (FAT, exFAT, ext2 to ext4, ISO 9660, UDF), and no volume of a bundle";

/// A device as it is plugged in now: the kernel counts, so that another one of the same name is another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    name: String,
    sequence: u64,
}

impl Key {
    fn device(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Its folder in /sys.
    fn block(&self) -> PathBuf {
        Path::new("/sys/class/block").join(&self.name)
    }

    fn at(&self) -> PathBuf {
        Path::new(AT).join(format!("{}-{}", self.name, self.sequence))
    }
}

/// What is learnt of a medium, in threads that wait for it.
#[derive(Debug)]
pub(crate) enum News {
    /// How it begins: the device, what it holds, its label where that stands there.
    Begins(Result<(File, Option<Holds>, String), Error>),
    /// The kernel has mounted it.
    Mounted(Result<(), Error>),
    /// Its reader said a line.
    Said(String),
    /// The network's settings lie on it.
    Network(Result<Settings, Error>),
    /// A file was written to it, or was not.
    Written(write::Ended),
}

/// What its reader says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Label(String),
    Error(String),
}

#[derive(Debug)]
struct Medium {
    plugged: Plugged,
    holds: Option<Holds>,
    is_mounted: bool,
    /// Whether it is a drive without a disc.
    is_empty: bool,
    reader: Option<Pid>,
    network: Option<Settings>,
}

/// The media as PID 1 sees them.
#[derive(Debug)]
pub(crate) struct Media {
    known: BTreeMap<Key, Medium>,
    /// Whether a file is being written.
    is_writing: bool,
    events: Sender<Event>,
}

impl Media {
    pub(crate) fn new(events: Sender<Event>) -> Self {
        Self { known: BTreeMap::new(), is_writing: false, events }
    }

    /// Sees what is there, and has the kernel say when a drive gets another disc.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        let set = |path: &str, value: &str| {
            fs::write(path, value).map_err(|source| Error::Write { path: path.into(), source })
        };
        let asks = set(POLLS, POLL_MILLISECONDS);
        let lets_go = set(LOCKS, "0");
        self.look().and(asks).and(lets_go)
    }

    /// Sees what a drive holds now.
    pub(crate) fn look_again(&mut self, drive: &str) -> Result<(), Error> {
        // With the partitions of a card in it.
        self.known.retain(|key, medium| {
            let is_other = !key.name.starts_with(drive);
            if !is_other {
                let_go(key, medium);
            }
            is_other
        });
        self.look()
    }

    /// Sees what was plugged in and what was pulled out.
    pub(crate) fn look(&mut self) -> Result<(), Error> {
        let there = present();
        let gone: Vec<Key> =
            self.known.keys().filter(|key| !there.contains(key)).cloned().collect();
        for key in &gone {
            if let Some(medium) = self.known.remove(key) {
                let_go(key, &medium);
            }
        }
        let new: Vec<&Key> = there.iter().filter(|key| !self.known.contains_key(key)).collect();
        let changed = !gone.is_empty() || !new.is_empty();
        for key in new {
            self.known.insert(key.clone(), Medium::of(key));
            let key = key.clone();
            self.in_thread(key.clone(), move || News::Begins(look_at(&key)));
        }
        if changed { self.write() } else { Ok(()) }
    }

    /// Goes on with what was learnt of a medium; a sentence for the screen.
    pub(crate) fn hear(&mut self, key: &Key, news: News) -> Result<Option<String>, Error> {
        if let News::Written(ended) = news {
            return self.has_written(key, ended);
        }
        if !self.known.contains_key(key) {
            // It was pulled out meanwhile.
            if let News::Mounted(Ok(())) = news {
                unmount(&key.at());
            }
            return Ok(None);
        }
        let heard = self.go_on(key, news);
        if let (Err(error), Some(medium)) = (&heard, self.known.get_mut(key)) {
            medium.plugged.wrong = Some(chain(error));
        }
        self.write()?;
        heard.map_err(|error| Error::Medium { device: key.device(), source: Box::new(error) })
    }

    fn go_on(&mut self, key: &Key, news: News) -> Result<Option<String>, Error> {
        match news {
            News::Begins(Err(Error::Read { source, .. })) if has_no_disc(&source) => {
                if let Some(medium) = self.known.get_mut(key) {
                    medium.is_empty = true;
                }
            }
            News::Begins(begins) => {
                let (device, holds, label) = begins?;
                self.open(key, device, holds, label)?;
            }
            News::Mounted(mounted) => {
                mounted?;
                self.is_mounted(key);
            }
            News::Said(line) => return Ok(self.said(key, &line)),
            News::Network(settings) => {
                let settings = settings?;
                if let Some(medium) = self.known.get_mut(key) {
                    medium.network = Some(settings);
                }
            }
            News::Written(_) => {}
        }
        Ok(None)
    }

    fn open(
        &mut self,
        key: &Key,
        device: File,
        holds: Option<Holds>,
        label: String,
    ) -> Result<(), Error> {
        let Some(medium) = self.known.get_mut(key) else { return Ok(()) };
        medium.plugged.label = label;
        medium.holds = holds;
        let (kind, words) = match holds {
            None => {
                medium.plugged.wrong = Some(UNKNOWN.to_owned());
                return Ok(());
            }
            Some(Holds::Volume) => {
                medium.plugged.holds = Some(Holds::Volume.words().to_owned());
                return Ok(());
            }
            Some(Holds::Fat) => return self.read_here(key, device, "fat"),
            Some(Holds::Ext) => return self.read_here(key, device, "ext"),
            Some(Holds::ExFat) => ("exfat", "fmask=0222,dmask=0222"),
            Some(Holds::Iso) => ("iso9660", "mode=0444,dmode=0555"),
            Some(Holds::Udf) => ("udf", "mode=0444,dmode=0555"),
        };
        let mounted = key.clone();
        self.in_thread(key.clone(), move || News::Mounted(mount_at(&mounted, kind, words)));
        Ok(())
    }

    /// Has a process of its own read it.
    fn read_here(&mut self, key: &Key, device: File, kind: &str) -> Result<(), Error> {
        let connect = || File::options().read(true).write(true).open("/dev/fuse");
        let told = |source| Error::Read { path: "/dev/fuse".into(), source };
        let connection = connect().map_err(told)?;
        // First, since a connection that is mounted nowhere is refused. `allow_other`: it is the server that reads; everybody may, as the
        // modes say.
        let fd = connection.as_raw_fd();
        let words =
            format!("fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions");
        mount_at(key, &format!("fuse.{kind}"), &words)?;
        let mut command = Command::new(READER);
        command.args(["medium", kind]).env_clear().current_dir("/");
        command.uid(READER_ACCOUNT).gid(READER_ACCOUNT);
        command.stdin(device).stdout(connection.try_clone().map_err(told)?).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| {
            unmount(&key.at());
            Error::Start { program: READER.to_owned(), source }
        })?;
        if let Some(medium) = self.known.get_mut(key) {
            medium.reader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        }
        if let Some(said) = child.stderr.take() {
            let (events, key) = (self.events.clone(), key.clone());
            thread::spawn(move || {
                for line in screen::lines(said) {
                    drop(events.send(Event::Medium(key.clone(), News::Said(line))));
                }
            });
        }
        self.is_mounted(key);
        Ok(())
    }

    fn is_mounted(&mut self, key: &Key) {
        if let Some(medium) = self.known.get_mut(key) {
            medium.is_mounted = true;
            medium.plugged.at = Some(key.at());
            medium.plugged.is_writable =
                medium.holds == Some(Holds::Fat) && number(&key.block().join("ro")) == Some(0);
            medium.plugged.holds = medium.holds.map(|holds| holds.words().to_owned());
        }
        let at = key.at();
        let events = self.events.clone();
        let key = key.clone();
        thread::spawn(move || {
            let file = at.join(NETWORK);
            if file.exists() {
                let settings = settings::read(&file);
                drop(events.send(Event::Medium(key, News::Network(settings))));
            }
        });
    }

    fn said(&mut self, key: &Key, line: &str) -> Option<String> {
        let medium = self.known.get_mut(key)?;
        match serde_json::from_str(line) {
            Ok(Said::Label(label)) => medium.plugged.label = label,
            Ok(Said::Error(error)) => medium.plugged.wrong = Some(error),
            Err(_) => return Some(format!("{}: {line}", key.device().display())),
        }
        None
    }

    /// A process ended: whether it read a medium, which then cannot be read any more.
    pub(crate) fn ended(&mut self, child: Pid) -> Result<(), Error> {
        let mut read = self.known.iter_mut().filter(|(_, medium)| medium.reader == Some(child));
        let Some((key, medium)) = read.next() else { return Ok(()) };
        medium.reader = None;
        medium.is_mounted = false;
        medium.plugged.at = None;
        medium.plugged.is_writable = false;
        let crashed = || "its reader broke off: pull it out, and plug it in again".to_owned();
        medium.plugged.wrong.get_or_insert_with(crashed);
        unmount(&key.at());
        self.write()
    }

    /// The network's settings that lie on one of them.
    pub(crate) fn network(&self) -> Option<Settings> {
        self.known.values().find_map(|medium| medium.network.clone())
    }

    /// Lets go of all of them.
    pub(crate) fn close(&mut self) {
        std::mem::take(&mut self.known).iter().for_each(|(key, medium)| let_go(key, medium));
    }

    fn in_thread(&self, key: Key, learn: impl FnOnce() -> News + Send + 'static) {
        let events = self.events.clone();
        thread::spawn(move || drop(events.send(Event::Medium(key, learn()))));
    }

    fn write(&self) -> Result<(), Error> {
        let there = self.known.values().filter(|medium| !medium.is_empty);
        let plugged: Vec<&Plugged> = there.map(|medium| &medium.plugged).collect();
        write_json(Path::new(FILE), &plugged)?;
        let readable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(FILE, readable)
            .map_err(|source| Error::Write { path: FILE.into(), source })
    }
}

impl Medium {
    fn of(key: &Key) -> Self {
        let plugged = Plugged {
            device: key.device(),
            at: None,
            label: String::new(),
            holds: None,
            is_writable: false,
            wrong: None,
        };
        Self {
            plugged,
            holds: None,
            is_mounted: false,
            is_empty: false,
            reader: None,
            network: None,
        }
    }
}

/// Lets go of one that was pulled out, whatever still reads it.
fn let_go(key: &Key, medium: &Medium) {
    if medium.is_mounted {
        unmount(&key.at());
    }
    if let Some(reader) = medium.reader {
        let _ = kill_process(reader, Signal::KILL);
    }
}

fn unmount(at: &Path) {
    let _ = rustix::mount::unmount(at, UnmountFlags::DETACH);
    let _ = fs::remove_dir(at);
}

fn mount_at(key: &Key, kind: &str, words: &str) -> Result<(), Error> {
    let at = key.at();
    fs::create_dir_all(&at).map_err(|source| Error::Write { path: at.clone(), source })?;
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    let words = CString::new(words).unwrap_or_default();
    rustix::mount::mount(key.device(), &at, kind, flags, &*words).map_err(|source| {
        let _ = fs::remove_dir(&at);
        let (what, at) = (key.device().display().to_string(), at.display().to_string());
        Error::Mount { what, at, source }
    })
}

/// Looks at how it begins, and lets the server read it.
fn look_at(key: &Key) -> Result<(File, Option<Holds>, String), Error> {
    let device = key.device();
    let told = |source| Error::Read { path: device.clone(), source };
    chown(&device, Some(0), Some(server::ACCOUNT)).map_err(told)?;
    fs::set_permissions(&device, fs::Permissions::from_mode(0o440)).map_err(told)?;
    let file = File::open(&device).map_err(told)?;
    let mut head = Vec::new();
    (&file).take(begins::BYTES as u64).read_to_end(&mut head).map_err(told)?;
    let holds = Holds::of(&head);
    let label = if holds == Some(Holds::Iso) { iso_label(&head) } else { String::new() };
    Ok((file, holds, label))
}

/// The media that are there: partitions of removable disks and of those on USB, or these disks, where they have none.
fn present() -> Vec<Key> {
    let devices = data::devices();
    let folder = |name: &str| fs::canonicalize(Path::new("/sys/class/block").join(name)).ok();
    let folders: Vec<(PathBuf, &str, &str)> = devices
        .iter()
        .filter_map(|(name, uevent)| Some((folder(name)?, name.as_str(), uevent.as_str())))
        .collect();
    let is_own = |disk: &Path| {
        let own = |uevent: &str| uevent.lines().any(|line| line.starts_with("PARTNAME=patchkeep-"));
        folders.iter().any(|(folder, _, uevent)| folder.starts_with(disk) && own(uevent))
    };
    let mut keys = Vec::new();
    for (disk, name, uevent) in &folders {
        if !uevent.contains("DEVTYPE=disk") || !is_medium(disk) || is_own(disk) {
            continue;
        }
        let sequence = number(&disk.join("diskseq")).unwrap_or_default();
        let partitions: Vec<&str> = folders
            .iter()
            .filter(|(f, ..)| f.parent() == Some(disk))
            .map(|(_, name, _)| *name)
            .collect();
        let named = if partitions.is_empty() { vec![*name] } else { partitions };
        let key = |name: &str| Key { name: name.to_owned(), sequence };
        keys.extend(named.into_iter().map(key));
    }
    keys
}

fn has_no_disc(error: &io::Error) -> bool {
    error.raw_os_error() == Some(NO_MEDIUM)
}

/// Whether a disk can be taken out: it says so, or it is on USB.
fn is_medium(disk: &Path) -> bool {
    let on_usb = disk.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part.strip_prefix("usb").is_some_and(|rest| rest.parse::<u8>().is_ok())
    });
    on_usb || number(&disk.join("removable")) == Some(1)
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
