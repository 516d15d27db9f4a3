//! Security keys of browsers: made known on one's account page, and asked to sign what one decides.
//!
//! A browser needs a script for this. Without one, or without a key, the page has the command that does the same on
//! a machine of one's own; it stands there in any case, since a page is only as trustworthy as the appliance.

use crate::{
    Console, Failure,
    frame::Frame,
    reading,
    visit::{Nothing, Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::Path,
    http::header,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fleet::Operation;
use ids::{Digest, RecordId, RingName};
use serde::Deserialize;
use site::{Answer, NewKey, Signing, Site, Unsigned, Wish};
use std::sync::Arc;
use trust::{APPROVAL, Approval, Envelope};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/account/keys", post(add))
        .route("/account/keys/ask", post(ask))
        .route("/account/keys/remove", post(remove))
        .route("/runs/{run}/approve", post(approve))
        .route("/rings/{ring}/withdraw", get(withdrawal).post(draw_up))
        .route("/rings/{ring}/withdrawn", post(withdraw))
}

/// A statement in words, and the button that has a browser's key sign it.
#[derive(Template)]
#[template(path = "sign.html")]
pub(crate) struct Sign {
    token: String,
    text: String,
    digest: Digest,
    action: String,
    button: &'static str,
    /// The statement itself, where the appliance does not keep it until it is signed.
    statement: Option<String>,
    signing: Result<Signing, Unsigned>,
}

impl Sign {
    /// For a statement that the visitor is to sign.
    pub(crate) async fn new(
        visit: &Visit,
        statement: Envelope,
        action: String,
        button: &'static str,
        carried: bool,
    ) -> Result<Self, Failure> {
        let denied = |denial| Failure::from(site::Error::Denied(denial));
        let text = Approval::unverified(&statement).map_err(denied)?.text();
        let payload = statement.unverified_payload(APPROVAL).map_err(denied)?;
        let carried = carried.then(|| STANDARD.encode(statement.to_bytes()));
        let (person, host) = (visit.person().clone(), visit.host().to_owned());
        let ask = move |site: &Site| site.ask_signature(&person, &host, APPROVAL, &statement);
        Ok(Self {
            token: visit.token().to_owned(),
            text,
            digest: Digest::of(&payload),
            action,
            button,
            statement: carried,
            signing: reading(visit, ask).await?,
        })
    }

    fn why(why: &Unsigned) -> &'static str {
        match why {
            Unsigned::NoKey => {
                "Your browser has no security key for this here: make one known on your account’s page."
            }
            Unsigned::NotListed => {
                "The site root does not list your browser’s security key, so that it approves nothing: its \
                 administrators list it offline."
            }
            Unsigned::OtherName => {
                "Your browser’s security key was made for another name of this appliance: open the console by that \
                 name."
            }
        }
    }
}

/// What a browser's script puts into a form.
#[derive(Deserialize)]
struct AnswerForm {
    credential: String,
    authenticator_data: String,
    client_data: String,
    signature: String,
    #[serde(default)]
    statement: String,
}

impl AnswerForm {
    fn answer(self) -> Answer {
        let Self { credential, authenticator_data, client_data, signature, .. } = self;
        Answer { credential, authenticator_data, client_data, signature }
    }
}

async fn ask(Sent(visit, Nothing {}): Sent<Nothing>) -> Result<Response, Failure> {
    let (session, host) = (visit.session().clone(), visit.host().to_owned());
    let asked = reading(&visit, move |site| site.ask_security_key(&session, &host)).await?;
    let json = serde_json::to_string(&asked)
        .map_err(|_| Failure::broken("what the browser is asked cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}

#[derive(Deserialize)]
struct AddForm {
    client_data: String,
    attestation: String,
}

async fn add(Sent(visit, form): Sent<AddForm>) -> Result<Redirect, Failure> {
    let session = visit.session().clone();
    let given = NewKey { client_data: form.client_data, attestation: form.attestation };
    reading(&visit, move |site| site.add_security_key(&session, &given)).await?;
    Ok(Redirect::to("/account?done=key-added"))
}

#[derive(Deserialize)]
struct RemoveForm {
    key: String,
}

async fn remove(Sent(visit, form): Sent<RemoveForm>) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::RemoveSecurityKey)?;
    let key = form.key.parse().map_err(|_| Failure::input("choose a key from the list"))?;
    let person = visit.person().clone();
    reading(&visit, move |site| site.remove_security_key(actor, &person, key)).await?;
    Ok(Redirect::to("/account?done=key-removed"))
}

async fn approve(
    Path(run): Path<String>,
    Sent(visit, form): Sent<AnswerForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::SubmitStatement)?;
    let run: RecordId = run.parse()?;
    let (id, given) = (run.clone(), form.answer());
    let act = move |site: &Site| {
        let draft = site.run_draft(&id)?;
        site.accept_from_browser(actor, draft, &given)
    };
    reading(&visit, act).await?;
    Ok(Redirect::to(&format!("/runs/{run}?done=approved")))
}

/// Taking back what was approved for a ring: why, and then the statement to sign.
#[derive(Template)]
#[template(path = "withdraw.html")]
struct WithdrawPage {
    frame: Frame,
    ring: RingName,
    person: String,
    may: bool,
    sign: Option<Sign>,
}

fn withdraw_page(
    visit: &Visit,
    ring: RingName,
    sign: Option<Sign>,
) -> Result<Html<String>, Failure> {
    let title = format!("Withdraw what was approved for ring {ring}");
    let frame = Frame::new(visit, crate::frame::Section::Runs, title).below("Runs", "/runs");
    let (may, person) = (visit.may(Operation::SubmitStatement), visit.person().to_string());
    Ok(Html(WithdrawPage { frame, ring, person, may, sign }.render()?))
}

async fn withdrawal(visit: Visit, Path(ring): Path<String>) -> Result<Html<String>, Failure> {
    let ring: RingName = ring.parse()?;
    if !visit.site().state().rings.contains_key(&ring) {
        return Err(Failure::missing(format!("there is no ring {ring}")));
    }
    withdraw_page(&visit, ring, None)
}

#[derive(Deserialize)]
struct WithdrawForm {
    reason: String,
}

async fn draw_up(
    Path(ring): Path<String>,
    Sent(visit, form): Sent<WithdrawForm>,
) -> Result<Html<String>, Failure> {
    visit.acting(Operation::SubmitStatement)?;
    let (ring, reason): (RingName, _) = (ring.parse()?, form.reason.trim().to_owned());
    if reason.is_empty() {
        return Err(Failure::input("say why what was approved is withdrawn"));
    }
    let approver = visit.person().clone();
    let wish = Wish::withdrawal(ring.clone(), approver, reason, visit.site().now())?;
    let draft = reading(&visit, move |site| site.draft_statement(wish)).await?;
    let action = format!("/rings/{ring}/withdrawn");
    let sign = Sign::new(&visit, draft, action, "Withdraw with your security key", true).await?;
    withdraw_page(&visit, ring, Some(sign))
}

async fn withdraw(
    Path(ring): Path<String>,
    Sent(visit, form): Sent<AnswerForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::SubmitStatement)?;
    let ring: RingName = ring.parse()?;
    // The page carried it here and back: what the key signed of it says whether it is still the same.
    let odd =
        || Failure::input("the statement did not come back as it was shown: draw it up again");
    let statement = STANDARD.decode(&form.statement).map_err(|_| odd())?;
    let draft = Envelope::parse(&statement).map_err(|_| odd())?;
    let given = form.answer();
    reading(&visit, move |site| site.accept_from_browser(actor, draft, &given)).await?;
    Ok(Redirect::to(&format!("/rings?done=withdrawn&ring={ring}")))
}
