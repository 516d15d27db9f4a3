//! A stretch of a bundle's stream, wherever on the medium it lies.

use ids::Digest;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Bytes of the stream that lie together on the medium. Reading gives exactly
/// [`Stretch::remaining`] bytes or an error; nothing about them is checked here but their number.
#[derive(Debug)]
pub struct Stretch {
    /// Where in the stream it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Digest that is claimed for all of it: of a pack the signed one, of a volume's slice the one
    /// in `volume.json`, which tells a damaged volume and proves nothing.
    pub claimed: Digest,
    /// The file that it lies in, for messages.
    pub path: PathBuf,
    pub(crate) file: File,
    /// Where in the file the next byte lies.
    pub(crate) at: u64,
    pub(crate) left: u64,
}

impl Stretch {
    /// Bytes that are not yet read or skipped.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.left
    }

    /// Passes over `count` bytes, or what is left, without reading them from the medium.
    pub const fn skip(&mut self, count: u64) {
        let count = if count < self.left { count } else { self.left };
        self.at += count;
        self.left -= count;
    }
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..most).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        let count = self.file.read_at(buffer, self.at)?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{} ends early", self.path.display()),
            ));
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
