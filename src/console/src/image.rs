//! The appliance's own images: which runs, which are held, what became of the last, and starting a new one on trial.

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
    routing::get,
};
use fleet::{ImageEnd, Operation};
use serde::Deserialize;
use site::ImageStatus;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "image.html")]
struct Page {
    frame: Frame,
    status: ImageStatus,
    may: bool,
}

#[derive(Deserialize)]
struct StartForm {
    version: String,
}

async fn page(visit: Visit, Query(Done { done }): Query<Done>) -> Result<Html<String>, Failure> {
    let status = reading(&visit, |site| site.images()).await?;
    let frame = Frame::new(&visit, Section::People, "Appliance’s image");
    let frame = frame.below("People", "/people").below("Keys and anchors", "/site-root");
    let may = visit.may(Operation::StartImage);
    Ok(Html(Page { frame: frame.after(done.as_deref()), status, may }.render()?))
}

async fn start(Sent(visit, form): Sent<StartForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::StartImage)?;
    let started = reading(&visit, move |site| site.start_image(actor, form.version.trim())).await?;
    Ok(Redirect::to(match started.another_until {
        None => "/image?done=image-handed-over",
        Some(_) => "/image?done=older-image-asked",
    }))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/image", get(page).post(start))
}
