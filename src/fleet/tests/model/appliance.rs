//! The appliance's side of the model: the real state of a site, moved by the real `decide` and `evolve`.
//!
//! The model's clock has two times, before and after the approval's end, so that what was asked of a state
//! once need not be worked out again: states are kept by their digest, and so is what followed from them.

use fleet::{
    Actor, Brake, Command, EndpointCommand, Event, Fact, Job, JobEnd, JobPhase, NewRun, Resolution,
    RunCommand, Said, SnapshotCommand, State, StatementCommand, decide,
};
use ids::{Digest, RecordId, RingName, Timestamp};
use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};
use trust::{Approval, Decision, SitePolicy};

/// What the model asks of the appliance. Endpoints are counted from 0, statements from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    Report(u8, Job),
    Start(u8),
    Pause(u8),
    Resume(u8),
    Cancel(u8),
    /// The ring's second statement; a withdrawal or another approval.
    Supersede(bool),
    EndDue,
    Resolve(u8, Resolution),
    Prove(u8, u8),
    Fail(u8, u8),
    BeginRestore(u8, u8),
    EndRestore(u8, u8, bool),
}

/// What the run's word to an endpoint says, as `site` draws it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Orders {
    pub(crate) about: u8,
    pub(crate) go: bool,
    pub(crate) provided: bool,
    pub(crate) proven: bool,
    pub(crate) stateless: bool,
    pub(crate) resolution: Option<Resolution>,
    pub(crate) over: Option<JobEnd>,
}

type Steps = HashMap<(u64, Ask, bool), Option<u64>>;

/// Every state that the appliance was in, by its digest, and every step that was taken.
pub(crate) struct Appliance {
    states: RwLock<HashMap<u64, Arc<State>>>,
    steps: RwLock<Steps>,
    /// Whether it believes whatever it hears: a fault, to see what finds it.
    gullible: bool,
    /// Whether it speaks of the ring's newest statement only: a fault, too.
    forgetful: bool,
}

pub(crate) fn statement(generation: u8) -> Digest {
    Digest::of(&[b's', generation])
}

pub(crate) fn id(endpoint: u8) -> RecordId {
    format!("01ARZ3NDEKTSV4RRFFQ69{endpoint:05}").parse().unwrap()
}

pub(crate) fn run(generation: u8) -> RecordId {
    format!("01ARZ3NDEKTSV4RRFFQ70{generation:05}").parse().unwrap()
}

pub(crate) fn at(late: bool) -> Timestamp {
    if late { "2026-12-09T08:00:00Z" } else { "2026-11-24T08:00:00Z" }.parse().unwrap()
}

fn not_after() -> Timestamp {
    "2026-12-08T08:00:00Z".parse().unwrap()
}

fn ring() -> RingName {
    "broad".parse().unwrap()
}

impl Appliance {
    pub(crate) fn new(gullible: bool, forgetful: bool) -> Self {
        let (states, steps) = (RwLock::default(), RwLock::default());
        Self { states, steps, gullible, forgetful }
    }

    /// A site with one ring and these endpoints in it, whose first run is approved and not started.
    pub(crate) fn found(&self, endpoints: u8, stateless: bool, provided: bool) -> u64 {
        let mut state = State::default();
        let mut asks = |command| follow(&mut state, command, false).unwrap();
        let (origin, keys, anchors) = ("log".to_owned(), Vec::new(), Vec::new());
        let site = "lab".parse().unwrap();
        asks(Command::CreateSite { site, origin, keys, anchors, ring: ring() });
        for n in 0..endpoints {
            let (token, name, key) =
                (Digest::of(&[b't', n]), Digest::of(&[b'n', n]), Digest::of(&[b'k', n]));
            let (ring, endpoint, not_after) = (ring(), id(n), not_after());
            let certificate = Digest::of(&[b'c', n]);
            let request = key;
            asks(Command::Endpoint(EndpointCommand::IssueToken { token, name, ring, not_after }));
            let endpoint_asks =
                EndpointCommand::Ask { endpoint: endpoint.clone(), token, name, key, request };
            asks(Command::Endpoint(endpoint_asks));
            let confirm = EndpointCommand::Confirm { endpoint, certificate, not_after };
            asks(Command::Endpoint(confirm));
        }
        asks(plan(1));
        asks(accept(1, false, endpoints));
        for n in 0..endpoints {
            let known = state.endpoints.get_mut(&id(n)).unwrap();
            known.description.stateless = stateless;
            known.description.provider = provided.then(|| Digest::of(b"provider"));
        }
        self.keep(state)
    }

    pub(crate) fn state(&self, key: u64) -> Arc<State> {
        Arc::clone(&self.states.read().unwrap()[&key])
    }

    /// The state that follows; none where it was refused, or nothing changes.
    pub(crate) fn ask(&self, key: u64, ask: &Ask, late: bool) -> Option<u64> {
        let asked = (key, ask.clone(), late);
        if let Some(known) = self.steps.read().unwrap().get(&asked) {
            return *known;
        }
        let mut state = State::clone(&self.state(key));
        if let Ask::Supersede(false) = ask {
            follow(&mut state, plan(2), late).unwrap();
        }
        let command = command(&state, ask);
        let heard = match ask {
            Ask::Report(n, job) if self.gullible => {
                let (endpoint, job, record) = (id(*n), job.clone(), Digest::of(b"report"));
                evolve(&mut state, &Fact::JobReported { endpoint, job, record }, late);
                true
            }
            _ => follow(&mut state, command, late).is_some(),
        };
        let next = heard.then(|| self.keep(state)).filter(|next| *next != key);
        self.steps.write().unwrap().insert(asked, next);
        next
    }

    fn keep(&self, mut state: State) -> u64 {
        // Neither decides anything here, and both would make every state another one.
        (state.entries, state.last_at) = (0, None);
        let digest = state.digest().unwrap();
        let key = u64::from_be_bytes(digest.as_bytes()[..8].try_into().unwrap());
        self.states.write().unwrap().entry(key).or_insert_with(|| Arc::new(state));
        key
    }

    /// What an endpoint is told of its run.
    pub(crate) fn orders(&self, key: u64, n: u8, newest: u8, late: bool) -> Option<Orders> {
        let state = self.state(key);
        let known = state.endpoints.get(&id(n))?;
        let under_way = known
            .job
            .as_ref()
            .filter(|job| !self.forgetful && job.end.is_none() && job.phase >= JobPhase::Applying);
        let about = under_way.map_or(newest, |job| generation(&job.approval));
        let approval = statement(about);
        known.run.as_ref()?;
        Some(Orders {
            about,
            go: state.may_begin(known, &approval, at(late)).is_ok(),
            provided: known.description.provider.is_some(),
            proven: known
                .job
                .as_ref()
                .is_some_and(|j| j.approval == approval && known.has_snapshot(j)),
            stateless: known.description.stateless,
            resolution: known.resolution.filter(|(a, _)| *a == approval).map(|(_, r)| r),
            over: known.job.as_ref().filter(|j| j.approval == approval).and_then(|job| job.end),
        })
    }
}

pub(crate) fn generation(approval: &Digest) -> u8 {
    if *approval == statement(1) { 1 } else { 2 }
}

fn command(state: &State, ask: &Ask) -> Command {
    let record = Digest::of(b"record");
    let endpoints = u8::try_from(state.endpoints.len()).unwrap();
    let snapshot = Command::Snapshot;
    match ask {
        Ask::Report(n, job) => {
            let (endpoint, job) = (id(*n), job.clone());
            Command::Endpoint(EndpointCommand::TakeReport { endpoint, job, record })
        }
        Ask::Start(g) => {
            let (run, members) = (run(*g), state.endpoints.keys().cloned().collect());
            Command::Run(RunCommand::Start { run, members, unsoaked: false })
        }
        Ask::Pause(g) => Command::Run(RunCommand::Pause { run: run(*g) }),
        Ask::Resume(g) => Command::Run(RunCommand::Resume { run: run(*g) }),
        Ask::Cancel(g) => Command::Run(RunCommand::Cancel { run: run(*g) }),
        Ask::Supersede(withdraws) => accept(2, *withdraws, endpoints),
        Ask::EndDue => Command::Run(RunCommand::EndDue),
        Ask::Resolve(n, resolution) => {
            Command::Run(RunCommand::Resolve { endpoint: id(*n), resolution: *resolution })
        }
        Ask::Prove(n, about) => snapshot(SnapshotCommand::Prove {
            endpoint: id(*n),
            approval: statement(*about),
            record,
        }),
        Ask::Fail(n, about) => snapshot(SnapshotCommand::Fail {
            endpoint: id(*n),
            approval: statement(*about),
            record,
        }),
        Ask::BeginRestore(n, about) => {
            let (endpoint, approval) = (id(*n), statement(*about));
            snapshot(SnapshotCommand::BeginRestore { endpoint, approval })
        }
        Ask::EndRestore(n, about, restored) => {
            let (endpoint, approval, restored) = (id(*n), statement(*about), *restored);
            snapshot(SnapshotCommand::EndRestore { endpoint, approval, restored, record })
        }
    }
}

fn plan(generation: u8) -> Command {
    Command::Run(RunCommand::Plan {
        run: run(generation),
        ring: ring(),
        statement: statement(generation),
        not_after: not_after(),
        endpoints: 1,
        packages: 1,
        brake: Brake { failures: 1, per_cent: 0 },
        record: Digest::of(b"plan"),
    })
}

fn accept(generation: u8, withdraws: bool, endpoints: u8) -> Command {
    let decision = if withdraws { Decision::Withdraw } else { Decision::Approve };
    let members = (0..endpoints).map(id).collect();
    let approval = Approval {
        schema: 1,
        decision,
        site: "lab".parse().unwrap(),
        ring: ring(),
        generation: u64::from(generation),
        approver: "kim".parse().unwrap(),
        issued_at: at(false),
        not_after: not_after(),
        plan: Digest::of(b"plan"),
        endpoints: vec!["web1".parse().unwrap()],
        provided: Vec::new(),
        windows: Vec::new(),
        packages: Vec::new(),
        cves: Vec::new(),
        reason: None,
    };
    Command::Statement(StatementCommand::Accept {
        said: Said::Attested(Box::new(approval)),
        statement: statement(generation),
        envelope: Digest::of(b"envelope"),
        plan: Digest::of(b"plan"),
        policy: SitePolicy { four_eyes: false, attested_approvals: true },
        importers: Vec::new(),
        run: Some(NewRun { run: run(generation), members, brake: Brake::default() }),
    })
}

fn follow(state: &mut State, command: Command, late: bool) -> Option<()> {
    let facts = decide(state, command, at(late)).ok()?;
    for fact in &facts {
        evolve(state, fact, late);
    }
    Some(())
}

fn evolve(state: &mut State, fact: &Fact, late: bool) {
    state.evolve(&Event { at: at(late), actor: Actor::Appliance, fact: fact.clone() });
}
