//! What people decided: the newest statement about each ring, waivers, declined updates.

use crate::{Fact, NewRun, Refused, State, run};
use ids::{Digest, PersonId, RingName, Timestamp};
use serde::{Deserialize, Serialize};
use trust::{Approval, Decision, SitePolicy, Verified, Waiver};

/// The newest statement about a ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingStatement {
    /// Its generation.
    pub generation: u64,
    /// Whether it approves or takes back.
    pub decision: Decision,
    /// SHA-256 of its payload: what agents call the approval.
    pub statement: Digest,
    /// Its envelope, as it is kept in the store.
    pub envelope: Digest,
    /// Who decided.
    pub approver: PersonId,
    /// The plan that was looked at.
    pub plan: Digest,
    /// When it ends.
    pub not_after: Timestamp,
    /// Whether only the appliance attests to it: agents are not told of such a one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub attested: bool,
}

/// A waiver that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWaiver {
    /// Its envelope, as it is kept in the store.
    pub envelope: Digest,
    /// When it ends.
    pub not_after: Timestamp,
}

/// An update that an approver does not want in a ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    /// The version; another one is not meant.
    pub version: String,
    /// Commitment to the reason.
    pub record: Digest,
    /// When it counts no more.
    pub not_after: Timestamp,
}

/// A statement about a ring, as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// The approver's own signature stands for it.
    Signed(Box<Verified<Approval>>),
    /// Only the appliance attests to it.
    Attested(Box<Approval>),
}

/// What may be asked about decisions.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum StatementCommand {
    /// Take a statement about a ring.
    Accept {
        said: Said,
        /// SHA-256 of its payload, and of its envelope.
        statement: Digest,
        envelope: Digest,
        /// Digest of the plans of the ring's endpoints as they are now.
        plan: Digest,
        /// The newest site root's.
        policy: SitePolicy,
        /// Who imported, or carried payloads to, what the ring points at.
        importers: Vec<PersonId>,
        /// The run that begins with it where none was planned; none for what no agent obeys.
        run: Option<NewRun>,
    },
    /// Record that a statement or waiver was not taken.
    Refuse { reason: String, message: String },
    /// Take a waiver.
    AcceptWaiver { waiver: Box<Verified<Waiver>>, envelope: Digest },
    /// Leave an update out of what is drawn up for approval.
    Decline {
        ring: RingName,
        package: String,
        version: String,
        record: Digest,
        not_after: Timestamp,
    },
}

/// What follows from a command about decisions.
pub(crate) fn decide(state: &State, command: StatementCommand) -> Result<Vec<Fact>, Refused> {
    use StatementCommand as C;
    Ok(vec![match command {
        C::Accept { said, statement, envelope, plan, policy, importers, run } => {
            let attested = matches!(said, Said::Attested(_));
            let approval: &Approval = match &said {
                Said::Signed(approval) => approval,
                Said::Attested(approval) => approval,
            };
            if attested && !policy.attested_approvals {
                return Err(Refused::Attested);
            }
            follows(state, approval)?;
            if approval.decision == Decision::Approve && approval.plan != plan {
                return Err(Refused::OtherPlan { then: approval.plan, now: plan });
            }
            let imported = importers.contains(&approval.approver);
            if policy.four_eyes && imported && approval.decision == Decision::Approve {
                return Err(Refused::FourEyes { approver: approval.approver.clone() });
            }
            let run = run.filter(|_| !attested && approval.decision == Decision::Approve);
            let (ring, ends) = (&approval.ring, approval.not_after);
            let mut facts =
                vec![statement_accepted(approval, statement, envelope, attested, imported)];
            facts.extend(run::after_statement(state, ring, statement, ends, run));
            return Ok(facts);
        }
        C::Refuse { reason, message } => Fact::StatementRefused { reason, message },
        C::AcceptWaiver { waiver, envelope } => {
            same_site(state, &waiver.site)?;
            Fact::WaiverAccepted {
                envelope,
                approver: waiver.approver.clone(),
                endpoints: waiver.endpoints.len() as u64,
                not_after: waiver.not_after,
            }
        }
        C::Decline { ring, package, version, record, not_after } => {
            has_ring(state, &ring)?;
            Fact::UpdateDeclined { ring, package, version, record, not_after }
        }
    }])
}

/// What the ledger says of an accepted statement with these digests of payload and envelope.
#[must_use]
pub fn statement_accepted(
    approval: &Approval,
    statement: Digest,
    envelope: Digest,
    attested: bool,
    imported_by_approver: bool,
) -> Fact {
    Fact::StatementAccepted {
        ring: approval.ring.clone(),
        generation: approval.generation,
        decision: approval.decision,
        statement,
        envelope,
        approver: approval.approver.clone(),
        plan: approval.plan,
        endpoints: approval.endpoints.len() as u64,
        packages: approval.packages.len() as u64,
        not_after: approval.not_after,
        attested,
        imported_by_approver,
    }
}

/// Statements about a ring of this site come one generation after the other.
fn follows(state: &State, approval: &Approval) -> Result<(), Refused> {
    same_site(state, &approval.site)?;
    has_ring(state, &approval.ring)?;
    let newest = state.next_statement(&approval.ring) - 1;
    let generation = approval.generation;
    if generation != newest + 1 {
        return Err(Refused::StatementOvertaken { generation, newest });
    }
    Ok(())
}

fn same_site(state: &State, site: &ids::SiteName) -> Result<(), Refused> {
    if state.site.as_ref() == Some(site) {
        return Ok(());
    }
    Err(Refused::OtherSite { other: site.clone() })
}

fn has_ring(state: &State, ring: &RingName) -> Result<(), Refused> {
    let known = state.rings.contains_key(ring);
    known.then_some(()).ok_or_else(|| Refused::NoRing { ring: ring.clone() })
}

/// Takes in a fact about decisions; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::StatementAccepted {
            ring,
            generation,
            decision,
            statement,
            envelope,
            approver,
            plan,
            not_after,
            attested,
            ..
        } => {
            let newest = RingStatement {
                generation: *generation,
                decision: *decision,
                statement: *statement,
                envelope: *envelope,
                approver: approver.clone(),
                plan: *plan,
                not_after: *not_after,
                attested: *attested,
            };
            run::approve(state, statement);
            state.statements.insert(ring.clone(), newest);
        }
        Fact::WaiverAccepted { envelope, not_after, .. } => {
            state.waivers.retain(|waiver| waiver.not_after > at);
            state.waivers.push(KeptWaiver { envelope: *envelope, not_after: *not_after });
        }
        Fact::UpdateDeclined { ring, package, version, record, not_after } => {
            state.declined.retain(|_, declined| declined.not_after > at);
            let (version, record, not_after) = (version.clone(), *record, *not_after);
            let key = (ring.clone(), package.clone());
            state.declined.insert(key, Declined { version, record, not_after });
        }
        _ => return false,
    }
    true
}
