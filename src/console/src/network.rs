//! How the appliance is reached: as it is, asking for a change, and confirming the one on trial.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading,
    visit::{Sent, Visit},
};
use ::network::{Became, Name, Settings, TRIAL_SECONDS};
use askama::Template;
use axum::{
    Router,
    extract::Query,
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::Operation;
use ids::RecordId;
use serde::Deserialize;
use site::NetworkStatus;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "network.html")]
struct Page {
    frame: Frame,
    status: NetworkStatus,
    /// The settings that hold, as they are typed.
    typed: Typed,
    minutes: u64,
    may: bool,
}

/// Settings as a person types them: each empty where it is not set.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    address: String,
    gateway: String,
    interface: String,
    vlan: String,
    /// Between spaces.
    names: String,
}

#[derive(Deserialize)]
struct ConfirmForm {
    change: String,
}

impl Typed {
    fn of(settings: &Settings) -> Self {
        let names: Vec<&str> = settings.names().iter().map(Name::as_str).collect();
        Self {
            address: settings.address().to_string(),
            gateway: settings.gateway().map(|gateway| gateway.to_string()).unwrap_or_default(),
            interface: settings.interface().unwrap_or_default().to_owned(),
            vlan: settings.vlan().map(|vlan| vlan.to_string()).unwrap_or_default(),
            names: names.join(" "),
        }
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let Self { address, gateway, interface, vlan, names } = self;
        Settings::typed([address, gateway, interface, vlan, names])
            .map_err(|wrong| Failure::input(wrong.to_string()))
    }
}

async fn page(visit: Visit, Query(Done { done }): Query<Done>) -> Result<Html<String>, Failure> {
    let status = reading(&visit, |site| site.network()).await?;
    let frame = Frame::new(&visit, Section::People, "Network");
    let frame = frame.below("People", "/people").below("Keys and anchors", "/site-root");
    let page = Page {
        frame: frame.after(done.as_deref()),
        typed: status.now.as_ref().map(|now| Typed::of(&now.settings)).unwrap_or_default(),
        status,
        minutes: TRIAL_SECONDS / 60,
        may: visit.may(Operation::AskNetworkChange),
    };
    Ok(Html(page.render()?))
}

async fn ask(Sent(visit, form): Sent<Typed>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::AskNetworkChange)?;
    let settings = form.settings()?;
    reading(&visit, move |site| site.ask_network_change(actor, settings)).await?;
    Ok(Redirect::to("/network?done=network-asked"))
}

async fn confirm(Sent(visit, form): Sent<ConfirmForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::ConfirmNetworkChange)?;
    let change: RecordId = form.change.parse()?;
    reading(&visit, move |site| site.confirm_network_change(actor, &change)).await?;
    Ok(Redirect::to("/network?done=network-confirmed"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/network", get(page).post(ask)).route("/network/confirm", post(confirm))
}
