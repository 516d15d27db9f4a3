//! The sentences of accounts and of who signed in.

use super::time;
use fleet::{Fact, Role};

/// The sentence of a fact about accounts; of another kind there is none.
pub(super) fn said(fact: &Fact, who: &str) -> Option<String> {
    Some(match fact {
        Fact::AccountSet { person, roles, .. } => {
            let roles: Vec<&str> = roles.iter().copied().map(Role::word).collect();
            format!("{who} set the account of {person}: {}", roles.join(", "))
        }
        Fact::AccountReset { person, code_until } => format!(
            "{who} gave {person} a one-time code to sign in with until {}; what {person} signed in with \
             before does not count any more",
            time(*code_until)
        ),
        Fact::AccountClosed { person } => format!("{who} closed the account of {person}"),
        Fact::CredentialSet { person, credential } => {
            format!("{person} has a new {} to sign in with", credential.word())
        }
        Fact::SecurityKeyAdded { person, key } => format!(
            "{who} made a security key of {person}'s browser known, {}; it approves nothing before a site root \
             lists it",
            crate::account::security_key::fingerprint(key)
        ),
        Fact::SecurityKeyRemoved { person, key } => format!(
            "{who} has the console forget the security key {} of {person}'s browser",
            crate::account::security_key::fingerprint(key)
        ),
        Fact::SecurityKeyRefused { person, reason } => format!(
            "{person}'s browser offered a security key that was not taken ({reason}); none was added"
        ),
        Fact::SessionBegun { person, .. } => format!("{person} signed in at the console"),
        Fact::SessionEnded { person, cause, .. } => {
            format!("a session of {person} at the console ended: {}", cause.word())
        }
        Fact::OperationDenied { operation, .. } => {
            format!("{who} asked for what their roles do not allow ({operation}), and was refused")
        }
        Fact::ApiTokenIssued { token, person, role, ends, .. } => format!(
            "{who} issued the token {token} for scripts of {person}, in the role {} until {}",
            role.word(),
            time(*ends)
        ),
        Fact::ApiTokenRevoked { token, person } => {
            format!("{who} revoked the token {token} of {person}")
        }
        _ => return None,
    })
}
