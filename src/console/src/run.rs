//! Runs: planned, looked at while they go, held back and ended.

use crate::{
    Console, Failure,
    chart::Bar,
    endpoint::chosen,
    frame::{Done, Frame, Section},
    list::{Address, Pager, ROWS, skip},
    live::{self, Look},
    reading,
    security_key::Sign,
    text,
    update::days_from_now,
    visit::{Sent, Visit, Watching},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use fleet::{Brake, Finding, JobEnd, Operation, RunStanding, Severity};
use ids::{PersonId, RecordId, RingName};
use serde::Deserialize;
use site::{RunReport, RunStatus, Site, Wish};
use std::sync::Arc;
use trust::Decision;

/// Endpoints that a run's page shows at once.
const MEMBERS_SHOWN: usize = 500;

#[derive(Deserialize)]
struct ListWords {
    page: Option<u64>,
}

struct Line {
    run: RunStatus,
    bar: Bar,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct List {
    frame: Frame,
    pager: Pager,
    rows: Vec<Line>,
    may_plan: bool,
}

async fn list(visit: Visit, Query(words): Query<ListWords>) -> Result<Html<String>, Failure> {
    let page = words.page.unwrap_or(1);
    let all = reading(&visit, Site::runs).await?;
    let pager = Address::new("/runs").pager(page, all.len() as u64);
    let shown = all.into_iter().skip(skip(page)).take(ROWS);
    let rows = shown.map(|run| Line { bar: bar(&run), run }).collect();
    let frame = Frame::new(&visit, Section::Runs, "Runs");
    Ok(Html(List { frame, pager, rows, may_plan: visit.may(Operation::PlanRun) }.render()?))
}

/// How a run's endpoints fare.
fn bar(run: &RunStatus) -> Bar {
    let tally = &run.tally;
    let ended: u64 = tally.ends.values().sum();
    let good = tally.ended(JobEnd::Effective);
    let ends = [JobEnd::Failed, JobEnd::Restored, JobEnd::RestoreFailed];
    let bad: u64 = ends.into_iter().map(|end| tally.ended(end)).sum();
    let other = ended.saturating_sub(good + bad);
    // One that waits for a decision has failed, and its part is open.
    let failed = tally.failures.max(bad);
    let open = tally.open().saturating_sub(failed - bad);
    let said = format!("{good} effective, {failed} failed, {other} ended otherwise, {open} open");
    Bar::stacked(said, &[("good", good), ("bad", failed), ("unknown", other), ("other", open)])
}

/// What of a run moves while it goes.
#[derive(Template)]
#[template(path = "run_board.html")]
struct Board {
    frame: Frame,
    report: RunReport,
    bar: Bar,
    /// Endpoints by how far they are, in the order of the work.
    columns: Vec<(&'static str, u64)>,
}

const ORDER: [&str; 18] = [
    "nothing heard yet",
    "waiting for window",
    "snapshotting",
    "way back proven",
    "waived",
    "applying",
    "awaiting restart",
    "confirming",
    "awaiting decision",
    "restoring",
    "effective",
    "restored",
    "failed",
    "restore failed",
    "refused",
    "expired",
    "cancelled",
    "ended",
];

impl Board {
    fn new(frame: Frame, report: RunReport) -> Self {
        let number =
            |word: &str| report.endpoints.iter().filter(|e| e.stands == word).count() as u64;
        let columns = ORDER.into_iter().map(|word| (word, number(word)));
        let columns = columns.filter(|(_, number)| *number > 0).collect();
        Self { bar: bar(&report.status), columns, frame, report }
    }

    fn shown(&self) -> impl Iterator<Item = &site::RunEndpoint> {
        // Those that want a person come first.
        let wants = self.report.endpoints.iter().filter(|endpoint| endpoint.wants_decision);
        let others = self.report.endpoints.iter().filter(|endpoint| !endpoint.wants_decision);
        wants.chain(others).take(MEMBERS_SHOWN)
    }

    fn hidden(&self) -> usize {
        self.report.endpoints.len().saturating_sub(MEMBERS_SHOWN)
    }

    fn colour(stands: &str) -> &'static str {
        match stands {
            "effective" => "green",
            "failed" | "restore failed" | "refused" | "awaiting decision" => "red",
            "restored" | "restoring" | "awaiting restart" => "orange",
            "waiting for window" | "nothing heard yet" | "expired" | "cancelled" => "grey",
            _ => "teal",
        }
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct One {
    frame: Frame,
    board: Board,
    findings: Vec<Finding>,
    standing: Option<RunStanding>,
    approver: Option<PersonId>,
    /// What the visitor is to sign, if it waits for them.
    sign: Option<Sign>,
    /// Whether the visitor may take back what was approved.
    may_withdraw: bool,
    may_start: bool,
    may_pause: bool,
    may_resume: bool,
    may_cancel: bool,
    /// Whether the visitor may decide about endpoints that wait for a person.
    may_resolve: bool,
}

impl One {
    /// How many endpoints wait for a person.
    fn waiting(&self) -> usize {
        self.board.report.endpoints.iter().filter(|endpoint| endpoint.wants_decision).count()
    }

    fn grave(severity: &Severity) -> (&'static str, &'static str) {
        match severity {
            Severity::Note => ("note", "grey"),
            Severity::Warning => ("warning", "yellow"),
            Severity::Stop => ("stop", "red"),
        }
    }
}

async fn one(
    visit: Visit,
    Path(run): Path<String>,
    Query(words): Query<Done>,
) -> Result<Html<String>, Failure> {
    let run: RecordId = run.parse()?;
    let (report, findings, draft) = reading(&visit, move |site| {
        Ok((site.run_report(&run)?, site.run_findings(&run)?, site.run_draft(&run).ok()))
    })
    .await?;
    let approval = draft.as_ref().and_then(|draft| trust::Approval::unverified(draft).ok());
    let approver = approval.map(|approval| approval.approver);
    let state = visit.site().state();
    let standing = state.runs.get(&report.status.run).map(|run| run.standing);
    let asks = standing == Some(RunStanding::Planned)
        && approver.as_ref() == Some(visit.person())
        && visit.may(Operation::SubmitStatement);
    let sign = match draft.filter(|_| asks) {
        Some(draft) => {
            let action = format!("/runs/{}/approve", report.status.run);
            let button = "Approve with your security key";
            Some(Sign::new(&visit, draft, action, button, false).await?)
        }
        None => None,
    };
    let title = format!("Run of ring {}", report.status.ring);
    let frame = || Frame::new(&visit, Section::Runs, title.clone());
    let may = |operation, when: bool| when && visit.may(operation);
    let page = One {
        may_start: may(Operation::StartRun, standing == Some(RunStanding::Approved)),
        may_pause: may(Operation::PauseRun, standing == Some(RunStanding::Started)),
        may_resume: may(Operation::ResumeRun, matches!(standing, Some(RunStanding::Paused(_)))),
        may_cancel: may(Operation::CancelRun, standing.is_some()),
        may_resolve: may(
            Operation::ResolveJob,
            report.endpoints.iter().any(|endpoint| endpoint.wants_decision),
        ),
        frame: frame().below("Runs", "/runs").after(words.done.as_deref()),
        board: Board::new(frame(), report),
        may_withdraw: may(
            Operation::SubmitStatement,
            standing.is_some_and(|standing| standing != RunStanding::Planned),
        ),
        findings,
        standing,
        approver,
        sign,
    };
    Ok(Html(page.render()?))
}

async fn live(watching: Watching, Path(run): Path<String>) -> Result<Response, Failure> {
    let run: RecordId = run.parse()?;
    let visit = Arc::new(watching.0.clone());
    let begun = visit.site().state().runs.contains_key(&run);
    let look = move || {
        let (visit, run) = (Arc::clone(&visit), run.clone());
        async move {
            let ended = !visit.site().state().runs.contains_key(&run);
            let report = reading(&visit, move |site| site.run_report(&run)).await;
            match report {
                // A run that is over when the page is opened does not reload it for ever.
                Ok(_) if ended && begun => Look::Over,
                Ok(report) => {
                    let frame = Frame::new(&visit, Section::Runs, "Run");
                    Look::Part(Board::new(frame, report).render().unwrap_or_default())
                }
                Err(_) => Look::Over,
            }
        }
    };
    Ok(live::follow(watching, look).into_response())
}

#[derive(Template)]
#[template(path = "run_plan.html")]
struct Plan {
    frame: Frame,
    rings: Vec<RingName>,
    approvers: Vec<PersonId>,
    brake: Brake,
    may: bool,
    ring: String,
    /// Only these, where some were chosen.
    packages: Vec<String>,
}

async fn plan(
    visit: Visit,
    Query(words): Query<Vec<(String, String)>>,
) -> Result<Html<String>, Failure> {
    let root = reading(&visit, Site::site_root).await?;
    let mut approvers: Vec<PersonId> = root
        .into_iter()
        .flat_map(|status| status.root.approvers)
        .map(|approver| approver.person)
        .collect();
    approvers.sort();
    approvers.dedup();
    let word = |wanted: &'static str| {
        let words = words.iter().filter(move |(key, _)| key == wanted);
        words.map(|(_, word)| word.clone())
    };
    let page = Plan {
        frame: Frame::new(&visit, Section::Runs, "Plan a run").below("Runs", "/runs"),
        rings: visit.site().state().rings.keys().cloned().collect(),
        approvers,
        brake: Brake::default(),
        may: visit.may(Operation::PlanRun),
        ring: word("ring").next().unwrap_or_default(),
        packages: word("package").collect(),
    };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
struct PlanForm {
    ring: String,
    approver: String,
    days: String,
    any_time: Option<String>,
    reason: String,
    brake_failures: String,
    brake_per_cent: String,
    /// Only these, with spaces between them.
    #[serde(default)]
    packages: String,
}

async fn draw_up(Sent(visit, form): Sent<PlanForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::PlanRun)?;
    let number = |text: &str| {
        let read: Result<u64, _> = text.trim().parse();
        read.map_err(|_| Failure::input(format!("{text:?} is no whole number")))
    };
    let per_cent = number(&form.brake_per_cent)?;
    let brake = Brake {
        failures: number(&form.brake_failures)?,
        per_cent: u8::try_from(per_cent)
            .ok()
            .filter(|per_cent| *per_cent <= 100)
            .ok_or_else(|| Failure::input("the brake is at most 100 per cent"))?,
    };
    let wish = Wish {
        ring: form.ring.parse()?,
        approver: form.approver.parse()?,
        decision: Decision::Approve,
        not_after: days_from_now(&visit, &form.days)?,
        windows: Vec::new(),
        named: Vec::new(),
        any_time: form.any_time.is_some(),
        endpoints: Vec::new(),
        packages: form.packages.split_whitespace().map(str::to_owned).collect(),
        reason: Some(form.reason.trim().to_owned()).filter(|reason| !reason.is_empty()),
    };
    let planned = reading(&visit, move |site| site.plan_run(actor, wish, brake)).await?;
    Ok(Redirect::to(&format!("/runs/{}?done=planned", planned.run)))
}

#[derive(Deserialize)]
struct StartForm {
    unsoaked: Option<String>,
}

async fn start(
    Path(run): Path<String>,
    Sent(visit, form): Sent<StartForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::StartRun)?;
    let (run, unsoaked) = (run.parse::<RecordId>()?, form.unsoaked.is_some());
    let id = run.clone();
    reading(&visit, move |site| site.start_run(actor, &id, unsoaked)).await?;
    Ok(Redirect::to(&format!("/runs/{run}?done=started")))
}

#[derive(Deserialize)]
struct ActForm {
    act: String,
}

async fn act(
    Path(run): Path<String>,
    Sent(visit, form): Sent<ActForm>,
) -> Result<Redirect, Failure> {
    let run: RecordId = run.parse()?;
    let (operation, done) = match form.act.as_str() {
        "pause" => (Operation::PauseRun, "paused"),
        "resume" => (Operation::ResumeRun, "resumed"),
        "cancel" => (Operation::CancelRun, "cancelled"),
        other => return Err(Failure::input(format!("a run cannot be told to {other:?}"))),
    };
    let actor = visit.acting(operation)?;
    let id = run.clone();
    reading(&visit, move |site| match operation {
        Operation::PauseRun => site.pause_run(actor, &id),
        Operation::ResumeRun => site.resume_run(actor, &id),
        _ => site.cancel_run(actor, &id),
    })
    .await?;
    Ok(Redirect::to(&format!("/runs/{run}?done={done}")))
}

#[derive(Deserialize)]
struct ResolveForm {
    resolution: String,
}

/// Decides about all endpoints of a run that wait for a person.
async fn resolve(
    Path(run): Path<String>,
    Sent(visit, form): Sent<ResolveForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::ResolveJob)?;
    let run: RecordId = run.parse()?;
    let resolution = chosen(&form.resolution)?;
    let id = run.clone();
    reading(&visit, move |site| site.resolve_run(&actor, &id, resolution)).await?;
    Ok(Redirect::to(&format!("/runs/{run}?done=resolved")))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/runs", get(list))
        .route("/runs/plan", get(plan).post(draw_up))
        .route("/runs/{run}", get(one))
        .route("/runs/{run}/live", get(live))
        .route("/runs/{run}/start", post(start))
        .route("/runs/{run}/act", post(act))
        .route("/runs/{run}/resolve", post(resolve))
}
