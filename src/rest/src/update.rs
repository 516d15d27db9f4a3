//! Updates of the newest views: the list, one, and what a ring's endpoints would apply; leaving one out.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    ring::OfRing,
    statement::RingStatement,
    words::{
        At, Endpoint, Of, Part, Ring, Search, Sentence, Sha256, Source, Text, VendorSeverity,
        Words, choices, cut, usual, words,
    },
};
use fleet::Operation;
use serde::{Deserialize, Serialize};
use site::{UpdateQuery, UpdateSort};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

choices! {
    /// By what to sort updates.
    SortUpdates of UpdateSort { Released, Package, Lacking, Severity, }
}

words! {
    /// An update of a newest view.
    Update of site::UpdateRow {
        /// Its source.
        source: Source,
        /// The vendor's id of it.
        id: String,
        /// Source package.
        package: String,
        /// The version that mends it.
        version: String,
        /// When the vendor released it.
        released_at: At,
        /// The vendor's urgency, which is no severity.
        urgency: Option<String>,
        /// What its vendor says of its severity, or else the rating of its score; null where neither is known.
        severity: Option<VendorSeverity>,
        /// The highest CVSS v3 base score of what it mends, in tenths: 98 is 9.8.
        cvss_tenths: Option<u16>,
        /// Whether it mends something that CISA lists as known exploited; null where that is not known.
        exploited: Option<bool>,
        /// CVEs that it names; null where that is not known.
        cves: Option<Vec<String>>,
        /// How many endpoints lack it.
        lacking: u64,
    }
}

/// Which updates to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only those whose package, id or CVEs contain this.
    text: Option<Search>,
    /// Only those of this source.
    source: Option<Source>,
    /// Only those that an endpoint lacks.
    #[serde(default)]
    lacking: bool,
    /// Only those of this severity.
    #[param(inline)]
    severity: Option<VendorSeverity>,
    /// Only those that nobody rated.
    #[serde(default)]
    not_rated: bool,
    /// Only those that mend something which is known to be exploited.
    #[serde(default)]
    exploited: bool,
    /// By what to sort.
    #[param(inline)]
    sort: Option<SortUpdates>,
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

/// Which update.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfUpdate {
    source: Source,
    /// The vendor's id of it.
    #[param(min_length = 1)]
    id: String,
}

/// An update and who lacks it.
#[derive(Debug, Serialize, ToSchema)]
struct UpdateDetail {
    source: Source,
    /// Sequence of the bundle that brought it.
    sequence: u64,
    /// The vendor's id of it.
    id: String,
    /// Source package.
    package: String,
    /// The version that mends it.
    version: String,
    released_at: At,
    /// The vendor's urgency, which is no severity.
    urgency: Option<String>,
    /// What its vendor says of its severity, or else the rating of its score; null where neither is known.
    severity: Option<VendorSeverity>,
    /// The highest CVSS v3 base score of what it mends, in tenths: 98 is 9.8.
    cvss_tenths: Option<u16>,
    /// Whether it mends something that CISA lists as known exploited; null where that is not known.
    exploited: Option<bool>,
    /// The date of CISA's list that says so.
    kev_as_of: Option<At>,
    /// CVEs that it names; null where that is not known.
    cves: Option<Vec<String>>,
    /// Its files.
    payloads: Vec<Payload>,
    /// Endpoints that lack it.
    lacking: Vec<Lacks>,
    /// What each ring has of it.
    rings: Vec<InRing>,
}

/// A file of an update.
#[derive(Debug, Serialize, ToSchema)]
struct Payload {
    package: String,
    version: String,
    architecture: String,
    sha256: Sha256,
    /// Whether it is held.
    held: bool,
}

/// An endpoint that lacks an update.
#[derive(Debug, Serialize, ToSchema)]
struct Lacks {
    endpoint: Endpoint,
    ring: Ring,
}

/// What a ring has of an update.
#[derive(Debug, Serialize, ToSchema)]
struct InRing {
    ring: Ring,
    /// Sequence of the view that the ring points at.
    sequence: Option<u64>,
    /// The newest statement about the ring.
    approval: Option<RingStatement>,
}

/// What a ring's endpoints would apply.
#[derive(Debug, Serialize, ToSchema)]
struct RingUpdates {
    ring: Ring,
    /// SHA-256 of what they would apply together: an approval is for just this.
    plan: Sha256,
    endpoints: Vec<Endpoint>,
    /// Endpoints whose snapshots the appliance's provider makes.
    provided: Vec<Endpoint>,
    elected_out: Vec<Endpoint>,
    /// Endpoints whose plan has less than the ring's floor, with the packages.
    below_floor: BTreeMap<String, Vec<String>>,
    without_plan: Vec<Endpoint>,
    updates: Vec<RingUpdate>,
    /// What the endpoints' own solvers keep back.
    kept_back: BTreeMap<String, Vec<String>>,
    /// The newest statement about the ring.
    statement: Option<RingStatement>,
}

/// A package that a ring's endpoints would apply.
#[derive(Debug, Serialize, ToSchema)]
struct RingUpdate {
    package: String,
    architecture: String,
    version: String,
    sha256: Sha256,
    endpoints: Vec<Endpoint>,
    released_at: Option<At>,
    cves: Option<Vec<String>>,
    declined_until: Option<At>,
    /// Whether the ring's views offer it.
    offered: bool,
}

impl Of<site::RingUpdate> for RingUpdate {
    fn of(from: site::RingUpdate) -> Self {
        Self {
            package: from.package.package,
            architecture: from.package.architecture,
            version: from.package.version,
            sha256: Sha256(from.package.sha256),
            endpoints: Of::of(from.endpoints),
            released_at: Of::of(from.released_at),
            cves: from.cves,
            declined_until: Of::of(from.declined_until),
            offered: from.offered,
        }
    }
}

/// What is left out, why and until when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Decline {
    package: Words,
    reason: Sentence,
    not_after: At,
}

fn list(asking: &Asking, _: No, which: Which, _: No) -> Result<Json<Part<Update>>, Problem> {
    let (skip, take) = cut(which.from, which.limit)?;
    let part = asking.site().update_part(&UpdateQuery {
        text: which.text.map(|Text(text)| text).unwrap_or_default(),
        source: which.source.map(|Source(source)| source),
        lacking: which.lacking,
        severity: which.severity.map(VendorSeverity::own),
        not_rated: which.not_rated,
        exploited: which.exploited,
        sort: which.sort.map(SortUpdates::own).unwrap_or_default(),
        descending: which.descending,
        skip,
        take,
    })?;
    Ok(Json(Part { total: part.found, from: skip as u64, rows: Of::of(part.rows) }))
}

fn one(asking: &Asking, of: OfUpdate, _: No, _: No) -> Result<Json<UpdateDetail>, Problem> {
    let found = asking.site().update(&of.source.0, &of.id).map_err(|error| match error {
        site::Error::Input(why) => Problem::missing(why),
        other => other.into(),
    })?;
    let update = found.update;
    let held = found.held.into_iter().chain(std::iter::repeat(false));
    let payloads = update.payloads.into_iter().zip(held).map(|(payload, held)| Payload {
        package: payload.package,
        version: payload.version,
        architecture: payload.architecture,
        sha256: Sha256(payload.sha256),
        held,
    });
    let lacks = |(endpoint, ring)| Lacks { endpoint: Endpoint(endpoint), ring: Ring(ring) };
    let rings = found.rings.into_iter().map(|in_ring| InRing {
        ring: Ring(in_ring.ring),
        sequence: in_ring.sequence,
        approval: Of::of(in_ring.approval),
    });
    Ok(Json(UpdateDetail {
        source: of.source,
        sequence: found.sequence,
        id: update.id,
        package: update.source_package,
        version: update.fixed_version,
        released_at: At(update.released_at),
        urgency: update.urgency,
        severity: Of::of(found.severity),
        cvss_tenths: found.cvss_tenths,
        exploited: found.exploited,
        kev_as_of: Of::of(found.kev_as_of),
        cves: update.cves,
        payloads: payloads.collect(),
        lacking: found.lacking.into_iter().map(lacks).collect(),
        rings: rings.collect(),
    }))
}

fn of_ring(asking: &Asking, of: OfRing, _: No, _: No) -> Result<Json<RingUpdates>, Problem> {
    let ring = asking.ring(of.ring)?;
    let told = asking.site().ring_updates(&ring)?;
    Ok(Json(RingUpdates {
        ring: Ring(told.ring),
        plan: Sha256(told.plan),
        endpoints: Of::of(told.endpoints),
        provided: Of::of(told.provided),
        elected_out: Of::of(told.elected_out),
        below_floor: Of::of(told.below_floor),
        without_plan: Of::of(told.without_plan),
        updates: Of::of(told.updates),
        kept_back: Of::of(told.kept_back),
        statement: Of::of(told.statement),
    }))
}

fn decline(
    asking: &Asking,
    of: OfRing,
    _: No,
    Json(said): Json<Decline>,
) -> Result<Json<Vec<RingUpdate>>, Problem> {
    let ring = asking.ring(of.ring)?;
    let Decline { package, reason, not_after } = said;
    let left = asking.site().decline(asking.actor(), ring, &package.0, &reason.0, not_after.0)?;
    Ok(Json(Of::of(left)))
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/updates"), O::Updates, "Updates of the newest views", list);
    table.add(("GET", "/updates/{source}/{id}"), O::Updates, "One update, and who lacks it", one);
    table.add(
        ("GET", "/rings/{ring}/updates"),
        O::Updates,
        "What a ring's endpoints would apply",
        of_ring,
    );
    table.add(("POST", "/rings/{ring}/decline"), O::Decline, "Leave a version out", decline);
}
