//! Witnessing the appliance's log: it may only grow, and only from what this endpoint has seen.

use crate::{Error, state::Held};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ids::{Digest, Fault};
use merkle::{Checkpoint, Note, VerifierKey, verify_consistency};
use trust::{SiteRoot, Verified};

/// Most hashes of a proof: two for each level of the largest tree.
const PROOF_MAX: usize = 128;

/// What is held from now on, or why the log is in doubt ([`Error::Alarm`]). Anything else that is wrong
/// with the answer is that answer's own fault, and leaves what is held as it is.
pub(crate) fn witness(
    root: &Verified<SiteRoot>,
    held: Option<&Held>,
    note: &str,
    proof: &[String],
) -> Result<Held, Error> {
    let key = VerifierKey::parse(&root.log.key)
        .map_err(|e| Error::Answer(format!("the site root's key of the log: {e}")))?;
    let new = Checkpoint::open(note.as_bytes(), &key).map_err(|error| match error.fault() {
        Fault::Refused => Error::Alarm(format!(
            "the appliance showed a checkpoint that its log did not sign: {error}"
        )),
        _ => Error::Answer(format!("its checkpoint: {error}")),
    })?;
    let now = Held { epoch: root.log.epoch, note: note.to_owned() };
    // A new epoch begins with a new log, and only the site root can name one.
    let Some(held) = held.filter(|held| held.epoch >= root.log.epoch) else { return Ok(now) };
    let old = Note::parse(held.note.as_bytes())
        .and_then(|note| Checkpoint::parse(note.text()))
        .map_err(|error| Error::Alarm(format!("the held checkpoint cannot be read: {error}")))?;
    if held.epoch > root.log.epoch || old.origin != new.origin {
        let (old, new) = (&old.origin, &new.origin);
        return Err(Error::Alarm(format!(
            "the appliance's log is {new} now, and was {old}, in one epoch"
        )));
    }
    continues(&old, &new, proof).map(|()| now)
}

fn continues(old: &Checkpoint, new: &Checkpoint, proof: &[String]) -> Result<(), Error> {
    let (before, after) = (old.size, new.size);
    if after < before {
        return Err(Error::Alarm(format!(
            "the appliance's log went back from {before} entries to {after}"
        )));
    }
    if after == before && new.root != old.root {
        return Err(Error::Alarm(format!(
            "the appliance's log has forked: another history of {after} entries"
        )));
    }
    let hash = |text: &String| STANDARD.decode(text).ok()?.try_into().ok().map(Digest::from_bytes);
    let proof: Option<Vec<Digest>> = proof.iter().take(PROOF_MAX).map(hash).collect();
    let proof = proof.ok_or_else(|| Error::Answer("its proof holds no hashes".into()))?;
    // A proof between equal sizes says nothing; both are the same tree, as was seen above.
    if after == before {
        return Ok(());
    }
    verify_consistency(before, &old.root, after, &new.root, &proof).map_err(|error| {
        Error::Alarm(format!("the appliance's log is not shown to continue what was seen: {error}"))
    })
}
