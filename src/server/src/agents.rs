//! Agents: their questions (JSON) carried to the site, and its answers back.
//!
//! Enrolment stands at the people's door, because whoever asks has no certificate yet; check-ins at the
//! endpoints' door. What is said here is judged by `site`; this file bounds its size and its time.

use crate::{
    body::Answer,
    config::Reason,
    reply::{Reply, sentence},
};
use api::{BODY_BYTES_MAX, CheckIn, Enrol, Problem};
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use ids::{Digest, Fault};
use serde::{Serialize, de::DeserializeOwned};
use site::{Error, Site};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

/// Longest request to enrol, in bytes.
const ENROL_BYTES_MAX: usize = 64 << 10;
/// Requests up to this length are read at once; of longer ones only so many at a time.
const SHORT_BYTES_MAX: usize = 256 << 10;
const LONG_AT_ONCE: usize = 16;
/// Longest time for a request's body.
const BODY_TIME: Duration = Duration::from_secs(60);

/// Answers agents, as long as the site is open.
#[derive(Clone)]
pub(crate) struct Agents {
    site: Weak<Site>,
    long: Arc<Semaphore>,
}

/// An answer, and why it refuses where it does.
pub(crate) type Answered = (Reply, Option<Reason>);

impl Agents {
    pub(crate) fn new(site: Weak<Site>) -> Self {
        Self { site, long: Arc::new(Semaphore::new(LONG_AT_ONCE)) }
    }

    /// Answers a request to join.
    pub(crate) async fn enrol<B>(&self, request: Request<B>) -> Answered
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let asked: Enrol = match self.question(request, ENROL_BYTES_MAX).await {
            Ok(asked) => asked,
            Err(reply) => return (*reply, None),
        };
        self.answer(move |site| site.enrol(&asked)).await
    }

    /// Answers a check-in of whoever showed the certificate with this digest.
    pub(crate) async fn check_in<B>(&self, request: Request<B>, peer: Digest) -> Answered
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let said: CheckIn = match self.question(request, BODY_BYTES_MAX).await {
            Ok(said) => said,
            Err(reply) => return (*reply, None),
        };
        self.answer(move |site| site.check_in(&peer, &said)).await
    }

    async fn question<B, Q>(&self, request: Request<B>, bytes_max: usize) -> Result<Q, Box<Reply>>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
        Q: DeserializeOwned,
    {
        if request.method() != Method::POST {
            return Err(Box::new(sentence(StatusCode::METHOD_NOT_ALLOWED)));
        }
        let said = request.headers().get(header::CONTENT_LENGTH);
        let said = said.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let short = said.is_some_and(|length| length <= SHORT_BYTES_MAX);
        let bad = |why: &str| Box::new(problem(StatusCode::BAD_REQUEST, "malformed", why.into()));
        let read = async {
            // Never closed, so there always is a permit sooner or later.
            let _permit = if short { None } else { self.long.acquire().await.ok() };
            to_bytes(Body::new(request.into_body()), bytes_max).await
        };
        let bytes = match timeout(BODY_TIME, read).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => return Err(bad("the request is too long, or was cut off")),
            Err(_) => return Err(bad("the request took too long to arrive")),
        };
        serde_json::from_slice(&bytes).map_err(|e| bad(&format!("the request is malformed: {e}")))
    }

    async fn answer<A: Serialize + Send + 'static>(
        &self,
        ask: impl FnOnce(&Site) -> Result<A, Error> + Send + 'static,
    ) -> Answered {
        let Some(site) = self.site.upgrade() else { return (stopping(), None) };
        let answered = tokio::task::spawn_blocking(move || {
            let answered = ask(&site);
            answered.map(|answer| serde_json::to_vec(&answer))
        });
        match answered.await {
            Ok(Ok(Ok(bytes))) => (json(StatusCode::OK, bytes), None),
            Ok(Err(error)) => refusal(&error),
            Ok(Ok(Err(_))) | Err(_) => (stopping(), None),
        }
    }
}

fn refusal(error: &Error) -> Answered {
    let (code, reason) = match error {
        Error::Refused(fleet::Refused::NoToken) => ("token", Some(Reason::BadToken)),
        Error::NotAnEndpoint => ("not-an-endpoint", Some(Reason::NotAnEndpoint)),
        Error::Restored { .. } => {
            let message = "the appliance was restored from a backup and says nothing until its next \
                epoch is open; what this endpoint has seen counts as before";
            let message = message.to_owned();
            return (problem(StatusCode::SERVICE_UNAVAILABLE, "restored", message), None);
        }
        Error::TooOften => {
            let message = site::chain(error);
            return (problem(StatusCode::TOO_MANY_REQUESTS, "too-often", message), None);
        }
        _ => match error.fault() {
            Fault::Input => ("malformed", None),
            Fault::Refused => ("refused", None),
            Fault::Conflict => ("conflict", None),
            Fault::Unavailable => ("unavailable", None),
            Fault::Broken => ("broken", None),
        },
    };
    let status = match error.fault() {
        Fault::Input => StatusCode::BAD_REQUEST,
        Fault::Refused => StatusCode::FORBIDDEN,
        Fault::Conflict => StatusCode::CONFLICT,
        Fault::Unavailable | Fault::Broken => {
            // What broke is for those who look after the appliance.
            tracing::error!(error = site::chain(error), "an agent could not be answered");
            return (stopping(), None);
        }
    };
    (problem(status, code, site::chain(error)), reason)
}

fn stopping() -> Reply {
    let message = "the appliance cannot answer at the moment; ask again later".to_owned();
    problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}

fn problem(status: StatusCode, code: &str, message: String) -> Reply {
    let problem = Problem { code: code.to_owned(), message };
    json(status, serde_json::to_vec(&problem).unwrap_or_default())
}

fn json(status: StatusCode, bytes: Vec<u8>) -> Reply {
    let mut reply = Response::new(Answer::Bytes(bytes.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}
