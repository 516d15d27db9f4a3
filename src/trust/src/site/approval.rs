//! Approvals: one person's signed consent to exactly these payloads, for these endpoints, in these
//! windows; or that person's withdrawal of what was approved before.
//!
//! What is shown is what is signed: [`Approval::text`] is made of the signed statement alone.

use super::{Denial, Denied, SiteRoot, document};
use crate::{
    Verified,
    dsse::{Envelope, Purpose},
};
use ids::{Digest, EndpointName, PersonId, RingName, SiteName, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What an approval is signed as.
pub const APPROVAL: Purpose = Purpose {
    payload_type: "application/vnd.patchkeep.approval+json",
    namespace: "approval@patchkeep",
};

const SCHEMA: u32 = 1;
/// How sentences name it.
const WHAT: &str = "approval";
/// Most entries of any list.
const LIST_MAX: usize = 100_000;

/// An approver's statement about one ring. The newest generation is all that counts there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Version of this document's form: 1.
    pub schema: u32,
    /// Whether it approves or takes back.
    pub decision: Decision,
    /// The site.
    pub site: SiteName,
    /// The ring.
    pub ring: RingName,
    /// One more than the ring's statement before: agents refuse older ones.
    pub generation: u64,
    /// Who decides.
    pub approver: PersonId,
    /// When the statement was drawn up.
    pub issued_at: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Digest of the plan that was looked at: the endpoints' own plans together.
    pub plan: Digest,
    /// The endpoints that may apply it, sorted.
    pub endpoints: Vec<EndpointName>,
    /// Of these, sorted, the ones whose way back the appliance's provider makes: they believe its word that
    /// it is proven. All others make and prove their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provided: Vec<EndpointName>,
    /// When they may, in order. Recurrence and time zones were worked out when it was drawn up.
    pub windows: Vec<Interval>,
    /// What they may apply, sorted: nothing else.
    pub packages: Vec<ApprovedPackage>,
    /// CVE ids that these packages mend, for people.
    pub cves: Vec<String>,
    /// Why, in the approver's words; a withdrawal has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a statement approves or takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The packages may be applied.
    Approve,
    /// Nothing may be applied in this ring any more.
    Withdraw,
}

/// A span of time: from `opens` on, until just before `closes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Its beginning.
    pub opens: Timestamp,
    /// Its end.
    pub closes: Timestamp,
}

impl Interval {
    /// Whether a moment is inside.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.opens <= at && at < self.closes
    }
}

/// One package that may be applied: its bytes by digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovedPackage {
    /// Its name.
    pub package: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Its version.
    pub version: String,
    /// Its payload.
    pub sha256: Digest,
}

/// On whose behalf an agent asks what it may apply.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The endpoint's own name.
    pub endpoint: &'a EndpointName,
    /// The ring that it was enrolled into.
    pub ring: &'a RingName,
    /// The newest generation that it has seen for this ring; 0 before the first.
    pub seen: u64,
}

impl Approval {
    /// The statement as it is signed: canonical JSON (OLPC).
    ///
    /// # Errors
    /// [`Denied::Malformed`] when it does not hold together.
    pub fn to_payload(&self) -> Result<Vec<u8>, Denial> {
        self.check()?;
        document::write(WHAT, self)
    }

    /// What a statement says, before anybody's signature was looked at: to show it to its signer.
    ///
    /// # Errors
    /// [`Denied::Malformed`].
    pub fn unverified(envelope: &Envelope) -> Result<Self, Denial> {
        let approval: Self = document::read(WHAT, envelope, APPROVAL)?;
        approval.check()?;
        Ok(approval)
    }

    /// The statement in an envelope, signed by one approver whom the site root lists and obeys at
    /// `now`, and who is the one that the statement names.
    ///
    /// # Errors
    /// Why it is not obeyed.
    pub fn verify(
        root: &Verified<SiteRoot>,
        envelope: &Envelope,
        now: Timestamp,
    ) -> Result<Verified<Self>, Denial> {
        let approval = Self::unverified(envelope)?;
        if approval.site != root.site {
            let sentence = format!("it is about site {}, not {}", approval.site, root.site);
            return Err(Denial::new(Denied::OtherSite, sentence));
        }
        root.hears(envelope, APPROVAL, &approval.approver, approval.issued_at, now)?;
        Ok(Verified::new(approval))
    }

    /// The statement in words: what an approver reads before signing.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = match self.decision {
            Decision::Approve => format!("APPROVAL {} for ring {}", self.generation, self.ring),
            Decision::Withdraw => format!("WITHDRAWAL {} for ring {}", self.generation, self.ring),
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            " of site {}\nby {}, drawn up {}, ends {}\n",
            self.site, self.approver, self.issued_at, self.not_after
        );
        if let Some(reason) = &self.reason {
            let _ = writeln!(text, "Reason: {}", super::short(reason));
        }
        if self.decision == Decision::Withdraw {
            text.push_str("Nothing may be applied in this ring until a newer approval.\n");
            return text;
        }
        let _ = writeln!(text, "\nEndpoints ({}):", self.endpoints.len());
        for name in &self.endpoints {
            let provided = self.provided.binary_search(name).is_ok();
            let note = if provided { "  (snapshot by the appliance's provider)" } else { "" };
            let _ = writeln!(text, "  {name}{note}");
        }
        let _ = writeln!(text, "Windows ({}, UTC):", self.windows.len());
        for window in &self.windows {
            let _ = writeln!(text, "  {} to {}", window.opens, window.closes);
        }
        let _ = writeln!(text, "Packages ({}):", self.packages.len());
        for ApprovedPackage { package, architecture, version, sha256 } in &self.packages {
            let _ = writeln!(text, "  {package} {version} {architecture}  {}", sha256.short());
        }
        let cves = if self.cves.is_empty() { "none named".to_owned() } else { self.cves.join(" ") };
        let _ = write!(text, "CVEs ({}): {cves}\nPlan: {}\n", self.cves.len(), self.plan);
        text
    }

    fn check(&self) -> Result<(), Denial> {
        if self.schema != SCHEMA {
            return Err(malformed("it is of another schema than 1: a newer Patchkeep drew it up"));
        }
        let lists =
            [self.endpoints.len(), self.windows.len(), self.packages.len(), self.cves.len()];
        if lists.into_iter().any(|length| length > LIST_MAX) {
            return Err(malformed("a list in it is absurdly long"));
        }
        if !self.endpoints.is_sorted_by(|a, b| a < b) || !self.packages.is_sorted_by(|a, b| a < b) {
            return Err(malformed("its lists are not sorted, or name something twice"));
        }
        let listed = |name: &EndpointName| self.endpoints.binary_search(name).is_ok();
        if !self.provided.is_sorted_by(|a, b| a < b) || !self.provided.iter().all(listed) {
            return Err(malformed(
                "it promises snapshots to endpoints that it does not name, or twice",
            ));
        }
        if self.windows.iter().any(|window| window.closes <= window.opens) {
            return Err(malformed("a window closes before it opens"));
        }
        if self.generation == 0 || self.not_after <= self.issued_at {
            return Err(malformed("it has no generation, or ends before it begins"));
        }
        // What a terminal shows must be what is signed.
        let words = self.packages.iter().flat_map(|p| [&p.package, &p.architecture, &p.version]);
        if !words.chain(&self.cves).all(|word| document::is_plain_word(word)) {
            return Err(malformed("a name in it is not plain text"));
        }
        let empty =
            self.endpoints.is_empty() && self.windows.is_empty() && self.packages.is_empty();
        match self.decision {
            Decision::Withdraw if !empty => Err(malformed("a withdrawal names nothing to apply")),
            Decision::Withdraw if self.reason.is_none() => {
                Err(malformed("a withdrawal has a reason"))
            }
            _ => Ok(()),
        }
    }
}

impl Verified<Approval> {
    /// Whether an endpoint has to take notice of this statement: it is about its ring, and not older
    /// than what it has seen.
    ///
    /// # Errors
    /// [`Denied::OtherRing`] or [`Denied::OldGeneration`].
    pub fn concerns(&self, asked: Asked<'_>) -> Result<(), Denial> {
        if self.ring != *asked.ring {
            let sentence =
                format!("it is about ring {}, and this endpoint is in {}", self.ring, asked.ring);
            return Err(Denial::new(Denied::OtherRing, sentence));
        }
        if self.generation < asked.seen {
            let sentence = format!(
                "it is generation {} of ring {}, and {} has been seen",
                self.generation, self.ring, asked.seen
            );
            return Err(Denial::new(Denied::OldGeneration, sentence));
        }
        Ok(())
    }

    /// Whether an endpoint may apply at `now` exactly `packages`, each by the bytes that it holds.
    ///
    /// # Errors
    /// Why not: the first reason found.
    pub fn permits(
        &self,
        asked: Asked<'_>,
        packages: &[ApprovedPackage],
        now: Timestamp,
    ) -> Result<(), Denial> {
        self.concerns(asked)?;
        if self.decision == Decision::Withdraw {
            let sentence = format!("what was approved for ring {} has been withdrawn", self.ring);
            return Err(Denial::new(Denied::Withdrawn, sentence));
        }
        if self.endpoints.binary_search(asked.endpoint).is_err() {
            let sentence = format!("it does not name {}", asked.endpoint);
            return Err(Denial::new(Denied::OtherHost, sentence));
        }
        if now >= self.not_after {
            let sentence = format!("it ended {}", self.not_after);
            return Err(Denial::new(Denied::Expired, sentence));
        }
        for package in packages {
            if self.packages.binary_search(package).is_err() {
                let ApprovedPackage { package, version, architecture, sha256 } = package;
                let sentence = format!(
                    "{package} {version} {architecture} ({}) is not approved",
                    sha256.short()
                );
                return Err(Denial::new(Denied::Unapproved, sentence));
            }
        }
        if !self.windows.iter().any(|window| window.holds(now)) {
            let next = self.windows.iter().filter(|w| w.opens > now).map(|w| w.opens).min();
            let sentence = match next {
                Some(next) => format!("no window is open; the next opens {next}"),
                None => "no window is open, and none will".to_owned(),
            };
            return Err(Denial::new(Denied::WindowClosed, sentence));
        }
        Ok(())
    }
}

fn malformed(why: &str) -> Denial {
    document::malformed(WHAT, why)
}
