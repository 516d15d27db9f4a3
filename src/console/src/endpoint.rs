//! Endpoints: the list, one of them, and what people decide about it.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    list::{Address, Head, Pager, ROWS, Sort, encode, skip},
    reading, tag, text,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    http::{HeaderMap, Uri, header},
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::{EndpointKind, Exposure, NeverBack, Operation, Resolution, RunStanding, Standing};
use ids::{EndpointName, RingName, SourceId};
use serde::Deserialize;
use site::{
    Change, Describe, EndpointMissing, EndpointQuery, EndpointSort, EndpointState, EndpointStatus,
    IssuedToken, MissingUpdate, Site, TOKEN_HOURS_MAX, audit::Line,
};
use std::sync::Arc;

/// Entries of the log that an endpoint's page shows; the log itself has all.
const HISTORY_SHOWN: usize = 12;

const STATES: [(&str, &str, EndpointState); 6] = [
    ("attention", "A person has to look", EndpointState::Attention),
    ("pending", "Asked to join", EndpointState::Pending),
    ("elected", "Active, elected in", EndpointState::Elected),
    ("elected-out", "Active, elected out", EndpointState::ElectedOut),
    ("unseen", "Not seen for a week", EndpointState::Unseen),
    ("retired", "Retired", EndpointState::Retired),
];

#[derive(Deserialize)]
struct ListWords {
    name: Option<String>,
    ring: Option<String>,
    state: Option<String>,
    sort: Option<String>,
    order: Option<String>,
    page: Option<u64>,
}

#[derive(Template)]
#[template(path = "endpoints.html")]
struct List {
    frame: Frame,
    heads: Vec<Head>,
    pager: Pager,
    rows: Vec<EndpointStatus>,
    all: u64,
    name: String,
    ring: String,
    state: String,
    rings: Vec<RingName>,
    may_issue: bool,
}

impl List {
    fn states(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        STATES.into_iter().map(|(word, text, _)| (word, text))
    }
}

async fn list(visit: Visit, Query(words): Query<ListWords>) -> Result<Html<String>, Failure> {
    let sort = Sort::from(words.sort.as_deref(), words.order.as_deref(), "name", &[]);
    let (name, ring) = (words.name.unwrap_or_default(), words.ring.unwrap_or_default());
    let (state, page) = (words.state.unwrap_or_default(), words.page.unwrap_or(1));
    let query = EndpointQuery {
        name: name.trim().to_lowercase(),
        ring: ring.parse().ok(),
        state: STATES.iter().find(|(word, ..)| *word == state).map(|(.., state)| *state),
        sort: match sort.by.as_str() {
            "ring" => EndpointSort::Ring,
            "standing" => EndpointSort::Standing,
            "seen" => EndpointSort::Seen,
            _ => EndpointSort::Name,
        },
        descending: sort.descending,
        skip: skip(page),
        take: ROWS,
    };
    let part = reading(&visit, move |site| site.endpoint_part(&query)).await?;
    let address = Address::new("/endpoints")
        .word("name", name.clone())
        .word("ring", ring.clone())
        .word("state", state.clone())
        .word("sort", sort.by.clone())
        .word("order", if sort.descending { "descending" } else { "ascending" });
    let heads = vec![
        address.head("Name", "name", &sort),
        address.head("Ring", "ring", &sort),
        address.head("Stands", "standing", &sort),
        Head::plain("Job"),
        address.head("Last seen", "seen", &sort),
        Head::plain("Kind"),
        Head::plain("Owner"),
    ];
    let list = List {
        heads,
        pager: address.pager(page, part.found),
        rows: part.rows,
        all: part.all,
        rings: visit.site().state().rings.keys().cloned().collect(),
        may_issue: visit.may(Operation::IssueToken),
        frame: Frame::new(&visit, Section::Endpoints, "Endpoints"),
        name,
        ring,
        state,
    };
    Ok(Html(list.render()?))
}

/// What an endpoint lacks, as far as it can be told.
enum Lacks {
    Told(Vec<MissingUpdate>),
    Untold(String),
}

struct Known {
    endpoint: EndpointStatus,
    lacks: Lacks,
    packages: Option<(usize, ids::Timestamp, Vec<String>)>,
    provider: bool,
    undecided: bool,
    reopened: bool,
    run: Option<(ids::RecordId, &'static str)>,
    /// What the log says of it, the newest first.
    history: Vec<Line>,
}

#[derive(Template)]
#[template(path = "endpoint.html")]
struct One {
    frame: Frame,
    known: Known,
    may_confirm: bool,
    may_elect: bool,
    may_retire: bool,
    may_describe: bool,
    may_resolve: bool,
    may_show_log: bool,
}

impl One {
    fn link(source: &SourceId, id: &str) -> String {
        format!("/updates/{source}/{}", encode(id))
    }

    /// Choices of a form: what is sent, and what people read.
    fn exposures() -> [(&'static str, &'static str); 4] {
        use Exposure as E;
        [
            ("internet", E::Internet.word()),
            ("connected", E::Connected.word()),
            ("internal", E::Internal.word()),
            ("air-gapped", E::AirGapped.word()),
        ]
    }

    fn never_backs() -> [(&'static str, &'static str); 3] {
        use NeverBack as N;
        [
            ("domain-controller", N::DomainController.word()),
            ("cluster-member", N::ClusterMember.word()),
            ("other", N::Other.word()),
        ]
    }

    fn kind(&self) -> &'static str {
        self.known.endpoint.kind.map_or("", EndpointKind::word)
    }

    fn exposure(&self) -> &'static str {
        self.known.endpoint.exposure.map_or("", Exposure::word)
    }

    fn never_back(&self) -> &'static str {
        self.known.endpoint.never_back.map_or("", NeverBack::word)
    }
}

fn known(site: &Site, name: &EndpointName) -> Result<Known, site::Error> {
    let endpoint = site.endpoint(name)?;
    let lacks = match site.missing_at(name) {
        Ok(EndpointMissing { updates: Some(updates), .. }) => Lacks::Told(updates),
        Ok(EndpointMissing { why, .. }) => Lacks::Untold(why.unwrap_or_default()),
        Err(error) => Lacks::Untold(site::chain(&error)),
    };
    let packages = site.endpoint_inventory(name).ok().map(|inventory| {
        let installed = inventory.installed().map_or(0, |installed| installed.len());
        (installed, inventory.taken_at, inventory.architectures)
    });
    let state = site.state();
    let inside = state.endpoints.get(&endpoint.id);
    let run = inside.and_then(|known| known.run.clone());
    let run = run.map(|run| {
        let live = state.runs.get(&run).map(|live| live.standing);
        (run, live.map_or("over", RunStanding::word))
    });
    Ok(Known {
        history: site.endpoint_history(name, HISTORY_SHOWN)?,
        lacks,
        packages,
        provider: endpoint.provider,
        undecided: site.waits_for_decision(&endpoint.id),
        reopened: inside.is_some_and(|known| known.reopened),
        run,
        endpoint,
    })
}

async fn one(
    visit: Visit,
    Path(name): Path<String>,
    Query(words): Query<Done>,
) -> Result<Html<String>, Failure> {
    let name: EndpointName = name.parse()?;
    let title = name.to_string();
    let known = reading(&visit, move |site| known(site, &name)).await?;
    let left = known.endpoint.standing == Standing::Retired;
    let one = One {
        may_confirm: visit.may(Operation::Confirm) && known.endpoint.standing == Standing::Pending,
        may_elect: visit.may(Operation::Elect) && known.endpoint.standing == Standing::Active,
        may_retire: visit.may(Operation::Retire) && !left,
        may_describe: visit.may(Operation::Describe) && !left,
        may_resolve: visit.may(Operation::ResolveJob) && known.undecided,
        may_show_log: visit.may(Operation::ShowLog),
        frame: Frame::new(&visit, Section::Endpoints, title)
            .below("Endpoints", "/endpoints")
            .after(words.done.as_deref()),
        known,
    };
    Ok(Html(one.render()?))
}

#[derive(Template)]
#[template(path = "inventory.html")]
struct InventoryPage {
    frame: Frame,
    pager: Pager,
    rows: Vec<(String, String, String)>,
    text: String,
    name: String,
    taken_at: ids::Timestamp,
    all: usize,
}

#[derive(Deserialize)]
struct InventoryWords {
    text: Option<String>,
    page: Option<u64>,
}

async fn inventory(
    visit: Visit,
    Path(name): Path<String>,
    Query(words): Query<InventoryWords>,
) -> Result<Html<String>, Failure> {
    let endpoint: EndpointName = name.parse()?;
    let inventory = reading(&visit, move |site| site.endpoint_inventory(&endpoint)).await?;
    let (text, page) = (words.text.unwrap_or_default(), words.page.unwrap_or(1));
    let installed = inventory.installed().map_err(|e| Failure::broken(e.to_string()))?;
    let all = installed.len();
    let mut found: Vec<_> =
        installed.into_iter().filter(|package| package.name.contains(text.trim())).collect();
    found.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    let path = format!("/endpoints/{name}/inventory");
    let pager = Address::new(path).word("text", text.clone()).pager(page, found.len() as u64);
    let shown = found.into_iter().skip(skip(page)).take(ROWS);
    let rows = shown.map(|package| (package.name, package.version, package.architecture)).collect();
    let above = format!("/endpoints/{name}");
    let frame = Frame::new(&visit, Section::Endpoints, format!("What {name} has installed"))
        .below("Endpoints", "/endpoints")
        .below(name.clone(), above);
    let taken_at = inventory.taken_at;
    Ok(Html(InventoryPage { frame, pager, rows, text, name, taken_at, all }.render()?))
}

/// Back to an endpoint's page, which says what was done.
fn back(name: &EndpointName, done: &str) -> Redirect {
    Redirect::to(&format!("/endpoints/{name}?done={done}"))
}

#[derive(Deserialize)]
struct ConfirmForm {
    key: String,
}

async fn confirm(
    Path(name): Path<String>,
    Sent(visit, form): Sent<ConfirmForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Confirm)?;
    let name: EndpointName = name.parse()?;
    let endpoint = name.clone();
    reading(&visit, move |site| site.confirm_endpoint(actor, &endpoint, &form.key)).await?;
    Ok(back(&name, "confirmed"))
}

#[derive(Deserialize)]
struct ElectForm {
    elected: String,
    reason: String,
}

async fn elect(
    Path(name): Path<String>,
    Sent(visit, form): Sent<ElectForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Elect)?;
    let name: EndpointName = name.parse()?;
    let (endpoint, elected) = (name.clone(), form.elected == "yes");
    let act = move |site: &Site| {
        site.elect_endpoint(
            actor,
            &endpoint,
            elected,
            Some(&*form.reason).filter(|r| !r.is_empty()),
        )
    };
    reading(&visit, act).await?;
    Ok(back(&name, if elected { "elected-in" } else { "elected-out" }))
}

#[derive(Deserialize)]
struct RetireForm {
    reason: String,
}

async fn retire(
    Path(name): Path<String>,
    Sent(visit, form): Sent<RetireForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Retire)?;
    let name: EndpointName = name.parse()?;
    if form.reason.trim().is_empty() {
        return Err(Failure::input(format!("say why {name} is retired; it was left as it is")));
    }
    let endpoint = name.clone();
    reading(&visit, move |site| site.retire_endpoint(actor, &endpoint, form.reason)).await?;
    Ok(back(&name, "retired"))
}

#[derive(Deserialize)]
struct DescribeForm {
    kind: String,
    exposure: String,
    never_back: String,
    owner: String,
    stateless: Option<String>,
}

async fn describe(
    Path(name): Path<String>,
    Sent(visit, form): Sent<DescribeForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Describe)?;
    let name: EndpointName = name.parse()?;
    let change = |text: String| match text.trim() {
        "" => Change::Clear,
        owner => Change::To(owner.to_owned()),
    };
    let said = Describe {
        kind: word(&form.kind)?,
        stateless: Some(form.stateless.is_some()),
        exposure: word(&form.exposure)?,
        never_back: word(&form.never_back)?.map_or(Change::Clear, Change::To),
        owner: change(form.owner),
        provider: Change::Keep,
    };
    let endpoint = name.clone();
    reading(&visit, move |site| site.describe_endpoint(actor, &endpoint, said)).await?;
    Ok(back(&name, "described"))
}

/// A word of a list that people choose from; nothing chosen is none.
pub(crate) fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<Option<T>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = serde_json::from_value(serde_json::Value::from(text));
    read.map(Some).map_err(|_| Failure::input(format!("{text:?} is none of the choices")))
}

#[derive(Deserialize)]
struct ResolveForm {
    resolution: String,
}

async fn resolve(
    Path(name): Path<String>,
    Sent(visit, form): Sent<ResolveForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::ResolveJob)?;
    let name: EndpointName = name.parse()?;
    let resolution = chosen(&form.resolution)?;
    let endpoint = name.clone();
    reading(&visit, move |site| site.resolve_job(actor, &endpoint, resolution)).await?;
    let done = if resolution == Resolution::Restore { "to-restore" } else { "kept" };
    Ok(back(&name, done))
}

/// What is to become of an endpoint whose job failed.
pub(crate) fn chosen(resolution: &str) -> Result<Resolution, Failure> {
    word(resolution)?.ok_or_else(|| Failure::input("choose one of the two"))
}

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage {
    frame: Frame,
    rings: Vec<RingName>,
    hours_max: u32,
    may: bool,
    issued: Option<IssuedToken>,
    /// Where this page is asked for: name and port of this door.
    here: String,
}

impl TokenPage {
    /// The name alone: endpoints go to another port of it.
    fn host(&self) -> &str {
        host(&self.here)
    }
}

async fn token(visit: Visit) -> Result<Html<String>, Failure> {
    let page = TokenPage {
        frame: Frame::new(&visit, Section::Endpoints, "Let an endpoint join")
            .below("Endpoints", "/endpoints"),
        rings: visit.site().state().rings.keys().cloned().collect(),
        hours_max: TOKEN_HOURS_MAX,
        may: visit.may(Operation::IssueToken),
        issued: None,
        here: String::new(),
    };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
struct TokenForm {
    endpoint: String,
    ring: String,
    hours: String,
}

/// Where the browser reaches this appliance.
pub(crate) fn here(headers: &HeaderMap, uri: &Uri) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let here = uri.authority().map(|authority| authority.as_str()).or(host);
    here.unwrap_or("THIS-APPLIANCE").to_owned()
}

/// That without its port.
pub(crate) fn host(here: &str) -> &str {
    let ports = here.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    ports.map_or(here, |(host, _)| host)
}

async fn issue(
    headers: HeaderMap,
    uri: Uri,
    Sent(visit, form): Sent<TokenForm>,
) -> Result<Html<String>, Failure> {
    let actor = visit.acting(Operation::IssueToken)?;
    let here = here(&headers, &uri);
    let (name, ring): (EndpointName, RingName) =
        (form.endpoint.trim().parse()?, form.ring.parse()?);
    let hours = form.hours.trim().parse();
    let hours: u32 = hours.map_err(|_| Failure::input("give the hours as a whole number"))?;
    let issued = reading(&visit, move |site| site.issue_token(actor, name, ring, hours)).await?;
    let page = TokenPage {
        frame: Frame::new(&visit, Section::Endpoints, format!("A token for {}", issued.endpoint))
            .below("Endpoints", "/endpoints"),
        rings: Vec::new(),
        hours_max: TOKEN_HOURS_MAX,
        may: true,
        issued: Some(issued),
        here,
    };
    Ok(Html(page.render()?))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/endpoints", get(list))
        .route("/endpoint-token", get(token).post(issue))
        .route("/endpoints/{name}", get(one))
        .route("/endpoints/{name}/inventory", get(inventory))
        .route("/endpoints/{name}/confirm", post(confirm))
        .route("/endpoints/{name}/elect", post(elect))
        .route("/endpoints/{name}/retire", post(retire))
        .route("/endpoints/{name}/describe", post(describe))
        .route("/endpoints/{name}/resolve", post(resolve))
}
