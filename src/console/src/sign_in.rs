//! Signing in and out, and what comes before: the first start, a one-time code, choosing a password and an
//! authenticator. Forms that fail are shown again with what was typed, but for secrets.

use crate::{
    Console, Failure,
    frame::Frame,
    visit::{CHOOSING, Nothing, SESSION, Sent, cookie, from_here, set_cookie},
};
use askama::Template;
use axum::{
    Router,
    extract::{Form, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use fleet::RefusalKind;
use ids::Fault;
use qrcode::{QrCode, render::svg};
use serde::Deserialize;
use site::{Error, PASSWORD_CHARS_MIN, Site};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The pages here.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/sign-in", get(sign_in_page).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/first-start", get(first_start_page).post(use_code))
        .route("/one-time-code", get(one_time_code_page).post(use_code))
        .route("/choose", get(choose_page).post(choose))
        .route("/about", get(about))
}

/// A page for somebody who is not signed in, with what was wrong with their last try.
#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage {
    frame: Frame,
    wrong: Option<String>,
    person: String,
    next: String,
}

#[derive(Template)]
#[template(path = "one-time-code.html")]
struct CodePage {
    frame: Frame,
    wrong: Option<String>,
    first: bool,
    person: String,
    name: String,
}

#[derive(Template)]
#[template(path = "choose.html")]
struct ChoosePage {
    frame: Frame,
    wrong: Option<String>,
    person: String,
    /// In groups of four, as people type it.
    secret: String,
    picture: String,
    chars_min: usize,
}

#[derive(Template)]
#[template(path = "about.html")]
struct AboutPage {
    frame: Frame,
    fingerprints: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct SignInForm {
    person: String,
    password: String,
    number: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct CodeForm {
    person: String,
    code: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct ChooseForm {
    password: String,
    again: String,
    number: String,
}

/// Where somebody wanted to go: a page of this console, or the overview.
fn safe(next: &str) -> &str {
    let inside =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    if inside { next } else { "/" }
}

async fn sign_in_page(
    State(console): State<Arc<Console>>,
    Query(Next { next }): Query<Next>,
) -> Result<Response, Failure> {
    if console.site()?.state().accounts.is_empty() {
        return Ok(Redirect::to("/first-start").into_response());
    }
    let frame = console.frame("Sign in");
    let page =
        SignInPage { frame, wrong: None, person: String::new(), next: safe(&next).to_owned() };
    Ok(Html(page.render()?).into_response())
}

async fn sign_in(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Result<Response, Failure> {
    from_here(&headers)?;
    let SignInForm { person, password, number, next } = form;
    let typed = person.clone();
    let tried = console.trying(move |site| site.sign_in(&person, &password, &number)).await?;
    match tried {
        Ok(token) => entered(&token, safe(&next)),
        Err(wrong) => {
            let (frame, next) = (console.frame("Sign in"), safe(&next).to_owned());
            let page = SignInPage { frame, wrong: Some(wrong), person: typed, next };
            Ok((StatusCode::FORBIDDEN, Html(page.render()?)).into_response())
        }
    }
}

/// Somebody is signed in from here on.
fn entered(token: &str, next: &str) -> Result<Response, Failure> {
    let mut response = Redirect::to(next).into_response();
    response.headers_mut().append(header::SET_COOKIE, set_cookie(SESSION, token)?);
    response.headers_mut().append(header::SET_COOKIE, set_cookie(CHOOSING, "")?);
    Ok(response)
}

async fn sign_out(
    headers: HeaderMap,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Response, Failure> {
    if let Some(token) = cookie(&headers, SESSION) {
        crate::reading(&visit, move |site| site.sign_out(&token)).await?;
    }
    let mut response = Redirect::to("/sign-in").into_response();
    response.headers_mut().append(header::SET_COOKIE, set_cookie(SESSION, "")?);
    Ok(response)
}

fn code_page(console: &Console, first: bool) -> CodePage {
    let title = if first { "Set up the first administrator" } else { "Use a one-time code" };
    let (person, name) = (String::new(), String::new());
    CodePage { frame: console.frame(title), wrong: None, first, person, name }
}

async fn first_start_page(State(console): State<Arc<Console>>) -> Result<Response, Failure> {
    if !console.site()?.state().accounts.is_empty() {
        return Ok(Redirect::to("/sign-in").into_response());
    }
    Ok(Html(code_page(&console, true).render()?).into_response())
}

async fn one_time_code_page(State(console): State<Arc<Console>>) -> Result<Response, Failure> {
    if console.site()?.state().accounts.is_empty() {
        return Ok(Redirect::to("/first-start").into_response());
    }
    Ok(Html(code_page(&console, false).render()?).into_response())
}

async fn use_code(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Result<Response, Failure> {
    from_here(&headers)?;
    let CodeForm { person, code, name } = form;
    let first = console.site()?.state().accounts.is_empty();
    let (typed, typed_name) = (person.clone(), name.clone());
    match console.trying(move |site| site.use_code(&person, &code, &name)).await? {
        Ok(token) => {
            let mut response = Redirect::to("/choose").into_response();
            response.headers_mut().append(header::SET_COOKIE, set_cookie(CHOOSING, &token)?);
            Ok(response)
        }
        Err(wrong) => {
            let page = code_page(&console, first);
            let page = CodePage { wrong: Some(wrong), person: typed, name: typed_name, ..page };
            Ok((StatusCode::FORBIDDEN, Html(page.render()?)).into_response())
        }
    }
}

/// A QR code, as a picture in the page.
pub(crate) fn picture_of(text: &str) -> Result<String, Failure> {
    let picture = QrCode::new(text.as_bytes())
        .map_err(|_| Failure::broken("this is too long for a QR code"))?;
    let picture = picture.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
    let svg = picture.split_once("?>").map_or(picture.as_str(), |(_, svg)| svg);
    // In a page its name says what it is.
    Ok(svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", ""))
}

fn choose_form(console: &Console, site: &Site, token: &str) -> Result<ChoosePage, Failure> {
    let choosing = site.choosing(token).ok_or_else(|| {
        Failure::refused(
            "this took longer than 15 minutes, or was done already: use the one-time code again",
        )
    })?;
    let letters: Vec<char> = choosing.secret.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    let picture = picture_of(&choosing.address)?;
    Ok(ChoosePage {
        frame: console.frame("Choose how you sign in"),
        wrong: None,
        person: choosing.person.to_string(),
        secret: groups.join(" "),
        picture,
        chars_min: PASSWORD_CHARS_MIN,
    })
}

async fn choose_page(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Some(token) = cookie(&headers, CHOOSING) else {
        return Ok(Redirect::to("/one-time-code").into_response());
    };
    let page = choose_form(&console, console.site()?.as_ref(), &token)?;
    Ok(Html(page.render()?).into_response())
}

async fn choose(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Form(form): Form<ChooseForm>,
) -> Result<Response, Failure> {
    from_here(&headers)?;
    let Some(token) = cookie(&headers, CHOOSING) else {
        return Ok(Redirect::to("/one-time-code").into_response());
    };
    let ChooseForm { password, again, number } = form;
    let chosen = if password == again {
        let token = token.clone();
        console.trying(move |site| site.choose(&token, &password, &number)).await?
    } else {
        Err("The two passwords are not the same: type the new one twice.".to_owned())
    };
    match chosen {
        Ok(session) => entered(&session, "/"),
        Err(wrong) => {
            let page = choose_form(&console, console.site()?.as_ref(), &token)?;
            let page = ChoosePage { wrong: Some(wrong), ..page };
            Ok((StatusCode::BAD_REQUEST, Html(page.render()?)).into_response())
        }
    }
}

/// How to know this appliance: for whoever is not signed in too.
async fn about(State(console): State<Arc<Console>>) -> Result<Html<String>, Failure> {
    let fingerprints = console.setup.fingerprints.clone();
    let page = AboutPage { frame: console.frame("How to know this appliance"), fingerprints };
    Ok(Html(page.render()?))
}

impl Console {
    /// Tries something that a person may have typed wrong; what they can mend is a sentence, and counted.
    async fn trying<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Site) -> Result<T, Error> + Send + 'static,
    ) -> Result<Result<T, String>, Failure> {
        let site = self.site()?;
        let tried = spawn_blocking(move || act(&site)).await;
        let tried =
            tried.map_err(|_| Failure::broken("the appliance did not come to an end with this"))?;
        match tried {
            Ok(done) => Ok(Ok(done)),
            Err(error) => {
                if matches!(error, Error::SignIn | Error::SlowDown { .. }) {
                    self.setup.refusals.count(RefusalKind::PeopleDoor, "sign-in");
                }
                match error.fault() {
                    Fault::Input | Fault::Refused | Fault::Unavailable => {
                        Ok(Err(crate::failure::sentence(&site::chain(&error))))
                    }
                    _ => Err(error.into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn nobody_is_led_to_another_host() {
        for (next, to) in [
            ("/runs?ring=broad", "/runs?ring=broad"),
            ("", "/"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\r\nSet-Cookie: b", "/"),
        ] {
            assert_eq!(safe(next), to);
        }
    }
}
