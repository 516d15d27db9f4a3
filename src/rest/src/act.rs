//! The table of acts, and what each goes through: the token, the right, the words that were sent, the use case.

use crate::{BASE, Rest, document, document::Described, problem::Problem};
use axum::{
    RequestPartsExt, Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, get},
};
use fleet::{Actor, Operation};
use futures::StreamExt;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use site::{Bearer, Site};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::timeout};
use utoipa::{IntoParams, ToSchema, openapi::path::ParameterIn};

/// Longest body in bytes: an envelope as people sign it, in JSON.
const BODY_BYTES_MAX: usize = 5 << 20;
/// Longest time for a body to come in.
const BODY_TIME: Duration = Duration::from_secs(30);

/// An act: how it is asked for, and what it is in the table of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Its path below [`BASE`], with names in braces.
    pub path: &'static str,
    /// What it is in the table of roles.
    pub operation: Operation,
    /// What it does, in a few words.
    pub summary: &'static str,
}

/// A person's script at work: the appliance, and as whom they act.
pub(crate) struct Asking {
    site: Arc<Site>,
    rest: Arc<Rest>,
    bearer: Bearer,
    actor: Actor,
}

impl Asking {
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    /// As events name them.
    pub(crate) fn actor(&self) -> Actor {
        self.actor.clone()
    }

    /// Records a look at the log, once an hour for a token and what it looked for.
    pub(crate) fn looks(&self, filter: String, entries: u64) -> Result<(), Problem> {
        if self.rest.looked.is_new(self.bearer.token.as_str(), &filter) {
            self.site.record_look(self.actor(), filter, entries)?;
        }
        Ok(())
    }
}

/// No words: of a path, of a query, or no body.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct No {}

/// What may be sent along.
pub(crate) trait Sent: Sized + Send + 'static {
    /// Its schema, where there is one.
    fn describe(described: Described) -> Described;
    /// Whether there is one.
    const IS: bool;
    fn read(bytes: &[u8]) -> Result<Self, Problem>;
}

impl Sent for No {
    const IS: bool = false;

    fn describe(described: Described) -> Described {
        described
    }

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() { Ok(Self {}) } else { Err(Problem::input("this takes no body")) }
    }
}

/// A body of JSON.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + ToSchema + Send + 'static> Sent for Json<T> {
    const IS: bool = true;

    fn describe(described: Described) -> Described {
        document::with_body::<T>(described)
    }

    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(bytes).map(Self).map_err(|e| {
            let unfit = e.is_data();
            let status =
                if unfit { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
            Problem::new(status, format!("the body cannot be used, and nothing was changed: {e}"))
        })
    }
}

/// What comes back.
pub(crate) trait Told: Send + 'static {
    fn describe(described: Described) -> Described;
    fn tell(self) -> Result<Response, Problem>;
}

impl<T: Serialize + ToSchema + Send + 'static> Told for Json<T> {
    fn describe(described: Described) -> Described {
        document::with_json::<T>(described)
    }

    fn tell(self) -> Result<Response, Problem> {
        let body = serde_json::to_vec(&self.0)
            .map_err(|e| Problem::broken(format!("the answer cannot be written: {e}")))?;
        Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
    }
}

impl Told for () {
    fn describe(described: Described) -> Described {
        document::with_nothing(described)
    }

    fn tell(self) -> Result<Response, Problem> {
        Ok(StatusCode::NO_CONTENT.into_response())
    }
}

/// An audit bundle.
pub(crate) struct Zip {
    pub(crate) zip: Vec<u8>,
    /// What is in it, as one JSON object in a header.
    pub(crate) about: String,
}

/// In which header that is told.
pub(crate) const EXPORTED: &str = "patchkeep-exported";

impl Told for Zip {
    fn describe(described: Described) -> Described {
        document::with_file(described, "application/zip")
    }

    fn tell(self) -> Result<Response, Problem> {
        let headers = [
            (header::CONTENT_TYPE.as_str(), "application/zip"),
            (header::CONTENT_DISPOSITION.as_str(), "attachment; filename=\"audit.zip\""),
            (EXPORTED, &self.about),
        ];
        Ok((headers, self.zip).into_response())
    }
}

struct Entry {
    act: Act,
    described: Described,
    route: MethodRouter<Arc<Rest>>,
}

/// Every act.
#[derive(Default)]
pub(crate) struct Table(Vec<Entry>);

fn filter(method: &str) -> MethodFilter {
    match method {
        "POST" => MethodFilter::POST,
        "PUT" => MethodFilter::PUT,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    }
}

impl Table {
    /// Adds an act: `GET /rings`, its row in the table of roles, what it does, and the use case.
    pub(crate) fn add<P, Q, B, R>(
        &mut self,
        (method, path): (&'static str, &'static str),
        operation: Operation,
        summary: &'static str,
        run: fn(&Asking, P, Q, B) -> Result<R, Problem>,
    ) where
        P: DeserializeOwned + IntoParams + Send + 'static,
        Q: DeserializeOwned + IntoParams + Send + 'static,
        B: Sent,
        R: Told,
    {
        let act = Act { method, path, operation, summary };
        let described = document::begin(&act, B::IS);
        let described = document::with_parameters::<P>(described, ParameterIn::Path);
        let described = document::with_parameters::<Q>(described, ParameterIn::Query);
        let described = R::describe(B::describe(described));
        let handler = move |State(rest): State<Arc<Rest>>, request: Request| async move {
            let (parts, sent) = request.into_parts();
            let mut sent = Some(sent);
            match perform(rest, act, run, (parts, &mut sent)).await {
                Ok(response) => response,
                Err(problem) => {
                    drain(sent).await;
                    problem.into_response()
                }
            }
        };
        let route = MethodRouter::new().on(filter(method), handler);
        self.0.push(Entry { act, described, route });
    }

    pub(crate) fn acts(&self) -> Vec<Act> {
        self.0.iter().map(|entry| entry.act).collect()
    }

    pub(crate) fn described(&self) -> impl Iterator<Item = (&Act, &Described)> {
        self.0.iter().map(|entry| (&entry.act, &entry.described))
    }

    pub(crate) fn router(self, rest: Arc<Rest>) -> Router {
        let mut paths: BTreeMap<&'static str, (Vec<&'static str>, MethodRouter<Arc<Rest>>)> =
            BTreeMap::new();
        for Entry { act, route, .. } in self.0 {
            let (methods, routes) = paths.entry(act.path).or_default();
            methods.push(act.method);
            *routes = std::mem::take(routes).merge(route);
        }
        let mut router = Router::new();
        for (path, (methods, routes)) in paths {
            router = router.route(path, routes.fallback(other_method(methods.join(", "))));
        }
        let document = get(|State(rest): State<Arc<Rest>>| async move {
            ([(header::CONTENT_TYPE, "application/json")], rest.document.clone())
        });
        let document = document.fallback(other_method("GET".to_owned()));
        let router = router.route("/openapi.json", document).fallback(nothing);
        Router::new()
            .nest(BASE, router)
            .layer(axum::middleware::map_response(harden))
            .with_state(rest)
    }
}

/// What answers a method that a path does not have.
fn other_method(
    allowed: String,
) -> impl Fn() -> std::future::Ready<Response> + Clone + Send + 'static {
    move || {
        let detail = format!("this path is asked with {allowed}; nothing was changed");
        let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response();
        if let Ok(allow) = HeaderValue::from_str(&allowed) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        std::future::ready(response)
    }
}

async fn nothing() -> Problem {
    Problem::missing("there is nothing under this address: /api/v1/openapi.json says what there is")
}

/// Headers of every answer: it is for the script that asked, and no page.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

/// Who shows a token that counts. What does not is counted, as every stranger at this door is.
fn bearer(rest: &Rest, site: &Site, headers: &HeaderMap) -> Result<Bearer, Problem> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = shown.and_then(|shown| shown.split_once(' '));
    let secret = secret.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let known = secret.and_then(|(_, secret)| site.bearer(secret.trim()));
    known.ok_or_else(|| {
        let reason = if shown.is_some() { "wrong-api-token" } else { "no-api-token" };
        rest.setup.refusals.count(fleet::RefusalKind::PeopleDoor, reason);
        let detail = "show a token that counts (`Authorization: Bearer pk_...`): an administrator issues one, and it \
            ends by itself, with its account and with its role";
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    })
}

/// The words of the path.
async fn path_words<P: DeserializeOwned + Send + 'static>(
    act: &Act,
    parts: &mut Parts,
) -> Result<P, Problem> {
    let unfit = |e: String| Problem::input(format!("the address cannot be used: {e}"));
    if !act.path.contains('{') {
        return serde_json::from_value(serde_json::json!({})).map_err(|e| unfit(e.to_string()));
    }
    let words = parts.extract::<Path<P>>().await;
    words.map(|Path(words)| words).map_err(|e| unfit(e.body_text()))
}

/// A body is said to be JSON.
fn says_json(headers: &HeaderMap, takes_body: bool) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if takes_body && !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        let detail = "send JSON and say so (`Content-Type: application/json`)";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(())
}

/// The body, within its limits of size and time.
async fn body(body: Body) -> Result<Vec<u8>, Problem> {
    let bytes = timeout(BODY_TIME, to_bytes(body, BODY_BYTES_MAX)).await;
    let bytes = bytes.map_err(|_| Problem::input("the body did not come in within 30 seconds"))?;
    let large = || format!("a body is at most {BODY_BYTES_MAX} bytes long");
    Ok(bytes.map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, large()))?.to_vec())
}

/// Lets a body that nobody wants run out, within the same limits and without keeping it: whoever still sends would
/// otherwise meet a closed connection rather than the answer.
async fn drain(body: Option<Body>) {
    let Some(body) = body else { return };
    let mut stream = body.into_data_stream();
    let run_out = async {
        let mut bytes = 0;
        while let Some(Ok(part)) = stream.next().await {
            bytes += part.len();
            if bytes > BODY_BYTES_MAX {
                return;
            }
        }
    };
    drop(timeout(BODY_TIME, run_out).await);
}

async fn perform<P, Q, B, R>(
    rest: Arc<Rest>,
    act: Act,
    run: fn(&Asking, P, Q, B) -> Result<R, Problem>,
    (mut parts, sent): (Parts, &mut Option<Body>),
) -> Result<Response, Problem>
where
    P: DeserializeOwned + Send + 'static,
    Q: DeserializeOwned + Send + 'static,
    B: Sent,
    R: Told,
{
    let stopping = || {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the appliance is stopping: ask again later")
    };
    let site = rest.setup.site.upgrade().ok_or_else(stopping)?;
    let bearer = bearer(&rest, &site, &parts.headers)?;
    let ended = || Problem::broken("the appliance did not come to an end with this");
    let asked = {
        let (site, bearer) = (Arc::clone(&site), bearer.clone());
        spawn_blocking(move || site.acting_for(&bearer, act.operation)).await
    };
    let actor = asked.map_err(|_| ended())??;
    let path: P = path_words(&act, &mut parts).await?;
    let query: Q = serde_urlencoded::from_str(parts.uri.query().unwrap_or_default())
        .map_err(|e| Problem::input(format!("the query cannot be used: {e}")))?;
    says_json(&parts.headers, B::IS)?;
    let sent = B::read(&body(sent.take().unwrap_or_default()).await?)?;
    let writes = parts.method != Method::GET && parts.method != Method::HEAD;
    let done = spawn_blocking(move || {
        if writes {
            site.writable()?;
        }
        run(&Asking { site, rest, bearer, actor }, path, query, sent)?.tell()
    });
    done.await.map_err(|_| ended())?
}
