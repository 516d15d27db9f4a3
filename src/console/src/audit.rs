//! Audit: the log page by page, one entry with its proof, and the audit bundle to take away. Each look is
//! itself an event, once in an hour for a person and what they looked for.

use crate::{
    Console, Failure,
    frame::{Frame, Section},
    list::{Address, ROWS},
    reading, text,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query, State},
    http::header,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use fleet::{Actor, KINDS, Operation};
use ids::EndpointName;
use serde::Deserialize;
use site::{LogEntry, LogFilter, LogPage, audit::Scope};
use std::sync::Arc;

#[derive(Deserialize)]
struct ListWords {
    #[serde(rename = "type")]
    kind: Option<String>,
    endpoint: Option<String>,
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct List {
    frame: Frame,
    page: LogPage,
    kind: String,
    endpoint: String,
    older: Option<String>,
    newest: String,
    first: bool,
    key: String,
    origin: String,
    media_are_written: bool,
}

impl List {
    fn kinds(&self) -> Vec<&'static str> {
        let mut kinds = KINDS.to_vec();
        kinds.sort_unstable();
        kinds
    }
}

async fn list(
    visit: Visit,
    State(console): State<Arc<Console>>,
    Query(words): Query<ListWords>,
) -> Result<Html<String>, Failure> {
    let actor = visit.acting(Operation::ShowLog)?;
    let kind = words.kind.unwrap_or_default();
    // The form sends it empty where nothing was typed.
    let before = words.before.filter(|before| !before.trim().is_empty());
    let before: Option<u64> = before
        .map(|before| before.trim().parse())
        .transpose()
        .map_err(|_| Failure::input("give the number of an entry, as a whole number"))?;
    let endpoint = words.endpoint.map(|name| name.trim().to_lowercase()).unwrap_or_default();
    let about: Option<EndpointName> =
        Some(&endpoint).filter(|name| !name.is_empty()).map(|name| name.parse()).transpose()?;
    let wanted = Some(kind.clone()).filter(|kind| !kind.is_empty());
    let (person, seen) = (visit.person().clone(), Arc::clone(&console));
    let (page, key) = reading(&visit, move |site| {
        let filter = LogFilter { kind: wanted.as_deref(), endpoint: about.as_ref() };
        let page = site.log_page(filter, before, ROWS)?;
        let filter = site.log_filter_words(filter)?;
        if seen.looked().is_new(person.as_str(), &filter) {
            site.record_look(actor, filter, page.lines.len() as u64)?;
        }
        Ok((page, site.audit_fingerprint()?))
    })
    .await?;
    let address =
        Address::new("/audit").word("type", kind.clone()).word("endpoint", endpoint.clone());
    let list = List {
        frame: Frame::new(&visit, Section::Audit, "Audit"),
        older: page.older.map(|older| address.with(&[("before", &older.to_string())])),
        newest: address.with(&[]),
        first: before.is_none(),
        origin: visit.site().state().origin.clone(),
        media_are_written: visit.site().writable_media().is_some(),
        page,
        kind,
        endpoint,
        key,
    };
    Ok(Html(list.render()?))
}

#[derive(Template)]
#[template(path = "audit_entry.html")]
struct One {
    frame: Frame,
    entry: LogEntry,
    pretty: String,
}

impl One {
    fn actor(&self) -> String {
        match &self.entry.actor {
            Actor::Appliance => "the appliance itself".to_owned(),
            Actor::Endpoint { endpoint } => format!("endpoint {endpoint}"),
            Actor::Person { person, role: acting, .. } => {
                format!("{person}, as {}", acting.word())
            }
        }
    }
}

async fn entry(visit: &Visit, console: &Console, index: u64) -> Result<LogEntry, Failure> {
    let actor = visit.acting(Operation::ShowLog)?;
    let filter = format!("entry {index}");
    let record = console.looked().is_new(visit.person().as_str(), &filter);
    reading(visit, move |site| {
        let entry = site.log_entry(index)?;
        if record {
            site.record_look(actor, filter, 1)?;
        }
        Ok(entry)
    })
    .await
}

async fn one(
    visit: Visit,
    State(console): State<Arc<Console>>,
    Path(index): Path<u64>,
) -> Result<Html<String>, Failure> {
    let entry = entry(&visit, &console, index).await?;
    let value: Result<serde_json::Value, _> = serde_json::from_str(&entry.json);
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value));
    let page = One {
        frame: Frame::new(&visit, Section::Audit, format!("Entry {index}"))
            .below("Audit", "/audit"),
        pretty: pretty.unwrap_or_else(|_| entry.json.clone()),
        entry,
    };
    Ok(Html(page.render()?))
}

async fn proof(
    visit: Visit,
    State(console): State<Arc<Console>>,
    Path(index): Path<u64>,
) -> Result<Response, Failure> {
    let entry = entry(&visit, &console, index).await?;
    Ok(file("text/plain; charset=utf-8", &format!("entry-{index}.tlog-proof"), entry.proof))
}

async fn bytes(
    visit: Visit,
    State(console): State<Arc<Console>>,
    Path(index): Path<u64>,
) -> Result<Response, Failure> {
    let entry = entry(&visit, &console, index).await?;
    Ok(file("application/json", &format!("entry-{index}.json"), entry.json))
}

pub(crate) fn file(kind: &str, name: &str, bytes: impl IntoResponse) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, bytes).into_response()
}

#[derive(Deserialize)]
struct ExportForm {
    scope: String,
}

async fn export(Sent(visit, form): Sent<ExportForm>) -> Result<Response, Failure> {
    let actor = visit.acting(Operation::ExportAudit)?;
    let scope = match form.scope.as_str() {
        "full" => Scope::Full,
        "summary" => Scope::Summary,
        _ => return Err(Failure::input("choose how much leaves the site")),
    };
    let name = format!("audit-{}.zip", visit.site().now().strftime("%Y%m%d-%H%M%S"));
    let (bundle, _) = reading(&visit, move |site| site.audit_bundle(actor, scope)).await?;
    Ok(file("application/zip", &name, bundle))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/audit", get(list))
        .route("/audit/export", post(export))
        .route("/audit/{index}", get(one))
        .route("/audit/{index}/proof", get(proof))
        .route("/audit/{index}/entry", get(bytes))
}
