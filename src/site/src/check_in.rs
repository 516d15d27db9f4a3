//! Check-ins: what an agent says is recorded as its claim; what it is told comes from people's signatures.

use crate::{Error, Held, Seen, Site, ca, keys};
use api::{CheckIn, Orders, Plan, Report};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fleet::{Actor, Command, Endpoint, EndpointCommand, JobPhase, Refused, Standing};
use ids::{Digest, EndpointName, RecordId, RingName};
use ledger::Log;
use merkle::Checkpoint;
use serde_json::json;
use trust::{ApprovedPackage, Envelope, Waiver, is_plain_word};
use vendor_apt::Inventory;

/// Longest sentence of an agent that is kept, in characters.
const SENTENCE_CHARS_MAX: usize = 2_000;
const PACKAGES_MAX: usize = 200_000;
/// Longest inventory and longest checkpoint that are kept, in bytes.
const INVENTORY_BYTES_MAX: usize = 8 << 20;
const NOTE_BYTES_MAX: usize = 4 << 10;

/// An endpoint that has shown its certificate.
struct Caller {
    id: RecordId,
    known: Endpoint,
    name: EndpointName,
}

impl Site {
    /// Answers a check-in of whoever showed the certificate with this digest.
    ///
    /// # Errors
    /// [`Error::Restored`] as long as the log may have gone back; [`Error::NotAnEndpoint`] when it is not one that has joined; [`Error::Input`] for what makes no
    /// sense; what was said before that is recorded.
    pub fn check_in(&self, certificate: &Digest, said: &CheckIn) -> Result<Orders, Error> {
        let caller = self.caller(certificate)?;
        if let Some(restored) = self.restored() {
            self.note_held(said)?;
            restored.refuse()?;
        }
        let log = self.published_log()?;
        self.hear(&caller, said, &log)?;
        // What was heard may have moved the state on.
        let (state, now) = (self.state(), self.now());
        let ring = caller.known.ring.clone();
        let statement = state.statements.get(&ring).filter(|statement| !statement.attested);
        let approval = statement.map(|s| self.kept_envelope(&s.envelope)).transpose()?;
        let known = self.known(&caller.id)?;
        let run = self.run_orders(&known, statement.map(|newest| newest.statement));
        let certificate = match &said.renewal {
            Some(request) => Some(self.next_certificate(&caller, request)?),
            None => None,
        };
        Ok(Orders {
            now,
            roots: self.roots_after(said.root_generation)?,
            approval,
            run,
            waivers: self.waivers_for(&caller.name)?,
            checkpoint: log.note().to_owned(),
            proof: proof(&log, said)?,
            sources: self.sources_for(&ring),
            // A plan follows a new inventory by itself.
            wants_inventory: known.inventory.is_none()
                || (known.plan.is_none() && said.inventory.is_none()),
            certificate,
            again_in_seconds: self.roster().again_in_seconds(),
            ring,
        })
    }

    fn caller(&self, certificate: &Digest) -> Result<Caller, Error> {
        let state = self.state();
        let id = state.certificates.get(certificate).ok_or(Error::NotAnEndpoint)?.clone();
        let known = state.endpoints.get(&id).filter(|e| e.standing == Standing::Active);
        let known = known.ok_or(Error::NotAnEndpoint)?.clone();
        let name = self.name_of(&known.name)?;
        Ok(Caller { id, known, name })
    }

    /// Records what is new of what an agent says.
    fn hear(&self, caller: &Caller, said: &CheckIn, log: &Log) -> Result<(), Error> {
        let held = said.held.as_deref().and_then(|note| self.own_checkpoint(note, log));
        let agent = short(&said.agent, 100);
        let words = said.report.as_ref().map(|r| short(&r.message, SENTENCE_CHARS_MAX));
        let seen = Seen { at: self.now(), agent, held: held.clone(), said: words };
        let before = self.roster().note(&caller.id, seen);
        // What it held of an epoch that is over was of another log.
        let before = before.and_then(|seen| self.own_checkpoint(&seen.held?.note, log));
        let before = before.map_or(0, |held| held.size);
        if let Some(held) = held.as_ref().filter(|held| held.size < before) {
            let (endpoint, held) = (caller.id.clone(), held.size);
            self.may_speak(caller)?;
            self.says(caller, EndpointCommand::WentBack { endpoint, held, before })?;
        }
        let ahead = held.as_ref().filter(|held| held.size > log.checkpoint().size);
        let alarm = match (&said.alarm, ahead) {
            (Some(alarm), _) => Some(short(alarm, SENTENCE_CHARS_MAX)),
            (None, Some(held)) => Some(format!(
                "it holds a checkpoint of {} entries that this log signed, and the log has {}",
                held.size,
                log.checkpoint().size
            )),
            (None, None) => None,
        };
        if let Some(alarm) = alarm.filter(|_| caller.known.doubt.is_none()) {
            tracing::error!(endpoint = %caller.name, alarm, "an endpoint doubts this appliance's log");
            let record = json!({ "alarm": alarm, "held": held.map(|held| held.note) });
            let endpoint = caller.id.clone();
            self.record(caller, record, |record| EndpointCommand::Doubt { endpoint, record })?;
        }
        if let Some(inventory) = &said.inventory {
            self.hear_inventory(caller, inventory)?;
        }
        if let Some(plan) = &said.plan {
            self.hear_plan(caller, plan)?;
        }
        if let Some(report) = &said.report {
            self.hear_report(caller, report)?;
        }
        Ok(())
    }

    fn hear_inventory(&self, caller: &Caller, inventory: &Inventory) -> Result<(), Error> {
        if inventory.status.len() > INVENTORY_BYTES_MAX {
            return Err(Error::Input("its inventory is absurdly long".to_owned()));
        }
        let installed = inventory.installed();
        let installed = installed.map_err(|e| Error::Input(format!("its inventory: {e}")))?;
        let reopened = self.reopened(&caller.known, &installed)?;
        let packages = installed.len();
        let inventory = serde_json::to_value(inventory).map_err(Error::State)?;
        let (endpoint, packages) = (caller.id.clone(), packages as u64);
        let take = |inventory| EndpointCommand::TakeInventory { endpoint, inventory, packages };
        self.record(caller, inventory, take)?;
        if let (Some(job), false) = (&caller.known.job, reopened.is_empty()) {
            let (endpoint, approval) = (caller.id.clone(), job.approval);
            let packages = reopened.len() as u64;
            self.record(caller, json!({ "packages": reopened }), |record| {
                EndpointCommand::Reopen { endpoint, approval, packages, record }
            })?;
        }
        self.forget(caller.known.inventory)
    }

    fn hear_plan(&self, caller: &Caller, plan: &Plan) -> Result<(), Error> {
        let sorted = plan.packages.is_sorted_by(|a, b| a.package < b.package);
        if !sorted || plan.packages.len() > PACKAGES_MAX || plan.kept_back.len() > PACKAGES_MAX {
            return Err(Error::Input("its plan is not sorted, or absurdly long".to_owned()));
        }
        let words = plan.packages.iter().flat_map(|planned| {
            let ApprovedPackage { package, architecture, version, .. } = &planned.package;
            [package, architecture, version]
        });
        let replaced = plan.packages.iter().filter_map(|planned| planned.replaces.as_ref());
        if !words.chain(replaced).chain(&plan.kept_back).all(|word| is_plain_word(word)) {
            return Err(Error::Input("a name in its plan is not plain text".to_owned()));
        }
        let (packages, kept_back) = (plan.packages.len() as u64, plan.kept_back.len() as u64);
        let plan = serde_json::to_value(plan).map_err(Error::State)?;
        let endpoint = caller.id.clone();
        let take = |plan| EndpointCommand::TakePlan { endpoint, plan, packages, kept_back };
        self.record(caller, plan, take)?;
        self.forget(caller.known.plan)
    }

    /// Erases an inventory or plan whose place another has taken: one endpoint cannot fill the disk, and
    /// the ledger keeps the commitments.
    fn forget(&self, before: Option<Digest>) -> Result<(), Error> {
        match before {
            Some(before) => self.evidence().erase(&before).map(drop).map_err(Error::Store),
            None => Ok(()),
        }
    }

    fn hear_report(&self, caller: &Caller, report: &Report) -> Result<(), Error> {
        if caller.known.job.as_ref() == Some(&report.job) {
            return Ok(());
        }
        let message = short(&report.message, SENTENCE_CHARS_MAX);
        let record = self.commit(json!({ "message": message }))?;
        let (endpoint, job) = (caller.id.clone(), report.job.clone());
        let take = EndpointCommand::TakeReport { endpoint, job, record };
        match self.says(caller, take) {
            Err(Error::Refused(Refused::Impossible { why })) => {
                // A machine that was put back remembers less than the site; it is told in its orders.
                let known = caller.known.job.as_ref();
                let over = known.filter(|job| job.approval == report.job.approval);
                let remembers_less = report.job.phase < JobPhase::Applying;
                if over.is_some_and(|job| job.end.is_some()) && remembers_less {
                    return Ok(());
                }
                let said = json!({ "message": message, "job": report.job, "refused": why });
                let endpoint = caller.id.clone();
                tracing::warn!(endpoint = %caller.name, why, "a report was not taken");
                self.record(caller, said, |record| EndpointCommand::RefuseReport {
                    endpoint,
                    record,
                })
            }
            other => other,
        }
    }

    /// Keeps what an endpoint says as evidence, and says in the ledger that it did.
    fn record(
        &self,
        caller: &Caller,
        value: serde_json::Value,
        command: impl FnOnce(Digest) -> EndpointCommand,
    ) -> Result<(), Error> {
        // Before anything is kept: an endpoint that is not heard must not fill the disk either.
        self.may_speak(caller)?;
        let record = self.commit(value)?;
        self.says(caller, command(record))
    }

    fn may_speak(&self, caller: &Caller) -> Result<(), Error> {
        let may = self.roster().may_speak(&caller.id, self.now());
        may.then_some(()).ok_or(Error::TooOften)
    }

    fn says(&self, caller: &Caller, command: EndpointCommand) -> Result<(), Error> {
        let actor = Actor::Endpoint { endpoint: caller.id.clone() };
        self.heart().ask(actor, Command::Endpoint(command)).map(drop)
    }

    /// Keeps a value as evidence.
    pub(crate) fn commit(&self, value: serde_json::Value) -> Result<Digest, Error> {
        self.evidence().put(value, keys::random()?).map_err(Error::Store)
    }

    /// The certificate that follows the caller's newest one, once two thirds of its life have passed;
    /// before that, the newest one again.
    fn next_certificate(&self, caller: &Caller, request: &str) -> Result<String, Error> {
        if ca::request_key(&caller.name, request).map_err(Error::Authority)? != caller.known.key {
            let message = "the next certificate is for the endpoint's own key only: enrol again \
                for a new key";
            return Err(Error::Input(message.to_owned()));
        }
        let newest = caller.known.certificates.iter().max_by_key(|(_, not_after)| *not_after);
        if let Some((newest, _)) = newest {
            let certificate = self.kept_certificate(newest)?;
            if ca::renew_at(&certificate).is_some_and(|at| self.now() < at) {
                return Ok(ca::certificate_pem(&certificate));
            }
        }
        self.may_speak(caller)?;
        let (certificate, not_after) = self.certify(&caller.name, request)?;
        let endpoint = caller.id.clone();
        self.says(caller, EndpointCommand::Renew { endpoint, certificate, not_after })?;
        Ok(ca::certificate_pem(&self.kept_certificate(&certificate)?))
    }

    /// The ring's sources, and which views they are: an agent whose ring was pointed back has to forget
    /// the newer lists, which apt would keep. A ring that points nowhere has none.
    fn sources_for(&self, ring: &RingName) -> String {
        let Ok(sources) = self.apt_sources(ring, "") else { return String::new() };
        let state = self.state();
        let pointers = state.pointers.iter().filter(|((r, _), _)| r == ring);
        let views: Vec<String> =
            pointers.map(|((_, source), (sequence, _))| format!("{source} {sequence}")).collect();
        format!("{sources}\n# Views: {}\n", views.join(", "))
    }

    /// Waivers that name an endpoint, as far as the site root obeys their signers today.
    pub(crate) fn waivers_for(&self, name: &EndpointName) -> Result<Vec<Envelope>, Error> {
        let (state, now) = (self.state(), self.now());
        if state.waivers.is_empty() {
            return Ok(Vec::new());
        }
        let Some((root, _)) = self.newest_site_root()? else { return Ok(Vec::new()) };
        let mut named = Vec::new();
        for waiver in state.waivers.iter().filter(|waiver| waiver.not_after > now) {
            let envelope = self.kept_envelope(&waiver.envelope)?;
            let verified = Waiver::verify(&root, &envelope, now);
            if verified.is_ok_and(|waiver| waiver.covers(name, now).is_ok()) {
                named.push(envelope);
            }
        }
        Ok(named)
    }

    /// A checkpoint, if this log signed it.
    pub(crate) fn own_checkpoint(&self, note: &str, newest: &Log) -> Option<Held> {
        if note == newest.note() {
            return Some(Held { size: newest.checkpoint().size, note: note.to_owned() });
        }
        let note = Some(note).filter(|note| note.len() <= NOTE_BYTES_MAX)?;
        let checkpoint = Checkpoint::open(note.as_bytes(), self.log_key()).ok()?;
        Some(Held { size: checkpoint.size, note: note.to_owned() })
    }
}

/// The proof that the log continues what the agent holds. There is none for what it does not continue:
/// the agent then draws its own conclusion.
fn proof(log: &Log, said: &CheckIn) -> Result<Vec<String>, Error> {
    let held = said.held.as_deref().and_then(|note| {
        let note = merkle::Note::parse(note.as_bytes()).ok()?;
        Checkpoint::parse(note.text()).ok()
    });
    let size = log.checkpoint().size;
    let Some(held) = held.filter(|held| (1..size).contains(&held.size)) else {
        return Ok(Vec::new());
    };
    let hashes = log.consistency_proof(held.size).map_err(Error::OpenLedger)?;
    Ok(hashes.iter().map(|hash| STANDARD.encode(hash.as_bytes())).collect())
}

/// At most so many characters of a text from outside, without control characters.
fn short(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars_max).collect()
}
