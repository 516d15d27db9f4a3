//! Who used the days: the time from a vendor's release until an update is effective, split among those who had it.
//!
//! Pure arithmetic over moments. What is not known stays unknown: a split never guesses.

use ids::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment on an update's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// It was then.
    At(Timestamp),
    /// It has not come yet.
    NotYet,
    /// It is not known when it was.
    Unknown,
}

/// An update's way in one ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Its vendor released it.
    pub released: Moment,
    /// The publisher collected it.
    pub collected: Moment,
    /// It was imported at the site.
    pub imported: Moment,
    /// It was approved for the ring.
    pub approved: Moment,
    /// The first window after that opened.
    pub opened: Moment,
    /// It was effective on the last endpoint that it was approved for.
    pub effective: Moment,
}

/// Who has an update between two moments of its way, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// From the vendor's release until it was collected.
    Publisher,
    /// From there until it was imported.
    Courier,
    /// From there until it was approved.
    Approver,
    /// From there until the next window opened.
    Window,
    /// From there until it was effective.
    Endpoints,
}

impl Party {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Publisher, Self::Courier, Self::Approver, Self::Window, Self::Endpoints];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Courier => "courier",
            Self::Approver => "approver",
            Self::Window => "window",
            Self::Endpoints => "endpoints",
        }
    }
}

/// What of the time one of them used. Seconds, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spent {
    /// They had it for so long.
    Took(u64),
    /// They have had it for so long, and have it still.
    Running(u64),
    /// It has not come to them yet.
    NotYet,
    /// It is not known how long they had it.
    Unknown,
}

impl Spent {
    /// The seconds, where they are known.
    #[must_use]
    pub const fn seconds(self) -> Option<u64> {
        match self {
            Self::Took(seconds) | Self::Running(seconds) => Some(seconds),
            Self::NotYet | Self::Unknown => None,
        }
    }
}

impl Way {
    /// What each used of the time until `now`, in the order of [`Party::ALL`]. A moment that seems to lie before
    /// the one before it took no time.
    #[must_use]
    pub fn spent(&self, now: Timestamp) -> [Spent; 5] {
        let moments = [
            self.released,
            self.collected,
            self.imported,
            self.approved,
            self.opened,
            self.effective,
        ];
        let between = |from: Timestamp, to: Timestamp| {
            u64::try_from(to.duration_since(from).as_secs()).unwrap_or(0)
        };
        std::array::from_fn(|place| match (moments[place], moments[place + 1]) {
            (Moment::At(from), Moment::At(to)) => Spent::Took(between(from, to)),
            (Moment::At(from), Moment::NotYet) => Spent::Running(between(from, now)),
            (Moment::NotYet, _) => Spent::NotYet,
            _ => Spent::Unknown,
        })
    }
}

/// What one of them used over many updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyTotal {
    /// Who.
    pub party: Party,
    /// Updates that they had and passed on, in a known time.
    pub took: u64,
    /// Seconds of these together.
    pub seconds: u64,
    /// The middle one of these, in seconds: half took no longer. `None` of none.
    pub median: Option<u64>,
    /// The longest of these, in seconds.
    pub longest: Option<u64>,
    /// Updates that they have now.
    pub running: u64,
    /// The longest of these so far, in seconds.
    pub longest_running: Option<u64>,
    /// Updates of which it is not known.
    pub unknown: u64,
}

/// Sums ways up, in the order of [`Party::ALL`].
#[must_use]
pub fn totals<'a>(ways: impl Iterator<Item = &'a [Spent; 5]>) -> [PartyTotal; 5] {
    let mut took: [Vec<u64>; 5] = Default::default();
    let mut totals = Party::ALL.map(|party| PartyTotal {
        party,
        took: 0,
        seconds: 0,
        median: None,
        longest: None,
        running: 0,
        longest_running: None,
        unknown: 0,
    });
    for spent in ways {
        for ((spent, took), total) in spent.iter().zip(&mut took).zip(&mut totals) {
            match spent {
                Spent::Took(seconds) => took.push(*seconds),
                Spent::Running(seconds) => {
                    total.running += 1;
                    total.longest_running = total.longest_running.max(Some(*seconds));
                }
                Spent::NotYet => {}
                Spent::Unknown => total.unknown += 1,
            }
        }
    }
    for (took, total) in took.iter_mut().zip(&mut totals) {
        took.sort_unstable();
        total.took = took.len() as u64;
        total.seconds = took.iter().fold(0, |sum: u64, seconds| sum.saturating_add(*seconds));
        total.median = took.get(took.len().saturating_sub(1) / 2).copied();
        total.longest = took.last().copied();
    }
    totals
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: u64 = 86_400;

    fn at(day: u32) -> Moment {
        Moment::At(format!("2026-11-{day:02}T12:00:00Z").parse().unwrap())
    }

    fn way(moments: [Moment; 6]) -> [Spent; 5] {
        let [released, collected, imported, approved, opened, effective] = moments;
        let way = Way { released, collected, imported, approved, opened, effective };
        way.spent("2026-11-28T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn each_day_belongs_to_who_had_the_update() {
        let spent = way([at(1), at(3), at(10), at(11), at(14), at(14)]);
        assert_eq!(spent, [2, 7, 1, 3, 0].map(|days| Spent::Took(days * DAY)));
    }

    #[test]
    fn who_has_it_now_is_counted_until_now_and_nobody_after_them() {
        let spent = way([at(1), at(3), at(10), Moment::NotYet, Moment::NotYet, Moment::NotYet]);
        assert_eq!(spent[2], Spent::Running(18 * DAY));
        assert_eq!(spent[3..], [Spent::NotYet, Spent::NotYet]);
    }

    #[test]
    fn what_is_not_known_is_not_guessed_and_time_never_runs_backwards() {
        let spent = way([Moment::Unknown, at(3), at(2), at(11), Moment::Unknown, at(14)]);
        assert_eq!(
            spent,
            [Spent::Unknown, Spent::Took(0), Spent::Took(9 * DAY), Spent::Unknown, Spent::Unknown]
        );
    }

    #[test]
    fn totals_have_the_middle_and_the_longest() {
        let ways = [
            way([at(1), at(2), at(3), at(4), at(5), at(6)]),
            way([at(1), at(4), at(5), Moment::NotYet, Moment::NotYet, Moment::NotYet]),
            way([at(1), at(11), at(12), at(13), at(14), Moment::NotYet]),
            way([Moment::Unknown, at(11), at(12), at(13), at(14), at(15)]),
        ];
        let totals = totals(ways.iter());
        let publisher = totals[0];
        assert_eq!((publisher.took, publisher.unknown, publisher.seconds), (3, 1, 14 * DAY));
        assert_eq!((publisher.median, publisher.longest), (Some(3 * DAY), Some(10 * DAY)));
        assert_eq!((totals[2].running, totals[2].longest_running), (1, Some(23 * DAY)));
        assert_eq!(totals[4].running, 1);
        assert_eq!(super::totals(std::iter::empty())[0].median, None);
    }
}
