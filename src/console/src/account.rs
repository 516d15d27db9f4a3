//! People: accounts, their roles, their sessions; opened, changed, reset, closed. And one's own.

use crate::{
    Console, Failure,
    frame::{Done, Frame, Section},
    reading,
    visit::{Nothing, Sent, Visit},
};
use askama::Template;
use axum::{
    Router,
    extract::{Path, Query},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use fleet::{Operation, Role};
use ids::{PersonId, RecordId};
use serde::Deserialize;
use site::{AccountStatus, ApiTokenStatus, IssuedApiToken, IssuedCode, SecurityKey};
use std::{collections::BTreeSet, sync::Arc};

/// The pages here.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/people", get(list).post(set))
        .route("/people/new", get(new))
        .route("/people/{person}", get(detail))
        .route("/people/{person}/reset", post(reset))
        .route("/people/{person}/end", post(end))
        .route("/people/{person}/close", post(close))
        .route("/people/{person}/tokens", post(issue_token))
        .route("/people/{person}/tokens/{token}/revoke", post(revoke_token))
        .route("/account", get(own))
        .route("/account/sessions/end", post(end_own))
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct ListPage {
    frame: Frame,
    accounts: Vec<AccountStatus>,
    may_set: bool,
}

#[derive(Template)]
#[template(path = "account.html")]
struct DetailPage {
    frame: Frame,
    /// `None` for a new one.
    account: Option<AccountStatus>,
    /// Tokens for their scripts.
    tokens: Vec<ApiTokenStatus>,
    may_set: bool,
    own: bool,
    /// The session in which this page is looked at.
    here: RecordId,
    keys: Vec<SecurityKey>,
    /// Whether one's own browser can be asked for a key.
    may_add: bool,
    /// Whether this page was opened by a name, which browsers make keys for.
    named: bool,
}

#[derive(Template)]
#[template(path = "issued-token.html")]
struct TokenPage {
    frame: Frame,
    issued: IssuedApiToken,
}

#[derive(Template)]
#[template(path = "issued-code.html")]
struct CodePage {
    frame: Frame,
    issued: IssuedCode,
}

/// Which boxes are ticked.
#[derive(Deserialize)]
struct SetForm {
    person: String,
    name: String,
    operator: Option<String>,
    approver: Option<String>,
    assessor: Option<String>,
    administrator: Option<String>,
}

impl SetForm {
    fn roles(&self) -> BTreeSet<Role> {
        let ticked = |role: &Role| match role {
            Role::Operator => self.operator.is_some(),
            Role::Approver => self.approver.is_some(),
            Role::Assessor => self.assessor.is_some(),
            Role::Administrator => self.administrator.is_some(),
        };
        Role::ALL.into_iter().filter(ticked).collect()
    }
}

impl DetailPage {
    fn has(&self, role: &Role) -> bool {
        self.account.as_ref().is_some_and(|account| account.roles.contains(role))
    }

    fn roles(&self) -> [Role; 4] {
        Role::ALL
    }

    /// What a role is for, in a sentence.
    fn hint(&self, role: &Role) -> &'static str {
        match role {
            Role::Operator => {
                "Imports bundles, plans and runs patching, decides about what failed."
            }
            Role::Approver => "Is accountable for what is applied: approves, declines, waives.",
            Role::Assessor => "Reads the log, exports and verifies evidence.",
            Role::Administrator => "Looks after people, endpoints, keys, policies and backups.",
        }
    }
}

async fn list(visit: Visit, Query(Done { done }): Query<Done>) -> Result<Html<String>, Failure> {
    let accounts = reading(&visit, |site| Ok(site.accounts())).await?;
    let frame = Frame::new(&visit, Section::People, "People").after(done.as_deref());
    let may_set = visit.may(Operation::SetAccount);
    Ok(Html(ListPage { frame, accounts, may_set }.render()?))
}

async fn new(visit: Visit) -> Result<Html<String>, Failure> {
    let frame = Frame::new(&visit, Section::People, "New account").below("People", "/people");
    let may_set = visit.may(Operation::SetAccount);
    let (own, may_add, named) = (false, false, false);
    let (account, tokens, keys) = (None, Vec::new(), Vec::new());
    let here = visit.session().id.clone();
    let page = DetailPage { frame, account, tokens, may_set, own, here, keys, may_add, named };
    Ok(Html(page.render()?))
}

async fn detail(
    visit: Visit,
    Path(person): Path<String>,
    Query(Done { done }): Query<Done>,
) -> Result<Html<String>, Failure> {
    let person: PersonId = person.parse()?;
    show(visit, person, done.as_deref()).await
}

async fn own(visit: Visit, Query(Done { done }): Query<Done>) -> Result<Html<String>, Failure> {
    let person = visit.person().clone();
    show(visit, person, done.as_deref()).await
}

async fn show(visit: Visit, person: PersonId, done: Option<&str>) -> Result<Html<String>, Failure> {
    let wanted = person.clone();
    let find = move |site: &site::Site| {
        let account = site.accounts().into_iter().find(|known| known.person == wanted);
        let mut tokens = site.api_tokens();
        tokens.retain(|known| known.person == wanted);
        Ok((account, tokens, site.security_keys(&wanted)?))
    };
    let (account, tokens, keys) = reading(&visit, find).await?;
    let account =
        account.ok_or_else(|| Failure::missing(format!("there is no account {person}")))?;
    let frame = Frame::new(&visit, Section::People, person.to_string());
    let frame = frame.below("People", "/people").after(done);
    let (may_set, own) = (visit.may(Operation::SetAccount), visit.person() == &person);
    let may_add = own && visit.may(Operation::AddSecurityKey);
    let (named, account) = (trust::is_relying_party(visit.host()), Some(account));
    let here = visit.session().id.clone();
    let page = DetailPage { frame, account, tokens, may_set, own, here, keys, may_add, named };
    Ok(Html(page.render()?))
}

async fn set(Sent(visit, form): Sent<SetForm>) -> Result<Response, Failure> {
    let actor = visit.acting(Operation::SetAccount)?;
    let person: PersonId = form.person.trim().to_lowercase().parse()?;
    let roles = form.roles();
    let issued =
        reading(&visit, move |site| site.set_account(actor, person, &form.name, roles)).await?;
    match issued {
        Some(issued) => told(&visit, issued),
        None => Ok(Redirect::to("/people?done=account-set").into_response()),
    }
}

/// A code is shown once, on the page that made it.
fn told(visit: &Visit, issued: IssuedCode) -> Result<Response, Failure> {
    let title = format!("One-time code for {}", issued.person);
    let frame = Frame::new(visit, Section::People, title).below("People", "/people");
    Ok(Html(CodePage { frame, issued }.render()?).into_response())
}

async fn reset(
    Path(person): Path<String>,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Response, Failure> {
    let actor = visit.acting(Operation::ResetAccount)?;
    let person: PersonId = person.parse()?;
    let issued = reading(&visit, move |site| site.reset_account(actor, person)).await?;
    told(&visit, issued)
}

#[derive(Deserialize)]
struct EndForm {
    /// Only this one.
    session: Option<String>,
}

async fn end(
    Path(person): Path<String>,
    Sent(visit, form): Sent<EndForm>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::EndSessions)?;
    let person: PersonId = person.parse()?;
    let Some(session) = form.session else {
        reading(&visit, move |site| site.end_sessions(&actor, &person)).await?;
        return Ok(Redirect::to("/people?done=sessions-ended"));
    };
    let (session, whose): (RecordId, _) = (session.parse()?, person.clone());
    let ended = reading(&visit, move |site| site.end_session(&actor, &whose, &session)).await?;
    Ok(Redirect::to(&format!("/people/{person}?done={}", ended_or_not(ended))))
}

#[derive(Deserialize)]
struct EndOwnForm {
    session: String,
}

async fn end_own(Sent(visit, form): Sent<EndOwnForm>) -> Result<Redirect, Failure> {
    let (session, mine): (RecordId, _) = (form.session.parse()?, visit.session().clone());
    let ended = reading(&visit, move |site| site.sign_out_elsewhere(&mine, &session)).await?;
    Ok(Redirect::to(&format!("/account?done={}", ended_or_not(ended))))
}

fn ended_or_not(ended: bool) -> &'static str {
    if ended { "session-ended" } else { "session-gone" }
}

async fn close(
    Path(person): Path<String>,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::CloseAccount)?;
    let person: PersonId = person.parse()?;
    reading(&visit, move |site| site.close_account(actor, &person)).await?;
    Ok(Redirect::to("/people?done=account-closed"))
}

#[derive(Deserialize)]
struct TokenForm {
    label: String,
    role: String,
    days: String,
}

async fn issue_token(
    Path(person): Path<String>,
    Sent(visit, form): Sent<TokenForm>,
) -> Result<Response, Failure> {
    let actor = visit.acting(Operation::IssueApiToken)?;
    let person: PersonId = person.parse()?;
    let role = Role::ALL.into_iter().find(|role| role.word() == form.role);
    let role = role.ok_or_else(|| Failure::input("choose the role in which the token acts"))?;
    let days = form.days.trim().parse();
    let days = days.map_err(|_| Failure::input("give the days as a whole number"))?;
    let owner = person.clone();
    let issued =
        reading(&visit, move |site| site.issue_api_token(actor, owner, &form.label, role, days))
            .await?;
    let frame = Frame::new(&visit, Section::People, format!("Token for {person}"))
        .below("People", "/people");
    Ok(Html(TokenPage { frame, issued }.render()?).into_response())
}

async fn revoke_token(
    Path((person, token)): Path<(String, String)>,
    Sent(visit, Nothing {}): Sent<Nothing>,
) -> Result<Redirect, Failure> {
    let actor = visit.acting(Operation::RevokeApiToken)?;
    let (person, token): (PersonId, RecordId) = (person.parse()?, token.parse()?);
    reading(&visit, move |site| site.revoke_api_token(actor, token)).await?;
    Ok(Redirect::to(&format!("/people/{person}?done=token-revoked")))
}
