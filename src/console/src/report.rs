//! Reports: what is open under each policy, how the service levels stand, and a random sample for an assessor;
//! each to be looked at, printed, and taken away as CSV or JSON.

use crate::{
    Console, Failure,
    chart::Bar,
    frame::{Frame, Section},
    list::{Address, Head, Pager, ROWS, skip},
    reading, tag, text,
    visit::Visit,
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    http::header,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use fleet::{LevelStatus, PolicyStatus};
use ids::{Digest, EndpointName, PolicyName, Timestamp};
use serde::{Deserialize, Serialize};
use site::{
    EndpointQuery, EndpointState, LevelReport, PolicyPart, PolicyRow, PolicyStanding, Site,
};
use std::sync::Arc;

/// Most endpoints of a sample.
const SAMPLE_MAX: usize = 500;

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
    drawn: Vec<EndpointName>,
    of: usize,
    max: usize,
}

/// The endpoints whose names, behind the seed, have the smallest digests: whoever has the list and the seed
/// draws the same.
fn draw(seed: &str, mut names: Vec<EndpointName>, number: usize) -> Vec<EndpointName> {
    names.sort_by_cached_key(|name| Digest::of(format!("{seed}\n{name}").as_bytes()).to_hex());
    names.truncate(number);
    names
}

async fn sample(visit: Visit, Query(words): Query<SampleWords>) -> Result<Html<String>, Failure> {
    let seed = words.seed.unwrap_or_default().trim().to_owned();
    let number = words.number.unwrap_or_default().trim().to_owned();
    let names = reading(&visit, |site| {
        let all = EndpointQuery {
            state: Some(EndpointState::Elected),
            take: usize::MAX,
            ..EndpointQuery::default()
        };
        Ok(site.endpoint_part(&all)?.rows.into_iter().map(|row| row.name).collect::<Vec<_>>())
    })
    .await?;
    let of = names.len();
    let drawn = match (seed.is_empty(), number.parse::<usize>()) {
        (true, _) => Vec::new(),
        (false, Ok(number)) if (1..=SAMPLE_MAX).contains(&number) => draw(&seed, names, number),
        (false, _) => {
            let message = format!("draw from 1 to {SAMPLE_MAX} endpoints");
            return Err(Failure::input(message));
        }
    };
    let frame =
        Frame::new(&visit, Section::Reports, "A random sample").below("Reports", "/reports");
    Ok(Html(SamplePage { frame, seed, number, drawn, of, max: SAMPLE_MAX }.render()?))
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
        .route("/reports/sample", get(sample))
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
