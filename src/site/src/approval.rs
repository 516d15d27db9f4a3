//! Approving: what a ring's endpoints would apply, statements drawn up from it, and what people signed.
//!
//! The appliance holds no approver's key. It draws a statement up, the approver reads and signs it
//! elsewhere, and what comes back is judged by `trust` under the site root before it counts.

use crate::{Answer, Error, Site, rows};
use api::Plan;
use catalogue::{Advice, Catalogue, FileKind, Update, VendorSeverity};
use fleet::{Actor, Command, RingStatement, Said, Standing, StatementCommand};
use ids::{Digest, EndpointName, PersonId, RingName, SourceId, Timestamp, WindowName};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use trust::{
    APPROVAL, Approval, ApprovedPackage, Decision, Denial, Envelope, Interval, WAIVER, Waiver,
};
use vendor_apt::compare_versions;

/// Most imports that are looked at for four eyes.
pub(crate) const IMPORTS_MAX: usize = 100_000;

/// What is known of updates, by payload.
pub(crate) type KnownUpdates = HashMap<Digest, KnownUpdate>;

/// What is known of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownUpdate {
    pub(crate) source: Arc<SourceId>,
    pub(crate) update: Arc<Update>,
    pub(crate) advice: Option<Arc<Advice>>,
}

impl KnownUpdate {
    /// How severe it is: what its vendor says, or else the rating of its highest CVSS score.
    pub(crate) fn severity(&self) -> Option<VendorSeverity> {
        self.update.severity.or_else(|| VendorSeverity::of_score(self.score()?))
    }

    /// The highest CVSS v3 base score of what it mends, in tenths.
    pub(crate) fn score(&self) -> Option<u16> {
        self.advice.as_ref()?.score(&self.update)
    }

    /// Whether it mends something that is known to be exploited; `None` is unknown.
    pub(crate) fn is_exploited(&self) -> Option<bool> {
        self.advice.as_ref()?.is_exploited(&self.update)
    }
}

/// What a ring's endpoints would apply, put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingUpdates {
    /// The ring.
    pub ring: RingName,
    /// Digest of the endpoints' plans together: what an approval is bound to.
    pub plan: Digest,
    /// The endpoints whose plans are known.
    pub endpoints: Vec<EndpointName>,
    /// Of these, the ones that the appliance's provider snapshots.
    #[serde(default)]
    pub provided: Vec<EndpointName>,
    /// Endpoints that were elected out: they are in no approval.
    #[serde(default)]
    pub elected_out: Vec<EndpointName>,
    /// Endpoints that would leave out a version which their ring may not, with the packages: they are in no
    /// approval before they have it.
    #[serde(default)]
    pub below_floor: BTreeMap<EndpointName, Vec<String>>,
    /// Endpoints that have not said yet what they would apply: they are in no approval.
    pub without_plan: Vec<EndpointName>,
    /// What they would apply, sorted.
    pub updates: Vec<RingUpdate>,
    /// What each would not upgrade, because it is held or something is missing.
    pub kept_back: BTreeMap<EndpointName, Vec<String>>,
    /// The newest statement about the ring.
    pub statement: Option<RingStatement>,
}

/// One package that endpoints of a ring would apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingUpdate {
    /// Exactly what.
    #[serde(flatten)]
    pub package: ApprovedPackage,
    /// Who would.
    pub endpoints: Vec<EndpointName>,
    /// When its vendor released it; `None` where no update that is known carries it.
    pub released_at: Option<Timestamp>,
    /// CVE ids that its changelog names; `None` is unknown, not none.
    pub cves: Option<Vec<String>>,
    /// When an approver declined it, until when.
    pub declined_until: Option<Timestamp>,
    /// Whether the ring offers exactly these bytes under this name. What it does not offer is in no draft:
    /// a plan is only an endpoint's claim.
    pub offered: bool,
}

/// What an approver wants drawn up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The ring.
    pub ring: RingName,
    /// Who will sign.
    pub approver: PersonId,
    /// Whether to approve or to take back.
    pub decision: Decision,
    /// When it ends.
    pub not_after: Timestamp,
    /// When endpoints may apply; none given: in the ring's windows, or, where it has none, from now on
    /// until it ends.
    pub windows: Vec<Interval>,
    /// Only in these of the ring's windows, besides.
    #[serde(default)]
    pub named: Vec<WindowName>,
    /// From now on until it ends, although the ring has windows.
    #[serde(default)]
    pub any_time: bool,
    /// Only these endpoints; none given: all whose plans are known.
    pub endpoints: Vec<EndpointName>,
    /// Only these packages; none given: all that were not declined.
    pub packages: Vec<String>,
    /// Why, in the approver's words.
    pub reason: Option<String>,
}

/// For how long a withdrawal stands unless a newer statement follows: agents obey none that is older in any case.
const WITHDRAWAL_DAYS: i64 = 3650;

impl Wish {
    /// To take back what was approved of a ring.
    ///
    /// # Errors
    /// [`Error::Input`] where `now` is too near the end of what can be told.
    pub fn withdrawal(
        ring: RingName,
        approver: PersonId,
        reason: String,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let not_after = now.checked_add(SignedDuration::from_hours(24 * WITHDRAWAL_DAYS));
        Ok(Self {
            ring,
            approver,
            decision: Decision::Withdraw,
            not_after: not_after.map_err(|e| Error::Input(e.to_string()))?,
            windows: Vec::new(),
            named: Vec::new(),
            any_time: false,
            endpoints: Vec::new(),
            packages: Vec::new(),
            reason: Some(reason),
        })
    }
}

/// The plans of a ring's endpoints.
struct Planned {
    digest: Digest,
    plans: BTreeMap<EndpointName, Plan>,
    provided: Vec<EndpointName>,
    elected_out: Vec<EndpointName>,
    without_plan: Vec<EndpointName>,
}

/// A payload that a ring offers.
struct Offered {
    path: String,
    /// The update that carries it, where one is known, and its place among the update's payloads.
    update: Option<(Arc<Update>, usize)>,
    source: Arc<SourceId>,
    /// What its catalogue says of vulnerabilities.
    advice: Option<Arc<Advice>>,
}

impl Offered {
    /// Whether it goes by the name that an endpoint gives it: as the update says, else as Debian names
    /// files (`name_version_architecture.deb`, without the version's epoch).
    fn is_of(&self, package: &ApprovedPackage) -> bool {
        let ApprovedPackage { package, architecture, version, .. } = package;
        if let Some(payload) = self.update.as_ref().and_then(|(u, n)| u.payloads.get(*n)) {
            return (&payload.package, &payload.version, &payload.architecture)
                == (package, version, architecture);
        }
        let version = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
        let file = self.path.rsplit('/').next().unwrap_or_default();
        file == format!("{package}_{version}_{architecture}.deb")
    }
}

impl Site {
    /// What a ring's endpoints would apply.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such ring; [`Error::Store`] when a plan was erased.
    pub fn ring_updates(&self, ring: &RingName) -> Result<RingUpdates, Error> {
        let state = self.state();
        let Planned { digest: plan, plans, without_plan, provided, elected_out } =
            self.planned(ring)?;
        let mut who: BTreeMap<ApprovedPackage, Vec<EndpointName>> = BTreeMap::new();
        let (mut kept_back, mut below_floor) = (BTreeMap::new(), BTreeMap::new());
        for (name, plan) in &plans {
            let below = below(&state, ring, plan);
            if !below.is_empty() {
                below_floor.insert(name.clone(), below);
            }
            for planned in &plan.packages {
                who.entry(planned.package.clone()).or_default().push(name.clone());
            }
            if !plan.kept_back.is_empty() {
                kept_back.insert(name.clone(), plan.kept_back.clone());
            }
        }
        let offered = self.offered(ring)?;
        let now = self.now();
        let update = |(package, endpoints): (ApprovedPackage, Vec<EndpointName>)| {
            let offer = offered.get(&package.sha256).filter(|offer| offer.is_of(&package));
            let update = offer.and_then(|offer| offer.update.as_ref());
            let declined = state.declined.get(&(ring.clone(), package.package.clone()));
            let declined = declined.filter(|d| d.version == package.version && d.not_after > now);
            RingUpdate {
                released_at: update.map(|(update, _)| update.released_at),
                cves: update.and_then(|(update, _)| update.cves.clone()),
                declined_until: declined.map(|declined| declined.not_after),
                offered: offer.is_some(),
                package,
                endpoints,
            }
        };
        Ok(RingUpdates {
            ring: ring.clone(),
            plan,
            endpoints: plans.keys().cloned().collect(),
            provided,
            elected_out,
            below_floor,
            without_plan,
            updates: who.into_iter().map(update).collect(),
            kept_back,
            statement: state.statements.get(ring).cloned(),
        })
    }

    /// Endpoints of a ring whose plans would leave out the floor that `state` has for a package.
    pub(crate) fn below_floor(
        &self,
        state: &fleet::State,
        ring: &RingName,
        package: &str,
    ) -> Result<Vec<EndpointName>, Error> {
        let plans = self.planned(ring)?.plans;
        let leaves = |plan: &Plan| below(state, ring, plan).iter().any(|name| name == package);
        Ok(plans.into_iter().filter(|(_, plan)| leaves(plan)).map(|(name, _)| name).collect())
    }

    /// The plans of a ring's endpoints, and the digest of them together.
    fn planned(&self, ring: &RingName) -> Result<Planned, Error> {
        let state = self.state();
        if !state.rings.contains_key(ring) {
            return Err(Error::Refused(fleet::Refused::NoRing { ring: ring.clone() }));
        }
        let active = |e: &&fleet::Endpoint| e.standing == Standing::Active && e.ring == *ring;
        let (mut plans, mut without_plan) = (BTreeMap::new(), BTreeSet::new());
        let (mut provided, mut elected_out) = (BTreeSet::new(), BTreeSet::new());
        for endpoint in state.endpoints.values().filter(active) {
            let name = self.name_of(&endpoint.name)?;
            if !endpoint.is_elected() {
                elected_out.insert(name);
                continue;
            }
            let Some(plan) = &endpoint.plan else {
                without_plan.insert(name);
                continue;
            };
            let (_, value) = self.evidence().get(plan).map_err(Error::Store)?;
            if endpoint.description.provider.is_some() {
                provided.insert(name.clone());
            }
            plans.insert(name, serde_json::from_value::<Plan>(value).map_err(Error::State)?);
        }
        let canonical = serde_json_canonicalizer::to_vec(&json!({ "ring": ring, "plans": plans }));
        let digest = Digest::of(&canonical.map_err(Error::State)?);
        Ok(Planned {
            digest,
            plans,
            provided: provided.into_iter().collect(),
            elected_out: elected_out.into_iter().collect(),
            without_plan: without_plan.into_iter().collect(),
        })
    }

    /// Release dates and CVEs of the payloads that the ring points at.
    pub(crate) fn known_updates(&self, ring: &RingName) -> Result<Arc<KnownUpdates>, Error> {
        let aims = self.aims(ring);
        if let Some(known) = self.applies().known(&aims) {
            return Ok(known);
        }
        let known = |(sha256, offered): (Digest, Offered)| {
            let (update, _) = offered.update?;
            let Offered { source, advice, .. } = offered;
            Some((sha256, KnownUpdate { source, update, advice }))
        };
        let known = Arc::new(self.offered(ring)?.into_iter().filter_map(known).collect());
        self.applies().learn(aims, Arc::clone(&known));
        Ok(known)
    }

    /// The payloads of the views at which a ring points.
    fn offered(&self, ring: &RingName) -> Result<HashMap<Digest, Offered>, Error> {
        let state = self.state();
        let mut offered = HashMap::new();
        for ((_, source), (sequence, _)) in state.pointers.iter().filter(|((r, _), _)| r == ring) {
            let Some(kept) = state.views.get(&(source.clone(), *sequence)) else { continue };
            let catalogue: Catalogue = self.catalogue(source, &kept.source.catalogue)?;
            let advice = catalogue.advice.map(Arc::new);
            let source = Arc::new(source.clone());
            for file in catalogue.files.into_iter().filter(|f| f.kind == FileKind::Payload) {
                let (source, advice) = (Arc::clone(&source), advice.clone());
                let payload = Offered { path: file.path, update: None, source, advice };
                offered.insert(file.sha256, payload);
            }
            for update in catalogue.updates {
                let update = Arc::new(update);
                for (place, payload) in update.payloads.iter().enumerate() {
                    if let Some(offered) = offered.get_mut(&payload.sha256) {
                        offered.update = Some((Arc::clone(&update), place));
                    }
                }
            }
        }
        Ok(offered)
    }

    /// Draws a statement up, for its approver to read and sign: nothing is changed yet.
    ///
    /// # Errors
    /// [`Error::Input`] when it would approve nothing, or names what is not there; [`Error::Denied`]
    /// when it does not hold together.
    pub fn draft_statement(&self, wish: Wish) -> Result<Envelope, Error> {
        let now = self.now();
        let updates = self.ring_updates(&wish.ring)?;
        let generation = self.state().next_statement(&wish.ring);
        let mut approval = Approval {
            schema: 1,
            decision: wish.decision,
            site: self.name()?,
            ring: wish.ring.clone(),
            generation,
            approver: wish.approver.clone(),
            issued_at: now,
            not_after: wish.not_after,
            plan: updates.plan,
            endpoints: Vec::new(),
            provided: Vec::new(),
            windows: Vec::new(),
            packages: Vec::new(),
            cves: Vec::new(),
            reason: wish.reason.clone(),
        };
        if wish.decision == Decision::Approve {
            approval.windows = self.spans_for(&wish, now)?;
            fill(&mut approval, &wish, &updates)?;
        }
        let payload = approval.to_payload().map_err(Error::Denied)?;
        Ok(Envelope::unsigned(APPROVAL, &payload))
    }

    /// Takes a statement that its approver signed, or, where `attested`, one that only this appliance
    /// attests to. Statements that are not taken are events too.
    ///
    /// # Errors
    /// [`Error::Denied`] and [`Error::Refused`]: what counts is as before.
    pub fn accept_statement(
        &self,
        actor: Actor,
        envelope: &Envelope,
        attested: bool,
    ) -> Result<RingStatement, Error> {
        let root = self.newest_site_root()?;
        let (root, _) = root.ok_or_else(no_root)?;
        let judged = if attested {
            Approval::unverified(envelope).map(|approval| Said::Attested(Box::new(approval)))
        } else {
            Approval::verify(&root, envelope, self.now()).map(|a| Said::Signed(Box::new(a)))
        };
        let said = judged.map_err(|denial| self.denied(&actor, denial))?;
        let approval: &Approval = match &said {
            Said::Signed(approval) => approval,
            Said::Attested(approval) => approval,
        };
        let ring = approval.ring.clone();
        let payload = envelope.unverified_payload(APPROVAL).map_err(Error::Denied)?;
        let command = StatementCommand::Accept {
            statement: Digest::of(&payload),
            envelope: self.keep(&envelope.to_bytes())?,
            policy: root.policy,
            plan: self.planned(&ring)?.digest,
            importers: self.importers(&ring)?,
            run: Some(self.new_run(approval)?),
            said,
        };
        if let Err(error) = self.heart().ask(actor.clone(), Command::Statement(command)) {
            if let Error::Refused(refused) = &error {
                self.record_refusal(&actor, "not-allowed", refused.to_string())?;
            }
            return Err(error);
        }
        let newest = self.state().statements.get(&ring).cloned();
        newest.ok_or_else(|| Error::Input("the statement is not there".to_owned()))
    }

    /// Takes a statement that was drawn up and not signed yet, with what the approver's browser signed of it.
    ///
    /// # Errors
    /// As [`Self::accept_statement`]; [`Error::Input`] where it is of no key of theirs. Each is an event.
    pub fn accept_from_browser(
        &self,
        actor: Actor,
        draft: Envelope,
        given: &Answer,
    ) -> Result<RingStatement, Error> {
        let signed = self.signed_in_browser(&actor, APPROVAL, draft, given)?;
        self.accept_statement(actor, &signed, false)
    }

    /// A denial, which the ledger has heard of.
    pub(crate) fn denied(&self, actor: &Actor, denial: Denial) -> Error {
        match self.record_refusal(actor, denial.code(), denial.to_string()) {
            Ok(()) => Error::Denied(denial),
            Err(error) => error,
        }
    }

    /// Says in the ledger that a statement was not taken, and why.
    pub(crate) fn record_refusal(
        &self,
        actor: &Actor,
        reason: &str,
        message: String,
    ) -> Result<(), Error> {
        let refuse = StatementCommand::Refuse { reason: reason.to_owned(), message };
        self.heart().ask(actor.clone(), Command::Statement(refuse)).map(drop)
    }

    /// Who imported bundles, or carried payloads, since the oldest view was imported that is kept of what
    /// the ring points at: any of them may have brought what an approval names.
    fn importers(&self, ring: &RingName) -> Result<Vec<PersonId>, Error> {
        let state = self.state();
        let sources: BTreeSet<_> =
            state.pointers.keys().filter(|(r, _)| r == ring).map(|(_, source)| source).collect();
        let kept: BTreeSet<u64> = (state.views.keys())
            .filter(|(source, _)| sources.contains(source))
            .map(|(_, sequence)| *sequence)
            .collect();
        let rows =
            self.heart().views().rows::<rows::ImporterRow>(rows::IMPORTERS, b"", IMPORTS_MAX);
        let rows = rows.map_err(Error::Views)?;
        // A view that an epoch before this one brought is older than all that this log tells.
        let mut before = false;
        for sequence in &kept {
            let here = self.heart().views().row(rows::IMPORTS, &sequence.to_be_bytes());
            before |= here.map_err(Error::Views)?.is_none();
        }
        let brought = rows.iter().filter(|(_, row)| kept.contains(&row.sequence));
        let first = brought.map(|(_, row)| row.entry).min().unwrap_or(u64::MAX);
        let oldest = if before { 0 } else { first };
        let since = rows.into_iter().map(|(_, row)| row).filter(|row| row.entry >= oldest);
        let mut people: BTreeSet<PersonId> = since.map(|row| row.person).collect();
        if before {
            people.extend(state.importers_before.iter().cloned());
        }
        Ok(people.into_iter().collect())
    }

    /// Leaves one version of a package out of what is drawn up for a ring.
    ///
    /// # Errors
    /// [`Error::Input`] when no endpoint of the ring would apply it, or there is no reason.
    pub fn decline(
        &self,
        actor: Actor,
        ring: RingName,
        package: &str,
        reason: &str,
        not_after: Timestamp,
    ) -> Result<Vec<RingUpdate>, Error> {
        if reason.trim().is_empty() || not_after <= self.now() {
            return Err(Error::Input("declining needs a reason, and an end ahead".to_owned()));
        }
        let updates = self.ring_updates(&ring)?.updates;
        let mut declined: Vec<RingUpdate> =
            updates.into_iter().filter(|update| update.package.package == package).collect();
        if declined.is_empty() {
            let message = format!("no endpoint of ring {ring} would apply {package}");
            return Err(Error::Input(message));
        }
        let versions: BTreeSet<String> =
            declined.iter().map(|update| update.package.version.clone()).collect();
        for version in versions {
            let record = self.commit(json!({ "reason": reason.trim() }))?;
            let (ring, package) = (ring.clone(), package.to_owned());
            let decline = StatementCommand::Decline { ring, package, version, record, not_after };
            self.heart().ask(actor.clone(), Command::Statement(decline))?;
        }
        for update in &mut declined {
            update.declined_until = Some(not_after);
        }
        Ok(declined)
    }

    /// Draws a waiver up, for its approver to read and sign.
    ///
    /// # Errors
    /// [`Error::Denied`] when it does not hold together.
    pub fn draft_waiver(
        &self,
        mut endpoints: Vec<EndpointName>,
        reason: String,
        approver: PersonId,
        not_after: Timestamp,
    ) -> Result<Envelope, Error> {
        endpoints.sort();
        endpoints.dedup();
        let issued_at = self.now();
        let site = self.name()?;
        let waiver = Waiver { schema: 1, site, endpoints, reason, approver, issued_at, not_after };
        let payload = waiver.to_payload().map_err(Error::Denied)?;
        Ok(Envelope::unsigned(WAIVER, &payload))
    }

    /// Takes a waiver that its approver signed.
    ///
    /// # Errors
    /// [`Error::Denied`] and [`Error::Refused`]: nothing is changed.
    pub fn accept_waiver(&self, actor: Actor, envelope: &Envelope) -> Result<(), Error> {
        let root = self.newest_site_root()?;
        let (root, _) = root.ok_or_else(no_root)?;
        let waiver = Waiver::verify(&root, envelope, self.now());
        let waiver = Box::new(waiver.map_err(|denial| self.denied(&actor, denial))?);
        let envelope = self.keep(&envelope.to_bytes())?;
        let accept = StatementCommand::AcceptWaiver { waiver, envelope };
        self.heart().ask(actor, Command::Statement(accept)).map(drop)
    }
}

/// Packages that a plan would take past a floor of the ring without having it.
fn below(state: &fleet::State, ring: &RingName, plan: &Plan) -> Vec<String> {
    if state.floors.is_empty() {
        return Vec::new();
    }
    let jumps = |planned: &&api::PlannedPackage| {
        let (package, installed) = (&planned.package, planned.replaces.as_ref());
        let floor = state.floors.get(&(ring.clone(), package.package.clone()));
        let (Some(floor), Some(installed)) = (floor, installed) else { return false };
        // What cannot be read is not known to have passed it.
        let passed = compare_versions(installed, floor).is_ok_and(|order| order.is_ge());
        !passed && !compare_versions(&package.version, floor).is_ok_and(|order| order.is_le())
    };
    plan.packages.iter().filter(jumps).map(|planned| planned.package.package.clone()).collect()
}

/// Whom, what and when an approval names.
fn fill(approval: &mut Approval, wish: &Wish, updates: &RingUpdates) -> Result<(), Error> {
    let ring = &wish.ring;
    for name in &wish.endpoints {
        if !updates.endpoints.contains(name) {
            let message = format!("ring {ring} has no endpoint {name} whose plan is known");
            return Err(Error::Input(message));
        }
    }
    for package in &wish.packages {
        if !updates.updates.iter().any(|update| update.package.package == *package) {
            let message = format!("no endpoint of ring {ring} would apply {package}");
            return Err(Error::Input(message));
        }
    }
    if let Some((name, packages)) =
        wish.endpoints.iter().find_map(|name| updates.below_floor.get_key_value(name))
    {
        let packages = packages.join(", ");
        let message = format!(
            "{name} would leave out a version of {packages} that ring {ring} may not: point the ring at a view \
             that offers it first"
        );
        return Err(Error::Input(message));
    }
    let named = |name: &EndpointName| {
        (wish.endpoints.is_empty() || wish.endpoints.contains(name))
            && !updates.below_floor.contains_key(name)
    };
    approval.endpoints = updates.endpoints.iter().filter(|name| named(name)).cloned().collect();
    approval.provided = updates.provided.iter().filter(|name| named(name)).cloned().collect();
    let mut cves = BTreeSet::new();
    for update in &updates.updates {
        let wanted = if wish.packages.is_empty() {
            update.declined_until.is_none()
        } else {
            wish.packages.contains(&update.package.package)
        };
        if wanted && update.offered && update.endpoints.iter().any(named) {
            approval.packages.push(update.package.clone());
            cves.extend(update.cves.iter().flatten().cloned());
        }
    }
    if approval.packages.is_empty() {
        let message =
            format!("the endpoints of ring {ring} would apply nothing that is to be approved");
        return Err(Error::Input(message));
    }
    approval.cves = cves.into_iter().collect();
    if approval.windows.is_empty() {
        approval.windows.push(Interval { opens: approval.issued_at, closes: approval.not_after });
    }
    Ok(())
}

fn no_root() -> Error {
    let message = "the site has no root yet, so it obeys no approver: draw one up with \
        `patchkeep site draft` first";
    Error::Input(message.to_owned())
}
