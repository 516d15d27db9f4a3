//! The sentences of runs, and of the snapshots that providers make for them.

use super::count;
use fleet::{Fact, JobEnd, PauseCause, Resolution, RunEnd, Tally};

/// The sentence of a fact about runs or snapshots; of another kind there is none.
pub(super) fn said(fact: &Fact, who: &str) -> Option<String> {
    Some(match fact {
        Fact::RingPlaced { ring, place: Some(place) } => format!(
            "{who} put ring {ring} behind ring {}, {} after its run is complete",
            place.after,
            count(u64::from(place.soak_hours), "hour")
        ),
        Fact::RingPlaced { ring, place: None } => {
            format!("{who} took ring {ring} out of the order: it waits for none")
        }
        Fact::FloorSet { ring, package, version: Some(version) } => {
            format!(
                "{who} said that no endpoint of ring {ring} goes past {package} {version} without it"
            )
        }
        Fact::FloorSet { ring, package, version: None } => {
            format!("{who} said that ring {ring} may leave out any version of {package}")
        }
        Fact::RunPlanned { run, ring, statement, endpoints, packages, .. } => format!(
            "{who} planned run {run} of ring {ring}: {}, {}, approval {}",
            count(*endpoints, "endpoint"),
            count(*packages, "package"),
            statement.short()
        ),
        Fact::RunJoined { run, endpoints } => {
            format!("{} joined run {run}", count(endpoints.len() as u64, "endpoint"))
        }
        Fact::RunStarted { run, ring, endpoints, unsoaked, .. } => {
            let soaked = if *unsoaked { ", without waiting for the ring before" } else { "" };
            let endpoints = count(*endpoints, "endpoint");
            format!("{who} started run {run} of ring {ring} with {endpoints}{soaked}")
        }
        Fact::RunPaused { run, cause: PauseCause::Brake } => format!(
            "ALARM: run {run} paused itself, since too many endpoints failed: a person lets it go on"
        ),
        Fact::RunPaused { run, cause: PauseCause::Person } => format!("{who} paused run {run}"),
        Fact::RunResumed { run } => format!("{who} let run {run} go on"),
        Fact::RunEnded { run, ring, end, tally, .. } => {
            let how = match end {
                RunEnd::Complete => "is complete",
                RunEnd::Overtaken => "was overtaken by a newer statement",
                RunEnd::Expired => "ended with its approval",
                RunEnd::Cancelled => "was cancelled",
            };
            format!("run {run} of ring {ring} {how}: {}", tally_words(tally))
        }
        Fact::JobResolved { endpoint, approval, resolution } => {
            let what = match resolution {
                Resolution::Restore => "is put back as it was before",
                Resolution::Keep => "stays as it is",
            };
            let approval = approval.short();
            format!(
                "{who} decided that endpoint {endpoint}, whose job of approval {approval} failed, {what}"
            )
        }
        Fact::ReportRefused { endpoint, .. } => {
            format!(
                "ALARM: endpoint {endpoint} said of its job what cannot have happened; it was not taken"
            )
        }
        Fact::FixReopened { endpoint, approval, packages, .. } => format!(
            "ALARM: {} that approval {} had brought to endpoint {endpoint} {} older or gone again",
            count(*packages, "package"),
            approval.short(),
            if *packages == 1 { "is" } else { "are" }
        ),
        other => return snapshot(other),
    })
}

fn snapshot(fact: &Fact) -> Option<String> {
    Some(match fact {
        Fact::SnapshotProven { endpoint, approval, .. } => format!(
            "the snapshot of endpoint {endpoint} for approval {} was made and proven by its provider",
            approval.short()
        ),
        Fact::SnapshotFailed { endpoint, approval, .. } => format!(
            "ALARM: no snapshot of endpoint {endpoint} could be proven for approval {}: nothing was \
             changed there",
            approval.short()
        ),
        Fact::RestoreBegun { endpoint, approval } => format!(
            "endpoint {endpoint} is being put back to the snapshot from before approval {}",
            approval.short()
        ),
        Fact::RestoreEnded { endpoint, approval, restored: true, .. } => format!(
            "endpoint {endpoint} was put back to the snapshot from before approval {}",
            approval.short()
        ),
        Fact::RestoreEnded { endpoint, approval, restored: false, .. } => format!(
            "ALARM: endpoint {endpoint} could not be put back to the snapshot from before approval {}; the \
             snapshot is kept",
            approval.short()
        ),
        Fact::RestoreDrilled { endpoint, passed: true, .. } => {
            format!("the way back of endpoint {endpoint} was tried on a clone, and it works")
        }
        Fact::RestoreDrilled { endpoint, passed: false, .. } => {
            format!(
                "ALARM: the way back of endpoint {endpoint} was tried on a clone, and it does not work"
            )
        }
        Fact::SnapshotDeleted { endpoint, approval } => format!(
            "the provider of endpoint {endpoint} holds the snapshot from before approval {} no more",
            approval.short()
        ),
        Fact::EndpointSilent { endpoint, .. } => format!(
            "ALARM: endpoint {endpoint} has begun to change packages and says nothing; its provider was asked"
        ),
        _ => return None,
    })
}

/// How the endpoints of a run fared.
fn tally_words(tally: &Tally) -> String {
    let ends = [
        (JobEnd::Effective, "effective"),
        (JobEnd::Restored, "restored"),
        (JobEnd::Failed, "failed"),
        (JobEnd::RestoreFailed, "could not be put back"),
        (JobEnd::Refused, "refused"),
        (JobEnd::Expired, "expired"),
        (JobEnd::Cancelled, "cancelled"),
    ];
    let mut words = vec![count(tally.members, "endpoint")];
    for (end, word) in ends {
        match tally.ended(end) {
            0 => {}
            n => words.push(format!("{n} {word}")),
        }
    }
    match tally.open() {
        0 => {}
        n => words.push(format!("{n} without an end")),
    }
    words.join(", ")
}
