//! Checkpoints that people hold: handed out on paper or in a file, and taken in later, to see whether the log still
//! continues what it was then (RFC 6962 2.1.2; C2SP tlog-checkpoint, tlog-witness).

use crate::{Error, Site, audit::AuditError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fleet::Actor;
use merkle::{Checkpoint, verify_consistency};

/// The newest checkpoint, to be kept outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOut {
    /// Entries that it vouches for.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

/// What a checkpoint that somebody held says of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldCheckpoint {
    /// The log continues it.
    Continued {
        /// Entries when it was handed out.
        size: u64,
        /// Entries now.
        now: u64,
        /// The body of a tlog-witness request: old size, proof, newest checkpoint. Whoever holds the checkpoint can
        /// check it elsewhere.
        proof: String,
    },
    /// This log's key signed it, and the log is another one: it was put back or rewritten.
    Contradicted {
        /// Entries when it was handed out.
        size: u64,
        /// Entries now.
        now: u64,
    },
}

impl Site {
    /// The newest checkpoint.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::OpenLedger`].
    pub fn hand_out_checkpoint(&self) -> Result<HandedOut, Error> {
        let note = self.heart().publish()?;
        let broken = |e| Error::Audit(AuditError::Tree(e));
        let size = Checkpoint::open(note.as_bytes(), self.log_key()).map_err(broken)?.size;
        Ok(HandedOut { size, note })
    }

    /// Whether the log continues a checkpoint. What came of it is an event.
    ///
    /// # Errors
    /// [`Error::Input`] when it is none of this log; [`Error::OpenLedger`] when the log cannot be read.
    pub fn take_in_checkpoint(&self, actor: Actor, note: &str) -> Result<HeldCheckpoint, Error> {
        let newest = self.heart().publish()?;
        // Paper and forms end lines in their own ways; a note has no carriage return, and ends with a line.
        let note = format!("{}\n", note.replace('\r', "").trim());
        let held = Checkpoint::open(note.as_bytes(), self.log_key()).map_err(|e| {
            Error::Input(format!(
                "this is no checkpoint that this log's key signed ({e}); nothing was compared"
            ))
        })?;
        let log = self.published_log()?;
        let now = log.checkpoint();
        let (size, is_continued, proof) = match held.size {
            old if old > now.size => (old, false, Vec::new()),
            old => {
                let proof = log.consistency_proof(old).map_err(Error::OpenLedger)?;
                let judged = verify_consistency(old, &held.root, now.size, &now.root, &proof);
                (old, judged.is_ok(), proof)
            }
        };
        let (now, verb) = (now.size, if is_continued { "continues" } else { "does NOT continue" });
        self.record_look(
            actor,
            format!("a held checkpoint of {size} entries, which the log {verb}"),
            0,
        )?;
        if !is_continued {
            return Ok(HeldCheckpoint::Contradicted { size, now });
        }
        let lines: String =
            proof.iter().map(|hash| format!("{}\n", STANDARD.encode(hash.as_bytes()))).collect();
        Ok(HeldCheckpoint::Continued { size, now, proof: format!("old {size}\n{lines}\n{newest}") })
    }
}
