//! Who used the days, as a report: each update's way from its vendor to its endpoints, with a bar of those who had it.

use crate::{
    Console, Failure,
    chart::Bar,
    frame::{Frame, Section},
    list::{Address, Head, Pager, ROWS, encode, skip},
    reading,
    report::{csv, taken},
    text,
    visit::Visit,
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, Response},
    routing::get,
};
use fleet::{Moment, Party, PartyTotal, Spent};
use ids::RingName;
use serde::Deserialize;
use site::{DaysReport, DaysRow, Site};
use std::sync::Arc;

const DAY: u64 = 86_400;

#[derive(Deserialize)]
struct Words {
    ring: Option<String>,
    page: Option<u64>,
}

#[derive(Template)]
#[template(path = "report_days.html")]
struct DaysPage {
    frame: Frame,
    pager: Pager,
    heads: Vec<Head>,
    report: DaysReport,
    rings: Vec<RingName>,
    ring: String,
    /// The scale of all bars, in seconds.
    longest: u64,
}

/// Whose is what of the time, in a few words.
const fn has_it(party: Party) -> (&'static str, &'static str) {
    match party {
        Party::Publisher => ("Publisher", "from the vendor’s release until it was collected"),
        Party::Courier => ("Courier", "until it was imported here"),
        Party::Approver => ("Approver", "until it was approved"),
        Party::Window => ("Window", "until the next window opened"),
        Party::Endpoints => ("Endpoints", "until it was effective on the last of them"),
    }
}

/// Days to one place, rounded down.
fn days(seconds: u64) -> String {
    let tenths = seconds / (DAY / 10);
    format!("{}.{}", text::thousands(tenths / 10), tenths % 10)
}

impl DaysPage {
    fn parties(&self) -> impl Iterator<Item = (&'static str, &'static str, &PartyTotal)> {
        self.report.totals.iter().map(|total| {
            let (name, when) = has_it(total.party);
            (name, when, total)
        })
    }

    fn days(seconds: &Option<u64>) -> String {
        seconds.map_or("–".to_owned(), days)
    }

    /// How the middle of those that passed it on compares: a part of all middles together.
    fn share(&self, total: &PartyTotal) -> Bar {
        let of = |total: &PartyTotal| total.median.unwrap_or(0);
        let most = self.report.totals.iter().map(of).max().unwrap_or(0);
        let said = format!("{} days in the middle", days(of(total)));
        Bar::against(said, total.party.word(), of(total), None, most)
    }

    fn bar(&self, row: &DaysRow) -> Bar {
        let known = Party::ALL.into_iter().zip(row.spent);
        let parts: Vec<_> =
            known.map(|(party, spent)| (party.word(), spent.seconds().unwrap_or(0))).collect();
        let said = Party::ALL.into_iter().zip(row.spent).map(|(party, spent)| {
            format!("{}: {}", has_it(party).0.to_lowercase(), Self::cell(&spent))
        });
        Bar::stacked_on(said.collect::<Vec<_>>().join(", "), &parts, self.longest)
    }

    fn cell(spent: &Spent) -> String {
        match spent {
            Spent::Took(seconds) => days(*seconds),
            Spent::Running(seconds) => format!("{} so far", days(*seconds)),
            Spent::NotYet => "–".to_owned(),
            Spent::Unknown => "unknown".to_owned(),
        }
    }

    fn link(row: &DaysRow) -> String {
        format!("/updates/{}/{}", row.source, encode(&row.id))
    }

    fn released(&self, row: &DaysRow) -> String {
        match row.way.released {
            Moment::At(at) => self.frame.day(&at),
            _ => "unknown".to_owned(),
        }
    }

    fn suffix(&self) -> String {
        if self.ring.is_empty() { String::new() } else { format!("?ring={}", self.ring) }
    }
}

fn ring_of(words: &str) -> Result<Option<RingName>, Failure> {
    Ok(Some(words).filter(|ring| !ring.is_empty()).map(str::parse).transpose()?)
}

async fn page(visit: Visit, Query(words): Query<Words>) -> Result<Html<String>, Failure> {
    let (ring, page) = (words.ring.unwrap_or_default(), words.page.unwrap_or(1));
    let of = ring_of(&ring)?;
    let part = move |site: &Site| site.days_part(of.as_ref(), skip(page), ROWS);
    let (report, found) = reading(&visit, part).await?;
    let pager = Address::new("/reports/days").word("ring", ring.clone()).pager(page, found);
    let length = |row: &DaysRow| row.spent.iter().filter_map(|spent| spent.seconds()).sum::<u64>();
    let names = ["Update", "Ring", "Released", "Who had it for how long", "Effective on"];
    let mut heads: Vec<Head> = names[..4].iter().map(|name| Head::plain(name)).collect();
    heads.extend(Party::ALL.map(|party| Head { number: true, ..Head::plain(has_it(party).0) }));
    heads.push(Head { number: true, ..Head::plain(names[4]) });
    let page = DaysPage {
        frame: Frame::new(&visit, Section::Reports, "Who used the days")
            .below("Reports", "/reports"),
        rings: visit.site().state().rings.keys().cloned().collect(),
        longest: report.rows.iter().map(length).max().unwrap_or(0),
        pager,
        heads,
        report,
        ring,
    };
    Ok(Html(page.render()?))
}

fn moment(moment: Moment) -> String {
    match moment {
        Moment::At(at) => at.to_string(),
        Moment::NotYet => String::new(),
        Moment::Unknown => "unknown".to_owned(),
    }
}

async fn file(
    visit: Visit,
    Path(file): Path<String>,
    Query(words): Query<Words>,
) -> Result<Response, Failure> {
    let of = ring_of(&words.ring.unwrap_or_default())?;
    let report = reading(&visit, move |site| site.days_report(of.as_ref())).await?;
    let rows = report.rows.iter().map(|row| {
        let way = row.way;
        let mut cells = vec![
            row.ring.to_string(),
            row.source.to_string(),
            row.package.clone(),
            row.version.clone(),
            row.bundle.map_or("unknown".to_owned(), |bundle| bundle.to_string()),
        ];
        let moments =
            [way.released, way.collected, way.imported, way.approved, way.opened, way.effective];
        cells.extend(moments.map(moment));
        cells.extend(row.spent.map(|spent| match spent {
            Spent::Took(seconds) | Spent::Running(seconds) => days(seconds).replace(',', ""),
            Spent::NotYet => String::new(),
            Spent::Unknown => "unknown".to_owned(),
        }));
        let running = row.spent.iter().position(|spent| matches!(spent, Spent::Running(_)));
        cells.push(running.map_or(String::new(), |place| Party::ALL[place].word().to_owned()));
        cells.extend([row.endpoints.to_string(), row.effective.to_string()]);
        cells
    });
    let heads = [
        "ring",
        "source",
        "package",
        "version",
        "bundle",
        "released_at",
        "collected_at",
        "imported_at",
        "approved_at",
        "window_opened_at",
        "effective_at",
        "publisher_days",
        "courier_days",
        "approver_days",
        "window_days",
        "endpoints_days",
        "with_now",
        "endpoints",
        "effective_on",
    ];
    taken(&file, "who-used-the-days", &report, || csv(&heads, rows))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/reports/days", get(page)).route("/reports/days/{file}", get(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_one_place_and_are_never_rounded_up() {
        assert_eq!(days(0), "0.0");
        assert_eq!(days(DAY - 1), "0.9");
        assert_eq!(days(14 * DAY + DAY / 2), "14.5");
        assert_eq!(days(1_200 * DAY), "1,200.0");
    }
}
