//! Accounts: who may sign in at the console and in which roles; opened, changed, reset and closed.
//!
//! What the log says of an account counts; what people sign in with lies beside it (`account/secrets.rs`), and who is
//! signed in is in `session.rs`. No password comes with the appliance: the first administrator uses a one-time code
//! that is shown on its own screen, everybody else one that an administrator hands over.

pub(crate) mod secrets;
pub(crate) mod security_key;

use crate::{Error, Site, session::Open};
use fleet::{Account, AccountCommand, Actor, Command, Role, SignOutCause};
use ids::{Digest, PersonId, RecordId, Timestamp};
use jiff::SignedDuration;
use secrets::{Code, Secrets};
pub use secrets::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// How long a one-time code counts.
const CODE_HOURS: i64 = 24;
/// Longest name of a person, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// An account as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// Whose it is.
    pub person: PersonId,
    /// Their name; `None` where that was erased.
    pub name: Option<String>,
    /// In which roles they act.
    pub roles: BTreeSet<Role>,
    /// Whether they have a password and an authenticator.
    pub ready: bool,
    /// Until when their one-time code counts, where they have one.
    pub code_until: Option<Timestamp>,
    /// Where they are signed in now.
    pub sessions: Vec<SessionStatus>,
}

/// A session as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Its id, as events name it.
    pub session: RecordId,
    /// When it began.
    pub began: Timestamp,
    /// When something was last asked in it.
    pub used: Timestamp,
}

/// A one-time code that was just made. It is told once, and kept as its hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCode {
    /// For whom.
    pub person: PersonId,
    /// The code.
    pub code: String,
    /// Until when it counts.
    pub until: Timestamp,
}

impl Site {
    /// The code with which the first administrator signs in, for the appliance's own screen; `None` once there is an
    /// account. It is another one after each start.
    #[must_use]
    pub fn first_code(&self) -> Option<String> {
        if !self.state().accounts.is_empty() || self.state().site.is_none() {
            return None;
        }
        self.sessions().first_code()
    }

    /// Goes on with the code that the screen showed before there was a site.
    pub fn go_on_with_code(&self, code: String) {
        self.sessions().set_first_code(code);
    }

    /// Opens an account, or says anew what it is. A new one comes with the code to sign in with.
    ///
    /// # Errors
    /// [`Error::Input`] for a blank name; [`Error::Refused`] where nobody would administer the site any more.
    pub fn set_account(
        &self,
        actor: Actor,
        person: PersonId,
        name: &str,
        roles: BTreeSet<Role>,
    ) -> Result<Option<IssuedCode>, Error> {
        let name = name.trim();
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let message =
                format!("a person has a name of at most {NAME_BYTES_MAX} bytes in one line");
            return Err(Error::Input(message));
        }
        let state = self.state();
        let known = state.accounts.get(&person);
        let same = known.filter(|known| self.person_name(known).as_deref() == Some(name));
        let record = match same {
            Some(known) => known.record,
            None => self.commit(json!({ "person": person, "name": name }))?,
        };
        let fresh = known.is_none();
        let set = AccountCommand::Set { person: person.clone(), roles, record };
        self.heart().ask(actor.clone(), Command::Account(set))?;
        if fresh { self.reset_account(actor, person).map(Some) } else { Ok(None) }
    }

    /// Takes back what a person signs in with, ends their sessions, and makes a one-time code for them.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such account.
    pub fn reset_account(&self, actor: Actor, person: PersonId) -> Result<IssuedCode, Error> {
        let code = secrets::new_code()?;
        let hours = SignedDuration::from_hours(CODE_HOURS);
        let now = self.now();
        let until = now.checked_add(hours).unwrap_or(now);
        let reset = AccountCommand::Reset { person: person.clone(), code_until: until };
        // The log first: what lies beside it counts only where it says so.
        self.heart().ask(actor, Command::Account(reset))?;
        let kept = Code { sha256: secrets::code_digest(&code), until };
        // Security keys stay: nobody signs in with them, and what they sign counts by the site root alone.
        let keys = secrets::read(self.disk(), self.folder(), &person)?.keys;
        let fresh = Secrets { code: Some(kept), keys, ..Secrets::default() };
        secrets::write(self.disk(), self.folder(), &person, &fresh)?;
        self.end_sessions_of(&Actor::Appliance, &person, SignOutCause::AccountChanged)?;
        self.sessions().forgive(&person);
        Ok(IssuedCode { person, code, until })
    }

    /// Closes an account and ends its sessions.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such account, or it is the only administrator's.
    pub fn close_account(&self, actor: Actor, person: &PersonId) -> Result<(), Error> {
        let close = AccountCommand::Close { person: person.clone() };
        self.heart().ask(actor, Command::Account(close))?;
        self.end_sessions_of(&Actor::Appliance, person, SignOutCause::AccountChanged)?;
        secrets::forget(self.disk(), self.folder(), person)
    }

    /// Ends every session of a person; says how many there were.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn end_sessions(&self, actor: &Actor, person: &PersonId) -> Result<usize, Error> {
        self.end_sessions_of(actor, person, SignOutCause::Ended)
    }

    /// Every account, by id.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountStatus> {
        let state = self.state();
        let status = |(person, account): (&PersonId, &Account)| AccountStatus {
            person: person.clone(),
            name: self.person_name(account),
            roles: account.roles.clone(),
            ready: account.is_ready(),
            code_until: account.code_until,
            sessions: self.sessions().of(person).iter().map(Open::status).collect(),
        };
        state.accounts.iter().map(status).collect()
    }

    /// The name that an account's record commits to.
    pub(crate) fn person_name(&self, account: &Account) -> Option<String> {
        self.name_in(&account.record)
    }

    fn name_in(&self, record: &Digest) -> Option<String> {
        let (_, value) = self.evidence().get(record).ok()?;
        Some(value["name"].as_str()?.to_owned())
    }
}
