//! What did not work, as RFC 9457 has it: one plain sentence, and the status that goes with whose fault it is.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ids::Fault;
use serde::Serialize;
use utoipa::ToSchema;

/// Media type of a problem.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// What did not work.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Problem {
    /// The status again.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The status in words.
    title: String,
    /// What happened, what was kept and what to do next, in a sentence.
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        Self { status: status.as_u16(), title, detail: detail.into() }
    }

    /// What was given cannot be used.
    pub(crate) fn input(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is nothing under this name.
    pub(crate) fn missing(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The same, in the words of the rules.
    pub(crate) fn none(refused: fleet::Refused) -> Self {
        Self::missing(site::chain(&site::Error::Refused(refused)))
    }

    /// Our own mistake, or a broken disk.
    pub(crate) fn broken(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// The status of a fault, told once for the whole API.
    const fn status_of(fault: Fault) -> StatusCode {
        match fault {
            Fault::Input => StatusCode::BAD_REQUEST,
            Fault::Refused => StatusCode::FORBIDDEN,
            Fault::Conflict => StatusCode::CONFLICT,
            Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<site::Error> for Problem {
    fn from(error: site::Error) -> Self {
        Self::new(Self::status_of(error.fault()), site::chain(&error))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if status == StatusCode::UNAUTHORIZED {
            let shows = HeaderValue::from_static("Bearer realm=\"patchkeep\"");
            headers.insert(header::WWW_AUTHENTICATE, shows);
        }
        response
    }
}
