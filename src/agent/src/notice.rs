//! Telling people that the machine will restart, and hearing when they put it off.
//!
//! Whoever sits at the machine is no administrator: they ask by a file in a folder where everybody may put
//! one and nobody can see others'. How often that is heard is the agent's to count.

use crate::{
    Error, Machine,
    files::{make_folder, put, read},
};
use ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

const NOTICE: &str = "/run/patchkeep/restart.json";
const REQUESTS: &str = "/run/patchkeep/defer";
const SESSIONS: &str = "/run/user";
/// Everybody may put a file there, only root lists them, and nobody removes another's.
const REQUESTS_MODE: u32 = 0o1733;
/// Accounts of people begin here; root is one too.
const PEOPLE_FROM: u32 = 1000;
const NOBODY: u32 = 65534;

/// What everybody on the machine may read of a restart to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) at: Timestamp,
    pub(crate) deferrals_left: u32,
}

/// Whether somebody is logged in; where nothing can say so, somebody is.
pub(crate) fn has_people(machine: &Machine) -> bool {
    let who = machine.program("who", [""; 0]).run().ok();
    let sessions = machine.program("loginctl", ["list-sessions", "--no-legend"]).run().ok();
    if who.is_none() && sessions.is_none() {
        return true;
    }
    // A greeter's session is no person's.
    let is_person = |line: &str| {
        let uid = line.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
        uid.is_none_or(is_persons)
    };
    let lines = |text: &Option<String>| text.clone().unwrap_or_default();
    !lines(&who).trim().is_empty()
        || lines(&sessions).lines().filter(|line| !line.trim().is_empty()).any(is_person)
}

fn is_persons(uid: u32) -> bool {
    uid == 0 || (uid >= PEOPLE_FROM && uid != NOBODY)
}

/// Gives notice: to terminals, to desktops, and in a file. Fails where none of them took it.
pub(crate) fn give(machine: &Machine, notice: &Notice, text: &str) -> Result<(), Error> {
    let folder = machine.path(REQUESTS);
    make_folder(&folder, 0o755)?;
    fs::set_permissions(&folder, Permissions::from_mode(REQUESTS_MODE))
        .map_err(Error::file("open to everybody", &folder))?;
    let json = serde_json::to_vec(notice).unwrap_or_default();
    put(&machine.path(NOTICE), &json, 0o644, None)?;
    let told = tell(machine, text);
    if told { Ok(()) } else { Err(Error::Refused("nobody could be told of the restart".into())) }
}

/// Says something on terminals and desktops; whether it reached any of them.
pub(crate) fn tell(machine: &Machine, text: &str) -> bool {
    let mut told = machine.program("wall", [text]).run().is_ok();
    for entry in fs::read_dir(machine.path(SESSIONS)).into_iter().flatten().flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        let inside = format!("{SESSIONS}/{}/bus", entry.file_name().to_string_lossy());
        if fs::symlink_metadata(machine.path(&inside)).is_err() {
            continue;
        }
        // As that person, on their own bus: root is not let in there.
        let (user, group) = (format!("--reuid={}", meta.uid()), format!("--regid={}", meta.gid()));
        let words = [&user, &group, "--clear-groups", "notify-send", "--urgency=critical"];
        let words = words.into_iter().chain(["This computer will restart", text]);
        let sent = machine
            .program("setpriv", words)
            .with("DBUS_SESSION_BUS_ADDRESS", &format!("unix:path={inside}"))
            .run();
        told |= sent.is_ok();
    }
    told
}

/// Whether a person has asked to put the restart off since the last asking.
pub(crate) fn is_put_off(machine: &Machine) -> bool {
    let mut asked = false;
    for entry in fs::read_dir(machine.path(REQUESTS)).into_iter().flatten().flatten() {
        asked |= entry.metadata().is_ok_and(|meta| meta.is_file() && is_persons(meta.uid()));
        // A folder that somebody put there stays, and says nothing.
        drop(fs::remove_file(entry.path()));
    }
    asked
}

/// There is no restart to come any more.
pub(crate) fn take_back(machine: &Machine) {
    let _ = is_put_off(machine);
    drop(fs::remove_file(machine.path(NOTICE)));
}

/// Asks, as whoever runs this, to put the announced restart off.
///
/// # Errors
/// [`Error::Refused`] where none was announced or it cannot be put off any more.
pub fn defer(machine: &Machine) -> Result<String, Error> {
    let bytes = read(&machine.path(NOTICE))?;
    let notice = bytes.and_then(|bytes| serde_json::from_slice::<Notice>(&bytes).ok());
    let Some(Notice { at, deferrals_left }) = notice else {
        return Err(Error::Refused("no restart of this machine has been announced".into()));
    };
    if deferrals_left == 0 {
        return Err(Error::Refused(format!("the restart at {at} cannot be put off any more")));
    }
    let path = machine.path(&format!("{REQUESTS}/{}", std::process::id()));
    File::create_new(&path).map_err(Error::file("write", &path))?;
    let left = deferrals_left - 1;
    Ok(format!("Asked to put off the restart at {at}; it can be put off {left} times after this."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn greeters_and_services_are_no_people() {
        for (uid, person) in [(0, true), (112, false), (1000, true), (NOBODY, false)] {
            assert_eq!(is_persons(uid), person, "{uid}");
        }
    }

    #[test]
    fn a_restart_is_put_off_only_while_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::below(folder.path()).unwrap();
        assert!(defer(&machine).unwrap_err().to_string().contains("no restart"));
        let at = Timestamp::now();
        for (left, may) in [(1, true), (0, false)] {
            // Nobody can be told in an empty folder; the file is there all the same.
            drop(give(&machine, &Notice { at, deferrals_left: left }, "soon"));
            assert_eq!(defer(&machine).is_ok(), may);
        }
        take_back(&machine);
        assert!(defer(&machine).is_err());
        assert!(!is_put_off(&machine));
    }
}
