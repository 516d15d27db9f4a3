//! A job: one endpoint's part in one approval, as a machine of states.
//!
//! The endpoint works on it and says how far it is; [`Job::follows`] is what the appliance believes of that.
//! Words may be lost on the way, so a report may skip states, but never go where no work leads.

use ids::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// An endpoint's part in one approval.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Job {
    /// SHA-256 of the approval's signed payload.
    pub approval: Digest,
    /// How far it is.
    pub phase: JobPhase,
    /// When it got there, by the endpoint's clock.
    pub at: Timestamp,
    /// What could put the machine back, or what stands in its place, from before the first change on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back: Option<WayBack>,
    /// How it ended, where it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<JobEnd>,
}

/// How far a job is. The order is that of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobPhase {
    /// Approved, but no window is open, or its run does not let it begin yet.
    WaitingForWindow,
    /// The way back is being made.
    Snapshotting,
    /// The way back was made and checked.
    WayBackProven,
    /// A signed waiver stands in its place.
    Waived,
    /// Packages are being changed.
    Applying,
    /// Everything is installed; something that runs still uses the old files.
    AwaitingRestart,
    /// What is installed is being compared with what was approved, and the machine's health with before.
    Confirming,
    /// It failed; the machine has worked since, so a person decides whether it is put back.
    AwaitingDecision,
    /// It failed, and the machine is being put back.
    Restoring,
    /// The end; see [`JobEnd`].
    Ended,
}

/// What could put a machine back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayBack {
    /// The endpoint made and proved it itself.
    Own,
    /// A snapshot that the appliance's provider made and proved.
    Provided,
    /// Nothing: a signed waiver stands in its place.
    Waived,
}

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobEnd {
    /// Installed, and the running system uses it.
    Effective,
    /// Not begun: the approval does not permit it.
    Refused,
    /// Begun and failed; the machine is left as the message says.
    Failed,
    /// Failed, and put back as it was before.
    Restored,
    /// Failed, and could not be put back.
    RestoreFailed,
    /// Withdrawn or expired before it began.
    Expired,
    /// Taken out of its run by a person before it began.
    Cancelled,
}

/// What a person decides about a machine whose job failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// Put it back as it was before.
    Restore,
    /// Leave it as it is.
    Keep,
}

impl JobEnd {
    /// Whether the machine was changed, or should have been, and is not as it was approved.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Restored | Self::RestoreFailed | Self::Refused)
    }
}

impl Job {
    /// Whether it may be the next that is heard after `before`, the job that was heard last.
    ///
    /// # Errors
    /// Why it cannot have happened.
    pub fn follows(&self, before: Option<&Self>) -> Result<(), &'static str> {
        if (self.phase == JobPhase::Ended) != self.end.is_some() {
            return Err("a job has an end exactly when it has ended");
        }
        self.has_way_back()?;
        let Some(before) = before.filter(|before| before.approval == self.approval) else {
            return Ok(());
        };
        if before.phase == JobPhase::Ended {
            return Err("a job that has ended does not go on");
        }
        if before.phase >= JobPhase::Applying && before.way_back != self.way_back {
            return Err("the way back of a job that changes packages cannot change");
        }
        match self.end {
            Some(end) => may_end(end, before.phase),
            None => may_go(before.phase, self.phase),
        }
    }

    /// Whether packages are being changed, or were.
    pub(crate) const fn has_begun(&self) -> bool {
        match self.end {
            Some(JobEnd::Refused | JobEnd::Expired | JobEnd::Cancelled) => false,
            Some(_) => true,
            None => self.phase as u8 >= JobPhase::Applying as u8,
        }
    }

    /// Nothing is changed without a way back or a waiver.
    fn has_way_back(&self) -> Result<(), &'static str> {
        use JobEnd as E;
        use JobPhase as P;
        let changed = match (self.phase, self.end) {
            // A job that finds nothing to do is effective at once.
            (P::Ended, Some(E::Effective | E::Refused | E::Expired | E::Cancelled)) => false,
            (phase, _) => phase >= P::WayBackProven,
        };
        match (changed, self.phase, self.end, self.way_back) {
            (true, _, _, None) => Err("packages are changed without a way back or a waiver"),
            (_, P::WayBackProven, _, Some(WayBack::Waived)) => Err("a waiver proves no way back"),
            (_, P::Waived, _, Some(WayBack::Own | WayBack::Provided)) => {
                Err("a way back that is proven needs no waiver")
            }
            (_, P::Restoring, _, Some(WayBack::Waived))
            | (_, _, Some(E::Restored | E::RestoreFailed), Some(WayBack::Waived)) => {
                Err("there is nothing to put a waived machine back from")
            }
            _ => Ok(()),
        }
    }

    /// How far it is, in the words of reports.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match (self.end, self.phase) {
            (Some(JobEnd::Effective), _) => "effective",
            (Some(JobEnd::Refused), _) => "refused",
            (Some(JobEnd::Failed), _) => "failed",
            (Some(JobEnd::Restored), _) => "restored",
            (Some(JobEnd::RestoreFailed), _) => "restore failed",
            (Some(JobEnd::Expired), _) => "expired",
            (Some(JobEnd::Cancelled), _) => "cancelled",
            (None, JobPhase::WaitingForWindow) => "waiting for window",
            (None, JobPhase::Snapshotting) => "snapshotting",
            (None, JobPhase::WayBackProven) => "way back proven",
            (None, JobPhase::Waived) => "waived",
            (None, JobPhase::Applying) => "applying",
            (None, JobPhase::AwaitingRestart) => "awaiting restart",
            (None, JobPhase::Confirming) => "confirming",
            (None, JobPhase::AwaitingDecision) => "awaiting decision",
            (None, JobPhase::Restoring) => "restoring",
            (None, JobPhase::Ended) => "ended",
        }
    }
}

/// States between which work leads, some of them unheard.
fn may_go(from: JobPhase, to: JobPhase) -> Result<(), &'static str> {
    use JobPhase as P;
    if from < P::Applying {
        // A window that closed sends a job back to wait for the next one.
        return Ok(());
    }
    if to < P::Applying {
        return Err("a job that has changed packages does not begin again");
    }
    match (from, to) {
        (P::Restoring, to) if to != P::Restoring => {
            Err("a job that is being put back does not go on")
        }
        // Something may start anew with old files while the machine is looked at.
        (P::Confirming, P::AwaitingRestart) => Ok(()),
        (from, to) if to < from => Err("a job does not go back"),
        _ => Ok(()),
    }
}

/// Ends to which a state can lead.
fn may_end(end: JobEnd, from: JobPhase) -> Result<(), &'static str> {
    use JobPhase as P;
    match end {
        JobEnd::Effective if from >= P::AwaitingDecision => {
            Err("a job that failed does not become effective")
        }
        JobEnd::Refused | JobEnd::Expired | JobEnd::Cancelled if from >= P::Applying => {
            Err("a job that has changed packages cannot end as if it had not")
        }
        JobEnd::Failed if from == P::Restoring => {
            Err("a job that is being put back ends with what came of that")
        }
        _ => Ok(()),
    }
}
