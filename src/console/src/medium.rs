//! Writing an audit bundle or the receipt to a medium that a person names.

use crate::{
    Console, Failure, custody, failure,
    frame::{Frame, Section},
    live::{self, Look},
    reading, text,
    visit::{Sent, Visit, Watching},
};
use askama::Template;
use axum::{
    Router,
    response::{Html, IntoResponse as _, Redirect, Response},
    routing::get,
};
use fleet::{MediumWrite, Operation};
use serde::Deserialize;
use site::{PresentMedium, audit::Scope};
use std::{path::PathBuf, sync::Arc};

#[derive(Template)]
#[template(path = "medium.html")]
struct Page {
    frame: Frame,
    /// Whether this appliance sees media.
    can: bool,
    may_export: bool,
    may_receipt: bool,
    live: Live,
}

/// The media at hand, and what became of the last file.
#[derive(Template)]
#[template(path = "medium_live.html")]
struct Live {
    frame: Frame,
    last: Option<MediumWrite>,
    media: Vec<PresentMedium>,
}

impl Live {
    async fn look(visit: &Visit) -> Result<(bool, Self), Failure> {
        let (media, last) = reading(visit, |site| {
            site.see_to_medium_write()?;
            Ok((site.writable_media(), site.medium_write()))
        })
        .await?;
        let frame = Frame::new(visit, Section::Audit, "Write to a medium");
        Ok((media.is_some(), Self { frame, last, media: media.unwrap_or_default() }))
    }
}

#[derive(Deserialize)]
struct WriteForm {
    what: String,
    #[serde(default)]
    medium: PathBuf,
}

async fn page(visit: Visit) -> Result<Html<String>, Failure> {
    let (can, live) = Live::look(&visit).await?;
    let frame = Frame::new(&visit, Section::Audit, "Write to a medium").below("Audit", "/audit");
    let (may_export, may_receipt) =
        (visit.may(Operation::ExportAudit), visit.may(Operation::WriteReceipt));
    Ok(Html(Page { frame, can, may_export, may_receipt, live }.render()?))
}

/// The same, as media come and go and the file is written.
async fn live(watching: Watching) -> Result<Response, Failure> {
    let visit = Arc::new(watching.0.clone());
    let look = move || {
        let visit = Arc::clone(&visit);
        async move {
            match Live::look(&visit).await {
                Ok((_, live)) => Look::Part(live.render().unwrap_or_default()),
                Err(_) => Look::Over,
            }
        }
    };
    Ok(live::follow(watching, look).into_response())
}

async fn write(Sent(visit, form): Sent<WriteForm>) -> Result<Redirect, Failure> {
    let WriteForm { what, medium } = form;
    let scope = match what.as_str() {
        "summary" => Some(Scope::Summary),
        "full" => Some(Scope::Full),
        "receipt" => None,
        _ => return Err(Failure::input("choose what is to be written")),
    };
    let operation = match scope {
        Some(_) => Operation::ExportAudit,
        None => Operation::WriteReceipt,
    };
    let actor = visit.acting(operation)?;
    if medium.as_os_str().is_empty() {
        return Err(Failure::input("choose the medium to write to"));
    }
    reading(&visit, move |site| match scope {
        Some(scope) => site.write_audit_bundle(&actor, scope, &medium),
        None => site.write_receipt(&actor, &medium),
    })
    .await?;
    Ok(Redirect::to("/media"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/media", get(page).post(write)).route("/media/live", get(live))
}
