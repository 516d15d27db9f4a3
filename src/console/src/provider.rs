//! What snapshots an endpoint: the settings of the appliance's provider, with what they say.

use crate::{
    Console, Failure,
    frame::{Frame, Section},
    reading,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::Path,
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::Operation;
use ids::EndpointName;
use serde::Deserialize;
use serde_json::Value;
use site::{Change, Describe, ProviderPreview};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "provider.html")]
struct Page {
    frame: Frame,
    name: EndpointName,
    /// The settings as they are typed.
    settings: String,
    /// What those that are kept say; the error is why they cannot be used.
    kept: Option<Result<ProviderPreview, String>>,
    preview: Option<ProviderPreview>,
}

#[derive(Deserialize)]
struct SetForm {
    settings: String,
}

impl SetForm {
    /// The settings; nothing where no provider snapshots it.
    fn settings(&self) -> Result<Option<Value>, Failure> {
        let text = self.settings.trim();
        let read = (!text.is_empty()).then(|| serde_json::from_str(text)).transpose();
        read.map_err(|e| Failure::input(format!("the settings are not one JSON object: {e}")))
    }
}

fn frame(visit: &Visit, name: &EndpointName) -> Frame {
    Frame::new(visit, Section::Endpoints, format!("What snapshots {name}"))
        .below("Endpoints", "/endpoints")
        .below(name.to_string(), format!("/endpoints/{name}"))
}

/// Settings say how machines are reached: they are shown to whoever may change them.
async fn page(visit: Visit, Path(name): Path<String>) -> Result<Html<String>, Failure> {
    visit.acting(Operation::Describe)?;
    let name: EndpointName = name.parse()?;
    of(&visit, name, None, None).await
}

async fn of(
    visit: &Visit,
    name: EndpointName,
    typed: Option<String>,
    preview: Option<ProviderPreview>,
) -> Result<Html<String>, Failure> {
    let endpoint = name.clone();
    let kept = reading(visit, move |site| site.endpoint_provider(&endpoint)).await?;
    let text = kept.as_ref().and_then(|kept| serde_json::to_string_pretty(kept).ok());
    let said = |kept: &Value| site::provider_preview(kept).map_err(|e| site::chain(&e));
    let page = Page {
        frame: frame(visit, &name),
        name,
        settings: typed.or(text).unwrap_or_default(),
        kept: kept.as_ref().map(said),
        preview,
    };
    Ok(Html(page.render()?))
}

async fn preview(
    Path(name): Path<String>,
    Sent(visit, form): Sent<SetForm>,
) -> Result<Html<String>, Failure> {
    visit.acting(Operation::Describe)?;
    let name: EndpointName = name.parse()?;
    let settings = form.settings()?;
    let settings = settings.ok_or_else(|| Failure::input("type settings to look at"))?;
    let said = site::provider_preview(&settings)?;
    of(&visit, name, Some(form.settings), Some(said)).await
}

async fn set(
    Path(name): Path<String>,
    Sent(visit, form): Sent<SetForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Describe)?;
    let name: EndpointName = name.parse()?;
    let settings = form.settings()?;
    if let Some(settings) = &settings {
        // What cannot be used would only be found out in a maintenance window.
        drop(site::provider_preview(settings)?);
    }
    let said =
        Describe { provider: settings.map_or(Change::Clear, Change::To), ..Describe::default() };
    let endpoint = name.clone();
    reading(&visit, move |site| site.describe_endpoint(actor, &endpoint, said)).await?;
    Ok(Redirect::to(&format!("/endpoints/{name}?done=described")))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/endpoints/{name}/provider", get(page).post(set))
        .route("/endpoints/{name}/provider/preview", post(preview))
}
