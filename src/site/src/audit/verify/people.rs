//! Whom the site obeyed: every generation of its root, judged along the chain.

use super::Findings;
use fleet::{Event, Fact};
use ids::Digest;
use std::collections::HashMap;
use trust::{Envelope, SiteRoot, Verified};

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
        let Fact::SiteRootAccepted { generation, root, .. } = &event.fact else { continue };
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
