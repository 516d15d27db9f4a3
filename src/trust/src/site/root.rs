//! The site root: administrators, approvers, policy and the log's identity, signed by a threshold.

use super::{Denial, Denied, document};
use crate::{
    Verified,
    dsse::{Envelope, Purpose, fingerprint, parse_public_key},
};
use ids::{Digest, PersonId, SiteName, Timestamp};
use serde::{Deserialize, Serialize};
use ssh_key::PublicKey;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// What a site root is signed as.
pub const SITE_ROOT: Purpose = Purpose {
    payload_type: "application/vnd.patchkeep.site-root+json",
    namespace: "site-root@patchkeep",
};

const SCHEMA: u32 = 1;
/// How sentences name it.
const WHAT: &str = "site root";
/// How far ahead of the clock a statement may claim to be, in seconds.
const AHEAD_MAX_SECS: i64 = 24 * 60 * 60;
/// Most people of each kind.
const PEOPLE_MAX: usize = 500;

/// Whom a site obeys, in one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteRoot {
    /// Version of this document's form: 1.
    pub schema: u32,
    /// The site.
    pub site: SiteName,
    /// 1 for the first, and one more for each that follows.
    pub generation: u64,
    /// When it was drawn up.
    pub issued_at: Timestamp,
    /// When approvers listed in it are obeyed no more; a following root may always be signed.
    pub not_after: Timestamp,
    /// Who may sign the next one.
    pub administrators: Administrators,
    /// Whose approvals count.
    pub approvers: Vec<Approver>,
    /// How the site decides.
    pub policy: SitePolicy,
    /// Which log endpoints witness.
    pub log: LogIdentity,
}

/// Administrators and how many of them must sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Administrators {
    /// How many of them must sign.
    pub threshold: usize,
    /// Who they are: one key each.
    pub keys: Vec<Administrator>,
}

/// An administrator's offline key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Administrator {
    /// The person.
    pub person: PersonId,
    /// Their public key, as OpenSSH writes it.
    pub key: String,
}

/// An approver's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The person.
    pub person: PersonId,
    /// A public key of theirs, as OpenSSH writes it. A person may have several.
    pub key: String,
    /// When this key is obeyed no more; the root's own end unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

/// How the site decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SitePolicy {
    /// Whoever imported a bundle may not approve what it brought.
    pub four_eyes: bool,
    /// Approvals that only the appliance attests to are recorded. Agents refuse them all the same.
    pub attested_approvals: bool,
}

/// The log that endpoints witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogIdentity {
    /// Its epoch: a recovered appliance begins another.
    pub epoch: u32,
    /// Its verifier key (C2SP signed-note), which names its origin.
    pub key: String,
}

impl SiteRoot {
    /// The document as it is signed: canonical JSON (OLPC), so that two people who draw up the same
    /// root sign the same bytes.
    ///
    /// # Errors
    /// [`Denied::Malformed`] when it does not hold together.
    pub fn to_payload(&self) -> Result<Vec<u8>, Denial> {
        self.check()?;
        document::write(WHAT, self)
    }

    /// What a root says, before anybody's signature was looked at.
    ///
    /// # Errors
    /// [`Denied::Malformed`].
    pub fn unverified(envelope: &Envelope) -> Result<Self, Denial> {
        let root: Self = document::read(WHAT, envelope, SITE_ROOT)?;
        root.check()?;
        Ok(root)
    }

    /// The fingerprint by which the first root is pinned: SHA-256 of its payload.
    ///
    /// # Errors
    /// [`Denied::Malformed`].
    pub fn fingerprint(envelope: &Envelope) -> Result<Digest, Denial> {
        Ok(Digest::of(&envelope.unverified_payload(SITE_ROOT)?))
    }

    /// The first root of a site: the one with the pinned fingerprint, signed by its own threshold.
    ///
    /// # Errors
    /// [`Denied::Fingerprint`], [`Denied::RootChain`] when it is not generation 1, or what is wrong
    /// with its signatures.
    pub fn found(envelope: &Envelope, pinned: Digest) -> Result<Verified<Self>, Denial> {
        let print = Self::fingerprint(envelope)?;
        if print != pinned {
            let sentence =
                format!("the site root's fingerprint is {print}, not the pinned {pinned}");
            return Err(Denial::new(Denied::Fingerprint, sentence));
        }
        let root = Self::unverified(envelope)?;
        if root.generation != 1 {
            let sentence =
                format!("a site begins with root 1, and this is root {}", root.generation);
            return Err(Denial::new(Denied::RootChain, sentence));
        }
        signed_by(envelope, &[&root])?;
        Ok(Verified::new(root))
    }

    /// The people who signed an envelope as administrators of any of these roots, each once.
    ///
    /// # Errors
    /// What is wrong with its signatures.
    pub fn signers(envelope: &Envelope, roots: &[&Self]) -> Result<BTreeSet<PersonId>, Denial> {
        let (mut keys, mut people) = (BTreeMap::new(), BTreeMap::new());
        for root in roots {
            keys.extend(root.electorate()?);
            for Administrator { person, key } in &root.administrators.keys {
                people.insert(fingerprint(&parse_public_key(key)?), person.clone());
            }
        }
        let signers = envelope.signers(SITE_ROOT, &keys)?;
        Ok(signers.iter().filter_map(|print| people.get(print).cloned()).collect())
    }

    /// The document in words: what an administrator reads before signing.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { site, generation, issued_at, not_after, policy, log, .. } = self;
        let print = |key: &str| parse_public_key(key).map(|key| fingerprint(&key));
        let print = |key: &str| print(key).unwrap_or_else(|_| "no key".to_owned());
        let mut text = format!("SITE ROOT {generation} of site {site}\n");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "drawn up {issued_at}, ends {not_after}");
        let Administrators { threshold, keys } = &self.administrators;
        let _ =
            writeln!(text, "Administrators ({threshold} of {} sign the next root):", keys.len());
        for Administrator { person, key } in keys {
            let _ = writeln!(text, "  {person}  {}", print(key));
        }
        let _ = writeln!(text, "Approvers' keys ({}):", self.approvers.len());
        for Approver { person, key, not_after } in &self.approvers {
            let end = not_after.map(|end| format!(", until {end}")).unwrap_or_default();
            let _ = writeln!(text, "  {person}  {}{end}", print(key));
        }
        let four_eyes = if policy.four_eyes {
            "nobody approves what they imported"
        } else {
            "OFF: importers may approve what they imported"
        };
        let attested = if policy.attested_approvals {
            "RECORDED: approvals that only the appliance attests to"
        } else {
            "none: only signed approvals are recorded"
        };
        let _ = writeln!(text, "Four eyes: {four_eyes}\nAttested approvals: {attested}");
        let _ = writeln!(text, "Log: epoch {}, {}", log.epoch, super::short(&log.key));
        text
    }

    /// Who has to sign for the administrators, by fingerprint.
    fn electorate(&self) -> Result<BTreeMap<String, PublicKey>, Denial> {
        keyed(self.administrators.keys.iter().map(|a| a.key.as_str()))
    }

    /// The approvers' keys by fingerprint, and whose each is.
    pub(crate) fn approvers_by_key(
        &self,
    ) -> Result<BTreeMap<String, (&Approver, PublicKey)>, Denial> {
        let mut all = BTreeMap::new();
        for approver in &self.approvers {
            let key = parse_public_key(&approver.key)?;
            if all.insert(fingerprint(&key), (approver, key)).is_some() {
                return Err(malformed("it lists an approver's key twice"));
            }
        }
        Ok(all)
    }

    fn check(&self) -> Result<(), Denial> {
        if self.schema != SCHEMA {
            return Err(malformed("it is of another schema than 1: a newer Patchkeep drew it up"));
        }
        let Administrators { threshold, keys } = &self.administrators;
        if *threshold == 0 || *threshold > keys.len() {
            return Err(malformed("its threshold is one that its administrators cannot meet"));
        }
        if keys.len() > PEOPLE_MAX || self.approvers.len() > PEOPLE_MAX {
            return Err(malformed("it lists absurdly many people"));
        }
        // One person with two keys must not be two administrators.
        let people: BTreeSet<&PersonId> = keys.iter().map(|a| &a.person).collect();
        if people.len() != keys.len() {
            return Err(malformed("it lists an administrator twice"));
        }
        let administrators = self.electorate()?;
        let approvers = self.approvers_by_key()?;
        if approvers.keys().any(|print| administrators.contains_key(print)) {
            return Err(malformed("an offline administrator's key is listed for approvals too"));
        }
        if self.not_after <= self.issued_at {
            return Err(malformed("it ends before it begins"));
        }
        Ok(())
    }
}

impl Verified<SiteRoot> {
    /// The root that follows: one generation more, of the same site, signed by the threshold of this
    /// one and by its own. A lost or replaced administrator's key is replaced this way.
    ///
    /// # Errors
    /// [`Denied::RootChain`], or what is wrong with its signatures.
    pub fn followed_by(&self, envelope: &Envelope) -> Result<Self, Denial> {
        let next = SiteRoot::unverified(envelope)?;
        let chain = |why: String| Denial::new(Denied::RootChain, why);
        if next.site != self.site {
            return Err(chain(format!("root of site {} after one of {}", next.site, self.site)));
        }
        if Some(next.generation) != self.generation.checked_add(1) {
            let (next, now) = (next.generation, self.generation);
            return Err(chain(format!("site root {next} does not follow root {now}")));
        }
        if next.log.epoch < self.log.epoch {
            return Err(chain("it goes back to an earlier epoch of the log".to_owned()));
        }
        signed_by(envelope, &[&**self, &next])?;
        Ok(Self::new(next))
    }

    /// Checks that an envelope is signed by exactly one approver whom this root lists and obeys at
    /// `now`, and who is the one that the statement itself names.
    pub(crate) fn hears(
        &self,
        envelope: &Envelope,
        purpose: Purpose,
        named: &PersonId,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Denial> {
        let approvers = self.approvers_by_key()?;
        let keys = approvers.iter().map(|(print, (_, key))| (print.clone(), key.clone())).collect();
        let signers = envelope.signers(purpose, &keys)?;
        let [signer] = signers.as_slice() else {
            let sentence = format!("it has {} signatures; exactly one is needed", signers.len());
            return Err(Denial::new(Denied::SignatureThreshold, sentence));
        };
        let Some((approver, _)) = approvers.get(signer) else {
            return Err(Denial::new(Denied::UnknownKey, "its signer is not listed"));
        };
        let Approver { person, not_after, .. } = approver;
        if person != named {
            let sentence = format!("it names {named} as approver, but {person}'s key signed it");
            return Err(Denial::new(Denied::UnknownKey, sentence));
        }
        let until = not_after.map_or(self.not_after, |end| end.min(self.not_after));
        if now >= until {
            let sentence = format!("the site root lists {person}'s key until {until} only");
            return Err(Denial::new(Denied::RootExpired, sentence));
        }
        if issued_at.duration_since(now).as_secs() > AHEAD_MAX_SECS {
            let sentence = format!("it claims to be of {issued_at}, ahead of the clock");
            return Err(Denial::new(Denied::FromTheFuture, sentence));
        }
        Ok(())
    }
}

/// Checks that an envelope is signed by the threshold of each of `roots`, and by nobody else.
fn signed_by(envelope: &Envelope, roots: &[&SiteRoot]) -> Result<(), Denial> {
    let mut keys = BTreeMap::new();
    for root in roots {
        keys.extend(root.electorate()?);
    }
    let signers = envelope.signers(SITE_ROOT, &keys)?;
    for root in roots {
        let electorate = root.electorate()?;
        let count = signers.iter().filter(|print| electorate.contains_key(*print)).count();
        let threshold = root.administrators.threshold;
        if count < threshold {
            let sentence = format!(
                "it has {count} of the {threshold} signatures that site root {} asks for",
                root.generation
            );
            return Err(Denial::new(Denied::SignatureThreshold, sentence));
        }
    }
    Ok(())
}

fn keyed<'a>(keys: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, PublicKey>, Denial> {
    let mut all = BTreeMap::new();
    for text in keys {
        let key = parse_public_key(text)?;
        if all.insert(fingerprint(&key), key).is_some() {
            return Err(malformed("it lists a key twice"));
        }
    }
    Ok(all)
}

fn malformed(why: &str) -> Denial {
    document::malformed(WHAT, why)
}
