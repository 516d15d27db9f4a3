//! What people read on the machine's own screen and serial line.

use crate::{
    Event, Phase,
    data::room::{Room, Scarce},
    server::Serving,
};
use network::Trial;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead as _, BufReader, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

/// Everything that the screen says.
#[derive(Debug, Default, Clone)]
pub(crate) struct View {
    /// Version, build and kernel, in one line.
    pub(crate) version: String,
    /// What became of each phase, in order.
    pub(crate) phases: Vec<(Phase, Result<String, String>)>,
    /// The address at which people find it.
    pub(crate) address: Option<String>,
    /// A change of the network on trial.
    pub(crate) trial: Option<Trial>,
    pub(crate) serving: Option<Serving>,
    /// The data partition's recovery key, from when it was made until there is a site.
    pub(crate) recovery_key: Option<String>,
    /// Service levels that are missed, as the server says.
    pub(crate) missed_levels: Vec<String>,
    /// Memory in use and all of it, in MiB.
    pub(crate) memory: Option<(u64, u64)>,
    /// Room on the data partition.
    pub(crate) room: Option<Room>,
    /// What is going on now, in one sentence.
    pub(crate) now: String,
    /// What the menu has asked last, by console.
    pub(crate) menus: BTreeMap<String, String>,
    /// What is asked on every console in the menu's place.
    pub(crate) asks: Option<&'static str>,
    /// What is to be typed for an older image to be tried, where one waits for that.
    pub(crate) waits_for: Option<String>,
    /// What went wrong beside the phases.
    pub(crate) troubles: Vec<String>,
}

/// What stands below the screen while nothing is asked.
const MENU: &str = "Press Enter for the menu.";
/// How long a console that was hung up is left alone.
const HUNG_UP_FOR: Duration = Duration::from_secs(2);
/// Longest line that is taken, in bytes.
const LINE_BYTES_MAX: usize = 300;

/// Most troubles that stand on the screen.
const TROUBLES: usize = 6;

impl View {
    /// Remembers a trouble, once.
    pub(crate) fn trouble(&mut self, words: String) {
        if !self.troubles.contains(&words) {
            self.troubles.push(words);
        }
        if self.troubles.len() > TROUBLES {
            self.troubles.remove(0);
        }
    }

    /// What became of a phase, also where that is another thing than at the start.
    pub(crate) fn set_phase(&mut self, phase: Phase, became: Result<String, String>) {
        match self.phases.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, known)) => *known = became,
            None => self.phases.push((phase, became)),
        }
    }

    /// How service levels stand, a line each that is missed.
    fn levels(&self) -> Vec<String> {
        match self.missed_levels[..] {
            [] => vec!["  service levels     none is missed".to_owned()],
            _ => {
                let missed = self.missed_levels.iter();
                missed.map(|missed| format!("  service level      MISSED: {missed}")).collect()
            }
        }
    }

    /// The screen's text.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![format!("Patchkeep {}", self.version)];
        for (phase, became) in &self.phases {
            lines.push(match became {
                Ok(done) => format!("  {:<15} {done}", phase.name()),
                Err(error) => format!("  {:<15} FAILED: {error}", phase.name()),
            });
        }
        lines.extend(self.troubles.iter().map(|trouble| format!("  note            {trouble}")));
        lines.extend(self.recovery_key.as_ref().map(|key| {
            format!(
                "Recovery key of the data partition, for when the TPM does not open it. Write it down; it is not shown again:\n  {key}"
            )
        }));
        let code = match &self.serving {
            Some(Serving::Site { site, ca, audit_key, first_code }) => {
                lines.push(format!("Site {site}"));
                lines.push(format!("  site CA (SHA-256)  {ca}"));
                lines.push(format!("  audit key          {audit_key}"));
                lines.extend(self.levels());
                first_code
                    .as_ref()
                    .map(|code| (code, "first sign-in", "until somebody has an account"))
            }
            Some(Serving::Unfounded { authority, first_code }) => {
                lines.push(
                    "No site is founded here yet: open the page, compare the CA, type the code."
                        .to_owned(),
                );
                lines.push(format!("  site CA (SHA-256)  {authority}"));
                Some((first_code, "founding", "until a site is founded"))
            }
            None => None,
        };
        if let (Some((code, what, until)), Some(address)) = (code, &self.address) {
            lines.push(format!("  {what:<18} https://{address}/first-start"));
            lines.push(format!("  one-time code      {code} ({until})"));
        }
        match &self.address {
            Some(address) => lines.push(format!("Address: https://{address}")),
            None => lines.push(
                "Address: none. Plug in a FAT stick with patchkeep/network.toml on it.".to_owned(),
            ),
        }
        lines.extend(self.trial.as_ref().map(|Trial { settings, until, .. }| {
            format!(
                "Network: ON TRIAL: {settings}. What held before comes back at {until:.0}, unless somebody confirms it."
            )
        }));
        lines.extend(self.memory.map(|(used, all)| format!("Memory: {used} of {all} MiB in use")));
        lines.extend(self.room.map(|room| {
            let left = format!("Data partition: {} of {} MiB free", room.free >> 20, room.all >> 20);
            match room.scarce() {
                None => left,
                Some(Scarce::Low) => format!("{left}: SCARCE, no bundle is taken in"),
                Some(Scarce::Full) => format!(
                    "{left}: FULL. Nothing more is written, and what is there is unharmed: switch it off, give it a larger disk, and start it again."
                ),
            }
        }));
        lines.extend(self.waits_for.clone());
        lines.push(self.now.clone());
        lines.join("\n")
    }
}

/// Memory in use and all of it, in MiB, from the text of /proc/meminfo (in KiB). What can be given back at once is
/// not in use; files of the image, which lie in memory, are.
pub(crate) fn memory(text: &str) -> Option<(u64, u64)> {
    let kib = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
    };
    let (all, free): (u64, u64) = (kib("MemTotal:")?, kib("MemAvailable:")?);
    Some((all.checked_sub(free)? / 1024, all / 1024))
}

/// Writes a line to the kernel's own log, which stands on its consoles too: what was said last stays readable there.
pub(crate) fn log(words: &str) {
    if let Ok(mut log) = fs::File::options().write(true).open("/dev/kmsg") {
        // 1, an alert: `quiet` lets it through.
        drop(log.write_all(format!("<1>patchkeep: {words}\n").as_bytes()));
    }
}

/// Shows it wherever the kernel has a console. Nothing is to be done about a screen that does not take it.
pub(crate) fn show(view: &View) {
    let text = view.text();
    for console in consoles() {
        // A terminal that is looked at begins at its top; a serial line is often a log.
        let begin = if console.starts_with("ttyS") { "\n" } else { "\x1b[H\x1b[2J" };
        let menu = view.menus.get(&console).map(String::as_str).or(view.asks).unwrap_or(MENU);
        say(&console, &format!("{begin}{text}\n{menu}"));
    }
}

/// Says something on one console.
pub(crate) fn say(console: &str, words: &str) {
    if let Ok(mut screen) = fs::File::options().write(true).open(format!("/dev/{console}")) {
        drop(screen.write_all(format!("{words}\n").as_bytes()));
    }
}

/// Has a console show what is typed on it, or not.
pub(crate) fn show_typed(console: &str, shown: bool) {
    let no_control = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
    let mut options = fs::File::options();
    let opened = options.read(true).custom_flags(no_control).open(format!("/dev/{console}"));
    let Ok(terminal) = opened else { return };
    if let Ok(mut settings) = tcgetattr(&terminal) {
        settings.local_modes.set(LocalModes::ECHO, shown);
        // A line that is no terminal shows nothing anyway.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &settings);
    }
}

/// The kernel's consoles, by name.
pub(crate) fn consoles() -> Vec<String> {
    let active = fs::read_to_string("/sys/class/tty/console/active");
    let active = active.unwrap_or_else(|_| "console".to_owned());
    active.split_whitespace().map(str::to_owned).collect()
}

/// Passes on each line that is typed on a console.
pub(crate) fn listen(events: &Sender<Event>) {
    let no_control = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
    for console in consoles() {
        let events = events.clone();
        thread::spawn(move || {
            loop {
                let keyboard = fs::File::options()
                    .read(true)
                    .custom_flags(no_control)
                    .open(format!("/dev/{console}"));
                for line in keyboard.into_iter().flat_map(lines) {
                    if events.send(Event::Typed(console.clone(), line)).is_err() {
                        return;
                    }
                }
                // A line that was hung up comes back.
                thread::sleep(HUNG_UP_FOR);
            }
        });
    }
}

/// Lines of whatever bytes, without what would steer a terminal, each cut at a length.
pub(crate) fn lines(from: impl Read) -> impl Iterator<Item = String> {
    let clean = |line: Vec<u8>| {
        let line = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES_MAX)]).into_owned();
        line.chars().filter(|c| !c.is_control()).collect()
    };
    BufReader::new(from).split(b'\n').map_while(io::Result::ok).map(clean)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_phase_that_failed_stands_beside_those_that_did_not() {
        let mut view = View { version: "1.2.3".into(), ..View::default() };
        view.phases.push((Phase::Mount, Ok("done".into())));
        view.phases.push((Phase::Data, Err("the disk is gone".into())));
        let text = view.text();
        assert!(
            text.contains("mount           done") && text.contains("FAILED: the disk is gone"),
            "{text}"
        );
        assert!(text.contains("Address: none"), "{text}");
    }

    #[test]
    fn the_code_stands_with_the_address_that_it_is_for() {
        let said = r#"{"site":"north","ca":"ab","audit_key":"cd","first_code":"1234-5678"}"#;
        let serving = serde_json::from_str(said).unwrap();
        let mut view =
            View { serving: Some(serving), address: Some("192.0.2.1".into()), ..View::default() };
        let text = view.text();
        assert!(
            text.contains("https://192.0.2.1/first-start") && text.contains("1234-5678"),
            "{text}"
        );
        view.serving = serde_json::from_str(&said.replace("\"1234-5678\"", "null")).unwrap();
        assert!(!view.text().contains("first-start"));
        assert!(view.text().contains("service levels     none is missed"));
        view.missed_levels.push("content: missed 2 times".to_owned());
        assert!(view.text().contains("service level      MISSED: content: missed 2 times"));
        let first = r#"{"authority":"ef","first_code":"8765-4321"}"#;
        view.serving = serde_json::from_str(first).unwrap();
        let text = view.text();
        assert!(
            text.contains("No site is founded") && text.contains("8765-4321 (until a site"),
            "{text}"
        );
    }

    #[test]
    fn the_recovery_key_stands_there_alone_in_its_line() {
        let view = View { recovery_key: Some("cbde-fghi".into()), ..View::default() };
        assert!(view.text().contains("Write it down; it is not shown again:\n  cbde-fghi\n"));
    }

    #[test]
    fn a_network_on_trial_stands_there_with_its_end() {
        let settings: network::Settings =
            serde_json::from_str(r#"{"address":"192.0.2.9/24"}"#).unwrap();
        let change = "01ARZ3NDEKTSV4RRFFQ69G5FB0".parse().unwrap();
        let until = "2026-11-29T10:00:00.5Z".parse().unwrap();
        let view = View { trial: Some(Trial { change, settings, until }), ..View::default() };
        let text = view.text();
        assert!(text.contains("ON TRIAL: 192.0.2.9/24, on the first wired interface. "), "{text}");
        assert!(text.contains("comes back at 2026-11-29T10:00:00Z"), "{text}");
    }

    #[test]
    fn what_is_typed_or_said_cannot_steer_the_screen() {
        let said: Vec<String> = lines(&b"\x1b[2Jgone\nplain\xff\n"[..]).collect();
        assert_eq!(said, ["[2Jgone", "plain\u{fffd}"]);
        let long = vec![b'a'; LINE_BYTES_MAX + 9];
        assert_eq!(lines(&long[..]).next().map(|line| line.len()), Some(LINE_BYTES_MAX));
    }

    #[test]
    fn memory_in_use_is_what_cannot_be_had() {
        let text = "MemTotal:         524288 kB\nMemFree:   100 kB\nMemAvailable:     262144 kB\n";
        assert_eq!(memory(text), Some((256, 512)));
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn troubles_are_told_once_and_the_newest_stay() {
        let mut view = View::default();
        (0..10).for_each(|number| view.trouble(format!("trouble {}", number / 2)));
        assert_eq!(view.troubles.len(), 5);
        (10..20).for_each(|number| view.trouble(format!("trouble {number}")));
        assert_eq!(view.troubles.len(), TROUBLES);
        assert_eq!(view.troubles.last().map(String::as_str), Some("trouble 19"));
    }
}
