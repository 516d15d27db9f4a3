//! Exceptions: updates that are knowingly not applied for a while, asked for by one and approved by another.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading,
    update::days_from_now,
    visit::{Nothing, Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::Operation;
use ids::{EndpointName, PersonId, RecordId, RingName};
use serde::Deserialize;
use site::{ExceptionStatus, ExceptionWish, Site};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "exceptions.html")]
struct List {
    frame: Frame,
    rows: Vec<ExceptionStatus>,
    rings: Vec<RingName>,
    me: PersonId,
    may_request: bool,
    may_approve: bool,
}

async fn list(visit: Visit, Query(words): Query<Done>) -> Result<Html<String>, Failure> {
    let page = List {
        rows: reading(&visit, Site::exceptions).await?,
        frame: Frame::new(&visit, Section::Rules, "Exceptions").after(words.done.as_deref()),
        rings: visit.site().state().rings.keys().cloned().collect(),
        me: visit.person().clone(),
        may_request: visit.may(Operation::RequestException),
        may_approve: visit.may(Operation::ApproveException),
    };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
struct RequestForm {
    ring: String,
    endpoint: String,
    package: String,
    version: String,
    owner: String,
    reason: String,
    control: String,
    days: String,
}

async fn request(Sent(visit, form): Sent<RequestForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::RequestException)?;
    let endpoint = Some(form.endpoint.trim()).filter(|name| !name.is_empty());
    let wish = ExceptionWish {
        ring: form.ring.parse()?,
        endpoint: endpoint.map(str::parse::<EndpointName>).transpose()?,
        package: form.package.trim().to_owned(),
        version: form.version.trim().to_owned(),
        owner: form.owner,
        reason: form.reason,
        control: form.control,
        not_after: days_from_now(&visit, &form.days)?,
    };
    let person = visit.person().clone();
    reading(&visit, move |site| site.request_exception(actor, person, wish)).await?;
    Ok(Redirect::to("/exceptions?done=exception-asked"))
}

async fn approve(
    Path(id): Path<String>,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::ApproveException)?;
    let (id, person): (RecordId, PersonId) = (id.parse()?, visit.person().clone());
    reading(&visit, move |site| site.approve_exception(actor, person, id)).await?;
    Ok(Redirect::to("/exceptions?done=exception-approved"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/exceptions", get(list).post(request))
        .route("/exceptions/{id}/approve", post(approve))
}
