//! What every page has around it: who is signed in, where one is, and how times and numbers are written.

use crate::{
    assets::{self, Assets},
    visit::Visit,
};
use fleet::{Role, Zone};
use ids::Timestamp;

/// The parts of the console, in the order of its menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Endpoints,
    Updates,
    Imports,
    Runs,
    Rules,
    Reports,
    Audit,
    People,
    /// None of these: signing in, one's own account.
    Elsewhere,
}

const SECTIONS: [(Section, &str, &str); 9] = [
    (Section::Overview, "Overview", "/"),
    (Section::Endpoints, "Endpoints", "/endpoints"),
    (Section::Updates, "Updates", "/updates"),
    (Section::Imports, "Imports", "/imports"),
    (Section::Runs, "Runs", "/runs"),
    (Section::Rules, "Rules", "/rings"),
    (Section::Reports, "Reports", "/reports"),
    (Section::Audit, "Audit", "/audit"),
    (Section::People, "People", "/people"),
];

const RULES: [(&str, &str); 6] = [
    ("Rings", "/rings"),
    ("Windows", "/windows"),
    ("Policies", "/policies"),
    ("Exceptions", "/exceptions"),
    ("Floors", "/floors"),
    ("Calendar", "/calendar"),
];

impl Section {
    /// The section in which an address lies.
    pub(crate) fn of(path: &str) -> Self {
        let first = path.split('/').nth(1).unwrap_or_default();
        let is_first = |path: &str| path.trim_start_matches('/') == first;
        match first {
            "updates" | "update-choice" => Self::Updates,
            "endpoint-token" | "endpoint-stock" => Self::Endpoints,
            "custody" => Self::Imports,
            "media" => Self::Audit,
            "window-new" | "policy-new" => Self::Rules,
            "site-root" | "image" | "network" => Self::People,
            _ if RULES.iter().any(|(_, path)| is_first(path)) => Self::Rules,
            _ => SECTIONS
                .into_iter()
                .find(|(_, _, path)| is_first(path))
                .map_or(Self::Elsewhere, |(section, ..)| section),
        }
    }
}

/// What stands around a page.
pub(crate) struct Frame {
    pub(crate) site: Option<String>,
    pub(crate) person: Option<String>,
    pub(crate) roles: String,
    pub(crate) token: String,
    pub(crate) title: String,
    pub(crate) section: Section,
    /// The pages above this one: name and path.
    pub(crate) crumbs: Vec<(String, String)>,
    /// What was done a moment ago.
    pub(crate) done: Option<&'static str>,
    zone: Option<Zone>,
    now: Timestamp,
}

impl Frame {
    /// Around a page for somebody who is signed in.
    pub(crate) fn new(visit: &Visit, section: Section, title: impl Into<String>) -> Self {
        let site = visit.site();
        let roles: Vec<&str> = visit.roles().into_iter().map(Role::word).collect();
        Self {
            site: site.name().ok().map(|name| name.to_string()),
            person: Some(visit.session().name.clone()),
            roles: roles.join(", "),
            token: visit.token().to_owned(),
            title: title.into(),
            section,
            crumbs: Vec::new(),
            done: None,
            zone: site.calendar().zone(),
            now: site.now(),
        }
    }

    /// Around a page for nobody in particular.
    pub(crate) fn outside(title: impl Into<String>) -> Self {
        Self {
            site: None,
            person: None,
            roles: String::new(),
            token: String::new(),
            title: title.into(),
            section: Section::Elsewhere,
            crumbs: Vec::new(),
            done: None,
            zone: None,
            now: site::now(),
        }
    }

    /// The same with a page above it.
    pub(crate) fn below(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.crumbs.push((name.into(), path.into()));
        self
    }

    /// The same with what was done a moment ago, by its word in the address.
    pub(crate) fn after(mut self, word: Option<&str>) -> Self {
        self.done = word.and_then(done);
        self
    }

    /// The page that this one's section begins with: name and path.
    pub(crate) fn place(&self) -> Option<(&'static str, &'static str)> {
        let own = SECTIONS.into_iter().find(|(section, ..)| *section == self.section);
        own.map(|(_, name, path)| (name, path))
    }

    pub(crate) fn assets(&self) -> Assets {
        assets::PATHS
    }

    pub(crate) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    pub(crate) fn sections(&self) -> impl Iterator<Item = (bool, &'static str, &'static str)> {
        SECTIONS.into_iter().map(|(section, name, path)| (section == self.section, name, path))
    }

    /// The pages beside this one, where its section has some.
    pub(crate) fn tabs(&self) -> Vec<(bool, &'static str, &'static str)> {
        if self.section != Section::Rules {
            return Vec::new();
        }
        let above = self.crumbs.first().map_or(&*self.title, |(name, _)| &**name);
        RULES.into_iter().map(|(name, path)| (name == above, name, path)).collect()
    }

    /// `Sat 28 Nov 2026 22:00 GMT`, in the site's zone.
    pub(crate) fn time(&self, at: &Timestamp) -> String {
        match &self.zone {
            Some(zone) => zone.text(*at),
            None => at.strftime("%a %-d %b %Y %H:%M UTC").to_string(),
        }
    }

    /// `28 Nov 2026`, in the site's zone.
    pub(crate) fn day(&self, at: &Timestamp) -> String {
        match &self.zone {
            Some(zone) => zone.local(*at).strftime("%-d %b %Y").to_string(),
            None => at.strftime("%-d %b %Y").to_string(),
        }
    }

    /// How long ago or ahead: `3 hours ago`, `in 2 days`.
    pub(crate) fn ago(&self, at: &Timestamp) -> String {
        let seconds = self.now.duration_since(*at).as_secs();
        let far = seconds.unsigned_abs();
        let (count, unit) = match far {
            0..60 => return if seconds < 0 { "in a moment".into() } else { "just now".into() },
            60..3_600 => (far / 60, "minute"),
            3_600..172_800 => (far / 3_600, "hour"),
            _ => (far / 86_400, "day"),
        };
        let span = crate::text::count(count, unit);
        if seconds < 0 { format!("in {span}") } else { format!("{span} ago") }
    }

    pub(crate) fn is_past(&self, at: &Timestamp) -> bool {
        *at <= self.now
    }

    pub(crate) fn now(&self) -> String {
        self.time(&self.now)
    }

    /// When the page was made.
    pub(crate) fn moment(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn zone_name(&self) -> &'static str {
        self.zone.as_ref().map_or("UTC", Zone::name)
    }
}

/// The word in the address for what was done a moment ago.
#[derive(serde::Deserialize)]
pub(crate) struct Done {
    pub(crate) done: Option<String>,
}

/// Words of acts, and what was done.
const DONE: &[(&str, &str)] = &[
    ("confirmed", "The endpoint has joined. It gets its certificate when it next asks."),
    ("account-set", "The account is as you said."),
    ("sessions-ended", "Their sessions were ended."),
    ("session-ended", "The session was ended."),
    ("session-gone", "The session was over already."),
    ("resolved", "It is decided. The endpoints hear of it when they next check in."),
    ("token-revoked", "The token is refused from now on."),
    ("account-closed", "The account was closed, and its sessions were ended."),
    ("elected-in", "The endpoint is elected in: it is patched, and counts in the service levels."),
    ("elected-out", "The endpoint is elected out: it is in no approval and in no service level."),
    ("retired", "The endpoint was put out: it is refused from its next request on."),
    ("described", "What you said of the endpoint is kept."),
    ("to-restore", "The endpoint is put back as it was. It hears of it when it next checks in."),
    ("kept", "The endpoint stays as it is. It hears of it when it next checks in."),
    ("declined", "The update is left out of what is drawn up for this ring."),
    (
        "declined-many",
        "The updates are left out of what is drawn up for these rings until the end that you gave.",
    ),
    ("planned", "The run is planned, and its approval drawn up: its approver signs it next."),
    ("started", "Its endpoints may begin, as the approval permits."),
    ("paused", "No endpoint begins until the run is resumed; what has begun comes to its end."),
    ("resumed", "The run goes on."),
    ("cancelled", "The run is over: what had not begun never does."),
    ("approved", "It is approved with your signature."),
    ("withdrawn", "What was approved for the ring is withdrawn with your signature."),
    (
        "key-added",
        "The security key is known. It approves nothing before the site’s administrators list it in the site root.",
    ),
    (
        "key-removed",
        "The console forgot the security key. A site root that lists it goes on doing so until the next one.",
    ),
    (
        "image-handed-over",
        "The appliance restarts in a moment, and tries the image once. One that is older waits until somebody typed at the machine what its screen says.",
    ),
    (
        "older-image-asked",
        "The image is older than the one that runs: nothing was started. Another administrator has to start it too, within a day.",
    ),
    (
        "network-asked",
        "The change is taken within seconds. Open these pages where the appliance is then reached and keep it there, or what held before comes back.",
    ),
    ("network-confirmed", "The appliance stays reached as it is now."),
    ("root-accepted", "The site root is obeyed from now on."),
    ("window-set", "The window is kept. Approvals that were signed keep their own times."),
    ("window-removed", "The window is gone. Approvals that were signed keep their own times."),
    ("ring-made", "The ring is there. Endpoints join it with a token for it."),
    ("ring-pointed", "The ring points there now."),
    ("ring-stayed", "The ring pointed there already; nothing was changed."),
    (
        "rings-back",
        "The rings point at the views before again. Endpoints that have refreshed since stay where they are.",
    ),
    ("ring-placed", "The order of the rings is kept."),
    ("policy-set", "The policy is in force, as it stands in the log."),
    ("policy-removed", "The policy is no longer in force."),
    ("registered", "The register of machines is kept. What has no agent is listed as not managed."),
    ("calendar-set", "The calendar is kept: months, working days and times go by it."),
    ("floor-set", "The floor is kept. Who would go past it is in no approval."),
    ("floor-removed", "The floor is gone."),
    ("exception-asked", "The exception is asked for. Somebody else has to approve it."),
    ("exception-approved", "The exception counts until it ends."),
];

/// What the word of an act in the address says. Only these: nobody can have a page say what they like.
fn done(word: &str) -> Option<&'static str> {
    DONE.iter().find(|(known, _)| *known == word).map(|(_, said)| *said)
}
