//! The site's calendar: in which time zone its months and days begin, and on which days nobody works.
//!
//! Saturdays and Sundays are never working days; holidays are those that people list.

use crate::{Fact, Refused, State, Zone};
use ids::Timestamp;
use jiff::{
    ToSpan as _,
    civil::{Date, Weekday},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most holidays that are listed.
const HOLIDAYS_MAX: usize = 1_000;

/// The calendar that service levels go by. UTC without holidays unless people say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// An IANA time zone.
    pub zone: String,
    /// Days on which nobody works, besides Saturdays and Sundays.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub holidays: BTreeSet<Date>,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { zone: "UTC".to_owned(), holidays: BTreeSet::new() }
    }
}

impl Calendar {
    /// Its zone; UTC where the database has it no more.
    #[must_use]
    pub fn zone(&self) -> Option<Zone> {
        Zone::named(&self.zone).or_else(|| Zone::named("UTC"))
    }

    /// Whether people work on this day.
    #[must_use]
    pub fn is_working_day(&self, day: Date) -> bool {
        !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
            && !self.holidays.contains(&day)
    }

    /// When the `count`th working day after the day of `from` is over: that day itself does not count.
    #[must_use]
    pub fn after_working_days(&self, from: Timestamp, count: u32) -> Option<Timestamp> {
        self.working_days_in(&self.zone()?, from, count)
    }

    /// The same where its zone was read before, which takes longer than all the rest.
    pub(crate) fn working_days_in(
        &self,
        zone: &Zone,
        from: Timestamp,
        count: u32,
    ) -> Option<Timestamp> {
        let mut day = zone.local(from).date();
        let mut left = count;
        // Holidays end somewhere, and so does the search.
        for _ in 0..HOLIDAYS_MAX * 3 {
            day = day.checked_add(1.day()).ok()?;
            left -= u32::from(left > 0 && self.is_working_day(day));
            if left == 0 {
                return zone.instant(
                    day.checked_add(1.day()).ok()?.to_datetime(jiff::civil::Time::midnight()),
                );
            }
        }
        None
    }

    /// When the month of `at` begins and ends here.
    #[must_use]
    pub fn month_of(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let zone = self.zone()?;
        let first = zone.local(at).date().first_of_month();
        let midnight = jiff::civil::Time::midnight();
        let next = first.checked_add(1.month()).ok()?;
        Some((
            zone.instant(first.to_datetime(midnight))?,
            zone.instant(next.to_datetime(midnight))?,
        ))
    }
}

/// What follows when people say by which calendar the site goes.
pub(crate) fn decide(state: &State, calendar: Calendar) -> Result<Vec<Fact>, Refused> {
    let Calendar { zone, holidays } = calendar;
    let Some(known) = Zone::named(&zone) else { return Err(Refused::NoZone { zone }) };
    if holidays.len() > HOLIDAYS_MAX {
        return Err(Refused::TooManyHolidays);
    }
    let calendar = Calendar { zone: known.name().to_owned(), holidays };
    let same = state.calendar.as_ref() == Some(&calendar);
    Ok((!same).then_some(Fact::CalendarSet(calendar)).into_iter().collect())
}
