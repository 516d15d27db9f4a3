//! Tokens for people's scripts: whose each is, in which one role it acts, and until when.
//!
//! The log holds the SHA-256 of a token's secret and a commitment to its label. A token never does more than its
//! person may: it ends with their account, with that role of theirs, and with a new one-time code.

use crate::{Fact, Refused, Role, State};
use ids::{Digest, PersonId, RecordId, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// Longest life of a token in days.
pub const API_TOKEN_DAYS_MAX: u32 = 366;
/// Most tokens that a site has.
const API_TOKENS_MAX: usize = 1_000;

/// A token that was issued and not revoked. It may have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its id, as events and people name it.
    pub token: RecordId,
    /// As whom it acts.
    pub person: PersonId,
    /// In which role.
    pub role: Role,
    /// Commitment to its label.
    pub record: Digest,
    /// From when on it counts no more.
    pub ends: Timestamp,
}

/// What follows from issuing a token: it acts in one role of its person, and ends.
pub(crate) fn issue(
    state: &State,
    fresh: ApiToken,
    now: Timestamp,
    sha256: Digest,
) -> Result<Fact, Refused> {
    let ApiToken { token, person, role, record, ends } = fresh;
    let account = state.accounts.get(&person).ok_or(Refused::NoAccount)?;
    if !account.roles.contains(&role) {
        return Err(Refused::NotTheirRole { role: role.word() });
    }
    let longest = SignedDuration::from_hours(24 * i64::from(API_TOKEN_DAYS_MAX));
    if ends <= now || ends.duration_since(now) > longest {
        return Err(Refused::ApiTokenEnd);
    }
    if state.api_tokens.values().filter(|known| known.ends > now).count() >= API_TOKENS_MAX {
        return Err(Refused::TooManyApiTokens);
    }
    Ok(Fact::ApiTokenIssued { token, person, role, record, ends, sha256 })
}

/// What follows from revoking a token.
pub(crate) fn revoke(state: &State, token: RecordId) -> Result<Fact, Refused> {
    let known = state.api_tokens.values().find(|known| known.token == token);
    let person = known.ok_or(Refused::NoApiToken)?.person.clone();
    Ok(Fact::ApiTokenRevoked { token, person })
}

/// Takes in a fact that concerns tokens, among them those about accounts; says whether it was of tokens alone.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    let tokens = &mut state.api_tokens;
    match fact {
        Fact::ApiTokenIssued { token, person, role, record, ends, sha256 } => {
            tokens.retain(|_, known| known.ends > at);
            let (token, person) = (token.clone(), person.clone());
            let issued = ApiToken { token, person, role: *role, record: *record, ends: *ends };
            tokens.insert(*sha256, issued);
            true
        }
        Fact::ApiTokenRevoked { token, .. } => {
            tokens.retain(|_, known| known.token != *token);
            true
        }
        Fact::AccountSet { person, roles, .. } => {
            tokens.retain(|_, known| known.person != *person || roles.contains(&known.role));
            false
        }
        Fact::AccountReset { person, .. } | Fact::AccountClosed { person } => {
            tokens.retain(|_, known| known.person != *person);
            false
        }
        _ => false,
    }
}
