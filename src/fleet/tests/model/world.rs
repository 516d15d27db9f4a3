//! The world around the appliance: endpoints with their agents, the provider of snapshots, people, windows,
//! and a network that loses and repeats. [`World`] is one moment of it, [`Act`] what can happen next.
//!
//! An agent is that of `src/agent` (`apply.rs`, `mend.rs`, `restart.rs`), without packages and files. What
//! really became of a machine stands beside what its agent remembers and what the appliance believes.

use crate::appliance::Orders;
use fleet::{Job, JobEnd, JobPhase, Resolution, WayBack};
use stateright::Property;

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The appliance's state, by its digest.
    pub(crate) site: u64,
    pub(crate) agents: Vec<Agent>,
    /// Whether a maintenance window is open.
    pub(crate) open: bool,
    /// Whether the approvals have ended.
    pub(crate) late: bool,
    /// The ring's newest statement.
    pub(crate) newest: u8,
    /// Reports that were sent once more and have not come.
    pub(crate) strays: Vec<(u8, Job)>,
    pub(crate) left: Budget,
    /// What must never be, where it was.
    pub(crate) wrong: Option<Wrong>,
}

/// How much of what need not happen still may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Answers and words that are lost.
    pub(crate) lost: u8,
    pub(crate) repeated: u8,
    /// Crashes: of an agent in the middle of a step, of the appliance between an effect and its record.
    pub(crate) crashes: u8,
    /// How often a window opens or closes.
    pub(crate) windows: u8,
    /// Newer statements.
    pub(crate) statements: u8,
    /// What people do to runs: pause, cancel.
    pub(crate) people: u8,
    /// How often an endpoint's silence is taken for its death.
    pub(crate) silences: u8,
    /// How often something on a machine or at its provider fails.
    pub(crate) failures: u8,
}

/// What must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wrong {
    AppliedWithoutWayBack,
    AppliedUnapproved,
    AppliedUnasked,
    AppliedOutsideWindow,
    RestartedOutsideWindow,
    RestartedWithoutNotice,
}

/// What a machine has installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Installed {
    Old,
    Half,
    /// All that this statement approves.
    New(u8),
}

/// An endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Agent {
    pub(crate) memory: Memory,
    pub(crate) installed: Installed,
    /// The statement for whose sake it was changed last; 0 for none.
    pub(crate) touched: u8,
    /// Whether something runs with files that are gone.
    pub(crate) stale: bool,
    /// Whether people were told of a restart since the last one.
    pub(crate) noticed: bool,
    pub(crate) boots: u8,
    /// Its own copy of itself, and whether that is whole.
    pub(crate) copy: Option<Copy>,
    /// The provider's snapshot of it: its agent's memory goes back with it.
    pub(crate) snapshot: Option<(Memory, Copy)>,
}

/// A copy of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Copy {
    pub(crate) installed: Installed,
    /// The statement for whose sake the machine was changed last; 0 for none.
    pub(crate) touched: u8,
    /// Whether it is any good.
    pub(crate) whole: bool,
}

/// What an agent remembers; written before each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    /// The statement that its job is of; 0 for none.
    pub(crate) job: u8,
    pub(crate) phase: JobPhase,
    pub(crate) end: Option<JobEnd>,
    pub(crate) secured: Option<WayBack>,
    pub(crate) told: bool,
    /// The newest statement seen.
    pub(crate) seen: u8,
    pub(crate) orders: Option<Orders>,
    /// The boot in which people were told of a restart.
    pub(crate) notice: Option<u8>,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Start(u8),
    Pause,
    Resume,
    Cancel,
    /// A newer statement; whether it takes back.
    Supersede(bool),
    EndDue,
    Resolve(u8, Resolution),
    Window,
    Late,
    CheckIn(u8),
    AnswerLost(u8),
    /// What the agent says is sent once more, and comes some time.
    Repeat(u8),
    /// A stray report comes.
    Deliver(u8),
    /// The agent hears that its job is over.
    Over(u8),
    /// The agent takes the step that it stands before.
    Work(u8, Luck),
    /// The machine is switched off and on.
    Boot(u8),
    Make(u8, Luck),
    BeginRestore(u8),
    PutBack(u8, Luck),
}

/// How a step goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Luck {
    Good,
    /// It fails, and says so.
    Bad,
    /// It says that it went well, and what it made is worth nothing.
    Lies,
    /// It is done, and nobody lives to write that down.
    Crash,
    /// It is half done, and nobody lives to write that down.
    CrashHalf,
}

impl World {
    pub(crate) fn agent(&mut self, n: u8) -> &mut Agent {
        &mut self.agents[usize::from(n)]
    }

    pub(crate) fn is_wrong(&mut self, wrong: Wrong) {
        self.wrong = self.wrong.or(Some(wrong));
    }
}

impl Agent {
    pub(crate) fn new() -> Self {
        let memory = Memory {
            job: 0,
            phase: JobPhase::Ended,
            end: None,
            secured: None,
            told: true,
            seen: 0,
            orders: None,
            notice: None,
        };
        let installed = Installed::Old;
        let (touched, stale, noticed, boots) = (0, false, false, 0);
        let (copy, snapshot) = (None, None);
        Self { memory, installed, touched, stale, noticed, boots, copy, snapshot }
    }

    pub(crate) const fn copied(&self, whole: bool) -> Copy {
        Copy { installed: self.installed, touched: self.touched, whole }
    }

    pub(crate) fn goes_back(&mut self, copy: Copy) {
        (self.installed, self.touched, self.stale) = (copy.installed, copy.touched, false);
    }

    /// The machine starts anew: nobody there knows of a restart to come.
    pub(crate) fn boots(&mut self) {
        (self.stale, self.noticed) = (false, false);
        self.boots += 1;
    }
}

impl Memory {
    /// The run's word about its job.
    pub(crate) fn run(&self) -> Option<Orders> {
        self.orders.filter(|orders| orders.about == self.job)
    }

    pub(crate) fn is_under_way(&self) -> bool {
        (JobPhase::Applying..JobPhase::Ended).contains(&self.phase)
    }

    pub(crate) fn goes(&mut self, phase: JobPhase) {
        (self.phase, self.end, self.told) = (phase, None, false);
        if phase < JobPhase::WayBackProven {
            self.secured = None;
        }
    }

    pub(crate) fn ends(&mut self, end: JobEnd) {
        (self.phase, self.end, self.told) = (JobPhase::Ended, Some(end), false);
    }

    pub(crate) fn job(&self) -> Option<Job> {
        let approval = crate::appliance::statement(self.job);
        let (phase, at, end) = (self.phase, crate::appliance::at(false), self.end);
        let way_back = self.secured;
        (self.job > 0).then_some(Job { approval, phase, at, way_back, end })
    }
}

/// What always holds.
pub(crate) fn properties() -> Vec<Property<crate::Model>> {
    macro_rules! never {
        ($name:literal, $wrong:pat) => {
            Property::<crate::Model>::always($name, |_, world| !matches!(world.wrong, Some($wrong)))
        };
    }
    vec![
        never!("nothing is applied without a proven way back", Wrong::AppliedWithoutWayBack),
        never!("nothing unapproved is applied", Wrong::AppliedUnapproved),
        never!("nothing begins but by its run", Wrong::AppliedUnasked),
        never!("nothing is applied outside a window", Wrong::AppliedOutsideWindow),
        never!("no restart outside a window", Wrong::RestartedOutsideWindow),
        never!("no restart without notice", Wrong::RestartedWithoutNotice),
        Property::always("only what is patched is reported patched", crate::reports_are_true),
        Property::always("every job ends", crate::jobs_end),
        Property::always("every restore ends", crate::restores_end),
        Property::sometimes("a job becomes effective", |model, world| {
            model.ends(world).any(|end| end == JobEnd::Effective)
        }),
    ]
}
