//! The job: one approval's part for this machine, as a small machine of states.
//!
//! Each state is written down before the next step is taken, and every step may be taken again: what is
//! installed already is not applied twice, and nothing is applied without passing the gate again.

use crate::{
    Error, Machine, dpkg, effective,
    gate::{self, Statement},
    solve::Apt,
    state::{Identity, Memory, Work},
    told, way_back,
};
use api::{JobEnd, JobPhase, Plan, PlannedPackage};
use ids::{Fault, Timestamp};
use trust::{Denied, Envelope, SiteRoot, Verified};

/// Everything that a job needs while it is worked on. The memory holds a job.
pub(crate) struct Shift<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) identity: &'a Identity,
    pub(crate) root: &'a Verified<SiteRoot>,
    pub(crate) memory: &'a mut Memory,
    pub(crate) apt: &'a Apt<'a>,
    /// The ring's newest statement that was heard.
    pub(crate) statement: &'a Statement,
    pub(crate) waivers: &'a [Envelope],
    /// Tells the appliance how far the job is; what it cannot tell now is told later.
    pub(crate) tell: &'a mut dyn FnMut(&mut Memory),
}

/// What comes after a state.
enum Step {
    /// The next state, at once.
    To(JobPhase, String),
    /// The same state, at another check-in.
    Stay(String),
    /// An earlier state, at another check-in.
    Back(JobPhase, String),
    /// The end.
    End(JobEnd, String),
}

/// A job for a statement that has had none.
pub(crate) fn job(machine: &Machine, statement: &Statement, plan: &Plan) -> Result<Work, Error> {
    Ok(Work {
        approval: statement.envelope.clone(),
        statement: statement.digest,
        packages: plan.packages.clone(),
        automatic: dpkg::automatic(machine, &plan.packages)?,
        phase: JobPhase::WaitingForWindow,
        at: Timestamp::now(),
        end: None,
        message: "approved".into(),
        way_back: None,
        restoring: None,
        told: false,
    })
}

impl Shift<'_> {
    /// Works until the job has ended or has to wait; says where it stands.
    ///
    /// # Errors
    /// What can be tried again; the job stands where it stood.
    pub(crate) fn work(&mut self) -> Result<String, Error> {
        loop {
            let Some(job) = self.memory.job.clone() else { return Ok("there is no job".into()) };
            let step = match job.phase {
                JobPhase::WaitingForWindow => self.begin(&job)?,
                JobPhase::Snapshotting => self.secure()?,
                JobPhase::WayBackProven | JobPhase::Waived => self.open(&job)?,
                JobPhase::Applying => self.apply(&job)?,
                JobPhase::AwaitingRestart => self.await_restart(&job)?,
                JobPhase::Confirming => self.confirm(&job)?,
                JobPhase::AwaitingDecision | JobPhase::Restoring => {
                    let why = job.restoring.clone().unwrap_or_else(|| job.message.clone());
                    self.restore(&job, why)?
                }
                JobPhase::Ended => return Ok(job.message),
            };
            let (phase, end, message, goes_on) = match step {
                Step::To(phase, message) => (phase, None, message, true),
                Step::Stay(message) => (job.phase, None, message, false),
                Step::Back(phase, message) => (phase, None, message, false),
                Step::End(end, message) => (JobPhase::Ended, Some(end), message, false),
            };
            self.note(phase, end, &message)?;
            if !goes_on {
                return Ok(message);
            }
        }
    }

    /// Writes a state down, and tells it.
    fn note(&mut self, phase: JobPhase, end: Option<JobEnd>, message: &str) -> Result<(), Error> {
        if let Some(job) = &mut self.memory.job {
            if job.phase == phase && job.message == message {
                return Ok(());
            }
            if job.phase != phase {
                job.at = Timestamp::now();
            }
            (job.phase, job.end, job.told) = (phase, end, false);
            message.clone_into(&mut job.message);
        }
        self.memory.save(self.machine)?;
        (self.tell)(self.memory);
        Ok(())
    }

    /// Whether these packages may be applied now; otherwise what becomes of the job.
    fn gate(&self, packages: &[&PlannedPackage]) -> Option<Step> {
        if let Err(alarm) = self.memory.undoubted() {
            return Some(Step::Stay(alarm.to_string()));
        }
        let now = Timestamp::now();
        let exact = packages.iter().map(|planned| &planned.package);
        let denial = gate::permits(self.statement, self.identity, self.memory, exact, now).err()?;
        let sentence = format!("the approval does not permit it: {denial}");
        let windows = &self.statement.approval.windows;
        Some(match denial.reason() {
            Denied::WindowClosed if windows.iter().any(|window| window.opens > now) => {
                Step::Stay(denial.to_string())
            }
            Denied::WindowClosed | Denied::Withdrawn | Denied::Expired | Denied::OldGeneration => {
                Step::End(JobEnd::Expired, sentence)
            }
            _ => Step::End(JobEnd::Refused, sentence),
        })
    }

    /// The gate, the machine's own order, and every archive held against its approved digest.
    fn begin(&self, job: &Work) -> Result<Step, Error> {
        let all: Vec<&PlannedPackage> = job.packages.iter().collect();
        if let Some(step) = self.gate(&all) {
            return Ok(step);
        }
        if all.is_empty() {
            let message = "nothing of what is approved is lacking here".into();
            return Ok(Step::End(JobEnd::Effective, message));
        }
        let ready = dpkg::in_order(self.machine).and_then(|()| self.apt.fetch(&all));
        match ready {
            Ok(()) => Ok(Step::To(JobPhase::Snapshotting, "making the way back".into())),
            Err(error) if error.fault() == Fault::Refused => {
                Ok(Step::End(JobEnd::Refused, told(&error)))
            }
            Err(error) => Err(error),
        }
    }

    /// The way back, proven; or a waiver for it.
    fn secure(&mut self) -> Result<Step, Error> {
        let provider = way_back::provider(self.machine);
        let name = self.statement.digest.short();
        let made = provider.make(&name).and_then(|made| provider.prove(&made).map(|()| made));
        let lacking = match made {
            Ok(made) => {
                if let Some(job) = &mut self.memory.job {
                    job.way_back = Some(made);
                }
                return Ok(Step::To(JobPhase::WayBackProven, "the way back is proven".into()));
            }
            Err(error) => told(&error),
        };
        let now = Timestamp::now();
        Ok(match gate::waived(self.root, self.identity, self.waivers, now) {
            Ok(reason) => {
                Step::To(JobPhase::Waived, format!("there is no way back ({lacking}): {reason}"))
            }
            Err(error) => {
                let why = told(&error);
                let message =
                    format!("there is no way back, and nothing was changed: {lacking}; {why}");
                Step::End(JobEnd::Refused, message)
            }
        })
    }

    /// The gate once more: making the way back took its time.
    fn open(&self, job: &Work) -> Result<Step, Error> {
        let all: Vec<&PlannedPackage> = job.packages.iter().collect();
        Ok(match self.gate(&all) {
            None => {
                let message = format!("{} packages are being applied", all.len());
                Step::To(JobPhase::Applying, message)
            }
            // At the next window the machine may be another; it gets another way back then.
            Some(Step::Stay(message)) => Step::Back(JobPhase::WaitingForWindow, message),
            Some(step) => step,
        })
    }

    fn apply(&mut self, job: &Work) -> Result<Step, Error> {
        if let Some(why) = &job.restoring {
            return self.restore(job, why.clone());
        }
        // Whatever an earlier run of ours was stopped in; at a first try there is nothing to do.
        if let Err(error) = dpkg::go_on(self.machine) {
            return self.restore(job, told(&error));
        }
        let installed = dpkg::installed(self.machine)?;
        let missing = dpkg::missing(&installed, &job.packages);
        if !missing.is_empty() {
            match self.gate(&missing) {
                None => {}
                Some(Step::End(_, sentence)) => {
                    let (left, all) = (missing.len(), job.packages.len());
                    let message = format!("stopped with {left} of {all} packages left: {sentence}");
                    return Ok(Step::End(JobEnd::Failed, message));
                }
                Some(step) => return Ok(step),
            }
            match self.apt.fetch(&missing) {
                Err(error) if error.fault() != Fault::Refused => return Err(error),
                Err(error) => return self.restore(job, told(&error)),
                Ok(()) => {}
            }
            if let Err(error) = self.apt.install(&missing) {
                return self.restore(job, told(&error));
            }
            let installed = dpkg::installed(self.machine)?;
            if let Some(lacking) = dpkg::missing(&installed, &job.packages).first() {
                let name = &lacking.package.package;
                return self.restore(job, format!("apt said yes, and {name} is not there"));
            }
        }
        dpkg::mark_automatic(self.machine, &job.automatic)?;
        let now = Timestamp::now();
        let stale = effective::in_the_way(self.machine, &job.packages, now)?;
        Ok(if stale.is_empty() {
            Step::To(JobPhase::Confirming, "everything is installed".into())
        } else {
            Step::To(JobPhase::AwaitingRestart, waits_for(&stale))
        })
    }

    fn await_restart(&self, job: &Work) -> Result<Step, Error> {
        let stale = effective::in_the_way(self.machine, &job.packages, job.at)?;
        Ok(if stale.is_empty() {
            Step::To(JobPhase::Confirming, "nothing runs with the old files".into())
        } else {
            Step::Stay(waits_for(&stale))
        })
    }

    fn confirm(&self, job: &Work) -> Result<Step, Error> {
        let installed = dpkg::installed(self.machine)?;
        if let Some(lacking) = dpkg::missing(&installed, &job.packages).first() {
            let name = &lacking.package.package;
            let message = format!("{name} was changed by somebody since it was applied");
            return Ok(Step::End(JobEnd::Failed, message));
        }
        self.apt.clean()?;
        let count = job.packages.len();
        Ok(Step::End(JobEnd::Effective, format!("{count} packages are installed and in use")))
    }

    /// The end of a job that failed after it had begun.
    fn restore(&mut self, job: &Work, why: String) -> Result<Step, Error> {
        let Some(made) = &job.way_back else {
            let message = format!("failed, and there is no way back (waived): {why}");
            return Ok(Step::End(JobEnd::Failed, message));
        };
        // Written down first: a stop from here on is followed by restoring, not by applying.
        if let Some(job) = &mut self.memory.job {
            job.restoring = Some(why.clone());
        }
        self.memory.save(self.machine)?;
        Ok(match way_back::of(made.kind, self.machine).restore(made) {
            Ok(()) => {
                let message = format!("failed, and put back as it was before: {why}");
                Step::End(JobEnd::Restored, message)
            }
            Err(error) => {
                let also = told(&error);
                let message = format!("failed ({why}), and could not be put back: {also}");
                Step::End(JobEnd::RestoreFailed, message)
            }
        })
    }
}

fn waits_for(stale: &[String]) -> String {
    let shown: Vec<&str> = stale.iter().take(10).map(String::as_str).collect();
    let more = stale.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("installed; a restart is awaited of {}{more}", shown.join(", "))
}
