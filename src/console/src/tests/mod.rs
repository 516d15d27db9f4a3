//! The pages over a small site: what they say, what they refuse, and how they look in a real browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod browser;
mod pages;
mod sample;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
    response::Response,
};
use fleet::Role;
use ids::PersonId;
use tower::ServiceExt;

/// Every role at once.
const ALL: [Role; 4] = [Role::Operator, Role::Approver, Role::Assessor, Role::Administrator];

/// An answer, read.
struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 64 << 20).await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: parts.status, headers: parts.headers, text }
}

fn asked(path: &str, person: &str, roles: &[Role]) -> axum::http::request::Builder {
    let person: PersonId = person.parse().unwrap();
    Request::builder().uri(path).extension((person, roles.to_vec()))
}

async fn get_as(console: &Router, path: &str, person: &str, roles: &[Role]) -> Answer {
    let request = asked(path, person, roles).body(Body::empty()).unwrap();
    read(console.clone().oneshot(request).await.unwrap()).await
}

async fn get(console: &Router, path: &str) -> Answer {
    get_as(console, path, "oscar", &ALL).await
}

async fn post_as(console: &Router, path: &str, form: &str, person: &str, roles: &[Role]) -> Answer {
    let request = asked(path, person, roles)
        .method("POST")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(Body::from(form.to_owned())).unwrap();
    read(console.clone().oneshot(request).await.unwrap()).await
}
