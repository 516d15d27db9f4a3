//! Snapshots that the appliance's providers make of endpoints, and what becomes of them.
//!
//! A provider is driven outside; what it showed comes here as a commitment to its record. An effect on a
//! machine follows its event: a restore has begun here before the provider is asked for it.

use crate::{
    Endpoint, Fact, Job, JobEnd, JobPhase, Refused, Resolution, Standing, State, WayBack, run,
};
use ids::{Digest, RecordId, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A snapshot of an endpoint that its provider holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSnapshot {
    /// The approval for whose job it was made.
    pub approval: Digest,
    /// When it was proven.
    pub at: Timestamp,
    /// Commitment to what the provider made and showed.
    pub record: Digest,
    /// Whether the machine is being put back to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restoring: bool,
    /// Since when, by its own clock, the job had waited for it. One that has waited for another window since
    /// waits for another snapshot: the machine has worked on.
    pub since: Timestamp,
}

/// For how long a machine that changes packages may say nothing before its provider is asked.
const SILENT: SignedDuration = SignedDuration::from_mins(45);
/// For how long a snapshot is kept after its job came to a good end: it grows with every change.
const KEPT: SignedDuration = SignedDuration::from_hours(72);
/// How often the way back is tried on a clone.
const DRILL_EVERY: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is to be asked of an endpoint's provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderDue {
    /// Make a snapshot and prove it.
    Snapshot,
    /// Put the machine back.
    Restore,
    /// Look at a machine that says nothing.
    Probe,
    /// Delete the snapshot.
    Delete,
    /// Try the way back on a clone.
    Drill,
}

impl Endpoint {
    /// What is to be asked of its provider, and for which approval's job. `seen_at` is when it last checked in;
    /// `can_drill`, whether its provider can try a clone.
    #[must_use]
    pub fn provider_due(
        &self,
        seen_at: Option<Timestamp>,
        can_drill: bool,
        now: Timestamp,
    ) -> Option<(ProviderDue, Digest)> {
        self.description.provider?;
        if self.standing != Standing::Active {
            return None;
        }
        let drilled_lately =
            self.drilled_at.is_some_and(|at| now.duration_since(at) <= DRILL_EVERY);
        let drill = can_drill && !drilled_lately;
        let Some(job) = self.job.as_ref() else {
            return drill.then_some((ProviderDue::Drill, Digest::of(b"")));
        };
        if let Some(due) = self.due_by_job(job, now) {
            return Some((due, job.approval));
        }
        if job.phase == JobPhase::Ended && drill {
            return Some((ProviderDue::Drill, job.approval));
        }
        let works = (JobPhase::Applying..=JobPhase::Confirming).contains(&job.phase);
        let silent = seen_at.is_none_or(|seen| now.duration_since(seen) > SILENT);
        let asked = self.silent == Some(job.approval);
        (works && silent && !asked).then_some((ProviderDue::Probe, job.approval))
    }

    /// What a job's phase and what people decided make due.
    fn due_by_job(&self, job: &Job, now: Timestamp) -> Option<ProviderDue> {
        let kept = self.snapshot.as_ref();
        let own = kept.filter(|kept| kept.approval == job.approval);
        if kept.is_some_and(|kept| kept.restoring) {
            return Some(ProviderDue::Restore);
        }
        match (job.phase, own) {
            (JobPhase::Snapshotting, _) => {
                (!self.has_snapshot(job)).then_some(ProviderDue::Snapshot)
            }
            (JobPhase::Ended, Some(kept)) => {
                let good =
                    matches!(job.end, Some(JobEnd::Effective | JobEnd::Restored | JobEnd::Failed));
                (good && now.duration_since(kept.at) > KEPT).then_some(ProviderDue::Delete)
            }
            (phase, Some(_)) if phase >= JobPhase::Applying => {
                let decided = self.resolution == Some((job.approval, Resolution::Restore));
                let waits =
                    phase == JobPhase::AwaitingDecision && job.way_back == Some(WayBack::Provided);
                (decided || (waits && self.description.stateless)).then_some(ProviderDue::Restore)
            }
            _ => None,
        }
    }
}

/// What may be asked about snapshots. `approval` is the job's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum SnapshotCommand {
    /// The provider made it and it was proven.
    Prove { endpoint: RecordId, approval: Digest, record: Digest },
    /// It could not be made, or not be proven: the job ends before anything is changed.
    Fail { endpoint: RecordId, approval: Digest, record: Digest },
    /// Put the machine back to it.
    BeginRestore { endpoint: RecordId, approval: Digest },
    /// The machine was put back, or could not be.
    EndRestore { endpoint: RecordId, approval: Digest, restored: bool, record: Digest },
    /// The provider holds it no more.
    Delete { endpoint: RecordId, approval: Digest },
    /// A snapshot was made only to try the way back on a clone of it, and is gone again.
    Drill { endpoint: RecordId, passed: bool, record: Digest },
    /// A machine that has begun said nothing for long; what its provider sees of it.
    Probe { endpoint: RecordId, approval: Digest, record: Digest },
}

/// What follows from a command about snapshots.
pub(crate) fn decide(state: &State, command: SnapshotCommand) -> Result<Vec<Fact>, Refused> {
    use SnapshotCommand as C;
    Ok(match command {
        C::Prove { endpoint, approval, record } => {
            let (known, job) = job(state, &endpoint, &approval, JobPhase::Snapshotting)?;
            if known.has_snapshot(job) {
                return Ok(Vec::new());
            }
            vec![Fact::SnapshotProven { endpoint, approval, record }]
        }
        C::Fail { endpoint, approval, record } => {
            let (known, job) = job(state, &endpoint, &approval, JobPhase::Snapshotting)?;
            if kept(known, &approval).is_some() {
                // It may have gone on from it already.
                return Err(Refused::NoSnapshotDue);
            }
            let after = Job { phase: JobPhase::Ended, end: Some(JobEnd::Refused), ..job.clone() };
            let follows = run::after_job(state, known, &after);
            let failed = Fact::SnapshotFailed { endpoint, approval, record };
            [failed].into_iter().chain(follows).collect()
        }
        C::BeginRestore { endpoint, approval } => {
            let (known, job) = begun(state, &endpoint, &approval)?;
            if !known.description.stateless
                && known.resolution != Some((approval, Resolution::Restore))
            {
                return Err(Refused::PersonDecides);
            }
            match kept(known, &approval) {
                None => return Err(Refused::NoSnapshot),
                Some(snapshot) if snapshot.restoring => return Ok(Vec::new()),
                Some(_) => {}
            }
            let after = Job { phase: JobPhase::Restoring, ..job.clone() };
            let follows = run::after_job(state, known, &after);
            [Fact::RestoreBegun { endpoint, approval }].into_iter().chain(follows).collect()
        }
        C::EndRestore { endpoint, approval, restored, record } => {
            let (known, job) = begun(state, &endpoint, &approval)?;
            if !kept(known, &approval).is_some_and(|snapshot| snapshot.restoring) {
                return Err(Refused::NoSnapshot);
            }
            let end = if restored { JobEnd::Restored } else { JobEnd::RestoreFailed };
            let after = Job { phase: JobPhase::Ended, end: Some(end), ..job.clone() };
            let follows = run::after_job(state, known, &after);
            let ended = Fact::RestoreEnded { endpoint, approval, restored, record };
            [ended].into_iter().chain(follows).collect()
        }
        C::Delete { endpoint, approval } => {
            let known = state.endpoints.get(&endpoint).ok_or(Refused::NoEndpoint)?;
            let held = known.snapshot.as_ref().filter(|held| held.approval == approval);
            held.ok_or(Refused::NoSnapshot)?;
            vec![Fact::SnapshotDeleted { endpoint, approval }]
        }
        C::Drill { endpoint, passed, record } => {
            state.endpoints.get(&endpoint).ok_or(Refused::NoEndpoint)?;
            vec![Fact::RestoreDrilled { endpoint, passed, record }]
        }
        C::Probe { endpoint, approval, record } => {
            begun(state, &endpoint, &approval)?;
            vec![Fact::EndpointSilent { endpoint, approval, record }]
        }
    })
}

/// The snapshot that was proven for an approval's job.
pub(crate) fn kept<'a>(known: &'a Endpoint, approval: &Digest) -> Option<&'a KeptSnapshot> {
    known.snapshot.as_ref().filter(|snapshot| snapshot.approval == *approval)
}

impl Endpoint {
    /// Whether the snapshot that its job waits for is made and proven.
    #[must_use]
    pub fn has_snapshot(&self, job: &Job) -> bool {
        kept(self, &job.approval).is_some_and(|kept| kept.since == job.at)
    }
}

/// A job that claims a snapshot of the provider has one that was proven here, and does not say that it goes
/// back to it: that is the appliance's to say, and until it has, what the endpoint says is of before.
pub(crate) fn claims(known: &Endpoint, job: &Job) -> Result<(), &'static str> {
    let goes_back = job.phase == JobPhase::Restoring
        || matches!(job.end, Some(JobEnd::Restored | JobEnd::RestoreFailed));
    if job.way_back == Some(WayBack::Provided) && goes_back {
        return Err("only the appliance goes back to what its provider made");
    }
    if kept(known, &job.approval).is_some_and(|snapshot| snapshot.restoring) {
        return Err("it is being put back by its provider");
    }
    if job.way_back == Some(WayBack::Provided) && kept(known, &job.approval).is_none() {
        return Err("it goes on from a snapshot that the appliance has not proven");
    }
    Ok(())
}

fn job<'a>(
    state: &'a State,
    endpoint: &RecordId,
    approval: &Digest,
    phase: JobPhase,
) -> Result<(&'a Endpoint, &'a Job), Refused> {
    let known = state.endpoints.get(endpoint).ok_or(Refused::NoEndpoint)?;
    let job = known.job.as_ref().filter(|job| job.approval == *approval && job.phase == phase);
    Ok((known, job.ok_or(Refused::NoSnapshotDue)?))
}

/// A job that changes packages and has no end.
fn begun<'a>(
    state: &'a State,
    endpoint: &RecordId,
    approval: &Digest,
) -> Result<(&'a Endpoint, &'a Job), Refused> {
    let known = state.endpoints.get(endpoint).ok_or(Refused::NoEndpoint)?;
    let begun = |job: &&Job| job.approval == *approval && job.end.is_none();
    let job = known.job.as_ref().filter(begun).filter(|job| job.phase >= JobPhase::Applying);
    Ok((known, job.ok_or(Refused::NothingToDecide)?))
}

/// Takes in a fact about snapshots; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::SnapshotProven { endpoint, approval, record } => {
            let (approval, record) = (*approval, *record);
            change(state, endpoint, |known| {
                let since = known.job.as_ref().map_or(at, |job| job.at);
                let snapshot = KeptSnapshot { approval, at, record, restoring: false, since };
                known.snapshot = Some(snapshot);
            });
        }
        Fact::SnapshotFailed { endpoint, approval, .. } => {
            end(state, endpoint, approval, JobEnd::Refused, at);
        }
        Fact::RestoreBegun { endpoint, approval } => {
            let job = change(state, endpoint, |known| {
                if let Some(snapshot) = &mut known.snapshot {
                    snapshot.restoring = true;
                }
            });
            if let Some(job) = job.filter(|job| job.approval == *approval) {
                set(state, endpoint, Job { phase: JobPhase::Restoring, at, ..job });
            }
        }
        Fact::RestoreEnded { endpoint, approval, restored, .. } => {
            let ends = if *restored { JobEnd::Restored } else { JobEnd::RestoreFailed };
            end(state, endpoint, approval, ends, at);
            change(state, endpoint, |known| {
                if let Some(snapshot) = &mut known.snapshot {
                    snapshot.restoring = false;
                }
                // It now holds of the log what it held then.
                known.put_back = *restored;
            });
        }
        Fact::SnapshotDeleted { endpoint, .. } => {
            change(state, endpoint, |known| known.snapshot = None);
        }
        Fact::RestoreDrilled { endpoint, .. } => {
            change(state, endpoint, |known| known.drilled_at = Some(at));
        }
        Fact::EndpointSilent { endpoint, approval, .. } => {
            change(state, endpoint, |known| known.silent = Some(*approval));
        }
        _ => return false,
    }
    true
}

fn change(state: &mut State, endpoint: &RecordId, with: impl FnOnce(&mut Endpoint)) -> Option<Job> {
    let known = state.endpoints.get_mut(endpoint)?;
    with(known);
    known.job.clone()
}

fn end(state: &mut State, endpoint: &RecordId, approval: &Digest, end: JobEnd, at: Timestamp) {
    let job = state.endpoints.get(endpoint).and_then(|known| known.job.clone());
    if let Some(job) = job.filter(|job| job.approval == *approval) {
        set(state, endpoint, Job { phase: JobPhase::Ended, at, end: Some(end), ..job });
    }
}

/// Puts a job where the one before was, after its run has heard of it.
pub(crate) fn set(state: &mut State, endpoint: &RecordId, job: Job) {
    run::hear(state, endpoint, &job);
    change(state, endpoint, |known| known.job = Some(job));
}
