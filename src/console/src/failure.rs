//! What did not work, as a page: one sentence, and the status that goes with whose fault it is.

use crate::frame::Frame;
use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use ids::Fault;

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
    fn into_response(self) -> Response {
        let page =
            Page { frame: Frame::outside(self.title()), sentence: &sentence(&self.sentence) };
        match page.render() {
            Ok(page) => (self.status(), Html(page)).into_response(),
            Err(_) => (self.status(), self.sentence).into_response(),
        }
    }
}
