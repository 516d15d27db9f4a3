//! A run, its endpoints, their provider of snapshots and the network between them, in every order in which
//! things can happen: the real `decide` and `evolve` on one side, a model of the agent on the other.
//!
//! Whatever can go wrong has a budget, so that every path ends. Each property has a test in which a fault
//! is built in on purpose, to show that the property can fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod agent;
mod appliance;
mod world;

use appliance::{Appliance, Ask, id, run};
use fleet::{Endpoint, JobEnd, JobPhase, Resolution, RunStanding};
use stateright::{Checker, Model as _, Property};
use std::time::Instant;
use trust::Decision;
use world::{Act, Agent, Budget, Installed, Luck, World, properties};

/// A configuration of the model.
struct Model {
    appliance: Appliance,
    endpoints: u8,
    stateless: bool,
    provided: bool,
    /// Whether a signed waiver names the endpoints.
    waived: bool,
    /// Whether what is applied wants a restart.
    restarts: bool,
    /// Whether the second statement takes back.
    withdraws: bool,
    budget: Budget,
    fault: Fault,
}

/// A fault that is built in on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The agent applies what the gate would not let through.
    NoGate,
    /// The agent does not wait for its run.
    NoGo,
    /// A way back is believed and not proven.
    NoProof,
    /// The agent restarts in no window.
    RestartsAnyTime,
    /// The agent restarts and tells nobody.
    NoNotice,
    /// The appliance believes every report.
    Gullible,
    /// The appliance tells of the ring's newest statement only.
    Forgetful,
}

const NONE: Budget = Budget {
    lost: 0,
    repeated: 0,
    crashes: 0,
    windows: 1,
    statements: 0,
    people: 0,
    silences: 0,
    failures: 0,
};

impl Model {
    fn new(budget: Budget) -> Self {
        Self {
            appliance: Appliance::new(false, false),
            endpoints: 1,
            stateless: false,
            provided: false,
            waived: false,
            restarts: false,
            withdraws: true,
            budget,
            fault: Fault::None,
        }
    }

    fn with(self, fault: Fault) -> Self {
        let appliance = Appliance::new(fault == Fault::Gullible, fault == Fault::Forgetful);
        Self { appliance, fault, ..self }
    }

    fn decision(&self, world: &World) -> Decision {
        if world.newest == 2 && self.withdraws { Decision::Withdraw } else { Decision::Approve }
    }

    fn run_standing(&self, world: &World, generation: u8) -> Option<RunStanding> {
        let state = self.appliance.state(world.site);
        state.runs.get(&run(generation)).map(|run| run.standing)
    }

    fn known(&self, world: &World, n: u8) -> Endpoint {
        self.appliance.state(world.site).endpoints.get(&id(n)).unwrap().clone()
    }

    fn ends<'a>(&'a self, world: &'a World) -> impl Iterator<Item = JobEnd> + 'a {
        (0..self.endpoints).filter_map(|n| self.known(world, n).job?.end)
    }

    /// Asks the appliance; nothing where nothing changes.
    fn ask(&self, world: &mut World, ask: &Ask) -> Option<()> {
        world.site = self.appliance.ask(world.site, ask, world.late)?;
        Some(())
    }

    fn reports(&self, world: &mut World, n: u8) -> Option<()> {
        let memory = world.agents[usize::from(n)].memory;
        let job = memory.job().filter(|_| !memory.told)?;
        self.ask(world, &Ask::Report(n, job))
    }

    fn check_in(&self, world: &mut World, n: u8) {
        let _ = self.reports(world, n);
        let orders = self.appliance.orders(world.site, n, world.newest, world.late);
        let newest = world.newest;
        let memory = &mut world.agent(n).memory;
        (memory.told, memory.seen, memory.orders) = (true, newest, orders);
    }

    /// What the provider does, as the appliance's executor drives it.
    fn make(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let known = self.known(world, n);
        let job = known.job.filter(|job| job.phase == JobPhase::Snapshotting)?;
        let about = appliance::generation(&job.approval);
        if known.snapshot.is_some_and(|kept| kept.approval == job.approval) {
            return None;
        }
        let agent = *world.agent(n);
        let made = |whole| Some((agent.memory, agent.copied(whole)));
        match luck {
            Luck::Good => {
                world.agent(n).snapshot = made(true);
                self.ask(world, &Ask::Prove(n, about))
            }
            Luck::Bad | Luck::Lies => {
                world.left.failures = world.left.failures.checked_sub(1)?;
                world.agent(n).snapshot = made(false).filter(|_| luck == Luck::Lies);
                let believed = luck == Luck::Lies && self.fault == Fault::NoProof;
                let ask = if believed { Ask::Prove } else { Ask::Fail };
                self.ask(world, &ask(n, about))
            }
            Luck::Crash => {
                world.left.crashes = world.left.crashes.checked_sub(1)?;
                world.agent(n).snapshot = made(true);
                Some(())
            }
            Luck::CrashHalf => None,
        }
    }

    fn put_back(&self, world: &mut World, n: u8, luck: Luck) -> Option<()> {
        let kept = self.known(world, n).snapshot.filter(|kept| kept.restoring)?;
        let about = appliance::generation(&kept.approval);
        let agent = world.agent(n);
        let (memory, copy) = agent.snapshot?;
        match luck {
            Luck::Good | Luck::Crash if copy.whole => {
                agent.memory = memory;
                agent.goes_back(copy);
                agent.boots();
            }
            Luck::Bad => {
                world.left.failures = world.left.failures.checked_sub(1)?;
                world.agent(n).installed = Installed::Half;
            }
            _ => return None,
        }
        if luck == Luck::Crash {
            world.left.crashes = world.left.crashes.checked_sub(1)?;
            return Some(());
        }
        // Where this is refused, the executor has nothing to go on with.
        self.ask(world, &Ask::EndRestore(n, about, luck == Luck::Good))
    }

    fn begin_restore(&self, world: &mut World, n: u8) -> Option<()> {
        let job = self.known(world, n).job?;
        if job.phase != JobPhase::AwaitingDecision {
            world.left.silences = world.left.silences.checked_sub(1)?;
        }
        self.ask(world, &Ask::BeginRestore(n, appliance::generation(&job.approval)))
    }

    fn resolve(&self, world: &mut World, n: u8, resolution: Resolution) -> Option<()> {
        let known = self.known(world, n);
        let job = known.job.filter(|job| job.phase == JobPhase::AwaitingDecision)?;
        if known.resolution.is_some_and(|(about, _)| about == job.approval) {
            // They may think better of it.
            world.left.people = world.left.people.checked_sub(1)?;
        }
        self.ask(world, &Ask::Resolve(n, resolution))
    }

    fn boot(&self, world: &mut World, n: u8) -> Option<()> {
        let agent = world.agent(n);
        let waits = agent.stale && agent.memory.phase == JobPhase::AwaitingRestart;
        if !(world.late && waits) {
            world.left.crashes = world.left.crashes.checked_sub(1)?;
        }
        world.agent(n).boots();
        Some(())
    }

    fn happens(&self, world: &mut World, act: Act) -> Option<()> {
        match act {
            Act::Start(generation) => self.ask(world, &Ask::Start(generation)),
            Act::Pause => {
                world.left.people = world.left.people.checked_sub(1)?;
                self.ask(world, &Ask::Pause(world.newest))
            }
            Act::Resume => self.ask(world, &Ask::Resume(world.newest)),
            Act::Cancel => {
                world.left.people = world.left.people.checked_sub(1)?;
                self.ask(world, &Ask::Cancel(world.newest))
            }
            Act::Supersede(withdraws) => {
                world.left.statements = world.left.statements.checked_sub(1)?;
                world.newest = 2;
                self.ask(world, &Ask::Supersede(withdraws))
            }
            Act::EndDue => self.ask(world, &Ask::EndDue),
            Act::Resolve(n, resolution) => self.resolve(world, n, resolution),
            Act::Window => {
                world.left.windows = world.left.windows.checked_sub(1)?;
                world.open = !world.open;
                Some(())
            }
            Act::Late => (!world.late).then(|| (world.late, world.open) = (true, false)),
            Act::CheckIn(n) => {
                self.check_in(world, n);
                Some(())
            }
            Act::AnswerLost(n) => {
                world.left.lost = world.left.lost.checked_sub(1)?;
                self.reports(world, n)
            }
            Act::Repeat(n) => {
                world.left.repeated = world.left.repeated.checked_sub(1)?;
                let job = world.agent(n).memory.job()?;
                world.strays.push((n, job));
                Some(())
            }
            Act::Deliver(k) => {
                let (n, job) = world.strays.remove(usize::from(k));
                let _ = self.ask(world, &Ask::Report(n, job));
                Some(())
            }
            Act::Over(n) => Self::over(world, n),
            Act::Work(n, luck) => self.work(world, n, luck),
            Act::Boot(n) => self.boot(world, n),
            Act::Make(n, luck) => self.make(world, n, luck),
            Act::BeginRestore(n) => self.begin_restore(world, n),
            Act::PutBack(n, luck) => self.put_back(world, n, luck),
        }
    }

    /// Whether nothing can happen any more.
    fn is_over(&self, world: &World) -> bool {
        let mut acts = Vec::new();
        stateright::Model::actions(self, world, &mut acts);
        acts.into_iter().all(|act| self.next_state(world, act).is_none())
    }
}

impl stateright::Model for Model {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let site = self.appliance.found(self.endpoints, self.stateless, self.provided);
        let agents = vec![Agent::new(); usize::from(self.endpoints)];
        let (open, late, newest, strays) = (false, false, 1, Vec::new());
        vec![World { site, agents, open, late, newest, strays, left: self.budget, wrong: None }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        const LUCK: [Luck; 5] = [Luck::Good, Luck::Bad, Luck::Lies, Luck::Crash, Luck::CrashHalf];
        acts.extend([Act::Start(world.newest), Act::Pause, Act::Resume, Act::Cancel]);
        acts.extend([Act::Supersede(self.withdraws), Act::EndDue, Act::Window, Act::Late]);
        for n in 0..self.endpoints {
            acts.extend([Act::CheckIn(n), Act::AnswerLost(n), Act::Repeat(n), Act::Over(n)]);
            acts.extend(LUCK.map(|luck| Act::Work(n, luck)));
            acts.extend([Act::Boot(n), Act::BeginRestore(n)]);
            acts.extend([Resolution::Keep, Resolution::Restore].map(|r| Act::Resolve(n, r)));
            if self.provided {
                acts.extend(LUCK.map(|luck| Act::Make(n, luck)));
                acts.extend(LUCK.map(|luck| Act::PutBack(n, luck)));
            }
        }
        acts.extend((0..world.strays.len()).map(|k| Act::Deliver(u8::try_from(k).unwrap())));
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        if world.wrong.is_some() {
            return None;
        }
        let mut next = world.clone();
        self.happens(&mut next, act)?;
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}

/// What the appliance has of a job's end is what became of the machine.
fn reports_are_true(model: &Model, world: &World) -> bool {
    let mut over = None;
    (0..model.endpoints).all(|n| {
        let agent = &world.agents[usize::from(n)];
        let Some(job) = model.known(world, n).job else { return true };
        let generation = appliance::generation(&job.approval);
        if agent.memory.job != generation {
            return true;
        }
        match job.end {
            Some(JobEnd::Effective) => {
                agent.installed == Installed::New(generation) && !agent.stale
            }
            Some(JobEnd::Restored) => agent.touched != generation,
            // The word that it was begun may be on its way.
            Some(JobEnd::Cancelled | JobEnd::Expired | JobEnd::Refused) => {
                agent.touched != generation || !*over.get_or_insert_with(|| model.is_over(world))
            }
            _ => true,
        }
    })
}

/// Where nothing can happen any more, every job has ended, here and there, and so has every run.
fn jobs_end(model: &Model, world: &World) -> bool {
    let open = (0..model.endpoints).any(|n| {
        let job = model.known(world, n).job;
        let memory = &world.agents[usize::from(n)].memory;
        memory.phase != JobPhase::Ended || job.is_some_and(|job| job.end.is_none())
    }) || !model.appliance.state(world.site).runs.is_empty();
    !open || world.wrong.is_some() || !model.is_over(world)
}

fn restores_end(model: &Model, world: &World) -> bool {
    let restoring = |n| model.known(world, n).snapshot.is_some_and(|snapshot| snapshot.restoring);
    !(0..model.endpoints).any(restoring) || world.wrong.is_some() || !model.is_over(world)
}

/// Goes through every state; says how many there were.
fn holds(name: &str, model: Model) {
    let begun = Instant::now();
    let checker = model.checker().spawn_dfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{name}: {states} states, {depth} steps deep, {:?}", begun.elapsed());
    checker.assert_properties();
}

/// A fault that is built in is found by this property.
fn finds(property: &'static str, model: Model) {
    let checker = model.checker().spawn_bfs().join();
    let path = checker.assert_any_discovery(property);
    println!("{property}: {} steps lead to it", path.into_actions().len());
}

/// Budgets for `just test`, and for the soak.
fn budget(short: Budget, long: Budget) -> Budget {
    if std::env::var_os("PATCHKEEP_SOAK").is_some() { long } else { short }
}

#[test]
fn an_own_way_back_or_a_waiver() {
    let short = Budget { lost: 1, crashes: 1, failures: 2, windows: 3, people: 1, ..NONE };
    let long = Budget { lost: 2, crashes: 2, repeated: 1, windows: 5, people: 2, ..short };
    for (waived, stateless) in [(false, false), (true, false), (false, true)] {
        let base = Model::new(budget(short, long));
        holds("own way back", Model { waived, stateless, restarts: true, ..base });
    }
}

#[test]
fn a_provided_way_back() {
    let short = Budget { lost: 1, crashes: 1, failures: 2, silences: 1, windows: 3, ..NONE };
    let long = Budget { lost: 2, crashes: 2, repeated: 1, silences: 2, people: 1, ..short };
    for stateless in [false, true] {
        let base = Model::new(budget(short, long));
        holds("provided way back", Model { provided: true, stateless, ..base });
    }
}

#[test]
fn a_newer_statement() {
    let short = Budget { lost: 1, repeated: 1, failures: 1, statements: 1, ..NONE };
    let long = Budget { lost: 1, crashes: 1, windows: 3, failures: 2, silences: 1, ..short };
    for (provided, withdraws) in [(false, false), (false, true), (true, false), (true, true)] {
        let base = Model::new(budget(short, long));
        holds("newer statement", Model { provided, withdraws, ..base });
    }
}

#[test]
fn people_pause_and_cancel() {
    let short = Budget { lost: 1, repeated: 1, failures: 1, people: 2, ..NONE };
    let long = Budget { lost: 2, crashes: 1, windows: 3, failures: 2, statements: 1, ..short };
    for provided in [false, true] {
        holds("people", Model { provided, ..Model::new(budget(short, long)) });
    }
}

#[test]
fn two_endpoints_and_a_brake() {
    let short = Budget { failures: 1, people: 1, ..NONE };
    let long = Budget { lost: 1, crashes: 1, windows: 3, failures: 1, ..short };
    holds("two endpoints", Model { endpoints: 2, ..Model::new(budget(short, long)) });
}

#[test]
fn what_is_worth_nothing_is_never_gone_on_from() {
    for provided in [false, true] {
        let model = Model { provided, ..Model::new(Budget { failures: 1, ..NONE }) };
        let fault = model.with(Fault::NoProof);
        finds("nothing is applied without a proven way back", fault);
    }
}

#[test]
fn an_agent_without_a_gate_is_found() {
    finds("nothing unapproved is applied", Model::new(NONE).with(Fault::NoGate));
    finds("nothing is applied outside a window", Model::new(NONE).with(Fault::NoGate));
    finds("nothing begins but by its run", Model::new(NONE).with(Fault::NoGo));
}

#[test]
fn a_restart_that_nobody_was_told_of_is_found() {
    let crashes = Budget { crashes: 1, windows: 3, ..NONE };
    let model = |fault| Model { restarts: true, ..Model::new(crashes) }.with(fault);
    finds("no restart outside a window", model(Fault::RestartsAnyTime));
    finds("no restart without notice", model(Fault::NoNotice));
}

#[test]
fn an_appliance_that_believes_everything_reports_what_is_not() {
    let budget = Budget { repeated: 1, silences: 1, ..NONE };
    let model = Model { provided: true, stateless: true, ..Model::new(budget) };
    finds("only what is patched is reported patched", model.with(Fault::Gullible));
}

#[test]
fn a_decision_that_is_never_told_leaves_a_job_without_an_end() {
    let model = Model::new(Budget { failures: 1, statements: 1, ..NONE });
    finds("every job ends", model.with(Fault::Forgetful));
}
