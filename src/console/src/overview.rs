//! The first page: are we safe, are we in time, what is next.

use crate::{
    Console, Failure,
    chart::Bar,
    frame::{Frame, Section},
    getting_started, reading, tag,
    text::{bytes, count, per_cent, thousands},
    update::NOT_RATED,
    visit::Visit,
};
use askama::Template;
use axum::response::Html;
use catalogue::VendorSeverity;
use fleet::{CONTENT_DAYS, JobEnd, Level, LevelStatus, PolicyStatus};
use ids::Timestamp;
use site::{
    Ending, EndpointQuery, EndpointState, ImportRow, LevelReport, PolicyStanding, RunStatus,
    ScannerStatus, SeverityStanding, Site, SourceStatus, Standings, Status, Waiting, WindowStatus,
};
use std::sync::Arc;

/// What the page looks at.
struct Looked {
    status: Status,
    levels: LevelReport,
    standings: Standings,
    runs: Vec<RunStatus>,
    last_import: Option<ImportRow>,
    windows: Vec<WindowStatus>,
    waiting: Vec<Waiting>,
    endpoints: u64,
    unseen: u64,
    /// Tasks of a new site that are not done.
    setting_up: usize,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    setting_up: usize,
    cards: Vec<Card>,
    waiting: Vec<Task>,
    levels: Vec<LevelLine>,
    policies: Vec<PolicyLine>,
    severities: Vec<SeverityStanding>,
    kev_as_of: Option<Timestamp>,
    sources: Vec<SourceLine>,
    radar: Vec<Ending>,
    last_import: Option<ImportRow>,
    last_run: Option<RunLine>,
    windows: Vec<(String, String, String)>,
    status: Status,
    scanner: ScannerStatus,
}

struct Card {
    title: &'static str,
    tone: &'static str,
    figure: String,
    unit: String,
    says: String,
    link: (&'static str, &'static str),
}

/// Something that waits for somebody.
struct Task {
    role: &'static str,
    says: String,
    link: String,
}

struct LevelLine {
    level: &'static str,
    bar: Bar,
    met: u64,
    due: u64,
    missed: u64,
    unknown: u64,
}

struct PolicyLine {
    name: String,
    title: String,
    bar: Bar,
    share: String,
    in_time: u64,
    late: u64,
    untold: u64,
    overdue: u64,
    due: [u64; 4],
    excepted: u64,
}

impl Page {
    /// Whether endpoints lack anything.
    fn is_lacking(&self) -> bool {
        self.severities.iter().any(|row| row.updates > 0)
    }

    fn exploited(&self) -> u64 {
        self.severities.iter().map(|row| row.exploited).sum()
    }

    /// The updates of a row as a list.
    fn link(row: &SeverityStanding) -> Option<String> {
        let word = row.severity.map_or(NOT_RATED, VendorSeverity::word);
        (row.updates > 0).then(|| format!("/updates?lacking=yes&severity={word}"))
    }
}

struct SourceLine {
    source: SourceStatus,
    days: i64,
    bar: Bar,
}

struct RunLine {
    run: RunStatus,
    effective: u64,
    open: u64,
}

pub(crate) async fn overview(visit: Visit) -> Result<Html<String>, Failure> {
    let looked = reading(&visit, look).await?;
    let frame = Frame::new(&visit, Section::Overview, "Overview");
    let cards = cards(&looked);
    let Looked {
        status, levels, standings, runs, last_import, windows, waiting, setting_up, ..
    } = looked;
    let page = Page {
        setting_up,
        cards,
        waiting: waiting.iter().map(task).collect(),
        levels: [Level::Content, Level::MonthlyRun, Level::FirstRun]
            .map(|level| level_line(&levels, level))
            .into(),
        policies: standings.policies.iter().map(policy_line).collect(),
        severities: standings.severities,
        kev_as_of: standings.kev_as_of,
        sources: status.sources.iter().map(|source| source_line(source, levels.at)).collect(),
        radar: status.radar.clone(),
        last_import,
        last_run: runs.into_iter().next().map(run_line),
        windows: next_windows(&windows),
        scanner: status.scanner.clone(),
        status,
        frame,
    };
    Ok(Html(page.render()?))
}

fn look(site: &Site) -> Result<Looked, site::Error> {
    let counted = |state| {
        let query = EndpointQuery { state: Some(state), ..EndpointQuery::default() };
        site.endpoint_part(&query).map(|part| part.found)
    };
    Ok(Looked {
        status: site.status()?,
        levels: site.level_report()?,
        standings: site.standings()?,
        runs: site.runs()?,
        last_import: site.imports()?.into_iter().next(),
        windows: site.windows()?,
        waiting: site.waiting()?,
        endpoints: counted(EndpointState::Elected)?,
        unseen: counted(EndpointState::Unseen)?,
        setting_up: getting_started::left(site)?,
    })
}

fn cards(looked: &Looked) -> Vec<Card> {
    let Looked { levels, standings, waiting, endpoints, unseen, status, .. } = looked;
    let safe = safe_card(&standings.policies);
    let level = |status| levels.counts.get(&status).copied().unwrap_or(0);
    let missed = level(LevelStatus::Missed);
    let in_time = Card {
        title: "Are we in time?",
        tone: if missed > 0 { "bad" } else { "good" },
        figure: thousands(missed),
        unit: "missed".to_owned(),
        says: format!(
            "Service levels: {} met, {} due, {} not recorded.",
            thousands(level(LevelStatus::Met)),
            thousands(level(LevelStatus::Due)),
            thousands(level(LevelStatus::Unknown))
        ),
        link: ("Service levels", "/reports/levels"),
    };
    let next = Card {
        title: "What is next?",
        tone: if waiting.is_empty() { "good" } else { "due" },
        figure: thousands(waiting.len() as u64),
        unit: if waiting.len() == 1 { "thing waits" } else { "things wait" }.to_owned(),
        says: "For people: decisions, keys to compare, runs to start.".to_owned(),
        link: ("What waits for whom", "#waiting"),
    };
    let estate = Card {
        title: "Endpoints",
        tone: if *unseen > 0 { "due" } else { "good" },
        figure: thousands(*endpoints),
        unit: "elected in".to_owned(),
        says: match unseen {
            0 => "All of them were seen within the last week.".to_owned(),
            n => format!("{} not seen for a week.", thousands(*n)),
        },
        link: ("Endpoints", "/endpoints"),
    };
    vec![safe, in_time, next, estate, store_card(status)]
}

/// How much room there is.
fn store_card(status: &Status) -> Card {
    let full = status.available_bytes < site::KEEP_FREE_BYTES;
    let held = (count(status.payloads, "payload"), bytes(status.payload_bytes));
    Card {
        title: "Store",
        tone: if full { "bad" } else { "good" },
        figure: bytes(status.available_bytes),
        unit: "free".to_owned(),
        says: format!("{} with {} are held.", held.0, held.1),
        link: ("Imports", "/imports"),
    }
}

/// Whether something is overdue, under the policy under which it is worst.
fn safe_card(standings: &[PolicyStanding]) -> Card {
    let overdue = |standing: &PolicyStanding| {
        standing.counts.get(&PolicyStatus::Overdue).copied().unwrap_or(0)
    };
    let worst = standings.iter().max_by_key(|standing| overdue(standing));
    match worst {
        None => Card {
            title: "Are we safe?",
            tone: "due",
            figure: "–".to_owned(),
            unit: String::new(),
            says: "No patch policy is in force, so nothing has a deadline.".to_owned(),
            link: ("Put a policy in force", "/policies"),
        },
        Some(standing) => Card {
            title: "Are we safe?",
            tone: if overdue(standing) > 0 { "bad" } else { "good" },
            figure: thousands(overdue(standing)),
            unit: "overdue".to_owned(),
            says: format!(
                "{} of {} have nothing overdue under {}.",
                thousands(standing.in_time),
                count(standing.endpoints, "endpoint"),
                standing.policy.title
            ),
            link: ("Compliance", "/reports"),
        },
    }
}

fn task(waiting: &Waiting) -> Task {
    let (says, link) = match waiting {
        Waiting::Pending(number) => (
            format!("{} asked to join: compare the keys", count(*number, "endpoint")),
            "/endpoints?state=pending".to_owned(),
        ),
        Waiting::Doubting(number) => (
            format!("{} saw the log go back or fork", count(*number, "endpoint")),
            "/endpoints?state=attention".to_owned(),
        ),
        Waiting::Undecided(names) => (
            format!(
                "Decide about {}, whose job failed",
                match names.as_slice() {
                    [one] => one.to_string(),
                    many => count(many.len() as u64, "endpoint"),
                }
            ),
            match names.as_slice() {
                [one] => format!("/endpoints/{one}"),
                _ => "/endpoints?state=attention".to_owned(),
            },
        ),
        Waiting::Unapproved(run, ring) => {
            (format!("Approve the run that was planned for ring {ring}"), format!("/runs/{run}"))
        }
        Waiting::Unstarted(run, ring) => {
            (format!("Start the run that was approved for ring {ring}"), format!("/runs/{run}"))
        }
        Waiting::Paused(run, ring) => (
            format!("The run of ring {ring} is paused: let it go on, or end it"),
            format!("/runs/{run}"),
        ),
        Waiting::Exceptions(number) => {
            (format!("{} asked for", count(*number, "exception")), "/exceptions".to_owned())
        }
        Waiting::Unfinished(sequence) => (
            format!("The import of bundle {sequence} is not finished: bring its medium again"),
            "/imports".to_owned(),
        ),
        Waiting::HeldBack(ring) => (
            format!("Ring {ring} stays where it is: the newest view lacks what its endpoints need"),
            "/rings".to_owned(),
        ),
        Waiting::NoRoot => {
            ("The site has no root yet, so it obeys no approver".to_owned(), "/people".to_owned())
        }
    };
    Task { role: waiting.role().word(), says, link }
}

fn level_line(report: &LevelReport, level: Level) -> LevelLine {
    let rows = |status| report.of(level).filter(|row| row.status == status).count() as u64;
    let met = rows(LevelStatus::Met);
    let due = rows(LevelStatus::Due);
    let missed = rows(LevelStatus::Missed);
    let unknown = rows(LevelStatus::Unknown);
    let said = format!("{met} met, {due} due, {missed} missed, {unknown} not recorded");
    let parts = [("good", met), ("due", due), ("bad", missed), ("unknown", unknown)];
    let bar = Bar::stacked(said, &parts);
    LevelLine { level: level.word(), bar, met, due, missed, unknown }
}

fn policy_line(standing: &PolicyStanding) -> PolicyLine {
    let PolicyStanding { policy, endpoints, in_time, untold, counts, due } = standing;
    let late = endpoints - in_time;
    let of = |status| counts.get(&status).copied().unwrap_or(0);
    let said = format!("{in_time} endpoints in time, {late} late, {untold} not known");
    PolicyLine {
        name: policy.name.to_string(),
        title: policy.title.clone(),
        bar: Bar::stacked(said, &[("good", *in_time), ("bad", late), ("unknown", *untold)]),
        share: per_cent(*in_time, endpoints + untold)
            .map_or("–".into(), |share| format!("{share} %")),
        in_time: *in_time,
        late,
        untold: *untold,
        overdue: of(PolicyStatus::Overdue),
        due: *due,
        excepted: of(PolicyStatus::Excepted),
    }
}

fn source_line(source: &SourceStatus, now: Timestamp) -> SourceLine {
    let days = now.duration_since(source.release_date).as_hours().div_euclid(24);
    let amount = u64::try_from(days).unwrap_or(0);
    let limit = CONTENT_DAYS.unsigned_abs();
    let class = if amount > limit { "bad" } else { "plain" };
    let said = format!("{}; the limit is {limit} days", count(amount, "day"));
    let bar = Bar::against(said, class, amount, Some(limit), limit * 3 / 2);
    SourceLine { source: source.clone(), days, bar }
}

fn run_line(run: RunStatus) -> RunLine {
    let (effective, open) = (run.tally.ended(JobEnd::Effective), run.tally.open());
    RunLine { run, effective, open }
}

/// The windows that open next: name, when, and for how many.
fn next_windows(windows: &[WindowStatus]) -> Vec<(String, String, String)> {
    let mut all: Vec<_> =
        windows.iter().filter_map(|window| Some((window.next.first()?, window))).collect();
    all.sort_by_key(|(opening, _)| opening.span.opens);
    let one = |(opening, window): &(&site::Opening, &WindowStatus)| {
        let who = format!(
            "ring {}, {}",
            window.window.ring,
            count(window.endpoints.len() as u64, "endpoint")
        );
        (window.name.to_string(), format!("{} to {}", opening.local[0], opening.local[1]), who)
    };
    all.iter().take(3).map(one).collect()
}

/// Its routes.
pub(crate) fn routes() -> axum::Router<Arc<Console>> {
    axum::Router::new().route("/", axum::routing::get(overview))
}
