//! The API over a founded site: which tokens count and for how long, whose roles do what, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::{Setup, acts, document, routes};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use fleet::{Actor, Door, Operation, Role};
use ids::{Digest, Timestamp};
use jiff::SignedDuration;
use serde_json::Value;
use site::{Clock, Folder, Founding, Ground, IssuedApiToken, Refusals, Site, found};
use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tempfile::TempDir;
use tower::ServiceExt;

/// A site, its API, and a clock that the test moves.
struct Desk {
    site: Arc<Site>,
    api: Router,
    refusals: Arc<Refusals>,
    ahead: Arc<AtomicI64>,
    _folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Its problem, as RFC 9457 has it, has this status.
    fn refuses(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let said = self.json();
        assert_eq!(said["status"], status);
        assert!(said["detail"].as_str().unwrap().len() > 10, "{said}");
        self
    }
}

fn ann() -> Actor {
    let person = "ann".parse().unwrap();
    Actor::Person { person, role: Role::Administrator, door: Door::CommandLine }
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let data = Folder::at(&folder.path().join("data"));
        fs::create_dir_all(data.path()).unwrap();
        let root = br#"{"signed":{"expires":"2030-11-01T00:00:00Z"},"signatures":[]}"#.to_vec();
        let founding = Founding {
            site: "lab".parse().unwrap(),
            root_fingerprint: Digest::of(&root),
            publisher_root: root,
            vendor_keyrings: Vec::new(),
            ring: "broad".parse().unwrap(),
        };
        found(&data, &founding, ann()).unwrap();
        let ahead = Arc::new(AtomicI64::new(0));
        let moved = Arc::clone(&ahead);
        let clock = Clock::of(move || {
            Timestamp::now() + SignedDuration::from_secs(moved.load(Ordering::Relaxed))
        });
        let ground = Ground { clock, ..Ground::real() };
        let site = Arc::new(Site::open_on(&data, None, ground).unwrap());
        let refusals = Arc::new(Refusals::default());
        let setup = Setup { site: Arc::downgrade(&site), refusals: Arc::clone(&refusals) };
        let desk = Self { api: routes(setup), site, refusals, ahead, _folder: folder };
        desk.account("ann", &[Role::Administrator]);
        desk
    }

    fn account(&self, who: &str, roles: &[Role]) {
        let roles = roles.iter().copied().collect();
        self.site.set_account(ann(), who.parse().unwrap(), who, roles).unwrap();
    }

    fn issue(&self, who: &str, role: Role, days: u32) -> IssuedApiToken {
        self.site.issue_api_token(ann(), who.parse().unwrap(), "a test", role, days).unwrap()
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.api.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
        self.ask(request.body(body).unwrap()).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, None).await
    }

    /// The token is not, or no longer, one that counts.
    async fn is_over(&self, token: &str) {
        let answer = self.get("/me", token).await.refuses(401);
        let shows = answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(shows.starts_with("Bearer"), "{shows}");
    }
}

#[tokio::test]
async fn a_token_counts_until_it_ends() {
    let desk = Desk::new();
    let issued = desk.issue("ann", Role::Administrator, 2);
    assert!(issued.secret.starts_with("pk_") && issued.secret.len() >= 3 + 64);
    let me = desk.get("/me", &issued.secret).await;
    assert_eq!((me.status, &me.json()["person"]), (StatusCode::OK, &Value::from("ann")));
    assert!(desk.site.api_tokens()[0].used.is_some());
    desk.ahead.store(47 * 3_600, Ordering::Relaxed);
    assert_eq!(desk.get("/me", &issued.secret).await.status, StatusCode::OK);
    desk.ahead.store(48 * 3_600 + 60, Ordering::Relaxed);
    desk.is_over(&issued.secret).await;
    assert!(desk.site.api_tokens()[0].ended);
}

#[tokio::test]
async fn a_token_ends_when_it_is_revoked_and_with_its_account_or_role() {
    let desk = Desk::new();
    desk.account("oscar", &[Role::Operator, Role::Assessor]);
    let [revoked, lost, closed] =
        [Role::Operator, Role::Operator, Role::Assessor].map(|role| desk.issue("oscar", role, 1));
    for token in [&revoked, &lost, &closed] {
        assert_eq!(desk.get("/me", &token.secret).await.status, StatusCode::OK);
    }
    let root = desk.issue("ann", Role::Administrator, 1).secret;
    let path = format!("/tokens/{}", revoked.token);
    assert_eq!(desk.send("DELETE", &path, &root, None).await.status, StatusCode::NO_CONTENT);
    desk.is_over(&revoked.secret).await;
    desk.account("oscar", &[Role::Assessor]);
    desk.is_over(&lost.secret).await;
    assert_eq!(desk.get("/me", &closed.secret).await.status, StatusCode::OK);
    desk.site.close_account(ann(), &"oscar".parse().unwrap()).unwrap();
    desk.is_over(&closed.secret).await;
}

#[tokio::test]
async fn who_guesses_is_counted_and_fills_no_log() {
    let desk = Desk::new();
    let root = desk.issue("ann", Role::Administrator, 1).secret;
    let before = desk.site.state().entries;
    for wrong in ["", "pk_", "pk_0000", &root.to_uppercase(), &format!("{root} ")[1..], "\u{7f}"] {
        let answer = Request::get("/api/v1/me").header("authorization", format!("Bearer {wrong}"));
        if let Ok(request) = answer.body(Body::empty()) {
            desk.ask(request).await.refuses(401);
        }
    }
    // A cookie says nothing here, and neither does another scheme.
    for (name, value) in
        [("cookie", format!("__Host-patchkeep={root}")), ("authorization", format!("Basic {root}"))]
    {
        let request = Request::get("/api/v1/me").header(name, value).body(Body::empty()).unwrap();
        desk.ask(request).await.refuses(401);
    }
    assert_eq!(desk.site.state().entries, before);
    desk.site.flush_refusals(&desk.refusals, true).unwrap();
    assert_eq!(desk.site.state().entries, before + 2, "one event for each reason");
}

#[tokio::test]
async fn a_restart_of_guessing_by_id_or_digest_gets_nowhere() {
    let desk = Desk::new();
    let issued = desk.issue("ann", Role::Administrator, 1);
    desk.is_over(issued.token.as_str()).await;
    desk.is_over(&Digest::of(issued.secret.as_bytes()).to_hex()).await;
    let state = serde_json::to_string(&*desk.site.state()).unwrap();
    assert!(!state.contains(&issued.secret), "the secret is nowhere in the state");
}

/// The path with a name in each place where nothing is.
fn filled(path: &str) -> String {
    let ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    path.replace("{entry}", "99999999")
        .replace("{run}", ulid)
        .replace("{token}", ulid)
        .replace("{exception}", ulid)
        .replace(['{', '}'], "")
}

/// In which role each act is done, as people are told; `any` changes nothing.
const ROLES: &str = include_str!("tests/roles.txt");

#[tokio::test]
async fn each_role_does_only_its_own() {
    let told: Vec<String> = acts()
        .iter()
        .map(|act| {
            let role = act.operation.role().map_or("any", Role::word);
            format!("{} {} {role}", act.method, act.path)
        })
        .collect();
    assert_eq!(told, ROLES.lines().collect::<Vec<_>>(), "{}", told.join("\n"));
    let desk = Desk::new();
    for role in Role::ALL {
        // Somebody who has every role holds a token for one of them.
        desk.account("pat", &Role::ALL);
        let token = desk.issue("pat", role, 1).secret;
        let before = desk.site.state().entries;
        let mut denied = BTreeSet::new();
        for act in acts() {
            let body = (act.method != "GET" && act.method != "DELETE").then_some("[]");
            let answer = desk.send(act.method, &filled(act.path), &token, body).await;
            let allowed = act.operation.role().is_none_or(|wanted| wanted == role);
            let is_denied =
                answer.status == StatusCode::FORBIDDEN && answer.text.contains("it takes the role");
            assert_eq!(is_denied, !allowed, "{} as {}: {}", act.path, role.word(), answer.text);
            assert!(answer.status.as_u16() < 500, "{}: {}", act.path, answer.text);
            if is_denied {
                answer.refuses(403);
                denied.insert(act.operation);
                // The second time is no second event.
                desk.send(act.method, &filled(act.path), &token, body).await.refuses(403);
            }
        }
        // An audit bundle is no event here, since "[]" is no order for one; looks at the log are.
        let looks = if role == Role::Assessor { 1 } else { 0 };
        assert_eq!(desk.site.state().entries - before, denied.len() as u64 + looks);
    }
}

/// What people do elsewhere: what it needs is there, or it is handed over in person.
const ELSEWHERE: &[(Operation, &str)] = &[
    (Operation::Found, "there is no site to ask yet"),
    (Operation::Import, "the medium is at the appliance"),
    (Operation::ClientConfig, "a private key comes out"),
    (Operation::AcceptSiteRoot, "administrators are at the appliance with their keys"),
    (Operation::DraftSiteRoot, "administrators are at the appliance with their keys"),
    (Operation::SetScanner, "a socket of the appliance"),
    (Operation::Scanner, "it is a part of the status"),
    (Operation::WriteReceipt, "the medium is at the appliance"),
    (Operation::Backup, "a file at the appliance comes out"),
    (Operation::SetAccount, "a one-time code comes out"),
    (Operation::ResetAccount, "a one-time code comes out"),
    (Operation::CloseAccount, "it ends tokens, perhaps this one"),
    (Operation::RegisterAssets, "a list that people look over before it counts"),
    (Operation::AddSecurityKey, "a browser asks the key"),
    (Operation::RemoveSecurityKey, "a person does it where they see which key it is"),
];

#[test]
fn each_operation_is_here_or_said_to_be_elsewhere() {
    let here: BTreeSet<Operation> = acts().iter().map(|act| act.operation).collect();
    for operation in Operation::ALL {
        let elsewhere = ELSEWHERE.iter().any(|(known, _)| known == operation);
        assert_ne!(here.contains(operation), elsewhere, "{operation:?}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_refused() {
    let desk = Desk::new();
    desk.account("pat", &Role::ALL);
    let operator = &desk.issue("pat", Role::Operator, 1).secret;
    desk.get("/nothing", operator).await.refuses(404);
    desk.get("/rings/none/updates", operator).await.refuses(404);
    desk.get("/rings/No%20Name/updates", operator).await.refuses(400);
    desk.get("/rings?limt=3", operator).await.refuses(400);
    for limit in ["0", "501", "-1", "x", ""] {
        desk.get(&format!("/rings?limit={limit}"), operator).await.refuses(400);
    }
    desk.get("/rings?limit=1&limit=2", operator).await.refuses(400);
    let other = desk.send("PATCH", "/rings", operator, None).await.refuses(405);
    assert_eq!(other.headers[header::ALLOW], "GET, POST");
    let entries = desk.site.state().entries;
    let large = format!("{{\"ring\":\"{}\"}}", "a".repeat(6 << 20));
    let new = |body| desk.send("POST", "/rings", operator, Some(body));
    new("{").await.refuses(400);
    new(r#"{"ring":"a","folows":true}"#).await.refuses(422);
    new(r#"{"ring":"A b"}"#).await.refuses(422);
    new(&large).await.refuses(413);
    let plain =
        Request::post("/api/v1/rings").header("authorization", format!("Bearer {operator}"));
    desk.ask(plain.body(Body::from(r#"{"ring":"a"}"#)).unwrap()).await.refuses(415);
    assert_eq!(desk.site.state().entries, entries, "nothing was changed");
    assert_eq!(new(r#"{"ring":"pilot"}"#).await.status, StatusCode::NO_CONTENT);
    new(r#"{"ring":"pilot"}"#).await.refuses(409);
    let rings = desk.get("/rings?limit=1&from=1", operator).await.json();
    assert_eq!((&rings["total"], &rings["rows"][0]["ring"]), (&2.into(), &"pilot".into()));
}

#[tokio::test]
async fn the_log_comes_with_proofs_and_each_look_is_in_it_once() {
    let desk = Desk::new();
    desk.account("eva", &[Role::Assessor]);
    let eva = desk.issue("eva", Role::Assessor, 1).secret;
    let page = desk.get("/log?limit=3", &eva).await.json();
    assert_eq!(page["rows"].as_array().unwrap().len(), 3);
    let looked = desk.site.state().entries;
    desk.get("/log?limit=3", &eva).await;
    assert_eq!(desk.site.state().entries, looked, "one look in an hour");
    let issued = desk.get("/log?type=api-token-issued", &eva).await.json();
    let entry = &issued["rows"][0]["entry"];
    let one = desk.get(&format!("/log/{entry}"), &eva).await.json();
    assert_eq!(one["event"]["type"], "api-token-issued");
    assert_eq!(one["event"]["person"], "eva");
    let zip = desk.send("POST", "/audit/export", &eva, Some(r#"{"scope":"summary"}"#)).await;
    assert_eq!(zip.headers[header::CONTENT_TYPE], "application/zip");
    let after = desk.get("/log?type=audit-exported", &eva).await.json();
    let sentence = after["rows"][0]["sentence"].as_str().unwrap();
    assert!(sentence.contains("eva") && sentence.contains("through the API"), "{sentence}");
}

#[test]
fn no_two_words_share_a_name() {
    assert_eq!(crate::document::clashes(), Vec::<String>::new());
}

/// Each reference in a document leads somewhere.
fn follow(value: &Value, whole: &Value) {
    if let Some(Value::String(leads)) = value.get("$ref") {
        let place = leads.strip_prefix('#').unwrap();
        assert!(whole.pointer(place).is_some(), "{leads} leads nowhere");
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|field| follow(field, whole)),
        Value::Array(items) => items.iter().for_each(|item| follow(item, whole)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_says_all_that_there_is() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    follow(&document, &document);
    let mut ids = BTreeSet::new();
    for act in acts() {
        let said = &document["paths"][act.path][act.method.to_lowercase()];
        assert!(ids.insert(said["operationId"].as_str().unwrap().to_owned()), "{said}");
        let names = act.path.matches('{').count();
        let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
        assert_eq!(
            parameters.iter().filter(|one| one["in"] == "path").count(),
            names,
            "{}",
            act.path
        );
    }
    let desk = Desk::new();
    let shown = desk.get("/openapi.json", "").await;
    assert_eq!(shown.json(), document, "without a token, too");
    for kept in [header::CACHE_CONTROL, header::X_CONTENT_TYPE_OPTIONS] {
        assert!(shown.headers.contains_key(kept));
    }
}
