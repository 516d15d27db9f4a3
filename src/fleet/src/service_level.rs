//! Service levels: what a site promises of its content and its endpoints, each by its own clock.
//!
//! Three of them. *Content*: what is served is at most 30 days behind the vendor. *Monthly run*: each endpoint
//! that is elected in has at least one attempted job in each calendar month of the site's zone. *First run*:
//! one within five working days of being elected in. A level has one row for each thing that it is about;
//! a row that is missed is an alarm, which is an event: once for what was missed newly, and once more when all
//! is kept again.

use crate::{Calendar, Fact, Job, JobEnd, JobPhase, State};
use ids::{Digest, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// How many days content may be behind the vendor.
pub const CONTENT_DAYS: i64 = 30;
/// Within how many working days of its election an endpoint has its first job.
pub const FIRST_RUN_WORKING_DAYS: u32 = 5;

/// A service level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Content is at most 30 days behind the vendor.
    Content,
    /// At least one attempted job each calendar month.
    MonthlyRun,
    /// The first job within five working days of election.
    FirstRun,
}

/// Rows of a level that are missed, as the log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelAlarm {
    /// How many.
    pub missed: u64,
    /// Commitment to the list of them.
    pub record: Digest,
    /// Since when some are.
    pub since: Timestamp,
}

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LevelStatus {
    /// Kept.
    Met,
    /// Not yet kept, and there is time.
    Due,
    /// Its time is over: an alarm.
    Missed,
    /// What it is judged by was not recorded.
    Unknown,
}

/// What is known of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedFacts {
    /// What people call it: ring and source.
    pub subject: String,
    /// When the content that is served was collected from the vendor; `None` where nothing is served.
    pub collected_at: Option<Timestamp>,
}

/// What is known of one endpoint that is elected in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectedFacts {
    /// Its name.
    pub subject: String,
    /// Since when it is elected in; `None` where that was never recorded: since ever.
    pub elected_since: Option<Timestamp>,
    /// When jobs of its were attempted, as far back as is known, in any order.
    pub attempts: Vec<Timestamp>,
}

/// One row of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelRow {
    /// The level.
    pub level: Level,
    /// What it is about.
    pub subject: String,
    /// When its clock began.
    pub since: Option<Timestamp>,
    /// Until when it is to be kept.
    pub due_at: Option<Timestamp>,
    /// When it was kept.
    pub met_at: Option<Timestamp>,
    /// How it stands.
    pub status: LevelStatus,
}

/// Whether a report of a job is that of an attempt: it began, or it was refused when it should have. One
/// that ended unbegun because its time was over, or a person took it out, was none.
#[must_use]
pub fn is_attempt(job: &Job) -> bool {
    match job.end {
        Some(JobEnd::Expired | JobEnd::Cancelled) => false,
        Some(_) => true,
        None => job.phase > JobPhase::WaitingForWindow,
    }
}

/// What follows where `missed` rows of a level are missed, `fresh` of them newly.
pub(crate) fn decide(
    state: &State,
    level: Level,
    missed: u64,
    fresh: u64,
    record: Digest,
) -> Vec<Fact> {
    let known = state.level_alarms.contains_key(&level);
    let says = fresh > 0 || (missed == 0 && known);
    says.then_some(Fact::LevelAlarm { level, missed, fresh, record }).into_iter().collect()
}

/// Takes in an alarm; says whether the fact was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    let Fact::LevelAlarm { level, missed, record, .. } = fact else { return false };
    if *missed == 0 {
        state.level_alarms.remove(level);
    } else {
        let since = state.level_alarms.get(level).map_or(at, |known| known.since);
        state.level_alarms.insert(*level, LevelAlarm { missed: *missed, record: *record, since });
    }
    true
}

/// Every row of every level, as of `now`.
#[must_use]
pub fn levels(
    calendar: &Calendar,
    sources: &[ServedFacts],
    endpoints: &[ElectedFacts],
    now: Timestamp,
) -> Vec<LevelRow> {
    let mut rows: Vec<LevelRow> = sources.iter().map(|source| content(source, now)).collect();
    let (months, zone) = (months(calendar, now), calendar.zone());
    for endpoint in endpoints {
        rows.extend(monthly_runs(&months, endpoint, now));
        let due = |since| calendar.working_days_in(zone.as_ref()?, since, FIRST_RUN_WORKING_DAYS);
        rows.push(first_run(endpoint, endpoint.elected_since.and_then(due), now));
    }
    rows.sort_by(|a, b| (a.level, &a.subject, a.since).cmp(&(b.level, &b.subject, b.since)));
    rows
}

fn content(source: &ServedFacts, now: Timestamp) -> LevelRow {
    let since = source.collected_at;
    let allowed = SignedDuration::from_hours(CONTENT_DAYS * 24);
    let due_at = since.and_then(|at| at.checked_add(allowed).ok());
    let status = match due_at {
        None => LevelStatus::Unknown,
        Some(due) if now <= due => LevelStatus::Met,
        Some(_) => LevelStatus::Missed,
    };
    let (level, subject) = (Level::Content, source.subject.clone());
    LevelRow { level, subject, since, due_at, met_at: since, status }
}

/// The month before, and the one that runs: when each begins and ends.
fn months(calendar: &Calendar, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let Some((begins, ends)) = calendar.month_of(now) else { return Vec::new() };
    let before = begins.checked_sub(SignedDuration::from_secs(1)).ok();
    let before = before.and_then(|at| calendar.month_of(at));
    before.into_iter().chain([(begins, ends)]).collect()
}

/// A month in which the endpoint was elected in is judged by its first run only.
fn monthly_runs(
    months: &[(Timestamp, Timestamp)],
    endpoint: &ElectedFacts,
    now: Timestamp,
) -> Vec<LevelRow> {
    let whole = |(begins, _): &&(Timestamp, Timestamp)| {
        endpoint.elected_since.is_none_or(|since| since <= *begins)
    };
    let row = |&(begins, ends): &(Timestamp, Timestamp)| {
        let within = |at: &&Timestamp| (begins..ends).contains(*at);
        let met_at = endpoint.attempts.iter().filter(within).min().copied();
        let status = match met_at {
            Some(_) => LevelStatus::Met,
            None if now < ends => LevelStatus::Due,
            // Of a time before elections were recorded, jobs were not recorded either.
            None if endpoint.elected_since.is_none() => LevelStatus::Unknown,
            None => LevelStatus::Missed,
        };
        LevelRow {
            level: Level::MonthlyRun,
            subject: endpoint.subject.clone(),
            since: Some(begins),
            due_at: Some(ends),
            met_at,
            status,
        }
    };
    months.iter().filter(whole).map(row).collect()
}

fn first_run(endpoint: &ElectedFacts, due_at: Option<Timestamp>, now: Timestamp) -> LevelRow {
    let since = endpoint.elected_since;
    let after = |at: &&Timestamp| since.is_some_and(|since| **at >= since);
    let met_at = endpoint.attempts.iter().filter(after).min().copied();
    let status = match (due_at, met_at) {
        (None, _) => LevelStatus::Unknown,
        (Some(due), Some(met)) if met < due => LevelStatus::Met,
        (Some(due), None) if now < due => LevelStatus::Due,
        (Some(_), _) => LevelStatus::Missed,
    };
    let subject = endpoint.subject.clone();
    LevelRow { level: Level::FirstRun, subject, since, due_at, met_at, status }
}

impl Level {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Content, Self::MonthlyRun, Self::FirstRun];

    /// What is promised, in words.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Content => "content at most 30 days behind the vendor",
            Self::MonthlyRun => "at least one attempted run each calendar month",
            Self::FirstRun => "first run within five working days of election",
        }
    }
}

impl LevelStatus {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Due => "due",
            Self::Missed => "MISSED",
            Self::Unknown => "not recorded",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn london(holidays: &[&str]) -> Calendar {
        let holidays = holidays.iter().map(|day| day.parse().unwrap()).collect();
        Calendar { zone: "Europe/London".into(), holidays }
    }

    fn elected(since: Option<&str>, attempts: &[&str]) -> ElectedFacts {
        ElectedFacts {
            subject: "web1".into(),
            elected_since: since.map(at),
            attempts: attempts.iter().map(|text| at(text)).collect(),
        }
    }

    fn told(calendar: &Calendar, endpoint: &ElectedFacts, now: &str) -> Vec<(Level, LevelStatus)> {
        let rows = levels(calendar, &[], std::slice::from_ref(endpoint), at(now));
        rows.into_iter().map(|row| (row.level, row.status)).collect()
    }

    #[test]
    fn content_may_be_thirty_days_behind() {
        let status = |collected: Option<&str>, now: &str| {
            let collected_at = collected.map(at);
            let source = ServedFacts { subject: "broad: debian".into(), collected_at };
            levels(&london(&[]), &[source], &[], at(now))[0].status
        };
        let collected = Some("2026-10-25T10:00:00Z");
        assert_eq!(status(collected, "2026-11-24T10:00:00Z"), LevelStatus::Met);
        assert_eq!(status(collected, "2026-11-24T10:00:01Z"), LevelStatus::Missed);
        assert_eq!(status(None, "2026-11-24T10:00:01Z"), LevelStatus::Unknown);
    }

    #[test]
    fn five_working_days_skip_weekends_and_holidays() {
        use LevelStatus::{Due, Met, Missed};
        // Elected on Thursday 26 March: the clocks change on the Sunday after. Days: Fri 27, Mon 30,
        // Tue 31, Wed 1 April, Thu 2 April.
        let elected_at = "2026-03-26T15:00:00Z";
        let since = Some(elected_at);
        let due = |calendar: &Calendar| {
            calendar.after_working_days(at(elected_at), FIRST_RUN_WORKING_DAYS).unwrap()
        };
        assert_eq!(due(&london(&[])), at("2026-04-02T23:00:00Z"), "midnight BST");
        // Good Friday and Easter Monday come after; a holiday within moves it past them.
        let easter = london(&["2026-03-30", "2026-04-03", "2026-04-06"]);
        assert_eq!(due(&easter), at("2026-04-07T23:00:00Z"));
        // Elected late on Friday evening in London is Friday there.
        let friday = london(&[]).after_working_days(at("2026-11-27T23:30:00Z"), 1).unwrap();
        assert_eq!(friday, at("2026-12-01T00:00:00Z"));
        let first = |attempts: &[&str], now: &str| {
            told(&london(&[]), &elected(since, attempts), now).last().unwrap().1
        };
        assert_eq!(first(&[], "2026-04-02T22:59:59Z"), Due);
        assert_eq!(first(&[], "2026-04-02T23:00:00Z"), Missed);
        assert_eq!(first(&["2026-04-02T22:59:59Z"], "2026-05-01T00:00:00Z"), Met);
        assert_eq!(first(&["2026-04-03T00:00:00Z"], "2026-05-01T00:00:00Z"), Missed);
        assert_eq!(first(&["2026-03-01T00:00:00Z"], "2026-04-01T00:00:00Z"), Due, "before");
    }

    #[test]
    fn months_begin_where_the_site_is() {
        use Level::{FirstRun, MonthlyRun};
        use LevelStatus::{Due, Met, Missed, Unknown};
        let old = Some("2026-01-01T00:00:00Z");
        // 23:30 UTC on 30 June is July in London.
        let july = elected(old, &["2026-06-30T23:30:00Z"]);
        let rows = told(&london(&[]), &july, "2026-07-15T00:00:00Z");
        assert_eq!(rows, [(MonthlyRun, Missed), (MonthlyRun, Met), (FirstRun, Missed)]);
        let utc = told(&Calendar::default(), &july, "2026-07-15T00:00:00Z");
        assert_eq!(utc, [(MonthlyRun, Met), (MonthlyRun, Due), (FirstRun, Missed)]);
        // The month of the election is judged by the first run only.
        let new = elected(Some("2026-07-10T00:00:00Z"), &[]);
        assert_eq!(told(&london(&[]), &new, "2026-07-12T00:00:00Z"), [(FirstRun, Due)]);
        // Nothing is claimed of what was not recorded.
        let before = elected(None, &[]);
        let rows = told(&london(&[]), &before, "2026-07-12T00:00:00Z");
        assert_eq!(rows, [(MonthlyRun, Unknown), (MonthlyRun, Due), (FirstRun, Unknown)]);
    }

    #[test]
    fn an_attempt_began_or_was_refused() {
        let job = |phase, end| Job {
            approval: ids::Digest::of(b"approval"),
            phase,
            at: Timestamp::UNIX_EPOCH,
            way_back: None,
            end,
        };
        assert!(!is_attempt(&job(JobPhase::WaitingForWindow, None)));
        assert!(is_attempt(&job(JobPhase::Snapshotting, None)));
        assert!(is_attempt(&job(JobPhase::Ended, Some(JobEnd::Refused))));
        assert!(is_attempt(&job(JobPhase::Ended, Some(JobEnd::Effective))));
        assert!(!is_attempt(&job(JobPhase::Ended, Some(JobEnd::Expired))));
        assert!(!is_attempt(&job(JobPhase::Ended, Some(JobEnd::Cancelled))));
    }

    #[test]
    fn an_alarm_is_told_once_and_its_end_too() {
        use Level::{Content, FirstRun};
        let mut state = State::default();
        let mut say = |level, missed, fresh, now: &str| {
            let record = Digest::of(now.as_bytes());
            let facts = decide(&state, level, missed, fresh, record);
            facts.iter().for_each(|fact| assert!(evolve(&mut state, fact, at(now))));
            (facts.len(), state.level_alarms.get(&level).map(|alarm| (alarm.missed, alarm.since)))
        };
        let (first, later) = ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
        assert_eq!(say(Content, 0, 0, first), (0, None), "nothing is missed, nothing is said");
        assert_eq!(say(Content, 2, 2, first), (1, Some((2, at(first)))));
        assert_eq!(say(FirstRun, 0, 0, first), (0, None), "each by itself");
        assert_eq!(say(Content, 2, 0, later), (0, Some((2, at(first)))), "still the same");
        assert_eq!(say(Content, 3, 1, later), (1, Some((3, at(first)))));
        assert_eq!(say(Content, 0, 0, later), (1, None), "all is kept again");
        assert_eq!(say(Content, 0, 0, later), (0, None));
    }
}
