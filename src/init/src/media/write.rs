//! Files that are written to media: taken from the server, written by `patchkeep-reader write`, confined, and what became of it.
//!
//! The server puts the file and then, whole, the order ([`::media::Order`]) into [`WRITES_IN`]; what became of it is read
//! beside that folder, where only PID 1 writes. The order goes last: what is still there after a start was interrupted.
//!
//! **Invariant:** a medium's files are not shown while it is written to.

use super::{Key, Media, News, READER, READER_ACCOUNT, WRITES, let_go};
use crate::{
    error::{Error, chain},
    screen,
    settings::{bounded, plain, write_json},
};
use ::media::{Order, WORD_BYTES_MAX, Written, is_name, write_files as files};
use ids::{Digest, Timestamp};
use serde::Deserialize;
use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{ChildStderr, Command, Stdio},
};

/// Longest line of the writer's that is heard, in bytes.
const SAID_BYTES_MAX: u64 = 4096;

/// How a writing ended.
#[derive(Debug)]
pub(crate) struct Ended {
    order: Order,
    /// Why the file is not there.
    why: Option<String>,
}

/// What the writer says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Sha256(Digest),
    Error(String),
}

fn path(file: &str) -> PathBuf {
    Path::new(WRITES).join(file)
}

impl Media {
    /// Takes a file that is to be written, if one is there.
    pub(crate) fn see_to_writing(&mut self) -> Result<(), Error> {
        let asked = path(files::ORDER);
        if self.is_writing || fs::symlink_metadata(&asked).is_err() {
            return Ok(());
        }
        let order = bounded(&asked, WORD_BYTES_MAX).and_then(|bytes| {
            let told = |why: String| Error::Settings { path: asked.clone(), why };
            serde_json::from_slice::<Order>(&bytes).map_err(|error| told(error.to_string()))
        });
        let order = match order {
            Ok(order) => order,
            Err(error) => {
                clear();
                return Err(error);
            }
        };
        match self.begin_writing(&order) {
            Ok(()) => {
                self.is_writing = true;
                Ok(())
            }
            Err(why) => {
                // Nobody reads it any more, and nobody writes it.
                self.known.retain(|key, medium| key.at() != order.at || medium.is_mounted);
                settle(Ended { order, why: Some(why) }).and(self.look())
            }
        }
    }

    /// Lets nobody read the medium any more, and has the file written.
    fn begin_writing(&mut self, order: &Order) -> Result<(), String> {
        let writable = |(key, medium): &(&Key, &mut super::Medium)| {
            key.at() == order.at && medium.plugged.is_writable
        };
        let Some((key, medium)) = self.known.iter_mut().find(writable) else {
            return Err("the medium is not there any more, or cannot be written to".to_owned());
        };
        if !is_name(&order.name) {
            return Err("the file's name is none that every computer takes".to_owned());
        }
        let file = plain(&path(files::FILE)).map_err(|error| chain(&error))?;
        let device = File::options().read(true).write(true).open(key.device());
        let device = device.map_err(|error| format!("{}: {error}", key.device().display()))?;
        let_go(key, medium);
        medium.is_mounted = false;
        medium.reader = None;
        medium.plugged.at = None;
        medium.plugged.holds = None;
        medium.plugged.is_writable = false;
        let mut command = Command::new(READER);
        command.args(["write", &order.name, &Timestamp::now().as_second().to_string()]);
        command.env_clear().current_dir("/").uid(READER_ACCOUNT).gid(READER_ACCOUNT);
        command.stdin(file).stdout(device).stderr(Stdio::piped());
        let mut writer = command.spawn().map_err(|error| format!("{READER}: {error}"))?;
        let Some(said) = writer.stderr.take() else { return Err("nobody hears it".to_owned()) };
        screen::log(&format!("Writing {} to {}.", order.name, key.device().display()));
        let (key, order) = (key.clone(), order.clone());
        self.in_thread(key, move || News::Written(hear(said, order)));
        Ok(())
    }

    /// Goes on when a file was written, or was not: the medium is looked at anew.
    pub(super) fn has_written(&mut self, key: &Key, ended: Ended) -> Result<Option<String>, Error> {
        self.is_writing = false;
        let name = ended.order.name.clone();
        let words = match &ended.why {
            None => format!("{name} was written to {} and read back.", key.device().display()),
            Some(why) => format!("{name} was not written to {}: {why}.", key.device().display()),
        };
        screen::log(&words);
        self.known.remove(key);
        settle(ended).and(self.look()).map(|()| None)
    }
}

/// Hears what the writer says at its end.
fn hear(said: ChildStderr, order: Order) -> Ended {
    let mut line = String::new();
    let heard = said.take(SAID_BYTES_MAX).read_to_string(&mut line);
    let why = match heard.map(|_| serde_json::from_str(&line)) {
        Ok(Ok(Said::Sha256(sha256))) if sha256 == order.sha256 => None,
        Ok(Ok(Said::Sha256(_))) => Some("it is not the file that was announced".to_owned()),
        Ok(Ok(Said::Error(error))) => Some(error),
        Ok(Err(_)) | Err(_) => Some(format!("what writes it broke off: {}", line.trim())),
    };
    Ended { order, why }
}

/// Leaves word of what became of a file.
fn settle(ended: Ended) -> Result<(), Error> {
    let Ended { order, why } = ended;
    let written = Written { custody: order.custody, at: Timestamp::now(), why };
    let left = write_json(&path(files::WRITTEN), &written);
    clear();
    left
}

/// The order last: the server waits for what became of it as long as it is there.
fn clear() {
    [files::FILE, files::ORDER].iter().for_each(|file| drop(fs::remove_file(path(file))));
}
