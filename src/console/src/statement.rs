//! The monthly statement: numbers of machines, the list behind each, and the register of machines that tells of those
//! which are not managed.

use crate::{
    Console, Failure,
    frame::{Frame, Section},
    list::{Address, Pager, ROWS, skip},
    reading,
    report::{csv, taken},
    text,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, Redirect, Response},
    routing::{get, post},
};
use fleet::{EndpointKind, Operation};
use serde::Deserialize;
use site::{MachineList, MachineRow, MonthlyStatement};
use std::sync::Arc;

#[derive(Deserialize)]
struct Words {
    month: Option<String>,
    list: Option<String>,
    page: Option<u64>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "report_statement.html")]
struct Page {
    frame: Frame,
    statement: MonthlyStatement,
    shown: MachineList,
    pager: Pager,
    rows: Vec<MachineRow>,
    ended: bool,
    may_register: bool,
}

const fn words(list: MachineList) -> (&'static str, &'static str) {
    match list {
        MachineList::Servers => ("Servers", "elected in"),
        MachineList::Workstations => ("Workstations", "elected in"),
        MachineList::KindNotSaid => {
            ("Kind not said", "elected in; say on their pages what they are")
        }
        MachineList::ElectedOut => ("Elected out", "they have an agent, and are not patched"),
        MachineList::Joined => ("Joined", "in this month"),
        MachineList::Left => ("Left", "in this month"),
        MachineList::Pending => ("Asked to join", "nobody has confirmed them"),
        MachineList::ViewOnly => {
            ("View only", "a certificate for stock apt and no agent: nothing is known of them")
        }
        MachineList::RegisterOnly => ("In the register only", "no agent and no certificate"),
    }
}

const MANAGED: [MachineList; 3] =
    [MachineList::Servers, MachineList::Workstations, MachineList::KindNotSaid];
const MOVED: [MachineList; 3] = [MachineList::ElectedOut, MachineList::Joined, MachineList::Left];
const UNMANAGED: [MachineList; 3] =
    [MachineList::Pending, MachineList::ViewOnly, MachineList::RegisterOnly];

impl Page {
    fn groups(&self) -> [(&'static str, [MachineList; 3]); 3] {
        [("Under management", MANAGED), ("Besides", MOVED), ("Seen, and not managed", UNMANAGED)]
    }

    fn said(list: &MachineList) -> (&'static str, &'static str) {
        words(*list)
    }

    fn number(&self, list: &MachineList) -> usize {
        self.statement.lists.get(list).map_or(0, Vec::len)
    }

    /// Whether a group's numbers make a sum: who joined stands elsewhere too.
    fn is_summed(lists: &[MachineList; 3]) -> bool {
        *lists != MOVED
    }

    fn sum(&self, lists: &[MachineList; 3]) -> usize {
        lists.iter().map(|list| self.number(list)).sum()
    }

    fn kind(row: &MachineRow) -> &'static str {
        kind(row.kind)
    }
}

const fn kind(kind: Option<EndpointKind>) -> &'static str {
    match kind {
        Some(EndpointKind::Server) => "server",
        Some(EndpointKind::Workstation) => "workstation",
        None => "not said",
    }
}

/// `November 2026`, of `2026-11`.
fn month_in_words(month: &str) -> String {
    let day = format!("{month}-01").parse::<jiff::civil::Date>();
    day.map_or_else(|_| month.to_owned(), |day| day.strftime("%B %Y").to_string())
}

async fn read(visit: &Visit, month: Option<String>) -> Result<MonthlyStatement, Failure> {
    let month = month.filter(|month| !month.trim().is_empty());
    reading(visit, move |site| site.monthly_statement(month.as_deref().map(str::trim))).await
}

async fn page(visit: Visit, Query(asked): Query<Words>) -> Result<Html<String>, Failure> {
    let statement = read(&visit, asked.month).await?;
    let page: u64 = asked.page.unwrap_or(1);
    let named = asked.list.unwrap_or_default();
    let shown = MachineList::ALL.into_iter().find(|list| list.word() == named);
    let shown = shown.unwrap_or(MachineList::Servers);
    let all = statement.lists.get(&shown).map_or(&[][..], Vec::as_slice);
    let address = Address::new("/reports/statement").word("month", statement.month.clone());
    let pager = address.word("list", shown.word()).pager(page, all.len() as u64);
    let month = visit.site().calendar().month_of(statement.from);
    let ended = month.is_some_and(|(_, end)| end <= statement.at);
    let page = Page {
        frame: Frame::new(
            &visit,
            Section::Reports,
            format!("Statement of {}", month_in_words(&statement.month)),
        )
        .below("Reports", "/reports")
        .after(asked.done.as_deref()),
        rows: all.iter().skip(skip(page)).take(ROWS).cloned().collect(),
        ended,
        may_register: visit.may(Operation::RegisterAssets),
        statement,
        shown,
        pager,
    };
    Ok(Html(page.render()?))
}

async fn file(
    visit: Visit,
    Path(file): Path<String>,
    Query(asked): Query<Words>,
) -> Result<Response, Failure> {
    let statement = read(&visit, asked.month).await?;
    let rows = statement.lists.iter().flat_map(|(list, rows)| {
        rows.iter().map(|row| {
            vec![
                list.word().to_owned(),
                row.name.clone(),
                kind(row.kind).to_owned(),
                row.ring.as_ref().map(ToString::to_string).unwrap_or_default(),
                row.since.map(|since| since.to_string()).unwrap_or_default(),
            ]
        })
    });
    let name = format!("statement-{}", statement.month);
    taken(&file, &name, &statement, || csv(&["list", "name", "kind", "ring", "since"], rows))
}

#[derive(Deserialize)]
struct RegisterForm {
    text: String,
}

async fn register(Sent(visit, form): Sent<RegisterForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::RegisterAssets)?;
    reading(&visit, move |site| site.register_assets(actor, &form.text)).await?;
    Ok(Redirect::to("/reports/statement?list=register-only&done=registered"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/reports/statement", get(page))
        .route("/reports/statement/{file}", get(file))
        .route("/reports/register", post(register))
}
