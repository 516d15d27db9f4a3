//! Patch policies, as data: by when an update must be effective, and which clock says so.
//!
//! A policy is a list of rules. Every rule whose condition holds gives a deadline, and the earliest counts.
//! What is not known of an update or an endpoint is taken as the worse: an unknown fact fulfils each
//! condition. What built-in policies say is from the sources that each names, and no more; what was not read at its
//! source says so.
//!
//! An update that mends several vulnerabilities is judged by each, and the strictest counts ([`Policy::judge`]).

use crate::{Fact, Refused, State};
use catalogue::VendorSeverity;
use ids::{PolicyName, Timestamp};
use jiff::{SignedDuration, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most policies in force, and most rules of one.
const POLICIES_MAX: usize = 50;
/// Longest text in a policy in bytes.
const TEXT_BYTES_MAX: usize = 500;
const DAY_HOURS: i64 = 24;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// What people call it.
    pub title: String,
    /// Where it is from, and how well that was read.
    pub basis: String,
    /// Its rules.
    pub rules: Vec<PolicyRule>,
}

/// One rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// What reports call it.
    pub name: String,
    /// When it applies.
    #[serde(default)]
    pub when: Condition,
    /// From when it counts.
    pub clock: Clock,
    /// How long there is.
    pub limit: Limit,
    /// What must have happened by then.
    #[serde(default)]
    pub step: Step,
    /// Whether the endpoint must be looked at for signs of a break-in, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forensic_triage: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// When a rule applies; what is left out is not asked. All parts hold together; of the three about
/// severity one is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The vendor says one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<VendorSeverity>,
    /// The CVSS base score is this or more, in tenths: 70 is 7.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss_tenths: Option<u16>,
    /// The endpoint is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposure: Vec<Exposure>,
    /// Whether it is known to be exploited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kev: Option<bool>,
    /// Whether exploiting it can be automated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatable: Option<bool>,
    /// Whether its technical impact is total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_impact: Option<bool>,
}

/// How an endpoint can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum Exposure {
    /// It serves the internet.
    Internet,
    /// It uses the internet.
    Connected,
    /// It is on a network inside.
    Internal,
    /// Its network has no way out.
    AirGapped,
}

impl Exposure {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Internet => "internet-facing",
            Self::Connected => "connected",
            Self::Internal => "internal",
            Self::AirGapped => "air-gapped",
        }
    }
}

/// From when a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The vendor released the update.
    VendorRelease,
    /// An alert about it was issued.
    AlertIssued,
    /// The alert was acknowledged.
    AlertAcknowledged,
}

/// How long there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// So many hours.
    Hours(u16),
    /// So many days of 24 hours.
    Days(u16),
    /// So many calendar months, in UTC.
    Months(u8),
    /// Until the next upgrade: no date.
    NextUpgrade,
}

/// What must have happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The update is effective.
    #[default]
    Effective,
    /// The alert is acknowledged.
    Acknowledged,
    /// Whoever issued the alert has been told how it stands.
    Told,
}

/// What is known of an update and of the endpoint that lacks it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UpdateFacts {
    /// When its vendor released it.
    pub released_at: Option<Timestamp>,
    /// What the vendor calls it; `None` is unknown, which Cyber Essentials counts as high.
    pub severity: Option<VendorSeverity>,
    /// CVSS base score in tenths.
    pub cvss_tenths: Option<u16>,
    /// Whether it is known to be exploited.
    pub kev: Option<bool>,
    /// Whether exploiting it can be automated.
    pub automatable: Option<bool>,
    /// Whether its technical impact is total.
    pub total_impact: Option<bool>,
    /// How the endpoint can be reached.
    pub exposure: Option<Exposure>,
    /// When an alert about it was issued.
    pub alert_issued_at: Option<Timestamp>,
    /// When that was acknowledged.
    pub alert_acknowledged_at: Option<Timestamp>,
}

/// By when something must have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The rule that says so.
    pub rule: String,
    /// Which clock started it.
    pub clock: Clock,
    /// When that was.
    pub started_at: Timestamp,
    /// By when; `None` with the next upgrade.
    pub due_at: Option<Timestamp>,
    /// Whether a rule that holds asks for forensic triage, too.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forensic_triage: bool,
}

/// A fact that a rule may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactAsked {
    /// The vendor's severity, or a CVSS score in its place.
    Severity,
    /// How the endpoint can be reached.
    Exposure,
    /// Whether it is known to be exploited.
    Kev,
    /// Whether exploiting it can be automated.
    Automatable,
    /// Its technical impact.
    Impact,
}

/// An update on an endpoint, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Which of the facts that were judged decided: its place.
    pub by: usize,
    /// By when it is to be effective.
    pub deadline: Option<Deadline>,
    /// How it stands.
    pub status: PolicyStatus,
    /// What rules ask for and is not known, so that it was taken as the worse.
    pub taken_as_worse: Vec<FactAsked>,
}

/// How an update stands on an endpoint under a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyStatus {
    /// Effective in time.
    Done,
    /// Effective, but late.
    Late,
    /// Not effective, and there is time.
    Due,
    /// Not effective, and its time is over.
    Overdue,
    /// Not effective, and an exception that counts stands for it.
    Excepted,
    /// No rule asks for it.
    NotAsked,
    /// Its clock cannot be told: no release date is known.
    Unknown,
}

impl FactAsked {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Severity => "severity",
            Self::Exposure => "exposure",
            Self::Kev => "KEV",
            Self::Automatable => "automatable",
            Self::Impact => "impact",
        }
    }
}

impl Condition {
    /// What it asks for and is not known.
    fn unknown(&self, facts: &UpdateFacts) -> impl Iterator<Item = FactAsked> {
        let rated =
            facts.severity.is_some() || (facts.cvss_tenths.is_some() && self.severity.is_empty());
        [
            (
                FactAsked::Severity,
                (self.severity.is_empty() && self.cvss_tenths.is_none()) || rated,
            ),
            (FactAsked::Exposure, self.exposure.is_empty() || facts.exposure.is_some()),
            (FactAsked::Kev, self.kev.is_none() || facts.kev.is_some()),
            (FactAsked::Automatable, self.automatable.is_none() || facts.automatable.is_some()),
            (FactAsked::Impact, self.total_impact.is_none() || facts.total_impact.is_some()),
        ]
        .into_iter()
        .filter_map(|(fact, settled)| (!settled).then_some(fact))
    }

    /// Whether it holds; what is not known is taken as the worse.
    #[must_use]
    pub fn holds(&self, facts: &UpdateFacts) -> bool {
        let rated = match (facts.severity, facts.cvss_tenths) {
            (None, None) => true,
            (severity, score) => {
                severity.is_some_and(|severity| self.severity.contains(&severity))
                    || self.cvss_tenths.is_some_and(|least| score.is_some_and(|s| s >= least))
                    // A score says nothing of what the vendor would have said.
                    || (severity.is_none() && !self.severity.is_empty())
            }
        };
        let asks = !self.severity.is_empty() || self.cvss_tenths.is_some();
        let fits = |asked: Option<bool>, known: Option<bool>| {
            asked.is_none() || known.is_none() || asked == known
        };
        (!asks || rated)
            && (self.exposure.is_empty()
                || facts.exposure.is_none_or(|exposure| self.exposure.contains(&exposure)))
            && fits(self.kev, facts.kev)
            && fits(self.automatable, facts.automatable)
            && fits(self.total_impact, facts.total_impact)
    }
}

impl Limit {
    fn after(self, start: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Hours(hours) => start.checked_add(SignedDuration::from_hours(hours.into())).ok(),
            Self::Days(days) => {
                start.checked_add(SignedDuration::from_hours(i64::from(days) * DAY_HOURS)).ok()
            }
            Self::Months(months) => {
                let local = start.to_zoned(TimeZone::UTC);
                local.checked_add(i64::from(months).months()).ok().map(|at| at.timestamp())
            }
            Self::NextUpgrade => None,
        }
    }
}

impl PolicyRule {
    /// By when it wants something; `None` where its clock has not begun, or is not known.
    fn deadline(&self, facts: &UpdateFacts) -> Option<Deadline> {
        let started_at = match self.clock {
            Clock::VendorRelease => facts.released_at,
            Clock::AlertIssued => facts.alert_issued_at,
            Clock::AlertAcknowledged => facts.alert_acknowledged_at,
        }?;
        Some(Deadline {
            rule: self.name.clone(),
            clock: self.clock,
            started_at,
            due_at: self.limit.after(started_at),
            forensic_triage: self.forensic_triage,
        })
    }
}

impl Deadline {
    /// The strictest first.
    fn order(&self) -> (Timestamp, bool) {
        (self.due_at.unwrap_or(Timestamp::MAX), !self.forensic_triage)
    }
}

impl Policy {
    /// By when this step must have happened: the earliest of what the rules say.
    #[must_use]
    pub fn deadline(&self, facts: &UpdateFacts, step: Step) -> Option<Deadline> {
        let asks = self.rules.iter().filter(|rule| rule.step == step && rule.when.holds(facts));
        let deadlines: Vec<Deadline> = asks.filter_map(|rule| rule.deadline(facts)).collect();
        let forensic_triage = deadlines.iter().any(|deadline| deadline.forensic_triage);
        let first = deadlines.into_iter().min_by_key(Deadline::order)?;
        Some(Deadline { forensic_triage, ..first })
    }

    /// Judges an update by the facts of each vulnerability that it mends: the strictest counts. Of none,
    /// by nothing known.
    #[must_use]
    pub fn judge(
        &self,
        all: &[UpdateFacts],
        effective_at: Option<Timestamp>,
        excepted: bool,
        now: Timestamp,
    ) -> Judgement {
        let judged = |(by, facts): (usize, &UpdateFacts)| Judgement {
            by,
            deadline: self.deadline(facts, Step::Effective),
            status: self.status(facts, effective_at, excepted, now),
            taken_as_worse: self.taken_as_worse(facts),
        };
        // Of two that are equally strict, the one of which more is known says more.
        let strictest = all.iter().enumerate().map(judged).min_by_key(|judgement| {
            let order = judgement.deadline.as_ref().map(Deadline::order);
            let unasked = judgement.status == PolicyStatus::NotAsked;
            (order.is_none(), order, unasked, judgement.taken_as_worse.len())
        });
        strictest.unwrap_or_else(|| judged((0, &UpdateFacts::default())))
    }

    /// What rules about being effective ask for and is not known.
    fn taken_as_worse(&self, facts: &UpdateFacts) -> Vec<FactAsked> {
        let rules = self.rules.iter().filter(|rule| rule.step == Step::Effective);
        let unknown: BTreeSet<FactAsked> =
            rules.flat_map(|rule| rule.when.unknown(facts)).collect();
        unknown.into_iter().collect()
    }

    /// How an update stands: effective since then, if it is, and whether an exception counts.
    #[must_use]
    pub fn status(
        &self,
        facts: &UpdateFacts,
        effective_at: Option<Timestamp>,
        excepted: bool,
        now: Timestamp,
    ) -> PolicyStatus {
        let Some(deadline) = self.deadline(facts, Step::Effective) else {
            let asked = self.rules.iter().any(|rule| {
                rule.step == Step::Effective
                    && rule.clock == Clock::VendorRelease
                    && rule.when.holds(facts)
            });
            return if asked { PolicyStatus::Unknown } else { PolicyStatus::NotAsked };
        };
        let in_time = |at: Timestamp| deadline.due_at.is_none_or(|due| at <= due);
        match effective_at {
            Some(at) if in_time(at) => PolicyStatus::Done,
            Some(_) => PolicyStatus::Late,
            None if excepted => PolicyStatus::Excepted,
            None if in_time(now) => PolicyStatus::Due,
            None => PolicyStatus::Overdue,
        }
    }

    fn is_sound(&self) -> bool {
        let texts =
            [&self.title, &self.basis].into_iter().chain(self.rules.iter().map(|r| &r.name));
        let plain = |text: &String| {
            (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
        };
        (1..=POLICIES_MAX).contains(&self.rules.len()) && texts.into_iter().all(plain)
    }
}

impl PolicyStatus {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Late => "late",
            Self::Due => "due",
            Self::Overdue => "OVERDUE",
            Self::Excepted => "excepted",
            Self::NotAsked => "not asked",
            Self::Unknown => "release date unknown",
        }
    }
}

/// The built-in policies.
///
/// # Errors
/// Only if the table is not what it should be, which a test rules out.
pub fn built_in() -> Result<Vec<Policy>, serde_json::Error> {
    serde_json::from_str(include_str!("policy.json"))
}

/// What may be asked about policies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum PolicyCommand {
    /// Put a policy in force, or change it.
    Set { policy: Policy },
    /// Put one out of force.
    Remove { policy: PolicyName },
}

/// What follows from a command about policies.
pub(crate) fn decide(state: &State, command: PolicyCommand) -> Result<Vec<Fact>, Refused> {
    match command {
        PolicyCommand::Set { policy } => {
            let known = state.policies.get(&policy.name);
            let full = known.is_none() && state.policies.len() >= POLICIES_MAX;
            if full || !policy.is_sound() {
                return Err(Refused::Policy { policy: policy.name });
            }
            let same = known == Some(&policy);
            Ok((!same).then_some(Fact::PolicySet { policy }).into_iter().collect())
        }
        PolicyCommand::Remove { policy } if state.policies.contains_key(&policy) => {
            Ok(vec![Fact::PolicyRemoved { policy }])
        }
        PolicyCommand::Remove { policy } => Err(Refused::NoPolicy { policy }),
    }
}

/// Takes in a fact about what a site goes by; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact) -> bool {
    match fact {
        Fact::CalendarSet(calendar) => state.calendar = Some(calendar.clone()),
        Fact::PolicySet { policy } => {
            state.policies.insert(policy.name.clone(), policy.clone());
        }
        Fact::PolicyRemoved { policy } => {
            state.policies.remove(policy);
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn policy(name: &str) -> Policy {
        let found = built_in().unwrap().into_iter().find(|policy| policy.name.as_str() == name);
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    fn released() -> UpdateFacts {
        UpdateFacts { released_at: Some(at("2026-10-20T10:00:00Z")), ..UpdateFacts::default() }
    }

    fn due(policy: &Policy, facts: &UpdateFacts) -> Option<String> {
        let deadline = policy.deadline(facts, Step::Effective)?;
        Some(deadline.due_at.unwrap().to_string())
    }

    #[test]
    fn the_table_is_sound_and_each_policy_says_where_it_is_from() {
        let all = built_in().unwrap();
        let names: Vec<&str> = all.iter().map(|policy| policy.name.as_str()).collect();
        assert_eq!(names, ["cyber-essentials", "ncsc", "nhs-alerts", "pci-dss", "cisa-bod-26-04"]);
        for policy in &all {
            assert!(policy.is_sound(), "{policy:?}");
            // Where it is from, or that others quote it so; notes of ours are not for who reads it.
            let said = ["(", "as others quote"].iter().any(|words| policy.basis.contains(words));
            assert!(said && !policy.basis.contains('['), "{}: {}", policy.name, policy.basis);
        }
    }

    #[test]
    fn cyber_essentials_counts_fourteen_days_over_a_change_of_clocks() {
        let ce = policy("cyber-essentials");
        let with = |severity, cvss_tenths| UpdateFacts { severity, cvss_tenths, ..released() };
        let fortnight = Some("2026-11-03T10:00:00Z".to_owned());
        use VendorSeverity::{Critical, High, Low, Medium};
        for (severity, score) in [
            (Some(Critical), None),
            (Some(High), None),
            (Some(Low), Some(70)),
            (None, None),
            (None, Some(31)),
        ] {
            assert_eq!(due(&ce, &with(severity, score)), fortnight, "{severity:?} {score:?}");
        }
        for (severity, score) in [(Some(Medium), None), (Some(Low), Some(69))] {
            assert_eq!(due(&ce, &with(severity, score)), None, "{severity:?} {score:?}");
        }
        let (facts, now) = (released(), at("2026-12-01T00:00:00Z"));
        let status = |effective: Option<&str>| ce.status(&facts, effective.map(at), false, now);
        assert_eq!(status(Some("2026-11-03T10:00:00Z")), PolicyStatus::Done);
        assert_eq!(status(Some("2026-11-03T10:00:01Z")), PolicyStatus::Late);
        assert_eq!(status(None), PolicyStatus::Overdue);
        assert_eq!(ce.status(&facts, None, true, now), PolicyStatus::Excepted);
        assert_eq!(ce.status(&facts, None, false, facts.released_at.unwrap()), PolicyStatus::Due);
        assert_eq!(ce.status(&UpdateFacts::default(), None, false, now), PolicyStatus::Unknown);
        let low = with(Some(Low), None);
        assert_eq!(ce.status(&low, None, false, now), PolicyStatus::NotAsked);
    }

    #[test]
    fn the_ncsc_counts_by_exposure_and_takes_the_unknown_as_the_worse() {
        let ncsc = policy("ncsc");
        let day = |exposure: Option<Exposure>| {
            let due = due(&ncsc, &UpdateFacts { exposure, ..released() }).unwrap();
            at(&due).duration_since(released().released_at.unwrap()).as_hours() / 24
        };
        assert_eq!(day(Some(Exposure::Internet)), 5);
        assert_eq!(day(Some(Exposure::Connected)), 7);
        assert_eq!(day(Some(Exposure::Internal)), 14);
        assert_eq!(day(Some(Exposure::AirGapped)), 14);
        assert_eq!(day(None), 5);
    }

    #[test]
    fn alerts_have_clocks_of_their_own() {
        let nhs = policy("nhs-alerts");
        let facts = UpdateFacts {
            alert_issued_at: Some(at("2026-11-01T00:00:00Z")),
            alert_acknowledged_at: Some(at("2026-11-02T00:00:00Z")),
            ..released()
        };
        let by = |step| nhs.deadline(&facts, step).unwrap().due_at.unwrap().to_string();
        assert_eq!(by(Step::Acknowledged), "2026-11-03T00:00:00Z");
        assert_eq!(by(Step::Told), "2026-11-05T00:00:00Z");
        assert_eq!(by(Step::Effective), "2026-11-15T00:00:00Z");
        // Without an alert nothing is asked.
        assert_eq!(nhs.deadline(&released(), Step::Effective), None);
        assert_eq!(
            nhs.status(&released(), None, false, at("2027-01-01T00:00:00Z")),
            PolicyStatus::NotAsked
        );
    }

    #[test]
    fn a_calendar_month_ends_with_the_month() {
        let pci = policy("pci-dss");
        let facts = |severity| UpdateFacts {
            released_at: Some(at("2026-01-31T12:00:00Z")),
            severity,
            ..UpdateFacts::default()
        };
        let critical = facts(Some(VendorSeverity::Critical));
        assert_eq!(due(&pci, &critical).unwrap(), "2026-02-28T12:00:00Z");
        assert_eq!(due(&pci, &facts(Some(VendorSeverity::High))), None);
    }

    /// The decision table `cisa:DT_BOD2604:1.0.0` as it is printed: known to be exploited, exposed,
    /// automatable, total impact.
    const BOD_26_04: &str =
        "NNNP next, NNNT next, NYNP 60, NNYP 60, NNYT 60, YNNP 14, YYNP 14, YNYP 14,
        NYYP 14, YNNT 14, NYNT 14, YYYP 3, NYYT 3, YYNT 3+, YNYT 3+, YYYT 3+";

    /// Facts from letters of that table; `?` is unknown.
    fn facts_of(row: &str) -> UpdateFacts {
        let letters: Vec<char> = row.chars().collect();
        let said = |letter| (letter != '?').then_some(matches!(letter, 'Y' | 'T'));
        let exposure = |exposed| if exposed { Exposure::Internet } else { Exposure::Connected };
        UpdateFacts {
            kev: said(letters[0]),
            exposure: said(letters[1]).map(exposure),
            automatable: said(letters[2]),
            total_impact: said(letters[3]),
            ..released()
        }
    }

    /// What the policy says, in the words of that table.
    fn outcome(policy: &Policy, facts: &UpdateFacts) -> String {
        let deadline = policy.deadline(facts, Step::Effective).unwrap();
        let days = deadline.due_at.map(|at| at.duration_since(deadline.started_at).as_hours() / 24);
        let days = days.map_or("next".to_owned(), |days| days.to_string());
        format!("{days}{}", if deadline.forensic_triage { "+" } else { "" })
    }

    #[test]
    fn the_cisa_policy_is_the_table_row_by_row() {
        let cisa = policy("cisa-bod-26-04");
        let rows: Vec<(&str, &str)> =
            BOD_26_04.split(',').map(|row| row.trim().split_once(' ').unwrap()).collect();
        assert_eq!(rows.iter().map(|(row, _)| row).collect::<BTreeSet<_>>().len(), 16);
        for (row, expected) in &rows {
            assert_eq!(outcome(&cisa, &facts_of(row)), *expected, "{row}");
        }
        // Every way not to know: the strictest of the rows that it may be.
        let strictness =
            |outcome: &str| ["next", "60", "14", "3", "3+"].iter().position(|o| *o == outcome);
        for known in 0..81_u32 {
            let letter =
                |place: u32, yes, no| [yes, no, '?'][(known / 3_u32.pow(place) % 3) as usize];
            let asked: String = [
                letter(0, 'Y', 'N'),
                letter(1, 'Y', 'N'),
                letter(2, 'Y', 'N'),
                letter(3, 'T', 'P'),
            ]
            .into_iter()
            .collect();
            let fits = |row: &str| asked.chars().zip(row.chars()).all(|(a, r)| a == '?' || a == r);
            let may = rows.iter().filter(|(row, _)| fits(row)).map(|(_, outcome)| *outcome);
            let worst = may.max_by_key(|outcome| strictness(outcome)).unwrap();
            assert_eq!(outcome(&cisa, &facts_of(&asked)), worst, "{asked}");
            let unknown = asked.chars().filter(|letter| *letter == '?').count();
            assert_eq!(cisa.taken_as_worse(&facts_of(&asked)).len(), unknown, "{asked}");
        }
    }

    #[test]
    fn an_update_is_judged_by_the_worst_of_what_it_mends() {
        let cisa = policy("cisa-bod-26-04");
        let judge = |rows: &[&str]| {
            let all: Vec<UpdateFacts> = rows.iter().map(|row| facts_of(row)).collect();
            cisa.judge(&all, None, false, at("2026-10-24T00:00:00Z"))
        };
        // Total impact of one and exploits of another do not add up.
        let judged = judge(&["NNNT", "YNNP", "NNYP"]);
        assert_eq!((judged.by, judged.status), (1, PolicyStatus::Due));
        assert_eq!(judged.deadline.unwrap().rule, "bod-known-exploited-14-days");
        let judged = judge(&["NYNP", "YYNT"]);
        assert_eq!((judged.by, judged.status), (1, PolicyStatus::Overdue));
        assert!(judged.deadline.unwrap().forensic_triage);
        // Of two that are equally strict, what is known is told.
        let judged = judge(&["???T", "YYYT"]);
        assert_eq!((judged.by, judged.taken_as_worse), (1, vec![]));
        use FactAsked::{Automatable, Exposure, Impact, Kev};
        let judged = judge(&["????"]);
        assert_eq!(judged.taken_as_worse, [Exposure, Kev, Automatable, Impact]);
        assert_eq!(judge(&[]).status, PolicyStatus::Unknown, "no release date is known");
        let next = judge(&["NNNT"]);
        assert_eq!((next.status, next.deadline.unwrap().due_at), (PolicyStatus::Due, None));
    }

    #[test]
    fn a_site_writes_its_own_from_the_four_facts() {
        let own: Policy = serde_json::from_str(
            r#"{"name": "own", "title": "Own", "basis": "the board, 2026-11-01", "rules": [
                {"name": "worst", "when": {"exposure": ["internet"], "kev": true, "automatable": true,
                 "total_impact": true}, "clock": "vendor-release", "limit": {"days": 3}},
                {"name": "rest", "clock": "vendor-release", "limit": "next-upgrade"}]}"#,
        )
        .unwrap();
        assert!(own.is_sound());
        let worst = own.deadline(&released(), Step::Effective).unwrap();
        assert_eq!((&*worst.rule, worst.due_at), ("worst", Some(at("2026-10-23T10:00:00Z"))));
        let rest = UpdateFacts { kev: Some(false), ..released() };
        let rest = own.deadline(&rest, Step::Effective).unwrap();
        assert_eq!((&*rest.rule, rest.due_at), ("rest", None));
    }
}
