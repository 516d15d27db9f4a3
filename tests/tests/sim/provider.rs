//! The driver of the providers of snapshots, as `site/provider.rs` drives them, with a made-up provider.

use crate::{Right, agent::Agent, appliance::Answer, house::House};
use fleet::{Actor, Command, Endpoint, ProviderDue, SnapshotCommand};
use ids::Digest;
use serde_json::json;

/// Asks the providers of these agents what is due.
pub(crate) fn see_to(agents: &mut [Agent], house: &mut House) -> Right<()> {
    for agent in agents.iter_mut().filter(|agent| agent.provided) {
        let Some(state) = house.appliance.state() else { return Ok(()) };
        let Some(known) = state.endpoints.get(&agent.id) else { continue };
        let due = known.provider_due(Some(agent.heard_at), false, house.now());
        let Some((due, approval)) = due else { continue };
        match due {
            ProviderDue::Snapshot => snapshot(agent, house, known, approval)?,
            ProviderDue::Restore => restore(agent, house, approval)?,
            ProviderDue::Probe => {
                let endpoint = agent.id.clone();
                record(house, "it is silent", |record| SnapshotCommand::Probe {
                    endpoint,
                    approval,
                    record,
                })?;
            }
            ProviderDue::Delete => delete(agent, house, known)?,
            // None can be tried here.
            ProviderDue::Drill => {}
        }
    }
    Ok(())
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
