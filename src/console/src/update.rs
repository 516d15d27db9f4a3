//! Updates: the list, one of them with its chain of evidence, and declining what is not wanted.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    list::{Address, Head, Pager, ROWS, Sort, encode, skip},
    reading, tag, text,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, Redirect},
    routing::{get, post},
};
use catalogue::{ReleaseBasis, VendorSeverity};
use fleet::{Moment, Operation};
use ids::{RingName, SourceId, Timestamp};
use jiff::SignedDuration;
use serde::Deserialize;
use site::{
    DaysRow, Part, UpdateDeadline, UpdateDetail, UpdateQuery, UpdateRow, UpdateSort, VendorText,
};
use std::{collections::BTreeSet, sync::Arc};

/// The word in addresses for updates of which neither vendor nor score says how severe they are.
pub(crate) const NOT_RATED: &str = "not-rated";
/// CVE ids that a row shows; the update's own page has all.
const CVES_SHOWN: usize = 2;
/// Endpoints that an update's page names; the list of endpoints has all.
const ENDPOINTS_SHOWN: usize = 200;

#[derive(Deserialize)]
struct ListWords {
    text: Option<String>,
    source: Option<String>,
    lacking: Option<String>,
    severity: Option<String>,
    exploited: Option<String>,
    sort: Option<String>,
    order: Option<String>,
    page: Option<u64>,
    tick: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "updates.html")]
struct List {
    frame: Frame,
    heads: Vec<Head>,
    pager: Pager,
    rows: Vec<UpdateRow>,
    all: u64,
    text: String,
    source: String,
    lacking: bool,
    severity: Option<VendorSeverity>,
    not_rated: bool,
    exploited: bool,
    sources: Vec<SourceId>,
    may_decide: bool,
    /// By when each row is wanted first, by any policy, in any ring.
    firsts: Vec<Option<UpdateDeadline>>,
    /// Whether each row is ticked to begin with, and the address where it is.
    ticked: bool,
    tick: String,
}

impl List {
    /// The first CVE ids of a row, and how many more there are.
    fn cves(&self, row: &UpdateRow) -> String {
        match row.cves.as_deref() {
            None => "not known".to_owned(),
            Some([]) => "none named".to_owned(),
            Some(cves) => {
                let shown = cves.iter().take(CVES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
                match cves.len().saturating_sub(CVES_SHOWN) {
                    0 => shown,
                    more => format!("{shown} and {more} more"),
                }
            }
        }
    }

    fn link(&self, row: &UpdateRow) -> String {
        format!("/updates/{}/{}", row.source, encode(&row.id))
    }
}

fn heads(address: &Address, sort: &Sort) -> Vec<Head> {
    vec![
        address.head("Package", "package", sort),
        Head::plain("Fixed version"),
        address.head("Released", "released", sort),
        Head { number: true, ..address.head("Lacking", "lacking", sort) },
        address.head("Severity", "severity", sort),
        Head::plain("Wanted by"),
        Head::plain("CVEs"),
        Head::plain("Source"),
    ]
}

/// A part of the list, with the first deadline of each row.
fn part_of(
    site: &site::Site,
    query: &UpdateQuery,
) -> Result<(Part<UpdateRow>, Vec<Option<UpdateDeadline>>), site::Error> {
    let (part, deadlines) = site.update_part_with_deadlines(query)?;
    let first = |all: Vec<UpdateDeadline>| all.into_iter().min_by_key(UpdateDeadline::urgency);
    let firsts = deadlines.into_iter().map(first).collect();
    Ok((part, firsts))
}

async fn list(visit: Visit, Query(words): Query<ListWords>) -> Result<Html<String>, Failure> {
    let largest_first = &["released", "lacking", "severity"];
    let sort = Sort::from(words.sort.as_deref(), words.order.as_deref(), "released", largest_first);
    let (text, source) = (words.text.unwrap_or_default(), words.source.unwrap_or_default());
    let (lacking, page) = (words.lacking.is_some(), words.page.unwrap_or(1));
    let severity = words.severity.as_deref().and_then(VendorSeverity::of_word);
    let not_rated = words.severity.as_deref() == Some(NOT_RATED);
    let exploited = words.exploited.is_some();
    let query = UpdateQuery {
        text: text.clone(),
        source: source.parse().ok(),
        lacking,
        severity,
        not_rated,
        exploited,
        sort: match sort.by.as_str() {
            "package" => UpdateSort::Package,
            "lacking" => UpdateSort::Lacking,
            "severity" => UpdateSort::Severity,
            _ => UpdateSort::Released,
        },
        descending: sort.descending,
        skip: skip(page),
        take: ROWS,
    };
    let (part, firsts) = reading(&visit, move |site| part_of(site, &query)).await?;
    let address = Address::new("/updates")
        .word("text", text.clone())
        .word("source", source.clone())
        .word("lacking", if lacking { "yes" } else { "" })
        .word(
            "severity",
            severity.map_or(if not_rated { NOT_RATED } else { "" }, VendorSeverity::word),
        )
        .word("exploited", if exploited { "yes" } else { "" })
        .word("sort", sort.by.clone())
        .word("order", if sort.descending { "descending" } else { "ascending" });
    let may_decide = visit.may(Operation::Decline) || visit.may(Operation::PlanRun);
    let mut heads = heads(&address, &sort);
    if may_decide {
        heads.insert(0, Head::plain("Tick"));
    }
    let state = visit.site().state();
    let sources: BTreeSet<SourceId> =
        state.views.keys().map(|(source, _)| source.clone()).collect();
    let list = List {
        heads,
        pager: address.pager(page, part.found),
        rows: part.rows,
        firsts,
        all: part.all,
        sources: sources.into_iter().collect(),
        frame: Frame::new(&visit, Section::Updates, "Updates").after(words.done.as_deref()),
        may_decide,
        ticked: words.tick.is_some(),
        tick: address.with(&[("page", &page.to_string()), ("tick", "all")]),
        text,
        source,
        lacking,
        severity,
        not_rated,
        exploited,
    };
    Ok(Html(list.render()?))
}

#[derive(Template)]
#[template(path = "update.html")]
struct One {
    frame: Frame,
    known: UpdateDetail,
    deadlines: Vec<UpdateDeadline>,
    may_decline: bool,
    /// Rings whose endpoints lack something of it.
    open_in: Vec<RingName>,
    packages: Vec<String>,
}

impl One {
    fn basis(&self) -> &'static str {
        match self.known.update.released_by {
            ReleaseBasis::SignedRelease => "the first signed release in which it was seen",
            ReleaseBasis::Changelog => "its changelog",
            ReleaseBasis::Advisory => "the vendor's signed advisory",
        }
    }

    /// On how many endpoints it is effective, of those that it was approved for.
    fn effective(way: &DaysRow) -> String {
        format!("{} of {}", text::thousands(way.effective), text::count(way.endpoints, "endpoint"))
    }

    /// The rings that approved it: when, and when it was effective everywhere.
    fn approved(&self) -> impl Iterator<Item = (&DaysRow, Timestamp, Option<Timestamp>)> {
        self.known.ways.iter().filter_map(|way| {
            let Moment::At(approved) = way.way.approved else { return None };
            let effective = match way.way.effective {
                Moment::At(at) => Some(at),
                Moment::NotYet | Moment::Unknown => None,
            };
            Some((way, approved, effective))
        })
    }

    fn path(&self) -> String {
        format!("/updates/{}/{}", self.known.source.source, encode(&self.known.update.id))
    }

    fn more(&self) -> usize {
        self.known.lacking.len().saturating_sub(ENDPOINTS_SHOWN)
    }

    fn shown(&self) -> impl Iterator<Item = &(ids::EndpointName, RingName)> {
        self.known.lacking.iter().take(ENDPOINTS_SHOWN)
    }
}

async fn one(
    visit: Visit,
    Path((source, id)): Path<(String, String)>,
    Query(words): Query<Done>,
) -> Result<Html<String>, Failure> {
    let source: SourceId = source.parse()?;
    let look = move |site: &site::Site| {
        let known = site.update(&source, &id)?;
        Ok((known, site.deadlines(&source, &id)?))
    };
    let (known, deadlines) = reading(&visit, look).await?;
    let open_in: BTreeSet<RingName> = known.lacking.iter().map(|(_, ring)| ring.clone()).collect();
    let packages: BTreeSet<String> =
        known.update.payloads.iter().map(|payload| payload.package.clone()).collect();
    let title = format!("{} {}", known.update.source_package, known.update.fixed_version);
    let page = One {
        frame: Frame::new(&visit, Section::Updates, title)
            .below("Updates", "/updates")
            .after(words.done.as_deref()),
        may_decline: visit.may(Operation::Decline) && !open_in.is_empty(),
        open_in: open_in.into_iter().collect(),
        packages: packages.into_iter().collect(),
        known,
        deadlines,
    };
    Ok(Html(page.render()?))
}

#[derive(Template)]
#[template(path = "vendor_text.html")]
struct TextPage {
    frame: Frame,
    source: SourceId,
    said: VendorText,
}

async fn text(
    visit: Visit,
    Path((source, id)): Path<(String, String)>,
) -> Result<Html<String>, Failure> {
    let source: SourceId = source.parse()?;
    let above = format!("/updates/{source}/{}", encode(&id));
    let (of, wanted) = (source.clone(), id.clone());
    let said = reading(&visit, move |site| site.vendor_text(&of, &wanted)).await?;
    let frame = Frame::new(&visit, Section::Updates, "What its vendor says")
        .below("Updates", "/updates")
        .below(id, above);
    Ok(Html(TextPage { frame, source, said }.render()?))
}

#[derive(Deserialize)]
struct DeclineForm {
    ring: String,
    package: String,
    reason: String,
    days: String,
}

async fn decline(
    Path((source, id)): Path<(String, String)>,
    Sent(visit, form): Sent<DeclineForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Decline)?;
    let ring: RingName = form.ring.parse()?;
    let not_after = days_from_now(&visit, &form.days)?;
    let act = move |site: &site::Site| {
        site.decline(actor, ring, form.package.trim(), &form.reason, not_after)
    };
    reading(&visit, act).await?;
    Ok(Redirect::to(&format!("/updates/{}/{}?done=declined", encode(&source), encode(&id))))
}

/// So many whole days from now.
pub(crate) fn days_from_now(visit: &Visit, days: &str) -> Result<ids::Timestamp, Failure> {
    let days: Result<u32, _> = days.trim().parse();
    let days = days.ok().filter(|days| (1..=3_650).contains(days));
    let days =
        days.ok_or_else(|| Failure::input("give the days as a whole number from 1 to 3650"))?;
    let end = visit.site().now().saturating_add(SignedDuration::from_hours(24 * i64::from(days)));
    end.map_err(|e| Failure::input(e.to_string()))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/updates", get(list))
        .route("/updates/{source}/{id}", get(one))
        .route("/updates/{source}/{id}/text", get(text))
        .route("/updates/{source}/{id}/decline", post(decline))
}
