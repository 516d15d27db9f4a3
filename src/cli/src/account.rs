//! `patchkeep account`: who may sign in at the console, and in which roles.

use crate::{
    appliance::Appliance,
    control::{AccountReply, AccountRequest, Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
};
use clap::{Args, Subcommand};
use fleet::{API_TOKEN_DAYS_MAX, Role};
use ids::{PersonId, RecordId};
use site::{AccountStatus, ApiTokenStatus, IssuedApiToken, IssuedCode};
use std::collections::BTreeSet;

#[derive(Subcommand)]
pub(crate) enum AccountVerb {
    /// Open an account, or change its name and roles; a new one gets a one-time code.
    Set(SetWords),
    /// Take back what a person signs in with, and print a one-time code for them.
    Reset(OneWords),
    /// End the sessions of a person.
    End(OneWords),
    /// Close an account.
    Close(OneWords),
    /// Accounts and who is signed in.
    List {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Tokens with which people's scripts use the API.
    #[command(subcommand)]
    Token(TokenVerb),
}

#[derive(Subcommand)]
pub(crate) enum TokenVerb {
    /// Issue a token for a person's scripts, and print its secret once.
    Issue(IssueWords),
    /// Tokens that were not revoked.
    List {
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Revoke a token: it is refused from the next request on.
    Revoke {
        #[command(flatten)]
        appliance: Appliance,
        /// The token's id, as `list` prints it.
        token: RecordId,
        #[command(flatten)]
        person: Person,
    },
}

#[derive(Args)]
pub(crate) struct IssueWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The account as which it acts.
    account: PersonId,
    /// What it is for, for people who look at the list.
    #[arg(long)]
    label: String,
    /// The one role in which it acts: one that the account has.
    #[arg(long, value_parser = role)]
    role: Role,
    /// For how many days it counts.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=i64::from(API_TOKEN_DAYS_MAX)))]
    days: u32,
    #[command(flatten)]
    person: Person,
}

impl TokenVerb {
    fn asks(self) -> Result<(AccountRequest, Appliance), Failure> {
        Ok(match self {
            Self::List { appliance } => (AccountRequest::Tokens, appliance),
            Self::Issue(IssueWords { appliance, account, label, role, days, person }) => {
                let person = person.id(&appliance)?;
                (AccountRequest::IssueToken { account, label, role, days, person }, appliance)
            }
            Self::Revoke { appliance, token, person } => {
                (AccountRequest::RevokeToken { token, person: person.id(&appliance)? }, appliance)
            }
        })
    }
}

#[derive(Args)]
pub(crate) struct SetWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The account: the person's id, which never changes.
    account: PersonId,
    /// The person's name, for reports.
    #[arg(long)]
    name: String,
    /// A role of theirs: operator, approver, assessor or administrator; may be given more than once.
    #[arg(long = "role", value_name = "ROLE", required = true, value_parser = role)]
    roles: Vec<Role>,
    #[command(flatten)]
    person: Person,
}

#[derive(Args)]
pub(crate) struct OneWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The account.
    account: PersonId,
    #[command(flatten)]
    person: Person,
}

fn role(word: &str) -> Result<Role, String> {
    let found = Role::ALL.into_iter().find(|role| role.word() == word);
    found.ok_or_else(|| "a role is operator, approver, assessor or administrator".to_owned())
}

impl AccountVerb {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let (request, appliance) = match self {
            Self::List { appliance } => (AccountRequest::Accounts, appliance),
            Self::Token(verb) => verb.asks()?,
            Self::Set(SetWords { appliance, account, name, roles, person }) => {
                let roles: BTreeSet<Role> = roles.into_iter().collect();
                (
                    AccountRequest::Set { account, name, roles, person: person.id(&appliance)? },
                    appliance,
                )
            }
            Self::Reset(OneWords { appliance, account, person }) => {
                (AccountRequest::Reset { account, person: person.id(&appliance)? }, appliance)
            }
            Self::End(OneWords { appliance, account, person }) => {
                (AccountRequest::End { account, person: person.id(&appliance)? }, appliance)
            }
            Self::Close(OneWords { appliance, account, person }) => {
                (AccountRequest::Close { account, person: person.id(&appliance)? }, appliance)
            }
        };
        let Reply::Account(reply) = ask(&appliance, Request::Account(request), screen)? else {
            return Err(unexpected());
        };
        say(reply, screen);
        Ok(())
    }
}

fn say(reply: AccountReply, screen: &Screen) {
    match reply {
        AccountReply::Accounts(accounts) => {
            let lines: Vec<String> = accounts.iter().map(line).collect();
            let none = "There is no account. The first administrator signs in with the code that \
                            `patchkeep serve` shows.";
            let said = if lines.is_empty() { none.to_owned() } else { lines.join("\n") };
            screen.result(&accounts, said);
        }
        AccountReply::Code(Some(issued)) => screen.result(&issued, code(&issued)),
        AccountReply::Code(None) => screen.result(&true, "The account is as you said."),
        AccountReply::Ended(1) => screen.result(&1, "One session was ended."),
        AccountReply::Ended(sessions) => {
            screen.result(&sessions, format!("{sessions} sessions were ended."));
        }
        AccountReply::Tokens(tokens) => {
            let lines: Vec<String> = tokens.iter().map(token_line).collect();
            let none = "No token was issued. `patchkeep account token issue` issues one.";
            let said = if lines.is_empty() { none.to_owned() } else { lines.join("\n") };
            screen.result(&tokens, said);
        }
        AccountReply::Issued(issued) => screen.result(&issued, secret(&issued)),
        AccountReply::Revoked(token) => {
            screen.result(&token, format!("Token {token} is refused from now on."));
        }
    }
}

fn secret(issued: &IssuedApiToken) -> String {
    format!(
        "Token {} of {}, in the role {}, until {}:\n{}\nIt is shown once. Keep it where only the script can read it, \
         and send it as `Authorization: Bearer`.",
        issued.token,
        issued.person,
        issued.role.word(),
        issued.ends,
        issued.secret
    )
}

fn token_line(token: &ApiTokenStatus) -> String {
    let ends = if token.ended { "ended" } else { "ends" };
    let label = token.label.as_deref().unwrap_or("(label erased)");
    let used = match token.used {
        Some(used) => format!("last used {used}"),
        None => "not used since the appliance started".to_owned(),
    };
    let role = token.role.word();
    format!("{}  {label}: {}, {role}; {ends} {}; {used}", token.token, token.person, token.ends)
}

fn code(issued: &IssuedCode) -> String {
    format!(
        "One-time code for {}, until {}: {}\nHand it over in person. It is used once, at the console, to choose a \
         password and join an authenticator.",
        issued.person, issued.until, issued.code
    )
}

fn line(account: &AccountStatus) -> String {
    let roles: Vec<&str> = account.roles.iter().copied().map(Role::word).collect();
    let stands = match (account.ready, account.code_until) {
        (true, _) => "can sign in".to_owned(),
        (false, Some(until)) => format!("has a one-time code until {until}"),
        (false, None) => "cannot sign in".to_owned(),
    };
    let sessions = match account.sessions.len() {
        0 => String::new(),
        1 => "; signed in".to_owned(),
        many => format!("; signed in {many} times"),
    };
    let name = account.name.as_deref().unwrap_or("(name erased)");
    format!("{}  {name}: {}; {stands}{sessions}", account.person, roles.join(", "))
}
