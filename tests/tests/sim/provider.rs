//! The driver of the providers of snapshots, as `site/provider.rs` drives them, with a made-up provider.

use crate::{Right, agent::Agent, appliance::Answer, house::House};
use fleet::{
    Actor, Command, Endpoint, Job, JobEnd, JobPhase, Resolution, SnapshotCommand, WayBack,
};
use ids::{Digest, Timestamp};
use jiff::SignedDuration;
use serde_json::json;

const SILENT: SignedDuration = SignedDuration::from_mins(45);
const KEPT: SignedDuration = SignedDuration::from_hours(72);

/// What is to be asked of an endpoint's provider.
enum Due {
    Snapshot,
    Restore,
    Probe,
    Delete,
}

/// Asks the providers of these agents what is due.
pub(crate) fn see_to(agents: &mut [Agent], house: &mut House) -> Right<()> {
    for agent in agents.iter_mut().filter(|agent| agent.provided) {
        let Some(state) = house.appliance.state() else { return Ok(()) };
        let Some(known) = state.endpoints.get(&agent.id) else { continue };
        let Some(job) = &known.job else { continue };
        let now = house.now();
        let Some(due) = due(known, job, now.duration_since(agent.heard_at), now) else { continue };
        match due {
            Due::Snapshot => snapshot(agent, house, known, job.approval)?,
            Due::Restore => restore(agent, house, job.approval)?,
            Due::Probe => {
                let (endpoint, approval) = (agent.id.clone(), job.approval);
                record(house, "it is silent", |record| SnapshotCommand::Probe {
                    endpoint,
                    approval,
                    record,
                })?;
            }
            Due::Delete => delete(agent, house, known)?,
        }
    }
    Ok(())
}

fn due(known: &Endpoint, job: &Job, unheard: SignedDuration, now: Timestamp) -> Option<Due> {
    let kept = known.snapshot.as_ref();
    let own = kept.filter(|kept| kept.approval == job.approval);
    if kept.is_some_and(|kept| kept.restoring) {
        return Some(Due::Restore);
    }
    let works = (JobPhase::Applying..=JobPhase::Confirming).contains(&job.phase);
    let silent = works && unheard > SILENT && known.silent != Some(job.approval);
    let by_state = match (job.phase, own) {
        (JobPhase::Snapshotting, _) => (!known.has_snapshot(job)).then_some(Due::Snapshot),
        (JobPhase::Ended, Some(kept)) => {
            let good =
                matches!(job.end, Some(JobEnd::Effective | JobEnd::Restored | JobEnd::Failed));
            (good && now.duration_since(kept.at) > KEPT).then_some(Due::Delete)
        }
        (phase, Some(_)) if phase >= JobPhase::Applying => {
            let decided = known.resolution == Some((job.approval, Resolution::Restore));
            let waits =
                phase == JobPhase::AwaitingDecision && job.way_back == Some(WayBack::Provided);
            (decided || (waits && known.description.stateless)).then_some(Due::Restore)
        }
        _ => None,
    };
    by_state.or_else(|| silent.then_some(Due::Probe))
}

fn snapshot(agent: &mut Agent, house: &mut House, known: &Endpoint, approval: Digest) -> Right<()> {
    let promised = house.signed.get(&approval);
    if !promised.is_some_and(|signed| signed.provided.contains(&agent.name)) {
        return Ok(());
    }
    if known.snapshot.is_some() {
        delete(agent, house, known)?;
    }
    let endpoint = agent.id.clone();
    if house.chance.one_in(20) {
        return record(house, "no snapshot", |record| SnapshotCommand::Fail {
            endpoint,
            approval,
            record,
        })
        .map(drop);
    }
    agent.snapshot(approval);
    let prove = |record| SnapshotCommand::Prove { endpoint, approval, record };
    record(house, "made and proved", prove).map(drop)
}

/// Puts the machine back; the driver may go down between the steps, and then does it again.
fn restore(agent: &mut Agent, house: &mut House, approval: Digest) -> Right<()> {
    let endpoint = agent.id.clone();
    let begin = SnapshotCommand::BeginRestore { endpoint: endpoint.clone(), approval };
    if !ask(house, begin)? {
        return Ok(());
    }
    let restored = !house.chance.one_in(20);
    if restored {
        agent.goes_back();
        house.restored += 1;
    }
    record(house, "put back", |record| SnapshotCommand::EndRestore {
        endpoint,
        approval,
        restored,
        record,
    })
    .map(drop)
}

fn delete(agent: &mut Agent, house: &mut House, known: &Endpoint) -> Right<()> {
    let Some(kept) = &known.snapshot else { return Ok(()) };
    agent.snapshot = None;
    let (endpoint, approval) = (agent.id.clone(), kept.approval);
    ask(house, SnapshotCommand::Delete { endpoint, approval }).map(drop)
}

fn record(
    house: &mut House,
    message: &str,
    command: impl FnOnce(Digest) -> SnapshotCommand,
) -> Right<bool> {
    let Some(record) = house.appliance.keep(json!({ "message": message }))? else {
        return Ok(false);
    };
    ask(house, command(record))
}

fn ask(house: &mut House, command: SnapshotCommand) -> Right<bool> {
    let command = Command::Snapshot(command);
    let asked = house.appliance.ask(|site| site.heart().ask(Actor::Appliance, command))?;
    Ok(matches!(asked, Answer::Yes(_)))
}
