//! Files that the appliance writes to a medium: what was asked for last, and what became of it.

use crate::{Fact, State};
use ids::{RecordId, Timestamp};
use serde::{Deserialize, Serialize};

/// The file that was to be written to a medium last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumWrite {
    /// The medium's custody record.
    pub custody: RecordId,
    /// The file's name on it.
    pub name: String,
    /// Its length, in bytes.
    pub bytes: u64,
    /// When it was asked for.
    pub asked: Timestamp,
    /// What became of it; none as long as that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<SettledWrite>,
}

/// What became of a file that was to be written to a medium, as whoever writes left word of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledWrite {
    /// When that was settled.
    pub at: Timestamp,
    /// Why it is not there; none where it is, and was read back from the medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What follows from an outcome: nothing where it is not that of the write that is waited for.
pub(crate) fn settle(state: &State, custody: RecordId, settled: SettledWrite) -> Vec<Fact> {
    let waits = |write: &&MediumWrite| write.custody == custody && write.settled.is_none();
    let SettledWrite { at, why } = settled;
    let fact = |_| Fact::MediumWriteSettled { custody: custody.clone(), settled: at, why };
    state.medium_write.as_ref().filter(waits).map(fact).into_iter().collect()
}

/// Takes in what was asked for at that time, or what became of it; says whether the fact was one of these.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::MediumWriteAsked { custody, name, bytes, .. } => {
            let (custody, name) = (custody.clone(), name.clone());
            let write = MediumWrite { custody, name, bytes: *bytes, asked: at, settled: None };
            state.medium_write = Some(write);
        }
        Fact::MediumWriteSettled { custody, settled, why } => {
            let write = state.medium_write.as_mut().filter(|write| write.custody == *custody);
            if let Some(write) = write {
                write.settled = Some(SettledWrite { at: *settled, why: why.clone() });
            }
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Actor, Event};
    use ids::Digest;

    #[test]
    fn what_became_of_a_file_is_one_event_and_only_of_the_one_that_is_waited_for() {
        let mut state = State::default();
        let asked: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        let (first, second): (RecordId, RecordId) = (
            "01ARZ3NDEKTSV4RRFFQ69G5FF0".parse().unwrap(),
            "01ARZ3NDEKTSV4RRFFQ69G5FF1".parse().unwrap(),
        );
        let settled = SettledWrite { at: asked, why: Some("it was pulled out".into()) };
        assert!(settle(&state, first.clone(), settled.clone()).is_empty());
        let fact = Fact::MediumWriteAsked {
            custody: second.clone(),
            record: Digest::of(b"record"),
            name: "audit.zip".into(),
            sha256: Digest::of(b"file"),
            bytes: 4,
        };
        state.evolve(&Event { at: asked, actor: Actor::Appliance, fact });
        assert!(settle(&state, first, settled.clone()).is_empty());
        let mut facts = 0;
        for _ in 0..3 {
            for fact in settle(&state, second.clone(), settled.clone()) {
                facts += 1;
                state.evolve(&Event { at: asked, actor: Actor::Appliance, fact });
            }
        }
        assert_eq!((facts, state.medium_write.unwrap().settled), (1, Some(settled)));
    }
}
