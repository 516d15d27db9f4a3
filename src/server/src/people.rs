//! The people's door: one page that says what this appliance serves and how to know it.

use crate::Page;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse},
    routing::get,
};
use site::ShelfHandle;
use std::{fmt::Write as _, sync::Arc};

const STYLE: &str = "\
body{font-family:Arial,Helvetica,sans-serif;line-height:1.5;color:#0b0c0c;background:#fff;\
max-width:60rem;margin:0 auto;padding:1rem}\
table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.5rem;border-bottom:1px solid #505a5f}\
caption{text-align:left;font-weight:bold}\
code{overflow-wrap:anywhere}\
a{color:#1d70b8}a:focus{outline:3px solid #0b0c0c;background:#fd0}";

const NONE: &str = "<tr><td colspan=\"4\">Nothing has been imported yet.</td></tr>";

struct People {
    shelf: ShelfHandle,
    page: Page,
}

/// The routes of the people's door.
pub(crate) fn routes(shelf: ShelfHandle, page: Page) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/ca.pem", get(root))
        .route("/style.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], STYLE) }))
        .fallback(|| async { (StatusCode::NOT_FOUND, "There is nothing under this name.\n") })
        .with_state(Arc::new(People { shelf, page }))
}

/// Headers of every answer at this door.
pub(crate) fn harden(headers: &mut HeaderMap) {
    const HEADERS: [(HeaderName, &str); 8] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
        ),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

async fn root(State(people): State<Arc<People>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], people.page.root_pem.clone())
}

async fn home(State(people): State<Arc<People>>) -> Html<String> {
    let site = &people.page.site;
    let rings = rings(&people.shelf);
    let mut prints = String::new();
    for (label, text) in &people.page.fingerprints {
        let row = (escape(label), escape(text));
        let _ = write!(
            prints,
            "<tr><th scope=\"row\">{}</th><td><code>{}</code></td></tr>",
            row.0, row.1
        );
    }
    Html(format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Patchkeep at {site}</title><link rel=\"stylesheet\" href=\"/style.css\"></head>\
         <body><main><h1>Patchkeep at {site}</h1>\
         <p>This appliance keeps the computers of this site patched. Endpoints fetch vendors' signed \
         updates from it.</p>\
         <h2>What is served</h2>\
         <table><caption>Where each ring points</caption><thead><tr><th scope=\"col\">Ring</th>\
         <th scope=\"col\">Source</th><th scope=\"col\">Bundle</th>\
         <th scope=\"col\">Vendor&#39;s date</th></tr></thead><tbody>{rings}</tbody></table>\
         <h2>How to know this appliance</h2>\
         <p>Compare these fingerprints with those on its own screen or on paper before you trust \
         <a href=\"/ca.pem\">its root certificate</a>.</p>\
         <table><caption>SHA-256 fingerprints</caption><tbody>{prints}</tbody></table>\
         </main></body></html>"
    ))
}

fn rings(shelf: &ShelfHandle) -> String {
    let shelf = shelf.current();
    let mut rows = String::new();
    for (ring, source, sequence) in shelf.rings() {
        let view =
            shelf.views().find(|v| v.source().as_str() == source && v.sequence() == sequence);
        let date = view.map_or("not held".to_owned(), |view| view.release_date().to_string());
        let (ring, source) = (escape(ring), escape(source));
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{ring}</th><td>{source}</td><td>{sequence}</td>\
             <td>{date}</td></tr>"
        );
    }
    if rows.is_empty() { NONE.to_owned() } else { rows }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
