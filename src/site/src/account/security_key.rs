//! Security keys of browsers (WebAuthn): made known, forgotten, and asked to sign what their person decides.
//!
//! That a key is known here gives it no say: it counts once administrators list its OpenSSH public key in the site
//! root, offline, and `trust` judges each of its signatures under that root. So this appliance, even in somebody
//! else's hands, makes nobody an approver. Nobody signs in with these keys either: an appliance that may ask for a
//! touch at each signing in could ask for an approval instead.

use super::secrets::{self, BrowserKey};
use crate::{Error, Session, Site, keys};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ciborium::Value;
use fleet::{AccountCommand, Actor, Command, Operation};
use ids::{Digest, PersonId, Timestamp};
use jiff::SignedDuration;
use serde::Serialize;
use ssh_key::{HashAlg, PublicKey};
use trust::{Assertion, Denial, Envelope, Purpose};

/// How long a browser may take to answer.
const ANSWER_LIFE: SignedDuration = SignedDuration::from_mins(2);
/// Longest part of an answer, in bytes. With attestation left out, browsers send a few hundred.
const PART_BYTES_MAX: usize = 16 << 10;
/// Longest credential id, in bytes (WebAuthn 4).
const CREDENTIAL_BYTES_MAX: usize = 1023;
/// Flags of an authenticator's data (WebAuthn 6.1): somebody touched it, a new key is attached.
const PRESENT: u8 = 0x01;
const ATTACHED: u8 = 0x40;
/// COSE (RFC 9053): an elliptic curve's point, signed with ES256, on P-256.
const COSE_KEY: [(i64, i64); 3] = [(1, 2), (3, -7), (-1, 1)];

/// What a session's browser was asked for a new key.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    challenge: [u8; 32],
    relying_party: String,
    pub(crate) until: Timestamp,
}

/// What a browser is asked for a new key, as its script takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewKeyAsked {
    /// 32 random bytes, base64url; good once, for two minutes.
    pub challenge: String,
    /// The relying party's id: the host's name.
    pub party: String,
    /// Whom the key is for: a digest, base64url, and the id that the log has.
    pub user: String,
    /// The same for people.
    pub person: PersonId,
    /// Credentials that are known already.
    pub known: Vec<String>,
}

/// What a browser answers for a new key, each part base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// `clientDataJSON`.
    pub client_data: String,
    /// `attestationObject`.
    pub attestation: String,
}

/// A key as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityKey {
    /// SHA-256 of the public key: how events name it.
    pub digest: Digest,
    /// The same as OpenSSH shows it.
    pub fingerprint: String,
    /// The OpenSSH public key line.
    pub key: String,
    /// The host's name that it was made for.
    pub party: String,
    /// Since when it is known.
    pub added_at: Timestamp,
    /// Whether the site root lists it as this person's now.
    pub listed: bool,
}

/// What a browser is asked to sign a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The challenge, base64url: what an SSH signature over the statement is over.
    pub challenge: String,
    /// The relying party's id.
    pub party: String,
    /// Credentials whose keys may sign, base64url.
    pub credentials: Vec<String>,
}

/// Why a browser is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// The person has no key here.
    NoKey,
    /// They have one, but the site root does not list it.
    NotListed,
    /// It is listed, and was made for another name of this host.
    OtherName,
}

/// What a browser answers, each part base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The id of the credential that signed.
    pub credential: String,
    /// `authenticatorData`.
    pub authenticator_data: String,
    /// `clientDataJSON`.
    pub client_data: String,
    /// `signature`.
    pub signature: String,
}

/// A key's fingerprint as OpenSSH shows it.
pub(crate) fn fingerprint(digest: &Digest) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(digest.as_bytes()))
}

impl Site {
    /// Asks a session's browser for a new key, on pages of this host.
    ///
    /// # Errors
    /// [`Error::Input`] where the host's name is an address: browsers make no keys for these.
    pub fn ask_security_key(&self, session: &Session, host: &str) -> Result<NewKeyAsked, Error> {
        self.acting(session, Operation::AddSecurityKey)?;
        if !trust::is_relying_party(host) {
            let message = format!(
                "browsers make security keys for names only, and this page was opened at {host:?}: open the console \
                 by the appliance's DNS name"
            );
            return Err(Error::Input(message));
        }
        let (challenge, now) = (keys::random()?, self.now());
        let until = now.checked_add(ANSWER_LIFE).unwrap_or(now);
        let asked = Asked { challenge, relying_party: host.to_owned(), until };
        self.sessions().ask(session.id.clone(), asked, now);
        let user = Digest::of(format!("{} {}", self.name()?, session.person).as_bytes());
        let known = self.browser_keys(&session.person)?;
        Ok(NewKeyAsked {
            challenge: URL_SAFE_NO_PAD.encode(challenge),
            party: host.to_owned(),
            user: URL_SAFE_NO_PAD.encode(user.as_bytes()),
            person: session.person.clone(),
            known: known.into_iter().map(|known| known.credential).collect(),
        })
    }

    /// Takes a new key of a session's browser. It approves nothing before a site root lists it.
    ///
    /// # Errors
    /// [`Error::Input`] where it is not what was asked for, which is an event; [`Error::Refused`] for a key that is
    /// known, or one too many.
    pub fn add_security_key(
        &self,
        session: &Session,
        given: &NewKey,
    ) -> Result<SecurityKey, Error> {
        let actor = self.acting(session, Operation::AddSecurityKey)?;
        let (person, now) = (session.person.clone(), self.now());
        let kept = match self.read_new_key(session, given, now) {
            Ok(kept) => kept,
            Err((reason, message)) => {
                let refuse =
                    AccountCommand::RefuseSecurityKey { person, reason: reason.to_owned() };
                self.heart().ask(actor, Command::Account(refuse))?;
                return Err(Error::Input(format!(
                    "the security key was not taken: {message}; nothing was kept: try again"
                )));
            }
        };
        let digest = digest(&kept.key)?;
        // Beside the log first: it counts only once the log says so.
        let mut all = secrets::read(self.disk(), self.folder(), &person)?;
        all.keys.retain(|known| known.key != kept.key);
        all.keys.push(kept.clone());
        let add = AccountCommand::AddSecurityKey { person: person.clone(), key: digest };
        if !self.state().accounts.get(&person).is_some_and(|known| known.keys.contains(&digest)) {
            secrets::write(self.disk(), self.folder(), &person, &all)?;
        }
        self.heart().ask(actor, Command::Account(add))?;
        self.key_status(&person, kept)
    }

    fn read_new_key(
        &self,
        session: &Session,
        given: &NewKey,
        now: Timestamp,
    ) -> Result<BrowserKey, (&'static str, String)> {
        let odd = |message: &str| ("malformed", message.to_owned());
        let asked = self.sessions().asked(&session.id, now).ok_or_else(|| {
            let message =
                "this session asked for none in the last two minutes, or has its answer already";
            ("not-asked", message.to_owned())
        })?;
        let denied = |denial: Denial| (denial.code(), denial.to_string());
        let part =
            |text: &str| decoded(text).ok_or_else(|| odd("the browser's answer is not base64"));
        let (client_data, attestation) = (part(&given.client_data)?, part(&given.attestation)?);
        let party = asked.relying_party.as_str();
        trust::browser_did(&client_data, "webauthn.create", &asked.challenge, party)
            .map_err(denied)?;
        let fresh = Fresh::read(&attestation).ok_or_else(|| {
            odd("what the security key says of itself cannot be read, or it is no P-256 key (ES256)")
        })?;
        if fresh.party != Digest::of(party.as_bytes()) {
            return Err(("signature-invalid", "it is for another relying party".to_owned()));
        }
        if fresh.flags & PRESENT == 0 {
            return Err(("signature-invalid", "nobody touched it".to_owned()));
        }
        let key = trust::security_key(&fresh.x, &fresh.y, party).map_err(denied)?;
        let credential = URL_SAFE_NO_PAD.encode(&fresh.credential);
        Ok(BrowserKey { credential, key, added_at: now })
    }

    /// Has a person's key known no more. A site root that lists it goes on doing so.
    ///
    /// # Errors
    /// [`Error::Refused`] where they have no such key.
    pub fn remove_security_key(
        &self,
        actor: Actor,
        person: &PersonId,
        key: Digest,
    ) -> Result<(), Error> {
        let remove = AccountCommand::RemoveSecurityKey { person: person.clone(), key };
        self.heart().ask(actor, Command::Account(remove))?;
        let mut all = secrets::read(self.disk(), self.folder(), person)?;
        all.keys.retain(|known| digest(&known.key).is_ok_and(|known| known != key));
        secrets::write(self.disk(), self.folder(), person, &all)
    }

    /// A person's keys, the newest last.
    ///
    /// # Errors
    /// [`Error::Key`] or [`Error::Folder`] where what is kept cannot be read.
    pub fn security_keys(&self, person: &PersonId) -> Result<Vec<SecurityKey>, Error> {
        self.browser_keys(person)?.into_iter().map(|known| self.key_status(person, known)).collect()
    }

    /// What is kept beside the log, as far as the log knows of it.
    fn browser_keys(&self, person: &PersonId) -> Result<Vec<BrowserKey>, Error> {
        let state = self.state();
        let Some(account) = state.accounts.get(person).filter(|known| !known.keys.is_empty())
        else {
            return Ok(Vec::new());
        };
        let mut all = secrets::read(self.disk(), self.folder(), person)?.keys;
        all.retain(|known| digest(&known.key).is_ok_and(|digest| account.keys.contains(&digest)));
        Ok(all)
    }

    fn key_status(&self, person: &PersonId, known: BrowserKey) -> Result<SecurityKey, Error> {
        let digest = digest(&known.key)?;
        let party = trust::relying_party(&known.key).map_err(Error::Denied)?.unwrap_or_default();
        Ok(SecurityKey {
            fingerprint: fingerprint(&digest),
            listed: self.lists(person, &digest)?,
            digest,
            key: known.key,
            party,
            added_at: known.added_at,
        })
    }

    /// Whether the site root lists a key as this person's, and obeys it now.
    fn lists(&self, person: &PersonId, key: &Digest) -> Result<bool, Error> {
        let now = self.now();
        let Some(status) = self.site_root()? else { return Ok(false) };
        let end = status.root.not_after;
        Ok(status.root.approvers.iter().any(|approver| {
            approver.person == *person
                && now < approver.not_after.unwrap_or(end).min(end)
                && digest(&approver.key).is_ok_and(|listed| listed == *key)
        }))
    }

    /// What a person's browser is asked to sign an unsigned statement of theirs, on pages of this host.
    ///
    /// # Errors
    /// [`Error::Denied`] where it is no such statement.
    pub fn ask_signature(
        &self,
        person: &PersonId,
        host: &str,
        purpose: Purpose,
        statement: &Envelope,
    ) -> Result<Result<Signing, Unsigned>, Error> {
        let mut why = Unsigned::NoKey;
        let mut parties: Vec<(String, String)> = Vec::new();
        for known in self.browser_keys(person)? {
            let credential = known.credential.clone();
            let SecurityKey { party, listed, .. } = self.key_status(person, known)?;
            let here = host == party || host.strip_suffix(&party).is_some_and(|h| h.ends_with('.'));
            match (listed, here) {
                (true, true) => parties.push((party, credential)),
                (true, false) => why = Unsigned::OtherName,
                (false, _) if why == Unsigned::NoKey => why = Unsigned::NotListed,
                (false, _) => {}
            }
        }
        // One question names one relying party.
        let Some((party, _)) = parties.first().cloned() else { return Ok(Err(why)) };
        let challenge = statement.challenge(purpose).map_err(Error::Denied)?;
        parties.retain(|(other, _)| *other == party);
        Ok(Ok(Signing {
            challenge: URL_SAFE_NO_PAD.encode(challenge),
            party,
            credentials: parties.into_iter().map(|(_, credential)| credential).collect(),
        }))
    }

    /// The statement with what a browser of its person signed. What is not taken is an event.
    pub(crate) fn signed_in_browser(
        &self,
        actor: &Actor,
        purpose: Purpose,
        mut statement: Envelope,
        given: &Answer,
    ) -> Result<Envelope, Error> {
        let known = match actor {
            Actor::Person { person, .. } => self.browser_keys(person)?,
            _ => Vec::new(),
        };
        let Some(key) = known.into_iter().find(|known| known.credential == given.credential) else {
            let message =
                "it was signed with a security key that is not of this account".to_owned();
            self.record_refusal(actor, "unknown-key", message.clone())?;
            return Err(Error::Input(format!("{message}: nothing was taken")));
        };
        let parts = (
            decoded(&given.authenticator_data),
            decoded(&given.client_data),
            decoded(&given.signature),
        );
        let (Some(authenticator_data), Some(client_data), Some(signature)) = parts else {
            let message = "what the browser sent is not base64".to_owned();
            self.record_refusal(actor, "malformed", message.clone())?;
            return Err(Error::Input(format!("{message}: nothing was taken")));
        };
        let assertion = Assertion { authenticator_data, client_data, signature };
        statement
            .add_assertion(purpose, &key.key, &assertion)
            .map_err(|denial| self.denied(actor, denial))?;
        Ok(statement)
    }
}

/// SHA-256 of a public key as OpenSSH takes it.
fn digest(line: &str) -> Result<Digest, Error> {
    let odd = |_| Error::Input("a security key that is kept is no OpenSSH public key".to_owned());
    let key = PublicKey::from_openssh(line.trim()).map_err(odd)?;
    let print = key.fingerprint(HashAlg::Sha256);
    let bytes: Result<[u8; 32], _> = print.as_bytes().try_into();
    bytes.map(Digest::from_bytes).map_err(|_| Error::Input("a fingerprint has 32 bytes".to_owned()))
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    (text.len() <= PART_BYTES_MAX).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()
}

/// Reads what an authenticator says of a new key, without judging it: the door for fuzzing.
#[must_use]
pub fn parse_attestation(attestation: &[u8]) -> bool {
    Fresh::read(attestation).is_some()
}

/// What an authenticator says of a new key (`attestationObject`, WebAuthn 6.5). Its attestation is not looked at:
/// administrators compare the fingerprint with what the person shows them.
#[derive(Debug, PartialEq, Eq)]
struct Fresh {
    party: Digest,
    flags: u8,
    credential: Vec<u8>,
    x: Vec<u8>,
    y: Vec<u8>,
}

impl Fresh {
    fn read(attestation: &[u8]) -> Option<Self> {
        let object: Value = ciborium::from_reader(attestation).ok()?;
        let data = object.as_map()?.iter().find(|(name, _)| name.as_text() == Some("authData"))?;
        let rest = data.1.as_bytes()?.as_slice();
        let (party, rest) = rest.split_first_chunk::<32>()?;
        let (flags, rest) = rest.split_first()?;
        // A counter of four bytes and the model's id of sixteen say nothing that is gone by here.
        let (_, rest) = rest.split_at_checked(20)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (credential, mut rest) = rest.split_at_checked(length)?;
        if flags & ATTACHED == 0 || !(1..=CREDENTIAL_BYTES_MAX).contains(&length) {
            return None;
        }
        // Extensions may follow the key, and are not read.
        let key: Value = ciborium::from_reader(&mut rest).ok()?;
        let field = |label: i64| {
            let mut fields = key.as_map()?.iter();
            fields.find(|(name, _)| *name == Value::from(label)).map(|(_, value)| value)
        };
        let fits = |(label, value): (i64, i64)| field(label) == Some(&Value::from(value));
        if !COSE_KEY.into_iter().all(fits) {
            return None;
        }
        Some(Self {
            party: Digest::from_bytes(*party),
            flags: *flags,
            credential: credential.to_vec(),
            x: field(-2)?.as_bytes()?.clone(),
            y: field(-3)?.as_bytes()?.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn cose(fields: &[(i64, Value)]) -> Vec<u8> {
        let fields = fields.iter().map(|(label, value)| (Value::from(*label), value.clone()));
        let mut bytes = Vec::new();
        ciborium::into_writer(&Value::Map(fields.collect()), &mut bytes).unwrap();
        bytes
    }

    fn p256() -> Vec<(i64, Value)> {
        let (x, y) = (Value::Bytes(vec![1; 32]), Value::Bytes(vec![2; 32]));
        vec![(1, 2.into()), (3, (-7).into()), (-1, 1.into()), (-2, x), (-3, y)]
    }

    fn attested(flags: u8, credential: &[u8], key: &[u8]) -> Vec<u8> {
        let length = u16::try_from(credential.len()).unwrap().to_be_bytes();
        let party = Digest::of(b"localhost");
        let data =
            [&party.as_bytes()[..], &[flags], &[0; 4], &[9; 16], &length, credential, key].concat();
        let object = vec![
            (Value::from("fmt"), Value::from("none")),
            (Value::from("attStmt"), Value::Map(Vec::new())),
            (Value::from("authData"), Value::Bytes(data)),
        ];
        let mut bytes = Vec::new();
        ciborium::into_writer(&Value::Map(object), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_new_key_is_read_and_only_one_that_signs_with_es256() {
        let good = attested(0x45, b"credential", &cose(&p256()));
        let fresh = Fresh::read(&good).unwrap();
        assert_eq!((fresh.x, fresh.y), (vec![1; 32], vec![2; 32]));
        assert_eq!((fresh.credential.as_slice(), fresh.flags), (&b"credential"[..], 0x45));
        assert_eq!(fresh.party, Digest::of(b"localhost"));
        // Extensions after the key are not read.
        let more = [cose(&p256()), vec![0xa0]].concat();
        assert!(Fresh::read(&attested(0xc5, b"c", &more)).is_some());
        for length in 0..good.len() {
            assert!(Fresh::read(&good[..length]).is_none(), "cut at {length}");
        }
        for flags in [0x00, 0x01, 0x05] {
            assert!(Fresh::read(&attested(flags, b"c", &cose(&p256()))).is_none(), "{flags}");
        }
        assert!(Fresh::read(&attested(0x41, b"", &cose(&p256()))).is_none());
        assert!(Fresh::read(&attested(0x41, &[0; 1024], &cose(&p256()))).is_none());
        for (place, other) in [(0, 3.into()), (1, (-8).into()), (2, 2.into()), (3, Value::Null)] {
            let mut fields = p256();
            fields[place].1 = other;
            assert!(Fresh::read(&attested(0x41, b"c", &cose(&fields))).is_none(), "{place}");
        }
        assert!(Fresh::read(&[0x9f; 9_000]).is_none(), "nested without an end");
    }
}
