//! Maintenance windows: when a ring may be changed, as a rule that people know from calendars.
//!
//! A window is a recurrence (RFC 5545 `RRULE`) of a start on the wall of a time zone, and a length. The
//! crate `rrule` counts days on a calendar without any zone, and [`Zone`] says when these days' hour is:
//! so one database of zones decides, not two. The length is elapsed time (RFC 5545: an exact duration): a
//! window of four hours has four hours in the night of a clock change too, and ends an hour earlier or
//! later on the wall.
//!
//! Occurrences that go into a signed approval are worked out when it is drawn up, and never again.

use crate::{Fact, Refused, State, Zone};
use chrono::{Datelike as _, NaiveDate, TimeZone as _};
use ids::{RingName, Timestamp, WindowName};
use jiff::{SignedDuration, civil, fmt::strtime};
use rrule::{Frequency, RRule, RRuleSet, Tz, Unvalidated};
use serde::{Deserialize, Serialize};
use trust::Interval;

/// Longest rule in bytes.
const RULE_BYTES_MAX: usize = 500;
/// Longest window in minutes: a week.
pub const WINDOW_MINUTES_MAX: u32 = 7 * 24 * 60;
/// Most windows of a site.
const WINDOWS_MAX: usize = 1_000;
/// Most days of a rule that are looked at: a century of each day.
const DAYS_LOOKED_AT_MAX: usize = 40_000;
/// Within how many days a window must open once: nine years, so that 29 February does.
const MUST_OPEN_WITHIN_DAYS: i64 = 9 * 366;
const DAY_HOURS: i64 = 24;

/// A named maintenance window of a ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The ring that may be changed in it.
    pub ring: RingName,
    /// On which days, as an RFC 5545 rule without its name: `FREQ=MONTHLY;BYDAY=+2TU`.
    pub rule: String,
    /// From which day the rule counts, and the time on the wall at which the window opens.
    pub start: civil::DateTime,
    /// The IANA time zone of that wall.
    pub zone: String,
    /// How long it stays open, in minutes of elapsed time.
    pub minutes: u32,
}

/// Why a window cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "fields are in the sentence")]
pub enum WindowError {
    /// No such zone.
    #[error("there is no time zone {0:?}: name one of the IANA database, such as Europe/London")]
    NoZone(String),
    /// The rule cannot be read.
    #[error("{0:?} is not a rule as calendars write it (RFC 5545, `FREQ=WEEKLY;BYDAY=TU`): {1}")]
    NotARule(String, String),
    /// The rule repeats within a day.
    #[error(
        "a window opens at most once a day, at the time of its start: leave out hours, minutes and \
         seconds, and make another window for a second time of day"
    )]
    WithinADay,
    /// `UNTIL` is not in UTC, or stands beside `COUNT`.
    #[error("UNTIL is a moment in UTC (`UNTIL=20271231T235959Z`), and does not stand beside COUNT")]
    BadUntil,
    /// The start has seconds, or is absurd.
    #[error("a window starts at a full minute of a year from 2000 to 2100, not {0}")]
    BadStart(civil::DateTime),
    /// The length is absurd.
    #[error("a window is 1 to {WINDOW_MINUTES_MAX} minutes long, not {0}")]
    BadLength(u32),
    /// The rule never comes true.
    #[error("this window does not open within nine years from now")]
    NeverOpens,
    /// Too many days stand between the start and what was asked.
    #[error("its start is too long ago to count from: set it again with a later one")]
    TooLongAgo,
    /// Too many windows.
    #[error("a site has at most {WINDOWS_MAX} windows")]
    TooMany,
}

/// What may be asked about windows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum WindowCommand {
    /// Make a window, or change it.
    Set { name: WindowName, window: Window },
    /// Do away with one.
    Remove { name: WindowName },
}

/// What a rule says, read.
struct Rule {
    rule: RRule<Unvalidated>,
    until: Option<Timestamp>,
}

impl Window {
    /// The same window in the spelling that is kept: the rule in capitals without its name, the zone as
    /// the database has it.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn checked(self, now: Timestamp) -> Result<Self, WindowError> {
        let Self { ring, rule, start, zone, minutes } = self;
        let upper = rule.trim().to_ascii_uppercase();
        let rule = upper.strip_prefix("RRULE:").unwrap_or(&upper).to_owned();
        let zone = Zone::named(&zone).ok_or(WindowError::NoZone(zone))?.name().to_owned();
        if start.second() != 0
            || start.subsec_nanosecond() != 0
            || !(2000..=2100).contains(&start.year())
        {
            return Err(WindowError::BadStart(start));
        }
        if !(1..=WINDOW_MINUTES_MAX).contains(&minutes) {
            return Err(WindowError::BadLength(minutes));
        }
        let window = Self { ring, rule, start, zone, minutes };
        let far = later(now.max(window.opens_on(start.date())?), MUST_OPEN_WITHIN_DAYS);
        if window.occurrences(now, far, 1)?.is_empty() {
            return Err(WindowError::NeverOpens);
        }
        Ok(window)
    }

    /// When it is open: at most `max` spans that close after `from` and open before `until`, in order,
    /// each whole.
    ///
    /// # Errors
    /// [`WindowError::TooLongAgo`], and whatever makes a window impossible.
    pub fn occurrences(
        &self,
        from: Timestamp,
        until: Timestamp,
        max: usize,
    ) -> Result<Vec<Interval>, WindowError> {
        let (zone, read) = (self.zone()?, self.read()?);
        let last = read.until.map_or(until, |end| end.min(until));
        let first_day = zone.local(from).date();
        let mut found = Vec::new();
        let mut looked_at = 0;
        for day in self.days(read.rule)? {
            looked_at += 1;
            if looked_at > DAYS_LOOKED_AT_MAX {
                return Err(WindowError::TooLongAgo);
            }
            // Only days near the span are worth a look into the zone.
            if (first_day - day).get_days() > 9 {
                continue;
            }
            let Some(opens) = zone.instant(day.to_datetime(self.start.time())) else { break };
            // `UNTIL` itself still counts, the end of the span does not.
            if opens >= until || opens > last || found.len() >= max {
                break;
            }
            let closes = opens.checked_add(self.length()).unwrap_or(Timestamp::MAX);
            if closes > from {
                found.push(Interval { opens, closes });
            }
        }
        Ok(found)
    }

    /// Its zone.
    ///
    /// # Errors
    /// [`WindowError::NoZone`] when the database has it no more.
    pub fn zone(&self) -> Result<Zone, WindowError> {
        Zone::named(&self.zone).ok_or_else(|| WindowError::NoZone(self.zone.clone()))
    }

    /// How long it stays open.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.minutes))
    }

    fn opens_on(&self, day: civil::Date) -> Result<Timestamp, WindowError> {
        let at = self.zone()?.instant(day.to_datetime(self.start.time()));
        at.ok_or(WindowError::BadStart(self.start))
    }

    /// Reads the rule. `UNTIL` is taken out of it: it is a moment, and `rrule` counts days of no zone.
    fn read(&self) -> Result<Rule, WindowError> {
        let wrong = |why: &str| WindowError::NotARule(self.rule.clone(), why.to_owned());
        if self.rule.len() > RULE_BYTES_MAX || !self.rule.is_ascii() {
            return Err(wrong("it is too long, or not plain text"));
        }
        let (mut until, mut parts) = (None, Vec::new());
        for part in self.rule.split(';') {
            match part.strip_prefix("UNTIL=") {
                Some(moment) if until.is_none() => {
                    let moment = strtime::parse("%Y%m%dT%H%M%SZ", moment);
                    let moment = moment.and_then(|parsed| parsed.to_datetime());
                    let moment = moment.ok().and_then(|local| Zone::named("UTC")?.instant(local));
                    until = Some(moment.ok_or(WindowError::BadUntil)?);
                }
                Some(_) => return Err(WindowError::BadUntil),
                None => parts.push(part),
            }
        }
        let rule: RRule<Unvalidated> =
            parts.join(";").parse().map_err(|e: rrule::RRuleError| wrong(&e.to_string()))?;
        if until.is_some() && rule.get_count().is_some() {
            return Err(WindowError::BadUntil);
        }
        let slow = matches!(
            rule.get_freq(),
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly
        );
        let times = [rule.get_by_hour(), rule.get_by_minute(), rule.get_by_second()];
        if !slow || times.into_iter().any(|list| !list.is_empty()) {
            return Err(WindowError::WithinADay);
        }
        if rule.get_interval() == 0 {
            return Err(wrong("an interval of 0 goes nowhere"));
        }
        Ok(Rule { rule, until })
    }

    /// The days of the rule from its start on, on a calendar without a zone.
    fn days(
        &self,
        rule: RRule<Unvalidated>,
    ) -> Result<impl Iterator<Item = civil::Date> + use<>, WindowError> {
        let start = self.start;
        let bad = || WindowError::BadStart(start);
        let (month, day) = (start.month().unsigned_abs(), start.day().unsigned_abs());
        let date = NaiveDate::from_ymd_opt(start.year().into(), month.into(), day.into());
        let noon = date.and_then(|date| date.and_hms_opt(12, 0, 0)).ok_or_else(bad)?;
        let start = Tz::UTC.from_utc_datetime(&noon);
        let rule = rule
            .validate(start)
            .map_err(|e| WindowError::NotARule(self.rule.clone(), e.to_string()))?;
        let days = RRuleSet::new(start).rrule(rule).limit();
        Ok(days.into_iter().map_while(|at| {
            let (year, month, day) = (at.year(), at.month(), at.day());
            civil::Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?)
                .ok()
        }))
    }
}

/// The spans of all these windows between `from` and `until`, cut to that, in order, those that touch put
/// together; at most the first `max` of each window.
///
/// # Errors
/// As [`Window::occurrences`].
pub fn spans<'a>(
    windows: impl IntoIterator<Item = &'a Window>,
    from: Timestamp,
    until: Timestamp,
    max: usize,
) -> Result<Vec<Interval>, WindowError> {
    let mut all = Vec::new();
    for window in windows {
        all.extend(window.occurrences(from, until, max)?);
    }
    all.sort();
    let mut spans: Vec<Interval> = Vec::new();
    for span in all {
        let (opens, closes) = (span.opens.max(from), span.closes.min(until));
        match spans.last_mut() {
            Some(last) if opens <= last.closes => last.closes = last.closes.max(closes),
            _ => spans.push(Interval { opens, closes }),
        }
    }
    Ok(spans)
}

fn later(at: Timestamp, days: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(days * DAY_HOURS)).unwrap_or(Timestamp::MAX)
}

/// What follows from a command about windows.
pub(crate) fn decide(
    state: &State,
    command: WindowCommand,
    now: Timestamp,
) -> Result<Vec<Fact>, Refused> {
    match command {
        WindowCommand::Set { name, window } => {
            if !state.rings.contains_key(&window.ring) {
                return Err(Refused::NoRing { ring: window.ring });
            }
            let known = state.windows.get(&name);
            if known.is_none() && state.windows.len() >= WINDOWS_MAX {
                return Err(Refused::Window { name, why: WindowError::TooMany });
            }
            let window = match window.checked(now) {
                Ok(window) => window,
                Err(why) => return Err(Refused::Window { name, why }),
            };
            if known == Some(&window) {
                return Ok(Vec::new());
            }
            let Window { ring, rule, start, zone, minutes } = window;
            let edition = Zone::edition().to_owned();
            Ok(vec![Fact::WindowSet { window: name, ring, rule, start, zone, minutes, edition }])
        }
        WindowCommand::Remove { name } if state.windows.contains_key(&name) => {
            Ok(vec![Fact::WindowRemoved { window: name }])
        }
        WindowCommand::Remove { name } => Err(Refused::NoWindow { name }),
    }
}

/// Takes in a fact about windows; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact) -> bool {
    match fact {
        Fact::WindowSet { window, ring, rule, start, zone, minutes, .. } => {
            let (ring, rule, zone) = (ring.clone(), rule.clone(), zone.clone());
            let set = Window { ring, rule, start: *start, zone, minutes: *minutes };
            state.windows.insert(window.clone(), set);
        }
        Fact::WindowRemoved { window } => {
            state.windows.remove(window);
        }
        _ => return false,
    }
    true
}
