//! What a new site still has to decide, as a list of tasks: each says what is so, and leads to where it is done.

use crate::{
    Console, Failure,
    frame::{Frame, Section},
    reading,
    text::count,
    visit::Visit,
};
use ::network::{Addressing, Became};
use askama::Template;
use axum::{Router, response::Html, routing::get};
use site::{NetworkStatus, Site, SiteRootStatus};
use std::sync::Arc;

/// The page here.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/getting-started", get(page))
}

/// Something to be decided.
pub(crate) struct Task {
    /// What.
    title: &'static str,
    /// Where it is done.
    path: &'static str,
    /// How it stands, or why it is to be done.
    says: String,
    done: bool,
}

#[derive(Template)]
#[template(path = "getting_started.html")]
struct Page {
    frame: Frame,
    tasks: Vec<Task>,
    left: usize,
}

async fn page(visit: Visit) -> Result<Html<String>, Failure> {
    let tasks = reading(&visit, tasks).await?;
    let left = tasks.iter().filter(|task| !task.done).count();
    let frame = Frame::new(&visit, Section::Overview, "Getting started").below("Overview", "/");
    Ok(Html(Page { frame, tasks, left }.render()?))
}

/// How many of the tasks of a new site are not done.
pub(crate) fn left(site: &Site) -> Result<usize, site::Error> {
    Ok(tasks(site)?.iter().filter(|task| !task.done).count())
}

fn tasks(site: &Site) -> Result<Vec<Task>, site::Error> {
    let mut tasks = who(site)?;
    tasks.extend(reached(site)?);
    tasks.extend(what(site));
    Ok(tasks)
}

fn task(
    title: &'static str,
    path: &'static str,
    done: bool,
    is_so: String,
    why: &'static str,
) -> Task {
    Task { title, path, says: if done { is_so } else { why.to_owned() }, done }
}

/// Who founds, works and approves.
fn who(site: &Site) -> Result<Vec<Task>, site::Error> {
    let (state, root) = (site.state(), site.site_root()?);
    let accounts = state.accounts.len() as u64;
    Ok(vec![
        task(
            "Found the site",
            "/site-root",
            true,
            format!(
                "It is {}, with {} of trust: compare them with the paper from the key ceremony.",
                site.name()?,
                count(state.anchors.len() as u64, "anchor"),
            ),
            "",
        ),
        task(
            "Open accounts for the others",
            "/people",
            accounts > 1,
            format!("There are {}.", count(accounts, "account")),
            "An operator imports and runs, an approver approves, an assessor reads. One person alone has no second pair of eyes.",
        ),
        task(
            "Say who approves",
            "/site-root",
            root.is_some(),
            root.map(|root| approvers(&root)).unwrap_or_default(),
            "Administrators sign a site root with keys of their own: it lists the approvers, and whether four eyes are needed. Nothing is patched before.",
        ),
    ])
}

/// How the appliance is reached, where that is its own affair.
fn reached(site: &Site) -> Result<Option<Task>, site::Error> {
    let NetworkStatus { now, last, .. } = site.network()?;
    Ok(now.map(|now| {
        let is_fixed = matches!(now.settings.address(), Addressing::Fixed(_));
        task(
            "Say how the appliance is reached",
            "/network",
            is_fixed || last.is_some_and(|last| last.became == Became::Kept),
            format!("{}.", now.settings),
            "DHCP lends it an address, which may become another one: endpoints need one that stays, or a name.",
        )
    }))
}

/// By which rules, and then the work itself.
fn what(site: &Site) -> Vec<Task> {
    let state = site.state();
    let policies: Vec<&str> = state.policies.values().map(|policy| &*policy.title).collect();
    let (windows, joined) = (state.windows.len() as u64, state.endpoints.iter().count() as u64);
    vec![
        task(
            "Choose a time zone and holidays",
            "/calendar",
            state.calendar.is_some(),
            format!("Times are of {}.", site.calendar().zone),
            "Until then times are in UTC, and every weekday is a working day.",
        ),
        task(
            "Put a patch policy in force",
            "/policies",
            !policies.is_empty(),
            policies.join(", "),
            "It says by when updates must be effective, such as Cyber Essentials’ 14 days.",
        ),
        task(
            "Make a window",
            "/windows",
            windows > 0,
            format!("The site has {}.", count(windows, "window")),
            "Endpoints of its ring change inside it only. Of a ring without one, they may change at any time.",
        ),
        task(
            "Import the first bundle",
            "/imports",
            state.newest.is_some(),
            state.newest.map_or_else(String::new, |(sequence, _)| {
                format!("Bundle {sequence} is the newest.")
            }),
            "It brings the vendors’ updates, each with its signature.",
        ),
        task(
            "Have the first endpoint join",
            "/endpoint-token",
            joined > 0,
            format!("The site knows {}.", count(joined, "endpoint")),
            "A token is made here; the agent brings it, and somebody compares its key.",
        ),
    ]
}

fn approvers(SiteRootStatus { root, .. }: &SiteRootStatus) -> String {
    let eyes = if root.policy.four_eyes {
        "whoever imported something does not approve it"
    } else {
        "four eyes are off"
    };
    format!(
        "Site root {} lists {} that can approve; {eyes}.",
        root.generation,
        count(root.approvers.len() as u64, "key")
    )
}
