//! Running programs: bounded in time, all they say kept, and judged in one line.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The command, as a person would type it.
    pub line: String,
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// It exited with 0, or the test ends with everything that it said.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.code == Some(0), "{self}");
        self
    }

    /// It exited with exactly this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        self
    }

    /// It failed, with whatever code.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code != Some(0), "expected a failure\n{self}");
        self
    }

    /// It said this, on either stream.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.has(words), "expected to read: {words}\n{self}");
        self
    }

    /// Whether it said this, on either stream.
    #[must_use]
    pub fn has(&self, words: &str) -> bool {
        self.out.contains(words) || self.err.contains(words)
    }

    /// Standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, out, err } = self;
        let code = code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        write!(f, "$ {line}\n(ended with {code})\n{out}{err}")
    }
}

/// Runs a command to its end, within two minutes.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    run_within(Duration::from_secs(120), command)
}

/// Runs a command to its end, or ends the test when it takes longer.
#[track_caller]
pub fn run_within(limit: Duration, command: &mut Command) -> Said {
    let line = line(command);
    // Files, not pipes: a grandchild that keeps a pipe open cannot hold the test up.
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command.stdin(Stdio::null());
    command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            let (out, err) = (text(&mut out), text(&mut err));
            panic!("$ {line}\n(still running after {} s)\n{out}{err}", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Said { line, code: status.code(), out: text(&mut out), err: text(&mut err) }
}

/// A command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// All that was written to a file, wherever its position is.
fn text(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
