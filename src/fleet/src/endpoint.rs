//! Endpoints with an agent: how one joins, what it says of itself, how it leaves.
//!
//! What an agent reports is a claim; it is recorded as that and decides nothing here.

use crate::{
    Description, Election, Fact, Job, JobEnd, KeptSnapshot, Refused, Resolution, State,
    description, provided, run,
};
use ids::{Digest, RecordId, RingName, Timestamp};
use serde::{Deserialize, Serialize};

/// For how long after its certificate ended an endpoint may ask for the next one: 30 days, in hours.
const GRACE_HOURS: i64 = 30 * 24;

/// A one-time token, by the SHA-256 of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Commitment to the name of the endpoint that may use it.
    pub name: Digest,
    /// The ring that it joins.
    pub ring: RingName,
    /// When it counts no more.
    pub not_after: Timestamp,
    /// The key that used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<Digest>,
    /// Whether another key tried it as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub misused: bool,
}

/// An endpoint that asked to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Commitment to its name.
    pub name: Digest,
    /// Its ring.
    pub ring: RingName,
    /// How it stands.
    pub standing: Standing,
    /// SHA-256 of its key's `SubjectPublicKeyInfo`.
    pub key: Digest,
    /// Its certificate request, as it is kept in the store.
    pub request: Digest,
    /// The token that it came with.
    pub token: Digest,
    /// Its certificates that may still be shown, with their ends.
    pub certificates: Vec<(Digest, Timestamp)>,
    /// Commitment to what it has installed.
    pub inventory: Option<Digest>,
    /// Commitment to what its own solver would apply.
    pub plan: Option<Digest>,
    /// How far it says that its job is.
    pub job: Option<Job>,
    /// Set where that job was ended here as one that had not begun: the word that it had may be on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_out: Option<TakenOut>,
    /// Commitment to why it doubts the log.
    pub doubt: Option<Digest>,
    /// The run that it last joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RecordId>,
    /// What a person decided about its failed job, by approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<(Digest, Resolution)>,
    /// The snapshot that its provider holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<KeptSnapshot>,
    /// When its way back was last tried on a clone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drilled_at: Option<Timestamp>,
    /// The approval in whose job it said nothing for long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<Digest>,
    /// Whether a restore explains that it holds less of the log than before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub put_back: bool,
    /// Whether packages that its last effective job had brought are older or gone again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopened: bool,
    /// What people say of it.
    #[serde(default, skip_serializing_if = "Description::is_empty")]
    pub description: Description,
    /// Whether it is elected in; `None` where that was never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub election: Option<Election>,
}

/// A job that was ended unheard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOut {
    /// What the endpoint itself had said last, of that job or of one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Job>,
}

impl Endpoint {
    /// Ends a job that has not begun, as far as is known here.
    pub(crate) fn take_out(&mut self, job: Job) {
        let said = self.job.replace(job);
        self.taken_out.get_or_insert(TakenOut { said });
    }
}

/// How an endpoint stands with the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It asked with a good token; a person has to compare its key.
    Pending,
    /// A person confirmed its key.
    Active,
    /// It left, or was put out: its certificates are refused.
    Retired,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// What may be asked about endpoints. `endpoint` is its id, `name` the commitment to its name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum EndpointCommand {
    /// Issue a one-time token.
    IssueToken { token: Digest, name: Digest, ring: RingName, not_after: Timestamp },
    /// An agent asks to join.
    Ask { endpoint: RecordId, token: Digest, name: Digest, key: Digest, request: Digest },
    /// An endpoint with an ended certificate asks for the next one, with the key that is known.
    AskAgain { endpoint: RecordId, key: Digest, request: Digest },
    /// A person compared its key.
    Confirm { endpoint: RecordId, certificate: Digest, not_after: Timestamp },
    /// Its next certificate.
    Renew { endpoint: RecordId, certificate: Digest, not_after: Timestamp },
    /// Put it out.
    Retire { endpoint: RecordId, reason: String },
    /// What it has installed.
    TakeInventory { endpoint: RecordId, inventory: Digest, packages: u64 },
    /// What it would apply.
    TakePlan { endpoint: RecordId, plan: Digest, packages: u64, kept_back: u64 },
    /// How far its job is.
    TakeReport { endpoint: RecordId, job: Job, record: Digest },
    /// It saw that the log went back or forked.
    Doubt { endpoint: RecordId, record: Digest },
    /// It said of its job what cannot have happened.
    RefuseReport { endpoint: RecordId, record: Digest },
    /// What an effective job had brought is older or gone again.
    Reopen { endpoint: RecordId, approval: Digest, packages: u64, record: Digest },
    /// What people say of it.
    Describe { endpoint: RecordId, description: Description },
    /// Elect it in or out; `record` commits to why.
    Elect { endpoint: RecordId, elected: bool, record: Option<Digest> },
    /// It holds less of the log than it held before.
    WentBack { endpoint: RecordId, held: u64, before: u64 },
}

/// What follows from a command about endpoints.
pub(crate) fn decide(
    state: &State,
    command: EndpointCommand,
    now: Timestamp,
) -> Result<Vec<Fact>, Refused> {
    use EndpointCommand as C;
    Ok(vec![match command {
        C::IssueToken { token, name, ring, not_after } => {
            if !state.rings.contains_key(&ring) {
                return Err(Refused::NoRing { ring });
            }
            name_is_free(state, name)?;
            Fact::EnrolmentTokenIssued { token, name, ring, not_after }
        }
        C::Ask { endpoint, token, name, key, request } => {
            return ask(state, endpoint, token, name, key, request, now);
        }
        C::AskAgain { endpoint, key, request } => {
            let known = known(state, &endpoint)?;
            if known.key != key {
                return Err(Refused::NoToken);
            }
            match known.standing {
                Standing::Pending => return Ok(Vec::new()),
                Standing::Active if within_grace(known, now) => {}
                Standing::Active | Standing::Retired => return Err(Refused::NoToken),
            }
            Fact::EndpointAskedAgain { endpoint, request }
        }
        C::Confirm { endpoint, certificate, not_after } => {
            stands(state, &endpoint, Standing::Pending)?;
            return Ok(description::confirmed(state, endpoint, certificate, not_after));
        }
        C::Describe { .. } | C::Elect { .. } => return description::decide(state, command),
        C::Renew { endpoint, certificate, not_after } => {
            stands(state, &endpoint, Standing::Active)?;
            Fact::EndpointCertificateRenewed { endpoint, certificate, not_after }
        }
        C::Retire { endpoint, reason } => {
            if known(state, &endpoint)?.standing == Standing::Retired {
                return Ok(Vec::new());
            }
            let follows = run::after_leaving(state, &endpoint);
            let retired = Fact::EndpointRetired { endpoint, reason };
            return Ok([retired].into_iter().chain(follows).collect());
        }
        said => return hear(state, said),
    }])
}

/// What follows from what an endpoint that has joined says.
fn hear(state: &State, said: EndpointCommand) -> Result<Vec<Fact>, Refused> {
    use EndpointCommand as C;
    Ok(vec![match said {
        C::TakeInventory { endpoint, inventory, packages } => {
            stands(state, &endpoint, Standing::Active)?;
            Fact::InventoryReceived { endpoint, inventory, packages }
        }
        C::TakePlan { endpoint, plan, packages, kept_back } => {
            stands(state, &endpoint, Standing::Active)?;
            Fact::PlanReceived { endpoint, plan, packages, kept_back }
        }
        C::TakeReport { endpoint, job, record } => {
            stands(state, &endpoint, Standing::Active)?;
            return take_report(state, endpoint, job, record);
        }
        C::RefuseReport { endpoint, record } => {
            stands(state, &endpoint, Standing::Active)?;
            Fact::ReportRefused { endpoint, record }
        }
        C::Reopen { endpoint, approval, packages, record } => {
            let job = known(state, &endpoint)?.job.as_ref();
            let effective =
                |job: &&Job| job.approval == approval && job.end == Some(JobEnd::Effective);
            if job.filter(effective).is_none() {
                return Ok(Vec::new());
            }
            Fact::FixReopened { endpoint, approval, packages, record }
        }
        C::Doubt { endpoint, record } => {
            stands(state, &endpoint, Standing::Active)?;
            Fact::LogDoubted { endpoint, record }
        }
        C::WentBack { endpoint, held, before } => {
            stands(state, &endpoint, Standing::Active)?;
            let expected = known(state, &endpoint)?.put_back;
            Fact::EndpointWentBack { endpoint, held, before, expected }
        }
        _ => return Ok(Vec::new()),
    }])
}

/// A token counts once, for one name, until its end. The key that used it may ask again; another is an
/// alarm, once.
fn ask(
    state: &State,
    endpoint: RecordId,
    token: Digest,
    name: Digest,
    key: Digest,
    request: Digest,
    now: Timestamp,
) -> Result<Vec<Fact>, Refused> {
    let known = state.tokens.get(&token).filter(|token| token.name == name);
    let Some(Token { ring, not_after, used_by, misused, .. }) = known else {
        return Err(Refused::NoToken);
    };
    match used_by {
        Some(used_by) if *used_by == key => return Ok(Vec::new()),
        Some(_) if *misused => return Err(Refused::NoToken),
        Some(_) => return Ok(vec![Fact::EnrolmentTokenMisused { token, name, key }]),
        None if *not_after <= now => return Err(Refused::NoToken),
        None => {}
    }
    name_is_free(state, name)?;
    let ring = ring.clone();
    Ok(vec![Fact::EndpointAsked { endpoint, token, name, ring, key, request }])
}

/// What an endpoint says of its job is taken if it can have happened; its run hears of it.
fn take_report(
    state: &State,
    endpoint: RecordId,
    job: Job,
    record: Digest,
) -> Result<Vec<Fact>, Refused> {
    let known = known(state, &endpoint)?;
    if known.job.as_ref() == Some(&job) {
        return Ok(Vec::new());
    }
    // The word that what was ended here had begun comes late, and counts.
    let unheard = known.taken_out.as_ref().filter(|_| job.has_begun());
    let before = unheard.map_or(known.job.as_ref(), |taken_out| taken_out.said.as_ref());
    let newest = state.statements.get(&known.ring).map(|newest| newest.statement);
    // Of two approvals of which neither is the newest, the endpoint's own clock knows the later one.
    let is_past = |before: &Job| {
        before.approval != job.approval
            && newest != Some(job.approval)
            && (newest == Some(before.approval) || job.at < before.at)
    };
    let possible = if before.is_some_and(is_past) {
        Err("the job of a later approval has followed it")
    } else {
        job.follows(before)
    };
    possible
        .and_then(|()| provided::claims(known, &job))
        .map_err(|why| Refused::Impossible { why })?;
    let follows = run::after_job(state, known, &job);
    let reported = Fact::JobReported { endpoint, job, record };
    Ok([reported].into_iter().chain(follows).collect())
}

/// Whether the newest certificate has ended, and not too long ago.
fn within_grace(known: &Endpoint, now: Timestamp) -> bool {
    let newest = known.certificates.iter().map(|(_, not_after)| *not_after).max();
    newest.is_some_and(|end| end <= now && now.duration_since(end).as_hours() < GRACE_HOURS)
}

/// One endpoint a name, as long as it has not left.
fn name_is_free(state: &State, name: Digest) -> Result<(), Refused> {
    let taken = |e: &Endpoint| e.name == name && e.standing != Standing::Retired;
    if state.endpoints.values().any(taken) { Err(Refused::NameTaken) } else { Ok(()) }
}

fn known<'a>(state: &'a State, endpoint: &RecordId) -> Result<&'a Endpoint, Refused> {
    state.endpoints.get(endpoint).ok_or(Refused::NoEndpoint)
}

fn stands(state: &State, endpoint: &RecordId, standing: Standing) -> Result<(), Refused> {
    let is = known(state, endpoint)?.standing;
    if is == standing { Ok(()) } else { Err(Refused::Standing { is }) }
}

/// Takes in a fact about endpoints; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::EnrolmentTokenIssued { token, name, ring, not_after } => {
            // What nobody used in time is of no use to anybody.
            state.tokens.retain(|_, token| token.used_by.is_some() || token.not_after > at);
            let (ring, not_after) = (ring.clone(), *not_after);
            let new = Token { name: *name, ring, not_after, used_by: None, misused: false };
            state.tokens.insert(*token, new);
        }
        Fact::EndpointAsked { endpoint, token, name, ring, key, request } => {
            if let Some(token) = state.tokens.get_mut(token) {
                token.used_by = Some(*key);
            }
            let new = Endpoint {
                name: *name,
                ring: ring.clone(),
                standing: Standing::Pending,
                key: *key,
                request: *request,
                token: *token,
                certificates: Vec::new(),
                inventory: None,
                plan: None,
                job: None,
                taken_out: None,
                doubt: None,
                run: None,
                resolution: None,
                snapshot: None,
                drilled_at: None,
                silent: None,
                put_back: false,
                reopened: false,
                description: Description::default(),
                election: None,
            };
            state.endpoints.insert(endpoint.clone(), new);
        }
        Fact::EndpointAskedAgain { endpoint, request } => {
            change(state, endpoint, |known| {
                (known.standing, known.request) = (Standing::Pending, *request);
            });
        }
        Fact::EnrolmentTokenMisused { token, .. } => {
            if let Some(token) = state.tokens.get_mut(token) {
                token.misused = true;
            }
        }
        Fact::EndpointConfirmed { endpoint, certificate, not_after }
        | Fact::EndpointCertificateRenewed { endpoint, certificate, not_after } => {
            certify(state, endpoint, (*certificate, *not_after), at);
        }
        Fact::EndpointRetired { endpoint, .. } => retire(state, endpoint),
        said => return take_in(state, said),
    }
    true
}

/// Takes in what an endpoint said; says whether it was that.
fn take_in(state: &mut State, fact: &Fact) -> bool {
    match fact {
        Fact::InventoryReceived { endpoint, inventory, .. } => {
            change(state, endpoint, |known| known.inventory = Some(*inventory));
        }
        Fact::PlanReceived { endpoint, plan, .. } => {
            change(state, endpoint, |known| known.plan = Some(*plan));
        }
        Fact::JobReported { endpoint, job, .. } => {
            provided::set(state, endpoint, job.clone());
            change(state, endpoint, |known| {
                (known.reopened, known.silent, known.taken_out) = (false, None, None);
            });
        }
        Fact::ReportRefused { .. } => {}
        Fact::FixReopened { endpoint, .. } => {
            change(state, endpoint, |known| known.reopened = true);
        }
        Fact::EndpointWentBack { endpoint, .. } => {
            change(state, endpoint, |known| known.put_back = false);
        }
        Fact::LogDoubted { endpoint, record } => {
            change(state, endpoint, |known| known.doubt = Some(*record));
        }
        _ => return false,
    }
    true
}

fn change(state: &mut State, endpoint: &RecordId, with: impl FnOnce(&mut Endpoint)) {
    if let Some(known) = state.endpoints.get_mut(endpoint) {
        with(known);
    }
}

fn certify(state: &mut State, endpoint: &RecordId, new: (Digest, Timestamp), at: Timestamp) {
    let Some(known) = state.endpoints.get_mut(endpoint) else { return };
    known.standing = Standing::Active;
    known.certificates.retain(|(certificate, not_after)| {
        let live = *not_after > at;
        if !live {
            state.certificates.remove(certificate);
        }
        live
    });
    known.certificates.push(new);
    state.certificates.insert(new.0, endpoint.clone());
}

/// Its certificates stay listed, so that they are known as those of one who left.
fn retire(state: &mut State, endpoint: &RecordId) {
    run::leave(state, endpoint);
    let Some(known) = state.endpoints.get_mut(endpoint) else { return };
    known.standing = Standing::Retired;
    (known.inventory, known.plan, known.job) = (None, None, None);
    let token = known.token;
    state.tokens.remove(&token);
}
