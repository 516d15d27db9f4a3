//! The job: one approval's part for this machine, as a small machine of states.
//!
//! Each state is written down before the next step is taken, and every step may be taken again: what is
//! installed already is not applied twice, and nothing is applied without passing the gate again.

use crate::{
    Error, Machine,
    conduct::Conduct,
    dpkg, effective,
    gate::{self, Statement},
    health,
    hooks::{self, Around, When},
    solve::Apt,
    state::{Hooked, Identity, Memory, Restarting, Work},
    told, touched, way_back,
};
use api::{JobEnd, JobPhase, Plan, PlannedPackage, RunOrders, WayBack};
use ids::{Fault, Timestamp};
use std::time::Duration;
use trust::{Denied, Envelope, SiteRoot, Verified};

/// How soon to ask again while the appliance makes the way back.
const PROVIDED_PAUSE: Duration = Duration::from_secs(5);

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
    pub(crate) came: Worked,
}

/// What came of working on a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Worked {
    /// One sentence for people.
    pub(crate) sentence: String,
    /// When to look again, where that is soon.
    pub(crate) soon: Option<Duration>,
    /// Whose fault it is that the job came to a bad end, or waits for a person.
    pub(crate) fault: Option<Fault>,
}

impl Worked {
    pub(crate) fn only(sentence: &str) -> Self {
        Self { sentence: sentence.to_owned(), ..Self::default() }
    }
}

/// What comes after a state.
pub(crate) enum Step {
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
        secured: None,
        before: None,
        hooks: Hooked::default(),
        restart: Restarting::default(),
        failure: None,
        told: false,
    })
}

const fn unbegun(end: JobEnd) -> bool {
    matches!(end, JobEnd::Cancelled | JobEnd::Expired | JobEnd::Refused)
}

/// What is said of a job that the appliance has ended; nothing where that cannot be, or is so already.
pub(crate) fn over(machine: &Machine, job: &mut Work, end: JobEnd) -> Option<String> {
    let mut message = match end {
        JobEnd::Restored => "the appliance has put this machine back as it was before".to_owned(),
        JobEnd::Cancelled => {
            "nothing of it was applied: a person took it out of its run".to_owned()
        }
        _ => "the appliance has ended this job".to_owned(),
    };
    match job.phase {
        JobPhase::Ended => {
            // The appliance knows that better than we do.
            job.told = true;
            return None;
        }
        // What was taken out as not begun, and had begun, comes to its own end.
        phase if unbegun(end) && phase >= JobPhase::Applying => return None,
        // What is being put back here comes to its own end first.
        JobPhase::Restoring => return None,
        // Whatever became of it, dpkg is not left half way.
        JobPhase::Applying => {
            if let Err(error) = dpkg::go_on(machine) {
                message.push_str(&format!("; dpkg was stopped half way: {}", told(&error)));
            }
        }
        _ => {}
    }
    hooks::run_owed(machine, job, word(end));
    Some(message)
}

impl Shift<'_> {
    /// Works until the job has ended or has to wait; says where it stands.
    ///
    /// # Errors
    /// What can be tried again; the job stands where it stood.
    pub(crate) fn work(mut self) -> Result<Worked, Error> {
        loop {
            let Some(job) = self.memory.job.clone() else {
                return Ok(Worked::only("there is no job"));
            };
            let step = match job.phase {
                JobPhase::WaitingForWindow => self.begin(&job)?,
                JobPhase::Snapshotting => self.secure(&job)?,
                JobPhase::WayBackProven | JobPhase::Waived => self.open(&job)?,
                JobPhase::Applying => self.apply(&job)?,
                JobPhase::AwaitingRestart => self.await_restart(&job)?,
                JobPhase::Confirming => self.confirm(&job)?,
                JobPhase::AwaitingDecision => self.decide(&job)?,
                JobPhase::Restoring => self.restore(&job)?,
                JobPhase::Ended => {
                    self.came.sentence = job.message;
                    return Ok(self.came);
                }
            };
            let (phase, end, mut message, goes_on) = match step {
                Step::To(phase, message) => (phase, None, message, true),
                Step::Stay(message) => (job.phase, None, message, false),
                Step::Back(phase, message) => (phase, None, message, false),
                Step::End(end, message) => (JobPhase::Ended, Some(end), message, false),
            };
            if matches!(phase, JobPhase::WaitingForWindow | JobPhase::Ended) {
                // Whatever the hooks before a change stopped, those after it start.
                self.hooks_after(end.map_or("not begun", word))?;
                let hooks = self.memory.job.as_ref().map(|job| &job.hooks);
                if let Some(why) = hooks.and_then(|hooks| hooks.failure.as_ref())
                    && !message.contains(why)
                {
                    message.push_str(&format!("; a hook failed: {why}"));
                }
            }
            self.note(phase, end, &message)?;
            if !goes_on {
                self.came.sentence = message;
                return Ok(self.came);
            }
        }
    }

    /// Writes a state down, and tells it.
    fn note(&mut self, phase: JobPhase, end: Option<JobEnd>, message: &str) -> Result<(), Error> {
        self.came.fault = match (phase, end) {
            (_, Some(JobEnd::Refused)) => Some(Fault::Refused),
            (_, Some(JobEnd::Failed | JobEnd::Restored | JobEnd::RestoreFailed))
            | (JobPhase::AwaitingDecision, _) => Some(Fault::Broken),
            _ => self.came.fault,
        };
        if let Some(job) = &mut self.memory.job {
            if job.phase == phase && job.message == message {
                return Ok(());
            }
            if job.phase != phase {
                job.at = Timestamp::now();
            }
            if phase < JobPhase::WayBackProven {
                // What was made for a window that closed leads to where the machine was then.
                (job.secured, job.before) = (None, None);
            }
            (job.phase, job.end, job.told) = (phase, end, false);
            message.clone_into(&mut job.message);
        }
        self.memory.save(self.machine)?;
        if phase == JobPhase::Snapshotting && self.is_provided() {
            // Once this is told, the appliance may take the moment to which it goes back.
            rustix::fs::sync();
        }
        (self.tell)(self.memory);
        Ok(())
    }

    /// Whether the appliance makes the way back: it says so, and the approver signed for it.
    fn is_provided(&self) -> bool {
        let listed = &self.statement.approval.provided;
        listed.binary_search(&self.identity.endpoint).is_ok()
            && self.run().is_some_and(|run| run.provided)
    }

    /// What the run asks of this job, as it was heard last.
    pub(crate) fn run(&self) -> Option<&RunOrders> {
        self.memory.run_of(self.memory.job.as_ref()?.statement)
    }

    /// What the run says against beginning, or going on before anything is changed.
    fn held_back(&self) -> Option<Step> {
        let why = match self.run() {
            Some(RunOrders { over: Some(_), .. }) => "the appliance has ended this job".into(),
            Some(run) if run.go => return None,
            Some(run) if run.why.is_empty() => "its run does not let it begin yet".into(),
            Some(run) => format!("its run does not let it begin yet: {}", run.why),
            None => "no run of this approval has been started".to_owned(),
        };
        Some(Step::Stay(why))
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
    fn begin(&mut self, job: &Work) -> Result<Step, Error> {
        let all: Vec<&PlannedPackage> = job.packages.iter().collect();
        if let Some(step) = self.gate(&all).or_else(|| self.held_back()) {
            return Ok(step);
        }
        // The administrator's word is read before anything is changed: what is wrong with it, they mend.
        let judged = Conduct::load(self.machine)
            .and_then(|_| hooks::names(self.machine, When::Before))
            .and_then(|_| hooks::names(self.machine, When::After));
        if let Err(error) = judged {
            return Ok(Step::Stay(self.for_administrator(&error)));
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
    fn secure(&mut self, job: &Work) -> Result<Step, Error> {
        if self.is_provided() {
            return Ok(self.secure_by_appliance(job));
        }
        let provider = way_back::provider(self.machine);
        let name = self.statement.digest.short();
        let made = provider.make(&name).and_then(|made| provider.prove(&made).map(|()| made));
        let lacking = match made {
            Ok(made) => {
                if let Some(job) = &mut self.memory.job {
                    (job.way_back, job.secured) = (Some(made), Some(WayBack::Own));
                }
                return Ok(Step::To(JobPhase::WayBackProven, "the way back is proven".into()));
            }
            Err(error) => told(&error),
        };
        let now = Timestamp::now();
        Ok(match gate::waived(self.root, self.identity, self.waivers, now) {
            Ok(reason) => {
                if let Some(job) = &mut self.memory.job {
                    (job.way_back, job.secured) = (None, Some(WayBack::Waived));
                }
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

    /// The appliance's way back: waits until it says that it is proven.
    fn secure_by_appliance(&mut self, job: &Work) -> Step {
        if let Some(step) = self.no_way_on(job) {
            return step;
        }
        if !self.run().is_some_and(|run| run.proven) {
            self.came.soon = Some(PROVIDED_PAUSE);
            return Step::Stay("the appliance makes and proves the way back".into());
        }
        if let Some(job) = &mut self.memory.job {
            (job.way_back, job.secured) = (None, Some(WayBack::Provided));
        }
        Step::To(JobPhase::WayBackProven, "the appliance has proven the way back".into())
    }

    /// How the machine is now, the administrator's hooks, and the gate once more: all of that took its time.
    fn open(&mut self, job: &Work) -> Result<Step, Error> {
        if let Some(step) = self.no_way_on(job) {
            return Ok(step);
        }
        let conduct = match Conduct::load(self.machine) {
            Ok(conduct) => conduct,
            Err(error) => {
                let message = self.for_administrator(&error);
                return Ok(Step::Back(JobPhase::WaitingForWindow, message));
            }
        };
        if job.before.is_none() {
            touched::keep(self.machine, job.statement, &job.packages)?;
            let facts = health::look(self.machine, &conduct)?;
            if let Some(job) = &mut self.memory.job {
                (job.before, job.hooks) = (Some(facts), Hooked::default());
            }
        }
        if let Err(error) = self.hooks_before(job, &conduct) {
            let message = format!("a hook says no, and nothing was changed: {}", told(&error));
            return Ok(Step::End(JobEnd::Refused, message));
        }
        Ok(self.no_way_on(job).unwrap_or_else(|| {
            let message = format!("{} packages are being applied", job.packages.len());
            Step::To(JobPhase::Applying, message)
        }))
    }

    /// What stands against changing packages now, where something does.
    fn no_way_on(&self, job: &Work) -> Option<Step> {
        let all: Vec<&PlannedPackage> = job.packages.iter().collect();
        match self.gate(&all).or_else(|| self.held_back()) {
            // At the next window the machine may be another; it gets another way back then.
            Some(Step::Stay(message)) => Some(Step::Back(JobPhase::WaitingForWindow, message)),
            other => other,
        }
    }

    /// What only this machine's own administrator can mend.
    pub(crate) fn for_administrator(&mut self, error: &Error) -> String {
        self.came.fault = Some(error.fault());
        format!("this machine's administrator has to look: {}", told(error))
    }

    /// Runs the hooks before the change.
    fn hooks_before(&mut self, job: &Work, conduct: &Conduct) -> Result<(), Error> {
        if hooks::names(self.machine, When::Before)?.is_empty()
            && hooks::names(self.machine, When::After)?.is_empty()
        {
            return Ok(());
        }
        // Written down first: a stop in the middle leaves those after it owed.
        if let Some(job) = &mut self.memory.job {
            job.hooks.owed = true;
        }
        self.memory.save(self.machine)?;
        let seconds = conduct.hooks.seconds;
        let around = Around { packages: &job.packages, standing: "to be applied", seconds };
        hooks::run(self.machine, When::Before, &around)
    }

    /// Runs the hooks after the change, where they are owed; how they fared is remembered.
    pub(crate) fn hooks_after(&mut self, standing: &str) -> Result<(), Error> {
        if let Some(job) = self.memory.job.as_mut().filter(|job| job.hooks.owed) {
            hooks::run_owed(self.machine, job, standing);
        }
        self.memory.save(self.machine)
    }

    fn apply(&mut self, job: &Work) -> Result<Step, Error> {
        // Whatever an earlier run of ours was stopped in; at a first try there is nothing to do.
        if let Err(error) = dpkg::go_on(self.machine) {
            return self.put_back(told(&error));
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
                Err(error) => return self.put_back(told(&error)),
                Ok(()) => {}
            }
            if let Err(error) = self.apt.install(&missing) {
                return self.put_back(told(&error));
            }
            let installed = dpkg::installed(self.machine)?;
            if let Some(lacking) = dpkg::missing(&installed, &job.packages).first() {
                let name = &lacking.package.package;
                return self.put_back(format!("apt said yes, and {name} is not there"));
            }
        }
        dpkg::mark_automatic(self.machine, &job.automatic)?;
        let stale = effective::in_the_way(self.machine, job)?;
        Ok(if stale.is_empty() {
            Step::To(JobPhase::Confirming, "everything is installed".into())
        } else {
            Step::To(JobPhase::AwaitingRestart, waits_for(&stale))
        })
    }
}

/// An end as hooks are told it.
const fn word(end: JobEnd) -> &'static str {
    match end {
        JobEnd::Effective => "effective",
        JobEnd::Refused => "refused",
        JobEnd::Failed => "failed",
        JobEnd::Restored => "restored",
        JobEnd::RestoreFailed => "restore failed",
        JobEnd::Expired => "expired",
        JobEnd::Cancelled => "cancelled",
    }
}

/// What runs with old files, in one sentence.
pub(crate) fn waits_for(stale: &[String]) -> String {
    let shown: Vec<&str> = stale.iter().take(10).map(String::as_str).collect();
    let more = stale.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("installed; a restart is awaited of {}{more}", shown.join(", "))
}
