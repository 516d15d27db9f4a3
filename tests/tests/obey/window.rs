//! Windows: what is approved is applied in them, and not outside.

use crate::house::House;
use fleet::Zone;
use std::time::Duration;

/// The wall's time in UTC, so many hours from now, to the minute.
fn wall(hours: i64) -> String {
    let apart = Duration::from_hours(hours.unsigned_abs());
    let at = if hours < 0 { site::now() - apart } else { site::now() + apart };
    Zone::named("UTC").unwrap().local(at).strftime("%Y-%m-%dT%H:%M").to_string()
}

fn set(house: &House, name: &str, start: &str, minutes: &str) -> tests::Said {
    let words = ["--rule", "FREQ=DAILY", "--zone", "UTC", "--start", start, "--minutes", minutes];
    let own = [name, "--as", "oscar"];
    house.appliance.verb(&["window", "set"], &[&own[..], &words].concat())
}

#[test]
fn what_is_approved_waits_for_the_rings_windows() {
    let house = House::new();
    let machine = house.scanned("web1");
    house.appliance.verb(&["window", "list"], &[]).ok().says("There is no window");
    // It opens in three hours, for one: not now.
    let said = set(&house, "later", &wall(3), "60").ok();
    said.says("later  ring broad, FREQ=DAILY").says("UTC for 60 minutes").says("For web1.");
    let preview = house.appliance.verb(&["window", "preview"], &["later", "--json"]).ok().json();
    assert_eq!(preview["next"].as_array().unwrap().len(), 10);
    assert_eq!(preview["endpoints"][0], "web1");
    // Of its own accord an approval keeps to the ring's windows.
    house.approve(&["--days", "3"]).ok().says("Windows (3, UTC)");
    let said = machine.run();
    assert!(said.has("the next opens"), "{said}");
    machine.has(["1", "1"]);
    // One that would end before the next window is not drawn up, and says so.
    set(&house, "later", &wall(100), "60").ok();
    let short = house.approve(&["--days", "2"]).exits(3);
    short.says("no window of ring broad opens before").says("the next opens");
    house.approve(&["--days", "3", "--window", "sundays"]).exits(3).says("no window sundays");
    // Two windows: by name one of them, or none at all.
    set(&house, "open", &wall(-1), "240").ok();
    house.approve(&["--days", "3", "--window", "later"]).exits(3).says("no window of ring");
    house.approve(&["--any-time"]).ok().says("Windows (1, UTC)");
    house.approve(&["--days", "3", "--window", "open"]).ok().says("Windows (4, UTC)");
    machine.run().ok();
    machine.has(["2", "2"]);
    house.appliance.verb(&["window", "remove"], &["open", "--as", "oscar"]).ok();
    house.appliance.verb(&["window", "remove"], &["open", "--as", "oscar"]).exits(3);
    assert_eq!(house.told("window-set").len(), 3);
    assert!(house.told("window-removed")[0].contains("removed window open"));
}

#[test]
fn a_window_that_cannot_be_is_refused_and_says_why() {
    let house = House::new();
    let refused = |rule: &str, start: &str, zone: &str| {
        let words = ["night", "--rule", rule, "--start", start, "--zone", zone, "--minutes", "60"];
        house.appliance.verb(&["window", "set"], &words).exits(3)
    };
    let start = "2026-12-01T01:30";
    refused("FREQ=DAILY", start, "Europe/Lundon").says("there is no time zone");
    refused("FREQ=HOURLY", start, "Europe/London").says("at most once a day");
    refused("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", start, "Europe/London").says("does not open");
    refused("each night", start, "Europe/London").says("RFC 5545");
    assert!(house.told("window-set").is_empty());
}
