//! The log's checkpoint for somebody outside: handed out as a file and as a picture, and taken in again later.

use crate::{
    Console, Failure,
    audit::file,
    frame::{Frame, Section},
    reading,
    sign_in::picture_of,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    response::{Html, Response},
    routing::{get, post},
};
use fleet::Operation;
use serde::Deserialize;
use site::{HandedOut, HeldCheckpoint, Site};
use std::sync::Arc;

/// The pages here.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/audit/witness", get(page).post(take_in))
        .route("/audit/witness/checkpoint", get(checkpoint))
        .route("/audit/witness/proof", post(proof))
}

#[derive(Template)]
#[template(path = "witness.html")]
struct Page {
    frame: Frame,
    handed: HandedOut,
    picture: String,
    held: Option<HeldCheckpoint>,
    /// What was typed.
    typed: String,
}

fn of(
    visit: &Visit,
    handed: HandedOut,
    held: Option<HeldCheckpoint>,
    typed: String,
) -> Result<Html<String>, Failure> {
    let picture = picture_of(&handed.note)?;
    let frame = Frame::new(visit, Section::Audit, "Checkpoints").below("Audit", "/audit");
    Ok(Html(Page { frame, handed, picture, held, typed }.render()?))
}

async fn page(visit: Visit) -> Result<Html<String>, Failure> {
    let handed = reading(&visit, Site::hand_out_checkpoint).await?;
    of(&visit, handed, None, String::new())
}

async fn checkpoint(visit: Visit) -> Result<Response, Failure> {
    let handed = reading(&visit, Site::hand_out_checkpoint).await?;
    let name = format!("checkpoint-{}.txt", handed.size);
    Ok(file("text/plain; charset=utf-8", &name, handed.note))
}

#[derive(Deserialize)]
struct TakeIn {
    checkpoint: String,
}

async fn take_in(Sent(visit, form): Sent<TakeIn>) -> Result<Html<String>, Failure> {
    let actor = visit.acting(Operation::ShowLog)?;
    let typed = form.checkpoint.clone();
    let (held, handed) = reading(&visit, move |site| {
        Ok((site.take_in_checkpoint(actor, &form.checkpoint)?, site.hand_out_checkpoint()?))
    })
    .await?;
    of(&visit, handed, Some(held), typed)
}

/// The proof that the log continues a checkpoint, as a witness takes it.
async fn proof(Sent(visit, form): Sent<TakeIn>) -> Result<Response, Failure> {
    let actor = visit.acting(Operation::ShowLog)?;
    let held =
        reading(&visit, move |site| site.take_in_checkpoint(actor, &form.checkpoint)).await?;
    match held {
        HeldCheckpoint::Continued { size, proof, .. } => {
            Ok(file("text/plain; charset=utf-8", &format!("continues-{size}.txt"), proof))
        }
        HeldCheckpoint::Contradicted { .. } => {
            Err(Failure::input("the log does not continue this checkpoint: there is no proof"))
        }
    }
}
