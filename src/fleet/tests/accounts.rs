//! Accounts: one administrator always remains, and only what the log knows of an account counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fleet::{
    AccountCommand, Actor, ApiToken, Command, Credential, Event, Operation, Refused, Role,
    SignOutCause, State, decide,
};
use ids::{Digest, PersonId, Timestamp};
use std::collections::BTreeSet;

struct Site(State);

impl Site {
    fn new() -> Self {
        let mut site = Self(State { site: Some("lab".parse().unwrap()), ..State::default() });
        site.set("ann", &[Role::Administrator]).unwrap();
        site
    }

    fn ask(&mut self, command: AccountCommand) -> Result<usize, Refused> {
        let facts = decide(&self.0, Command::Account(command), now())?;
        let count = facts.len();
        for fact in facts {
            self.0.evolve(&Event { at: now(), actor: Actor::Appliance, fact });
        }
        Ok(count)
    }

    fn set(&mut self, who: &str, roles: &[Role]) -> Result<usize, Refused> {
        let roles: BTreeSet<Role> = roles.iter().copied().collect();
        let record = Digest::of(who.as_bytes());
        self.ask(AccountCommand::Set { person: person(who), roles, record })
    }

    fn close(&mut self, who: &str) -> Result<usize, Refused> {
        self.ask(AccountCommand::Close { person: person(who) })
    }

    fn credential(&mut self, credential: Credential) -> Result<usize, Refused> {
        self.ask(AccountCommand::SetCredential { person: person("ann"), credential })
    }

    fn sign_in(&mut self, who: &str) -> Result<usize, Refused> {
        let session = "01ARZ3NDEKTSV4RRFFQ69G5FD0".parse().unwrap();
        self.ask(AccountCommand::BeginSession { person: person(who), session })
    }
}

fn person(id: &str) -> PersonId {
    id.parse().unwrap()
}

fn now() -> Timestamp {
    "2026-11-28T05:00:00Z".parse().unwrap()
}

fn later(hours: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_hours(hours)
}

#[test]
fn the_first_account_and_the_last_administrator_are_kept() {
    let mut site = Site(State { site: Some("lab".parse().unwrap()), ..State::default() });
    let refused = Err(Refused::LastAdministrator);
    assert_eq!(site.set("oscar", &[Role::Operator]), refused, "the first one administers");
    assert_eq!(site.set("ann", &[]), Err(Refused::NoRole));
    assert_eq!(site.set("ann", &[Role::Administrator]), Ok(1));
    assert_eq!(site.set("ann", &[Role::Administrator]), Ok(0), "nothing changed, nothing said");
    assert_eq!(site.set("oscar", &[Role::Operator, Role::Assessor]), Ok(1));
    assert_eq!(site.set("ann", &[Role::Operator]), refused);
    assert_eq!(site.close("ann"), refused);
    assert_eq!(site.close("oscar"), Ok(1));
    assert_eq!(site.close("oscar"), Err(Refused::NoAccount));
    site.set("ben", &[Role::Administrator]).unwrap();
    assert_eq!(site.close("ann"), Ok(1));
    assert_eq!(site.close("ben"), refused);
}

#[test]
fn nobody_signs_in_with_what_was_taken_back() {
    let mut site = Site::new();
    let (password, authenticator) = (Credential::Password, Credential::Authenticator);
    assert_eq!(site.credential(password), Err(Refused::NoAccount), "no code was made for it");
    let reset = |hours| AccountCommand::Reset { person: person("ann"), code_until: later(hours) };
    site.ask(reset(24)).unwrap();
    site.credential(password).unwrap();
    assert_eq!(site.sign_in("ann"), Err(Refused::NoAccount), "a password alone");
    site.credential(authenticator).unwrap();
    assert_eq!(site.sign_in("ann"), Ok(1));
    assert!(site.0.accounts[&person("ann")].code_until.is_none(), "the code was used");
    assert_eq!(site.credential(password), Ok(1), "a new password of one's own");
    site.ask(reset(-1)).unwrap();
    assert_eq!(site.sign_in("ann"), Err(Refused::NoAccount));
    assert_eq!(site.credential(password), Err(Refused::NoAccount), "its code has ended");
    assert_eq!(site.sign_in("nobody"), Err(Refused::NoAccount));
    let cause = SignOutCause::AccountChanged;
    let session = "01ARZ3NDEKTSV4RRFFQ69G5FD0".parse().unwrap();
    let end = AccountCommand::EndSession { person: person("ann"), session, cause };
    assert_eq!(site.ask(end), Ok(1), "the end of a session is always said");
}

#[test]
fn every_operation_has_a_word_of_its_own() {
    let words: BTreeSet<String> = Operation::ALL.iter().map(|operation| operation.word()).collect();
    assert_eq!(words.len(), Operation::ALL.len());
    assert!(words.contains("point-ring") && words.contains("accept-site-root"));
}

#[test]
fn a_security_key_is_one_persons_and_counts_until_it_is_removed() {
    let mut site = Site::new();
    site.set("kim", &[Role::Approver]).unwrap();
    let key = |number: u8| Digest::of(&[number]);
    let add = |site: &mut Site, who: &str, key: Digest| {
        site.ask(AccountCommand::AddSecurityKey { person: person(who), key })
    };
    let remove = |site: &mut Site, key: Digest| {
        site.ask(AccountCommand::RemoveSecurityKey { person: person("kim"), key })
    };
    assert_eq!(add(&mut site, "nobody", key(0)), Err(Refused::NoAccount));
    for number in 0..10 {
        assert_eq!(add(&mut site, "kim", key(number)), Ok(1));
    }
    assert_eq!(add(&mut site, "kim", key(10)), Err(Refused::TooManySecurityKeys));
    assert_eq!(add(&mut site, "kim", key(3)), Err(Refused::SecurityKeyKnown));
    assert_eq!(add(&mut site, "ann", key(3)), Err(Refused::SecurityKeyKnown), "it is kim's");
    // Nobody signs in with them, so that a reset leaves them.
    let reset = AccountCommand::Reset { person: person("kim"), code_until: later(24) };
    assert_eq!(site.ask(reset), Ok(1));
    assert_eq!(site.0.accounts[&person("kim")].keys.len(), 10);
    assert_eq!(remove(&mut site, key(3)), Ok(1));
    assert_eq!(remove(&mut site, key(3)), Err(Refused::NoSecurityKey));
    assert_eq!(add(&mut site, "ann", key(3)), Ok(1));
}

fn issue(site: &mut Site, who: &str, role: Role, ends: Timestamp) -> Result<usize, Refused> {
    let number = site.0.entries;
    let fresh = ApiToken {
        token: format!("01ARZ3NDEKTSV4RRFFQ69G5F{:02}", number % 100).parse().unwrap(),
        person: person(who),
        role,
        record: Digest::of(b"label"),
        ends,
    };
    let sha256 = Digest::of(&number.to_be_bytes());
    site.ask(AccountCommand::IssueApiToken { fresh, sha256 })
}

#[test]
fn a_token_acts_in_a_role_of_its_person_for_at_most_a_year() {
    let mut site = Site::new();
    issue(&mut site, "ann", Role::Administrator, later(24 * 366)).unwrap();
    let too_long = issue(&mut site, "ann", Role::Administrator, later(24 * 366 + 1));
    assert!(matches!(too_long, Err(Refused::ApiTokenEnd)));
    let over = issue(&mut site, "ann", Role::Administrator, now());
    assert!(matches!(over, Err(Refused::ApiTokenEnd)));
    let other = issue(&mut site, "ann", Role::Operator, later(1));
    assert!(matches!(other, Err(Refused::NotTheirRole { role: "operator" })));
    assert!(matches!(issue(&mut site, "zoe", Role::Operator, later(1)), Err(Refused::NoAccount)));
}

#[test]
fn a_token_ends_with_its_account_its_role_a_new_code_or_when_it_is_revoked() {
    let tokens = |site: &Site| site.0.api_tokens.len();
    let mut site = Site::new();
    let both = [Role::Operator, Role::Assessor];
    site.set("oscar", &both).unwrap();
    for role in both {
        issue(&mut site, "oscar", role, later(1)).unwrap();
    }
    issue(&mut site, "ann", Role::Administrator, later(1)).unwrap();
    assert_eq!(tokens(&site), 3);
    site.set("oscar", &[Role::Assessor]).unwrap();
    assert_eq!(tokens(&site), 2, "the operator's token ended with the role");
    site.ask(AccountCommand::Reset { person: person("oscar"), code_until: later(24) }).unwrap();
    assert_eq!(tokens(&site), 1, "a new one-time code takes everything back");
    issue(&mut site, "oscar", Role::Assessor, later(1)).unwrap();
    site.close("oscar").unwrap();
    assert_eq!(tokens(&site), 1, "nothing is left of a closed account");
    let token = site.0.api_tokens.values().next().unwrap().token.clone();
    site.ask(AccountCommand::RevokeApiToken { token: token.clone() }).unwrap();
    assert_eq!(tokens(&site), 0);
    let again = site.ask(AccountCommand::RevokeApiToken { token });
    assert!(matches!(again, Err(Refused::NoApiToken)));
}
