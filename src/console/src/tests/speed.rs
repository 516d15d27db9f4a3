//! How long pages take over a site: a small one, or the large one of `just bench pages`. It prints, and never fails by
//! the clock.

use super::{get, sample::Sample};
use axum::http::StatusCode;
use std::time::{Duration, Instant};

/// Updates and endpoints, unless `PATCHKEEP_BENCH_SITE` says others, such as `50000 20000`.
const SIZE: &str = "500 60";
/// What a page is to take at most, in milliseconds: an aim.
const AIM: u128 = 100;
/// How often each page is asked for again.
const AGAIN: usize = 3;

/// Every page that lists or sums something.
const PAGES: [&str; 27] = [
    "/",
    "/endpoints",
    "/endpoints?state=attention",
    "/endpoints?name=m-19",
    "/endpoints?sort=seen&order=descending&page=300",
    "/updates",
    "/updates?page=700",
    "/updates?text=made-up-49",
    "/updates?lacking=yes&sort=lacking&order=descending",
    "/imports",
    "/runs",
    "/rings",
    "/windows",
    "/policies",
    "/exceptions",
    "/floors",
    "/calendar",
    "/reports",
    "/reports/levels",
    "/reports/levels?page=900",
    "/reports/days",
    "/reports/statement",
    "/reports/policies/cyber-essentials",
    "/reports/policies/cyber-essentials?status=overdue&page=5000",
    "/audit",
    "/audit?type=inventory-received",
    "/audit?type=inventory-received&before=5000",
];

#[tokio::test]
async fn each_list_of_a_large_site_is_a_page() {
    let size = std::env::var("PATCHKEEP_BENCH_SITE").unwrap_or(SIZE.to_owned());
    let (updates, endpoints) = size.split_once(' ').unwrap();
    let begun = Instant::now();
    let sample = Sample::large(updates.parse().unwrap(), endpoints.parse().unwrap());
    let console = sample.console();
    println!("{updates} updates, {endpoints} endpoints, made in {} s", begun.elapsed().as_secs());
    println!("{:>8} {:>8}  page (ms: the first time, and the middle of {AGAIN})", "first", "again");
    let mut over = 0;
    for path in PAGES {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..=AGAIN {
            let asked = Instant::now();
            let page = get(&console, path).await;
            times.push(asked.elapsed());
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
            // Lists of machines and updates come a page at a time, whatever there is of them.
            let rows = page.text.matches("<tr class=\"govuk-table__row\"").count();
            assert!(rows <= 120, "{path} has {rows} rows");
        }
        let first = times.remove(0).as_millis();
        times.sort();
        let again = times[times.len() / 2].as_millis();
        over += u32::from(again > AIM);
        println!(
            "{first:>8} {again:>8}  {path}{}",
            if again > AIM { "  over the aim" } else { "" }
        );
    }
    println!("{over} of {} pages take more than {AIM} ms", PAGES.len());
}
