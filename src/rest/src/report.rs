//! Reports: how the service levels stand, and what is open under a policy.

use crate::{
    act::{Asking, Json, No, Table},
    policy::{Calendar, OfPolicy, Policy},
    problem::Problem,
    words::{At, Endpoint, Of, Place, Ring, choices, cut, words},
};
use fleet::Operation;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

choices! {
    /// A service level.
    LevelWord of fleet::Level { Content, MonthlyRun, FirstRun, }
    /// How a service level stands.
    LevelStanding of fleet::LevelStatus { Met, Due, Missed, Unknown, }
    /// How an update stands under a policy.
    PolicyStanding of fleet::PolicyStatus { Done, Late, Due, Overdue, Excepted, NotAsked, Unknown, }
    /// From when on a rule counts.
    ClockWord of fleet::Clock { VendorRelease, AlertIssued, AlertAcknowledged, }
    /// A fact that was not known, and was taken as the worse.
    FactWord of fleet::FactAsked { Severity, Exposure, Kev, Automatable, Impact, }
}

words! {
    /// How one subject stands.
    LevelRow of fleet::LevelRow {
        /// Which level.
        level: LevelWord,
        /// The source or endpoint.
        subject: String,
        /// From when on it counts.
        since: Option<At>,
        /// Until when it is to be met.
        due_at: Option<At>,
        /// When it was met.
        met_at: Option<At>,
        /// How it stands.
        status: LevelStanding,
    }
    /// An update that an endpoint lacks, under a policy.
    PolicyRow of site::PolicyRow {
        /// The endpoint.
        endpoint: Endpoint,
        /// Its ring.
        ring: Ring,
        /// The package.
        package: String,
        /// The version that is installed.
        installed: String,
        /// The version that mends it.
        fixed: String,
        /// CVEs that it names; null where that is not known.
        cves: Option<Vec<String>>,
        /// The date of the list of known exploits.
        kev_as_of: Option<At>,
        /// The date of the list of decisions.
        ssvc_as_of: Option<At>,
        /// When the vendor released it.
        released_at: Option<At>,
        /// The CVE whose deadline counts.
        decided_by: Option<String>,
        /// Until when, and why.
        deadline: Option<Deadline>,
        /// How it stands.
        status: PolicyStanding,
        /// What was not known.
        taken_as_worse: Vec<FactWord>,
    }
    /// Until when something is to be done.
    Deadline of fleet::Deadline {
        /// Which rule says so.
        rule: String,
        /// From when on it counts.
        clock: ClockWord,
        /// That time.
        started_at: At,
        /// Until when; null is until the next upgrade.
        due_at: Option<At>,
        /// Whether forensic triage is asked for.
        forensic_triage: bool,
    }
}

/// How the service levels stand.
#[derive(Debug, Serialize, ToSchema)]
struct LevelReport {
    at: At,
    /// Entries of the log that it follows from.
    entries: u64,
    /// The calendar by which it was judged.
    calendar: Calendar,
    /// How many rows stand how.
    counts: BTreeMap<String, u64>,
    /// Endpoints that do not count.
    elected_out: Vec<Endpoint>,
    /// How many rows there are.
    total: u64,
    /// How many were left out before the first one here.
    from: u64,
    rows: Vec<LevelRow>,
}

/// What is open under a policy.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyReport {
    at: At,
    /// Entries of the log that it follows from.
    entries: u64,
    policy: Policy,
    /// How many rows stand how.
    counts: BTreeMap<String, u64>,
    /// How many rows lacked which fact.
    taken_as_worse: BTreeMap<String, u64>,
    /// Rows for which forensic triage is asked.
    forensic_triage: u64,
    /// Endpoints of which nothing can be told.
    untold: Vec<Untold>,
    /// Endpoints that do not count.
    elected_out: Vec<Endpoint>,
    /// How many rows there are.
    total: u64,
    /// How many were left out before the first one here.
    from: u64,
    rows: Vec<PolicyRow>,
}

/// An endpoint of which nothing can be told.
#[derive(Debug, Serialize, ToSchema)]
struct Untold {
    endpoint: Endpoint,
    why: String,
}

fn levels(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<LevelReport>, Problem> {
    let (from, limit) = cut(place.from, place.limit)?;
    let told = asking.site().level_report()?;
    let total = told.rows.len() as u64;
    let rows: Vec<_> = told.rows.into_iter().skip(from).take(limit).collect();
    Ok(Json(LevelReport {
        at: At(told.at),
        entries: told.entries,
        calendar: Calendar::out(&told.calendar)?,
        counts: Of::of(told.counts),
        elected_out: Of::of(told.elected_out),
        total,
        from: from as u64,
        rows: Of::of(rows),
    }))
}

fn policy(
    asking: &Asking,
    of: OfPolicy,
    place: Place,
    _: No,
) -> Result<Json<PolicyReport>, Problem> {
    let (from, limit) = cut(place.from, place.limit)?;
    let told = asking.site().policy_report(&asking.policy(of)?)?;
    let total = told.rows.len() as u64;
    let rows: Vec<_> = told.rows.into_iter().skip(from).take(limit).collect();
    let untold = told.untold.into_iter();
    Ok(Json(PolicyReport {
        at: At(told.at),
        entries: told.entries,
        policy: Policy::out(&told.policy)?,
        counts: Of::of(told.counts),
        taken_as_worse: Of::of(told.taken_as_worse),
        forensic_triage: told.forensic_triage,
        untold: untold.map(|(name, why)| Untold { endpoint: Endpoint(name), why }).collect(),
        elected_out: Of::of(told.elected_out),
        total,
        from: from as u64,
        rows: Of::of(rows),
    }))
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/reports/levels"), O::ReportLevels, "How the service levels stand", levels);
    table.add(
        ("GET", "/reports/policies/{policy}"),
        O::ReportPolicy,
        "What is open under a policy",
        policy,
    );
}
