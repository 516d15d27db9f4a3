//! What the site goes by: patch policies, its calendar, exceptions.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    words::{
        At, Endpoint, Of, Part, Person, Place, PolicyWord, Record, Ring, Sentence, Sha256, Text,
        VendorSeverity, Words, through,
    },
};
use fleet::{Operation, PolicyCommand, Refused};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A text of a policy.
type PolicyText = Text<1, 500>;

/// A patch policy. The field names and words are those of the policy files.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) name: PolicyWord,
    /// What people call it.
    title: PolicyText,
    /// Which text it follows, and of when.
    basis: PolicyText,
    /// Of all rules that hold, the earliest deadline counts.
    #[schema(min_items = 1, max_items = 50)]
    rules: Vec<Rule>,
}

/// A rule of a policy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: PolicyText,
    /// When it holds; what is left out is not asked.
    #[serde(default)]
    when: When,
    /// From when on it counts.
    clock: Clock,
    limit: Limit,
    /// What is to be done by then.
    #[serde(default)]
    step: Step,
    #[serde(default)]
    forensic_triage: bool,
}

/// When a rule holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct When {
    #[serde(default)]
    severity: Vec<VendorSeverity>,
    /// 70 is 7.0.
    cvss_tenths: Option<u16>,
    #[serde(default)]
    exposure: Vec<Exposure>,
    kev: Option<bool>,
    automatable: Option<bool>,
    total_impact: Option<bool>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Exposure {
    Internet,
    Connected,
    Internal,
    AirGapped,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Clock {
    VendorRelease,
    AlertIssued,
    AlertAcknowledged,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Limit {
    Hours(u16),
    Days(u16),
    Months(u8),
    NextUpgrade,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Step {
    #[default]
    Effective,
    Acknowledged,
    Told,
}

impl Policy {
    /// A policy of the appliance.
    pub(crate) fn out(policy: &fleet::Policy) -> Result<Self, Problem> {
        through(policy).map_err(|e| Problem::broken(format!("the policy cannot be written: {e}")))
    }
}

/// A policy, and whether it is in force.
#[derive(Debug, Serialize, ToSchema)]
struct ListedPolicy {
    policy: Policy,
    /// False where it is only built in.
    in_force: bool,
}

impl Of<Self> for ListedPolicy {
    fn of(from: Self) -> Self {
        from
    }
}

/// Which policy.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfPolicy {
    policy: PolicyWord,
}

impl Asking {
    /// A policy that is in force.
    pub(crate) fn policy(&self, of: OfPolicy) -> Result<ids::PolicyName, Problem> {
        let PolicyWord(policy) = of.policy;
        let known = self.site().state().policies.contains_key(&policy);
        if known { Ok(policy) } else { Err(Problem::none(Refused::NoPolicy { policy })) }
    }
}

fn list(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<ListedPolicy>>, Problem> {
    let state = asking.site().state();
    let row = |policy: &fleet::Policy| {
        let in_force = state.policies.contains_key(&policy.name);
        Ok(ListedPolicy { policy: Policy::out(policy)?, in_force })
    };
    let all: Result<Vec<ListedPolicy>, Problem> =
        asking.site().policies(true)?.iter().map(row).collect();
    Ok(Json(Part::of(all?, &place)?))
}

fn set(asking: &Asking, of: OfPolicy, _: No, Json(policy): Json<Policy>) -> Result<(), Problem> {
    if policy.name != of.policy {
        return Err(Problem::input("the policy has another name than the address says"));
    }
    let policy = through(&policy).map_err(|e| Problem::input(format!("this is no policy: {e}")))?;
    asking.site().change_policy(asking.actor(), PolicyCommand::Set { policy })?;
    Ok(())
}

fn remove(asking: &Asking, of: OfPolicy, _: No, _: No) -> Result<(), Problem> {
    let policy = asking.policy(of)?;
    asking.site().change_policy(asking.actor(), PolicyCommand::Remove { policy })?;
    Ok(())
}

/// The calendar that the site goes by.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calendar {
    /// IANA time zone.
    zone: Words,
    /// Days on which nobody works, besides weekends.
    #[serde(default)]
    #[schema(max_items = 1000, value_type = Vec<Day>)]
    holidays: Vec<String>,
}

/// A day.
#[derive(Debug, ToSchema)]
#[schema(value_type = String, format = Date)]
#[allow(dead_code, reason = "it is there for its schema")]
struct Day(String);

impl Calendar {
    pub(crate) fn out(calendar: &fleet::Calendar) -> Result<Self, Problem> {
        through(calendar)
            .map_err(|e| Problem::broken(format!("the calendar cannot be written: {e}")))
    }
}

fn calendar(asking: &Asking, _: No, _: No, _: No) -> Result<Json<Calendar>, Problem> {
    Ok(Json(Calendar::out(&asking.site().calendar())?))
}

fn set_calendar(
    asking: &Asking,
    _: No,
    _: No,
    Json(calendar): Json<Calendar>,
) -> Result<Json<Calendar>, Problem> {
    let calendar =
        through(&calendar).map_err(|e| Problem::input(format!("this is no calendar: {e}")))?;
    Ok(Json(Calendar::out(&asking.site().set_calendar(asking.actor(), calendar)?)?))
}

/// An update that is knowingly not applied for a while.
#[derive(Debug, Serialize, ToSchema)]
struct Exception {
    id: Record,
    ring: Ring,
    /// Where it is of one endpoint only: its id, as events name it.
    endpoint: Option<Record>,
    /// And its name.
    endpoint_name: Option<Endpoint>,
    package: String,
    version: String,
    /// Commitment to what is told of it.
    record: Sha256,
    requested_by: Person,
    approved_by: Option<Person>,
    not_after: At,
    /// Who owns the risk, why, and what is done instead; null where that was erased.
    #[schema(value_type = Option<Vec<String>>, min_items = 3, max_items = 3)]
    told: Option<[String; 3]>,
    /// Whether it counts now.
    counts: bool,
}

impl Of<site::ExceptionStatus> for Exception {
    fn of(from: site::ExceptionStatus) -> Self {
        let fleet::Exception { about, record, requested_by, approved_by, not_after } =
            from.exception;
        Self {
            id: Record(from.id),
            ring: Ring(about.ring),
            endpoint: Of::of(about.endpoint),
            endpoint_name: Of::of(from.endpoint_name),
            package: about.package,
            version: about.version,
            record: Sha256(record),
            requested_by: Person(requested_by),
            approved_by: Of::of(approved_by),
            not_after: At(not_after),
            told: from.told,
            counts: from.counts,
        }
    }
}

/// An exception to ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExceptionWish {
    ring: Ring,
    /// Of one endpoint only.
    endpoint: Option<Endpoint>,
    package: Words,
    version: Words,
    /// Who owns the risk.
    owner: Words,
    reason: Sentence,
    /// What is done instead.
    control: Sentence,
    /// At most 366 days from now.
    not_after: At,
}

/// Which exception.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfException {
    exception: Record,
}

fn exceptions(
    asking: &Asking,
    _: No,
    place: Place,
    _: No,
) -> Result<Json<Part<Exception>>, Problem> {
    Ok(Json(Part::of(asking.site().exceptions()?, &place)?))
}

fn request(
    asking: &Asking,
    _: No,
    _: No,
    Json(wish): Json<ExceptionWish>,
) -> Result<Json<Exception>, Problem> {
    let wish = site::ExceptionWish {
        ring: wish.ring.0,
        endpoint: wish.endpoint.map(|Endpoint(name)| name),
        package: wish.package.0,
        version: wish.version.0,
        owner: wish.owner.0,
        reason: wish.reason.0,
        control: wish.control.0,
        not_after: wish.not_after.0,
    };
    let person = asking.bearer().person.clone();
    Ok(Json(Of::of(asking.site().request_exception(asking.actor(), person, wish)?)))
}

fn approve(asking: &Asking, of: OfException, _: No, _: No) -> Result<Json<Exception>, Problem> {
    let Record(exception) = of.exception;
    if !asking.site().state().exceptions.contains_key(&exception) {
        return Err(Problem::none(Refused::NoException));
    }
    let person = asking.bearer().person.clone();
    Ok(Json(Of::of(asking.site().approve_exception(asking.actor(), person, exception)?)))
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/policies"), O::Policies, "Patch policies, in force and built in", list);
    table.add(("PUT", "/policies/{policy}"), O::SetPolicy, "Put a policy in force", set);
    table.add(
        ("DELETE", "/policies/{policy}"),
        O::RemovePolicy,
        "Put a policy out of force",
        remove,
    );
    table.add(("GET", "/calendar"), O::Calendar, "The calendar that the site goes by", calendar);
    table.add(
        ("PUT", "/calendar"),
        O::SetCalendar,
        "Say by which calendar the site goes",
        set_calendar,
    );
    table.add(("GET", "/exceptions"), O::Exceptions, "Exceptions", exceptions);
    table.add(("POST", "/exceptions"), O::RequestException, "Ask for an exception", request);
    let approves = "Approve an exception that somebody else asked for";
    table.add(("POST", "/exceptions/{exception}/approve"), O::ApproveException, approves, approve);
}
