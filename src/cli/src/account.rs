//! `patchkeep account`: who may sign in at the console, and in which roles.

use crate::{
    control::{AccountReply, AccountRequest, Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
};
use clap::{Args, Subcommand};
use fleet::Role;
use ids::PersonId;
use site::{AccountStatus, IssuedCode};
use std::{collections::BTreeSet, path::PathBuf};

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
        /// The appliance's data folder.
        #[arg(long)]
        data: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct SetWords {
    /// The appliance's data folder.
    #[arg(long)]
    data: PathBuf,
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
    /// The appliance's data folder.
    #[arg(long)]
    data: PathBuf,
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
        let (data, request) = match self {
            Self::List { data } => (data, AccountRequest::Accounts),
            Self::Set(SetWords { data, account, name, roles, person }) => {
                let roles: BTreeSet<Role> = roles.into_iter().collect();
                (data, AccountRequest::Set { account, name, roles, person: person.id()? })
            }
            Self::Reset(OneWords { data, account, person }) => {
                (data, AccountRequest::Reset { account, person: person.id()? })
            }
            Self::End(OneWords { data, account, person }) => {
                (data, AccountRequest::End { account, person: person.id()? })
            }
            Self::Close(OneWords { data, account, person }) => {
                (data, AccountRequest::Close { account, person: person.id()? })
            }
        };
        let Reply::Account(reply) = ask(&data, Request::Account(request), screen)? else {
            return Err(unexpected());
        };
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
        }
        Ok(())
    }
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
