//! JSON values on a unix socket, one a line: what QEMU's monitor and its guest agent both speak.

use crate::{Error, deadline::Deadline};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use serde_json::Value;
use std::{
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Longest line that is taken: `query-block` of a machine with many snapshots is some 100 kB.
const LINE_BYTES_MAX: usize = 8 << 20;

/// One conversation.
pub(crate) struct Lines {
    stream: UnixStream,
    who: &'static str,
    buffer: Vec<u8>,
    /// How much of the buffer has been searched for an end of line.
    searched: usize,
}

impl Lines {
    /// Connects without ever waiting in the kernel: a listener whose queue is full would hold a
    /// blocking connect for ever.
    pub(crate) fn connect(
        who: &'static str,
        path: &Path,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Reach { who, path: path.to_owned(), source };
        let address = SocketAddrUnix::new(path).map_err(|e| failed(e.into()))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        loop {
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
                .map_err(|e| failed(e.into()))?;
            match connect(&socket, &address) {
                Ok(()) => {
                    let stream = UnixStream::from(socket);
                    stream.set_nonblocking(false).map_err(failed)?;
                    return Ok(Self { stream, who, buffer: Vec::new(), searched: 0 });
                }
                Err(rustix::io::Errno::AGAIN) => {
                    let what = format!("connecting to {who} (others stand in line)");
                    deadline.pause(Duration::from_millis(20), &what)?;
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    pub(crate) fn send(
        &mut self,
        before: &[u8],
        value: &Value,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let line = [before, value.to_string().as_bytes(), b"\n"].concat();
        let mut rest = &line[..];
        while !rest.is_empty() {
            let limit = deadline.left(self.who)?;
            let sent = self.stream.set_write_timeout(Some(limit)).and_then(|()| {
                self.stream.write(rest).or_else(|e| if slow(&e) { Ok(0) } else { Err(e) })
            });
            let sent = sent.map_err(|source| Error::Talk { who: self.who, source })?;
            rest = &rest[sent..];
        }
        Ok(())
    }

    /// The next value. Bytes 0xFF, with which the agent marks a fresh start, are no part of one.
    pub(crate) fn receive(&mut self, deadline: Deadline, what: &str) -> Result<Value, Error> {
        let mut piece = [0; 16384];
        loop {
            let end = self.buffer[self.searched..].iter().position(|b| *b == b'\n');
            if let Some(end) = end {
                let line: Vec<u8> = self.buffer.drain(..=self.searched + end).collect();
                self.searched = 0;
                let line = line.rsplit(|b| *b == 0xff).next().unwrap_or_default();
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return serde_json::from_slice(line)
                    .map_err(|error| self.garbage(format!("it is not JSON ({error})")));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(self.garbage(format!("a line is longer than {LINE_BYTES_MAX} bytes")));
            }
            let limit = deadline.left(what)?;
            let talk = |source| Error::Talk { who: self.who, source };
            self.stream.set_read_timeout(Some(limit)).map_err(talk)?;
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(talk(ErrorKind::UnexpectedEof.into())),
                Ok(length) => self.buffer.extend_from_slice(&piece[..length]),
                Err(error) if slow(&error) => {}
                Err(error) => return Err(talk(error)),
            }
        }
    }

    pub(crate) fn garbage(&self, reason: String) -> Error {
        Error::Garbage { who: self.who.to_owned(), reason }
    }
}

fn slow(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
