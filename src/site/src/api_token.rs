//! Tokens for people's scripts: issued, revoked, listed, and shown at the API.
//!
//! A secret is told once; what is kept of it is its SHA-256, in the log. It has 256 bits, so nobody guesses one, and
//! who tries is counted like every stranger (`refusals.rs`), never slowed down: that would stop the rightful script.

use crate::{Error, Site, keys};
use fleet::{API_TOKEN_DAYS_MAX, AccountCommand, Actor, ApiToken, Command, Door, Operation, Role};
use ids::{Digest, PersonId, RecordId, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// What each secret begins with, so that people and scanners of source code know one when they see it.
pub const API_TOKEN_PREFIX: &str = "pk_";
/// Longest label, in bytes.
const LABEL_BYTES_MAX: usize = 100;

/// A token as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiTokenStatus {
    /// Its id, as events name it.
    pub token: RecordId,
    /// As whom it acts.
    pub person: PersonId,
    /// In which role.
    pub role: Role,
    /// What it is for; `None` where that was erased.
    pub label: Option<String>,
    /// From when on it counts no more.
    pub ends: Timestamp,
    /// Whether it has ended.
    pub ended: bool,
    /// When it was last shown, if it was since the appliance started.
    pub used: Option<Timestamp>,
}

/// A token that was just issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedApiToken {
    /// Its id.
    pub token: RecordId,
    /// What a script shows. It is told once.
    pub secret: String,
    /// As whom it acts.
    pub person: PersonId,
    /// In which role.
    pub role: Role,
    /// From when on it counts no more.
    pub ends: Timestamp,
}

/// Whoever shows a token that counts, as of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The token's id.
    pub token: RecordId,
    /// As whom they act.
    pub person: PersonId,
    /// In which role.
    pub role: Role,
}

/// What is remembered of tokens while the appliance runs.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<BTreeMap<RecordId, Memory>>);

#[derive(Debug, Default)]
struct Memory {
    used: Option<Timestamp>,
    denied: BTreeSet<Operation>,
}

impl Shown {
    fn with<T>(&self, token: &RecordId, act: impl FnOnce(&mut Memory) -> T) -> T {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(held.entry(token.clone()).or_default())
    }
}

impl Site {
    /// Issues a token that acts as `person`, in one role of theirs, for so many days.
    ///
    /// # Errors
    /// [`Error::Input`] for a blank label; [`Error::Refused`] without such an account, for a role that it does not
    /// have, and for more than [`API_TOKEN_DAYS_MAX`] days.
    pub fn issue_api_token(
        &self,
        actor: Actor,
        person: PersonId,
        label: &str,
        role: Role,
        days: u32,
    ) -> Result<IssuedApiToken, Error> {
        let label = label.trim();
        if label.is_empty() || label.len() > LABEL_BYTES_MAX || label.chars().any(char::is_control)
        {
            let message = format!(
                "say what the token is for, in one line of at most {LABEL_BYTES_MAX} bytes"
            );
            return Err(Error::Input(message));
        }
        let now = self.now();
        let days = i64::from(days.min(API_TOKEN_DAYS_MAX + 1));
        let ends = now.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(now);
        let secret = format!("{API_TOKEN_PREFIX}{}", Digest::of(&keys::random()?).to_hex());
        let record = self.commit(json!({ "person": person, "label": label }))?;
        let token = keys::record_id(now)?;
        let fresh = ApiToken { token: token.clone(), person: person.clone(), role, record, ends };
        let sha256 = Digest::of(secret.as_bytes());
        let issue = AccountCommand::IssueApiToken { fresh, sha256 };
        self.heart().ask(actor, Command::Account(issue))?;
        Ok(IssuedApiToken { token, secret, person, role, ends })
    }

    /// Revokes a token: it is refused from the next request on.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such token.
    pub fn revoke_api_token(&self, actor: Actor, token: RecordId) -> Result<(), Error> {
        self.heart()
            .ask(actor, Command::Account(AccountCommand::RevokeApiToken { token }))
            .map(drop)
    }

    /// Tokens that were not revoked, the newest first.
    #[must_use]
    pub fn api_tokens(&self) -> Vec<ApiTokenStatus> {
        let (state, now) = (self.state(), self.now());
        let status = |known: &ApiToken| ApiTokenStatus {
            token: known.token.clone(),
            person: known.person.clone(),
            role: known.role,
            label: self.label_of(&known.record),
            ends: known.ends,
            ended: known.ends <= now,
            used: self.shown().with(&known.token, |memory| memory.used),
        };
        let mut all: Vec<_> = state.api_tokens.values().map(status).collect();
        all.sort_by(|a, b| b.token.cmp(&a.token));
        all
    }

    fn label_of(&self, record: &Digest) -> Option<String> {
        let (_, value) = self.evidence().get(record).ok()?;
        Some(value["label"].as_str()?.to_owned())
    }

    /// Whose token has this secret; `None` where none has, or it has ended.
    #[must_use]
    pub fn bearer(&self, secret: &str) -> Option<Bearer> {
        let (state, now) = (self.state(), self.now());
        let known = state.api_tokens.get(&Digest::of(secret.as_bytes()))?;
        let account = state.accounts.get(&known.person)?;
        if known.ends <= now || !account.roles.contains(&known.role) {
            return None;
        }
        self.shown().with(&known.token, |memory| memory.used = Some(now));
        let ApiToken { token, person, role, .. } = known.clone();
        Some(Bearer { token, person, role })
    }

    /// The check of rights of [`Site::acting`], for a token: as whom it does `operation`, if its role allows that.
    /// That it asked for what its role does not allow is an event, once for each token and operation.
    ///
    /// # Errors
    /// [`Error::NotAllowed`].
    pub fn acting_for(&self, bearer: &Bearer, operation: Operation) -> Result<Actor, Error> {
        let known = self.state().api_tokens.values().any(|known| known.token == bearer.token);
        let roles = known.then_some(bearer.role).into_iter().collect();
        self.acting_in(&bearer.person, &roles, Door::Api, operation, || {
            self.shown().with(&bearer.token, |memory| memory.denied.insert(operation))
        })
    }
}
