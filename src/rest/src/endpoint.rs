//! Endpoints: the list, one, what it lacks, what it has installed; joining, describing, electing, putting out.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    ring::Missing,
    words::{
        At, Document, Endpoint, EndpointStanding, Of, Part, Record, ResolutionWord, Ring, Search,
        Sentence, Sha256, Text, Words, choices, cut, usual, words,
    },
};
use fleet::Operation;
use ids::EndpointName;
use serde::Deserialize;
use site::{Change, Describe, EndpointQuery, EndpointSort, EndpointState};
use utoipa::{IntoParams, ToSchema};

choices! {
    /// How far a job is.
    JobPhase of fleet::JobPhase {
        WaitingForWindow, Snapshotting, WayBackProven, Waived, Applying, AwaitingRestart, Confirming,
        AwaitingDecision, Restoring, Ended,
    }
    /// What leads back.
    WayBackWord of fleet::WayBack { Own, Provided, Waived, }
    /// How a job ended.
    JobEnd of fleet::JobEnd { Effective, Refused, Failed, Restored, RestoreFailed, Expired, Cancelled, }
    /// What kind of machine it is.
    Kind of fleet::EndpointKind { Server, Workstation, }
    /// Why it never goes back by itself.
    NeverBackWord of fleet::NeverBack { DomainController, ClusterMember, Other, }
    /// What can reach it.
    ExposureWord of fleet::Exposure { Internet, Connected, Internal, AirGapped, }
    /// Which endpoints to list.
    StateWord of EndpointState { Pending, Elected, ElectedOut, Retired, Attention, Unseen, }
    /// By what to sort endpoints.
    SortWord of EndpointSort { Name, Ring, Standing, Seen, }
}

words! {
    /// An endpoint with an agent.
    EndpointStatus of site::EndpointStatus {
        /// Its host name.
        name: Endpoint,
        /// Its id, as events name it.
        id: Record,
        /// Its ring.
        ring: Ring,
        /// Whether it has joined.
        standing: EndpointStanding,
        /// SHA-256 fingerprint of its key.
        key: String,
        /// Whether its token was shown a second time.
        token_misused: bool,
        /// When its certificate ends.
        not_after: Option<At>,
        /// When it last checked in.
        seen_at: Option<At>,
        /// The newest checkpoint of the log that it holds.
        vouches: Option<Held>,
        /// Why it doubts this appliance's log.
        doubt: Option<String>,
        /// Whether it said what it would apply.
        has_plan: bool,
        /// Its newest job.
        job: Option<Job>,
        /// What kind of machine it is.
        kind: Option<Kind>,
        /// Whether it may be put back by itself.
        stateless: bool,
        /// Why it never goes back by itself.
        never_back: Option<NeverBackWord>,
        /// What can reach it.
        exposure: Option<ExposureWord>,
        /// Who owns it.
        owner: Option<String>,
        /// Whether the appliance's provider makes its snapshots.
        provider: bool,
        /// Whether it is elected in.
        elected: bool,
        /// Since when it is so.
        elected_since: Option<At>,
    }
    /// A checkpoint of the log.
    Held of site::Held {
        /// Entries of the log.
        size: u64,
        /// The signed note.
        note: String,
    }
    /// A part of a run on one endpoint.
    Job of fleet::Job {
        /// SHA-256 of the statement that approved it.
        approval: Sha256,
        /// How far it is.
        phase: JobPhase,
        /// Since when, by the endpoint's clock.
        at: At,
        /// What leads back.
        way_back: Option<WayBackWord>,
        /// How it ended.
        end: Option<JobEnd>,
    }
    /// A token with which an endpoint asks to join. It is told once.
    JoinToken of site::IssuedToken {
        /// The token.
        token: String,
        /// For which host.
        endpoint: Endpoint,
        /// For which ring.
        ring: Ring,
        /// Until when it counts.
        not_after: At,
        /// SHA-256 fingerprint of the site's certificate authority.
        ca_fingerprint: String,
        /// SHA-256 of the site root that the agent is to pin.
        site_root: Sha256,
    }
}

/// Which endpoints to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only those whose name contains this.
    name: Option<Search>,
    /// Only those of this ring.
    ring: Option<Ring>,
    /// Only those that stand so.
    #[param(inline)]
    state: Option<StateWord>,
    /// By what to sort.
    #[param(inline)]
    sort: Option<SortWord>,
    /// The last first.
    #[serde(default)]
    descending: bool,
    /// How many rows to leave out before the first.
    #[serde(default)]
    #[param(minimum = 0, maximum = 1_000_000_000, default = 0)]
    from: u32,
    /// At most so many rows.
    #[serde(default = "usual")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: u32,
}

/// Which endpoint.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfEndpoint {
    endpoint: Endpoint,
}

/// The key that was read at the endpoint's own screen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Compared {
    /// SHA-256 fingerprint.
    key: Words,
}

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    reason: Sentence,
}

/// Whether an endpoint is patched and counts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Elect {
    elected: bool,
    /// Needed to elect out.
    reason: Option<Sentence>,
}

/// What an administrator says of an endpoint. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Description {
    kind: Option<Kind>,
    /// Whether it may be put back by itself. Excludes never_back.
    stateless: Option<bool>,
    exposure: Option<ExposureWord>,
    never_back: Option<NeverBackWord>,
    /// Whether to take never_back back.
    #[serde(default)]
    clear_never_back: bool,
    /// Who owns it.
    owner: Option<Words>,
    /// Whether to take the owner back.
    #[serde(default)]
    clear_owner: bool,
}

/// Which endpoint may ask to join.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Join {
    endpoint: Endpoint,
    ring: Ring,
    /// For how many hours the token counts.
    #[serde(default = "a_day")]
    #[schema(minimum = 1, maximum = 24)]
    hours: u32,
}

const fn a_day() -> u32 {
    site::TOKEN_HOURS_MAX
}

/// What becomes of an endpoint whose job failed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Resolve {
    resolution: ResolutionWord,
}

impl Asking {
    /// An endpoint that is there.
    pub(crate) fn endpoint(&self, of: OfEndpoint) -> Result<EndpointName, Problem> {
        let Endpoint(name) = of.endpoint;
        match self.site().endpoint(&name) {
            Ok(_) => Ok(name),
            Err(site::Error::Refused(none @ fleet::Refused::NoEndpoint)) => {
                Err(Problem::none(none))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn list(
    asking: &Asking,
    _: No,
    which: Which,
    _: No,
) -> Result<Json<Part<EndpointStatus>>, Problem> {
    let (skip, take) = cut(which.from, which.limit)?;
    let part = asking.site().endpoint_part(&EndpointQuery {
        name: which.name.map(|Text(name)| name).unwrap_or_default(),
        ring: which.ring.map(|Ring(ring)| ring),
        state: which.state.map(StateWord::own),
        sort: which.sort.map(SortWord::own).unwrap_or_default(),
        descending: which.descending,
        skip,
        take,
    })?;
    Ok(Json(Part { total: part.found, from: skip as u64, rows: Of::of(part.rows) }))
}

fn one(asking: &Asking, of: OfEndpoint, _: No, _: No) -> Result<Json<EndpointStatus>, Problem> {
    let name = asking.endpoint(of)?;
    Ok(Json(Of::of(asking.site().endpoint(&name)?)))
}

fn missing(asking: &Asking, of: OfEndpoint, _: No, _: No) -> Result<Json<Missing>, Problem> {
    let name = asking.endpoint(of)?;
    Ok(Json(Of::of(asking.site().missing_at(&name)?)))
}

fn inventory(asking: &Asking, of: OfEndpoint, _: No, _: No) -> Result<Json<Document>, Problem> {
    let name = asking.endpoint(of)?;
    Ok(Json(Document::from(&asking.site().endpoint_inventory(&name)?)?))
}

fn confirm(
    asking: &Asking,
    of: OfEndpoint,
    _: No,
    Json(compared): Json<Compared>,
) -> Result<Json<EndpointStatus>, Problem> {
    let name = asking.endpoint(of)?;
    Ok(Json(Of::of(asking.site().confirm_endpoint(asking.actor(), &name, &compared.key.0)?)))
}

fn retire(
    asking: &Asking,
    of: OfEndpoint,
    _: No,
    Json(why): Json<Why>,
) -> Result<Json<EndpointStatus>, Problem> {
    let name = asking.endpoint(of)?;
    Ok(Json(Of::of(asking.site().retire_endpoint(asking.actor(), &name, why.reason.0)?)))
}

fn elect(
    asking: &Asking,
    of: OfEndpoint,
    _: No,
    Json(elect): Json<Elect>,
) -> Result<Json<EndpointStatus>, Problem> {
    let name = asking.endpoint(of)?;
    let reason = elect.reason.as_ref().map(|Text(reason)| reason.as_str());
    Ok(Json(Of::of(asking.site().elect_endpoint(asking.actor(), &name, elect.elected, reason)?)))
}

/// What is to become of a value: cleared, another one, or as it is.
fn change<T>(clear: bool, to: Option<T>) -> Result<Change<T>, Problem> {
    match (clear, to) {
        (true, Some(_)) => Err(Problem::input("something cannot be both said and taken back")),
        (true, None) => Ok(Change::Clear),
        (false, Some(to)) => Ok(Change::To(to)),
        (false, None) => Ok(Change::Keep),
    }
}

fn describe(
    asking: &Asking,
    of: OfEndpoint,
    _: No,
    Json(said): Json<Description>,
) -> Result<Json<EndpointStatus>, Problem> {
    let name = asking.endpoint(of)?;
    let said = Describe {
        kind: said.kind.map(Kind::own),
        stateless: said.stateless,
        exposure: said.exposure.map(ExposureWord::own),
        never_back: change(said.clear_never_back, said.never_back.map(NeverBackWord::own))?,
        owner: change(said.clear_owner, said.owner.map(|Text(owner)| owner))?,
        provider: Change::Keep,
    };
    Ok(Json(Of::of(asking.site().describe_endpoint(asking.actor(), &name, said)?)))
}

fn join(asking: &Asking, _: No, _: No, Json(join): Json<Join>) -> Result<Json<JoinToken>, Problem> {
    let ring = asking.ring(join.ring)?;
    let issued = asking.site().issue_token(asking.actor(), join.endpoint.0, ring, join.hours)?;
    Ok(Json(Of::of(issued)))
}

fn resolve(
    asking: &Asking,
    of: OfEndpoint,
    _: No,
    Json(said): Json<Resolve>,
) -> Result<(), Problem> {
    let name = asking.endpoint(of)?;
    Ok(asking.site().resolve_job(asking.actor(), &name, said.resolution.own())?)
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/endpoints"), O::Endpoints, "Endpoints with an agent", list);
    table.add(("GET", "/endpoints/{endpoint}"), O::Endpoints, "One endpoint", one);
    table.add(
        ("GET", "/endpoints/{endpoint}/missing"),
        O::Missing,
        "What applies to an endpoint",
        missing,
    );
    let inventory_of = "What an endpoint said that it has installed";
    table.add(("GET", "/endpoints/{endpoint}/inventory"), O::InventoryOf, inventory_of, inventory);
    table.add(
        ("POST", "/endpoints/{endpoint}/confirm"),
        O::Confirm,
        "Let an endpoint join",
        confirm,
    );
    table.add(("POST", "/endpoints/{endpoint}/retire"), O::Retire, "Put an endpoint out", retire);
    table.add(
        ("PUT", "/endpoints/{endpoint}/election"),
        O::Elect,
        "Elect an endpoint in or out",
        elect,
    );
    let said_of = "Say what an endpoint is and who owns it";
    table.add(("PUT", "/endpoints/{endpoint}/description"), O::Describe, said_of, describe);
    let decide = "Decide about an endpoint whose job failed";
    table.add(("POST", "/endpoints/{endpoint}/resolve"), O::ResolveJob, decide, resolve);
    table.add(("POST", "/endpoint-tokens"), O::IssueToken, "Let an endpoint ask to join", join);
}
