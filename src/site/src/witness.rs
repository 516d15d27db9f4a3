//! Checkpoints that people hold: handed out on paper or in a file, and taken in later, to see whether the log still
//! continues what it was then (RFC 6962 2.1.2; C2SP tlog-checkpoint, tlog-witness).

use crate::{Error, Site, audit::AuditError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fleet::Actor;
use ids::Digest;
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

/// How the log follows a checkpoint.
pub(crate) enum Follows {
    /// It continues it, by this proof (RFC 6962 2.1.2).
    Continues(Vec<Digest>),
    /// It has fewer entries: it was put back, and does not show whether it leads there.
    IsBehind,
    /// It is another log.
    Contradicts,
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
        let (size, now) = (held.size, self.published_log()?.checkpoint().size);
        let proof = match self.follows(&held)? {
            Follows::Continues(proof) => Some(proof),
            Follows::IsBehind | Follows::Contradicts => None,
        };
        let verb = if proof.is_some() { "continues" } else { "does NOT continue" };
        self.record_look(
            actor,
            format!("a held checkpoint of {size} entries, which the log {verb}"),
            0,
        )?;
        let Some(proof) = proof else { return Ok(HeldCheckpoint::Contradicted { size, now }) };
        let lines: String =
            proof.iter().map(|hash| format!("{}\n", STANDARD.encode(hash.as_bytes()))).collect();
        Ok(HeldCheckpoint::Continued { size, now, proof: format!("old {size}\n{lines}\n{newest}") })
    }

    /// How the published log follows a checkpoint that its key signed.
    ///
    /// # Errors
    /// [`Error::OpenLedger`] when the log cannot be read.
    pub(crate) fn follows(&self, held: &Checkpoint) -> Result<Follows, Error> {
        let log = self.published_log()?;
        let now = log.checkpoint();
        if held.size > now.size {
            return Ok(Follows::IsBehind);
        }
        let proof = log.consistency_proof(held.size).map_err(Error::OpenLedger)?;
        let judged = verify_consistency(held.size, &held.root, now.size, &now.root, &proof);
        Ok(if judged.is_ok() { Follows::Continues(proof) } else { Follows::Contradicts })
    }
}
