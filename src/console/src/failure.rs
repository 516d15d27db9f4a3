//! What did not work, as a page: one sentence, and the status that goes with whose fault it is.

use crate::{
    Console,
    filled::{PAGE, Refused, filled},
    frame::{Frame, Section},
    visit::Visit,
};
use askama::Template;
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequestParts, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use ids::Fault;
use std::sync::{Arc, OnceLock};

/// Largest page that a form stands on, in bytes.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// Something that did not work.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    fault: Fault,
    status: Option<StatusCode>,
    sentence: String,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Page<'a> {
    frame: Frame,
    sentence: &'a str,
    /// What was typed into the form, by field.
    typed: Vec<(String, String)>,
}

/// What somebody sent in a form that did not work, so that it can be shown to them again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Typed(Arc<OnceLock<Bytes>>);

/// What is never shown again: secrets, what scripts fill in, and where the form stands.
const NOT_SHOWN: [&str; 12] = [
    PAGE,
    "token",
    "password",
    "number",
    "code",
    "credential",
    "authenticator_data",
    "client_data",
    "attestation",
    "signature",
    "statement",
    "checkpoint",
];

/// Whether what was typed into this field may be shown again.
pub(crate) fn is_shown_again(field: &str) -> bool {
    !NOT_SHOWN.contains(&field)
}

impl Typed {
    pub(crate) fn keep(&self, form: &Bytes) {
        // The first is the only one.
        drop(self.0.set(form.clone()));
    }

    /// All fields, in their order.
    fn fields(&self) -> Vec<(String, String)> {
        let form = self.0.get().map(|bytes| bytes.as_ref()).unwrap_or_default();
        serde_urlencoded::from_bytes(form).unwrap_or_default()
    }
}

/// What a person typed, as a list for people.
fn listed(fields: Vec<(String, String)>) -> Vec<(String, String)> {
    let shown =
        fields.into_iter().filter(|(field, text)| !text.trim().is_empty() && is_shown_again(field));
    shown.map(|(field, text)| (field.replace('_', " "), text)).collect()
}

impl Failure {
    /// What a person gave cannot be used.
    pub(crate) fn input(sentence: impl Into<String>) -> Self {
        Self { fault: Fault::Input, status: None, sentence: sentence.into() }
    }

    /// The person may not.
    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self { fault: Fault::Refused, status: None, sentence: sentence.into() }
    }

    /// There is nothing under this name.
    pub(crate) fn missing(sentence: impl Into<String>) -> Self {
        let status = Some(StatusCode::NOT_FOUND);
        Self { fault: Fault::Input, status, sentence: sentence.into() }
    }

    /// It cannot be now.
    pub(crate) fn unavailable(sentence: impl Into<String>) -> Self {
        Self { fault: Fault::Unavailable, status: None, sentence: sentence.into() }
    }

    /// The appliance itself is at fault.
    pub(crate) fn broken(sentence: impl Into<String>) -> Self {
        Self { fault: Fault::Broken, status: None, sentence: sentence.into() }
    }

    /// The sentence, as a person reads it.
    pub(crate) fn said(&self) -> String {
        sentence(&self.sentence)
    }

    fn status(&self) -> StatusCode {
        self.status.unwrap_or(match self.fault {
            Fault::Input => StatusCode::BAD_REQUEST,
            Fault::Refused => StatusCode::FORBIDDEN,
            Fault::Conflict => StatusCode::CONFLICT,
            Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        })
    }

    fn title(&self) -> &'static str {
        match (self.status, self.fault) {
            (Some(StatusCode::NOT_FOUND), _) => "There is nothing here",
            (_, Fault::Input) => "That cannot be done as it was given",
            (_, Fault::Refused) => "The site refuses this",
            (_, Fault::Conflict) => "Somebody else was first",
            (_, Fault::Unavailable) => "Not now",
            (_, Fault::Broken) => "The appliance is at fault",
        }
    }
}

/// The sentence of an error and of what lies behind it, as a person reads it.
pub(crate) fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

impl From<site::Error> for Failure {
    fn from(error: site::Error) -> Self {
        let fault = error.fault();
        if fault == Fault::Broken {
            tracing::error!(error = site::chain(&error), "a page cannot be made");
        }
        Self { fault, status: None, sentence: site::chain(&error) }
    }
}

impl From<ids::NameError> for Failure {
    fn from(error: ids::NameError) -> Self {
        Self::input(error.to_string())
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page cannot be made");
        Self::broken("the page cannot be made")
    }
}

impl IntoResponse for Failure {
    /// A page for nobody in particular; [`in_the_menu`] makes it one for who is signed in.
    fn into_response(self) -> Response {
        let mut response = self.page(Frame::outside(self.title()), Vec::new());
        response.extensions_mut().insert(self);
        response
    }
}

impl Failure {
    fn page(&self, frame: Frame, typed: Vec<(String, String)>) -> Response {
        match (Page { frame, sentence: &self.said(), typed }).render() {
            Ok(page) => (self.status(), Html(page)).into_response(),
            Err(_) => (self.status(), self.sentence.clone()).into_response(),
        }
    }

    /// What the framework said by itself, in words of ours: its own are for programs.
    fn of_the_framework(response: &Response) -> Option<Self> {
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let plain = kind.is_none_or(|kind| kind.starts_with(b"text/plain"));
        if !plain || !(status.is_client_error() || status.is_server_error()) {
            return None;
        }
        let sentence = match status {
            StatusCode::BAD_REQUEST => {
                "the address holds something that is not understood here, such as a page that is no number: \
                 go back and choose again"
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                "this address takes no such form: open the page that it belongs to, and send it from there"
            }
            StatusCode::PAYLOAD_TOO_LARGE => "that is more than a form may hold: send less of it",
            StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY => {
                "the form did not come as this page sends it: open it again"
            }
            StatusCode::NOT_FOUND => "there is no page under this address",
            _ => "the page cannot be made; nothing was changed",
        };
        let fault = if status.is_server_error() { Fault::Broken } else { Fault::Input };
        Some(Self { fault, status: Some(status), sentence: sentence.to_owned() })
    }
}

/// Has a form that was refused come back with what was typed in it, or else puts what did not work inside the menu of
/// whoever is signed in, in words of ours.
pub(crate) async fn in_the_menu(
    State(console): State<Arc<Console>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let typed = Typed::default();
    parts.extensions.insert(typed.clone());
    let mut asked = parts.clone();
    let pages = next.clone();
    let response = next.run(Request::from_parts(parts, body)).await;
    let known = response.extensions().get::<Failure>().cloned();
    let Some(failure) = known.or_else(|| Failure::of_the_framework(&response)) else {
        return response;
    };
    let fields = typed.fields();
    if let Some(page) = failure.in_its_form(&asked, pages, &fields).await {
        return page;
    }
    let section = Section::of(asked.uri.path());
    match Visit::from_request_parts(&mut asked, &console).await {
        Ok(visit) => failure.page(Frame::new(&visit, section, failure.title()), listed(fields)),
        Err(_) => failure.page(Frame::outside(failure.title()), Vec::new()),
    }
}

impl Failure {
    /// The page on which the form stands, with what was typed into it and what is wrong with that. None where it cannot be
    /// told which page that is, or where the page has no such form for this person.
    async fn in_its_form(
        &self,
        sent: &Parts,
        pages: Next,
        typed: &[(String, String)],
    ) -> Option<Response> {
        if typed.is_empty() || self.fault == Fault::Broken {
            return None;
        }
        let page = place(sent, typed)?;
        let mut address = sent.uri.clone().into_parts();
        address.path_and_query = Some(page.parse().ok()?);
        let mut asked = sent.clone();
        asked.method = Method::GET;
        asked.uri = Uri::from_parts(address).ok()?;
        let answer = pages.run(Request::from_parts(asked, Body::empty())).await;
        if answer.status() != StatusCode::OK {
            return None;
        }
        let html = to_bytes(answer.into_body(), PAGE_BYTES_MAX).await.ok()?;
        let refused = Refused { action: sent.uri.path(), page: &page, typed, said: &self.said() };
        let html = filled(std::str::from_utf8(&html).ok()?, &refused)?;
        Some((self.status(), Html(html)).into_response())
    }
}

/// The page that a form was sent from: as the form itself says, which came back before, or else as the browser does.
fn place(sent: &Parts, typed: &[(String, String)]) -> Option<String> {
    if let Some((_, page)) = typed.iter().find(|(field, _)| field == PAGE) {
        return Some(page.clone());
    }
    let from: Uri = sent.headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    // What was done before this is not done now.
    let words =
        from.query().unwrap_or_default().split('&').filter(|word| !word.starts_with("done="));
    let words = words.collect::<Vec<_>>().join("&");
    Some(if words.is_empty() { from.path().to_owned() } else { format!("{}?{words}", from.path()) })
}
