//! Accounts: who may sign in at the console, in which roles, and what became of it.
//!
//! The log says which credentials a person has, never what they are: secrets are beside it, and an account whose
//! credentials the log does not know cannot be used, whatever lies there. One administrator always remains.

use crate::{ApiToken, Fact, Refused, Role, State, api_token};
use ids::{Digest, PersonId, RecordId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most accounts that a site has.
const ACCOUNTS_MAX: usize = 10_000;
/// Most security keys that one person's browser can sign with.
const KEYS_MAX: usize = 10;

/// Somebody who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// In which roles they act; at least one.
    pub roles: BTreeSet<Role>,
    /// Commitment to their name.
    pub record: Digest,
    /// What they have to sign in with; empty until they have used their one-time code.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub credentials: BTreeSet<Credential>,
    /// Security keys that their browser can sign statements with, by SHA-256 fingerprint. Nobody signs in with them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<Digest>,
    /// Since when they may not sign in before they use a new one-time code, and until when that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_until: Option<Timestamp>,
}

impl Account {
    /// Whether they have all that it takes to sign in: a password and a second factor.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.credentials.contains(&Credential::Password)
            && self.credentials.contains(&Credential::Authenticator)
    }
}

/// What a person signs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// A password, kept as its Argon2id hash (RFC 9106).
    Password,
    /// An authenticator that shows a number of six digits (TOTP, RFC 6238).
    Authenticator,
}

impl Credential {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Authenticator => "authenticator",
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignOutCause {
    /// The person signed out.
    SignedOut,
    /// Nothing was asked for too long.
    Idle,
    /// It had lasted as long as one may.
    TooOld,
    /// An administrator ended it.
    Ended,
    /// The account was closed, or its credentials were taken back.
    AccountChanged,
}

impl SignOutCause {
    /// The words for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SignedOut => "they signed out",
            Self::Idle => "nothing was asked for too long",
            Self::TooOld => "it had lasted as long as one may",
            Self::Ended => "an administrator ended it",
            Self::AccountChanged => "the account changed",
        }
    }
}

/// What may be asked about accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum AccountCommand {
    /// Open an account, or say anew what it is.
    Set { person: PersonId, roles: BTreeSet<Role>, record: Digest },
    /// Take an account's credentials back: only a one-time code counts from here on, until its end.
    Reset { person: PersonId, code_until: Timestamp },
    /// Close an account.
    Close { person: PersonId },
    /// Say that a person has a new credential.
    SetCredential { person: PersonId, credential: Credential },
    /// Say that a person's browser has a new security key.
    AddSecurityKey { person: PersonId, key: Digest },
    /// Say that one of these is known no more.
    RemoveSecurityKey { person: PersonId, key: Digest },
    /// Say that what a browser said of a new one was not taken, as a stable code.
    RefuseSecurityKey { person: PersonId, reason: String },
    /// Say that a person signed in.
    BeginSession { person: PersonId, session: RecordId },
    /// Say that a session ended.
    EndSession { person: PersonId, session: RecordId, cause: SignOutCause },
    /// Say that somebody who is signed in asked for what their roles do not allow.
    Deny { person: PersonId, operation: String },
    /// Issue a token for a person's scripts; `sha256` is of its secret.
    IssueApiToken { fresh: ApiToken, sha256: Digest },
    /// Say that a token counts no more.
    RevokeApiToken { token: RecordId },
}

/// What follows from a command about accounts.
pub(crate) fn decide(
    state: &State,
    command: AccountCommand,
    now: Timestamp,
) -> Result<Vec<Fact>, Refused> {
    let fact = match command {
        AccountCommand::Set { person, roles, record } => {
            let known = state.accounts.get(&person);
            if roles.is_empty() {
                return Err(Refused::NoRole);
            }
            if known.is_none() && state.accounts.len() >= ACCOUNTS_MAX {
                return Err(Refused::TooManyAccounts);
            }
            if !roles.contains(&Role::Administrator) {
                another_administrator(state, &person)?;
            }
            if known.is_some_and(|known| known.roles == roles && known.record == record) {
                return Ok(Vec::new());
            }
            Fact::AccountSet { person, roles, record }
        }
        AccountCommand::Reset { person, code_until } => {
            known(state, &person)?;
            Fact::AccountReset { person, code_until }
        }
        AccountCommand::Close { person } => {
            known(state, &person)?;
            another_administrator(state, &person)?;
            Fact::AccountClosed { person }
        }
        AccountCommand::SetCredential { person, credential } => {
            let account = known(state, &person)?;
            if !account.is_ready() && account.code_until.is_none_or(|until| now >= until) {
                return Err(Refused::NoAccount);
            }
            Fact::CredentialSet { person, credential }
        }
        AccountCommand::AddSecurityKey { person, key } => add_key(state, person, key)?,
        AccountCommand::RemoveSecurityKey { person, key } => {
            if !known(state, &person)?.keys.contains(&key) {
                return Err(Refused::NoSecurityKey);
            }
            Fact::SecurityKeyRemoved { person, key }
        }
        AccountCommand::RefuseSecurityKey { person, reason } => {
            Fact::SecurityKeyRefused { person, reason }
        }
        AccountCommand::BeginSession { person, session } => {
            if !known(state, &person)?.is_ready() {
                return Err(Refused::NoAccount);
            }
            Fact::SessionBegun { person, session }
        }
        AccountCommand::EndSession { person, session, cause } => {
            Fact::SessionEnded { person, session, cause }
        }
        AccountCommand::Deny { person, operation } => Fact::OperationDenied { person, operation },
        AccountCommand::IssueApiToken { fresh, sha256 } => {
            api_token::issue(state, fresh, now, sha256)?
        }
        AccountCommand::RevokeApiToken { token } => api_token::revoke(state, token)?,
    };
    Ok(vec![fact])
}

/// A key is one person's, once.
fn add_key(state: &State, person: PersonId, key: Digest) -> Result<Fact, Refused> {
    let keys = &known(state, &person)?.keys;
    if state.accounts.values().any(|account| account.keys.contains(&key)) {
        return Err(Refused::SecurityKeyKnown);
    }
    if keys.len() >= KEYS_MAX {
        return Err(Refused::TooManySecurityKeys);
    }
    Ok(Fact::SecurityKeyAdded { person, key })
}

fn known<'a>(state: &'a State, person: &PersonId) -> Result<&'a Account, Refused> {
    state.accounts.get(person).ok_or(Refused::NoAccount)
}

/// An administrator goes only where another one stays. The first account of a site is one.
fn another_administrator(state: &State, person: &PersonId) -> Result<(), Refused> {
    let is = |account: &Account| account.roles.contains(&Role::Administrator);
    let others = state.accounts.iter().any(|(other, account)| other != person && is(account));
    let loses = state.accounts.is_empty() || state.accounts.get(person).is_some_and(is);
    if loses && !others { Err(Refused::LastAdministrator) } else { Ok(()) }
}

/// Takes in a fact about accounts; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact) -> bool {
    match fact {
        Fact::AccountSet { person, roles, record } => {
            let fresh = Account {
                roles: BTreeSet::new(),
                record: *record,
                credentials: BTreeSet::new(),
                keys: BTreeSet::new(),
                code_until: None,
            };
            let account = state.accounts.entry(person.clone()).or_insert(fresh);
            account.roles.clone_from(roles);
            account.record = *record;
        }
        Fact::AccountReset { person, code_until } => {
            if let Some(account) = state.accounts.get_mut(person) {
                account.credentials.clear();
                account.code_until = Some(*code_until);
            }
        }
        Fact::AccountClosed { person } => {
            state.accounts.remove(person);
        }
        Fact::CredentialSet { person, credential } => {
            if let Some(account) = state.accounts.get_mut(person) {
                account.credentials.insert(*credential);
                if account.is_ready() {
                    account.code_until = None;
                }
            }
        }
        Fact::SecurityKeyAdded { person, key } => {
            if let Some(account) = state.accounts.get_mut(person) {
                account.keys.insert(*key);
            }
        }
        Fact::SecurityKeyRemoved { person, key } => {
            if let Some(account) = state.accounts.get_mut(person) {
                account.keys.remove(key);
            }
        }
        Fact::SecurityKeyRefused { .. }
        | Fact::SessionBegun { .. }
        | Fact::SessionEnded { .. }
        | Fact::OperationDenied { .. } => {}
        _ => return false,
    }
    true
}
