//! Floors: versions that no endpoint of a ring may leave out, with whom another one would hold back.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading, text,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::Query,
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::Operation;
use ids::{EndpointName, RingName};
use serde::Deserialize;
use std::sync::Arc;

/// Endpoints that a preview names; more are counted.
const NAMES_SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "floors.html")]
struct Page {
    frame: Frame,
    /// Ring, package and version.
    floors: Vec<(RingName, String, String)>,
    rings: Vec<RingName>,
    form: SetForm,
    /// Endpoints that would be held back.
    preview: Option<Vec<EndpointName>>,
    may: bool,
}

impl Page {
    fn shown(names: &[EndpointName]) -> &[EndpointName] {
        &names[..names.len().min(NAMES_SHOWN)]
    }
}

#[derive(Default, Deserialize)]
struct SetForm {
    ring: String,
    package: String,
    version: String,
}

impl SetForm {
    fn version(&self) -> Option<&str> {
        Some(self.version.trim()).filter(|version| !version.is_empty())
    }
}

fn of(
    visit: &Visit,
    form: SetForm,
    preview: Option<Vec<EndpointName>>,
    done: Option<&str>,
) -> Result<Html<String>, Failure> {
    let state = visit.site().state();
    let floors = state
        .floors
        .iter()
        .map(|((ring, package), version)| (ring.clone(), package.clone(), version.clone()));
    let page = Page {
        frame: Frame::new(visit, Section::Rules, "Floors").after(done),
        floors: floors.collect(),
        rings: state.rings.keys().cloned().collect(),
        form,
        preview,
        may: visit.may(Operation::SetFloor),
    };
    Ok(Html(page.render()?))
}

async fn page(visit: Visit, Query(words): Query<Done>) -> Result<Html<String>, Failure> {
    of(&visit, SetForm::default(), None, words.done.as_deref())
}

async fn preview(Sent(visit, form): Sent<SetForm>) -> Result<Html<String>, Failure> {
    let ring: RingName = form.ring.parse()?;
    let (package, version) = (form.package.trim().to_owned(), form.version().map(str::to_owned));
    let look = move |site: &site::Site| site.floor_preview(&ring, &package, version.as_deref());
    let preview = reading(&visit, look).await?;
    of(&visit, form, Some(preview), None)
}

async fn set(Sent(visit, form): Sent<SetForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::SetFloor)?;
    let ring: RingName = form.ring.parse()?;
    let (package, version) = (form.package.trim().to_owned(), form.version().map(str::to_owned));
    let done = if version.is_some() { "floor-set" } else { "floor-removed" };
    reading(&visit, move |site| site.set_floor(actor, ring, package, version)).await?;
    Ok(Redirect::to(&format!("/floors?done={done}")))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/floors", get(page).post(set)).route("/floors/preview", post(preview))
}
