//! The people of a simulated world: they plan, sign, start, hold back and decide, sometimes on what is old by then.

use crate::{Right, appliance::Answer, house::House, machine::PACKAGES};
use fleet::{Actor, Brake, Door, JobPhase, Resolution, Role, RunStanding};
use ids::{Digest, EndpointName, PersonId, RecordId, RingName};
use jiff::SignedDuration;
use site::Wish;
use ssh_key::{
    HashAlg, LineEnding, PrivateKey,
    private::{Ed25519Keypair, KeypairData},
};
use trust::{APPROVAL, Approval, Decision, Envelope, Purpose, WAIVER};

/// A person with a key.
pub(crate) struct Person {
    pub(crate) name: PersonId,
    key: PrivateKey,
}

/// How far a ring's approver is.
#[derive(Default)]
enum Desk {
    #[default]
    Empty,
    /// Drawn up, and not signed yet.
    Drawn(Option<RecordId>, Envelope),
    /// Signed and taken; its run is to be started.
    Taken(RecordId),
}

/// Everybody who decides.
pub(crate) struct People {
    pub(crate) administrator: Person,
    pub(crate) approver: Person,
    desks: Vec<(RingName, Desk)>,
}

impl Person {
    fn new(name: &str, seed: u64) -> Right<Self> {
        let digest = Digest::of(format!("{name} {seed}").as_bytes());
        let pair = Ed25519Keypair::from_seed(digest.as_bytes());
        let key = PrivateKey::new(KeypairData::Ed25519(pair), name).map_err(|e| e.to_string())?;
        Ok(Self { name: name.parse().map_err(|_| "no name")?, key })
    }

    pub(crate) fn public(&self) -> Right<String> {
        self.key.public_key().to_openssh().map_err(|e| e.to_string())
    }

    /// Signs what was drawn up.
    pub(crate) fn sign(&self, purpose: Purpose, mut envelope: Envelope) -> Right<Envelope> {
        let message = envelope.message(purpose).map_err(|e| e.to_string())?;
        let signed = self.key.sign(purpose.namespace, HashAlg::Sha512, &message);
        let pem =
            signed.and_then(|signed| signed.to_pem(LineEnding::LF)).map_err(|e| e.to_string())?;
        envelope.add(purpose, &pem).map_err(|e| e.to_string())?;
        Ok(envelope)
    }
}

/// An administrator, as events have them.
pub(crate) fn administrator() -> Actor {
    person("ann", Role::Administrator)
}

pub(crate) fn operator() -> Actor {
    person("ann", Role::Operator)
}

fn approver() -> Actor {
    person("kim", Role::Approver)
}

#[allow(clippy::unwrap_used, reason = "these names are good")]
fn person(name: &str, role: Role) -> Actor {
    Actor::Person { person: name.parse().unwrap(), role, door: Door::CommandLine }
}

impl People {
    pub(crate) fn new(seed: u64, rings: &[RingName]) -> Right<Self> {
        let desks = rings.iter().map(|ring| (ring.clone(), Desk::Empty)).collect();
        let (administrator, approver) = (Person::new("ann", seed)?, Person::new("kim", seed)?);
        Ok(Self { administrator, approver, desks })
    }

    /// Signs a waiver for these endpoints, for as long as the world lasts.
    pub(crate) fn waive(&self, house: &mut House, names: Vec<EndpointName>) -> Right<()> {
        let until = house.now().saturating_add(SignedDuration::from_hours(24 * 300));
        let until = until.map_err(|e| e.to_string())?;
        let (listed, by) = (names.clone(), self.approver.name.clone());
        let reason = "a copy takes more room than there is".to_owned();
        let drawn = house.appliance.ask(|site| site.draft_waiver(listed, reason, by, until))?.yes();
        let signed = self.approver.sign(WAIVER, drawn.ok_or("no waiver was drawn up")?)?;
        let taken = house.appliance.ask(|site| site.accept_waiver(approver(), &signed))?.yes();
        taken.ok_or("the waiver was not taken")?;
        house.waivers.push((names.into_iter().collect(), until));
        Ok(())
    }

    /// What people do within an hour or so; what they did, in words.
    pub(crate) fn act(&mut self, house: &mut House) -> Right<String> {
        let mut did = self.decide(house)?;
        if house.calm() {
            did.push_str(&self.let_go_on(house, 1)?);
            return Ok(did);
        }
        for n in 0..self.desks.len() {
            let desk = std::mem::take(&mut self.desks[n].1);
            let ring = self.desks[n].0.clone();
            let (next, word) = self.at_desk(house, &ring, desk)?;
            self.desks[n].1 = next;
            did.push_str(&word);
        }
        did.push_str(&self.let_go_on(house, 3)?);
        did.push_str(&self.hold_back(house)?);
        house.note_started();
        Ok(did)
    }

    fn at_desk(&self, house: &mut House, ring: &RingName, desk: Desk) -> Right<(Desk, String)> {
        match desk {
            Desk::Empty if house.chance.one_in(60) => self.take_back(house, ring),
            Desk::Empty => draw_up(house, ring, &self.approver.name),
            Desk::Drawn(run, envelope) => {
                if house.chance.one_in(3) {
                    return Ok((Desk::Drawn(run, envelope), String::new()));
                }
                self.submit(house, ring, run, envelope)
            }
            Desk::Taken(run) => {
                let unsoaked = house.chance.one_in(2);
                let started =
                    house.appliance.ask(|site| site.start_run(operator(), &run, unsoaked))?;
                match started {
                    Answer::Away => Ok((Desk::Taken(run), String::new())),
                    Answer::Yes(()) => Ok((Desk::Empty, format!("a run of {ring} starts; "))),
                    Answer::No(error) => {
                        Ok((Desk::Empty, format!("{ring} does not start ({error}); ")))
                    }
                }
            }
        }
    }

    fn submit(
        &self,
        house: &mut House,
        ring: &RingName,
        run: Option<RecordId>,
        envelope: Envelope,
    ) -> Right<(Desk, String)> {
        let approval = Approval::unverified(&envelope).map_err(|e| e.to_string())?;
        let signed = self.approver.sign(APPROVAL, envelope.clone())?;
        let payload = signed.unverified_payload(APPROVAL).map_err(|e| e.to_string())?;
        // What bears a signature counts, whatever becomes of it on its way.
        house.signed.insert(Digest::of(&payload), approval);
        let taken =
            house.appliance.ask(|site| site.accept_statement(approver(), &signed, false))?;
        house.note_started();
        match (taken, run) {
            (Answer::Away, run) => {
                Ok((Desk::Drawn(run, envelope), format!("{ring}: nobody hears; ")))
            }
            (Answer::Yes(_), Some(run)) => Ok((Desk::Taken(run), format!("{ring} is approved; "))),
            (Answer::Yes(_), None) => Ok((Desk::Empty, format!("{ring} has a new statement; "))),
            (Answer::No(error), _) => {
                Ok((Desk::Empty, format!("{ring}: {}; ", crate::appliance::told(&error))))
            }
        }
    }

    /// Takes back what was approved for a ring.
    fn take_back(&self, house: &mut House, ring: &RingName) -> Right<(Desk, String)> {
        let mut wish = wish(house, ring, &self.approver.name);
        (wish.decision, wish.reason) = (Decision::Withdraw, Some("something is odd".into()));
        match house.appliance.ask(|site| site.draft_statement(wish))?.yes() {
            Some(envelope) => self.submit(house, ring, None, envelope),
            None => Ok((Desk::Empty, String::new())),
        }
    }

    /// Decides about machines whose job failed.
    fn decide(&self, house: &mut House) -> Right<String> {
        let Some(state) = house.appliance.state() else { return Ok(String::new()) };
        let mut asks = Vec::new();
        for (id, known) in state.endpoints.iter() {
            let Some(job) = known.job.as_ref().filter(|job| job.end.is_none()) else { continue };
            let silent = known.silent == Some(job.approval) && !house.calm();
            let waits = job.phase == JobPhase::AwaitingDecision;
            if (waits && (house.calm() || house.chance.one_in(3)))
                || (silent && house.chance.one_in(6))
            {
                asks.push(id.clone());
            }
        }
        let count = asks.len();
        for endpoint in asks {
            let back = house.chance.one_in(2);
            let resolution = if back { Resolution::Restore } else { Resolution::Keep };
            let resolve = fleet::RunCommand::Resolve { endpoint, resolution };
            let resolve = fleet::Command::Run(resolve);
            house.appliance.ask(|site| site.heart().ask(operator(), resolve))?;
        }
        Ok(if count == 0 { String::new() } else { format!("{count} decisions; ") })
    }

    /// Lets paused runs go on.
    fn let_go_on(&self, house: &mut House, one_in: u64) -> Right<String> {
        let paused = |run: &fleet::Run| matches!(run.standing, RunStanding::Paused(_));
        let mut did = String::new();
        for run in runs(house, paused) {
            if house.chance.one_in(one_in) {
                house.appliance.ask(|site| site.resume_run(operator(), &run))?;
                did.push_str("a run goes on; ");
            }
        }
        Ok(did)
    }

    /// Pauses or cancels a run now and then.
    fn hold_back(&self, house: &mut House) -> Right<String> {
        let mut did = String::new();
        for run in runs(house, |run| run.standing == RunStanding::Started) {
            if house.chance.one_in(25) {
                house.appliance.ask(|site| site.pause_run(operator(), &run))?;
                did.push_str("a run is paused; ");
            } else if house.chance.one_in(80) {
                house.appliance.ask(|site| site.cancel_run(operator(), &run))?;
                did.push_str("a run is cancelled; ");
            }
        }
        Ok(did)
    }
}

fn runs(house: &House, is: impl Fn(&fleet::Run) -> bool) -> Vec<RecordId> {
    let Some(state) = house.appliance.state() else { return Vec::new() };
    state.runs.iter().filter(|(_, run)| is(run)).map(|(id, _)| id.clone()).collect()
}

/// Draws the next run of a ring up, where there is something to approve and nothing is under way.
fn draw_up(house: &mut House, ring: &RingName, by: &PersonId) -> Right<(Desk, String)> {
    let nothing = Ok((Desk::Empty, String::new()));
    let busy =
        !runs(house, |run| run.ring == *ring && !matches!(run.standing, RunStanding::Planned))
            .is_empty();
    if busy && !house.chance.one_in(30) || house.chance.one_in(2) {
        return nothing;
    }
    let updates = house.appliance.ask(|site| site.ring_updates(ring))?.yes();
    if updates.is_none_or(|updates| updates.updates.is_empty()) {
        return nothing;
    }
    let mut wish = wish(house, ring, by);
    if house.chance.one_in(5) {
        let n = house.chance.below(PACKAGES as u64);
        wish.packages = vec![format!("package-{n}")];
    }
    let brake = Brake { failures: house.chance.between(0, 4), per_cent: 20 };
    if house.chance.one_in(6) {
        // Nobody planned it: it begins as soon as it is signed.
        let drawn = house.appliance.ask(|site| site.draft_statement(wish))?.yes();
        return Ok(match drawn {
            Some(envelope) => (Desk::Drawn(None, envelope), format!("{ring} is drafted; ")),
            None => (Desk::Empty, String::new()),
        });
    }
    match house.appliance.ask(|site| site.plan_run(operator(), wish, brake))?.yes() {
        Some(planned) => {
            Ok((Desk::Drawn(Some(planned.run), planned.draft), format!("{ring} is planned; ")))
        }
        None => nothing,
    }
}

fn wish(house: &mut House, ring: &RingName, by: &PersonId) -> Wish {
    let days = i64::try_from(house.chance.between(2, 7)).unwrap_or(2);
    let not_after = house.now().saturating_add(SignedDuration::from_hours(24 * days));
    Wish {
        ring: ring.clone(),
        approver: by.clone(),
        decision: Decision::Approve,
        not_after: not_after.unwrap_or_default(),
        windows: Vec::new(),
        named: Vec::new(),
        any_time: false,
        endpoints: Vec::new(),
        packages: Vec::new(),
        reason: None,
    }
}
