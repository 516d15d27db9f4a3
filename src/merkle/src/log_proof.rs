//! A proof in one file (C2SP tlog-proof v1): an index, hashes and a checkpoint. Verified offline.

use crate::{
    checkpoint::{Checkpoint, decimal, hash},
    error::Error,
    hash::leaf_hash,
    key::VerifierKey,
    verify::verify_inclusion,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ids::Digest;
use std::fmt;

const HEADER: &str = "c2sp.org/tlog-proof@v1";
const HASHES_MAX: usize = 63;
const BYTES_MAX: usize = 1 << 20;

/// That one entry is in a log. Shown as the text of the file (`.tlog-proof`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// Something that the application adds; not covered by the proof.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry.
    pub index: u64,
    /// Inclusion proof, leaf to root: at most 63 hashes.
    pub hashes: Vec<Digest>,
    /// The signed checkpoint, as the log wrote it.
    pub checkpoint: String,
}

impl LogProof {
    /// Reads a proof of at most 1 MiB. The checkpoint is not looked at.
    ///
    /// # Errors
    /// [`Error::LogProof`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > BYTES_MAX {
            return Err(Error::LogProof("longer than 1 MiB"));
        }
        let text = str::from_utf8(bytes).map_err(|_| Error::LogProof("not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Error::LogProof("no checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(Error::LogProof("another first line"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.and_then(|line| line.strip_prefix("extra "));
        let extra = extra.map(|data| STANDARD.decode(data)).transpose();
        let extra = extra.map_err(|_| Error::LogProof("extra data that is not base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or(Error::LogProof("no index"))?;
        let hashes: Option<Vec<_>> = lines.map(hash).collect();
        let hashes = hashes.ok_or(Error::LogProof("a malformed hash"))?;
        if hashes.len() > HASHES_MAX {
            return Err(Error::LogProof("more than 63 hashes"));
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that `log` signed a checkpoint of a tree with `entry` at the index.
    ///
    /// # Errors
    /// What is wrong with the checkpoint, or [`Error::Inclusion`].
    pub fn verify(&self, entry: &[u8], log: &VerifierKey) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::open(self.checkpoint.as_bytes(), log)?;
        let (size, root) = (checkpoint.size, &checkpoint.root);
        verify_inclusion(&leaf_hash(entry), self.index, size, root, &self.hashes)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
