//! Exceptions: updates that are knowingly not applied for a while, asked for by one and approved by another.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading, text,
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
use site::{ExceptionPreview, ExceptionStatus, ExceptionWish, Site};
use std::sync::Arc;

/// Endpoints that a preview names of each kind.
const NAMES_SHOWN: usize = 40;

#[derive(Template)]
#[template(path = "exceptions.html")]
struct List {
    frame: Frame,
    rows: Vec<ExceptionStatus>,
    rings: Vec<RingName>,
    me: PersonId,
    form: RequestForm,
    preview: Option<ExceptionPreview>,
    may_request: bool,
    may_approve: bool,
}

impl List {
    fn shown<T>(all: &[T]) -> &[T] {
        &all[..all.len().min(NAMES_SHOWN)]
    }
}

async fn list(visit: Visit, Query(words): Query<Done>) -> Result<Html<String>, Failure> {
    let form = RequestForm { days: "30".to_owned(), ..RequestForm::default() };
    of(&visit, form, None, words.done.as_deref()).await
}

async fn of(
    visit: &Visit,
    form: RequestForm,
    preview: Option<ExceptionPreview>,
    done: Option<&str>,
) -> Result<Html<String>, Failure> {
    let page = List {
        rows: reading(visit, Site::exceptions).await?,
        frame: Frame::new(visit, Section::Rules, "Exceptions").after(done),
        form,
        preview,
        rings: visit.site().state().rings.keys().cloned().collect(),
        me: visit.person().clone(),
        may_request: visit.may(Operation::RequestException),
        may_approve: visit.may(Operation::ApproveException),
    };
    Ok(Html(page.render()?))
}

#[derive(Default, Deserialize)]
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

impl RequestForm {
    fn endpoint(&self) -> Result<Option<EndpointName>, Failure> {
        let name = Some(self.endpoint.trim()).filter(|name| !name.is_empty());
        Ok(name.map(str::parse).transpose()?)
    }
}

async fn preview(Sent(visit, form): Sent<RequestForm>) -> Result<Html<String>, Failure> {
    let (ring, endpoint): (RingName, _) = (form.ring.parse()?, form.endpoint()?);
    let (package, version) = (form.package.trim().to_owned(), form.version.trim().to_owned());
    let look =
        move |site: &Site| site.exception_preview(&ring, endpoint.as_ref(), &package, &version);
    let preview = reading(&visit, look).await?;
    of(&visit, form, Some(preview), None).await
}

async fn request(Sent(visit, form): Sent<RequestForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::RequestException)?;
    let wish = ExceptionWish {
        ring: form.ring.parse()?,
        endpoint: form.endpoint()?,
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
        .route("/exceptions/preview", post(preview))
        .route("/exceptions/{id}/approve", post(approve))
}
