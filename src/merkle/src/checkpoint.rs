//! Checkpoints (C2SP tlog-checkpoint): origin, size and root of a log, signed as a note.

use crate::{
    error::Error,
    key::VerifierKey,
    note::{Note, sign},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use ids::Digest;
use std::fmt;

/// The head of a tree. Shown as the text that is signed: three lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log: one line, and the name of its key. Not empty, no spaces, no plus sign.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Digest,
}

/// A number in its one decimal spelling.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

pub(crate) fn hash(text: &str) -> Option<Digest> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(Digest::from_bytes(bytes.try_into().ok()?))
}

impl Checkpoint {
    /// Reads the text of a checkpoint. Extension lines after the third are passed over.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let body = text.strip_suffix('\n').ok_or(Error::Checkpoint("no newline at the end"))?;
        let mut lines = body.split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty());
        let origin = line().ok_or(Error::Checkpoint("no origin"))?.to_owned();
        let size = line().and_then(decimal).ok_or(Error::Checkpoint("no size"))?;
        let root = line().and_then(hash).ok_or(Error::Checkpoint("no root"))?;
        if lines.any(str::is_empty) {
            return Err(Error::Checkpoint("an empty line"));
        }
        Ok(Self { origin, size, root })
    }

    /// The signed note. The key's name is the origin.
    ///
    /// # Errors
    /// [`Error::VerifierKey`] for an origin that cannot name a key.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, Error> {
        let text = self.to_string();
        let signature = sign(&text, &self.origin, key)?;
        Note::new(&text, vec![signature])
    }

    /// Reads a signed note and checks that the log itself signed it.
    ///
    /// # Errors
    /// Whatever is wrong with note, signature, checkpoint or origin.
    pub fn open(note: &[u8], log: &VerifierKey) -> Result<Self, Error> {
        let note = Note::parse(note)?;
        note.verify(std::slice::from_ref(log))?;
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != log.name() {
            let expected = log.name().to_owned();
            return Err(Error::Origin { expected, found: checkpoint.origin });
        }
        Ok(checkpoint)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root.as_bytes());
        writeln!(f, "{}\n{}\n{root}", self.origin, self.size)
    }
}
