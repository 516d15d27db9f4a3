//! Whom the site obeys and what it trusts: the site root, drawn up here and signed elsewhere, and the anchors with their
//! dates.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading,
    visit::{Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    http::header,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use fleet::{AnchorKind, Operation};
use ids::{Digest, PersonId, Timestamp};
use jiff::SignedDuration;
use serde::Deserialize;
use site::{Anchor, Ending, RootDraft, SiteRootStatus, TrustedRoot};
use std::sync::Arc;
use trust::{Administrator, Administrators, Approver, Envelope, SitePolicy, SiteRoot};

/// How long a root lasts unless said otherwise, in days.
const DAYS: i64 = 365;

/// The pages here.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/site-root", get(page).post(accept))
        .route("/site-root/draft", get(draft_page).post(draft))
        .route("/site-root/draft/file", post(file))
}

#[derive(Template)]
#[template(path = "site_root.html")]
struct Page {
    frame: Frame,
    root: Option<SiteRootStatus>,
    anchors: Vec<Anchor>,
    trusted: Option<TrustedRoot>,
    fingerprints: Vec<(String, String)>,
    authority_until: Timestamp,
    server_until: Timestamp,
    radar: Vec<Ending>,
    may: bool,
    restored: bool,
}

impl Page {
    fn kind(kind: AnchorKind) -> &'static str {
        match kind {
            AnchorKind::PublisherRoot => "the publisher's first root",
            AnchorKind::VendorKeyring => "a vendor's certificates",
        }
    }
}

/// A key's fingerprint.
pub(crate) fn printed(key: &str) -> String {
    trust::parse_public_key(key)
        .map_or_else(|_| "no key".to_owned(), |key| trust::fingerprint(&key))
}

async fn page(
    State(console): State<Arc<Console>>,
    visit: Visit,
    Query(Done { done }): Query<Done>,
) -> Result<Html<String>, Failure> {
    let looked = reading(&visit, |site| {
        let until = site.authority()?.not_after();
        Ok((site.site_root()?, site.anchors()?, site.trusted_root()?, until, site.radar()?))
    });
    let (root, anchors, trusted, authority_until, radar) = looked.await?;
    let frame = Frame::new(&visit, Section::People, "Keys and anchors").below("People", "/people");
    let page = Page {
        frame: frame.after(done.as_deref()),
        root,
        anchors,
        trusted,
        fingerprints: console.setup.fingerprints.clone(),
        authority_until,
        server_until: console.setup.server_until,
        radar,
        may: visit.may(Operation::AcceptSiteRoot),
        restored: visit.site().restored().is_some(),
    };
    Ok(Html(page.render()?))
}

#[derive(Deserialize)]
struct AcceptForm {
    root: String,
    #[serde(default)]
    fingerprint: String,
}

async fn accept(Sent(visit, form): Sent<AcceptForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::AcceptSiteRoot)?;
    let envelope = envelope(&form.root)?;
    let typed: String = form.fingerprint.split_whitespace().collect();
    let pinned = match typed.is_empty() {
        true => None,
        false => {
            let unfit = |e| Failure::input(format!("the fingerprint cannot be used: {e}"));
            Some(typed.to_lowercase().parse::<Digest>().map_err(unfit)?)
        }
    };
    reading(&visit, move |site| site.accept_site_root(actor, &envelope, pinned, &[])).await?;
    Ok(Redirect::to("/site-root?done=root-accepted"))
}

fn envelope(text: &str) -> Result<Envelope, Failure> {
    Envelope::parse(text.trim().as_bytes()).map_err(|e| {
        Failure::input(format!("this is no signed site root, and nothing was changed: {e}"))
    })
}

#[derive(Template)]
#[template(path = "site_root_draft.html")]
struct DraftPage {
    frame: Frame,
    form: DraftForm,
    /// What was drawn up: in words, its fingerprint, and the file.
    drawn: Option<(String, Digest, String)>,
    generation: u64,
}

/// What people decide about the next root; lists have one key a line, behind whose it is.
#[derive(Deserialize)]
struct DraftForm {
    administrators: String,
    #[serde(default)]
    threshold: String,
    #[serde(default)]
    approvers: String,
    four_eyes: Option<String>,
    attested: Option<String>,
    days: String,
}

impl DraftForm {
    fn of(root: Option<&SiteRoot>) -> Self {
        let lines = |lines: Vec<String>| lines.join("\n");
        let administrators = root.map(|root| &root.administrators);
        let keys = administrators.iter().flat_map(|known| &known.keys);
        let approvers = root.iter().flat_map(|root| &root.approvers);
        let on = |on: bool| on.then(|| "yes".to_owned());
        Self {
            administrators: lines(keys.map(|one| format!("{} {}", one.person, one.key)).collect()),
            threshold: administrators.map(|known| known.threshold.to_string()).unwrap_or_default(),
            approvers: lines(approvers.map(|one| format!("{} {}", one.person, one.key)).collect()),
            four_eyes: on(root.is_none_or(|root| root.policy.four_eyes)),
            attested: on(root.is_some_and(|root| root.policy.attested_approvals)),
            days: DAYS.to_string(),
        }
    }

    /// The draft; approvers' keys keep the ends that the root before gave them.
    fn draft(&self, before: Option<&SiteRoot>, now: Timestamp) -> Result<RootDraft, Failure> {
        let keys: Vec<Administrator> = keys_of(&self.administrators)?
            .into_iter()
            .map(|(person, key)| Administrator { person, key })
            .collect();
        let threshold = match self.threshold.trim() {
            "" => keys.len() / 2 + 1,
            text => text
                .parse()
                .map_err(|_| Failure::input(format!("{text:?} is no number of administrators")))?,
        };
        let known = |person: &PersonId, key: &str| {
            let mut approvers = before.iter().flat_map(|root| &root.approvers);
            approvers.find(|one| one.person == *person && one.key == key)?.not_after
        };
        let approvers = keys_of(&self.approvers)?.into_iter().map(|(person, key)| {
            let not_after = known(&person, &key);
            Approver { person, key, not_after }
        });
        let days = self.days.trim().parse::<i64>().ok().filter(|days| (1..=3650).contains(days));
        let days = days.ok_or_else(|| Failure::input("a root lasts from 1 to 3650 days"))?;
        let end = now.checked_add(SignedDuration::from_hours(24 * days));
        Ok(RootDraft {
            administrators: Administrators { threshold, keys },
            approvers: approvers.collect(),
            policy: SitePolicy {
                four_eyes: self.four_eyes.is_some(),
                attested_approvals: self.attested.is_some(),
            },
            not_after: end.map_err(|e| Failure::input(e.to_string()))?,
        })
    }
}

/// Lines such as `ann ssh-ed25519 AAAA... comment`.
fn keys_of(text: &str) -> Result<Vec<(PersonId, String)>, Failure> {
    let line = |line: &str| {
        let unfit =
            |why: String| Failure::input(format!("the line {line:?} cannot be used: {why}"));
        let (person, key) = line.split_once(char::is_whitespace).ok_or_else(|| {
            unfit("write a person id, a space, and their public key as OpenSSH has it".to_owned())
        })?;
        let person = person.parse::<PersonId>().map_err(|e| unfit(e.to_string()))?;
        let key = trust::parse_public_key(key.trim()).map_err(|e| unfit(e.to_string()))?;
        Ok((person, key.to_openssh().map_err(|e| unfit(e.to_string()))?))
    };
    text.lines().map(str::trim).filter(|text| !text.is_empty()).map(line).collect()
}

fn draft_form(
    visit: &Visit,
    form: DraftForm,
    generation: u64,
    drawn: Option<(String, Digest, String)>,
) -> Result<Html<String>, Failure> {
    let frame = Frame::new(visit, Section::People, "Draw up the next site root");
    let frame = frame.below("People", "/people").below("Keys and anchors", "/site-root");
    Ok(Html(DraftPage { frame, form, drawn, generation }.render()?))
}

async fn draft_page(visit: Visit) -> Result<Html<String>, Failure> {
    let root = reading(&visit, site::Site::site_root).await?.map(|status| status.root);
    let generation = root.as_ref().map_or(1, |root| root.generation + 1);
    draft_form(&visit, DraftForm::of(root.as_ref()), generation, None)
}

async fn draft(Sent(visit, form): Sent<DraftForm>) -> Result<Html<String>, Failure> {
    visit.acting(Operation::DraftSiteRoot)?;
    let before = reading(&visit, site::Site::site_root).await?.map(|status| status.root);
    let draft = form.draft(before.as_ref(), visit.site().now())?;
    let envelope = reading(&visit, move |site| site.draft_site_root(draft)).await?;
    let denied = |e: trust::Denial| Failure::input(e.to_string());
    let (root, print) = (
        SiteRoot::unverified(&envelope).map_err(denied)?,
        SiteRoot::fingerprint(&envelope).map_err(denied)?,
    );
    let file = String::from_utf8_lossy(&envelope.to_bytes()).into_owned();
    draft_form(&visit, form, root.generation, Some((root.text(), print, file)))
}

#[derive(Deserialize)]
struct FileForm {
    root: String,
}

/// What was drawn up, as a file.
async fn file(Sent(_visit, form): Sent<FileForm>) -> Result<Response, Failure> {
    let envelope = envelope(&form.root)?;
    let root = SiteRoot::unverified(&envelope).map_err(|e| Failure::input(e.to_string()))?;
    let name = format!("attachment; filename=\"site-root-{}.json\"", root.generation);
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, envelope.to_bytes()).into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIJjrnXnFCEcvCMF2rsZbWPDYpAhmXBPC7gmyJhPeZ0z";

    #[test]
    fn keys_come_one_a_line_behind_whose_they_are() {
        let keys = keys_of(&format!("\n ann {KEY} ann@laptop\nbea {KEY}\n")).unwrap();
        let people: Vec<String> = keys.iter().map(|(person, _)| person.to_string()).collect();
        assert_eq!(people, ["ann", "bea"]);
        assert!(keys.iter().all(|(_, key)| key == KEY), "comments are left out: {keys:?}");
        for (line, says) in [("ann", "a person id"), ("ann not-a-key", "cannot be used")] {
            assert!(keys_of(line).unwrap_err().said().contains(says), "{line}");
        }
    }
}
