//! The world's course: what comes next, until faults stop and everything has come to its end.

use crate::{
    Fault, Right, Size, agent::Agent, appliance::Answer, founding, house::House, people::People,
    provider,
};
use fleet::{Fact, JobEnd, Level, LevelStatus};
use ids::{Digest, Timestamp};
use jiff::SignedDuration;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::Instant,
};

/// Steps that a failure tells.
const TOLD: usize = 20;
/// How long everything has to come to its end once faults have stopped.
const CALM_DAYS: i64 = 10;

/// What happens.
#[derive(Debug, Clone, Copy)]
enum Act {
    Agent(usize),
    People,
    Providers,
    /// The appliance ends what is due, and hears what comes late.
    Appliance,
    /// The appliance is killed, or its disk is to fail.
    Harm,
    Bundle,
    Audit,
}

/// A world.
struct World {
    house: House,
    people: People,
    agents: Vec<Agent>,
    queue: BTreeMap<(Timestamp, u64), Act>,
    queued: u64,
    trail: VecDeque<String>,
    steps: u64,
    alarms: u64,
    alarms_over: u64,
    /// From when until when no medium comes.
    no_courier: (Timestamp, Timestamp),
}

/// What came of a world.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    agents: usize,
    days: i64,
    pub(crate) events: u64,
    check_ins: u64,
    pub(crate) applied: u64,
    pub(crate) restarted: u64,
    pub(crate) restored: u64,
    effective: usize,
    pub(crate) crashes: u64,
    pub(crate) failures: u64,
    /// Alarms that a service level is missed, and words that all of one is kept again.
    pub(crate) alarms: [u64; 2],
    seconds: u64,
    /// A digest of all that happened.
    pub(crate) print: Digest,
}

/// What failed, and how to see it again.
#[derive(Debug)]
pub(crate) struct Failure {
    seed: u64,
    pub(crate) sentence: String,
    trail: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trail {
            writeln!(f, "  {line}")?;
        }
        write!(f, "{}\nagain with: just sim {}", self.sentence, self.seed)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} agents, {} simulated days, {} events, {} check-ins; {} changes applied, {} restarts, {} machines \
             put back, {} jobs effective; {} alarms of service levels, {} over; {} crashes and {} failed disk operations \
             of the appliance; {} seconds",
            self.agents,
            self.days,
            self.events,
            self.check_ins,
            self.applied,
            self.restarted,
            self.restored,
            self.effective,
            self.alarms[0],
            self.alarms[1],
            self.crashes,
            self.failures,
            self.seconds
        )
    }
}

/// Lets the world of a seed take its course. The progress is for people.
pub(crate) fn run(
    seed: u64,
    size: &Size,
    fault: Fault,
    progress: bool,
) -> Result<Summary, Box<Failure>> {
    let fails = |sentence: String, trail: Vec<String>| Box::new(Failure { seed, sentence, trail });
    let begun = Instant::now();
    let (house, people, agents) =
        founding::found(seed, size, fault).map_err(|sentence| fails(sentence, Vec::new()))?;
    let (queue, trail) = (BTreeMap::new(), VecDeque::new());
    let first = house.now();
    let no_courier = (after(first, 24 * size.no_courier.0), after(first, 24 * size.no_courier.1));
    let mut world = World {
        house,
        people,
        agents,
        queue,
        queued: 0,
        trail,
        steps: 0,
        alarms: 0,
        alarms_over: 0,
        no_courier,
    };
    let came = world.take_course(size, progress);
    came.map_err(|sentence| fails(sentence, world.trail.iter().cloned().collect()))?;
    let house = &world.house;
    Ok(Summary {
        agents: world.agents.len(),
        days: house.now().duration_since(first).as_hours() / 24,
        events: house.appliance.audit.entries(),
        check_ins: house.check_ins,
        applied: house.applied,
        restarted: house.restarted,
        restored: house.restored,
        effective: world.agents.iter().map(|agent| agent.effective.len()).sum(),
        crashes: house.appliance.harm.crashes,
        failures: house.appliance.harm.failures,
        alarms: [world.alarms, world.alarms_over],
        seconds: begun.elapsed().as_secs(),
        print: house.appliance.audit.print(),
    })
}

fn after(at: Timestamp, hours: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
}

impl World {
    fn take_course(&mut self, size: &Size, progress: bool) -> Right<()> {
        let first = self.house.now();
        for n in 0..self.agents.len() {
            let minutes = i64::try_from(self.house.chance.below(240)).unwrap_or(0);
            self.push(SignedDuration::from_mins(minutes), Act::Agent(n));
        }
        for act in [Act::People, Act::Providers, Act::Appliance, Act::Harm, Act::Bundle, Act::Audit]
        {
            let minutes = i64::try_from(self.house.chance.between(1, 500)).unwrap_or(0);
            self.push(SignedDuration::from_mins(minutes), act);
        }
        self.go_on_until(after(first, 24 * size.days), progress)?;
        self.house.appliance.calm = true;
        self.go_on_until(after(first, 24 * (size.days + CALM_DAYS)), progress)?;
        self.step("the end".into());
        self.read_log()?;
        self.house.appliance.verify_log()?;
        self.has_ended()?;
        self.alarms_are_true()
    }

    fn push(&mut self, wait: SignedDuration, act: Act) {
        let at = self.house.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.queue.insert((at, self.queued), act);
        self.queued += 1;
    }

    fn step(&mut self, what: String) {
        if self.trail.len() == TOLD {
            self.trail.pop_front();
        }
        let now = self.house.now().strftime("%F %T");
        self.trail.push_back(format!("{now} {what}"));
    }

    fn go_on_until(&mut self, end: Timestamp, progress: bool) -> Right<()> {
        let mut shown = Instant::now();
        while let Some(((at, _), act)) = self.queue.pop_first() {
            if at >= end {
                self.queue.insert((at, 0), act);
                self.house.appliance.jump(end);
                return Ok(());
            }
            self.house.appliance.jump(at);
            self.house.tick();
            if self.house.appliance.is_away() {
                let events = self.house.appliance.come_back()?;
                if !self.house.appliance.is_away() {
                    self.step("the appliance is there again".into());
                    self.house.note_started();
                    self.judge(&events)?;
                }
            }
            let wait = self.happen(act)?;
            self.push(wait, act);
            self.steps += 1;
            if progress && shown.elapsed().as_secs() >= 5 {
                shown = Instant::now();
                eprintln!(
                    "  {}: {} steps, {} events, {} crashes",
                    self.house.now().strftime("%F %R"),
                    self.steps,
                    self.house.appliance.audit.entries(),
                    self.house.appliance.harm.crashes
                );
            }
        }
        Ok(())
    }

    /// Lets something happen; when it happens again.
    fn happen(&mut self, act: Act) -> Right<SignedDuration> {
        let house = &mut self.house;
        let mut between = |first, last| {
            SignedDuration::from_mins(
                i64::try_from(house.chance.between(first, last)).unwrap_or(60),
            )
        };
        let wait = match act {
            Act::Agent(_) => SignedDuration::ZERO,
            Act::People => between(30, 120),
            Act::Providers => between(3, 10),
            Act::Appliance => between(20, 40),
            Act::Harm => between(200, 1200),
            Act::Bundle => between(60 * 60, 160 * 60),
            Act::Audit => between(400, 800),
        };
        match act {
            Act::Agent(n) => {
                let wait = self.agents[n].wake(&mut self.house)?;
                let stands = self.agents[n].stands();
                self.step(stands);
                return Ok(wait);
            }
            Act::People => {
                let did = self.people.act(&mut self.house)?;
                if !did.is_empty() {
                    self.step(did);
                }
                // What waits for its commit since a failed import.
                founding::import(&mut self.house)?;
            }
            Act::Providers => provider::see_to(&mut self.agents, &mut self.house)?,
            Act::Appliance => {
                self.house.appliance.ask(|site| site.end_due_runs())?;
                self.house.appliance.ask(|site| site.see_to_levels())?;
                self.house.appliance.ask(|site| site.heart().publish())?;
                let late = self.house.bring_repeats()?;
                if late > 0 {
                    self.step(format!("{late} words are said once more"));
                }
                self.house.appliance.lie();
            }
            Act::Harm if self.house.calm() => {}
            Act::Harm if self.house.chance.one_in(2) => self.house.appliance.is_to_fail(),
            Act::Harm => {
                self.house.appliance.crash();
                self.step("the appliance crashes".into());
            }
            Act::Bundle if self.house.calm() || self.no_courier() => {}
            Act::Bundle => {
                founding::publish(&mut self.house);
                self.step("the vendor brings something out".into());
            }
            Act::Audit => self.read_log()?,
        }
        Ok(wait)
    }

    fn no_courier(&self) -> bool {
        (self.no_courier.0..self.no_courier.1).contains(&self.house.now())
    }

    fn read_log(&mut self) -> Right<()> {
        let events = self.house.appliance.read_log()?;
        self.judge(&events)
    }

    /// Holds what the log says against what is so.
    fn judge(&mut self, events: &[fleet::Event]) -> Right<()> {
        for event in events {
            if let Fact::LevelAlarm { missed, .. } = event.fact {
                *if missed > 0 { &mut self.alarms } else { &mut self.alarms_over } += 1;
            }
            let Fact::JobReported { endpoint, job, .. } = &event.fact else { continue };
            if job.end != Some(JobEnd::Effective) {
                continue;
            }
            let agent = self.agents.iter().find(|agent| agent.id == *endpoint);
            let agent = agent.ok_or("somebody reports who never joined")?;
            if !agent.effective.contains(&job.approval) {
                let (name, approval) = (&agent.name, job.approval.short());
                return Err(format!("{name} counts as effective for {approval}, and is not"));
            }
        }
        Ok(())
    }

    /// Faults have stopped, and time went on: no job is open, no run under way, nobody counts who was put back.
    fn has_ended(&self) -> Right<()> {
        let state = self.house.appliance.state().ok_or("the appliance did not come back")?;
        for agent in &self.agents {
            if agent.is_at_work() {
                return Err(format!("a job never ends: {}", agent.stands()));
            }
            let known = state.endpoints.get(&agent.id).ok_or("an endpoint was lost")?;
            let Some(job) = &known.job else { continue };
            if job.end.is_none() {
                let name = &agent.name;
                return Err(format!("for the site the job of {name} never ends: {}", job.word()));
            }
            if job.end == Some(JobEnd::Effective) && agent.put_back.contains(&job.approval) {
                return Err(format!("{} was put back, and counts as effective", agent.name));
            }
        }
        if let Some(run) = state.runs.values().next() {
            return Err(format!("a run of {} never ends: it is {}", run.ring, run.standing.word()));
        }
        Ok(())
    }

    /// An alarm stands for each service level of which something is missed, and for no other.
    fn alarms_are_true(&mut self) -> Right<()> {
        let report = self.house.appliance.ask(|site| {
            site.see_to_levels()?;
            site.level_report()
        })?;
        let Answer::Yes(report) = report else {
            return Err("the appliance did not come back".into());
        };
        let state = self.house.appliance.state().ok_or("the appliance did not come back")?;
        for level in Level::ALL {
            let missed = report.of(level).filter(|row| row.status == LevelStatus::Missed).count();
            let told = state.level_alarms.contains_key(&level);
            if told != (missed > 0) {
                return Err(format!("{missed} miss {level:?}, and an alarm stands: {told}"));
            }
        }
        Ok(())
    }
}
