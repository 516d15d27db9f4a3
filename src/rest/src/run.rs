//! Runs: the list, one endpoint by endpoint, planning, its approval's draft, starting, pausing, resuming, cancelling.

use crate::{
    act::{Asking, Json, No, Table},
    endpoint::WayBackWord,
    problem::Problem,
    statement::{Finding, Wish},
    words::{
        At, Endpoint, Envelope, Of, Part, Place, Record, ResolutionWord, Ring, Sha256, Text,
        text_of, words,
    },
};
use fleet::{Brake, Operation};
use ids::RecordId;
use serde::{Deserialize, Serialize};
use site::Site;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

words! {
    /// A run.
    RunStatus of site::RunStatus {
        /// Its id.
        run: Record,
        /// Its ring.
        ring: Ring,
        /// SHA-256 of the statement that approves it.
        statement: Sha256,
        /// How it stands, in words.
        stands: String,
        /// What it waits for.
        waits_for: Option<String>,
        /// How many endpoints are how far.
        tally: Tally,
        /// Since when it stands so.
        since: Option<At>,
        /// When it ended.
        ended_at: Option<At>,
        /// Until when its approval counts.
        not_after: Option<At>,
    }
    /// One endpoint of a run.
    RunEndpoint of site::RunEndpoint {
        /// Its host name.
        name: Endpoint,
        /// How it stands, in words.
        stands: String,
        /// Since when.
        at: Option<At>,
        /// What leads back.
        way_back: Option<WayBackWord>,
        /// Whether a person has to decide.
        wants_decision: bool,
        /// What was decided.
        resolution: Option<ResolutionWord>,
        /// Whether what was effective no longer is.
        reopened: bool,
        /// What it said last.
        said: Option<String>,
        /// When it last checked in.
        seen_at: Option<At>,
    }
}

/// How many endpoints are how far.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Tally {
    members: u64,
    begun: u64,
    failures: u64,
    /// Failures that a person saw when the run was resumed.
    forgiven: u64,
    /// How many ended in which way.
    ends: BTreeMap<String, u64>,
}

impl Of<fleet::Tally> for Tally {
    fn of(from: fleet::Tally) -> Self {
        let fleet::Tally { members, begun, failures, forgiven, ends } = from;
        let ends = ends.iter().map(|(end, count)| (text_of(end), *count)).collect();
        Self { members, begun, failures, forgiven, ends }
    }
}

/// A run, endpoint by endpoint.
#[derive(Debug, Serialize, ToSchema)]
struct RunReport {
    status: RunStatus,
    endpoints: Vec<RunEndpoint>,
}

/// A run that is planned: its approval is to be signed next.
#[derive(Debug, Serialize, ToSchema)]
struct PlannedRun {
    run: Record,
    draft: Envelope,
    findings: Vec<Finding>,
}

/// A run to plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunWish {
    wish: Wish,
    /// After so many failures the run pauses; never where it is 0.
    #[serde(default = "three")]
    #[schema(maximum = 100_000)]
    brake_failures: u64,
    /// Or once so many per cent of those that began failed; never where it is 0.
    #[serde(default = "a_fifth")]
    #[schema(maximum = 100)]
    brake_per_cent: u8,
}

const fn three() -> u64 {
    3
}

const fn a_fifth() -> u8 {
    20
}

/// How to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Start {
    /// Without waiting for the ring before it; the log says so.
    #[serde(default)]
    without_soak: bool,
}

/// Which run.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfRun {
    /// Its id, or its ring's name for the newest run there.
    #[param(inline)]
    run: Text<1, 63>,
}

impl Asking {
    fn run(&self, of: OfRun) -> Result<RecordId, Problem> {
        self.site().run_called(&of.run.0).map_err(|error| match error {
            site::Error::Input(why) => Problem::missing(why),
            other => other.into(),
        })
    }
}

fn list(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<RunStatus>>, Problem> {
    Ok(Json(Part::of(asking.site().runs()?, &place)?))
}

fn report(asking: &Asking, of: OfRun, _: No, _: No) -> Result<Json<RunReport>, Problem> {
    let run = asking.run(of)?;
    let told = asking.site().run_report(&run)?;
    Ok(Json(RunReport { status: Of::of(told.status), endpoints: Of::of(told.endpoints) }))
}

fn draft(asking: &Asking, of: OfRun, _: No, _: No) -> Result<Json<Envelope>, Problem> {
    let run = asking.run(of)?;
    Ok(Json(Envelope::out(&asking.site().run_draft(&run)?)?))
}

fn plan(
    asking: &Asking,
    _: No,
    _: No,
    Json(wish): Json<RunWish>,
) -> Result<Json<PlannedRun>, Problem> {
    let brake = Brake { failures: wish.brake_failures, per_cent: wish.brake_per_cent };
    if brake.failures > 100_000 || brake.per_cent > 100 {
        return Err(Problem::input("a brake is 0 to 100000 failures, and 0 to 100 per cent"));
    }
    let planned = asking.site().plan_run(asking.actor(), wish.wish.own(asking)?, brake)?;
    let (run, draft) = (Record(planned.run), Envelope::out(&planned.draft)?);
    Ok(Json(PlannedRun { run, draft, findings: Of::of(planned.findings) }))
}

fn start(asking: &Asking, of: OfRun, _: No, Json(start): Json<Start>) -> Result<(), Problem> {
    let run = asking.run(of)?;
    Ok(asking.site().start_run(asking.actor(), &run, start.without_soak)?)
}

fn acts_on(
    asking: &Asking,
    of: OfRun,
    act: fn(&Site, fleet::Actor, &RecordId) -> Result<(), site::Error>,
) -> Result<(), Problem> {
    let run = asking.run(of)?;
    Ok(act(asking.site(), asking.actor(), &run)?)
}

fn pause(asking: &Asking, of: OfRun, _: No, _: No) -> Result<(), Problem> {
    acts_on(asking, of, Site::pause_run)
}

fn resume(asking: &Asking, of: OfRun, _: No, _: No) -> Result<(), Problem> {
    acts_on(asking, of, Site::resume_run)
}

fn cancel(asking: &Asking, of: OfRun, _: No, _: No) -> Result<(), Problem> {
    acts_on(asking, of, Site::cancel_run)
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/runs"), O::Runs, "Runs, the newest first", list);
    table.add(("POST", "/runs"), O::PlanRun, "Plan a run", plan);
    table.add(("GET", "/runs/{run}"), O::RunReport, "A run, endpoint by endpoint", report);
    table.add(
        ("GET", "/runs/{run}/draft"),
        O::RunDraft,
        "The approval of a planned run, unsigned",
        draft,
    );
    table.add(("POST", "/runs/{run}/start"), O::StartRun, "Let a run's endpoints begin", start);
    table.add(("POST", "/runs/{run}/pause"), O::PauseRun, "Let none begin any more", pause);
    table.add(("POST", "/runs/{run}/resume"), O::ResumeRun, "Let a paused run go on", resume);
    table.add(("POST", "/runs/{run}/cancel"), O::CancelRun, "End a run", cancel);
}
