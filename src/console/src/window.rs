//! Maintenance windows: the list, one with its next openings, making and removing one.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading, text,
    visit::{Nothing, Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, Redirect},
    routing::{get, post},
};
use fleet::{Operation, WINDOW_MINUTES_MAX, Window};
use ids::{RingName, WindowName};
use serde::Deserialize;
use site::{Site, WindowStatus};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "windows.html")]
struct List {
    frame: Frame,
    rows: Vec<WindowStatus>,
    may: bool,
}

async fn list(visit: Visit, Query(words): Query<Done>) -> Result<Html<String>, Failure> {
    let rows = reading(&visit, Site::windows).await?;
    let may = visit.may(Operation::SetWindow);
    let frame = Frame::new(&visit, Section::Rules, "Windows").after(words.done.as_deref());
    Ok(Html(List { frame, rows, may }.render()?))
}

#[derive(Template)]
#[template(path = "window.html")]
struct One {
    frame: Frame,
    window: WindowStatus,
    form: SetForm,
    rings: Vec<RingName>,
    may_set: bool,
    may_remove: bool,
}

async fn one(
    visit: Visit,
    Path(name): Path<String>,
    Query(words): Query<Done>,
) -> Result<Html<String>, Failure> {
    let name: WindowName = name.parse()?;
    let window = reading(&visit, move |site| site.window(&name)).await?;
    let page = One {
        frame: Frame::new(&visit, Section::Rules, format!("Window {}", window.name))
            .below("Windows", "/windows")
            .after(words.done.as_deref()),
        form: SetForm::of(&window),
        rings: rings(&visit),
        may_set: visit.may(Operation::SetWindow),
        may_remove: visit.may(Operation::RemoveWindow),
        window,
    };
    Ok(Html(page.render()?))
}

fn rings(visit: &Visit) -> Vec<RingName> {
    visit.site().state().rings.keys().cloned().collect()
}

#[derive(Template)]
#[template(path = "window_new.html")]
struct New {
    frame: Frame,
    form: SetForm,
    rings: Vec<RingName>,
    may: bool,
    /// Whether there is one of this name already.
    known: bool,
    /// What it would be like, or what is wrong with what was given.
    preview: Option<WindowStatus>,
    wrong: Option<String>,
}

impl New {
    fn of(visit: &Visit, form: SetForm) -> Self {
        let name = form.name.trim().parse::<WindowName>();
        let known = name.is_ok_and(|name| visit.site().state().windows.contains_key(&name));
        let title = if known { "Change a window" } else { "Make a window" };
        let frame = Frame::new(visit, Section::Rules, title).below("Windows", "/windows");
        let (rings, may) = (rings(visit), visit.may(Operation::SetWindow));
        Self { frame, form, rings, may, known, preview: None, wrong: None }
    }
}

async fn new(visit: Visit) -> Result<Html<String>, Failure> {
    let mut page =
        New::of(&visit, SetForm { rule: "FREQ=WEEKLY;BYDAY=SA".into(), ..SetForm::default() });
    page.form.zone = page.frame.zone_name().to_owned();
    Ok(Html(page.render()?))
}

/// Shows when a window would open, and for whom; nothing is kept.
async fn preview(Sent(visit, form): Sent<SetForm>) -> Result<Html<String>, Failure> {
    let read = form.name.trim().parse::<WindowName>().map_err(Failure::from);
    let read = read.and_then(|name| Ok((name, form.window()?)));
    let seen = match read {
        Ok((name, window)) => reading(&visit, move |site| site.window_preview(&name, window)).await,
        Err(failure) => Err(failure),
    };
    let mut page = New::of(&visit, form);
    match seen {
        Ok(status) => page.preview = Some(status),
        Err(failure) => page.wrong = Some(failure.said()),
    }
    Ok(Html(page.render()?))
}

#[derive(Default, Deserialize)]
struct SetForm {
    name: String,
    ring: String,
    rule: String,
    start: String,
    minutes: String,
    zone: String,
}

impl SetForm {
    fn of(status: &WindowStatus) -> Self {
        let window = &status.window;
        Self {
            name: status.name.to_string(),
            ring: window.ring.to_string(),
            rule: window.rule.clone(),
            start: window.start.strftime("%Y-%m-%dT%H:%M").to_string(),
            minutes: window.minutes.to_string(),
            zone: window.zone.clone(),
        }
    }

    fn window(&self) -> Result<Window, Failure> {
        let start = self.start.trim().parse();
        let start = start.map_err(|_| {
            Failure::input(format!(
                "{:?} is no start: give day and time, such as 2026-11-28T22:00",
                self.start
            ))
        })?;
        let minutes = self.minutes.trim().parse();
        Ok(Window {
            ring: self.ring.parse()?,
            rule: self.rule.clone(),
            start,
            zone: self.zone.trim().to_owned(),
            minutes: minutes.map_err(|_| Failure::input("give the minutes as a whole number"))?,
        })
    }
}

async fn set(Sent(visit, form): Sent<SetForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::SetWindow)?;
    let name: WindowName = form.name.trim().parse()?;
    let (window, own) = (form.window()?, name.clone());
    reading(&visit, move |site| site.set_window(actor, own, window)).await?;
    Ok(Redirect::to(&format!("/windows/{name}?done=window-set")))
}

async fn remove(
    Path(name): Path<String>,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::RemoveWindow)?;
    let name: WindowName = name.parse()?;
    reading(&visit, move |site| site.remove_window(actor, name)).await?;
    Ok(Redirect::to("/windows?done=window-removed"))
}

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/windows", get(list).post(set))
        .route("/window-new", get(new))
        .route("/window-new/preview", post(preview))
        .route("/windows/{name}", get(one))
        .route("/windows/{name}/remove", post(remove))
}
