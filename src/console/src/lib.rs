//! The appliance's face: pages for people, one noun a file, each a thin face of a use case in `site`.
//!
//! `frame.rs` is what stands around each page, `visit.rs` who asks for it, `failure.rs` what they are told
//! when it does not work. Templates are in `web/templates`, what pages load is built in `web/`.
//!
//! **Invariant:** pages work without a script, and load nothing from another host. **Invariant:** no right is
//! decided here: each form asks [`visit::Visit::acting`] before its use case, which is the place.

mod account;
mod assets;
mod audit;
mod calendar;
mod chart;
mod choice;
mod custody;
mod days;
mod endpoint;
mod exception;
mod failure;
mod filled;
mod floor;
mod founding;
mod frame;
mod getting_started;
mod image;
mod import;
mod list;
mod live;
mod medium;
mod network;
mod overview;
mod policy;
mod provider;
mod report;
mod ring;
mod run;
mod security_key;
mod sign_in;
mod site_root;
mod statement;
mod stock;
mod tag;
mod text;
mod update;
mod visit;
mod window;
mod witness;

#[cfg(test)]
mod tests;

pub(crate) use failure::Failure;
pub use founding::{FirstStart, Found, first_start};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use frame::Frame;
use ids::{SiteName, Timestamp};
use site::{Refusals, Site};
use std::sync::{Arc, Weak};
use tokio::task::spawn_blocking;
use visit::Visit;

/// What the console shows.
pub struct Setup {
    /// The appliance, as long as it is open.
    pub site: Weak<Site>,
    /// Its site's name.
    pub name: SiteName,
    /// SHA-256 fingerprints by which people know this appliance, with what each is of.
    pub fingerprints: Vec<(String, String)>,
    /// The site's root certificate, PEM.
    pub root_pem: String,
    /// Until when the server's own certificate lasts.
    pub server_until: Timestamp,
    /// Where failed tries to sign in are counted.
    pub refusals: Arc<Refusals>,
}

/// What is behind the routes.
pub struct Console {
    setup: Setup,
    importing: import::Importing,
    looked: site::Looked,
}

impl Console {
    pub(crate) fn site(&self) -> Result<Arc<Site>, Failure> {
        self.setup.site.upgrade().ok_or_else(|| Failure::unavailable("the appliance is stopping"))
    }

    /// Around a page for somebody who is not signed in.
    pub(crate) fn frame(&self, title: &str) -> Frame {
        let mut frame = Frame::outside(title);
        frame.site = Some(self.setup.name.to_string());
        frame
    }

    /// Who looked at the log.
    pub(crate) fn looked(&self) -> &site::Looked {
        &self.looked
    }

    /// The import that was begun here.
    pub(crate) fn importing(&self) -> &import::Importing {
        &self.importing
    }
}

/// The routes of the people's door.
pub fn routes(setup: Setup) -> Router {
    let console = Arc::new(Console {
        setup,
        importing: import::Importing::default(),
        looked: site::Looked::default(),
    });
    let pages = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/ca.pem", get(root))
        .route("/assets/{name}", get(assets::asset))
        .merge(overview::routes())
        .merge(endpoint::routes())
        .merge(provider::routes())
        .merge(update::routes())
        .merge(choice::routes())
        .merge(import::routes())
        .merge(run::routes())
        .merge(ring::routes())
        .merge(window::routes())
        .merge(policy::routes())
        .merge(exception::routes())
        .merge(floor::routes())
        .merge(calendar::routes())
        .merge(report::routes())
        .merge(days::routes())
        .merge(statement::routes())
        .merge(audit::routes())
        .merge(witness::routes())
        .fallback(nothing)
        .merge(account::routes())
        .merge(site_root::routes())
        .merge(getting_started::routes())
        .merge(image::routes())
        .merge(network::routes())
        .merge(medium::routes())
        .merge(stock::routes())
        .merge(security_key::routes())
        .merge(sign_in::routes())
        .with_state(Arc::clone(&console));
    // Around all pages at once: a form that is refused asks for the page that it stands on.
    Router::new()
        .fallback_service(pages)
        .layer(axum::middleware::from_fn_with_state(console, failure::in_the_menu))
        .layer(axum::middleware::map_response(harden))
}

/// Looks at the appliance, or has it do something, without holding up other pages.
pub(crate) async fn reading<T: Send + 'static>(
    visit: &Visit,
    act: impl FnOnce(&Site) -> Result<T, site::Error> + Send + 'static,
) -> Result<T, Failure> {
    let site = Arc::clone(visit.site());
    let done = spawn_blocking(move || act(&site)).await;
    Ok(done.map_err(|_| Failure::broken("the appliance did not come to an end with this"))??)
}

async fn root(State(console): State<Arc<Console>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], console.setup.root_pem.clone())
}

async fn nothing(_: Visit) -> Failure {
    Failure::missing("there is no page under this address; it may have been moved or mistyped")
}

/// Headers of every answer: a page comes from this appliance alone, with no script or style inside, in nobody's frame,
/// and is not kept by the browser unless the answer itself allows it.
async fn harden(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 7] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
             connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), publickey-credentials-create=(self), \
             publickey-credentials-get=(self)",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
