//! Who asks for a page: a person who is signed in, or nobody. Their session is a cookie; what it allows is decided
//! in `site`, at each act anew.

use crate::{Console, Failure, failure::Typed};
use axum::{
    body::Bytes,
    extract::{Form, FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts, uri::Authority},
    response::{IntoResponse, Redirect, Response},
};
use fleet::{Actor, Operation, Role};
use ids::PersonId;
use serde::{Deserialize, de::DeserializeOwned};
use site::{Session, Site};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// The session's cookie: for this host only, over TLS only, not for scripts, not with requests from other pages.
pub(crate) const SESSION: &str = "__Host-patchkeep";
/// The cookie of somebody who used a one-time code and chooses a password.
pub(crate) const CHOOSING: &str = "__Host-patchkeep-choosing";
/// Longest time for a form to come in.
const FORM_TIME: Duration = Duration::from_secs(30);

/// A person who is signed in.
#[derive(Clone)]
pub(crate) struct Visit {
    site: Arc<Site>,
    session: Session,
    host: String,
}

impl Visit {
    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    pub(crate) fn person(&self) -> &PersonId {
        &self.session.person
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The name by which the browser knows this appliance, without a port; empty where it does not say.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// At least one.
    pub(crate) fn roles(&self) -> Vec<Role> {
        self.session.roles.iter().copied().collect()
    }

    /// Whether the table of roles lets this person do it: for showing what can be pressed, and no more.
    pub(crate) fn may(&self, operation: Operation) -> bool {
        operation.role().is_none_or(|role| self.session.roles.contains(&role))
    }

    /// The person in the role of an operation, as events name them, if they may do it now. That they may not is an
    /// event.
    pub(crate) fn acting(&self, operation: Operation) -> Result<Actor, Failure> {
        Ok(self.site.acting(&self.session, operation)?)
    }

    /// What each form carries back.
    pub(crate) fn token(&self) -> &str {
        &self.session.form_token
    }
}

impl FromRequestParts<Arc<Console>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Self::Rejection> {
        let found = signed_in(parts, console, Site::session);
        let (site, session, _) = found.map_err(IntoResponse::into_response)?;
        match session {
            Some(session) => Ok(Self { site, session, host: host(parts) }),
            None if site.state().accounts.is_empty() => {
                Err(Redirect::to("/first-start").into_response())
            }
            None => Err(Redirect::to(&sign_in_for(parts)).into_response()),
        }
    }
}

/// A person who is signed in, before a page that asks by itself: that is no use of their session.
pub(crate) struct Watching(pub(crate) Visit, String);

impl Watching {
    /// Whether their session still lasts.
    pub(crate) fn lasts(&self) -> bool {
        #[cfg(test)]
        if self.1.is_empty() {
            return true;
        }
        self.0.site.watching_session(&self.1).is_some()
    }
}

impl FromRequestParts<Arc<Console>> for Watching {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Self::Rejection> {
        let found = signed_in(parts, console, Site::watching_session);
        let (site, session, token) = found.map_err(IntoResponse::into_response)?;
        // A page that asks by itself is told nothing, and asks no more.
        let session = session.ok_or_else(|| StatusCode::NO_CONTENT.into_response())?;
        Ok(Self(Visit { site, session, host: host(parts) }, token))
    }
}

/// The appliance, who is signed in to it with the request's cookie, as `look` has it, and that cookie.
fn signed_in(
    parts: &Parts,
    console: &Console,
    look: fn(&Site, &str) -> Option<Session>,
) -> Result<(Arc<Site>, Option<Session>, String), Failure> {
    let site = console.site()?;
    let token = cookie(&parts.headers, SESSION).unwrap_or_default();
    let session = look(&site, &token);
    #[cfg(test)]
    let session = session.or_else(|| crate::tests::signed_in(&site, parts));
    Ok((site, session, token))
}

/// The host's name in a request: HTTP/2 has it in the address, HTTP/1.1 in a header.
fn host(parts: &Parts) -> String {
    let header = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = header.and_then(|host| host.parse::<Authority>().ok());
    let authority = parts.uri.authority().or(authority.as_ref());
    authority.map(|known| known.host().to_owned()).unwrap_or_default()
}

/// Where to sign in, and then to come back to.
fn sign_in_for(parts: &Parts) -> String {
    let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    if parts.method != Method::GET || wanted == "/" {
        return "/sign-in".to_owned();
    }
    #[derive(serde::Serialize)]
    struct Next<'a> {
        next: &'a str,
    }
    let query = serde_urlencoded::to_string(Next { next: wanted }).unwrap_or_default();
    format!("/sign-in?{query}")
}

/// A cookie's value.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// The header that gives a cookie this value; an empty one takes it away.
pub(crate) fn set_cookie(name: &str, value: &str) -> Result<HeaderValue, Failure> {
    let age = if value.is_empty() { "; Max-Age=0" } else { "" };
    HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{age}"
    ))
    .map_err(|_| Failure::broken("the cookie cannot be set"))
}

/// A form from somebody who is not signed in comes from a page of this appliance, as browsers say by themselves
/// (`Sec-Fetch-Site`); what says nothing is no browser, and has no cookies that another page could misuse.
pub(crate) fn from_here(headers: &HeaderMap) -> Result<(), Failure> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    match site {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Failure::refused(
            "this form was not sent by a page of this appliance: open it again",
        )),
    }
}

/// A form without a field of its own: a button.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

/// A form that was sent by a page of this session.
pub(crate) struct Sent<T>(pub(crate) Visit, pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Sent<T> {
    type Rejection = Response;

    async fn from_request(
        request: Request,
        console: &Arc<Console>,
    ) -> Result<Self, Self::Rejection> {
        #[derive(Deserialize)]
        struct Token {
            token: String,
        }
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, console).await?;
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), console);
        let slow = || Failure::input("the form did not come in within 30 seconds").into_response();
        let bytes = timeout(FORM_TIME, bytes).await.map_err(|_| slow())?;
        let bytes = bytes.map_err(IntoResponse::into_response)?;
        let again = || Request::from_parts(parts.clone(), bytes.clone().into());
        let old = || {
            Failure::refused("this form was not sent by a page of your session: open it again")
                .into_response()
        };
        let Form(Token { token }) =
            Form::from_request(again(), console).await.map_err(|_| old())?;
        if !visit.session.is_form_token(&token) {
            return Err(old());
        }
        if let Some(typed) = parts.extensions.get::<Typed>() {
            typed.keep(&bytes);
        }
        let Form(form) = Form::from_request(again(), console)
            .await
            .map_err(|error| Failure::input(error.body_text()).into_response())?;
        Ok(Self(visit, form))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn cookies_are_found_and_set_for_this_host_only() {
        let mut headers = HeaderMap::new();
        assert_eq!(cookie(&headers, SESSION), None);
        headers
            .append(header::COOKIE, HeaderValue::from_static("a=b; __Host-patchkeep-choosing=c"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-patchkeep=d=e"));
        assert_eq!(cookie(&headers, SESSION).as_deref(), Some("d=e"));
        assert_eq!(cookie(&headers, CHOOSING).as_deref(), Some("c"));
        let set = set_cookie(SESSION, "x").unwrap();
        for word in ["__Host-patchkeep=x;", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
            assert!(set.to_str().unwrap().contains(word), "{word}");
        }
        assert!(set_cookie(SESSION, "").unwrap().to_str().unwrap().contains("Max-Age=0"));
        assert!(set_cookie(SESSION, "x\ny").is_err());
    }

    #[test]
    fn a_form_of_another_page_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(from_here(&headers).is_ok());
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        assert!(from_here(&headers).is_ok());
        for other in ["cross-site", "same-site"] {
            headers.insert("sec-fetch-site", HeaderValue::from_static(other));
            assert!(from_here(&headers).is_err(), "{other}");
        }
    }
}
