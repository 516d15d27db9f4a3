//! Requests about runs.

use crate::{
    failure::Failure,
    person::doing,
    remote::{Remote, told},
};
use fleet::{Brake, Resolution, RingPlace};
use ids::{EndpointName, Fault, PersonId, RecordId, RingName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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

/// Asks for the same over the API.
pub(super) fn over_api(remote: &Remote, request: RunRequest) -> Result<RunReply, Failure> {
    use RunReply as A;
    use RunRequest as Q;
    Ok(match request {
        Q::Plan { wish, brake, .. } => {
            let wish = json!({
                "wish": wish, "brake_failures": brake.failures, "brake_per_cent": brake.per_cent,
            });
            A::Planned(remote.post(&["runs"], &wish)?)
        }
        Q::Draft { run } => A::Draft(remote.get(&["runs", called(&run)?, "draft"])?),
        Q::Start { run, unsoaked, .. } => {
            let run = report(remote, &run)?.status.run;
            let how = json!({ "without_soak": unsoaked });
            remote.post::<()>(&["runs", run.as_str(), "start"], &how)?;
            A::Done(run)
        }
        Q::Pause { run, .. } => A::Done(act(remote, &run, "pause")?),
        Q::Resume { run, .. } => A::Done(act(remote, &run, "resume")?),
        Q::Cancel { run, .. } => A::Done(act(remote, &run, "cancel")?),
        Q::Resolve { endpoint, resolution, .. } => {
            let path = ["endpoints", endpoint.as_str(), "resolve"];
            remote.post::<()>(&path, &json!({ "resolution": resolution }))?;
            A::Decided
        }
        Q::Runs => {
            let mut all: Vec<Value> = remote.all(&["runs"])?;
            all.iter_mut().for_each(status);
            A::Runs(told(Value::Array(all))?)
        }
        Q::Report { run } => A::Report(Box::new(report(remote, &run)?)),
        Q::SetFloor { ring, package, version, .. } => {
            let floor = json!({ "package": package, "version": version });
            remote.put::<()>(&["rings", ring.as_str(), "floor"], &floor)?;
            A::Decided
        }
        Q::PlaceRing { ring, place, .. } => {
            let place = match place {
                Some(RingPlace { after, soak_hours }) => {
                    json!({ "after": after, "soak_hours": soak_hours })
                }
                None => json!({}),
            };
            remote.put::<()>(&["rings", ring.as_str(), "place"], &place)?;
            A::Decided
        }
    })
}

/// A run's id or its ring's name, as a part of a path: no other word is one.
fn called(run: &str) -> Result<&str, Failure> {
    let fits = run.parse::<RecordId>().is_ok() || run.parse::<RingName>().is_ok();
    let message = || format!("no run has the id {run}, and no ring of that name has had one");
    if fits { Ok(run) } else { Err(Failure::say(Fault::Input, message())) }
}

/// Has something done to a run; gives its id.
fn act(remote: &Remote, run: &str, what: &str) -> Result<RecordId, Failure> {
    // By its id from here on: the ring may have a newer one meanwhile.
    let run = report(remote, run)?.status.run;
    remote.post_bare::<()>(&["runs", run.as_str(), what])?;
    Ok(run)
}

fn report(remote: &Remote, run: &str) -> Result<RunReport, Failure> {
    let mut asked: Value = remote.get(&["runs", called(run)?])?;
    let mut whole = asked["status"].take();
    status(&mut whole);
    whole["endpoints"] = asked["endpoints"].take();
    told(whole)
}

/// How many ended in which way is a list of pairs in the appliance.
fn status(run: &mut Value) {
    if let Value::Object(ends) = run["tally"]["ends"].take() {
        run["tally"]["ends"] = ends.into_iter().map(|(end, count)| json!([end, count])).collect();
    }
}
