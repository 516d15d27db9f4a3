//! Setting up a machine without our agent: a script with a certificate and the settings of its own apt or dnf, shown to nobody
//! and kept nowhere here.

use crate::{
    Console, Failure, audit,
    endpoint::{here, host},
    frame::{Frame, Section},
    reading,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    http::{HeaderMap, Uri},
    response::{Html, Response},
    routing::get,
};
use fleet::Operation;
use ids::{EndpointName, RingName};
use serde::Deserialize;
use site::PackageManager;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "stock.html")]
struct Page {
    frame: Frame,
    rings: Vec<RingName>,
    /// Where endpoints reach this appliance, most likely.
    address: String,
    may: bool,
}

#[derive(Deserialize)]
struct Form {
    endpoint: String,
    ring: String,
    manager: PackageManager,
    address: String,
}

async fn page(visit: Visit, headers: HeaderMap, uri: Uri) -> Result<Html<String>, Failure> {
    let here = here(&headers, &uri);
    let page = Page {
        frame: Frame::new(&visit, Section::Endpoints, "Set up a machine without the agent")
            .below("Endpoints", "/endpoints"),
        rings: visit.site().state().rings.keys().cloned().collect(),
        address: format!("https://{}:8443", host(&here)),
        may: visit.may(Operation::ClientConfig),
    };
    Ok(Html(page.render()?))
}

async fn script(Sent(visit, form): Sent<Form>) -> Result<Response, Failure> {
    let actor = visit.acting(Operation::ClientConfig)?;
    let (name, ring): (EndpointName, RingName) =
        (form.endpoint.trim().parse()?, form.ring.parse()?);
    let (manager, address) = (form.manager, form.address.trim().to_owned());
    let file = format!("{name}-patchkeep.sh");
    let config =
        reading(&visit, move |site| site.client_config(actor, manager, &name, &ring, &address));
    Ok(audit::file("application/x-sh", &file, config.await?.script()))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/endpoint-stock", get(page).post(script))
}
