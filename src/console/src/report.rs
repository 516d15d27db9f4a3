//! Reports: what is open under each policy, how the service levels stand, and a random sample for an assessor;
//! each to be looked at, printed, and taken away as CSV or JSON.

use crate::{
    Console, Failure,
    chart::Bar,
    frame::{Frame, Section},
    list::{Address, Head, Pager, ROWS, skip},
    reading, tag, text,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use fleet::{LevelStatus, Operation, PolicyStatus};
use ids::{Digest, EndpointName, PolicyName, Timestamp};
use serde::{Deserialize, Serialize};
use site::{
    EndpointQuery, EndpointState, LevelReport, PolicyPart, PolicyRow, PolicyStanding, Site,
};
use std::sync::Arc;

/// Most endpoints of a sample, and the longest seed.
const SAMPLE_MAX: usize = 500;
const SEED_CHARS_MAX: usize = 100;

#[derive(Template)]
#[template(path = "reports.html")]
struct Index {
    frame: Frame,
    standings: Vec<PolicyStanding>,
    endpoints: u64,
}

impl Index {
    fn overdue(standing: &PolicyStanding) -> u64 {
        standing.counts.get(&PolicyStatus::Overdue).copied().unwrap_or(0)
    }
}

async fn index(visit: Visit) -> Result<Html<String>, Failure> {
    let (standings, endpoints) = reading(&visit, |site| {
        let elected =
            EndpointQuery { state: Some(EndpointState::Elected), ..EndpointQuery::default() };
        Ok((site.standings()?.policies, site.endpoint_part(&elected)?.found))
    })
    .await?;
    let frame = Frame::new(&visit, Section::Reports, "Reports");
    Ok(Html(Index { frame, standings, endpoints }.render()?))
}

/// Endpoints that are named above the rows; the list of endpoints has all.
const NAMES_SHOWN: usize = 20;

const STATUSES: [(&str, PolicyStatus); 4] = [
    ("overdue", PolicyStatus::Overdue),
    ("due", PolicyStatus::Due),
    ("excepted", PolicyStatus::Excepted),
    ("unknown", PolicyStatus::Unknown),
];

#[derive(Deserialize)]
struct PolicyWords {
    status: Option<String>,
    page: Option<u64>,
}

#[derive(Template)]
#[template(path = "report_policy.html")]
struct PolicyPage {
    frame: Frame,
    heads: Vec<Head>,
    pager: Pager,
    report: PolicyPart,
    status: String,
    bar: Bar,
}

impl PolicyPage {
    fn statuses(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        STATUSES.into_iter().map(|(word, status)| {
            let count = self.report.counts.get(&status).copied().unwrap_or(0);
            (word, tag::policy(status).word, count)
        })
    }

    /// The first of a list of endpoints, and how many more there are.
    fn first<T>(all: &[T]) -> (&[T], usize) {
        let shown = &all[..all.len().min(NAMES_SHOWN)];
        (shown, all.len() - shown.len())
    }

    fn cves(row: &PolicyRow) -> String {
        match row.cves.as_deref() {
            None => "not known".to_owned(),
            Some([]) => "none named".to_owned(),
            Some(cves) => cves.join(", "),
        }
    }
}

async fn policy(
    visit: Visit,
    Path(name): Path<String>,
    Query(words): Query<PolicyWords>,
) -> Result<Html<String>, Failure> {
    let name: PolicyName = name.parse()?;
    let (status, page) = (words.status.unwrap_or_default(), words.page.unwrap_or(1));
    let only = STATUSES.iter().find(|(word, _)| *word == status).map(|(_, status)| *status);
    let part = move |site: &Site| site.policy_part(&name, only, skip(page), ROWS);
    let report = reading(&visit, part).await?;
    let path = format!("/reports/policies/{}", report.policy.name);
    let pager = Address::new(path).word("status", status.clone()).pager(page, report.found);
    let of = |status| report.counts.get(&status).copied().unwrap_or(0);
    let (overdue, due) = (of(PolicyStatus::Overdue), of(PolicyStatus::Due));
    let (excepted, unknown) = (of(PolicyStatus::Excepted), of(PolicyStatus::Unknown));
    let said = format!("{overdue} overdue, {due} due, {excepted} excepted, {unknown} not known");
    let parts = [("bad", overdue), ("due", due), ("other", excepted), ("unknown", unknown)];
    let columns =
        ["Endpoint", "Ring", "Package", "Has", "Fixed by", "Released", "Due", "Stands", "CVEs"];
    let page = PolicyPage {
        bar: Bar::stacked(said, &parts),
        heads: columns.map(Head::plain).into(),
        pager,
        frame: Frame::new(&visit, Section::Reports, report.policy.title.clone())
            .below("Reports", "/reports"),
        report,
        status,
    };
    Ok(Html(page.render()?))
}

async fn policy_file(
    visit: Visit,
    Path((name, file)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let policy: PolicyName = name.parse()?;
    let report = reading(&visit, move |site| site.policy_report(&policy)).await?;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let rows = report.rows.iter().map(|row| {
        let deadline = row.deadline.as_ref();
        vec![
            row.endpoint.to_string(),
            row.ring.to_string(),
            row.package.clone(),
            row.installed.clone(),
            row.fixed.clone(),
            time(row.released_at),
            time(deadline.and_then(|deadline| deadline.due_at)),
            deadline.map(|deadline| deadline.rule.clone()).unwrap_or_default(),
            row.status.word().to_lowercase(),
            row.cves.as_ref().map_or("unknown".to_owned(), |cves| cves.join(" ")),
        ]
    });
    let heads = [
        "endpoint",
        "ring",
        "package",
        "installed",
        "fixed",
        "released_at",
        "due_at",
        "rule",
        "status",
        "cves",
    ];
    taken(&file, &format!("{name}-open"), &report, || csv(&heads, rows))
}

#[derive(Template)]
#[template(path = "report_levels.html")]
struct LevelsPage {
    frame: Frame,
    heads: Vec<Head>,
    pager: Pager,
    report: LevelReport,
}

impl LevelsPage {
    fn first<T>(all: &[T]) -> (&[T], usize) {
        PolicyPage::first(all)
    }

    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [LevelStatus::Met, LevelStatus::Due, LevelStatus::Missed, LevelStatus::Unknown];
        all.into_iter().map(|status| {
            (tag::level(status).word, self.report.counts.get(&status).copied().unwrap_or(0))
        })
    }
}

#[derive(Deserialize)]
struct LevelWords {
    page: Option<u64>,
}

async fn levels(visit: Visit, Query(words): Query<LevelWords>) -> Result<Html<String>, Failure> {
    let page = words.page.unwrap_or(1);
    let mut report = reading(&visit, Site::level_report).await?;
    // What was missed stands first.
    let rank = |status| match status {
        LevelStatus::Missed => 0,
        LevelStatus::Due => 1,
        LevelStatus::Unknown => 2,
        LevelStatus::Met => 3,
    };
    report.rows.sort_by_key(|row| (rank(row.status), row.level));
    let pager = Address::new("/reports/levels").pager(page, report.rows.len() as u64);
    report.rows = report.rows.into_iter().skip(skip(page)).take(ROWS).collect();
    let columns = ["Service level", "Of", "Stands", "Clock began", "To be kept by", "Kept"];
    let page = LevelsPage {
        frame: Frame::new(&visit, Section::Reports, "Service levels").below("Reports", "/reports"),
        heads: columns.map(Head::plain).into(),
        pager,
        report,
    };
    Ok(Html(page.render()?))
}

async fn levels_file(visit: Visit, Path(file): Path<String>) -> Result<Response, Failure> {
    let report = reading(&visit, Site::level_report).await?;
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let rows = report.rows.iter().map(|row| {
        vec![
            row.level.word().to_owned(),
            row.subject.clone(),
            row.status.word().to_lowercase(),
            time(row.since),
            time(row.due_at),
            time(row.met_at),
        ]
    });
    let heads = ["level", "subject", "status", "since", "due_at", "met_at"];
    taken(&file, "service-levels", &report, || csv(&heads, rows))
}

#[derive(Deserialize)]
struct SampleWords {
    seed: Option<String>,
    number: Option<String>,
}

#[derive(Template)]
#[template(path = "report_sample.html")]
struct SamplePage {
    frame: Frame,
    seed: String,
    number: String,
    /// What was drawn; nothing before.
    sample: Option<Sample>,
    wrong: Option<String>,
    max: usize,
}

/// What was drawn, and from what.
#[derive(Debug, Serialize)]
struct Sample {
    seed: String,
    drawn_at: Timestamp,
    /// As of which entry of the log.
    entries: u64,
    /// Endpoints that were drawn from: those that are elected in.
    of: usize,
    /// SHA-256 of their names, sorted, each with a line feed.
    list_sha256: Digest,
    /// The endpoints, in the order in which they were drawn.
    endpoints: Vec<EndpointName>,
}

/// The endpoints whose names, behind the seed, have the smallest digests: whoever has the list and the seed
/// draws the same.
fn draw(seed: &str, mut names: Vec<EndpointName>, number: usize) -> Vec<EndpointName> {
    names.sort_by_cached_key(|name| Digest::of(format!("{seed}\n{name}").as_bytes()).to_hex());
    names.truncate(number);
    names
}

async fn sample(visit: Visit, Query(words): Query<SampleWords>) -> Result<Html<String>, Failure> {
    sample_page(&visit, words, None, None)
}

fn sample_page(
    visit: &Visit,
    words: SampleWords,
    sample: Option<Sample>,
    wrong: Option<String>,
) -> Result<Html<String>, Failure> {
    let frame = Frame::new(visit, Section::Reports, "A random sample").below("Reports", "/reports");
    let (seed, number) = (words.seed.unwrap_or_default(), words.number.unwrap_or_default());
    Ok(Html(SamplePage { frame, seed, number, sample, wrong, max: SAMPLE_MAX }.render()?))
}

async fn drawn(visit: &Visit, words: &SampleWords) -> Result<Sample, Failure> {
    let said = |word: &Option<String>| word.clone().unwrap_or_default().trim().to_owned();
    let (seed, number) = (said(&words.seed), said(&words.number).parse::<usize>());
    if seed.is_empty() || seed.chars().count() > SEED_CHARS_MAX || seed.contains('\n') {
        let message = format!("give a seed of 1 to {SEED_CHARS_MAX} characters on one line");
        return Err(Failure::input(message));
    }
    let number = number.ok().filter(|number| (1..=SAMPLE_MAX).contains(number));
    let number =
        number.ok_or_else(|| Failure::input(format!("draw from 1 to {SAMPLE_MAX} endpoints")))?;
    reading(visit, move |site| {
        let all = EndpointQuery {
            state: Some(EndpointState::Elected),
            take: usize::MAX,
            ..EndpointQuery::default()
        };
        let rows = site.endpoint_part(&all)?.rows.into_iter();
        let names: Vec<EndpointName> = rows.map(|row| row.name).collect();
        let list: String = names.iter().map(|name| format!("{name}\n")).collect();
        Ok(Sample {
            drawn_at: site.now(),
            entries: site.state().entries,
            of: names.len(),
            list_sha256: Digest::of(list.as_bytes()),
            endpoints: draw(&seed, names, number),
            seed,
        })
    })
    .await
}

/// Draws, and says so in the log: seed, number, and what was drawn from.
async fn draw_sample(Sent(visit, words): Sent<SampleWords>) -> Result<Html<String>, Failure> {
    let actor = visit.acting(Operation::ShowLog)?;
    let sample = match drawn(&visit, &words).await {
        Ok(sample) => sample,
        Err(failure) => return sample_page(&visit, words, None, Some(failure.said())),
    };
    let filter = format!(
        "a random sample: {} of {} endpoints, seed {:?}, drawn from the list with SHA-256 {}",
        sample.endpoints.len(),
        sample.of,
        sample.seed,
        sample.list_sha256
    );
    reading(&visit, move |site| site.record_look(actor, filter, 0)).await?;
    sample_page(&visit, words, Some(sample), None)
}

async fn sample_file(
    visit: Visit,
    Path(file): Path<String>,
    Query(words): Query<SampleWords>,
) -> Result<Response, Failure> {
    let sample = drawn(&visit, &words).await?;
    let rows = (1..).zip(&sample.endpoints).map(|(place, name): (u32, _)| {
        let (at, list) = (sample.drawn_at.to_string(), sample.list_sha256.to_string());
        let of = sample.of.to_string();
        vec![place.to_string(), name.to_string(), sample.seed.clone(), of, list, at]
    });
    let heads = ["drawn", "endpoint", "seed", "of", "list_sha256", "drawn_at"];
    taken(&file, "sample", &sample, || csv(&heads, rows))
}

/// A report as a file, in the form that its name ends with.
pub(crate) fn taken<T: Serialize>(
    file: &str,
    name: &str,
    report: &T,
    csv: impl FnOnce() -> String,
) -> Result<Response, Failure> {
    let (kind, body, ending) = match file {
        "rows.csv" => ("text/csv; charset=utf-8", csv(), "csv"),
        "report.json" => {
            let json = serde_json::to_string_pretty(report);
            let json = json.map_err(|e| Failure::broken(e.to_string()))?;
            ("application/json", json, "json")
        }
        _ => return Err(Failure::missing("a report is taken away as rows.csv or report.json")),
    };
    let disposition = format!("attachment; filename=\"{name}.{ending}\"");
    let headers =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, body).into_response())
}

/// A table as RFC 4180 has it.
pub(crate) fn csv(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = heads.join(",") + "\r\n";
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell_text(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell, quoted where it must be; what a spreadsheet would take for a formula is marked as text.
fn cell_text(cell: &str) -> String {
    let cell = match cell.starts_with(['=', '+', '-', '@', '\t']) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    };
    if cell.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/reports", get(index))
        .route("/reports/levels", get(levels))
        .route("/reports/levels/{file}", get(levels_file))
        .route("/reports/policies/{name}", get(policy))
        .route("/reports/policies/{name}/{file}", get(policy_file))
        .route("/reports/sample", get(sample).post(draw_sample))
        .route("/reports/sample/{file}", get(sample_file))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_a_formula() {
        assert_eq!(cell_text("plain"), "plain");
        assert_eq!(cell_text("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell_text("=1+1"), "'=1+1");
        assert_eq!(
            csv(&["a", "b"], [vec!["1".into(), "x\ny".into()]].into_iter()),
            "a,b\r\n1,\"x\ny\"\r\n"
        );
    }

    #[test]
    fn the_same_seed_draws_the_same_sample_whatever_the_order() {
        let names: Vec<EndpointName> =
            (0..20).map(|n| format!("web{n}").parse().unwrap()).collect();
        let mut backwards = names.clone();
        backwards.reverse();
        let drawn = draw("2026-11", names.clone(), 5);
        assert_eq!(drawn, draw("2026-11", backwards, 5));
        assert_eq!(drawn.len(), 5);
        assert_ne!(drawn, draw("2026-12", names, 5));
    }
}
