//! Windows: what a rule means, against days counted by hand and by another computation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fleet::{
    Actor, Command, Event, Fact, Refused, State, Window, WindowCommand, WindowError, Zone, decide,
    spans,
};
use ids::Timestamp;
use jiff::{
    SignedDuration, ToSpan,
    civil::{Date, DateTime, Weekday},
};
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(rule: &str, start: &str, zone: &str, minutes: u32) -> Window {
    let (rule, zone) = (rule.to_owned(), zone.to_owned());
    Window { ring: "broad".parse().unwrap(), rule, start: start.parse().unwrap(), zone, minutes }
}

/// The openings and closings between two moments.
fn told(window: &Window, from: &str, until: &str) -> Vec<(String, String)> {
    let spans = window.occurrences(at(from), at(until), 100).unwrap();
    spans.iter().map(|span| (span.opens.to_string(), span.closes.to_string())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(opens, closes)| ((*opens).to_owned(), (*closes).to_owned())).collect()
}

#[test]
fn the_hour_that_summer_time_removes_comes_later_on_the_wall() {
    // London, 29 March 2026: 01:00 GMT is followed by 02:00 BST.
    let night = window("FREQ=DAILY", "2026-03-01T01:30", "Europe/London", 120);
    assert_eq!(
        told(&night, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        pairs(&[
            ("2026-03-28T01:30:00Z", "2026-03-28T03:30:00Z"),
            // 01:30 by the offset from before the jump: the wall says 02:30.
            ("2026-03-29T01:30:00Z", "2026-03-29T03:30:00Z"),
            ("2026-03-30T00:30:00Z", "2026-03-30T02:30:00Z"),
        ])
    );
    let zone = Zone::named("europe/london").unwrap();
    assert_eq!(zone.name(), "Europe/London");
    assert_eq!(zone.text(at("2026-03-29T01:30:00Z")), "Sun 29 Mar 2026 02:30 BST");
}

#[test]
fn of_the_hour_that_comes_twice_it_is_the_first() {
    // London, 25 October 2026: 02:00 BST is followed by 01:00 GMT.
    let night = window("FREQ=WEEKLY;BYDAY=SU", "2026-10-04T01:30", "Europe/London", 60);
    assert_eq!(
        told(&night, "2026-10-18T00:00:00Z", "2026-11-02T00:00:00Z"),
        pairs(&[
            ("2026-10-18T00:30:00Z", "2026-10-18T01:30:00Z"),
            ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
            ("2026-11-01T01:30:00Z", "2026-11-01T02:30:00Z"),
        ])
    );
}

#[test]
fn a_window_is_as_long_as_people_planned_in_the_night_of_a_change() {
    let night = window("FREQ=WEEKLY;BYDAY=SA", "2026-10-24T23:00", "Europe/London", 6 * 60);
    // Six hours: on the wall from 23:00 BST to 04:00 GMT.
    assert_eq!(
        told(&night, "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z"),
        pairs(&[("2026-10-24T22:00:00Z", "2026-10-25T04:00:00Z")])
    );
}

#[test]
fn the_second_tuesday_and_the_night_after_it() {
    let patch = window("FREQ=MONTHLY;BYDAY=+2TU", "2026-01-01T22:00", "Europe/London", 240);
    assert_eq!(
        told(&patch, "2026-11-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        pairs(&[
            ("2026-11-10T22:00:00Z", "2026-11-11T02:00:00Z"),
            ("2026-12-08T22:00:00Z", "2026-12-09T02:00:00Z"),
            ("2027-01-12T22:00:00Z", "2027-01-13T02:00:00Z"),
        ])
    );
    // One that is open counts; one that has just closed does not.
    let open = told(&patch, "2026-11-11T01:59:59Z", "2026-11-12T00:00:00Z");
    assert_eq!(open.len(), 1);
    assert!(told(&patch, "2026-11-11T02:00:00Z", "2026-11-12T00:00:00Z").is_empty());
    // Nor does one that opens when what was asked ends.
    assert!(told(&patch, "2026-11-01T00:00:00Z", "2026-11-10T22:00:00Z").is_empty());
}

#[test]
fn until_is_a_moment_and_count_counts_from_the_start() {
    let until =
        window("FREQ=DAILY;UNTIL=20260702T010000Z", "2026-07-01T02:00", "Europe/London", 60);
    assert_eq!(told(&until, "2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z").len(), 2);
    let until =
        window("FREQ=DAILY;UNTIL=20260702T005959Z", "2026-07-01T02:00", "Europe/London", 60);
    assert_eq!(told(&until, "2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z").len(), 1);
    let count = window("FREQ=DAILY;COUNT=3", "2026-07-01T02:00", "Europe/London", 60);
    assert_eq!(told(&count, "2026-07-02T12:00:00Z", "2026-08-01T00:00:00Z").len(), 1);
}

#[test]
fn what_cannot_be_a_window_is_refused_with_a_reason() {
    let now = at("2026-11-24T16:00:00Z");
    let why = |rule: &str, start: &str, zone: &str, minutes| {
        window(rule, start, zone, minutes).checked(now).unwrap_err()
    };
    let (start, zone) = ("2026-11-24T22:00", "Europe/London");
    let daily = "FREQ=DAILY";
    assert!(matches!(why(daily, start, "Europe/Londn", 60), WindowError::NoZone(_)));
    assert!(matches!(why("every night", start, zone, 60), WindowError::NotARule(..)));
    assert!(matches!(why("", start, zone, 60), WindowError::NotARule(..)));
    assert!(matches!(why("FREQ=DAILY;INTERVAL=0", start, zone, 60), WindowError::NotARule(..)));
    assert!(matches!(why("FREQ=DAILY;BYMONTHDAY=99", start, zone, 60), WindowError::NotARule(..)));
    for within in ["FREQ=HOURLY", "FREQ=SECONDLY", "FREQ=DAILY;BYHOUR=1,2", "FREQ=DAILY;BYMINUTE=3"]
    {
        assert_eq!(why(within, start, zone, 60), WindowError::WithinADay, "{within}");
    }
    for until in ["UNTIL=20270101", "UNTIL=20270101T000000", "UNTIL=20270101T000000Z;COUNT=2"] {
        assert_eq!(why(&format!("{daily};{until}"), start, zone, 60), WindowError::BadUntil);
    }
    assert!(matches!(why(daily, "2026-11-24T22:00:30", zone, 60), WindowError::BadStart(_)));
    assert!(matches!(why(daily, "1812-11-24T22:00", zone, 60), WindowError::BadStart(_)));
    assert!(matches!(why(daily, start, zone, 0), WindowError::BadLength(0)));
    assert!(matches!(why(daily, start, zone, 20_000), WindowError::BadLength(_)));
    // Searches that lead nowhere end.
    let never = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30";
    assert_eq!(why(never, start, zone, 60), WindowError::NeverOpens);
    let over = "FREQ=DAILY;UNTIL=20260101T000000Z";
    assert_eq!(why(over, "2025-01-01T22:00", zone, 60), WindowError::NeverOpens);
    assert!(window(&"FREQ=DAILY;".repeat(90), start, zone, 60).checked(now).is_err());
    // And 29 February is not nowhere; nor is a start that lies ahead.
    window("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", start, zone, 60).checked(now).unwrap();
    window(daily, "2045-01-01T22:00", zone, 60).checked(now).unwrap();
}

#[test]
fn spans_are_cut_in_order_and_put_together() {
    let daily = window("FREQ=DAILY", "2026-11-01T22:00", "UTC", 180);
    let late = window("FREQ=DAILY", "2026-11-02T01:00", "UTC", 60);
    let (from, until) = (at("2026-11-24T23:00:00Z"), at("2026-11-26T23:00:00Z"));
    let both = spans([&late, &daily], from, until, 100).unwrap();
    let told: Vec<_> = both.iter().map(|s| (s.opens.to_string(), s.closes.to_string())).collect();
    assert_eq!(
        told,
        pairs(&[
            ("2026-11-24T23:00:00Z", "2026-11-25T02:00:00Z"),
            ("2026-11-25T22:00:00Z", "2026-11-26T02:00:00Z"),
            ("2026-11-26T22:00:00Z", "2026-11-26T23:00:00Z"),
        ])
    );
}

fn site() -> State {
    let mut state = State::default();
    let ask = Command::CreateSite {
        site: "lab".parse().unwrap(),
        origin: "log".into(),
        keys: Vec::new(),
        anchors: Vec::new(),
        ring: "broad".parse().unwrap(),
    };
    take(&mut state, ask).unwrap();
    state
}

fn take(state: &mut State, command: Command) -> Result<Vec<Fact>, Refused> {
    let now = at("2026-11-24T16:00:00Z");
    let facts = decide(state, command, now)?;
    for fact in &facts {
        state.evolve(&Event { at: now, actor: Actor::Appliance, fact: fact.clone() });
    }
    Ok(facts)
}

#[test]
fn a_window_is_set_changed_and_removed() {
    let mut state = site();
    let name: ids::WindowName = "nights".parse().unwrap();
    let set = |window: Window| Command::Window(WindowCommand::Set { name: name.clone(), window });
    let nights = window(" rrule:freq=weekly;byday=tu ", "2026-11-24T22:00", "europe/london", 240);
    assert_eq!(take(&mut state, set(nights.clone())).unwrap().len(), 1);
    let kept = &state.windows[&name];
    assert_eq!((&*kept.rule, &*kept.zone), ("FREQ=WEEKLY;BYDAY=TU", "Europe/London"));
    assert!(take(&mut state, set(nights.clone())).unwrap().is_empty(), "nothing has changed");
    let longer = Window { minutes: 300, ..nights.clone() };
    assert_eq!(take(&mut state, set(longer)).unwrap().len(), 1);
    let elsewhere = Window { ring: "moon".parse().unwrap(), ..nights };
    assert!(matches!(take(&mut state, set(elsewhere)), Err(Refused::NoRing { .. })));
    let text = serde_json::to_vec(&state).unwrap();
    assert_eq!(serde_json::from_slice::<State>(&text).unwrap(), state);
    let remove = || Command::Window(WindowCommand::Remove { name: name.clone() });
    take(&mut state, remove()).unwrap();
    assert!(matches!(take(&mut state, remove()), Err(Refused::NoWindow { .. })));
}

/// A rule, and whether a day is one of it, said in another way than the rule.
#[derive(Debug, Clone)]
enum Days {
    Every(i32),
    Weeks(i32, Vec<Weekday>),
    Nth(i8, Weekday),
    Last(Weekday),
    OfMonth(i8),
}

const WEEK: [(Weekday, &str); 7] = [
    (Weekday::Monday, "MO"),
    (Weekday::Tuesday, "TU"),
    (Weekday::Wednesday, "WE"),
    (Weekday::Thursday, "TH"),
    (Weekday::Friday, "FR"),
    (Weekday::Saturday, "SA"),
    (Weekday::Sunday, "SU"),
];

fn short(day: Weekday) -> &'static str {
    WEEK.iter().find(|(known, _)| *known == day).unwrap().1
}

impl Days {
    fn rule(&self) -> String {
        match self {
            Self::Every(n) => format!("FREQ=DAILY;INTERVAL={n}"),
            Self::Weeks(n, days) => {
                let days: Vec<&str> = days.iter().map(|day| short(*day)).collect();
                format!("FREQ=WEEKLY;INTERVAL={n};BYDAY={}", days.join(","))
            }
            Self::Nth(n, day) => format!("FREQ=MONTHLY;BYDAY=+{n}{}", short(*day)),
            Self::Last(day) => format!("FREQ=MONTHLY;BYDAY=-1{}", short(*day)),
            Self::OfMonth(n) => format!("FREQ=MONTHLY;BYMONTHDAY={n}"),
        }
    }

    fn has(&self, start: Date, day: Date) -> bool {
        let monday = |day: Date| day - i64::from(day.weekday().to_monday_zero_offset()).days();
        let since = |a: Date, b: Date| (b - a).get_days();
        match self {
            Self::Every(n) => since(start, day) % n == 0,
            Self::Weeks(n, days) => {
                days.contains(&day.weekday()) && since(monday(start), monday(day)) / 7 % n == 0
            }
            Self::Nth(n, weekday) => day.weekday() == *weekday && (day.day() - 1) / 7 + 1 == *n,
            Self::Last(weekday) => day.weekday() == *weekday && day.day() + 7 > day.days_in_month(),
            Self::OfMonth(n) => day.day() == *n,
        }
    }
}

fn days() -> impl Strategy<Value = Days> {
    let weekday = || prop::sample::select(WEEK.map(|(day, _)| day).to_vec());
    prop_oneof![
        (1..20_i32).prop_map(Days::Every),
        (1..5_i32, prop::collection::vec(weekday(), 1..4)).prop_map(|(n, d)| Days::Weeks(n, d)),
        (1..5_i8, weekday()).prop_map(|(n, day)| Days::Nth(n, day)),
        weekday().prop_map(Days::Last),
        (1..32_i8).prop_map(Days::OfMonth),
    ]
}

/// The first moment at which the zone's clocks show `local`, by trying each quarter of an hour; of one that
/// they jump over, as if they had not jumped yet.
fn tried(zone: &Zone, local: DateTime) -> Timestamp {
    let zero = Zone::named("UTC").unwrap().instant(local).unwrap();
    let quarters = (-60..=60).map(|n| zero + SignedDuration::from_mins(15 * n));
    if let Some(first) = quarters.into_iter().find(|at| zone.local(*at) == local) {
        return first;
    }
    let before = zero - SignedDuration::from_hours(15);
    let wall = Zone::named("UTC").unwrap().instant(zone.local(before)).unwrap();
    zero - wall.duration_since(before)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 400 }))]
    #[test]
    fn occurrences_are_those_of_another_computation(
        days in days(),
        zone in prop::sample::select(vec![
            "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC",
        ]),
        first in 0_i64..1_000,
        quarter in 0_i8..96,
        minutes in 15_u32..3_000,
        after in 0_i64..400,
    ) {
        let start = "2024-01-01".parse::<Date>().unwrap() + first.days();
        let time = jiff::civil::time(quarter / 4, quarter % 4 * 15, 0, 0);
        let start_at = start.to_datetime(time).to_string();
        let window = window(&days.rule(), &start_at, zone, minutes);
        let zone = Zone::named(zone).unwrap();
        let from = tried(&zone, start.to_datetime(time)) + SignedDuration::from_hours(24 * after);
        let until = from + SignedDuration::from_hours(24 * 100);
        let mut expected = Vec::new();
        for n in 0..520_i64 {
            let day = start + n.days();
            if days.has(start, day) {
                let opens = tried(&zone, day.to_datetime(time));
                let closes = opens + SignedDuration::from_mins(minutes.into());
                if closes > from && opens < until {
                    expected.push((opens, closes));
                }
            }
        }
        let found = window.occurrences(from, until, 1_000).unwrap();
        let found: Vec<_> = found.iter().map(|span| (span.opens, span.closes)).collect();
        prop_assert_eq!(found, expected);
    }
}

/// Parts of rules, sensible or not.
fn part() -> impl Strategy<Value = String> {
    let number = || prop_oneof![-400_i32..400, Just(0), Just(65_535), Just(i32::MAX)];
    let list = move || {
        prop::collection::vec(number(), 1..4)
            .prop_map(|all| all.iter().map(i32::to_string).collect::<Vec<_>>().join(","))
    };
    let names = vec![
        "BYMONTH",
        "BYMONTHDAY",
        "BYYEARDAY",
        "BYWEEKNO",
        "BYSETPOS",
        "INTERVAL",
        "COUNT",
        "BYHOUR",
    ];
    let weekday = (number(), prop::sample::select(WEEK.map(|(_, name)| name).to_vec()));
    prop_oneof![
        4 => (prop::sample::select(names), list()).prop_map(|(name, list)| format!("{name}={list}")),
        2 => weekday.prop_map(|(n, day)| format!("BYDAY={n}{day}")),
        1 => prop::sample::select(WEEK.map(|(_, name)| name).to_vec()).prop_map(|d| format!("BYDAY={d}")),
        1 => Just("WKST=SU".to_owned()),
        1 => Just("UNTIL=20301231T000000Z".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_rule_stops_the_appliance(
        frequency in prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
        parts in prop::collection::vec(part(), 0..5),
        year in 2000_i16..=2100,
    ) {
        let rule = format!("FREQ={frequency};{}", parts.join(";"));
        let start = format!("{year}-01-31T22:00");
        // Whatever it is, there is an answer; and what is taken, opens.
        if let Ok(taken) = window(rule.trim_end_matches(';'), &start, "Europe/London", 60)
            .checked(at("2026-11-24T16:00:00Z"))
        {
            prop_assert!(taken.clone().checked(at("2026-11-24T16:00:00Z")).is_ok_and(|t| t == taken));
        }
    }
}
