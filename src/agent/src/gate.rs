//! The gate: what may be applied here, now. Nothing passes but by a listed approver's signature.

use crate::{
    Error,
    state::{Identity, Memory, Seen},
};
use ids::{Digest, Timestamp};
use trust::{
    APPROVAL, Approval, ApprovedPackage, Asked, Denial, Envelope, SiteRoot, Verified, Waiver,
};

/// A ring's statement, believed: signed by an approver whom the site root lists, about this site and
/// ring, and not older than what was seen.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) envelope: Envelope,
    pub(crate) digest: Digest,
    pub(crate) approval: Verified<Approval>,
}

/// Hears a statement and remembers its generation.
pub(crate) fn hear(
    root: &Verified<SiteRoot>,
    identity: &Identity,
    memory: &mut Memory,
    envelope: &Envelope,
    now: Timestamp,
) -> Result<Statement, Error> {
    let denied = Error::denied("the approval");
    let payload = envelope.unverified_payload(APPROVAL).map_err(&denied)?;
    let approval = Approval::verify(root, envelope, now).map_err(&denied)?;
    let digest = Digest::of(&payload);
    let seen = memory.seen.get(&identity.ring).copied();
    approval.concerns(asked(identity, seen)).map_err(&denied)?;
    let generation = approval.generation;
    if seen.is_some_and(|seen| seen.generation == generation && seen.statement != digest) {
        let ring = &identity.ring;
        return Err(Error::Refused(format!(
            "the approval is refused: another statement of generation {generation} of ring {ring} \
             was seen before"
        )));
    }
    memory.seen.insert(identity.ring.clone(), Seen { generation, statement: digest });
    Ok(Statement { envelope: envelope.clone(), digest, approval })
}

/// Whether exactly these packages may be applied now.
pub(crate) fn permits<'a>(
    statement: &Statement,
    identity: &Identity,
    memory: &Memory,
    packages: impl IntoIterator<Item = &'a ApprovedPackage>,
    now: Timestamp,
) -> Result<(), Denial> {
    let seen = memory.seen.get(&identity.ring).copied();
    let packages: Vec<ApprovedPackage> = packages.into_iter().cloned().collect();
    statement.approval.permits(asked(identity, seen), &packages, now)
}

/// Whether a signed waiver stands in the place of a way back; gives its reason.
pub(crate) fn waived(
    root: &Verified<SiteRoot>,
    identity: &Identity,
    waivers: &[Envelope],
    now: Timestamp,
) -> Result<String, Error> {
    let mut refused = Error::Refused("there is no waiver".into());
    for envelope in waivers {
        let waiver = Waiver::verify(root, envelope, now);
        let covers = waiver.and_then(|w| w.covers(&identity.endpoint, now).map(|()| w));
        match covers {
            Ok(waiver) => return Ok(format!("{} (waived by {})", waiver.reason, waiver.approver)),
            Err(denial) => refused = Error::denied("the waiver")(denial),
        }
    }
    Err(refused)
}

fn asked(identity: &Identity, seen: Option<Seen>) -> Asked<'_> {
    let seen = seen.map_or(0, |seen| seen.generation);
    Asked { endpoint: &identity.endpoint, ring: &identity.ring, seen }
}
