//! Requests about accounts.

use super::api::elsewhere;
use crate::{
    failure::Failure,
    person::doing,
    remote::{Remote, told},
};
use fleet::{Operation, Role};
use ids::{PersonId, RecordId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use site::{AccountStatus, ApiTokenStatus, IssuedApiToken, IssuedCode, Site};
use std::collections::BTreeSet;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub(crate) enum AccountRequest {
    Accounts,
    Set { account: PersonId, name: String, roles: BTreeSet<Role>, person: PersonId },
    Reset { account: PersonId, person: PersonId },
    End { account: PersonId, person: PersonId },
    Close { account: PersonId, person: PersonId },
    Tokens,
    IssueToken { account: PersonId, label: String, role: Role, days: u32, person: PersonId },
    RevokeToken { token: RecordId, person: PersonId },
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "about", content = "is", rename_all = "kebab-case")]
pub(crate) enum AccountReply {
    Accounts(Vec<AccountStatus>),
    Code(Option<IssuedCode>),
    Ended(usize),
    Tokens(Vec<ApiTokenStatus>),
    Issued(IssuedApiToken),
    Revoked(RecordId),
}

impl AccountRequest {
    /// Whether it is nothing for an appliance that only reads.
    pub(super) const fn writes(&self) -> bool {
        !matches!(self, Self::Accounts | Self::Tokens)
    }

    /// What is asked, as the table of roles has it.
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Accounts => Operation::Accounts,
            Self::Set { .. } => Operation::SetAccount,
            Self::Reset { .. } => Operation::ResetAccount,
            Self::End { .. } => Operation::EndSessions,
            Self::Close { .. } => Operation::CloseAccount,
            Self::Tokens => Operation::ApiTokens,
            Self::IssueToken { .. } => Operation::IssueApiToken,
            Self::RevokeToken { .. } => Operation::RevokeApiToken,
        }
    }
}

/// Calls the use case.
pub(super) fn perform(site: &Site, request: AccountRequest) -> Result<AccountReply, Failure> {
    use AccountReply as A;
    use AccountRequest as Q;
    let operation = request.operation();
    let by = |person: &PersonId| doing(person, operation);
    Ok(match request {
        Q::Accounts => A::Accounts(site.accounts()),
        Q::Set { account, name, roles, person } => {
            A::Code(site.set_account(by(&person)?, account, &name, roles)?)
        }
        Q::Reset { account, person } => A::Code(Some(site.reset_account(by(&person)?, account)?)),
        Q::End { account, person } => A::Ended(site.end_sessions(&by(&person)?, &account)?),
        Q::Close { account, person } => {
            site.close_account(by(&person)?, &account)?;
            A::Code(None)
        }
        Q::Tokens => A::Tokens(site.api_tokens()),
        Q::IssueToken { account, label, role, days, person } => {
            A::Issued(site.issue_api_token(by(&person)?, account, &label, role, days)?)
        }
        Q::RevokeToken { token, person } => {
            site.revoke_api_token(by(&person)?, token.clone())?;
            A::Revoked(token)
        }
    })
}

/// Asks for the same over the API.
pub(super) fn over_api(remote: &Remote, request: AccountRequest) -> Result<AccountReply, Failure> {
    use AccountReply as A;
    use AccountRequest as Q;
    let code = "a one-time code comes with it, which is handed over in person";
    Ok(match request {
        Q::Accounts => A::Accounts(remote.all(&["accounts"])?),
        Q::End { account, .. } => {
            let path = ["accounts", account.as_str(), "end-sessions"];
            let mut ended: Value = remote.post_bare(&path)?;
            A::Ended(told(ended["sessions"].take())?)
        }
        Q::Tokens => A::Tokens(remote.all(&["tokens"])?),
        Q::IssueToken { account, label, role, days, .. } => {
            let new = json!({ "person": account, "label": label, "role": role, "days": days });
            A::Issued(remote.post(&["tokens"], &new)?)
        }
        Q::RevokeToken { token, .. } => {
            remote.delete(&["tokens", token.as_str()])?;
            A::Revoked(token)
        }
        Q::Set { .. } => return Err(elsewhere("opening or changing an account", code)),
        Q::Reset { .. } => return Err(elsewhere("resetting an account", code)),
        Q::Close { .. } => {
            return Err(elsewhere(
                "closing an account",
                "it ends tokens, perhaps the one that asks",
            ));
        }
    })
}
