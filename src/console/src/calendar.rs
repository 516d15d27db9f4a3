//! The site's calendar: its time zone and its holidays, with what another one would change.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading, tag,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::Query,
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::{Calendar, LevelStatus, Operation, Zone};
use jiff::civil::Date;
use serde::Deserialize;
use site::{LevelReport, Site};
use std::{collections::BTreeSet, sync::Arc};

#[derive(Template)]
#[template(path = "calendar.html")]
struct Page {
    frame: Frame,
    calendar: Calendar,
    form: SetForm,
    /// How the levels stand, and how they would stand.
    preview: Option<(LevelReport, LevelReport)>,
    may: bool,
}

impl Page {
    fn levels(
        (now, then): &(LevelReport, LevelReport),
    ) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let all = [LevelStatus::Met, LevelStatus::Due, LevelStatus::Missed, LevelStatus::Unknown];
        let of = |report: &LevelReport, status| report.counts.get(&status).copied().unwrap_or(0);
        all.map(|status| (tag::level(status).word, of(now, status), of(then, status))).into_iter()
    }

    fn clock(&self, calendar: &Calendar) -> String {
        let zone = Zone::named(&calendar.zone);
        zone.map_or_else(String::new, |zone| zone.text(self.frame.moment()))
    }

    fn month(&self, calendar: &Calendar) -> String {
        let month = calendar.month_of(self.frame.moment());
        let zone = Zone::named(&calendar.zone);
        month.zip(zone).map_or_else(String::new, |((from, to), zone)| {
            format!("{} to {}", zone.text(from), zone.text(to))
        })
    }
}

#[derive(Deserialize)]
struct SetForm {
    zone: String,
    holidays: String,
}

impl SetForm {
    fn of(calendar: &Calendar) -> Self {
        let days: Vec<String> = calendar.holidays.iter().map(ToString::to_string).collect();
        Self { zone: calendar.zone.clone(), holidays: days.join("\n") }
    }

    fn calendar(&self) -> Result<Calendar, Failure> {
        let words = self.holidays.split(|c: char| c.is_whitespace() || c == ',');
        let day = |word: &str| {
            let wrong = |_| Failure::input(format!("{word:?} is no day: write days as 2026-12-25"));
            word.parse::<Date>().map_err(wrong)
        };
        let days = words.filter(|word| !word.is_empty()).map(day);
        let holidays = days.collect::<Result<BTreeSet<_>, _>>()?;
        Ok(Calendar { zone: self.zone.trim().to_owned(), holidays })
    }
}

fn of(
    visit: &Visit,
    form: Option<SetForm>,
    preview: Option<(LevelReport, LevelReport)>,
    done: Option<&str>,
) -> Result<Html<String>, Failure> {
    let calendar = visit.site().calendar();
    let page = Page {
        frame: Frame::new(visit, Section::Rules, "Calendar").after(done),
        form: form.unwrap_or_else(|| SetForm::of(&calendar)),
        calendar,
        preview,
        may: visit.may(Operation::SetCalendar),
    };
    Ok(Html(page.render()?))
}

async fn page(visit: Visit, Query(words): Query<Done>) -> Result<Html<String>, Failure> {
    of(&visit, None, None, words.done.as_deref())
}

async fn preview(Sent(visit, form): Sent<SetForm>) -> Result<Html<String>, Failure> {
    let calendar = form.calendar()?;
    let look = move |site: &Site| Ok((site.level_report()?, site.calendar_preview(calendar)?));
    let preview = reading(&visit, look).await?;
    of(&visit, Some(form), Some(preview), None)
}

async fn set(Sent(visit, form): Sent<SetForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::SetCalendar)?;
    let calendar = form.calendar()?;
    reading(&visit, move |site| site.set_calendar(actor, calendar)).await?;
    Ok(Redirect::to("/calendar?done=calendar-set"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/calendar", get(page).post(set)).route("/calendar/preview", post(preview))
}
