//! A simulated agent: what `src/agent` does at a check-in, one written step after the other, on a machine whose
//! luck the die throws. What is applied is judged from outside, by what people signed and by what the copies hold.

use crate::{
    Fault, Right,
    house::{House, Statement},
    machine::{Copy, Machine, Versions, package},
};
use api::{CheckIn, Orders, Plan, PlannedPackage, Report, RunOrders};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fleet::{Job, JobEnd, JobPhase, Resolution, WayBack};
use ids::{Digest, EndpointName, RecordId, RingName, Timestamp};
use jiff::SignedDuration;
use merkle::{Checkpoint, Note, verify_consistency};
use std::{collections::BTreeSet, sync::Arc};
use trust::{ApprovedPackage, Asked, Decision, Denied, Envelope, Waiver};

/// One agent with its machine.
pub(crate) struct Agent {
    pub(crate) name: EndpointName,
    pub(crate) id: RecordId,
    pub(crate) certificate: Digest,
    pub(crate) ring: RingName,
    pub(crate) provided: bool,
    pub(crate) stateless: bool,
    /// Its own copies never work, so a waiver stands in their place.
    pub(crate) waived: bool,
    pub(crate) machine: Machine,
    /// What it remembers, and what of that is on its disk.
    ram: Memory,
    saved: Memory,
    copy: Option<Copy>,
    /// The provider's snapshot: the agent's memory goes back with the machine.
    pub(crate) snapshot: Option<(Memory, Copy, Digest)>,
    silent_until: Timestamp,
    pub(crate) heard_at: Timestamp,
    /// Approvals whose job is effective in truth, and those after which the machine was put back.
    pub(crate) effective: BTreeSet<Digest>,
    pub(crate) put_back: BTreeSet<Digest>,
}

/// What an agent remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    seen: Option<(u64, Digest)>,
    statement: Option<Arc<Statement>>,
    held: Option<String>,
    run: Option<RunOrders>,
    waivers: Vec<Envelope>,
    /// The bundle at whose view its ring points.
    offered: u64,
    told_installed: Option<Versions>,
    told_plan: Option<Plan>,
    wants_inventory: bool,
    job: Option<Work>,
}

/// A job.
#[derive(Debug, Clone)]
struct Work {
    statement: Arc<Statement>,
    packages: Vec<PlannedPackage>,
    phase: JobPhase,
    at: Timestamp,
    end: Option<JobEnd>,
    secured: Option<WayBack>,
    told: bool,
    /// When the machine is to restart, and the boot in which people were told.
    notice: Option<(Timestamp, u64)>,
}

/// What comes after a state.
enum Step {
    To(JobPhase),
    Stay,
    End(JobEnd),
    /// The machine went down over it.
    Down,
}

impl Memory {
    fn phase(&self) -> JobPhase {
        self.job.as_ref().map_or(JobPhase::Ended, |job| job.phase)
    }

    fn is_under_way(&self) -> bool {
        (JobPhase::Applying..JobPhase::Ended).contains(&self.phase())
    }

    /// The run's word about its job.
    fn own_run(&self) -> Option<&RunOrders> {
        let job = self.job.as_ref()?;
        self.run.as_ref().filter(|run| run.approval == job.statement.digest)
    }

    fn own(&self) -> bool {
        let newest = self.statement.as_ref().map(|statement| statement.digest);
        newest.is_some() && self.job.as_ref().map(|job| job.statement.digest) == newest
    }
}

impl Work {
    const fn new(statement: Arc<Statement>, packages: Vec<PlannedPackage>, at: Timestamp) -> Self {
        let phase = JobPhase::WaitingForWindow;
        Self { statement, packages, phase, at, end: None, secured: None, told: false, notice: None }
    }

    fn goes(&mut self, phase: JobPhase, end: Option<JobEnd>, at: Timestamp) {
        if self.phase != phase {
            self.at = at;
        }
        if phase < JobPhase::WayBackProven {
            self.secured = None;
        }
        (self.phase, self.end, self.told) = (phase, end, false);
    }

    fn job(&self) -> Job {
        let (phase, at, end) = (self.phase, self.at, self.end);
        Job { approval: self.statement.digest, phase, at, way_back: self.secured, end }
    }

    fn wanted(&self) -> impl Iterator<Item = &ApprovedPackage> {
        self.packages.iter().map(|planned| &planned.package)
    }
}

impl Agent {
    pub(crate) fn new(
        name: EndpointName,
        id: RecordId,
        certificate: Digest,
        ring: RingName,
    ) -> Self {
        Self {
            name,
            id,
            certificate,
            ring,
            provided: false,
            stateless: false,
            waived: false,
            machine: Machine::default(),
            ram: Memory::default(),
            saved: Memory::default(),
            copy: None,
            snapshot: None,
            silent_until: Timestamp::UNIX_EPOCH,
            heard_at: Timestamp::UNIX_EPOCH,
            effective: BTreeSet::new(),
            put_back: BTreeSet::new(),
        }
    }

    /// Whether its job has not come to an end.
    pub(crate) fn is_at_work(&self) -> bool {
        self.ram.job.as_ref().is_some_and(|job| job.end.is_none())
    }

    /// How its job stands, for the sentence of a failure.
    pub(crate) fn stands(&self) -> String {
        let job = self.ram.job.as_ref();
        let word = job.map_or("no job", |job| job.job().word());
        format!("{} ({word}, {:?})", self.name, self.ram.run)
    }

    /// The machine goes down: what was not written is forgotten.
    pub(crate) fn crash(&mut self) {
        self.machine.boot();
        self.ram = self.saved.clone();
    }

    fn save(&mut self) {
        self.saved = self.ram.clone();
    }

    /// Its provider takes a snapshot of it, as it is on its disk.
    pub(crate) fn snapshot(&mut self, approval: Digest) {
        let copy = Copy { machine: self.machine, whole: true };
        self.snapshot = Some((self.saved.clone(), copy, approval));
    }

    /// Its provider puts it back, its memory with it.
    pub(crate) fn goes_back(&mut self) {
        if let Some((memory, copy, approval)) = self.snapshot.clone() {
            self.machine.goes_back(&copy);
            (self.ram, self.saved) = (memory.clone(), memory);
            self.put_back.insert(approval);
            self.effective.remove(&approval);
        }
    }

    /// One check-in and the work that follows; when the next is due.
    pub(crate) fn wake(&mut self, house: &mut House) -> Right<SignedDuration> {
        let now = house.now();
        if !house.calm() {
            if now < self.silent_until {
                return Ok(SignedDuration::from_hours(1));
            }
            if house.chance.one_in(400) {
                let hours = i64::try_from(house.chance.between(1, 60)).unwrap_or(1);
                self.silent_until =
                    now.saturating_add(SignedDuration::from_hours(hours)).unwrap_or(now);
            }
            if house.chance.one_in(150) {
                self.crash();
            }
        } else if self.machine.stale && house.chance.one_in(20) {
            // Whoever owns it switches it off and on.
            self.crash();
        }
        let heard = self.exchange(house, None)?;
        if heard {
            self.end_what_is_over(house);
        }
        if heard || self.ram.is_under_way() {
            self.solve_and_work(house)?;
        }
        if heard && self.ram.told_installed != Some(self.machine.installed) {
            self.exchange(house, None)?;
        }
        let soon = self.is_at_work() && !matches!(self.ram.phase(), JobPhase::WaitingForWindow);
        let minutes = match (soon, self.ram.phase()) {
            (true, _) => house.chance.between(4, 15),
            (false, JobPhase::WaitingForWindow) => house.chance.between(15, 60),
            (false, _) => house.chance.between(60, 240),
        };
        Ok(SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(60)))
    }

    /// One question and its answer, where neither is lost.
    fn exchange(&mut self, house: &mut House, plan: Option<&Plan>) -> Right<bool> {
        let installed = self.machine.installed;
        let inventory = (self.ram.told_installed != Some(installed) || self.ram.wants_inventory)
            .then(|| self.machine.inventory(&self.name, house.now()))
            .flatten();
        let job = self.ram.job.as_ref().filter(|job| !job.told).map(Work::job);
        let message = job.as_ref().map_or_else(String::new, |job| job.word().to_owned());
        let question = CheckIn {
            agent: "simulated".into(),
            root_generation: 1,
            held: self.ram.held.clone(),
            alarm: None,
            inventory,
            plan: plan.cloned(),
            report: job.clone().map(|job| Report { job, message }),
            renewal: None,
        };
        let luck = if house.calm() { 99 } else { house.chance.below(60) };
        if luck == 0 {
            return Ok(false);
        }
        if luck <= 2 {
            house.repeat(self.certificate, question.clone());
        }
        let Some(orders) = house.check_in(&self.name, self.certificate, &question)? else {
            return Ok(false);
        };
        if luck == 1 {
            return Ok(false);
        }
        self.heard_at = house.now();
        if question.inventory.is_some() {
            self.ram.told_installed = Some(installed);
        }
        if plan.is_some() {
            self.ram.told_plan = plan.cloned();
        }
        if let (Some(own), Some(said)) = (&mut self.ram.job, &job) {
            own.told = own.job() == *said;
        }
        self.obey(house, &orders)?;
        if !house.calm() && house.chance.one_in(600) {
            self.crash();
            return Ok(false);
        }
        self.save();
        Ok(true)
    }

    /// The log first, then the ring's statement.
    fn obey(&mut self, house: &mut House, orders: &Orders) -> Right<()> {
        self.witness(house, orders)?;
        if let Some(envelope) = &orders.approval {
            let statement = house.statement(envelope)?;
            let seen = self.ram.seen.map_or(0, |(generation, _)| generation);
            let asked = Asked { endpoint: &self.name, ring: &self.ring, seen };
            let concerns = statement.approval.concerns(asked);
            concerns.map_err(|e| format!("{} is told an old statement: {e}", self.name))?;
            self.ram.seen = Some((statement.approval.generation, statement.digest));
            self.ram.statement = Some(statement);
        }
        self.ram.run.clone_from(&orders.run);
        self.ram.waivers.clone_from(&orders.waivers);
        self.ram.wants_inventory = orders.wants_inventory;
        let views = orders.sources.lines().find_map(|line| line.strip_prefix("# Views: vendor "));
        self.ram.offered = views.and_then(|views| views.trim().parse().ok()).unwrap_or(0);
        Ok(())
    }

    /// The log goes on from what is held.
    fn witness(&mut self, house: &House, orders: &Orders) -> Right<()> {
        let wrong = |what: String| format!("{} does not believe the log: {what}", self.name);
        let key = house.log_key.as_ref().ok_or("the site has no root")?;
        let new = Checkpoint::open(orders.checkpoint.as_bytes(), key)
            .map_err(|e| wrong(e.to_string()))?;
        if let Some(held) = self.ram.held.as_ref().filter(|held| **held != orders.checkpoint) {
            let old = Note::parse(held.as_bytes()).and_then(|note| Checkpoint::parse(note.text()));
            let old = old.map_err(|e| wrong(e.to_string()))?;
            let hash = |text: &String| {
                Some(Digest::from_bytes(STANDARD.decode(text).ok()?.try_into().ok()?))
            };
            let proof: Option<Vec<Digest>> = orders.proof.iter().map(hash).collect();
            let proof = proof.ok_or_else(|| wrong("a proof without hashes".into()))?;
            verify_consistency(old.size, &old.root, new.size, &new.root, &proof)
                .map_err(|e| wrong(e.to_string()))?;
        }
        self.ram.held = Some(orders.checkpoint.clone());
        Ok(())
    }

    /// Ends the job that the appliance has ended, whatever is remembered of it.
    fn end_what_is_over(&mut self, house: &House) {
        let Some((approval, end)) =
            self.ram.run.as_ref().and_then(|run| Some((run.approval, run.over?)))
        else {
            return;
        };
        let is_known = self.ram.job.as_ref().is_some_and(|job| job.statement.digest == approval);
        if !is_known {
            let statement = self.ram.statement.clone().filter(|s| s.digest == approval);
            let Some(statement) = statement.filter(|_| !self.ram.is_under_way()) else { return };
            self.ram.job = Some(Work::new(statement, Vec::new(), house.now()));
        }
        let Some(job) = &mut self.ram.job else { return };
        let unbegun = matches!(end, JobEnd::Cancelled | JobEnd::Expired | JobEnd::Refused);
        match job.phase {
            JobPhase::Ended => job.told = true,
            JobPhase::Restoring => {}
            phase if unbegun && phase >= JobPhase::Applying => {}
            _ => {
                job.goes(JobPhase::Ended, Some(end), house.now());
                job.told = true;
            }
        }
        self.save();
    }

    /// What the machine's own solver would take from what its ring offers.
    fn plan(&self, house: &House) -> Plan {
        let offered = house.offered(self.ram.offered);
        let lacking =
            (0..).zip(offered).filter(|(n, version)| *version > self.machine.installed[*n]);
        let planned = lacking.map(|(n, version)| PlannedPackage {
            package: package(n, version),
            replaces: Some(self.machine.installed[n].to_string()),
        });
        Plan { packages: planned.collect(), kept_back: Vec::new() }
    }

    fn solve_and_work(&mut self, house: &mut House) -> Right<()> {
        if self.ram.own() && (JobPhase::Snapshotting..JobPhase::Ended).contains(&self.ram.phase()) {
            return self.work(house);
        }
        if self.ram.is_under_way() {
            self.work(house)?;
            if self.ram.is_under_way() {
                return Ok(());
            }
        }
        if self.ram.offered == 0 {
            return Ok(());
        }
        let plan = self.plan(house);
        let is_told = self.ram.told_plan.as_ref() == Some(&plan) && !self.ram.wants_inventory;
        if !is_told && !self.exchange(house, Some(&plan))? {
            return Ok(());
        }
        let Some(statement) = self.ram.statement.clone() else { return Ok(()) };
        let now = house.now();
        if self.ram.own() {
            if let Some(job) =
                self.ram.job.as_mut().filter(|job| job.phase == JobPhase::WaitingForWindow)
            {
                job.packages = plan.packages;
            }
        } else {
            if let Some(job) = self.ram.job.as_mut().filter(|job| job.end.is_none()) {
                job.goes(JobPhase::Ended, Some(JobEnd::Expired), now);
                self.save();
                self.exchange(house, None)?;
            }
            if statement.approval.endpoints.binary_search(&self.name).is_err() {
                return Ok(());
            }
            self.ram.job = Some(Work::new(statement, plan.packages, house.now()));
            self.save();
        }
        self.work(house)
    }

    /// Works until the job has ended or has to wait, or something comes in between.
    fn work(&mut self, house: &mut House) -> Right<()> {
        loop {
            let step = match self.ram.phase() {
                JobPhase::WaitingForWindow => self.begin(house),
                JobPhase::Snapshotting => self.secure(house),
                JobPhase::WayBackProven | JobPhase::Waived => {
                    self.no_way_on(house).unwrap_or(Step::To(JobPhase::Applying))
                }
                JobPhase::Applying => self.apply(house)?,
                JobPhase::AwaitingRestart => self.await_restart(house)?,
                JobPhase::Confirming => self.confirm(house),
                JobPhase::AwaitingDecision => self.decide(),
                JobPhase::Restoring => self.restore(house),
                JobPhase::Ended => return Ok(()),
            };
            house.tick();
            let now = house.now();
            let Some(job) = &mut self.ram.job else { return Ok(()) };
            let goes_on = match step {
                Step::To(phase) => {
                    job.goes(phase, None, now);
                    phase != JobPhase::WaitingForWindow
                }
                Step::End(end) => {
                    job.goes(JobPhase::Ended, Some(end), now);
                    false
                }
                Step::Stay => {
                    self.save();
                    return Ok(());
                }
                Step::Down => {
                    self.crash();
                    return Ok(());
                }
            };
            self.save();
            self.exchange(house, None)?;
            if !goes_on || house.chance.one_in(4) {
                return Ok(());
            }
        }
    }

    /// What stands against applying these packages now: the newest statement that was heard decides.
    fn gate(&self, house: &House, packages: &[ApprovedPackage]) -> Option<Step> {
        if house.fault == Fault::AppliesUnapproved {
            return None;
        }
        let statement =
            self.ram.statement.as_ref().or(self.ram.job.as_ref().map(|job| &job.statement))?;
        let seen = self.ram.seen.map_or(0, |(generation, _)| generation);
        let asked = Asked { endpoint: &self.name, ring: &self.ring, seen };
        let now = house.now();
        let denial = statement.approval.permits(asked, packages, now).err()?;
        Some(match denial.reason() {
            Denied::WindowClosed if statement.approval.windows.iter().any(|w| w.opens > now) => {
                Step::Stay
            }
            Denied::WindowClosed | Denied::Withdrawn | Denied::Expired | Denied::OldGeneration => {
                Step::End(JobEnd::Expired)
            }
            _ => Step::End(JobEnd::Refused),
        })
    }

    fn held_back(&self) -> Option<Step> {
        let run = self.ram.own_run();
        (!run.is_some_and(|run| run.go && run.over.is_none())).then_some(Step::Stay)
    }

    fn all(&self) -> Vec<ApprovedPackage> {
        self.ram.job.iter().flat_map(Work::wanted).cloned().collect()
    }

    /// What stands against changing packages; what only waits goes back to wait for another window.
    fn no_way_on(&self, house: &House) -> Option<Step> {
        match self.gate(house, &self.all()).or_else(|| self.held_back()) {
            Some(Step::Stay) => Some(Step::To(JobPhase::WaitingForWindow)),
            other => other,
        }
    }

    fn begin(&mut self, house: &House) -> Step {
        let all = self.all();
        if let Some(step) = self.gate(house, &all).or_else(|| self.held_back()) {
            return step;
        }
        if all.is_empty() {
            self.effective.extend(self.ram.job.as_ref().map(|job| job.statement.digest));
            return Step::End(JobEnd::Effective);
        }
        Step::To(JobPhase::Snapshotting)
    }

    fn is_provided(&self) -> bool {
        let listed = |s: &Arc<Statement>| s.approval.provided.binary_search(&self.name).is_ok();
        self.ram.statement.as_ref().is_some_and(listed)
            && self.ram.own_run().is_some_and(|run| run.provided)
    }

    fn secure(&mut self, house: &mut House) -> Step {
        if self.is_provided() {
            if let Some(step) = self.no_way_on(house) {
                return step;
            }
            let proven = self.ram.own_run().is_some_and(|run| run.proven);
            if !proven && house.fault != Fault::AppliesWithoutWayBack {
                return Step::Stay;
            }
            return self.secured(WayBack::Provided);
        }
        let fails = self.waived || house.chance.one_in(30);
        self.copy = Some(Copy { machine: self.machine, whole: !fails });
        if !fails || house.fault == Fault::AppliesWithoutWayBack {
            return self.secured(WayBack::Own);
        }
        if house.waived(&self.ram.waivers, &self.name) {
            return self.secured(WayBack::Waived);
        }
        Step::End(JobEnd::Refused)
    }

    fn secured(&mut self, by: WayBack) -> Step {
        if let Some(job) = &mut self.ram.job {
            job.secured = Some(by);
        }
        Step::To(if by == WayBack::Waived { JobPhase::Waived } else { JobPhase::WayBackProven })
    }

    fn apply(&mut self, house: &mut House) -> Right<Step> {
        let missing: Vec<ApprovedPackage> =
            self.all().into_iter().filter(|package| !self.machine.has(package)).collect();
        if !missing.is_empty() {
            match self.gate(house, &missing) {
                None => {}
                Some(Step::End(_)) => return Ok(Step::End(JobEnd::Failed)),
                Some(step) => return Ok(step),
            }
            self.judge(house, &missing)?;
            house.applied += 1;
            self.machine.touched = self.ram.job.as_ref().map(|job| job.statement.digest);
            let luck = if house.calm() { 99 } else { house.chance.below(40) };
            let done = if luck <= 2 { missing.len() / 2 } else { missing.len() };
            for package in missing.iter().take(done) {
                self.machine.install(package);
            }
            self.machine.stale = house.chance.one_in(2);
            match luck {
                0 => return Ok(self.fails()),
                1..=3 => return Ok(Step::Down),
                _ => {}
            }
        }
        let next =
            if self.machine.stale { JobPhase::AwaitingRestart } else { JobPhase::Confirming };
        Ok(Step::To(next))
    }

    /// Looks from outside at what is about to be applied: by what people signed and what the copies hold.
    fn judge(&self, house: &House, missing: &[ApprovedPackage]) -> Right<()> {
        let name = &self.name;
        let job = self.ram.job.as_ref().ok_or("no job applies")?;
        let (approval, now) = (job.statement.digest, house.now());
        let governs = self.ram.seen.map_or(approval, |(_, statement)| statement);
        let signed = house.signed.get(&governs).filter(|signed| {
            signed.decision == Decision::Approve
                && signed.ring == self.ring
                && signed.endpoints.contains(name)
                && missing.iter().all(|package| signed.packages.contains(package))
        });
        let Some(signed) = signed else {
            return Err(format!("{name} applies what nobody approved"));
        };
        let open = signed.windows.iter().any(|window| window.holds(now));
        if !open || now >= signed.not_after || !house.wall_is_open(&self.ring, now) {
            return Err(format!("{name} applies outside of every window"));
        }
        if !house.started.contains(&approval) {
            return Err(format!("{name} applies, and nobody has started a run of it"));
        }
        let proven = match job.secured {
            Some(WayBack::Own) => self.copy.is_some_and(|copy| copy.leads_before(approval)),
            Some(WayBack::Provided) => self.snapshot.as_ref().is_some_and(|(_, copy, made_for)| {
                *made_for == approval && copy.leads_before(approval)
            }),
            Some(WayBack::Waived) => {
                house.waivers.iter().any(|(names, until)| names.contains(name) && now < *until)
            }
            None => false,
        };
        if !proven {
            return Err(format!("{name} applies without a way back ({:?})", job.secured));
        }
        Ok(())
    }

    fn fails(&self) -> Step {
        match self.ram.job.as_ref().and_then(|job| job.secured) {
            None | Some(WayBack::Waived) => Step::End(JobEnd::Failed),
            Some(WayBack::Own) if self.ram.own_run().is_some_and(|run| run.stateless) => {
                Step::To(JobPhase::Restoring)
            }
            Some(WayBack::Own | WayBack::Provided) => Step::To(JobPhase::AwaitingDecision),
        }
    }

    fn await_restart(&mut self, house: &mut House) -> Right<Step> {
        if !self.machine.stale {
            return Ok(Step::To(JobPhase::Confirming));
        }
        let now = house.now();
        let in_window = self.gate(house, &[]).is_none() || house.fault == Fault::RestartsAnyTime;
        let boots = self.machine.boots;
        let Some(job) = &mut self.ram.job else { return Ok(Step::Stay) };
        match job.notice {
            _ if !in_window => job.notice = None,
            Some((at, boot)) if boot == boots => {
                if now >= at {
                    job.notice = None;
                    self.save();
                    self.restart(house)?;
                    return Ok(Step::Down);
                }
            }
            _ => {
                let at = now.saturating_add(SignedDuration::from_mins(15)).unwrap_or(now);
                job.notice = Some((at, boots));
            }
        }
        Ok(Step::Stay)
    }

    /// Looks from outside at a restart that the agent makes.
    fn restart(&self, house: &mut House) -> Right<()> {
        let (name, now) = (&self.name, house.now());
        let governs = self.ram.seen.map(|(_, statement)| statement);
        let signed = governs.and_then(|statement| house.signed.get(&statement));
        let open = signed.is_some_and(|signed| {
            now < signed.not_after && signed.windows.iter().any(|window| window.holds(now))
        });
        if !open || !house.wall_is_open(&self.ring, now) {
            return Err(format!("{name} restarts at {now}, outside of every window"));
        }
        house.restarted += 1;
        Ok(())
    }

    fn confirm(&mut self, house: &mut House) -> Step {
        let lacks = self.all().iter().any(|package| !self.machine.has(package));
        if lacks && house.fault != Fault::SaysWhatIsNot {
            return Step::End(JobEnd::Failed);
        }
        if !house.calm() && house.chance.one_in(15) {
            return self.fails();
        }
        if !lacks {
            self.effective.extend(self.ram.job.as_ref().map(|job| job.statement.digest));
        }
        if house.fault == Fault::SaysWhatIsNot {
            self.effective.clear();
        }
        Step::End(JobEnd::Effective)
    }

    fn decide(&self) -> Step {
        let run = self.ram.own_run();
        let secured = self.ram.job.as_ref().and_then(|job| job.secured);
        match (run.and_then(|run| run.resolution), secured) {
            (Some(Resolution::Keep), _) => Step::End(JobEnd::Failed),
            (Some(Resolution::Restore), Some(WayBack::Own)) => Step::To(JobPhase::Restoring),
            (None, Some(WayBack::Own)) if run.is_some_and(|run| run.stateless) => {
                Step::To(JobPhase::Restoring)
            }
            _ => Step::Stay,
        }
    }

    fn restore(&mut self, house: &mut House) -> Step {
        let approval = self.ram.job.as_ref().map(|job| job.statement.digest);
        match self.copy {
            Some(copy) if copy.whole && !house.chance.one_in(25) => {
                self.machine.goes_back(&copy);
                self.put_back.extend(approval);
                house.restored += 1;
                Step::End(JobEnd::Restored)
            }
            _ => Step::End(JobEnd::RestoreFailed),
        }
    }
}

/// Whether one of these waivers stands in the place of an endpoint's way back.
pub(crate) fn waives(
    root: &trust::Verified<trust::SiteRoot>,
    waivers: &[Envelope],
    name: &EndpointName,
    now: Timestamp,
) -> bool {
    let covers =
        |envelope| Some(Waiver::verify(root, envelope, now).ok()?.covers(name, now).is_ok());
    waivers.iter().any(|envelope| covers(envelope).unwrap_or(false))
}
