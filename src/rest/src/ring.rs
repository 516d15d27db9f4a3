//! Rings: where they point, making, pointing and ordering them, versions that may not be left out, what they lack.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    words::{
        At, Changed, Endpoint, Of, Part, Place, Ring, Sha256, SiteWord, Source, Text,
        VendorSeverity, Words, words,
    },
};
use fleet::{Operation, Refused, RingPlace};
use ids::RingName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

words! {
    /// Where a ring points for one source, or that it points nowhere yet.
    RingPointer of site::RingPointer {
        /// The ring.
        ring: Ring,
        /// Whether it moves to new views by itself.
        follows: bool,
        /// The source.
        source: Option<Source>,
        /// Sequence of the view.
        sequence: Option<u64>,
        /// How often it was pointed.
        generation: Option<u64>,
        /// Why it did not move to a newer view.
        stays: Option<RingStays>,
    }
    /// Why a ring did not move.
    RingStays of site::RingStays {
        /// The ring.
        ring: Ring,
        /// The source.
        source: Source,
        /// Sequence of the view to which it did not move.
        sequence: u64,
        /// Packages that its endpoints need from there and that are not held.
        packages: u64,
        /// How many endpoints need one of them.
        endpoints: u64,
    }
    /// A package that is needed and not held.
    Lacking of site::LackingPackage {
        /// From which source.
        source: Source,
        /// Its name.
        package: String,
        /// Its version.
        version: String,
        /// Its architecture.
        architecture: String,
        /// Its path at the vendor.
        path: String,
        /// Its digest.
        sha256: Sha256,
        /// Its bytes.
        length: u64,
        /// How many endpoints need it.
        endpoints: u64,
    }
    /// An update that nothing offered can satisfy.
    StaysBehind of site::StaysBehind {
        /// Its package.
        package: String,
        /// Its version.
        version: String,
        /// What it lacks.
        lacks: String,
        /// How many endpoints it concerns.
        endpoints: u64,
    }
}

/// A view.
#[derive(Debug, Serialize, ToSchema)]
struct View {
    /// Its source.
    source: Source,
    /// Sequence of its bundle.
    sequence: u64,
}

/// What a ring's endpoints lack.
#[derive(Debug, Serialize, ToSchema)]
struct Need {
    /// Version of this form.
    schema: u32,
    /// `need`.
    kind: String,
    site: SiteWord,
    ring: Ring,
    made_at: At,
    /// Views that were looked at.
    views: Vec<View>,
    /// Endpoints that were looked at.
    endpoints: u64,
    /// Those of them that lack something.
    lacking_endpoints: u64,
    /// Those of which it cannot be told.
    untold_endpoints: u64,
    /// What is to be fetched.
    packages: Vec<Lacking>,
    /// What holds nothing back.
    stays_behind: Vec<StaysBehind>,
}

/// A ring to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRing {
    ring: Ring,
    /// Whether it moves to new complete views by itself.
    #[serde(default)]
    follows: bool,
}

/// Where a ring is to point.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Aim {
    source: Source,
    /// Sequence of the view; the newest complete one unless given.
    sequence: Option<u64>,
}

/// Longest soak that a script asks for: a year.
const SOAK_HOURS_MAX: u32 = 8_760;

/// A ring's place in the order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RingOrder {
    /// The ring before it; none takes it out of the order.
    after: Option<Ring>,
    /// For how many hours the ring before it is to have run without a failure.
    #[serde(default)]
    #[schema(maximum = 8760)]
    soak_hours: u32,
}

/// A version that no endpoint of a ring may leave out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Floor {
    package: Words,
    /// Without a version the package may be left out again.
    version: Option<Words>,
}

/// Which ring.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfRing {
    pub(crate) ring: Ring,
}

/// Of which view.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfView {
    /// Only of this source.
    source: Option<Source>,
    /// Only of the view with this sequence.
    sequence: Option<u64>,
}

impl Asking {
    /// A ring that is there.
    pub(crate) fn ring(&self, ring: Ring) -> Result<RingName, Problem> {
        let Ring(ring) = ring;
        let known = self.site().state().rings.contains_key(&ring);
        if known { Ok(ring) } else { Err(Problem::none(Refused::NoRing { ring })) }
    }
}

fn list(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<RingPointer>>, Problem> {
    Ok(Json(Part::of(asking.site().rings(), &place)?))
}

fn create(asking: &Asking, _: No, _: No, Json(new): Json<NewRing>) -> Result<(), Problem> {
    Ok(asking.site().create_ring(asking.actor(), new.ring.0, new.follows)?)
}

fn point(
    asking: &Asking,
    of: OfRing,
    _: No,
    Json(aim): Json<Aim>,
) -> Result<Json<Changed>, Problem> {
    let ring = asking.ring(of.ring)?;
    let changed = asking.site().point_ring(asking.actor(), ring, aim.source.0, aim.sequence)?;
    Ok(Json(Changed { changed }))
}

fn place(asking: &Asking, of: OfRing, _: No, Json(order): Json<RingOrder>) -> Result<(), Problem> {
    let ring = asking.ring(of.ring)?;
    let soak_hours = order.soak_hours;
    if soak_hours > SOAK_HOURS_MAX {
        return Err(Problem::input(format!("a ring soaks for at most {SOAK_HOURS_MAX} hours")));
    }
    let place = order.after.map(|Ring(after)| RingPlace { after, soak_hours });
    Ok(asking.site().place_ring(asking.actor(), ring, place)?)
}

fn floor(asking: &Asking, of: OfRing, _: No, Json(floor): Json<Floor>) -> Result<(), Problem> {
    let ring = asking.ring(of.ring)?;
    Ok(asking.site().set_floor(
        asking.actor(),
        ring,
        floor.package.0,
        floor.version.map(|Text(version)| version),
    )?)
}

fn need(asking: &Asking, of: OfRing, view: OfView, _: No) -> Result<Json<Need>, Problem> {
    let ring = asking.ring(of.ring)?;
    let source = view.source.map(|Source(source)| source);
    let list = asking.site().ring_need(&ring, source.as_ref(), view.sequence)?;
    let views = list.views.into_iter();
    Ok(Json(Need {
        schema: list.schema,
        kind: list.kind,
        site: Of::of(list.site),
        ring: Of::of(list.ring),
        made_at: Of::of(list.made_at),
        views: views.map(|(source, sequence)| View { source: Source(source), sequence }).collect(),
        endpoints: list.endpoints,
        lacking_endpoints: list.lacking_endpoints,
        untold_endpoints: list.untold_endpoints,
        packages: Of::of(list.packages),
        stays_behind: Of::of(list.stays_behind),
    }))
}

words! {
    /// What applies to an endpoint.
    Missing of site::EndpointMissing {
        /// The endpoint.
        endpoint: Endpoint,
        /// Its ring.
        ring: Ring,
        /// What it lacks, as its own apt would list it; null where that cannot be told.
        updates: Option<Vec<MissingUpdate>>,
        /// Why it cannot be told.
        why: Option<String>,
    }
    /// An update that an endpoint lacks.
    MissingUpdate of site::MissingUpdate {
        /// Its package.
        package: String,
        /// Its architecture.
        architecture: String,
        /// The version that is installed.
        installed: String,
        /// The version that its ring offers.
        candidate: String,
        /// Whether the endpoint holds it back.
        held: bool,
        /// When the vendor released it.
        released_at: Option<At>,
        /// CVEs that it names; null where that is not known.
        cves: Option<Vec<String>>,
        /// What its vendor says of its severity, or else the rating of its score; null where that is not known.
        severity: Option<VendorSeverity>,
        /// Whether it mends something that is known to be exploited; null where that is not known.
        exploited: Option<bool>,
    }
}

fn missing(
    asking: &Asking,
    of: OfRing,
    place: Place,
    _: No,
) -> Result<Json<Part<Missing>>, Problem> {
    let ring = asking.ring(of.ring)?;
    Ok(Json(Part::of(asking.site().missing_in(&ring)?, &place)?))
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/rings"), O::Rings, "Rings and where they point", list);
    table.add(("POST", "/rings"), O::CreateRing, "Make a ring", create);
    table.add(("POST", "/rings/{ring}/point"), O::PointRing, "Point a ring at a view", point);
    table.add(("PUT", "/rings/{ring}/place"), O::PlaceRing, "Put a ring behind another", place);
    table.add(
        ("PUT", "/rings/{ring}/floor"),
        O::SetFloor,
        "Name a version that may not be left out",
        floor,
    );
    table.add(
        ("GET", "/rings/{ring}/need"),
        O::RingNeed,
        "What a ring's endpoints lack of a view",
        need,
    );
    table.add(
        ("GET", "/rings/{ring}/missing"),
        O::MissingIn,
        "What applies to a ring's endpoints",
        missing,
    );
}
