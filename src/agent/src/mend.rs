//! What becomes of a job that failed: put back by itself, or by a person's decision, or left.
//!
//! By itself a machine is put back only before its services were given back to people, or where it was
//! declared stateless. What the appliance's provider made, the appliance goes back to: never the agent.

use crate::{
    Error,
    apply::{Shift, Step},
    conduct::Conduct,
    state::Work,
    told, touched, way_back, written,
};
use api::{JobEnd, JobPhase, Resolution, WayBack};

/// How soon to ask again for a person's decision: somebody may sit and wait for what comes of it.
const DECISION_SECONDS: i64 = 60;

impl Shift<'_> {
    /// Applying itself failed: nobody has used the machine since, so that it may be put back at once.
    pub(crate) fn put_back(&mut self, why: String) -> Result<Step, Error> {
        self.fail(why, true)
    }

    /// The machine has worked since, and is not well: somebody's data may have been written.
    pub(crate) fn ill(&mut self, why: String) -> Result<Step, Error> {
        let stateless = self.run().is_some_and(|run| run.stateless);
        self.fail(why, stateless)
    }

    fn fail(&mut self, why: String, by_itself: bool) -> Result<Step, Error> {
        let Some(job) = &mut self.memory.job else {
            return Ok(Step::End(JobEnd::Failed, why));
        };
        job.failure = Some(why.clone());
        let since = job.before.as_ref().map_or(job.at, |before| before.at);
        let written = || written::since(self.machine, since).text();
        Ok(match job.secured {
            None | Some(WayBack::Waived) => {
                let message = format!("failed, and there is no way back (waived): {why}");
                Step::End(JobEnd::Failed, message)
            }
            Some(WayBack::Own) if by_itself => {
                Step::To(JobPhase::Restoring, format!("failed, and is being put back: {why}"))
            }
            Some(WayBack::Own) => {
                let message = format!(
                    "failed; a person decides whether it is put back: {why}; {}, and a restore leaves \
                     that as it is, but takes back what was changed since in /etc, /usr and /opt",
                    written()
                );
                Step::To(JobPhase::AwaitingDecision, message)
            }
            Some(WayBack::Provided) => {
                let message = format!(
                    "failed; only the appliance can put it back: {why}; {}, and a restore of the whole \
                     machine loses that",
                    written()
                );
                Step::To(JobPhase::AwaitingDecision, message)
            }
        })
    }

    /// What a person decided, once that is heard.
    pub(crate) fn decide(&mut self, job: &Work) -> Result<Step, Error> {
        let why = job.failure.clone().unwrap_or_default();
        let run = self.run();
        let stateless = run.is_some_and(|run| run.stateless);
        let resolution = run.and_then(|run| run.resolution);
        Ok(match (resolution, job.secured) {
            (Some(Resolution::Keep), _) => {
                Step::End(JobEnd::Failed, format!("failed, and kept as it is by a person: {why}"))
            }
            (Some(Resolution::Restore), Some(WayBack::Own)) => {
                let message = format!("being put back, as a person decided: {why}");
                Step::To(JobPhase::Restoring, message)
            }
            (None, Some(WayBack::Own)) if stateless => {
                Step::To(JobPhase::Restoring, format!("failed, and is being put back: {why}"))
            }
            _ => self.look_again_in(DECISION_SECONDS, job.message.clone()),
        })
    }

    /// Goes the endpoint's own way back. A stop in the middle is followed by the same again.
    pub(crate) fn restore(&mut self, job: &Work) -> Result<Step, Error> {
        let why = job.failure.clone().unwrap_or_default();
        let Some(made) = &job.way_back else {
            let message = format!("failed ({why}), and there is nothing to put it back from");
            return Ok(Step::End(JobEnd::RestoreFailed, message));
        };
        let back = way_back::of(made.kind, self.machine).restore(made);
        Ok(match back.and_then(|()| touched::equal(self.machine, job.statement)) {
            Ok(equal) => {
                if let Some(job) = &mut self.memory.job {
                    job.restart.services.clear();
                }
                // What was started with the files that are gone again goes on with those of before.
                self.restart_services(&Conduct::load(self.machine).unwrap_or_default())?;
                let message = format!(
                    "failed, and put back as it was before: {why}; the packages are the same, and \
                     {equal} of {equal} files of theirs are equal"
                );
                Step::End(JobEnd::Restored, message)
            }
            Err(error) => {
                let also = told(&error);
                let message = format!(
                    "failed ({why}), and COULD NOT BE PUT BACK: {also}; the way back {} is kept",
                    made.name
                );
                Step::End(JobEnd::RestoreFailed, message)
            }
        })
    }
}
