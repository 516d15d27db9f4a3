//! The agent's steps, as `src/agent` takes them: one state after the other, each written down before the next.

use crate::{
    Fault, Model,
    world::{Copy, Installed, Luck, Memory, World, Wrong},
};
use fleet::{JobEnd, JobPhase, Resolution, WayBack};
use trust::Decision;

/// What the gate says.
enum Gate {
    Open,
    /// Not now.
    Stay,
    Never(JobEnd),
}

impl Model {
    /// The newest statement that the agent saw, and nothing else, opens the gate.
    fn gate(&self, world: &World, memory: &Memory) -> Gate {
        if self.fault == Fault::NoGate {
            return Gate::Open;
        }
        if memory.seen != memory.job || world.late {
            return Gate::Never(JobEnd::Expired);
        }
        if world.open { Gate::Open } else { Gate::Stay }
    }

    /// The gate, and the run's word.
    fn way_on(&self, world: &World, memory: &Memory) -> Gate {
        match self.gate(world, memory) {
            Gate::Open => {
                let go = memory.run().is_some_and(|run| run.go && run.over.is_none());
                if go || self.fault == Fault::NoGo { Gate::Open } else { Gate::Stay }
            }
            shut => shut,
        }
    }

    /// What an agent hears that its job is over comes to.
    pub(crate) fn over(world: &mut World, n: u8) -> Option<()> {
        let memory = &mut world.agent(n).memory;
        let run = memory.orders?;
        let end = run.over?;
        let is_known = memory.job == run.about;
        if !is_known && (memory.is_under_way() || memory.seen != run.about) {
            return None;
        }
        if !is_known {
            (memory.job, memory.secured) = (run.about, None);
            memory.goes(JobPhase::WaitingForWindow);
        }
        match memory.phase {
            JobPhase::Ended if memory.told => return None,
            JobPhase::Ended => memory.told = true,
            JobPhase::Restoring => return None,
            phase if end == JobEnd::Cancelled && phase >= JobPhase::Applying => return None,
            _ => {
                memory.ends(end);
                memory.told = true;
            }
        }
        Some(())
    }

    /// The step that an agent stands before.
    pub(crate) fn work(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let memory = world.agent(n).memory;
        if memory.job != memory.seen && !memory.is_under_way() {
            return self.turns_to_newest(world, n).filter(|()| luck == Luck::Good);
        }
        match memory.phase {
            JobPhase::WaitingForWindow => self.begin(world, n, luck),
            JobPhase::Snapshotting => self.secure(world, n, luck),
            JobPhase::WayBackProven | JobPhase::Waived => self.begin_to_apply(world, n, luck),
            JobPhase::Applying => self.apply(world, n, luck),
            JobPhase::AwaitingRestart => self.await_restart(world, n, luck),
            JobPhase::Confirming => self.confirm(world, n, luck),
            JobPhase::AwaitingDecision => self.decide(world, n, luck),
            JobPhase::Restoring => self.restore(world, n, luck),
            JobPhase::Ended => None,
        }
    }

    fn turns_to_newest(&self, world: &mut World, n: u8) -> Option<()> {
        let decision = self.decision(world);
        let memory = &mut world.agent(n).memory;
        if memory.job > 0 && memory.phase != JobPhase::Ended {
            memory.ends(JobEnd::Expired);
            return Some(());
        }
        if memory.seen == 0 || decision == Decision::Withdraw {
            return None;
        }
        memory.job = memory.seen;
        memory.goes(JobPhase::WaitingForWindow);
        Some(())
    }

    fn begin(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let memory = world.agent(n).memory;
        let gate = self.gate(world, &memory);
        if luck == Luck::Bad {
            // It would apply more than is approved.
            world.left.failures = world.left.failures.checked_sub(1)?;
            world.agent(n).memory.ends(JobEnd::Refused);
            return Some(());
        }
        let memory = &mut world.agent(n).memory;
        match (gate, luck) {
            (Gate::Never(end), Luck::Good) => memory.ends(end),
            (Gate::Open, Luck::Good) => match memory.run() {
                Some(run) if run.over.is_some() => return None,
                Some(run) if run.go => memory.goes(JobPhase::Snapshotting),
                _ if self.fault == Fault::NoGo => memory.goes(JobPhase::Snapshotting),
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }

    fn secure(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let memory = world.agent(n).memory;
        let provided = memory.run().is_some_and(|run| run.provided);
        if provided {
            if luck != Luck::Good || self.turns_back(world, n)? {
                return (luck == Luck::Good).then_some(());
            }
            if !memory.run().is_some_and(|run| run.proven) && self.fault != Fault::NoProof {
                return None;
            }
            let memory = &mut world.agent(n).memory;
            memory.goes(JobPhase::WayBackProven);
            memory.secured = Some(WayBack::Provided);
            return Some(());
        }
        match luck {
            Luck::Good => {
                let agent = world.agent(n);
                agent.copy = Some(agent.copied(true));
                agent.memory.goes(JobPhase::WayBackProven);
                agent.memory.secured = Some(WayBack::Own);
            }
            // What lies is caught when it is proven.
            Luck::Bad | Luck::Lies => {
                world.left.failures = world.left.failures.checked_sub(1)?;
                let believed = luck == Luck::Lies && self.fault == Fault::NoProof;
                let agent = world.agent(n);
                agent.copy = Some(agent.copied(false));
                if believed {
                    agent.memory.goes(JobPhase::WayBackProven);
                    agent.memory.secured = Some(WayBack::Own);
                } else if self.waived {
                    agent.memory.goes(JobPhase::Waived);
                    agent.memory.secured = Some(WayBack::Waived);
                } else {
                    agent.memory.ends(JobEnd::Refused);
                }
            }
            Luck::Crash => {
                world.left.crashes = world.left.crashes.checked_sub(1)?;
                world.agent(n).copy = Some(world.agent(n).copied(true));
            }
            Luck::CrashHalf => return None,
        }
        Some(())
    }

    /// Whether something stands against changing packages, and where that leads; nothing where it waits.
    fn turns_back(&self, world: &mut World, n: u8) -> Option<bool> {
        let memory = world.agent(n).memory;
        match self.way_on(world, &memory) {
            Gate::Open => return Some(false),
            Gate::Stay => world.agent(n).memory.goes(JobPhase::WaitingForWindow),
            Gate::Never(end) => world.agent(n).memory.ends(end),
        }
        Some(true)
    }

    fn begin_to_apply(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        if luck != Luck::Good {
            return None;
        }
        if !self.turns_back(world, n)? {
            world.agent(n).memory.goes(JobPhase::Applying);
        }
        Some(())
    }

    fn apply(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let memory = world.agent(n).memory;
        if world.agent(n).installed == Installed::New(memory.job) {
            return (luck == Luck::Good).then(|| self.applied(world, n));
        }
        match (self.gate(world, &memory), luck) {
            (Gate::Never(_), Luck::Good) => {
                world.agent(n).memory.ends(JobEnd::Failed);
                return Some(());
            }
            (Gate::Open, Luck::Good | Luck::Bad | Luck::Crash | Luck::CrashHalf) => {}
            _ => return None,
        }
        self.judge(world, n);
        let restarts = self.restarts;
        let agent = world.agent(n);
        (agent.stale, agent.touched) = (restarts, memory.job);
        agent.installed = if matches!(luck, Luck::Good | Luck::Crash) {
            Installed::New(memory.job)
        } else {
            Installed::Half
        };
        match luck {
            Luck::Good => self.applied(world, n),
            Luck::Bad => {
                world.left.failures = world.left.failures.checked_sub(1)?;
                fails(&mut world.agent(n).memory, true);
            }
            _ => world.left.crashes = world.left.crashes.checked_sub(1)?,
        }
        Some(())
    }

    fn applied(&self, world: &mut World, n: u8) {
        let agent = world.agent(n);
        let next = if agent.stale { JobPhase::AwaitingRestart } else { JobPhase::Confirming };
        agent.memory.goes(next);
    }

    /// Looks from outside at what is about to be applied: by what is, not by what the agent remembers.
    fn judge(&self, world: &mut World, n: u8) {
        let agent = *world.agent(n);
        let memory = agent.memory;
        let leads_back = |copy: Copy| copy.whole && copy.touched != memory.job;
        let proven = match memory.secured {
            Some(WayBack::Own) => agent.copy.is_some_and(leads_back),
            Some(WayBack::Provided) => agent.snapshot.is_some_and(|(_, copy)| leads_back(copy)),
            Some(WayBack::Waived) => self.waived,
            None => false,
        };
        if !proven {
            world.is_wrong(Wrong::AppliedWithoutWayBack);
        }
        let withdrawn = memory.seen == 2 && self.decision(world) == Decision::Withdraw;
        if memory.job == 0 || memory.job < memory.seen || withdrawn || world.late {
            world.is_wrong(Wrong::AppliedUnapproved);
        }
        if !world.open {
            world.is_wrong(Wrong::AppliedOutsideWindow);
        }
        // A run that is under way was started once, and one that is over was as well.
        let standing = self.run_standing(world, memory.job);
        if matches!(standing, Some(fleet::RunStanding::Planned | fleet::RunStanding::Approved)) {
            world.is_wrong(Wrong::AppliedUnasked);
        }
    }

    fn await_restart(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        if luck != Luck::Good {
            return None;
        }
        let window = world.open && !world.late || self.fault == Fault::RestartsAnyTime;
        let open = world.open && !world.late;
        let agent = world.agent(n);
        if !agent.stale {
            (agent.memory.notice, agent.noticed) = (None, false);
            agent.memory.goes(JobPhase::Confirming);
            return Some(());
        }
        let has_window = window && agent.memory.seen == agent.memory.job;
        let (told, boots) = (agent.memory.notice, agent.boots);
        match told {
            _ if !has_window => {
                agent.memory.notice.take()?;
                agent.noticed = false;
            }
            told if told == Some(boots) || self.fault == Fault::NoNotice => {
                let (noticed, memory) = (agent.noticed, &mut agent.memory);
                memory.notice = None;
                agent.boots();
                if !open {
                    world.is_wrong(Wrong::RestartedOutsideWindow);
                }
                if !noticed {
                    world.is_wrong(Wrong::RestartedWithoutNotice);
                }
            }
            _ => (agent.memory.notice, agent.noticed) = (Some(boots), true),
        }
        Some(())
    }

    fn confirm(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let memory = world.agent(n).memory;
        let by_itself = memory.run().is_some_and(|run| run.stateless);
        if world.agent(n).installed != Installed::New(memory.job) {
            world.agent(n).memory.ends(JobEnd::Failed);
            return (luck == Luck::Good).then_some(());
        }
        match luck {
            Luck::Good => world.agent(n).memory.ends(JobEnd::Effective),
            Luck::Bad => {
                world.left.failures = world.left.failures.checked_sub(1)?;
                fails(&mut world.agent(n).memory, by_itself);
            }
            _ => return None,
        }
        Some(())
    }

    fn decide(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let memory = &mut world.agent(n).memory;
        let run = memory.run().filter(|_| luck == Luck::Good)?;
        match (run.resolution, memory.secured) {
            (Some(Resolution::Keep), _) => memory.ends(JobEnd::Failed),
            (Some(Resolution::Restore), Some(WayBack::Own)) => memory.goes(JobPhase::Restoring),
            (None, Some(WayBack::Own)) if run.stateless => memory.goes(JobPhase::Restoring),
            _ => return None,
        }
        Some(())
    }

    fn restore(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let agent = world.agent(n);
        match (luck, agent.copy) {
            (Luck::Good, Some(copy)) if copy.whole => {
                agent.goes_back(copy);
                agent.memory.ends(JobEnd::Restored);
            }
            (Luck::Good, _) => agent.memory.ends(JobEnd::RestoreFailed),
            (Luck::Bad, _) => {
                agent.installed = Installed::Half;
                agent.memory.ends(JobEnd::RestoreFailed);
                world.left.failures = world.left.failures.checked_sub(1)?;
            }
            (Luck::CrashHalf, _) => {
                agent.installed = Installed::Half;
                world.left.crashes = world.left.crashes.checked_sub(1)?;
            }
            _ => return None,
        }
        Some(())
    }
}

fn fails(memory: &mut Memory, by_itself: bool) {
    match memory.secured {
        None | Some(WayBack::Waived) => memory.ends(JobEnd::Failed),
        Some(WayBack::Own) if by_itself => memory.goes(JobPhase::Restoring),
        Some(WayBack::Own | WayBack::Provided) => memory.goes(JobPhase::AwaitingDecision),
    }
}
