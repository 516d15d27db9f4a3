//! Runs: drawn up, started, held back, looked at. What an endpoint is told of its run is [`Site::run_orders`].

use crate::{Error, Site, Wish, keys, rows};
use api::RunOrders;
use fleet::{
    Actor, Brake, Command, Endpoint, Fact, Finding, JobPhase, NewRun, Resolution, RingPlace,
    RunCommand, RunEnd, RunStanding, Standing, State, Tally, WayBack,
};
use ids::{Digest, EndpointName, RecordId, RingName, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use trust::{Approval, Decision, Envelope, is_plain_word};
use views::Row;

/// Most runs of the past that are looked at.
const RUNS_MAX: usize = 10_000;

/// A run that was drawn up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRun {
    /// Its id.
    pub run: RecordId,
    /// The approval that its approver is to sign.
    pub draft: Envelope,
    /// What is to be known about it.
    pub findings: Vec<Finding>,
}

/// A run at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// Its id.
    pub run: RecordId,
    /// Its ring.
    pub ring: RingName,
    /// SHA-256 of the approval's payload.
    pub statement: Digest,
    /// How it stands, in words.
    pub stands: String,
    /// What holds it back though it was started: the ring before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// How its endpoints fare.
    pub tally: Tally,
    /// When it was planned or started.
    pub since: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When its approval ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

/// A run, endpoint by endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run.
    #[serde(flatten)]
    pub status: RunStatus,
    /// Its endpoints, by name. One that has joined another run since is told of there.
    pub endpoints: Vec<RunEndpoint>,
}

/// An endpoint's part in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEndpoint {
    /// Its name.
    pub name: EndpointName,
    /// How far it is, in words.
    pub stands: String,
    /// When it got there; `None` before its first word.
    pub at: Option<Timestamp>,
    /// What could put it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back: Option<WayBack>,
    /// Whether a person has to decide about it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wants_decision: bool,
    /// What a person decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Whether something that it had brought is older or gone again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopened: bool,
    /// Its own last sentence, or what became of it at its provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// When it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
}

impl Site {
    /// Draws a run up: the approval that its approver is to sign, kept with the plan.
    ///
    /// # Errors
    /// As for [`Site::draft_statement`].
    pub fn plan_run(&self, actor: Actor, wish: Wish, brake: Brake) -> Result<PlannedRun, Error> {
        if wish.decision != Decision::Approve {
            return Err(Error::Input("a run is of what is approved".to_owned()));
        }
        let findings = self.lint(&wish)?;
        let draft = self.draft_statement(wish)?;
        let approval = Approval::unverified(&draft).map_err(Error::Denied)?;
        let run = keys::record_id(self.now())?;
        let record = self.commit(json!({ "draft": draft, "findings": findings }))?;
        let plan = RunCommand::Plan {
            run: run.clone(),
            ring: approval.ring.clone(),
            statement: statement(&draft)?,
            not_after: approval.not_after,
            endpoints: approval.endpoints.len() as u64,
            packages: approval.packages.len() as u64,
            brake,
            record,
        };
        self.heart().ask(actor, Command::Run(plan))?;
        Ok(PlannedRun { run, draft, findings })
    }

    /// The draft of a planned run, for its approver.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such run, [`Error::Store`] when its draft was erased.
    pub fn run_draft(&self, run: &RecordId) -> Result<Envelope, Error> {
        let rows = self.heart().views().rows(rows::RUNS, run.as_str().as_bytes(), RUNS_MAX);
        let rows = rows.map_err(Error::Views)?;
        let record = known(&rows).first().and_then(|known| known.record);
        let record = record.ok_or_else(|| no_run(run))?;
        let (_, kept) = self.evidence().get(&record).map_err(Error::Store)?;
        serde_json::from_value(kept["draft"].clone()).map_err(Error::State)
    }

    /// What the linter said of a planned run when it was drawn up; nothing of one that nobody had planned, or
    /// whose draft was erased.
    ///
    /// # Errors
    /// [`Error::Views`].
    pub fn run_findings(&self, run: &RecordId) -> Result<Vec<Finding>, Error> {
        let rows = self.heart().views().rows(rows::RUNS, run.as_str().as_bytes(), RUNS_MAX);
        let rows = rows.map_err(Error::Views)?;
        let record = known(&rows).first().and_then(|known| known.record);
        let kept = record.and_then(|record| self.evidence().get(&record).ok());
        let kept = kept.map(|(_, mut value)| value["findings"].take());
        kept.map_or(Ok(Vec::new()), |kept| serde_json::from_value(kept).map_err(Error::State))
    }

    /// Lets the endpoints of an approved run begin.
    ///
    /// # Errors
    /// [`Error::Refused`]: nothing has begun.
    pub fn start_run(&self, actor: Actor, run: &RecordId, unsoaked: bool) -> Result<(), Error> {
        let state = self.state();
        let known = state.runs.get(run).ok_or_else(|| no_run(run))?;
        let newest = state.statements.get(&known.ring);
        let members = match newest.filter(|newest| newest.statement == known.statement) {
            Some(newest) => {
                let envelope = self.kept_envelope(&newest.envelope)?;
                self.joining(&Approval::unverified(&envelope).map_err(Error::Denied)?)?
            }
            // It is not approved, which is what the rules will say.
            None => Vec::new(),
        };
        let start = RunCommand::Start { run: run.clone(), members, unsoaked };
        self.heart().ask(actor, Command::Run(start)).map(drop)
    }

    /// Lets no endpoint of a run begin any more.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn pause_run(&self, actor: Actor, run: &RecordId) -> Result<(), Error> {
        self.heart().ask(actor, Command::Run(RunCommand::Pause { run: run.clone() })).map(drop)
    }

    /// Lets a paused run go on.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn resume_run(&self, actor: Actor, run: &RecordId) -> Result<(), Error> {
        self.heart().ask(actor, Command::Run(RunCommand::Resume { run: run.clone() })).map(drop)
    }

    /// Ends a run: what has not begun to change packages never does.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn cancel_run(&self, actor: Actor, run: &RecordId) -> Result<(), Error> {
        self.heart().ask(actor, Command::Run(RunCommand::Cancel { run: run.clone() })).map(drop)
    }

    /// Decides about an endpoint whose job failed.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is to be decided about it.
    pub fn resolve_job(
        &self,
        actor: Actor,
        name: &EndpointName,
        resolution: Resolution,
    ) -> Result<(), Error> {
        let endpoint = self.endpoint_named(name)?;
        let resolve = RunCommand::Resolve { endpoint, resolution };
        self.heart().ask(actor, Command::Run(resolve)).map(drop)
    }

    /// Decides alike about all endpoints of a run whose jobs failed and that wait for a person. Gives how many there were.
    ///
    /// # Errors
    /// [`Error::Input`] when nothing is to be decided in it; [`Error::Ledger`].
    pub fn resolve_run(
        &self,
        actor: &Actor,
        run: &RecordId,
        resolution: Resolution,
    ) -> Result<u64, Error> {
        let state = self.state();
        let waiting = state
            .endpoints
            .iter()
            .filter(|(id, known)| known.run.as_ref() == Some(run) && self.waits_for_decision(id));
        let waiting: Vec<RecordId> = waiting.map(|(id, _)| id.clone()).collect();
        if waiting.is_empty() {
            let why = format!("no endpoint of run {run} waits for a person to decide about it");
            return Err(Error::Input(why));
        }
        let count = waiting.len() as u64;
        for endpoint in waiting {
            let resolve = RunCommand::Resolve { endpoint, resolution };
            self.heart().ask(actor.clone(), Command::Run(resolve))?;
        }
        Ok(count)
    }

    /// Puts a ring behind another, or takes it out of the order.
    ///
    /// # Errors
    /// [`Error::Refused`] when the order would have no beginning.
    pub fn place_ring(
        &self,
        actor: Actor,
        ring: RingName,
        place: Option<RingPlace>,
    ) -> Result<(), Error> {
        self.heart().ask(actor, Command::Run(RunCommand::PlaceRing { ring, place })).map(drop)
    }

    /// Names a version of a package that no endpoint of a ring may leave out, or ends that.
    ///
    /// # Errors
    /// [`Error::Input`] for what is no version; [`Error::Refused`] when there is no such ring.
    pub fn set_floor(
        &self,
        actor: Actor,
        ring: RingName,
        package: String,
        version: Option<String>,
    ) -> Result<(), Error> {
        check_floor(&package, version.as_deref())?;
        let set = RunCommand::SetFloor { ring, package, version };
        self.heart().ask(actor, Command::Run(set)).map(drop)
    }

    /// Ends what is over by its dates. The appliance looks every half minute.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub fn end_due_runs(&self) -> Result<(), Error> {
        let now = self.now();
        if self.restored().is_some() || !self.state().runs.values().any(|r| r.not_after <= now) {
            return Ok(());
        }
        self.heart().ask(Actor::Appliance, Command::Run(RunCommand::EndDue)).map(drop)
    }

    /// Every run, the newest first.
    ///
    /// # Errors
    /// [`Error::Views`].
    pub fn runs(&self) -> Result<Vec<RunStatus>, Error> {
        let rows = self.heart().views().rows(rows::RUNS, b"", RUNS_MAX).map_err(Error::Views)?;
        let (state, now) = (self.state(), self.now());
        let mut runs: Vec<RunStatus> =
            known(&rows).into_iter().map(|known| run_status(&state, known, now)).collect();
        runs.reverse();
        Ok(runs)
    }

    /// The run with this id; or the newest of a ring.
    ///
    /// # Errors
    /// [`Error::Input`] when there is none.
    pub fn run_called(&self, text: &str) -> Result<RecordId, Error> {
        let runs = self.runs()?;
        let called = |run: &&RunStatus| run.run.as_str() == text || run.ring.as_str() == text;
        let run = runs.iter().find(called).map(|run| run.run.clone());
        run.ok_or_else(|| {
            Error::Input(format!("no run has the id {text}, and no ring of that name has had one"))
        })
    }

    /// A run, endpoint by endpoint.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such run.
    pub fn run_report(&self, run: &RecordId) -> Result<RunReport, Error> {
        let status = self.runs()?.into_iter().find(|known| known.run == *run);
        let status = status.ok_or_else(|| no_run(run))?;
        let state = self.state();
        let joined = state.endpoints.iter().filter(|(_, known)| known.run.as_ref() == Some(run));
        let part = |(id, known)| self.run_endpoint(id, known, &status.statement);
        let mut endpoints: Vec<RunEndpoint> = joined.map(part).collect::<Result<_, _>>()?;
        endpoints.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(RunReport { status, endpoints })
    }

    fn run_endpoint(
        &self,
        id: &RecordId,
        known: &Endpoint,
        statement: &Digest,
    ) -> Result<RunEndpoint, Error> {
        let job = known.job.as_ref().filter(|job| job.approval == *statement);
        let seen = self.roster().seen(id);
        // Its own sentence may be newer than its last event; of one that ended it is the event's.
        let own = seen.as_ref().and_then(|seen| seen.said.clone());
        let own = own.filter(|_| job.is_some_and(|job| job.end.is_none()));
        let said = own.or_else(|| job.and_then(|_| self.last_words(id)));
        Ok(RunEndpoint {
            name: self.name_of(&known.name)?,
            stands: job.map_or("nothing heard yet", fleet::Job::word).to_owned(),
            at: job.map(|job| job.at),
            way_back: job.and_then(|job| job.way_back),
            wants_decision: job.is_some_and(|job| job.phase == JobPhase::AwaitingDecision)
                && known.resolution.is_none_or(|(approval, _)| approval != *statement),
            resolution: known.resolution.filter(|(a, _)| a == statement).map(|(_, r)| r),
            reopened: known.reopened,
            said,
            seen_at: seen.map(|seen| seen.at),
        })
    }

    /// The last sentence about an endpoint's job that was kept.
    fn last_words(&self, id: &RecordId) -> Option<String> {
        let row = self.heart().views().row(rows::JOBS, id.as_str().as_bytes()).ok()??;
        let record = serde_json::from_value(row["record"].clone()).ok()?;
        let (_, kept) = self.evidence().get(&record).ok()?;
        kept["message"].as_str().map(str::to_owned)
    }

    /// The run that begins with an approval which nobody had planned.
    pub(crate) fn new_run(&self, approval: &Approval) -> Result<NewRun, Error> {
        let (run, members) = (keys::record_id(self.now())?, self.joining(approval)?);
        Ok(NewRun { run, members, brake: Brake::default() })
    }

    /// The endpoints that an approval names and that are active in its ring.
    fn joining(&self, approval: &Approval) -> Result<Vec<RecordId>, Error> {
        let state = self.state();
        let active =
            |known: &Endpoint| known.standing == Standing::Active && known.ring == approval.ring;
        let mut members = Vec::new();
        for (id, known) in state.endpoints.iter().filter(|(_, known)| active(known)) {
            if approval.endpoints.binary_search(&self.name_of(&known.name)?).is_ok() {
                members.push(id.clone());
            }
        }
        Ok(members)
    }

    /// What its run asks of an endpoint: about the job that it has begun, whatever was decided for the ring
    /// since, or else about the ring's newest statement.
    pub(crate) fn run_orders(&self, known: &Endpoint, newest: Option<Digest>) -> Option<RunOrders> {
        let begun = |job: &&fleet::Job| job.end.is_none() && job.phase >= JobPhase::Applying;
        let under_way = known.job.as_ref().filter(begun).map(|job| job.approval);
        let approval = &under_way.or(newest)?;
        let (state, now) = (self.state(), self.now());
        let run = known.run.clone()?;
        let held = state.may_begin(known, approval, now).err();
        let own = known.job.as_ref().filter(|job| job.approval == *approval);
        Some(RunOrders {
            run,
            approval: *approval,
            go: held.is_none(),
            why: held.map(|hold| hold.to_string()).unwrap_or_default(),
            provided: known.description.provider.is_some(),
            proven: own.is_some_and(|job| known.has_snapshot(job)),
            stateless: known.description.stateless,
            resolution: known.resolution.filter(|(a, _)| a == approval).map(|(_, r)| r),
            over: own.and_then(|job| job.end),
        })
    }
}

fn run_status(state: &State, known: Known, now: Timestamp) -> RunStatus {
    let live = state.runs.get(&known.run);
    let started = live.filter(|run| run.standing == RunStanding::Started && !run.unsoaked);
    let holds = started.and_then(|run| state.soaked(&run.ring, &run.views, now).err());
    RunStatus {
        stands: live.map_or_else(|| ended(known.end), |run| run.standing.word()).to_owned(),
        waits_for: holds.map(|hold| hold.to_string()),
        tally: live.map(|run| run.tally.clone()).or(known.tally).unwrap_or_default(),
        run: known.run,
        ring: known.ring,
        statement: known.statement,
        since: known.since,
        ended_at: known.ended_at,
        not_after: known.not_after,
    }
}

/// SHA-256 of a statement's payload: what agents call the approval.
fn statement(envelope: &Envelope) -> Result<Digest, Error> {
    let payload = envelope.unverified_payload(trust::APPROVAL).map_err(Error::Denied)?;
    Ok(Digest::of(&payload))
}

fn no_run(run: &RecordId) -> Error {
    Error::Refused(fleet::Refused::NoRun { run: run.clone() })
}

const fn ended(end: Option<RunEnd>) -> &'static str {
    match end {
        Some(RunEnd::Complete) => "complete",
        Some(RunEnd::Overtaken) => "overtaken by a newer statement",
        Some(RunEnd::Expired) => "expired",
        Some(RunEnd::Cancelled) => "cancelled",
        None => "over",
    }
}

/// The row of a run that an event makes, under the run's id and a digit for the stage. Together they say
/// what is known of it.
pub(crate) fn row(at: Timestamp, fact: &Fact) -> Option<Row> {
    let (run, stage, value) = match fact {
        Fact::RunPlanned { run, ring, statement, not_after, record, .. } => (
            run,
            b'1',
            json!({ "run": run, "ring": ring, "statement": statement, "since": at,
                "not_after": not_after, "record": record }),
        ),
        Fact::RunStarted { run, ring, statement, not_after, .. } => (
            run,
            b'2',
            json!({ "run": run, "ring": ring, "statement": statement, "since": at,
                "not_after": not_after }),
        ),
        Fact::RunEnded { run, end, tally, .. } => {
            (run, b'3', json!({ "run": run, "ended_at": at, "end": end, "tally": tally }))
        }
        _ => return None,
    };
    let mut key = run.as_str().as_bytes().to_vec();
    key.push(stage);
    Some(Row { tree: rows::RUNS, key, value: Some(value) })
}

/// What is known of one run: its stages, the later over the earlier.
#[derive(Deserialize)]
struct Known {
    run: RecordId,
    ring: RingName,
    statement: Digest,
    since: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    not_after: Option<Timestamp>,
    record: Option<Digest>,
    end: Option<RunEnd>,
    tally: Option<Tally>,
}

/// Puts the stages of runs together.
fn known(rows: &[(Vec<u8>, Value)]) -> Vec<Known> {
    let mut runs: BTreeMap<&str, serde_json::Map<String, Value>> = BTreeMap::new();
    for (_, row) in rows {
        if let (Some(run), Some(fields)) = (row["run"].as_str(), row.as_object()) {
            runs.entry(run).or_default().extend(fields.clone());
        }
    }
    let whole = |fields| serde_json::from_value(Value::Object(fields)).ok();
    runs.into_values().filter_map(whole).collect()
}
/// Whether these can be a package and a version.
pub(crate) fn check_floor(package: &str, version: Option<&str>) -> Result<(), Error> {
    if let Some(version) = version {
        let read = vendor_apt::compare_versions(version, version);
        read.map_err(|e| Error::Input(format!("{version:?} is no version: {e}")))?;
    }
    if !is_plain_word(package) {
        return Err(Error::Input("a package's name is plain text".to_owned()));
    }
    Ok(())
}
