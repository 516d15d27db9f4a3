//! Which endpoints vouch for the log: the checkpoints that they hold are of this very history.

use super::super::{
    archive::Files,
    people::{WITNESSES, Witness},
};
use super::{Findings, log::Log};
use merkle::{Checkpoint, Edge};
use std::collections::BTreeMap;

/// Every held checkpoint is signed by the log's key, and its root is that of the log at its size.
pub(super) fn check(files: &Files, log: &Log, findings: &mut Findings) -> Vec<Witness> {
    let read = files.get(WITNESSES).and_then(|bytes| serde_json::from_slice(bytes).ok());
    let Some(witnesses): Option<Vec<Witness>> = read else {
        findings.fails("witnesses", format!("{WITNESSES} is missing or cannot be read"));
        return Vec::new();
    };
    match judge(&witnesses, log) {
        Ok(()) if witnesses.is_empty() => findings.cannot(
            "witnesses",
            "that no second history exists: no endpoint held a checkpoint yet",
        ),
        Ok(()) => findings.holds(
            "witnesses",
            format!(
                "the checkpoints that {} endpoints held are signed by the log and of this history",
                witnesses.len()
            ),
        ),
        Err(why) => findings.fails("witnesses", why),
    }
    witnesses
}

fn judge(witnesses: &[Witness], log: &Log) -> Result<(), String> {
    let mut by_size: BTreeMap<u64, Vec<(&Witness, Checkpoint)>> = BTreeMap::new();
    for witness in witnesses {
        let id = &witness.endpoint;
        let held = Checkpoint::open(witness.checkpoint.as_bytes(), &log.key);
        let held = held.map_err(|error| format!("what endpoint {id} held: {error}"))?;
        if held.size != witness.size || held.size > log.checkpoint.size {
            let (size, all) = (held.size, log.checkpoint.size);
            return Err(format!("endpoint {id} held {size} entries, and the log here has {all}"));
        }
        by_size.entry(held.size).or_default().push((witness, held));
    }
    let mut edge = Edge::default();
    let mut leaves = log.leaves.iter();
    for (size, held) in by_size {
        while edge.size() < size {
            let Some(leaf) = leaves.next() else { return Err("the log is too short".to_owned()) };
            edge.push(*leaf, |_, _| {});
        }
        let root = edge.root();
        if let Some((witness, _)) = held.iter().find(|(_, held)| held.root != root) {
            return Err(format!(
                "endpoint {} held another history of {size} entries",
                witness.endpoint
            ));
        }
    }
    Ok(())
}
