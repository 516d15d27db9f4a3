//! Runs: an approval carried out over the endpoints of a ring, as far as nobody and nothing holds it back.
//!
//! A run never permits anything: that is the approval's, which people signed. It holds back: until it is
//! started, while it is paused, until the ring before has soaked. What endpoints say moves its counts; when
//! too many fail it pauses itself, and only a person lets it go on.

use crate::{Endpoint, Fact, Job, JobEnd, JobPhase, Refused, Resolution, State};
use ids::{Digest, RecordId, RingName, SourceId, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most endpoints that one `run-joined` names, so that it fits into an entry.
const JOINED_MAX: usize = 1_500;

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its ring.
    pub ring: RingName,
    /// SHA-256 of the approval's payload: drawn up with the plan, signed or not yet.
    pub statement: Digest,
    /// When the approval ends, and the run with it.
    pub not_after: Timestamp,
    /// How it stands.
    pub standing: RunStanding,
    /// When it pauses itself.
    pub brake: Brake,
    /// What the ring pointed at when it was started.
    pub views: Vec<(SourceId, u64)>,
    /// Whether it was started without waiting for the ring before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsoaked: bool,
    /// How its endpoints fare.
    pub tally: Tally,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStanding {
    /// Drawn up; nobody has approved it.
    Planned,
    /// Approved; nobody has started it.
    Approved,
    /// Endpoints may begin.
    Started,
    /// No endpoint begins until a person says so; what has begun comes to its end.
    Paused(PauseCause),
}

impl RunStanding {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned, and not approved",
            Self::Approved => "approved, and not started",
            Self::Started => "under way",
            Self::Paused(PauseCause::Brake) => "paused, since too many endpoints failed",
            Self::Paused(PauseCause::Person) => "paused by a person",
        }
    }
}

/// Why a run was paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PauseCause {
    /// Too many endpoints failed.
    Brake,
    /// A person wanted it.
    Person,
}

/// When a run pauses itself, whichever comes first. Failures are counted from the last time that a person
/// let it go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brake {
    /// After so many failures; 0 never.
    pub failures: u64,
    /// After so many per cent of its endpoints have failed; 0 never.
    pub per_cent: u8,
}

impl Default for Brake {
    fn default() -> Self {
        Self { failures: 3, per_cent: 20 }
    }
}

impl Brake {
    /// Whether it is time.
    #[must_use]
    pub const fn holds(&self, failures: u64, members: u64) -> bool {
        (self.failures > 0 && failures >= self.failures)
            || (self.per_cent > 0
                && failures > 0
                && failures * 100 >= members * self.per_cent as u64)
    }
}

/// How the endpoints of a run fare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Endpoints in the run.
    pub members: u64,
    /// Those that have begun to change packages.
    pub begun: u64,
    /// Those that failed: whatever became of them afterwards.
    pub failures: u64,
    /// Failures before a person last let it go on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgiven: u64,
    /// Those that have ended, by how.
    #[serde(default, with = "crate::state::pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<JobEnd, u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Tally {
    /// Endpoints whose part has no end yet.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.members.saturating_sub(self.ends.values().sum())
    }

    /// How many ended so.
    #[must_use]
    pub fn ended(&self, end: JobEnd) -> u64 {
        self.ends.get(&end).copied().unwrap_or(0)
    }

    fn hears(&mut self, before: Option<&Job>, job: &Job) {
        // The word that it began may be lost; one that found nothing to do has no way back.
        let begun = |job: &Job| job.has_begun() && job.way_back.is_some();
        self.begun += u64::from(begun(job) && !before.is_some_and(begun));
        self.failures += u64::from(has_failed(job) && !before.is_some_and(has_failed));
        if let Some(end) = job.end.filter(|_| before.is_none_or(|before| before.end.is_none())) {
            *self.ends.entry(end).or_default() += 1;
        }
    }
}

/// Whether a job counts against its run.
fn has_failed(job: &Job) -> bool {
    matches!(job.phase, JobPhase::AwaitingDecision | JobPhase::Restoring)
        || matches!(job.end, Some(JobEnd::Failed | JobEnd::Restored | JobEnd::RestoreFailed))
}

/// Why a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// Every endpoint's part has ended.
    Complete,
    /// The ring has a newer statement.
    Overtaken,
    /// Its approval has ended.
    Expired,
    /// A person took it back.
    Cancelled,
}

/// Where a ring stands in the order of rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingPlace {
    /// The ring that goes before it.
    pub after: RingName,
    /// For how long that one's run must have been complete, in hours.
    pub soak_hours: u32,
}

/// The last run of a ring that was complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The run.
    pub run: RecordId,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What the ring pointed at when it was started.
    pub views: Vec<(SourceId, u64)>,
    /// How its endpoints fared.
    pub tally: Tally,
}

/// What holds an endpoint's job back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "fields are in the sentence")]
pub enum Hold {
    /// It is in no run of this approval.
    #[error("no run of this approval has been started for this endpoint")]
    NotInRun,
    /// The run has ended.
    #[error("its run has ended")]
    Ended,
    /// Nobody has started it.
    #[error("its run has not been started")]
    NotStarted,
    /// It is paused.
    #[error("its run is paused: {}", match cause {
        PauseCause::Brake => "too many endpoints failed",
        PauseCause::Person => "a person paused it",
    })]
    Paused { cause: PauseCause },
    /// The ring before has not had these views.
    #[error("ring {ring} goes first, and has not completed a run of what this ring points at")]
    RingBefore { ring: RingName },
    /// The ring before fared badly.
    #[error("ring {ring} goes first, and {failures} of its endpoints failed")]
    FailedBefore { ring: RingName, failures: u64 },
    /// The ring before shows nothing: none of its endpoints took what was approved.
    #[error("ring {ring} goes first, and none of its endpoints applied what was approved")]
    NothingShown { ring: RingName },
    /// The ring before has had them for too short a time.
    #[error("ring {ring} goes first, and soaks until {until}")]
    Soaking { ring: RingName, until: Timestamp },
}

impl State {
    /// Whether an endpoint may begin its part in the run of the approval with this digest.
    ///
    /// # Errors
    /// What holds it back.
    pub fn may_begin(
        &self,
        endpoint: &Endpoint,
        approval: &Digest,
        now: Timestamp,
    ) -> Result<(), Hold> {
        let id = endpoint.run.as_ref().ok_or(Hold::NotInRun)?;
        let run = self.runs.get(id).ok_or(Hold::Ended)?;
        if run.statement != *approval {
            return Err(Hold::NotInRun);
        }
        match run.standing {
            RunStanding::Planned | RunStanding::Approved => Err(Hold::NotStarted),
            RunStanding::Paused(cause) => Err(Hold::Paused { cause }),
            RunStanding::Started if run.unsoaked => Ok(()),
            RunStanding::Started => self.soaked(&run.ring, &run.views, now),
        }
    }

    /// Whether the ring before has completed a run of these views long enough ago.
    ///
    /// # Errors
    /// What a run of this ring waits for.
    pub fn soaked(
        &self,
        ring: &RingName,
        views: &[(SourceId, u64)],
        now: Timestamp,
    ) -> Result<(), Hold> {
        let Some(RingPlace { after, soak_hours }) = self.places.get(ring) else { return Ok(()) };
        let ring = after.clone();
        let Some(last) = self.last_runs.get(after) else { return Err(Hold::RingBefore { ring }) };
        let had = |(source, sequence): &(SourceId, u64)| {
            last.views.iter().any(|(had, up_to)| had == source && up_to >= sequence)
        };
        if !views.iter().all(had) {
            return Err(Hold::RingBefore { ring });
        }
        let failures = last.tally.failures;
        if failures > 0 {
            return Err(Hold::FailedBefore { ring, failures });
        }
        if last.tally.members > 0 && last.tally.ended(JobEnd::Effective) == 0 {
            return Err(Hold::NothingShown { ring });
        }
        let soak = SignedDuration::from_hours(i64::from(*soak_hours));
        match last.ended_at.saturating_add(soak) {
            Ok(until) if until > now => Err(Hold::Soaking { ring, until }),
            _ => Ok(()),
        }
    }

    /// What a ring points at.
    #[must_use]
    pub fn views_in(&self, ring: &RingName) -> Vec<(SourceId, u64)> {
        let pointers = self.pointers.iter().filter(|((r, _), _)| r == ring);
        pointers.map(|((_, source), (sequence, _))| (source.clone(), *sequence)).collect()
    }
}

/// What may be asked about runs.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum RunCommand {
    /// Put a ring behind another; `None` takes it out of the order.
    PlaceRing { ring: RingName, place: Option<RingPlace> },
    /// Name a version of a package that no endpoint of a ring may leave out; `None` ends that.
    SetFloor { ring: RingName, package: String, version: Option<String> },
    /// Keep what was drawn up.
    Plan {
        run: RecordId,
        ring: RingName,
        statement: Digest,
        not_after: Timestamp,
        endpoints: u64,
        packages: u64,
        brake: Brake,
        record: Digest,
    },
    /// Let its endpoints begin.
    Start { run: RecordId, members: Vec<RecordId>, unsoaked: bool },
    /// Let none begin any more.
    Pause { run: RecordId },
    /// Go on.
    Resume { run: RecordId },
    /// End it: what has not begun never does.
    Cancel { run: RecordId },
    /// End what is over by its dates.
    EndDue,
    /// Decide about an endpoint whose job failed.
    Resolve { endpoint: RecordId, resolution: Resolution },
}

/// A run that comes with an approval that nobody had planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Its id.
    pub run: RecordId,
    /// The endpoints that the approval names and that are active in its ring.
    pub members: Vec<RecordId>,
    /// When it pauses itself.
    pub brake: Brake,
}

/// What follows from a command about runs.
pub(crate) fn decide(
    state: &State,
    command: RunCommand,
    now: Timestamp,
) -> Result<Vec<Fact>, Refused> {
    use RunCommand as C;
    Ok(vec![match command {
        C::PlaceRing { ring, place } => {
            has_place(state, &ring, place.as_ref())?;
            if state.places.get(&ring) == place.as_ref() {
                return Ok(Vec::new());
            }
            Fact::RingPlaced { ring, place }
        }
        C::SetFloor { ring, package, version } => return set_floor(state, ring, package, version),
        C::Plan { run, ring, statement, not_after, endpoints, packages, brake, record } => {
            let mut facts = planned_before(state, &ring);
            let run = Fact::RunPlanned {
                run,
                ring,
                statement,
                not_after,
                endpoints,
                packages,
                brake,
                record,
            };
            facts.push(run);
            return Ok(facts);
        }
        C::Start { run, members, unsoaked } => {
            let known = known(state, &run)?;
            if known.standing != RunStanding::Approved {
                return Err(Refused::RunStands { is: known.standing });
            }
            if members.is_empty() {
                return Err(Refused::NobodyToRun);
            }
            return Ok(started(state, run, known, members, unsoaked));
        }
        C::Pause { run } => {
            match known(state, &run)?.standing {
                RunStanding::Started => {}
                RunStanding::Paused(_) => return Ok(Vec::new()),
                is => return Err(Refused::RunStands { is }),
            }
            Fact::RunPaused { run, cause: PauseCause::Person }
        }
        C::Resume { run } => {
            match known(state, &run)?.standing {
                RunStanding::Paused(_) => {}
                RunStanding::Started => return Ok(Vec::new()),
                is => return Err(Refused::RunStands { is }),
            }
            Fact::RunResumed { run }
        }
        C::Cancel { run } => ended(&run, known(state, &run)?, RunEnd::Cancelled),
        C::EndDue => {
            let due = state.runs.iter().filter(|(_, run)| run.not_after <= now);
            return Ok(due.map(|(id, run)| ended(id, run, RunEnd::Expired)).collect());
        }
        C::Resolve { endpoint, resolution } => return resolve(state, endpoint, resolution),
    }])
}

fn set_floor(
    state: &State,
    ring: RingName,
    package: String,
    version: Option<String>,
) -> Result<Vec<Fact>, Refused> {
    has_place(state, &ring, None)?;
    let same = state.floors.get(&(ring.clone(), package.clone())) == version.as_ref();
    Ok((!same).then_some(Fact::FloorSet { ring, package, version }).into_iter().collect())
}

/// Whatever was planned in a ring and never approved makes room for a newer plan.
fn planned_before(state: &State, ring: &RingName) -> Vec<Fact> {
    let planned = |run: &Run| run.ring == *ring && run.standing == RunStanding::Planned;
    let before = state.runs.iter().filter(|(_, run)| planned(run));
    before.map(|(id, run)| ended(id, run, RunEnd::Overtaken)).collect()
}

fn known<'a>(state: &'a State, run: &RecordId) -> Result<&'a Run, Refused> {
    state.runs.get(run).ok_or_else(|| Refused::NoRun { run: run.clone() })
}

/// Both rings are there, and the order has no circle.
fn has_place(state: &State, ring: &RingName, place: Option<&RingPlace>) -> Result<(), Refused> {
    for named in [Some(ring), place.map(|place| &place.after)].into_iter().flatten() {
        if !state.rings.contains_key(named) {
            return Err(Refused::NoRing { ring: named.clone() });
        }
    }
    let mut before = place.map(|place| &place.after);
    while let Some(named) = before {
        if named == ring {
            return Err(Refused::RingCircle { ring: ring.clone() });
        }
        before = state.places.get(named).map(|place| &place.after);
    }
    Ok(())
}

fn resolve(
    state: &State,
    endpoint: RecordId,
    resolution: Resolution,
) -> Result<Vec<Fact>, Refused> {
    let known = state.endpoints.get(&endpoint).ok_or(Refused::NoEndpoint)?;
    let job = known.job.as_ref().filter(|job| job.end.is_none());
    let asks =
        |job: &&Job| job.phase == JobPhase::AwaitingDecision || known.silent == Some(job.approval);
    let job = job.filter(asks).ok_or(Refused::NothingToDecide)?;
    if known.resolution == Some((job.approval, resolution)) {
        return Ok(Vec::new());
    }
    Ok(vec![Fact::JobResolved { endpoint, approval: job.approval, resolution }])
}

/// The facts of a start: each endpoint is named, in as many entries as it takes.
fn started(
    state: &State,
    run: RecordId,
    known: &Run,
    mut members: Vec<RecordId>,
    unsoaked: bool,
) -> Vec<Fact> {
    members.sort();
    members.dedup();
    let joined = |endpoints: &[RecordId]| Fact::RunJoined {
        run: run.clone(),
        endpoints: endpoints.to_vec(),
    };
    let mut facts: Vec<Fact> = members.chunks(JOINED_MAX).map(joined).collect();
    facts.push(Fact::RunStarted {
        run: run.clone(),
        ring: known.ring.clone(),
        statement: known.statement,
        not_after: known.not_after,
        endpoints: members.len() as u64,
        brake: known.brake,
        views: state.views_in(&known.ring),
        unsoaked,
    });
    let joined = members.iter().filter_map(|id| state.endpoints.get(id));
    let tally = heard_before(joined, &known.statement, members.len() as u64);
    if tally.open() == 0 {
        facts.push(ended(&run, &Run { tally, ..known.clone() }, RunEnd::Complete));
    }
    facts
}

/// What follows for runs from a statement that was accepted: the run before is over, and where nobody had
/// planned one, it begins at once.
pub(crate) fn after_statement(
    state: &State,
    ring: &RingName,
    statement: Digest,
    not_after: Timestamp,
    new: Option<NewRun>,
) -> Vec<Fact> {
    let in_ring = || state.runs.iter().filter(|(_, run)| run.ring == *ring);
    let others = in_ring().filter(|(_, run)| run.statement != statement);
    let mut facts: Vec<Fact> = others.map(|(id, run)| ended(id, run, RunEnd::Overtaken)).collect();
    let planned = in_ring().any(|(_, run)| run.statement == statement);
    if let Some(NewRun { run, members, brake }) =
        new.filter(|new| !planned && !new.members.is_empty())
    {
        let known = Run {
            ring: ring.clone(),
            statement,
            not_after,
            standing: RunStanding::Approved,
            brake,
            views: Vec::new(),
            unsoaked: false,
            tally: Tally::default(),
        };
        facts.extend(started(state, run, &known, members, false));
    }
    facts
}

/// What follows for its run from what became of an endpoint's job.
pub(crate) fn after_job(state: &State, endpoint: &Endpoint, job: &Job) -> Option<Fact> {
    let id = endpoint.run.as_ref()?;
    let run = state.runs.get(id).filter(|run| run.statement == job.approval)?;
    let before = endpoint.job.as_ref().filter(|before| before.approval == job.approval);
    let mut after = run.clone();
    after.tally.hears(before, job);
    if after.tally.open() == 0 && run.tally.open() > 0 {
        return Some(ended(id, &after, RunEnd::Complete));
    }
    let failures = after.tally.failures;
    let braked = run.standing == RunStanding::Started
        && failures > run.tally.failures
        && run.brake.holds(failures - run.tally.forgiven, run.tally.members);
    braked.then(|| Fact::RunPaused { run: id.clone(), cause: PauseCause::Brake })
}

/// What follows for its run from an endpoint that leaves: the last one whose part is open ends it.
pub(crate) fn after_leaving(state: &State, endpoint: &RecordId) -> Option<Fact> {
    let (id, run) = open_in(state, endpoint)?;
    let mut after = run.clone();
    after.tally.members -= 1;
    (after.tally.open() == 0).then(|| ended(id, &after, RunEnd::Complete))
}

/// The run in which an endpoint's part is open.
fn open_in<'a>(state: &'a State, endpoint: &RecordId) -> Option<(&'a RecordId, &'a Run)> {
    let known = state.endpoints.get(endpoint)?;
    let (id, run) = state.runs.get_key_value(known.run.as_ref()?)?;
    let own = known.job.as_ref().filter(|job| job.approval == run.statement);
    own.is_none_or(|job| job.end.is_none()).then_some((id, run))
}

/// Takes an endpoint that leaves out of its run.
pub(crate) fn leave(state: &mut State, endpoint: &RecordId) {
    if let Some(id) = open_in(state, endpoint).map(|(id, _)| id.clone())
        && let Some(run) = state.runs.get_mut(&id)
    {
        run.tally.members -= 1;
    }
}

fn ended(id: &RecordId, run: &Run, end: RunEnd) -> Fact {
    Fact::RunEnded {
        run: id.clone(),
        ring: run.ring.clone(),
        statement: run.statement,
        end,
        tally: run.tally.clone(),
    }
}

/// Takes in a fact about runs; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::RingPlaced { ring, place: Some(place) } => {
            state.places.insert(ring.clone(), place.clone());
        }
        Fact::RingPlaced { ring, place: None } => {
            state.places.remove(ring);
        }
        Fact::FloorSet { ring, package, version } => {
            let key = (ring.clone(), package.clone());
            match version {
                Some(version) => drop(state.floors.insert(key, version.clone())),
                None => drop(state.floors.remove(&key)),
            }
        }
        Fact::RunPlanned { run, ring, statement, not_after, brake, .. } => {
            let planned = Run {
                ring: ring.clone(),
                statement: *statement,
                not_after: *not_after,
                standing: RunStanding::Planned,
                brake: *brake,
                views: Vec::new(),
                unsoaked: false,
                tally: Tally::default(),
            };
            state.runs.insert(run.clone(), planned);
        }
        Fact::RunJoined { run, endpoints } => {
            for endpoint in endpoints {
                if let Some(known) = state.endpoints.get_mut(endpoint) {
                    known.run = Some(run.clone());
                }
            }
        }
        Fact::RunStarted { run, ring, statement, not_after, endpoints, brake, views, unsoaked } => {
            let joined = state.endpoints.values().filter(|known| known.run.as_ref() == Some(run));
            let started = Run {
                ring: ring.clone(),
                statement: *statement,
                not_after: *not_after,
                standing: RunStanding::Started,
                brake: *brake,
                views: views.clone(),
                unsoaked: *unsoaked,
                tally: heard_before(joined, statement, *endpoints),
            };
            state.runs.insert(run.clone(), started);
        }
        Fact::RunPaused { run, cause } => {
            change(state, run, |known| known.standing = RunStanding::Paused(*cause));
        }
        Fact::RunResumed { run } => change(state, run, |known| {
            known.standing = RunStanding::Started;
            known.tally.forgiven = known.tally.failures;
        }),
        Fact::RunEnded { .. } => end(state, fact, at),
        Fact::JobResolved { endpoint, approval, resolution } => {
            if let Some(known) = state.endpoints.get_mut(endpoint) {
                known.resolution = Some((*approval, *resolution));
            }
        }
        _ => return false,
    }
    true
}

/// Takes a run that has ended out of the state.
fn end(state: &mut State, fact: &Fact, at: Timestamp) {
    let Fact::RunEnded { run, ring, statement, end, tally } = fact else { return };

    let over = state.runs.remove(run);
    match end {
        RunEnd::Complete => {
            let views = over.map(|run| run.views).unwrap_or_default();
            let (run, tally) = (run.clone(), tally.clone());
            let last = LastRun { run, ended_at: at, views, tally };
            state.last_runs.insert(ring.clone(), last);
        }
        RunEnd::Expired => end_unbegun(state, run, *statement, JobEnd::Expired, at),
        RunEnd::Cancelled => end_unbegun(state, run, *statement, JobEnd::Cancelled, at),
        RunEnd::Overtaken => {}
    }
}

/// How the endpoints of a run that starts fare: one may have ended its part before, having seen that it
/// could not begin.
fn heard_before<'a>(
    members: impl IntoIterator<Item = &'a Endpoint>,
    statement: &Digest,
    count: u64,
) -> Tally {
    let mut tally = Tally { members: count, ..Tally::default() };
    let jobs = members.into_iter().filter_map(|known| known.job.as_ref());
    for job in jobs.filter(|job| job.approval == *statement) {
        tally.hears(None, job);
    }
    tally
}

fn change(state: &mut State, run: &RecordId, with: impl FnOnce(&mut Run)) {
    if let Some(known) = state.runs.get_mut(run) {
        with(known);
    }
}

/// A planned run whose draft was signed may be started.
pub(crate) fn approve(state: &mut State, statement: &Digest) {
    let planned =
        |run: &&mut Run| run.statement == *statement && run.standing == RunStanding::Planned;
    if let Some(run) = state.runs.values_mut().find(planned) {
        run.standing = RunStanding::Approved;
    }
}

/// Takes what became of an endpoint's job into its run's counts.
pub(crate) fn hear(state: &mut State, endpoint: &RecordId, job: &Job) {
    let Some(known) = state.endpoints.get(endpoint) else { return };
    let before = known.job.clone().filter(|before| before.approval == job.approval);
    let Some(run) = known.run.clone() else { return };
    if let Some(run) = state.runs.get_mut(&run).filter(|run| run.statement == job.approval) {
        run.tally.hears(before.as_ref(), job);
    }
}

/// Ends the jobs of a run that have not begun to change packages: they never will.
fn end_unbegun(state: &mut State, run: &RecordId, approval: Digest, end: JobEnd, at: Timestamp) {
    let waits = |known: &Endpoint| {
        // A job of an earlier approval that has begun comes to its own end.
        let may_wait = |job: &Job| {
            job.phase < JobPhase::Applying || (job.approval != approval && job.end.is_some())
        };
        known.run.as_ref() == Some(run) && known.job.as_ref().is_none_or(may_wait)
    };
    let waiting: Vec<RecordId> = state
        .endpoints
        .iter()
        .filter(|(_, known)| waits(known))
        .map(|(id, _)| id.clone())
        .collect();
    for id in waiting {
        if let Some(known) = state.endpoints.get_mut(&id) {
            let (phase, end) = (JobPhase::Ended, Some(end));
            known.take_out(Job { approval, phase, at, way_back: None, end });
        }
    }
}
