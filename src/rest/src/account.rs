//! Accounts and tokens for scripts.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    words::{At, Of, Part, Person, Place, Record, RoleWord, Text, words},
};
use fleet::{API_TOKEN_DAYS_MAX, Operation, Refused};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

words! {
    /// Somebody who may sign in.
    Account of site::AccountStatus {
        /// Whose account it is.
        person: Person,
        /// Their name; null where that was erased.
        name: Option<String>,
        /// In which roles they act.
        roles: Vec<RoleWord>,
        /// Whether they have a password and an authenticator.
        ready: bool,
        /// Until when their one-time code counts.
        code_until: Option<At>,
        /// Where they are signed in.
        sessions: Vec<Session>,
    }
    /// Somebody's session at the console.
    Session of site::SessionStatus {
        /// Its id.
        session: Record,
        /// When it began.
        began: At,
        /// When it was last used.
        used: At,
    }
    /// A token for scripts.
    Token of site::ApiTokenStatus {
        /// Its id.
        token: Record,
        /// As whom it acts.
        person: Person,
        /// In which role.
        role: RoleWord,
        /// What it is for; null where that was erased.
        label: Option<String>,
        /// From when on it counts no more.
        ends: At,
        /// Whether it has ended.
        ended: bool,
        /// When it was last shown, if it was since the appliance started.
        used: Option<At>,
    }
    /// A token that was just issued. Its secret is told once.
    IssuedToken of site::IssuedApiToken {
        /// Its id.
        token: Record,
        /// What a script shows.
        secret: String,
        /// As whom it acts.
        person: Person,
        /// In which role.
        role: RoleWord,
        /// From when on it counts no more.
        ends: At,
    }
}

/// What a token is for.
type Label = Text<1, 100>;

/// A token to issue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    person: Person,
    /// What it is for.
    label: Label,
    /// A role that the account has.
    role: RoleWord,
    /// For how many days it counts.
    #[schema(minimum = 1, maximum = 366)]
    days: u32,
}

/// What was ended.
#[derive(Debug, Serialize, ToSchema)]
struct Ended {
    /// How many sessions.
    sessions: u64,
}

/// Which token.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfToken {
    token: Record,
}

/// Whose account.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct OfPerson {
    person: Person,
}

impl Asking {
    fn person(&self, of: OfPerson) -> Result<ids::PersonId, Problem> {
        let Person(person) = of.person;
        let known = self.site().state().accounts.contains_key(&person);
        if known { Ok(person) } else { Err(Problem::none(Refused::NoAccount)) }
    }
}

fn accounts(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<Account>>, Problem> {
    Ok(Json(Part::of(asking.site().accounts(), &place)?))
}

fn end_sessions(asking: &Asking, of: OfPerson, _: No, _: No) -> Result<Json<Ended>, Problem> {
    let person = asking.person(of)?;
    let sessions = asking.site().end_sessions(&asking.actor(), &person)? as u64;
    Ok(Json(Ended { sessions }))
}

fn tokens(asking: &Asking, _: No, place: Place, _: No) -> Result<Json<Part<Token>>, Problem> {
    Ok(Json(Part::of(asking.site().api_tokens(), &place)?))
}

fn issue(
    asking: &Asking,
    _: No,
    _: No,
    Json(new): Json<NewToken>,
) -> Result<Json<IssuedToken>, Problem> {
    let NewToken { person, label, role, days } = new;
    if !(1..=API_TOKEN_DAYS_MAX).contains(&days) {
        return Err(Problem::input(format!("a token counts for 1 to {API_TOKEN_DAYS_MAX} days")));
    }
    let person = asking.person(OfPerson { person })?;
    let site = asking.site();
    Ok(Json(Of::of(site.issue_api_token(asking.actor(), person, &label.0, role.own(), days)?)))
}

fn revoke(asking: &Asking, of: OfToken, _: No, _: No) -> Result<(), Problem> {
    let Record(token) = of.token;
    if !asking.site().state().api_tokens.values().any(|known| known.token == token) {
        return Err(Problem::none(Refused::NoApiToken));
    }
    Ok(asking.site().revoke_api_token(asking.actor(), token)?)
}

/// The acts here. Accounts are opened, reset and closed where their one-time codes are handed over: at the console and
/// at the appliance.
pub(crate) fn acts(table: &mut Table) {
    use Operation as O;
    table.add(("GET", "/accounts"), O::Accounts, "Accounts and who is signed in", accounts);
    let ends = "End the sessions of an account";
    table.add(("POST", "/accounts/{person}/end-sessions"), O::EndSessions, ends, end_sessions);
    table.add(("GET", "/tokens"), O::ApiTokens, "Tokens for scripts", tokens);
    table.add(("POST", "/tokens"), O::IssueApiToken, "Issue a token for a person's scripts", issue);
    table.add(("DELETE", "/tokens/{token}"), O::RevokeApiToken, "Revoke a token", revoke);
}
