//! Deciding about many updates at once: those that were ticked in the list are left out for a while, or planned alone.

use crate::{
    Console, Failure,
    frame::{Frame, Section},
    list::encode,
    reading, text,
    update::days_from_now,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::Query,
    response::{Html, Redirect},
    routing::get,
};
use fleet::Operation;
use ids::{RingName, SourceId};
use site::{Choice, RingChoice, UpdateKey, UpdateRow};
use std::sync::Arc;

/// Words of an address or a form, of which some may come more than once.
type Words = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "update_choice.html")]
struct Page {
    frame: Frame,
    choice: Choice,
    may_decline: bool,
    may_plan: bool,
}

impl Page {
    fn link(row: &UpdateRow) -> String {
        format!("/updates/{}/{}", row.source, encode(&row.id))
    }

    fn plan(ring: &RingChoice) -> String {
        let packages = ring.packages.iter().map(|package| format!("&package={}", encode(package)));
        format!("/runs/plan?ring={}{}", ring.ring, packages.collect::<String>())
    }
}

/// The updates that were ticked: each a source, a space and the id there.
fn chosen(words: &Words) -> Result<Vec<UpdateKey>, Failure> {
    let none = |_| Failure::input("that is no update of the list: tick it there");
    let keys = words.iter().filter(|(key, _)| key == "update").map(|(_, update)| {
        let (source, id) = update.split_once(' ').unwrap_or_default();
        Ok((source.parse::<SourceId>().map_err(none)?, id.to_owned()))
    });
    keys.collect()
}

async fn page(visit: Visit, Query(words): Query<Words>) -> Result<Html<String>, Failure> {
    let chosen = chosen(&words)?;
    let choice = reading(&visit, move |site| site.choice(&chosen)).await?;
    let page = Page {
        frame: Frame::new(&visit, Section::Updates, "Decide about updates")
            .below("Updates", "/updates"),
        choice,
        may_decline: visit.may(Operation::Decline),
        may_plan: visit.may(Operation::PlanRun),
    };
    Ok(Html(page.render()?))
}

async fn decline(Sent(visit, words): Sent<Words>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::Decline)?;
    let chosen = chosen(&words)?;
    let word = |key: &str| {
        words.iter().find(|(known, _)| known == key).map_or("", |(_, word)| word.as_str())
    };
    let rings = words.iter().filter(|(key, _)| key == "ring").map(|(_, ring)| ring.parse());
    let rings: Vec<RingName> = rings.collect::<Result<_, _>>()?;
    if rings.is_empty() {
        return Err(Failure::input("choose a ring in which they are left out"));
    }
    let (reason, not_after) = (word("reason").to_owned(), days_from_now(&visit, word("days"))?);
    reading(&visit, move |site| site.decline_many(&actor, &rings, &chosen, &reason, not_after))
        .await?;
    Ok(Redirect::to("/updates?lacking=yes&done=declined-many"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/update-choice", get(page).post(decline))
}
