//! Runs and jobs under whatever is asked of them, in any order: counted once more, and replayed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fleet::{
    Actor, Brake, Command, EndpointCommand, Event, Fact, Hold, Job, JobEnd, JobPhase, LastRun,
    NewRun, PauseCause, Refused, Resolution, RingPlace, Run, RunCommand, RunEnd, RunStanding, Said,
    SnapshotCommand, State, StatementCommand, Tally, WayBack, decide,
};
use ids::{Digest, RecordId, RingName, Timestamp};
use jiff::SignedDuration;
use proptest::{prelude::*, sample::select};
use std::collections::{BTreeMap, BTreeSet};
use trust::{Approval, Decision, SitePolicy};

const ENDPOINTS: u64 = 4;

/// What is asked; endpoints by number, `back` statements before the newest.
#[derive(Debug, Clone)]
enum Op {
    Report {
        n: u64,
        back: u64,
        phase: JobPhase,
        way_back: Option<WayBack>,
        end: JobEnd,
    },
    /// Whether it was planned, whether it takes back.
    Statement(bool, bool),
    Start,
    Pause,
    Resume,
    Cancel,
    EndDue,
    Hours(i64),
    Resolve(u64, Resolution),
    Prove(u64),
    Fail(u64),
    BeginRestore(u64),
    EndRestore(u64, bool),
    Retire(u64),
}

fn id(kind: u64, n: u64) -> RecordId {
    format!("01ARZ3NDEKTSV4RRFFQ{kind:02}{n:05}").parse().unwrap()
}

fn of(n: u64) -> Digest {
    Digest::of(&n.to_be_bytes())
}

fn ring() -> RingName {
    "broad".parse().unwrap()
}

/// Everything that was heard of one endpoint's part in one approval.
type History = BTreeMap<(RecordId, Digest), Vec<Job>>;

struct Site {
    state: State,
    now: Timestamp,
    events: Vec<Event>,
    newest: u64,
    heard: History,
    joined: BTreeMap<RecordId, BTreeSet<RecordId>>,
    /// Endpoints that left a run before their part had ended.
    left: BTreeMap<RecordId, u64>,
    forgiven: BTreeMap<RecordId, u64>,
}

impl Site {
    fn new(brake: Brake) -> Self {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        let (heard, joined) = (BTreeMap::new(), BTreeMap::new());
        let (left, forgiven) = (BTreeMap::new(), BTreeMap::new());
        let (state, events) = (State::default(), Vec::new());
        let mut site = Self { state, now, events, newest: 0, heard, joined, left, forgiven };
        let (origin, keys, anchors) = ("log".to_owned(), Vec::new(), Vec::new());
        let name = "lab".parse().unwrap();
        site.asks(Command::CreateSite { site: name, origin, keys, anchors, ring: ring() }).unwrap();
        for n in 0..ENDPOINTS {
            let not_after = now + SignedDuration::from_hours(24);
            let (token, name, key, request) = (of(100 + n), of(200 + n), of(300 + n), of(n));
            let (endpoint, certificate) = (id(0, n), of(400 + n));
            let ring = ring();
            let issue = EndpointCommand::IssueToken { token, name, ring, not_after };
            let ask =
                EndpointCommand::Ask { endpoint: endpoint.clone(), token, name, key, request };
            let confirm = EndpointCommand::Confirm { endpoint, certificate, not_after };
            for command in [issue, ask, confirm] {
                site.asks(Command::Endpoint(command)).unwrap();
            }
        }
        site.statement(true, false, brake).unwrap();
        site
    }

    fn asks(&mut self, command: Command) -> Result<Vec<Fact>, Refused> {
        let facts = decide(&self.state, command, self.now)?;
        for fact in &facts {
            self.note(fact);
            let event = Event { at: self.now, actor: Actor::Appliance, fact: fact.clone() };
            self.state.evolve(&event);
            self.events.push(event);
        }
        Ok(facts)
    }

    /// Keeps a second book of what the facts say.
    fn note(&mut self, fact: &Fact) {
        let job = |endpoint: &RecordId| self.state.endpoints.get(endpoint)?.job.clone();
        let (endpoint, job) = match fact {
            Fact::JobReported { endpoint, job, .. } => (endpoint, job.clone()),
            Fact::SnapshotFailed { endpoint, .. } => {
                let end = Some(JobEnd::Refused);
                (endpoint, Job { phase: JobPhase::Ended, end, ..job(endpoint).unwrap() })
            }
            Fact::RestoreBegun { endpoint, .. } => {
                (endpoint, Job { phase: JobPhase::Restoring, ..job(endpoint).unwrap() })
            }
            Fact::RestoreEnded { endpoint, restored, .. } => {
                let end = if *restored { JobEnd::Restored } else { JobEnd::RestoreFailed };
                let (phase, end) = (JobPhase::Ended, Some(end));
                (endpoint, Job { phase, end, ..job(endpoint).unwrap() })
            }
            Fact::RunJoined { run, endpoints } => {
                self.joined.entry(run.clone()).or_default().extend(endpoints.iter().cloned());
                return;
            }
            Fact::RunResumed { run } => {
                let failures = self.state.runs[run].tally.failures;
                self.forgiven.insert(run.clone(), failures);
                return;
            }
            Fact::EndpointRetired { endpoint, .. } => {
                let run = self.state.endpoints.get(endpoint).and_then(|known| known.run.clone());
                let Some(run) = run else { return };
                let Some(known) = self.state.runs.get(&run) else { return };
                let heard = self.heard.get(&(endpoint.clone(), known.statement));
                if heard.is_none_or(|jobs| jobs.iter().all(|job| job.end.is_none())) {
                    *self.left.entry(run).or_default() += 1;
                }
                return;
            }
            _ => return,
        };
        self.heard.entry((endpoint.clone(), job.approval)).or_default().push(job);
    }

    fn recount(&self, id: &RecordId, run: &Run) -> Tally {
        let joined = self.joined.get(id).cloned().unwrap_or_default();
        let left = self.left.get(id).copied().unwrap_or(0);
        let mut tally = Tally { members: joined.len() as u64 - left, ..Tally::default() };
        for endpoint in joined {
            let Some(jobs) = self.heard.get(&(endpoint, run.statement)) else { continue };
            let failed = |job: &Job| {
                use JobEnd::{Failed, RestoreFailed, Restored};
                matches!(job.phase, JobPhase::AwaitingDecision | JobPhase::Restoring)
                    || matches!(job.end, Some(Failed | Restored | RestoreFailed))
            };
            let untouched = [JobEnd::Refused, JobEnd::Expired, JobEnd::Cancelled].map(Some);
            let begun = |job: &Job| {
                job.phase >= JobPhase::Applying
                    && job.way_back.is_some()
                    && !untouched.contains(&job.end)
            };
            tally.begun += u64::from(jobs.iter().any(begun));
            tally.failures += u64::from(jobs.iter().any(failed));
            if let Some(end) = jobs.iter().find_map(|job| job.end) {
                *tally.ends.entry(end).or_default() += 1;
            }
        }
        tally.forgiven = self.forgiven.get(id).copied().unwrap_or(0);
        tally
    }

    fn statement(
        &mut self,
        planned: bool,
        withdraws: bool,
        brake: Brake,
    ) -> Result<Vec<Fact>, Refused> {
        let next = self.newest + 1;
        let not_after = self.now + SignedDuration::from_hours(24);
        if planned {
            self.asks(Command::Run(RunCommand::Plan {
                run: id(1, next),
                ring: ring(),
                statement: of(next),
                not_after,
                endpoints: ENDPOINTS,
                packages: 1,
                brake,
                record: of(0),
            }))?;
        }
        let (plan, decision) =
            (of(0), if withdraws { Decision::Withdraw } else { Decision::Approve });
        let approval = Approval {
            schema: 1,
            decision,
            site: "lab".parse().unwrap(),
            ring: ring(),
            generation: next,
            approver: "kim".parse().unwrap(),
            issued_at: self.now,
            not_after,
            plan,
            endpoints: Vec::new(),
            provided: Vec::new(),
            windows: Vec::new(),
            packages: Vec::new(),
            cves: Vec::new(),
            reason: None,
        };
        let accepted = self.asks(Command::Statement(StatementCommand::Accept {
            said: Said::Attested(Box::new(approval)),
            statement: of(next),
            envelope: of(0),
            plan,
            policy: SitePolicy { four_eyes: false, attested_approvals: true },
            importers: Vec::new(),
            run: Some(NewRun { run: id(1, next), members: self.active(), brake }),
        }))?;
        self.newest = next;
        Ok(accepted)
    }

    fn active(&self) -> Vec<RecordId> {
        let active = |known: &fleet::Endpoint| known.standing == fleet::Standing::Active;
        let all = self.state.endpoints.iter().filter(|(_, known)| active(known));
        all.map(|(id, _)| id.clone()).collect()
    }

    fn job_of(&self, n: u64) -> Digest {
        let known = self.state.endpoints.get(&id(0, n)).and_then(|known| known.job.as_ref());
        known.map_or_else(|| of(self.newest), |job| job.approval)
    }

    fn does(&mut self, op: &Op) -> Result<Vec<Fact>, Refused> {
        let run = id(1, self.newest);
        let (record, snapshot) = (of(0), Command::Snapshot);
        let command = match op.clone() {
            Op::Report { n, back, phase, way_back, end } => {
                let (approval, at) = (of(self.newest.saturating_sub(back).max(1)), self.now);
                let end = (phase == JobPhase::Ended).then_some(end);
                let (endpoint, job) = (id(0, n), Job { approval, phase, at, way_back, end });
                Command::Endpoint(EndpointCommand::TakeReport { endpoint, job, record })
            }
            Op::Statement(planned, withdraws) => {
                return self.statement(planned, withdraws, Brake { failures: 2, per_cent: 0 });
            }
            Op::Start => {
                let members = self.active();
                Command::Run(RunCommand::Start { run, members, unsoaked: false })
            }
            Op::Pause => Command::Run(RunCommand::Pause { run }),
            Op::Resume => Command::Run(RunCommand::Resume { run }),
            Op::Cancel => Command::Run(RunCommand::Cancel { run }),
            Op::EndDue => Command::Run(RunCommand::EndDue),
            Op::Hours(hours) => {
                self.now += SignedDuration::from_hours(hours);
                return Ok(Vec::new());
            }
            Op::Resolve(n, resolution) => {
                Command::Run(RunCommand::Resolve { endpoint: id(0, n), resolution })
            }
            Op::Prove(n) => {
                let (endpoint, approval) = (id(0, n), self.job_of(n));
                snapshot(SnapshotCommand::Prove { endpoint, approval, record })
            }
            Op::Fail(n) => {
                let (endpoint, approval) = (id(0, n), self.job_of(n));
                snapshot(SnapshotCommand::Fail { endpoint, approval, record })
            }
            Op::BeginRestore(n) => {
                let (endpoint, approval) = (id(0, n), self.job_of(n));
                snapshot(SnapshotCommand::BeginRestore { endpoint, approval })
            }
            Op::EndRestore(n, restored) => {
                let (endpoint, approval) = (id(0, n), self.job_of(n));
                snapshot(SnapshotCommand::EndRestore { endpoint, approval, restored, record })
            }
            Op::Retire(n) => {
                let reason = "sold".into();
                Command::Endpoint(EndpointCommand::Retire { endpoint: id(0, n), reason })
            }
        };
        self.asks(command)
    }

    /// Everything that holds after every step.
    fn holds(&self, before: &State, facts: &[Fact]) {
        for (id, run) in &self.state.runs {
            assert_eq!(run.tally, self.recount(id, run), "run {id}");
            assert!(run.tally.members == 0 || run.tally.open() > 0, "it is complete: {run:?}");
            self.brakes(before.runs.get(id), id, run);
        }
        for fact in facts {
            let Fact::RunEnded { run, ring, end, tally, statement } = fact else { continue };
            assert!(!self.state.runs.contains_key(run), "it has ended, and stands there");
            let last = self.state.last_runs.get(ring);
            if *end != RunEnd::Complete {
                assert_eq!(last, before.last_runs.get(ring), "only complete runs count");
                continue;
            }
            let last = last.unwrap();
            assert_eq!((&last.run, &last.tally), (run, tally));
            assert_eq!(tally.open(), 0);
            let over = Run { statement: *statement, ..blank(ring.clone()) };
            assert_eq!(*tally, self.recount(run, &over), "as it ended");
        }
    }

    /// A run is paused by its brake exactly when a failure is one too many.
    fn brakes(&self, before: Option<&Run>, id: &RecordId, run: &Run) {
        let Some(before) = before.filter(|run| run.standing == RunStanding::Started) else {
            return;
        };
        let failures = run.tally.failures - run.tally.forgiven;
        let failed = run.tally.failures > before.tally.failures;
        let due = failed && run.brake.holds(failures, before.tally.members);
        let braked = run.standing == RunStanding::Paused(PauseCause::Brake);
        assert_eq!(braked, due, "run {id}: {run:?}");
    }
}

fn blank(ring: RingName) -> Run {
    Run {
        ring,
        statement: of(0),
        not_after: Timestamp::MAX,
        standing: RunStanding::Started,
        brake: Brake::default(),
        views: Vec::new(),
        unsoaked: false,
        tally: Tally::default(),
    }
}

/// What is in the book of one job leads from one line to the next.
fn legal(jobs: &[Job]) {
    use JobPhase as P;
    for pair in jobs.windows(2) {
        let [before, after] = pair else { unreachable!() };
        assert!(before.end.is_none(), "it went on after its end: {jobs:?}");
        if before.phase >= P::Applying {
            assert!(after.phase >= P::Applying, "it began again: {jobs:?}");
            assert_eq!(before.way_back, after.way_back, "its way back changed: {jobs:?}");
            let as_if_not = [JobEnd::Refused, JobEnd::Expired, JobEnd::Cancelled].map(Some);
            assert!(!as_if_not.contains(&after.end), "as if it had not begun: {jobs:?}");
        }
        if before.phase >= P::AwaitingDecision {
            assert_ne!(after.end, Some(JobEnd::Effective), "it had failed: {jobs:?}");
        }
        if before.phase == P::Restoring {
            assert!(matches!(after.end, None | Some(JobEnd::Restored | JobEnd::RestoreFailed)));
        }
    }
    for job in jobs.iter().filter(|job| job.end.is_none() && job.phase >= P::Applying) {
        assert!(job.way_back.is_some(), "changed without a way back: {jobs:?}");
    }
}

fn op() -> impl Strategy<Value = Op> {
    use JobPhase as P;
    let phases = [
        P::WaitingForWindow,
        P::Snapshotting,
        P::WayBackProven,
        P::Waived,
        P::Applying,
        P::AwaitingRestart,
        P::Confirming,
        P::AwaitingDecision,
        P::Restoring,
        P::Ended,
    ];
    let ends = [
        JobEnd::Effective,
        JobEnd::Refused,
        JobEnd::Failed,
        JobEnd::Restored,
        JobEnd::RestoreFailed,
        JobEnd::Expired,
        JobEnd::Cancelled,
    ];
    let ways = [None, Some(WayBack::Own), Some(WayBack::Provided), Some(WayBack::Waived)];
    let n = 0..ENDPOINTS;
    let report = (n.clone(), select(&[0, 0, 0, 1][..]), select(phases.to_vec()))
        .prop_flat_map(move |(n, back, phase)| {
            (Just(n), Just(back), Just(phase), select(ways.to_vec()), select(ends.to_vec()))
        })
        .prop_map(|(n, back, phase, way_back, end)| Op::Report { n, back, phase, way_back, end });
    let resolution = select(vec![Resolution::Keep, Resolution::Restore]);
    prop_oneof![
        24 => report,
        1 => (any::<bool>(), any::<bool>()).prop_map(|(p, w)| Op::Statement(p, w)),
        4 => Just(Op::Start),
        1 => Just(Op::Pause),
        2 => Just(Op::Resume),
        1 => Just(Op::Cancel),
        1 => Just(Op::EndDue),
        1 => (1..30_i64).prop_map(Op::Hours),
        2 => (n.clone(), resolution).prop_map(|(n, r)| Op::Resolve(n, r)),
        3 => n.clone().prop_map(Op::Prove),
        1 => n.clone().prop_map(Op::Fail),
        2 => n.clone().prop_map(Op::BeginRestore),
        2 => (n.clone(), any::<bool>()).prop_map(|(n, restored)| Op::EndRestore(n, restored)),
        1 => n.prop_map(Op::Retire),
    ]
}

fn cases() -> ProptestConfig {
    let soaked = std::env::var_os("PATCHKEEP_SOAK").is_some();
    ProptestConfig {
        cases: if soaked { 100_000 } else { 4_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]
    #[test]
    fn whatever_is_asked_the_books_agree(
        ops in prop::collection::vec(op(), 1..80),
        failures in 0..4_u64,
        per_cent in select(vec![0_u8, 50]),
    ) {
        let mut site = Site::new(Brake { failures, per_cent });
        for op in &ops {
            let before = site.state.clone();
            let facts = site.does(op).unwrap_or_default();
            site.holds(&before, &facts);
        }
        for jobs in site.heard.values() {
            legal(jobs);
        }
        let text = serde_json::to_vec(&site.state).unwrap();
        assert_eq!(serde_json::from_slice::<State>(&text).unwrap(), site.state);
        let mut again = State::default();
        for event in &site.events {
            again.evolve(event);
        }
        assert_eq!(again.digest().unwrap(), site.state.digest().unwrap());
    }
}

/// A report of endpoint 0 about the statement so many before the newest.
fn report(back: u64, phase: JobPhase, way_back: Option<WayBack>, end: JobEnd) -> Op {
    Op::Report { n: 0, back, phase, way_back, end }
}

fn job(site: &Site) -> &Job {
    site.state.endpoints.get(&id(0, 0)).unwrap().job.as_ref().unwrap()
}

#[test]
fn what_was_cancelled_as_not_begun_and_had_begun_is_heard() {
    let mut site = Site::new(Brake::default());
    site.does(&Op::Start).unwrap();
    site.does(&Op::Cancel).unwrap();
    assert_eq!(job(&site).end, Some(JobEnd::Cancelled));
    let begun = report(0, JobPhase::AwaitingDecision, Some(WayBack::Own), JobEnd::Failed);
    site.does(&begun).unwrap();
    site.does(&Op::Resolve(0, Resolution::Restore)).unwrap();
    let waits = report(0, JobPhase::Ended, Some(WayBack::Own), JobEnd::Restored);
    site.does(&waits).unwrap();
    assert_eq!(job(&site).end, Some(JobEnd::Restored));
}

#[test]
fn a_word_about_an_earlier_approval_takes_no_later_ones_place() {
    let mut site = Site::new(Brake::default());
    let failed = report(0, JobPhase::Ended, Some(WayBack::Own), JobEnd::Failed);
    site.does(&failed).unwrap();
    site.does(&Op::Statement(true, false)).unwrap();
    site.does(&Op::Start).unwrap();
    site.does(&report(0, JobPhase::Applying, Some(WayBack::Own), JobEnd::Failed)).unwrap();
    let late = report(1, JobPhase::Ended, Some(WayBack::Own), JobEnd::Failed);
    assert!(matches!(site.does(&late), Err(Refused::Impossible { .. })));
    assert_eq!((job(&site).approval, job(&site).phase), (of(2), JobPhase::Applying));
    // Another run that ends before this endpoint was heard does not take its job away either.
    site.does(&Op::Statement(true, false)).unwrap();
    site.does(&Op::Start).unwrap();
    site.does(&Op::Cancel).unwrap();
    assert_eq!((job(&site).approval, job(&site).end), (of(2), None));
}

#[test]
fn a_repeated_word_about_an_approval_that_is_over_takes_no_later_jobs_place() {
    let mut site = Site::new(Brake::default());
    let own = Some(WayBack::Own);
    site.does(&report(0, JobPhase::Ended, own, JobEnd::Effective)).unwrap();
    let first = job(&site).clone();
    site.does(&Op::Hours(1)).unwrap();
    site.does(&Op::Statement(true, false)).unwrap();
    site.does(&Op::Start).unwrap();
    site.does(&report(0, JobPhase::AwaitingDecision, own, JobEnd::Failed)).unwrap();
    // A third statement takes both back, and then comes what was said of the first approval, once more.
    site.does(&Op::Hours(1)).unwrap();
    site.does(&Op::Statement(false, true)).unwrap();
    let repeated = EndpointCommand::TakeReport {
        endpoint: id(0, 0),
        job: first,
        record: Digest::of(b"repeated"),
    };
    let said = site.asks(Command::Endpoint(repeated));
    assert!(matches!(said, Err(Refused::Impossible { .. })));
    // The machine waits for a person, who can still decide about it.
    assert_eq!((job(&site).approval, job(&site).phase), (of(2), JobPhase::AwaitingDecision));
    site.does(&Op::Resolve(0, Resolution::Restore)).unwrap();
}

#[test]
fn a_run_counts_what_had_ended_before_it_was_started() {
    let mut site = Site::new(Brake::default());
    for n in 0..ENDPOINTS - 1 {
        let (phase, end) = (JobPhase::Ended, JobEnd::Refused);
        site.does(&Op::Report { n, back: 0, phase, way_back: None, end }).unwrap();
    }
    site.does(&Op::Start).unwrap();
    assert_eq!(site.state.runs[&id(1, 1)].tally.open(), 1);
    let (n, phase, end) = (ENDPOINTS - 1, JobPhase::Ended, JobEnd::Effective);
    site.does(&Op::Report { n, back: 0, phase, way_back: None, end }).unwrap();
    assert_eq!(site.state.last_runs[&ring()].run, id(1, 1));
    // Where all have ended, it is complete at once.
    site.does(&Op::Statement(true, false)).unwrap();
    for n in 0..ENDPOINTS {
        let (phase, end) = (JobPhase::Ended, JobEnd::Refused);
        site.does(&Op::Report { n, back: 0, phase, way_back: None, end }).unwrap();
    }
    let facts = site.does(&Op::Start).unwrap();
    assert!(matches!(facts.last(), Some(Fact::RunEnded { end: RunEnd::Complete, .. })));
    assert_eq!(site.state.last_runs[&ring()].run, id(1, 2));
}

#[test]
fn what_its_provider_puts_back_only_the_appliance_ends() {
    let mut site = Site::new(Brake::default());
    site.does(&Op::Start).unwrap();
    let provided = Some(WayBack::Provided);
    site.does(&report(0, JobPhase::Snapshotting, None, JobEnd::Failed)).unwrap();
    site.does(&Op::Prove(0)).unwrap();
    assert_eq!(site.does(&Op::Fail(0)), Err(Refused::NoSnapshotDue), "it may have gone on");
    site.does(&report(0, JobPhase::AwaitingDecision, provided, JobEnd::Failed)).unwrap();
    site.does(&Op::Resolve(0, Resolution::Restore)).unwrap();
    site.does(&Op::BeginRestore(0)).unwrap();
    for end in [JobEnd::Failed, JobEnd::Effective, JobEnd::Restored] {
        let said = site.does(&report(0, JobPhase::Ended, provided, end));
        assert!(matches!(said, Err(Refused::Impossible { .. })), "{end:?}");
    }
    site.does(&Op::EndRestore(0, true)).unwrap();
    assert_eq!(job(&site).end, Some(JobEnd::Restored));
}

#[test]
fn a_ring_waits_for_one_that_has_shown_something() {
    let (pilot, broad): (RingName, RingName) = ("pilot".parse().unwrap(), "broad".parse().unwrap());
    let (ended_at, now) =
        ("2026-11-27T00:00:00Z".parse().unwrap(), "2026-11-28T00:00:00Z".parse().unwrap());
    let holds = |ends: &[(JobEnd, u64)], failures| {
        let mut state = State::default();
        state.places.insert(broad.clone(), RingPlace { after: pilot.clone(), soak_hours: 24 });
        let members = ends.iter().map(|(_, count)| count).sum();
        let tally =
            Tally { members, failures, ends: ends.iter().copied().collect(), ..Tally::default() };
        let last = LastRun { run: id(1, 1), ended_at, views: Vec::new(), tally };
        state.last_runs.insert(pilot.clone(), last);
        state.soaked(&broad, &[], now)
    };
    assert_eq!(holds(&[(JobEnd::Effective, 1), (JobEnd::Refused, 2)], 0), Ok(()));
    let shown = Err(Hold::NothingShown { ring: pilot.clone() });
    assert_eq!(holds(&[(JobEnd::Refused, 3)], 0), shown, "each refused it: that says nothing");
    let failed = Err(Hold::FailedBefore { ring: pilot.clone(), failures: 1 });
    assert_eq!(holds(&[(JobEnd::Restored, 1), (JobEnd::Effective, 2)], 1), failed);
}
