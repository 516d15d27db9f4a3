//! Requests about runs.

use crate::{failure::Failure, person::doing};
use fleet::{Brake, Resolution, RingPlace};
use ids::{EndpointName, PersonId, RecordId, RingName};
use serde::{Deserialize, Serialize};
use site::{PlannedRun, RunReport, RunStatus, Site, Wish};
use trust::Envelope;

/// What can be asked. `run` is a run's id, or a ring's name for its newest run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub(crate) enum RunRequest {
    Plan { wish: Box<Wish>, brake: Brake, person: PersonId },
    Draft { run: String },
    Start { run: String, unsoaked: bool, person: PersonId },
    Pause { run: String, person: PersonId },
    Resume { run: String, person: PersonId },
    Cancel { run: String, person: PersonId },
    Resolve { endpoint: EndpointName, resolution: Resolution, person: PersonId },
    Runs,
    Report { run: String },
    SetFloor { ring: RingName, package: String, version: Option<String>, person: PersonId },
    PlaceRing { ring: RingName, place: Option<RingPlace>, person: PersonId },
}

impl RunRequest {
    /// Whether it is nothing for an appliance that only reads.
    pub(super) const fn writes(&self) -> bool {
        !matches!(self, Self::Draft { .. } | Self::Runs | Self::Report { .. })
    }
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", content = "is", rename_all = "kebab-case")]
pub(crate) enum RunReply {
    Planned(Box<PlannedRun>),
    Draft(Envelope),
    Runs(Vec<RunStatus>),
    Report(Box<RunReport>),
    Done(RecordId),
    Decided,
}

/// Calls the use case.
pub(super) fn perform(site: &Site, request: RunRequest) -> Result<RunReply, Failure> {
    use RunReply as A;
    use RunRequest as Q;
    let operation = request.operation();
    let by = |person: &PersonId| doing(person, operation);
    let called = |run: &str| site.run_called(run);
    Ok(match request {
        Q::Plan { wish, brake, person } => {
            A::Planned(Box::new(site.plan_run(by(&person)?, *wish, brake)?))
        }
        Q::Draft { run } => A::Draft(site.run_draft(&called(&run)?)?),
        Q::Start { run, unsoaked, person } => {
            let run = called(&run)?;
            site.start_run(by(&person)?, &run, unsoaked)?;
            A::Done(run)
        }
        Q::Pause { run, person } => {
            let run = called(&run)?;
            site.pause_run(by(&person)?, &run)?;
            A::Done(run)
        }
        Q::Resume { run, person } => {
            let run = called(&run)?;
            site.resume_run(by(&person)?, &run)?;
            A::Done(run)
        }
        Q::Cancel { run, person } => {
            let run = called(&run)?;
            site.cancel_run(by(&person)?, &run)?;
            A::Done(run)
        }
        Q::Resolve { endpoint, resolution, person } => {
            site.resolve_job(by(&person)?, &endpoint, resolution)?;
            A::Decided
        }
        Q::Runs => A::Runs(site.runs()?),
        Q::Report { run } => A::Report(Box::new(site.run_report(&called(&run)?)?)),
        Q::SetFloor { ring, package, version, person } => {
            site.set_floor(by(&person)?, ring, package, version)?;
            A::Decided
        }
        Q::PlaceRing { ring, place, person } => {
            site.place_ring(by(&person)?, ring, place)?;
            A::Decided
        }
    })
}
