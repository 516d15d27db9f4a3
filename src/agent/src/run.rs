//! One check-in after the other: whom to obey, what the log says, what is here, what is to be done.

use crate::{
    Error, Machine,
    apply::{self, Shift, Worked},
    certificate::{self, CERTIFICATE, KEY, ROOT},
    files::{put, read},
    gate::{self, Statement},
    solve::{self, Apt},
    state::{Identity, Last, Lock, Memory, Work},
    talk::Talk,
    way_back, witness,
};
use api::{CHECK_IN_PATH, CheckIn, Job, JobEnd, JobPhase, Orders, Plan, Report};
use ids::{Digest, Fault, Timestamp};
use rcgen::KeyPair;
use std::{ops::Range, time::Duration};
use trust::{SiteRoot, Verified};
use vendor_apt::Inventory;

/// How long a way back is kept after its job: 30 days.
const WAY_BACK_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;
const AGAIN_IN_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// From the first change to the end: a job here is gone on with whatever else there is.
const UNDER_WAY: Range<JobPhase> = JobPhase::Applying..JobPhase::Ended;

/// An enrolled machine's agent. Others are kept out while it lives.
pub struct Agent {
    machine: Machine,
    identity: Identity,
    memory: Memory,
    _lock: Lock,
}

/// What came of a check-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// One sentence for people.
    pub sentence: String,
    /// When the appliance wants to hear again, before jitter.
    pub again_in: Duration,
    /// Whether packages were changed, so that a long-running agent had better start anew.
    pub changed: bool,
    /// Whose fault it is, where a job came to a bad end or has to wait for a person in this check-in.
    pub fault: Option<Fault>,
}

/// What an answer brought, besides what was remembered of it.
struct Heard {
    orders: Orders,
    /// The ring's statement; an error where there is one and it is not obeyed.
    statement: Result<Option<Statement>, Error>,
}

/// The way to the appliance, and who goes it.
struct Link<'a> {
    machine: &'a Machine,
    identity: &'a Identity,
    talk: Talk,
    key: KeyPair,
    certificate: Vec<u8>,
}

impl Agent {
    /// Reads who this endpoint is and what it remembers.
    ///
    /// # Errors
    /// [`Error::NotEnrolled`], [`Error::Busy`], or which file cannot be used.
    pub fn start(machine: &Machine) -> Result<Self, Error> {
        let identity = Identity::load(machine)?;
        let lock = Lock::take(machine)?;
        let memory = Memory::load(machine, &identity)?;
        Ok(Self { machine: machine.clone(), identity, memory, _lock: lock })
    }

    /// Checks in once, and works on the job as far as it goes.
    ///
    /// # Errors
    /// Why nothing, or nothing more, was done. What was learnt is remembered.
    pub fn check_in(&mut self) -> Result<Came, Error> {
        let came = self.once();
        let at = Timestamp::now();
        let sentence = came.as_ref().map_or_else(|e| crate::told(e), |c| c.sentence.clone());
        self.memory.last = Some(Last { at, sentence });
        self.memory.save(&self.machine)?;
        came
    }

    fn once(&mut self) -> Result<Came, Error> {
        let Self { machine, identity, memory, .. } = self;
        let link = Link::new(machine, identity)?;
        let inventory = take_inventory(machine, identity)?;
        let heard = match link.exchange(memory, Some(&inventory), None) {
            Ok(heard) => heard,
            // What was begun and stopped is gone on with, by what is known.
            Err(error @ Error::Unreachable { .. }) if memory.is_in(UNDER_WAY) => {
                let before = installed_now(machine)?;
                let Worked { sentence, soon, fault } = work(&link, memory, None, &[])?;
                let sentence = format!("{sentence} ({})", crate::told(&error));
                let changed = installed_now(machine)? != before;
                let again_in = soon.unwrap_or_default();
                return Ok(Came { sentence, again_in, changed, fault });
            }
            Err(error) => return Err(error),
        };
        let again_in = Duration::from_secs(heard.orders.again_in_seconds).min(AGAIN_IN_MAX);
        memory.undoubted()?;
        let before = installed_now(machine)?;
        let statement = match &heard.statement {
            // Whatever is wrong with a statement, the appliance learns what is here.
            Err(_) => None,
            Ok(statement) => statement.as_ref(),
        };
        let done = solve_and_work(&link, memory, &heard, statement, &inventory);
        forget_old_way_back(machine, memory)?;
        let changed = installed_now(machine)? != before;
        if changed {
            let inventory = take_inventory(machine, identity)?;
            // The next check-in says it otherwise.
            drop(link.exchange(memory, Some(&inventory), None));
        }
        let Worked { sentence, soon, fault } = done?;
        heard.statement?;
        let again_in = soon.map_or(again_in, |soon| soon.min(again_in));
        Ok(Came { sentence, again_in, changed, fault })
    }
}

/// Solves, tells the plan, and works on the job that the statement asks for.
fn solve_and_work(
    link: &Link<'_>,
    memory: &mut Memory,
    heard: &Heard,
    statement: Option<&Statement>,
    inventory: &Inventory,
) -> Result<Worked, Error> {
    let waivers = &heard.orders.waivers;
    end_what_is_over(link, memory, statement)?;
    let own = |memory: &Memory| {
        memory.job.as_ref().is_some_and(|job| statement.is_some_and(|s| s.digest == job.statement))
    };
    // A job that has begun knows what it applies: nothing has to be solved for it.
    if own(memory) && memory.is_in(JobPhase::Snapshotting..JobPhase::Ended) {
        return work(link, memory, statement, waivers);
    }
    let Some(sources) = memory.sources.clone().filter(|text| !text.trim().is_empty()) else {
        return Ok(Worked::only("the ring points at nothing yet"));
    };
    // What was begun comes before what could be: apt does not solve on what is half done.
    if memory.is_in(UNDER_WAY) {
        let worked = work(link, memory, statement, waivers)?;
        if worked.fault.is_some() || !memory.is_in(JobPhase::Ended..) {
            return Ok(worked);
        }
    }
    let apt = Apt::new(link.machine, &sources, &link.identity.endpoints)?;
    apt.update()?;
    let plan = apt.plan()?;
    if heard.orders.wants_inventory {
        (memory.inventory, memory.plan) = (None, None);
    }
    if memory.plan != Some(digest(&plan)) {
        // The statement in this answer is for the next check-in, but its generation counts now.
        drop(link.exchange(memory, Some(inventory), Some(&plan))?);
        memory.undoubted()?;
    }
    if memory.roots.is_empty() {
        return Ok(Worked::only("the site has no root yet: nothing is applied"));
    }
    let Some(statement) = statement else {
        return Ok(Worked::only("there is no approval for this ring"));
    };
    if !own(memory) {
        let phase = memory.job.as_ref().map_or(JobPhase::Ended, |job| job.phase);
        let named = statement.approval.endpoints.binary_search(&link.identity.endpoint).is_ok();
        let denied = gate::permits(statement, link.identity, memory, [], Timestamp::now());
        if phase != JobPhase::Ended {
            let why = if named { None } else { denied.as_ref().err() };
            give_up(link, memory, why)?;
        }
        if !named {
            denied.map_err(Error::denied("the approval"))?;
        }
        memory.job = Some(apply::job(link.machine, statement, &plan)?);
        memory.save(link.machine)?;
    } else if let Some(job) = memory.job.as_mut().filter(|j| j.phase == JobPhase::WaitingForWindow)
    {
        // Solved again just now: it is this that the gate judges.
        job.automatic = crate::dpkg::automatic(link.machine, &plan.packages)?;
        job.packages.clone_from(&plan.packages);
    }
    work(link, memory, Some(statement), waivers)
}

/// Ends the job that the appliance has ended, whatever is remembered of it: the whole machine may have
/// gone back to a time before. A job that is not known here is remembered as ended, so that it never begins.
fn end_what_is_over(
    link: &Link<'_>,
    memory: &mut Memory,
    statement: Option<&Statement>,
) -> Result<(), Error> {
    let Some(run) = memory.run.clone() else { return Ok(()) };
    let Some(end) = run.over else { return Ok(()) };
    let is_known = memory.job.as_ref().is_some_and(|job| job.statement == run.approval);
    if !is_known && memory.is_in(UNDER_WAY) {
        return Ok(());
    }
    if let (false, Some(statement)) = (is_known, statement.filter(|s| s.digest == run.approval)) {
        memory.job = Some(apply::job(link.machine, statement, &Plan::default())?);
    }
    let Some(job) = memory.job.as_mut().filter(|job| job.statement == run.approval) else {
        return Ok(());
    };
    if let Some(message) = apply::over(link.machine, job, end) {
        // The appliance knows that better than we do.
        (job.phase, job.end, job.told) = (JobPhase::Ended, Some(end), true);
        (job.message, job.at) = (message, Timestamp::now());
        memory.save(link.machine)?;
    }
    Ok(())
}

/// Ends a job that was not begun, because the ring has a newer statement.
fn give_up(link: &Link<'_>, memory: &mut Memory, why: Option<&trust::Denial>) -> Result<(), Error> {
    if let Some(job) = &mut memory.job {
        let why =
            why.map_or_else(|| "a newer statement took its place".into(), ToString::to_string);
        job.message = format!("nothing of it was applied: {why}");
        (job.phase, job.end, job.told) = (JobPhase::Ended, Some(JobEnd::Expired), false);
        job.at = Timestamp::now();
    }
    memory.save(link.machine)?;
    // What cannot be told now is lost with the job, and the newer statement says as much.
    drop(link.exchange(memory, None, None));
    Ok(())
}

/// Works on the job, under the statement that was heard or else the one that is kept with the job.
fn work(
    link: &Link<'_>,
    memory: &mut Memory,
    statement: Option<&Statement>,
    waivers: &[trust::Envelope],
) -> Result<Worked, Error> {
    let Link { machine, identity, .. } = *link;
    let root = identity.newest_root(&memory.roots)?;
    let root = root.ok_or_else(|| Error::Refused("the site has no root".into()))?;
    let kept = memory.job.as_ref().map(|job| job.approval.clone());
    let statement = match (statement, kept) {
        (Some(statement), _) => statement.clone(),
        (None, Some(kept)) => gate::hear(&root, identity, memory, &kept, Timestamp::now())?,
        (None, None) => return Ok(Worked::only("there is no job")),
    };
    let sources = memory.sources.clone().unwrap_or_default();
    let apt = Apt::new(machine, &sources, &identity.endpoints)?;
    let mut tell = |memory: &mut Memory| drop(link.exchange(memory, None, None));
    let (root, statement, apt) = (&root, &statement, &apt);
    let came = Worked::default();
    Shift { machine, identity, root, memory, apt, statement, waivers, tell: &mut tell, came }.work()
}

impl<'a> Link<'a> {
    fn new(machine: &'a Machine, identity: &'a Identity) -> Result<Self, Error> {
        let file = |inside: &str| {
            let path = machine.path(inside);
            let reason = "it is missing: enrol again".to_owned();
            read(&path)?.ok_or(Error::Content { path, reason })
        };
        let (root, certificate, key_pem) = (file(ROOT)?, file(CERTIFICATE)?, file(KEY)?);
        let pair = [&certificate[..], b"\n", &key_pem[..]].concat();
        let talk = Talk::new(&root, Some(&pair))?;
        Ok(Self { machine, identity, talk, key: certificate::key(machine)?, certificate })
    }

    /// One question and its answer. What the answer brings is judged and remembered here.
    fn exchange(
        &self,
        memory: &mut Memory,
        inventory: Option<&Inventory>,
        plan: Option<&Plan>,
    ) -> Result<Heard, Error> {
        let now = Timestamp::now();
        let root = self.identity.newest_root(&memory.roots)?;
        let inventory = inventory.filter(|i| memory.inventory != Some(inventory_digest(i)));
        let job = memory.job.as_ref().filter(|job| !job.told).cloned();
        let wants_renewal = certificate::wants_renewal(&self.certificate, now);
        let name = self.identity.endpoint.as_str();
        let renewal = wants_renewal.then(|| certificate::request(&self.key, name)).transpose()?;
        let question = CheckIn {
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            root_generation: root.as_ref().map_or(0, |root| root.generation),
            held: memory.held.as_ref().map(|held| held.note.clone()),
            alarm: memory.alarm.clone(),
            inventory: inventory.cloned(),
            plan: plan.cloned(),
            report: job.as_ref().map(report),
            renewal,
        };
        let address = format!("{}{CHECK_IN_PATH}", self.identity.endpoints);
        let orders = self.orders(&address, &question)?;
        if let Some(inventory) = inventory {
            memory.inventory = Some(inventory_digest(inventory));
        }
        if let Some(plan) = plan {
            memory.plan = Some(digest(plan));
        }
        if let (Some(own), Some(said)) = (&mut memory.job, &job) {
            own.told = own.statement == said.statement
                && own.phase == said.phase
                && own.message == said.message;
        }
        memory.run.clone_from(&orders.run);
        let heard = self.obey(memory, root, orders, now);
        memory.save(self.machine)?;
        if let Err(Error::Alarm(_)) = &heard
            && question.alarm.is_none()
        {
            // The alarm goes out at once, if it can.
            let question = CheckIn { alarm: memory.alarm.clone(), inventory: None, ..question };
            let question = CheckIn { plan: None, report: None, renewal: None, ..question };
            drop(self.talk.ask::<Orders>(&address, &question));
        }
        heard
    }

    /// The answer to a question; to the same without its report, where that is not believed. What was put
    /// back as a whole says what it said long ago: that must not keep the orders away.
    fn orders(&self, address: &str, question: &CheckIn) -> Result<Orders, Error> {
        match self.talk.ask(address, question) {
            Err(Error::Problem { status: 400..429, .. }) if question.report.is_some() => {
                self.talk.ask(address, &CheckIn { report: None, ..question.clone() })
            }
            answer => answer,
        }
    }

    /// Roots first, then the log, then the ring's statement.
    fn obey(
        &self,
        memory: &mut Memory,
        mut root: Option<Verified<SiteRoot>>,
        orders: Orders,
        now: Timestamp,
    ) -> Result<Heard, Error> {
        let denied = Error::denied("the site root");
        for envelope in &orders.roots {
            let offered = SiteRoot::unverified(envelope).map_err(&denied)?;
            if root.as_ref().is_some_and(|root| offered.generation <= root.generation) {
                continue;
            }
            let mut chain = memory.roots.clone();
            chain.push(envelope.clone());
            root = self.identity.newest_root(&chain)?;
            memory.roots = chain;
        }
        if let (Some(root), None) = (&root, &memory.alarm) {
            let held = memory.held.as_ref();
            match witness::witness(root, held, &orders.checkpoint, &orders.proof) {
                Ok(held) => memory.held = Some(held),
                Err(error) => {
                    if let Error::Alarm(alarm) = &error {
                        memory.alarm = Some(alarm.clone());
                    }
                    return Err(error);
                }
            }
        }
        let statement = match (&root, &orders.approval) {
            (Some(root), Some(envelope)) => {
                gate::hear(root, self.identity, memory, envelope, now).map(Some)
            }
            _ => Ok(None),
        };
        if memory.sources.as_ref() != Some(&orders.sources) {
            // apt keeps newer lists where an older release is offered: a ring that was pointed back
            // would never be seen.
            solve::forget_lists(self.machine)?;
            memory.sources = Some(orders.sources.clone());
        }
        if let Some(pem) = &orders.certificate
            && certificate::is_for(pem.as_bytes(), &self.key)
        {
            put(&self.machine.path(CERTIFICATE), pem.as_bytes(), 0o644, None)?;
        }
        Ok(Heard { orders, statement })
    }
}

fn report(job: &Work) -> Report {
    let message = job.message.clone();
    let (phase, at, end) = (job.phase, job.at, job.end);
    let job = Job { approval: job.statement, phase, at, way_back: job.secured, end };
    Report { job, message }
}

fn take_inventory(machine: &Machine, identity: &Identity) -> Result<Inventory, Error> {
    let name = Some(identity.endpoint.to_string());
    client::take_inventory(machine.root(), name, Timestamp::now()).map_err(Error::Inventory)
}

/// A digest of all that an inventory says but when it was taken.
fn inventory_digest(inventory: &Inventory) -> Digest {
    let mut inventory = inventory.clone();
    inventory.taken_at = Timestamp::UNIX_EPOCH;
    digest(&inventory)
}

fn installed_now(machine: &Machine) -> Result<Digest, Error> {
    way_back::live_status(machine)
}

fn digest(value: &impl serde::Serialize) -> Digest {
    // Strings, numbers and lists always serialize.
    Digest::of(&serde_json::to_vec(value).unwrap_or_default())
}

/// Removes the way back of a job that ended long ago.
fn forget_old_way_back(machine: &Machine, memory: &mut Memory) -> Result<(), Error> {
    let now = Timestamp::now();
    // What could not be put back is a person's, and so is what it could be put back from.
    let is_done =
        |job: &&mut Work| job.phase == JobPhase::Ended && job.end != Some(JobEnd::RestoreFailed);
    let Some(job) = memory.job.as_mut().filter(is_done) else { return Ok(()) };
    let old =
        |made: &&mut way_back::Made| now.duration_since(made.at).as_secs() > WAY_BACK_SECONDS_MAX;
    if let Some(made) = job.way_back.as_mut().filter(old) {
        way_back::of(made.kind, machine).delete(made)?;
        job.way_back = None;
        memory.save(machine)?;
    }
    Ok(())
}
