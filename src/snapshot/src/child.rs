//! Child processes: a time limit that kills the whole process group, and bounded output.

use crate::{Error, deadline::Deadline, error::harmless};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    ffi::OsStr,
    io::{Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// Most that a child may answer.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// How much of its complaint is kept.
const COMPLAINT_BYTES_MAX: u64 = 4096;
/// A pipe that outlives the child by this much belongs to a program that it left behind.
const LINGER: Duration = Duration::from_secs(1);

/// What became of a child.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) answer: Vec<u8>,
    pub(crate) complaint: String,
}

impl Ended {
    /// How it ended, and the end of its complaint, where reasons stand.
    pub(crate) fn reason(&self) -> String {
        let how = match (self.status.signal(), self.status.code()) {
            (Some(signal), _) => format!("ended by signal {signal}"),
            (None, Some(code)) => format!("exit code {code}"),
            (None, None) => "unknown end".to_owned(),
        };
        match self.complaint.lines().rfind(|line| !line.trim().is_empty()) {
            Some(line) => format!("{} ({how})", harmless(line)),
            None => how,
        }
    }
}

/// Runs a program to its end. `who` names it for people. Children that outlive it are left alone (a
/// machine that was started), unless the time limit fired.
pub(crate) fn run<A: AsRef<OsStr>>(
    who: &str,
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
    input: &[u8],
    deadline: Deadline,
) -> Result<Ended, Error> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|source| Error::Start { program: program.to_owned(), source })?;
    // A child need not read what it is told: that is no error by itself.
    let feed = child.stdin.take();
    let input = input.to_vec();
    thread::spawn(move || feed.map(|mut pipe| pipe.write_all(&input)));
    let answer = collect(child.stdout.take(), ANSWER_BYTES_MAX);
    let complaint = collect(child.stderr.take(), COMPLAINT_BYTES_MAX);
    let status = end(&mut child, who, deadline)?;
    let answer = answer.recv_timeout(LINGER).unwrap_or_default();
    let complaint = complaint.recv_timeout(LINGER).unwrap_or_default();
    if answer.len() as u64 > ANSWER_BYTES_MAX {
        let reason = format!("it is longer than {ANSWER_BYTES_MAX} bytes");
        return Err(Error::Garbage { who: who.to_owned(), reason });
    }
    let complaint = String::from_utf8_lossy(&complaint).into_owned();
    Ok(Ended { status, answer, complaint })
}

/// Reads up to one byte more than `most` and throws the rest away, so that a chatterer ends by itself
/// or at its time limit.
fn collect(pipe: Option<impl Read + Send + 'static>, most: u64) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut bytes = Vec::new();
        let _ = pipe.by_ref().take(most + 1).read_to_end(&mut bytes);
        let full = bytes.len() as u64 > most;
        let _ = send.send(bytes);
        if full {
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
    });
    receive
}

fn end(child: &mut Child, who: &str, deadline: Deadline) -> Result<ExitStatus, Error> {
    let mut pause = Duration::from_micros(500);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(source) => return Err(Error::Talk { who: "a child process", source }),
        }
        if let Err(fired) = deadline.pause(pause, who) {
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            let _ = child.wait();
            return Err(fired);
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
