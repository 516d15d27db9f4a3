//! The server: started without root's rights, listened to, and started again after it ended.

use crate::{Event, data, error::Error, media, network, screen, update};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::VecDeque,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

/// The program.
const PROGRAM: &str = "/bin/patchkeep";
/// The site's folder on the data partition.
pub(crate) const SITE: &str = "/data/site";
/// The account (and group) that the server runs as.
pub(crate) const ACCOUNT: u32 = 990;
/// Shortest and longest wait before it is started again.
const WAIT_LEAST: Duration = Duration::from_secs(1);
const WAIT_MOST: Duration = Duration::from_secs(60);
/// A server that ran so long was well: what ends it later counts as a first failure.
const WELL_AFTER: Duration = Duration::from_secs(120);
/// Lines of what it said last that are kept for the screen.
const LINES: usize = 4;

/// What the server says of itself each time that it opened its doors (`patchkeep --json serve`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Serving {
    /// A site: its ledger was opened.
    Site {
        site: String,
        ca: String,
        audit_key: String,
        /// The code for the first sign-in, while nobody has an account.
        first_code: Option<String>,
    },
    /// No site yet: it can be founded in a browser, behind the code.
    Unfounded { authority: String, first_code: String },
}

/// What the server says on its standard output.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Word {
    Serving(Serving),
    /// Which service levels are missed, whenever that changes.
    Levels {
        missed_levels: Vec<String>,
    },
}

/// How long to wait after so many failures in a row: twice as long each time.
fn wait(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    WAIT_LEAST.saturating_mul(doubled).min(WAIT_MOST)
}

/// Failures in a row, with one more after it ran for so long.
fn failures_after(before: u32, ran: Duration) -> u32 {
    if ran >= WELL_AFTER { 1 } else { before.saturating_add(1) }
}

/// The server as PID 1 sees it.
#[derive(Debug)]
pub(crate) struct Server {
    names: Vec<String>,
    /// The version of this image, where another one can be taken in its place.
    image: Option<String>,
    events: Sender<Event>,
    running: Option<(Pid, Instant)>,
    failures: u32,
    /// Whether it was asked to stop, to be started under other names.
    is_renamed: bool,
    due: Instant,
    said: VecDeque<String>,
}

impl Server {
    /// One that is due to start.
    pub(crate) fn new(names: Vec<String>, image: Option<String>, events: Sender<Event>) -> Self {
        Self {
            names,
            image,
            events,
            running: None,
            failures: 0,
            is_renamed: false,
            due: Instant::now(),
            said: VecDeque::new(),
        }
    }

    /// Has it serve under these names: it is started again where they are others.
    pub(crate) fn serve_as(&mut self, names: Vec<String>) {
        if self.names != names {
            self.names = names;
            self.is_renamed = self.running.is_some();
            self.stop(Signal::TERM);
        }
    }

    /// Starts it if it is due.
    pub(crate) fn see_to(&mut self) -> Result<(), Error> {
        if self.running.is_some() || Instant::now() < self.due {
            return Ok(());
        }
        let started = self.start();
        if started.is_err() {
            self.note_failure(Duration::ZERO);
        }
        started
    }

    fn start(&mut self) -> Result<(), Error> {
        let mut command = command();
        command.args(["--json", "serve", "--data", SITE]);
        // Of both IPv6 and IPv4.
        command.args(["--people", "[::]:443", "--endpoints", "[::]:8443", "--redirect", "[::]:80"]);
        for name in &self.names {
            command.args(["--name", name]);
        }
        command.args(["--network", network::FOLDER, "--plugged-in", media::FILE]);
        command.args(["--media-writes", media::WRITES]);
        command.args(["--data-partition", data::kept()]);
        if let Some(version) = &self.image {
            command.args(["--image-version", version, "--image-updates", update::FOLDER]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let told = |source| Error::Start { program: PROGRAM.to_owned(), source };
        let mut child = command.spawn().map_err(told)?;
        self.said.clear();
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        self.listen(&mut child);
        self.running = id.map(|id| (id, Instant::now()));
        Ok(())
    }

    /// Passes on what it says: its JSON values (one more follows once a site was founded), and each line.
    fn listen(&self, child: &mut Child) {
        if let Some(out) = child.stdout.take() {
            let events = self.events.clone();
            thread::spawn(move || {
                // Values that are not known are passed over: a server whose output nobody takes would stand still.
                let values = serde_json::Deserializer::from_reader(out).into_iter::<Value>();
                for word in
                    values.map_while(Result::ok).filter_map(|v| serde_json::from_value(v).ok())
                {
                    drop(events.send(match word {
                        Word::Serving(serving) => Event::Serving(serving),
                        Word::Levels { missed_levels } => Event::Levels(missed_levels),
                    }));
                }
            });
        }
        if let Some(errors) = child.stderr.take() {
            let events = self.events.clone();
            thread::spawn(move || {
                for line in screen::lines(errors) {
                    drop(events.send(Event::Line(line)));
                }
            });
        }
    }

    /// Keeps a line that it said.
    pub(crate) fn keep(&mut self, line: String) {
        self.said.push_back(line);
        while self.said.len() > LINES {
            self.said.pop_front();
        }
    }

    /// A child ended: whether it was the server, and then how long until it is started again, and what it said last.
    pub(crate) fn ended(&mut self, child: Pid) -> Option<(Duration, String)> {
        let (id, since) = self.running?;
        if id != child {
            return None;
        }
        self.running = None;
        if std::mem::take(&mut self.is_renamed) {
            self.due = Instant::now();
            return Some((Duration::ZERO, "it is called by other names now".to_owned()));
        }
        let wait = self.note_failure(since.elapsed());
        Some((wait, self.said()))
    }

    /// What it said last, in one line.
    pub(crate) fn said(&self) -> String {
        self.said.iter().cloned().collect::<Vec<_>>().join(" / ")
    }

    fn note_failure(&mut self, ran: Duration) -> Duration {
        self.failures = failures_after(self.failures, ran);
        let wait = wait(self.failures);
        self.due = Instant::now() + wait;
        wait
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Asks it to stop, or makes it.
    pub(crate) fn stop(&self, signal: Signal) {
        if let Some((id, _)) = self.running {
            let _ = kill_process(id, signal);
        }
    }
}

/// The program, for a verb about the site; its words, where it is not JSON, are for people.
pub(crate) fn verb(words: &[&str]) -> Command {
    let mut verb = command();
    verb.args(words).args(["--data", SITE]);
    verb
}

/// The program without root's rights and with nothing of PID 1's surroundings. It may bind the people's door, since
/// the kernel was told that ports from there on need no rights.
pub(crate) fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("PATH", "/bin").env("TMPDIR", "/tmp").env("HOME", SITE);
    command.current_dir("/").uid(ACCOUNT).gid(ACCOUNT);
    command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_waits_twice_as_long_each_time_and_at_most_a_minute() {
        let waits: Vec<u64> = (1..=9).map(|failures| wait(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(wait(u32::MAX), WAIT_MOST);
    }

    #[test]
    fn a_server_that_was_well_is_started_again_at_once_almost() {
        assert_eq!(failures_after(5, Duration::from_secs(3)), 6);
        assert_eq!(failures_after(5, WELL_AFTER), 1);
        assert_eq!(failures_after(u32::MAX, Duration::ZERO), u32::MAX);
    }

    #[test]
    fn what_the_server_says_at_its_start_is_understood() {
        let said = r#"{"endpoints":"0.0.0.0:8443","people":"0.0.0.0:443","site":"north","ca":"ab","audit_key":"cd",
            "first_code":null}"#;
        let serving: Serving = serde_json::from_str(said).unwrap();
        let north = Serving::Site {
            site: "north".into(),
            ca: "ab".into(),
            audit_key: "cd".into(),
            first_code: None,
        };
        assert_eq!(serving, north);
        let said = r#"{"people":"0.0.0.0:443","authority":"ab","first_code":"AAAAA-BBBBB"}"#;
        let unfounded =
            Serving::Unfounded { authority: "ab".into(), first_code: "AAAAA-BBBBB".into() };
        assert_eq!(serde_json::from_str::<Serving>(said).unwrap(), unfounded);
    }
}
