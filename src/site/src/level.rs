//! Service levels as of now, the calendar that they go by, and what is open under a patch policy.

use crate::{EndpointMissing, Error, MissingUpdate, Site, approval::KnownUpdate, rows};
use catalogue::Risk;
use fleet::{
    Actor, Calendar, Command, Deadline, ElectedFacts, Exception, Exposure, FactAsked, Level,
    LevelRow, LevelStatus, Policy, PolicyCommand, PolicyStatus, ServedFacts, UpdateFacts,
};
use ids::{Digest, EndpointName, PolicyName, RecordId, RingName, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// Most reports of jobs of one endpoint that are looked at.
const ATTEMPTS_MAX: usize = 10_000;

/// When catalogues were collected, by their digests.
#[derive(Debug, Default)]
pub(crate) struct Collected(Mutex<BTreeMap<Digest, Timestamp>>);

/// How the service levels stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelReport {
    /// As of when.
    pub at: Timestamp,
    /// As of which entry of the log.
    pub entries: u64,
    /// The calendar by which it was judged.
    pub calendar: Calendar,
    /// Rows that are met, due, missed and not recorded.
    pub counts: BTreeMap<LevelStatus, u64>,
    /// Endpoints that were elected out: no level counts them.
    pub elected_out: Vec<EndpointName>,
    /// The rows, by level and subject.
    pub rows: Vec<LevelRow>,
}

/// What is open under a patch policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyReport {
    /// As of when.
    pub at: Timestamp,
    /// As of which entry of the log.
    pub entries: u64,
    /// The policy, as it is in force.
    pub policy: Policy,
    /// Rows by how they stand.
    pub counts: BTreeMap<PolicyStatus, u64>,
    /// In how many rows a fact that the policy asks for is not known, so that it was taken as the worse.
    pub taken_as_worse: BTreeMap<FactAsked, u64>,
    /// Rows that ask for forensic triage, too.
    pub forensic_triage: u64,
    /// Endpoints of which it cannot be told what they lack, with why.
    pub untold: Vec<(EndpointName, String)>,
    /// Endpoints that were elected out.
    pub elected_out: Vec<EndpointName>,
    /// What is open.
    pub rows: Vec<PolicyRow>,
}

/// An update that an endpoint lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// Its ring.
    pub ring: RingName,
    /// The binary package.
    pub package: String,
    /// The version that it has.
    pub installed: String,
    /// The version that mends it.
    pub fixed: String,
    /// CVE ids; `None` is unknown.
    pub cves: Option<Vec<String>>,
    /// The date of the list of known exploited vulnerabilities by which it was judged.
    pub kev_as_of: Option<Timestamp>,
    /// The date of the list of SSVC decision points by which it was judged.
    pub ssvc_as_of: Option<Timestamp>,
    /// When its vendor released it.
    pub released_at: Option<Timestamp>,
    /// Which of its CVEs gave the deadline; `None` where none is known.
    pub decided_by: Option<String>,
    /// By when it is to be effective, and which rule says so.
    pub deadline: Option<Deadline>,
    /// How it stands.
    pub status: PolicyStatus,
    /// What the policy asks for and is not known here, so that it was taken as the worse.
    pub taken_as_worse: Vec<FactAsked>,
}

/// What tells a missed row from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct MissedRow {
    subject: String,
    due_at: Option<Timestamp>,
}

impl MissedRow {
    fn of(row: &LevelRow) -> Self {
        Self { subject: row.subject.clone(), due_at: row.due_at }
    }
}

impl Site {
    /// The calendar that service levels go by.
    #[must_use]
    pub fn calendar(&self) -> Calendar {
        self.state().calendar.clone().unwrap_or_default()
    }

    /// Says by which calendar the site goes.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such zone.
    pub fn set_calendar(&self, actor: Actor, calendar: Calendar) -> Result<Calendar, Error> {
        self.heart().ask(actor, Command::SetCalendar(calendar))?;
        Ok(self.calendar())
    }

    /// How the service levels stand now.
    ///
    /// # Errors
    /// [`Error::Store`] when a catalogue or a name cannot be read; [`Error::Views`].
    pub fn level_report(&self) -> Result<LevelReport, Error> {
        self.level_report_by(self.calendar())
    }

    /// The same by this calendar.
    pub(crate) fn level_report_by(&self, calendar: Calendar) -> Result<LevelReport, Error> {
        let (state, at) = (self.state(), self.now());
        let mut elected = Vec::new();
        for (id, known) in state.endpoints.iter().filter(|(_, known)| known.is_elected()) {
            elected.push(ElectedFacts {
                subject: self.name_of(&known.name)?.to_string(),
                elected_since: known.election.map(|election| election.since),
                attempts: self.attempts(id)?,
            });
        }
        let rows = fleet::levels(&calendar, &self.served()?, &elected, at);
        let mut counts = BTreeMap::new();
        for row in &rows {
            *counts.entry(row.status).or_default() += 1;
        }
        let elected_out = self.elected_out()?;
        Ok(LevelReport { at, entries: state.entries, calendar, counts, elected_out, rows })
    }

    /// Says in the log what of the service levels was missed since it was last looked, and what is kept again.
    /// Gives what is missed now. A restored appliance says nothing.
    ///
    /// # Errors
    /// As [`Self::level_report`]; [`Error::Ledger`] or [`Error::Stopped`].
    pub fn see_to_levels(&self) -> Result<Vec<LevelRow>, Error> {
        if self.restored().is_some() {
            return Ok(Vec::new());
        }
        let report = self.level_report()?;
        for level in Level::ALL {
            let rows = report.of(level).filter(|row| row.status == LevelStatus::Missed);
            let missed: BTreeSet<MissedRow> = rows.map(MissedRow::of).collect();
            let known = self.missed_before(level);
            let fresh = missed.difference(&known).count() as u64;
            let over = missed.is_empty() && self.state().level_alarms.contains_key(&level);
            if fresh == 0 && !over {
                continue;
            }
            let record = self.commit(json!({ "level": level, "missed": missed }))?;
            let missed = missed.len() as u64;
            let say = Command::SayLevel { level, missed, fresh, record };
            self.heart().ask(Actor::Appliance, say)?;
        }
        Ok(report.rows.into_iter().filter(|row| row.status == LevelStatus::Missed).collect())
    }

    /// What the last alarm of a level listed; nothing where that was erased.
    fn missed_before(&self, level: Level) -> BTreeSet<MissedRow> {
        let state = self.state();
        let record = state.level_alarms.get(&level).map(|alarm| alarm.record);
        let listed = record.and_then(|record| self.evidence().get(&record).ok());
        let listed = listed.map(|(_, mut value)| value["missed"].take());
        listed.and_then(|missed| serde_json::from_value(missed).ok()).unwrap_or_default()
    }

    /// When what each ring serves of a source was collected from its vendor.
    fn served(&self) -> Result<Vec<ServedFacts>, Error> {
        let state = self.state();
        let mut served = Vec::new();
        for ((ring, source), (sequence, _)) in &state.pointers {
            let view = state.views.get(&(source.clone(), *sequence));
            let collected_at = match view.map(|view| view.source.catalogue) {
                Some(digest) => Some(self.collected_at(source, &digest)?),
                None => None,
            };
            served.push(ServedFacts { subject: format!("{ring}: {source}"), collected_at });
        }
        Ok(served)
    }

    /// When a catalogue was collected; each is read once.
    fn collected_at(&self, source: &SourceId, catalogue: &Digest) -> Result<Timestamp, Error> {
        let kept = || self.collected().0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept().get(catalogue).copied();
        if let Some(at) = known {
            return Ok(at);
        }
        let at = self.catalogue(source, catalogue)?.collected_at;
        kept().insert(*catalogue, at);
        Ok(at)
    }

    /// When an endpoint's jobs were attempted.
    fn attempts(&self, endpoint: &RecordId) -> Result<Vec<Timestamp>, Error> {
        let key = endpoint.as_str().as_bytes();
        let rows = self.heart().views().rows::<rows::DatedRow>(rows::ATTEMPTS, key, ATTEMPTS_MAX);
        Ok(rows.map_err(Error::Views)?.into_iter().map(|(_, row)| row.at).collect())
    }

    pub(crate) fn elected_out(&self) -> Result<Vec<EndpointName>, Error> {
        let state = self.state();
        let active = |known: &&fleet::Endpoint| known.standing == fleet::Standing::Active;
        let out = state.endpoints.values().filter(active).filter(|known| !known.is_elected());
        let mut names: Vec<_> = out.map(|e| self.name_of(&e.name)).collect::<Result<_, _>>()?;
        names.sort();
        Ok(names)
    }

    /// The policies in force, or, with `all`, the built-in ones too.
    ///
    /// # Errors
    /// [`Error::State`] when the table of them cannot be read, which would be our own mistake.
    pub fn policies(&self, all: bool) -> Result<Vec<Policy>, Error> {
        let state = self.state();
        let mut policies: BTreeMap<PolicyName, Policy> = BTreeMap::new();
        if all {
            for policy in fleet::built_in().map_err(Error::State)? {
                policies.insert(policy.name.clone(), policy);
            }
        }
        policies.extend(state.policies.iter().map(|(name, policy)| (name.clone(), policy.clone())));
        Ok(policies.into_values().collect())
    }

    /// Puts a policy in force, or out of it. It is written into the log whole: what a later version calls
    /// by its name does not change it.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn change_policy(&self, actor: Actor, change: PolicyCommand) -> Result<Vec<Policy>, Error> {
        self.heart().ask(actor, Command::Policy(change))?;
        self.policies(false)
    }

    /// What is open under a policy that is in force.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is not in force; [`Error::Store`].
    pub fn policy_report(&self, name: &PolicyName) -> Result<PolicyReport, Error> {
        let (state, at) = (self.state(), self.now());
        let policy = state
            .policies
            .get(name)
            .cloned()
            .ok_or_else(|| Error::Refused(fleet::Refused::NoPolicy { policy: name.clone() }))?;
        let elected_out = self.elected_out()?;
        let (mut rows, mut untold) = (Vec::new(), Vec::new());
        for ring in state.rings.keys() {
            for EndpointMissing { endpoint, ring, updates, why } in self.missing_in(ring)? {
                if elected_out.contains(&endpoint) {
                    continue;
                }
                let Some(updates) = updates else {
                    untold.push((endpoint, why.unwrap_or_default()));
                    continue;
                };
                let id = self.endpoint_named(&endpoint)?;
                let exposure = self.known(&id)?.description.exposure;
                for update in updates {
                    let covers = |known: &&Exception| {
                        known.covers(&ring, &id, &update.package, &update.candidate)
                    };
                    let mut counting = state.exceptions.values().filter(|known| known.counts(at));
                    let excepted = counting.any(|known| covers(&known));
                    rows.push(row(&policy, (&endpoint, &ring), exposure, update, excepted, at));
                }
            }
        }
        Ok(PolicyReport::new(policy, at, state.entries, rows, untold, elected_out))
    }
}

/// What an update is judged by on an endpoint that is reached so: each of its vulnerabilities, with its facts.
pub(crate) fn facts_of(
    known: Option<&KnownUpdate>,
    exposure: Option<Exposure>,
) -> (Vec<Risk>, Vec<UpdateFacts>) {
    let advice = known.and_then(|known| known.advice.as_deref());
    let risks = match (known, advice) {
        (Some(known), Some(advice)) => advice.risks(&known.update),
        _ => vec![Risk::default()],
    };
    let facts = risks.iter().map(|risk| UpdateFacts {
        released_at: known.map(|known| known.update.released_at),
        exposure,
        kev: risk.kev,
        automatable: risk.automatable,
        total_impact: risk.total_impact,
        severity: known.and_then(|known| known.update.severity),
        cvss_tenths: risk.cvss_tenths,
        ..UpdateFacts::default()
    });
    let facts = facts.collect();
    (risks, facts)
}

/// An update that an endpoint lacks, judged.
pub(crate) fn row(
    policy: &Policy,
    (endpoint, ring): (&EndpointName, &RingName),
    exposure: Option<Exposure>,
    update: MissingUpdate,
    excepted: bool,
    at: Timestamp,
) -> PolicyRow {
    let advice = update.known.as_ref().and_then(|known| known.advice.as_deref());
    let released_at = update.released_at;
    let (risks, facts) = facts_of(update.known.as_ref(), exposure);
    let judged = policy.judge(&facts, None, excepted, at);
    PolicyRow {
        endpoint: endpoint.clone(),
        ring: ring.clone(),
        kev_as_of: advice.and_then(|advice| advice.kev_as_of),
        ssvc_as_of: advice.and_then(|advice| advice.ssvc_as_of),
        package: update.package,
        installed: update.installed,
        fixed: update.candidate,
        cves: update.cves,
        released_at,
        decided_by: risks.into_iter().nth(judged.by).and_then(|risk| risk.cve),
        deadline: judged.deadline,
        status: judged.status,
        taken_as_worse: judged.taken_as_worse,
    }
}

impl PolicyReport {
    fn new(
        policy: Policy,
        at: Timestamp,
        entries: u64,
        rows: Vec<PolicyRow>,
        untold: Vec<(EndpointName, String)>,
        elected_out: Vec<EndpointName>,
    ) -> Self {
        let (mut counts, mut taken_as_worse) = (BTreeMap::new(), BTreeMap::new());
        for row in &rows {
            *counts.entry(row.status).or_default() += 1;
            for fact in &row.taken_as_worse {
                *taken_as_worse.entry(*fact).or_default() += 1;
            }
        }
        let triage = |row: &&PolicyRow| row.deadline.as_ref().is_some_and(|d| d.forensic_triage);
        let forensic_triage = rows.iter().filter(triage).count() as u64;
        Self {
            at,
            entries,
            policy,
            counts,
            taken_as_worse,
            forensic_triage,
            untold,
            elected_out,
            rows,
        }
    }
}

impl LevelReport {
    /// Whether something was missed.
    #[must_use]
    pub fn alarms(&self) -> bool {
        self.counts.contains_key(&LevelStatus::Missed)
    }

    /// The rows of one level.
    pub fn of(&self, level: Level) -> impl Iterator<Item = &LevelRow> {
        self.rows.iter().filter(move |row| row.level == level)
    }
}
