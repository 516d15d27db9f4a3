//! The machine below a root directory, and programs run on it: bounded in time, heard to the end.

use crate::Error;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::{self, File},
    io::{Read as _, Seek as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Most bytes that are heard of one stream.
const SAID_BYTES_MAX: u64 = 64 << 20;
/// How much of a complaint goes into a sentence.
const SENTENCE_CHARS_MAX: usize = 600;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A machine: `/`, or one in a folder.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The machine below `root`.
    ///
    /// # Errors
    /// [`Error::File`] when there is no such folder.
    pub fn below(root: &Path) -> Result<Self, Error> {
        let root = fs::canonicalize(root).map_err(Error::file("find", root))?;
        Ok(Self { root })
    }

    /// Its root directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is the running one.
    #[must_use]
    pub fn is_this(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path of the machine's own is, seen from here.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// A program of the machine's own.
    pub(crate) fn program<I: AsRef<str>>(
        &self,
        name: &str,
        words: impl IntoIterator<Item = I>,
    ) -> Program {
        let mut command = Command::new(if self.is_this() { name } else { "chroot" });
        if !self.is_this() {
            command.arg(&self.root).arg(name);
        }
        Program::new(command, name, words)
    }

    /// A program beside the agent, for work on the machine's files from outside.
    pub(crate) fn tool<I: AsRef<str>>(
        &self,
        name: &str,
        words: impl IntoIterator<Item = I>,
    ) -> Program {
        Program::new(Command::new(name), name, words)
    }
}

/// A command that has not been run.
pub(crate) struct Program {
    command: Command,
    line: String,
    limit: Duration,
}

/// What a program said, and how it ended.
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Program {
    fn new<I: AsRef<str>>(
        mut command: Command,
        name: &str,
        words: impl IntoIterator<Item = I>,
    ) -> Self {
        let mut line = name.to_owned();
        for word in words {
            command.arg(word.as_ref());
            if line.len() < 200 {
                line.push(' ');
                line.push_str(word.as_ref());
            }
        }
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        Self { command, line, limit: Duration::from_secs(60) }
    }

    /// With a variable of the environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With another time limit than a minute.
    pub(crate) const fn within(mut self, seconds: u64) -> Self {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// Runs it to its end, whatever that is. Past its limit the whole group of processes is killed.
    pub(crate) fn hear(mut self) -> Result<Said, Error> {
        let line = PathBuf::from(&self.line);
        let unheard = Error::file("keep the words of", &line);
        // Files, not pipes: a daemon that a maintainer's script left behind holds nobody up.
        let mut out = tempfile::tempfile().map_err(&unheard)?;
        let mut err = tempfile::tempfile().map_err(&unheard)?;
        self.command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(&unheard)?)
            .stderr(err.try_clone().map_err(&unheard)?);
        let mut child = self.command.spawn().map_err(Error::file("run", &line))?;
        let status = self.wait(&mut child)?;
        Ok(Said { status, out: heard(&mut out), err: heard(&mut err) })
    }

    /// Runs it, and fails when it does. Gives its standard output.
    pub(crate) fn run(self) -> Result<String, Error> {
        let line = self.line.clone();
        let said = self.hear()?;
        if said.status.success() { Ok(said.out) } else { Err(said.failure(line)) }
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus, Error> {
        let line = Path::new(&self.line);
        let begun = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(status) = child.try_wait().map_err(Error::file("wait for", line))? {
                return Ok(status);
            }
            if begun.elapsed() >= self.limit {
                if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
                    // It may have ended in this very moment.
                    let _ = kill_process_group(group, Signal::KILL);
                }
                child.wait().map_err(Error::file("wait for", line))?;
                let (line, seconds) = (self.line.clone(), self.limit.as_secs());
                return Err(Error::TimeOut { line, seconds });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl Said {
    /// The failure in words: apt's own error lines where there are some.
    pub(crate) fn failure(&self, line: String) -> Error {
        let errors: Vec<&str> = self.err.lines().filter(|l| l.starts_with("E:")).collect();
        let said = if errors.is_empty() { self.err.trim() } else { &errors.join(" ") };
        let said = if said.is_empty() { self.out.trim() } else { said };
        let skip = said.chars().count().saturating_sub(SENTENCE_CHARS_MAX);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let said = said.chars().skip(skip).map(plain).collect();
        let code = self.status.code().map_or("a signal".into(), |code| code.to_string());
        Error::Program { line, code, said }
    }
}

/// All that was written to a file, wherever its position is.
fn heard(file: &mut File) -> String {
    let mut bytes = Vec::new();
    // What cannot be read back was not heard; how the program ended is known all the same.
    let _ = file.rewind().and_then(|()| file.take(SAID_BYTES_MAX).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_limit_ends_the_grandchildren_too() {
        let machine = Machine::below(Path::new("/")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("late");
        let line = format!("(sleep 3; touch {}) & sleep 60", mark.display());
        let begun = Instant::now();
        let error = machine.tool("sh", ["-c", &line]).within(1).run().unwrap_err();
        assert!(matches!(error, Error::TimeOut { seconds: 1, .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_secs(3));
        assert!(!mark.exists(), "a grandchild lived on");
    }

    #[test]
    fn nobody_is_asked_and_a_failure_is_one_line() {
        let machine = Machine::below(Path::new("/")).unwrap();
        let line = "read x && exit 9; printf 'W: a\\nE: first\\nE: second\\n' >&2; exit 7";
        let error = machine.tool("sh", ["-c", line]).run().unwrap_err();
        assert!(error.to_string().ends_with("failed (7): E: first E: second"), "{error}");
    }
}
