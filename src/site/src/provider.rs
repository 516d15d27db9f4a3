//! What the appliance asks of the providers of snapshots, and what it records of their answers.
//!
//! What is due follows from the state alone, so a start after a crash goes on where it was: a snapshot that
//! nobody recorded is made anew, a restore that has begun is done again. One thing at a time is asked
//! about an endpoint, and a few endpoints at a time.

use crate::{Error, Site};
use fleet::{Actor, Command, Endpoint, ProviderDue, SnapshotCommand};
use ids::{Digest, Fault, RecordId, Timestamp};
use serde_json::{Value, json};
use snapshot::{
    Alive, Answer, Binding, Depth, IfNot, Level, Limits, Look, Made, Order, Proof, Provider,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Most endpoints whose providers are at work at the same time: their disks may be one.
const AT_ONCE: usize = 4;
/// What is known of providers beside the state.
#[derive(Default)]
pub(crate) struct Providers {
    known: Mutex<Known>,
    /// Whether none is asked.
    out_of_reach: AtomicBool,
}

#[derive(Default)]
struct Known {
    /// Endpoints whose providers are at work.
    at_work: BTreeSet<RecordId>,
    /// Providers that cannot try a clone, by their settings: there is no drill.
    without_clones: BTreeSet<Digest>,
}

impl Providers {
    /// Takes an endpoint, if nobody has it and there is room.
    fn take(&self, endpoint: &RecordId) -> bool {
        let at_work = &mut self.known().at_work;
        at_work.len() < AT_ONCE && at_work.insert(endpoint.clone())
    }

    fn give_back(&self, endpoint: &RecordId) {
        self.known().at_work.remove(endpoint);
    }

    fn cannot_clone(&self, provider: &Digest) -> bool {
        self.known().without_clones.contains(provider)
    }

    fn are_out_of_reach(&self) -> bool {
        self.out_of_reach.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// Has no provider asked: this process is confined, and they could not do their work. Whatever waits for one is
    /// told so.
    pub fn ask_no_providers(&self) {
        self.providers().out_of_reach.store(true, Ordering::Relaxed);
    }

    /// Sets to work what providers are to be asked; does not wait for it. The appliance looks every second.
    pub fn see_to_providers(self: &Arc<Self>) {
        if self.restored().is_some() {
            return;
        }
        let (state, now) = (self.state(), self.now());
        for (id, known) in state.endpoints.iter() {
            let Some((due, approval)) = self.due(id, known, now) else { continue };
            if !self.providers().take(id) {
                continue;
            }
            let (site, id, known) = (Arc::clone(self), id.clone(), known.clone());
            thread::spawn(move || {
                if let Err(error) = site.ask_provider(due, &id, &known, approval) {
                    let error = crate::chain(&error);
                    tracing::error!(endpoint = %id, error, "what a provider did could not be recorded");
                }
                site.providers().give_back(&id);
            });
        }
    }

    fn due(
        &self,
        id: &RecordId,
        known: &Endpoint,
        now: Timestamp,
    ) -> Option<(ProviderDue, Digest)> {
        let provider = known.description.provider?;
        let seen_at = self.roster().seen(id).map(|seen| seen.at);
        let due = known.provider_due(seen_at, !self.providers().cannot_clone(&provider), now)?;
        // Jobs are told; what only tidies or tries can wait for an appliance that may.
        let waits = matches!(due.0, ProviderDue::Delete | ProviderDue::Drill);
        (!(waits && self.providers().are_out_of_reach())).then_some(due)
    }

    fn ask_provider(
        &self,
        due: ProviderDue,
        id: &RecordId,
        known: &Endpoint,
        approval: Digest,
    ) -> Result<(), Error> {
        match due {
            ProviderDue::Snapshot => self.snapshot(id, known, approval),
            ProviderDue::Restore => self.put_back(id, known, approval),
            ProviderDue::Probe => self.probe(id, known, approval),
            ProviderDue::Delete => self.delete_snapshot(id, known),
            ProviderDue::Drill => self.drill(id, known),
        }
    }

    /// Makes the snapshot that a job waits for, and has it proven.
    fn snapshot(&self, id: &RecordId, known: &Endpoint, approval: Digest) -> Result<(), Error> {
        if !self.promises_snapshot(known, &approval)? {
            return Ok(());
        }
        if known.snapshot.is_some() {
            // That of an earlier job: what it led back to is over.
            self.delete_snapshot(id, known)?;
        }
        let endpoint = id.clone();
        let command = match self.make_and_prove(known, &approval) {
            Ok(record) => {
                let record = self.commit(record)?;
                SnapshotCommand::Prove { endpoint, approval, record }
            }
            Err(why) => {
                let message = format!("no snapshot, and nothing was changed: {why}");
                let record = self.commit(json!({ "message": message }))?;
                SnapshotCommand::Fail { endpoint, approval, record }
            }
        };
        self.recorded(command)
    }

    /// Whether the ring's statement, as it was signed, has the provider make this endpoint's way back.
    fn promises_snapshot(&self, known: &Endpoint, approval: &Digest) -> Result<bool, Error> {
        let state = self.state();
        let newest = state.statements.get(&known.ring);
        let Some(newest) = newest.filter(|newest| newest.statement == *approval) else {
            return Ok(false);
        };
        let envelope = self.kept_envelope(&newest.envelope)?;
        let signed = trust::Approval::unverified(&envelope).map_err(Error::Denied)?;
        Ok(signed.provided.binary_search(&self.name_of(&known.name)?).is_ok())
    }

    fn make_and_prove(&self, known: &Endpoint, approval: &Digest) -> Result<Value, String> {
        let binding = self.binding(known)?;
        let mut provider = opened(&binding)?;
        // Whatever an earlier try of ours was stopped in.
        provider.thaw().map_err(|e| told(&e))?;
        let made = create(provider.as_mut(), &binding, &approval.short())?;
        let depth = if tries_clones(&binding) { Depth::Clone } else { Depth::Content };
        let proof = prove(provider.as_mut(), &made, depth).inspect_err(|_| {
            // It leads nowhere, and would only grow.
            if let Err(error) = provider.delete(&made) {
                tracing::warn!(
                    error = told(&error),
                    "an unproven snapshot is left at its provider"
                );
            }
        })?;
        let message = format!("its provider made and proved the snapshot {}", made.name);
        Ok(json!({ "message": message, "made": made, "proof": proof }))
    }

    /// Puts a machine back to the snapshot from before its job.
    fn put_back(&self, id: &RecordId, known: &Endpoint, approval: Digest) -> Result<(), Error> {
        let endpoint = id.clone();
        self.recorded(SnapshotCommand::BeginRestore { endpoint: endpoint.clone(), approval })?;
        let restored = self.restore(known);
        let record = match &restored {
            Ok(record) => record.clone(),
            Err(why) => {
                tracing::error!(endpoint = %id, why, "a machine could not be put back");
                json!({ "message": format!("it could not be put back, and its snapshot is kept: {why}") })
            }
        };
        let (restored, record) = (restored.is_ok(), self.commit(record)?);
        self.recorded(SnapshotCommand::EndRestore { endpoint, approval, restored, record })
    }

    fn restore(&self, known: &Endpoint) -> Result<Value, String> {
        let made = self.made(known)?;
        let mut provider = opened(&self.binding(known)?)?;
        let restored = provider.restore(&made).map_err(|e| told(&e))?;
        let at = &restored.at;
        let message = format!("its provider put it back to the snapshot {} at {at}", made.name);
        Ok(json!({ "message": message, "restored": restored }))
    }

    /// Asks about a machine that has begun and says nothing.
    fn probe(&self, id: &RecordId, known: &Endpoint, approval: Digest) -> Result<(), Error> {
        let alive = self.binding(known).and_then(|binding| opened(&binding));
        let alive = alive.and_then(|mut provider| provider.probe().map_err(|e| told(&e)));
        let record = match alive {
            Ok(alive) => json!({ "message": facts(&alive), "alive": alive }),
            Err(why) => json!({ "message": format!("it is silent, and its provider too: {why}") }),
        };
        let record = self.commit(record)?;
        self.recorded(SnapshotCommand::Probe { endpoint: id.clone(), approval, record })
    }

    /// Tries the way back on a clone, without a patch: a way back that nobody tried is a hope.
    fn drill(&self, id: &RecordId, known: &Endpoint) -> Result<(), Error> {
        let tried = self
            .binding(known)
            .and_then(|binding| if tries_clones(&binding) { drill(&binding) } else { Ok(None) });
        let (passed, record) = match tried {
            Ok(Some(record)) => (true, record),
            Ok(None) => {
                // No failed drill: there is none, until the settings are others.
                self.providers().known().without_clones.extend(known.description.provider);
                return Ok(());
            }
            Err(why) => (false, json!({ "message": format!("the drill failed: {why}") })),
        };
        let record = self.commit(record)?;
        self.recorded(SnapshotCommand::Drill { endpoint: id.clone(), passed, record })
    }

    fn delete_snapshot(&self, id: &RecordId, known: &Endpoint) -> Result<(), Error> {
        let Some(kept) = &known.snapshot else { return Ok(()) };
        let gone = self
            .made(known)
            .and_then(|made| opened(&self.binding(known)?)?.delete(&made).map_err(|e| told(&e)));
        match gone {
            Ok(()) => {
                let (endpoint, approval) = (id.clone(), kept.approval);
                self.recorded(SnapshotCommand::Delete { endpoint, approval })
            }
            Err(why) => {
                // It is tried again; meanwhile it takes room, which the next proof measures.
                tracing::warn!(endpoint = %id, why, "an old snapshot is still there");
                Ok(())
            }
        }
    }

    /// What the provider made, as it was recorded.
    fn made(&self, known: &Endpoint) -> Result<Made, String> {
        let record = known.snapshot.as_ref().ok_or("there is no snapshot")?.record;
        let kept = self.evidence().get(&record).map_err(|e| told(&e))?;
        serde_json::from_value(kept.1["made"].clone())
            .map_err(|e| format!("what was recorded of the snapshot cannot be read: {e}"))
    }

    /// Who makes an endpoint's snapshots, and where it is reached.
    fn binding(&self, known: &Endpoint) -> Result<Binding, String> {
        if self.providers().are_out_of_reach() {
            return Err("this appliance was started without --providers, and asks none".to_owned());
        }
        let record = known.description.provider.ok_or("it has no provider any more")?;
        let (_, kept) = self.evidence().get(&record).map_err(|e| told(&e))?;
        serde_json::from_value(kept["provider"].clone())
            .map_err(|e| format!("its provider's settings cannot be used: {e}"))
    }

    /// Records what a provider did. What the state has moved on from in the meantime is no error.
    fn recorded(&self, command: SnapshotCommand) -> Result<(), Error> {
        match self.heart().ask(Actor::Appliance, Command::Snapshot(command)) {
            Err(Error::Refused(refused)) if refused.fault() == Fault::Conflict => {
                tracing::warn!(%refused, "what a provider did came too late to count");
                Ok(())
            }
            other => other.map(drop),
        }
    }
}

/// Makes a snapshot, tries a clone of it, and deletes it.
fn drill(binding: &Binding) -> Result<Option<Value>, String> {
    let mut provider = opened(binding)?;
    provider.thaw().map_err(|e| told(&e))?;
    let made = create(provider.as_mut(), binding, "drill")?;
    let proof = provider.prove(&made, Depth::Clone).map_err(|e| told(&e));
    let deleted = provider.delete(&made).map_err(|e| told(&e));
    let proof = proof?;
    deleted?;
    if let Look::NotPossible { .. } = &proof.clone {
        return Ok(None);
    }
    let message = format!("a clone of the snapshot {} was tried, and it works", made.name);
    Ok(Some(json!({ "message": message, "made": made, "proof": proof })))
}

/// Makes the snapshot; one of this name that is there already was made by a try that was cut short before its
/// record was kept, and nothing has been changed since.
fn create(provider: &mut dyn Provider, binding: &Binding, for_what: &str) -> Result<Made, String> {
    let name = format!("patchkeep-{for_what}").parse().map_err(|e: snapshot::Error| told(&e))?;
    let order = Order { name, level: level(binding), if_not: IfNot::CrashConsistent };
    match provider.create(&order) {
        Err(exists @ snapshot::Error::Exists { .. }) => {
            let adopted = provider.adopt(&order.name).map_err(|e| told(&e))?;
            adopted.ok_or_else(|| told(&exists))
        }
        made => made.map_err(|e| told(&e)),
    }
}

/// Looks at a snapshot. One whose content nobody could read is not proven.
fn prove(provider: &mut dyn Provider, made: &Made, depth: Depth) -> Result<Proof, String> {
    let proof = provider.prove(made, depth).map_err(|e| told(&e))?;
    match &proof.content {
        Look::NotPossible { reason } => Err(format!("its content cannot be read: {reason}")),
        Look::Good { .. } | Look::NotAsked => Ok(proof),
    }
}

fn opened(binding: &Binding) -> Result<Box<dyn Provider + Send>, String> {
    binding.open(Limits::default()).map_err(|e| told(&e))
}

/// How consistent a provider's snapshots can be.
fn level(binding: &Binding) -> Level {
    match binding {
        Binding::Qmp(qmp) if qmp.kind == snapshot::Kind::Internal => Level::Memory,
        Binding::Libvirt(_) => Level::Memory,
        Binding::Qmp(_) | Binding::Command(_) => Level::Frozen,
    }
}

fn tries_clones(binding: &Binding) -> bool {
    match binding {
        Binding::Qmp(qmp) => qmp.try_clone.is_some(),
        Binding::Libvirt(libvirt) => libvirt.try_clone.is_some(),
        Binding::Command(_) => true,
    }
}

fn facts(alive: &Alive) -> String {
    let words = |answer: &Answer| match answer {
        Answer::Yes { says } => format!("says {says}"),
        Answer::Silent { reason } => format!("is silent ({reason})"),
        Answer::Absent => "is not there".to_owned(),
    };
    format!(
        "it says nothing; whoever runs the machine {}, the agent in the guest {}",
        words(&alive.machine),
        words(&alive.guest)
    )
}

fn told(error: &dyn std::error::Error) -> String {
    crate::vendor::chain(error)
}
