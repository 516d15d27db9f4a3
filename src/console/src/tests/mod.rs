//! The pages over a small site: what they say, what they refuse, and how they look in a real browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod browser;
mod machine;
mod pages;
mod sample;
mod speed;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header, request::Parts},
    response::Response,
};
use fleet::{AccountCommand, Actor, Command, Credential, Role};
use ids::{Digest, PersonId};
use site::{Session, Site};
use std::collections::BTreeSet;
use tower::ServiceExt;

/// Every role at once.
const ALL: [Role; 4] = [Role::Operator, Role::Approver, Role::Assessor, Role::Administrator];

/// Whom a test has sign in: an account with just these roles, without what it takes to use it elsewhere.
pub(crate) fn signed_in(site: &Site, parts: &Parts) -> Option<Session> {
    let (person, roles) = parts.extensions.get::<(PersonId, Vec<Role>)>().cloned()?;
    let roles: BTreeSet<Role> = roles.into_iter().collect();
    let ask =
        |command| drop(site.heart().ask(Actor::Appliance, Command::Account(command)).unwrap());
    let set = |person: &PersonId, roles: &BTreeSet<Role>| {
        let record = Digest::of(person.as_str().as_bytes());
        ask(AccountCommand::Set { person: person.clone(), roles: roles.clone(), record });
    };
    // Somebody administers the site, whoever looks at it.
    set(&"root".parse().unwrap(), &BTreeSet::from([Role::Administrator]));
    set(&person, &roles);
    if !site.state().accounts[&person].is_ready() {
        let code_until = jiff::Timestamp::MAX;
        ask(AccountCommand::Reset { person: person.clone(), code_until });
        for credential in [Credential::Password, Credential::Authenticator] {
            ask(AccountCommand::SetCredential { person: person.clone(), credential });
        }
    }
    Some(Session {
        id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
        name: person.to_string(),
        person,
        roles,
        form_token: "stand-in".to_owned(),
        until: jiff::Timestamp::MAX,
    })
}

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
    post_from("", console, path, form, person, roles).await
}

/// As a browser does it, which says on which page the form stands.
async fn post_from(
    page: &str,
    console: &Router,
    path: &str,
    form: &str,
    person: &str,
    roles: &[Role],
) -> Answer {
    let request = asked(path, person, roles)
        .method("POST")
        .header(header::REFERER, page)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(Body::from(form.to_owned())).unwrap();
    read(console.clone().oneshot(request).await.unwrap()).await
}
