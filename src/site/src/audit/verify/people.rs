//! Whom the site obeyed: every generation of its root, judged along the chain, and what approvers signed
//! under each.

use super::Findings;
use fleet::{Event, Fact};
use ids::Digest;
use std::collections::HashMap;
use trust::{APPROVAL, Approval, Envelope, SiteRoot, Verified, Waiver};

/// Every accepted site root: signed by its threshold and by that of the one before, and what the log
/// says of it. Roots of epochs before this one were `carried` over.
pub(super) fn check(
    blobs: &HashMap<Digest, &[u8]>,
    events: &[Event],
    carried: &[Digest],
    findings: &mut Findings,
) {
    let mut newest: Option<Verified<SiteRoot>> = None;
    let mut pinned = None;
    let mut signed = Signed::default();
    for (generation, root) in (1..).zip(carried) {
        let judged = blobs.get(root).ok_or("it is absent".to_owned());
        match judged.and_then(|bytes| follow(newest.as_ref(), bytes)) {
            Ok((root, fingerprint)) => {
                pinned.get_or_insert(fingerprint);
                newest = Some(root);
            }
            Err(why) => {
                return findings.fails("site-root", format!("site root {generation}: {why}"));
            }
        }
    }
    for event in events {
        let Fact::SiteRootAccepted { generation, root, .. } = &event.fact else {
            signed.judge(newest.as_ref(), blobs, event);
            continue;
        };
        let Some(bytes) = blobs.get(root) else {
            findings.cannot("site-root", format!("site root {generation} is absent"));
            return;
        };
        let judged = judge(newest.as_ref(), bytes, &event.fact);
        match judged {
            Ok((root, fingerprint)) => {
                pinned.get_or_insert(fingerprint);
                newest = Some(root);
            }
            Err(why) => {
                return findings.fails("site-root", format!("site root {generation}: {why}"));
            }
        }
    }
    signed.tell(findings);
    if let (Some(newest), Some(pinned)) = (newest, pinned) {
        let sentence = format!(
            "site roots 1 to {} follow each other, each signed by enough administrators; compare \
             the first one's fingerprint with paper: {pinned}",
            newest.generation
        );
        findings.holds("site-root", sentence);
    }
}

/// The root in an envelope, after the one before, and the fingerprint of its payload.
fn judge(
    before: Option<&Verified<SiteRoot>>,
    bytes: &[u8],
    fact: &Fact,
) -> Result<(Verified<SiteRoot>, Digest), String> {
    let (root, fingerprint) = follow(before, bytes)?;
    let same = fleet::site_root_accepted(Digest::of(bytes), &root) == *fact;
    let other = || "the log says something else of it".to_owned();
    same.then_some((root, fingerprint)).ok_or_else(other)
}

/// The root in an envelope, after the one before.
fn follow(
    before: Option<&Verified<SiteRoot>>,
    bytes: &[u8],
) -> Result<(Verified<SiteRoot>, Digest), String> {
    let said = |denial: trust::Denial| denial.to_string();
    let envelope = Envelope::parse(bytes).map_err(said)?;
    let fingerprint = SiteRoot::fingerprint(&envelope).map_err(said)?;
    let root = match before {
        Some(before) => before.followed_by(&envelope).map_err(said)?,
        None => SiteRoot::found(&envelope, fingerprint).map_err(said)?,
    };
    Ok((root, fingerprint))
}

/// What became of the statements and waivers that the log accepted.
#[derive(Default)]
struct Signed {
    held: u64,
    attested: u64,
    absent: u64,
    wrong: Option<String>,
}

impl Signed {
    /// Judges a statement or a waiver by the root and the clock of its own moment.
    fn judge(
        &mut self,
        root: Option<&Verified<SiteRoot>>,
        blobs: &HashMap<Digest, &[u8]>,
        event: &Event,
    ) {
        let (Fact::StatementAccepted { envelope, .. } | Fact::WaiverAccepted { envelope, .. }) =
            &event.fact
        else {
            return;
        };
        let Some(bytes) = blobs.get(envelope) else {
            self.absent += 1;
            return;
        };
        match judge_signed(root, bytes, event) {
            Ok(true) => self.held += 1,
            Ok(false) => self.attested += 1,
            Err(why) => drop(self.wrong.get_or_insert(why)),
        }
    }

    fn tell(self, findings: &mut Findings) {
        if let Some(why) = self.wrong {
            findings.fails("statements", why);
        } else if self.held > 0 {
            let sentence = format!(
                "{} approvals, withdrawals and waivers carry their approvers' own signatures, under \
                 the site root of their time",
                self.held
            );
            findings.holds("statements", sentence);
        }
        if self.attested > 0 {
            let sentence = format!(
                "that people approved {} statements: only the appliance attests to them",
                self.attested
            );
            findings.cannot("attested", sentence);
        }
        if self.absent > 0 {
            let sentence = format!("{} signed statements are not in this bundle", self.absent);
            findings.cannot("statements", sentence);
        }
    }
}

/// Whether it is signed; an error where it is not what the log says of it.
fn judge_signed(
    root: Option<&Verified<SiteRoot>>,
    bytes: &[u8],
    event: &Event,
) -> Result<bool, String> {
    let root = root.ok_or("a statement was accepted before there was a site root")?;
    let envelope = Envelope::parse(bytes).map_err(|denial| denial.to_string())?;
    let said = |denial: trust::Denial| format!("what was accepted {}: {denial}", event.at);
    let other = || format!("the log says something else of what was accepted {}", event.at);
    if let Fact::WaiverAccepted { approver, endpoints, not_after, .. } = &event.fact {
        let waiver = Waiver::verify(root, &envelope, event.at).map_err(said)?;
        let same = waiver.approver == *approver
            && waiver.endpoints.len() as u64 == *endpoints
            && waiver.not_after == *not_after;
        return same.then_some(true).ok_or_else(other);
    }
    let Fact::StatementAccepted { statement, attested, imported_by_approver, .. } = &event.fact
    else {
        return Ok(true);
    };
    let approval = if *attested {
        Approval::unverified(&envelope).map_err(said)?
    } else {
        Approval::clone(&*Approval::verify(root, &envelope, event.at).map_err(said)?)
    };
    let payload = envelope.unverified_payload(APPROVAL).map_err(said)?;
    let (digest, envelope) = (Digest::of(&payload), Digest::of(bytes));
    let follows =
        fleet::statement_accepted(&approval, digest, envelope, *attested, *imported_by_approver);
    let same = digest == *statement && follows == event.fact;
    same.then_some(!attested).ok_or_else(other)
}
