//! Waivers: an approver's signed consent that endpoints are changed without a proven way back.

use super::{Denial, Denied, SiteRoot, document};
use crate::{
    Verified,
    dsse::{Envelope, Purpose},
};
use ids::{EndpointName, PersonId, SiteName, Timestamp};
use serde::{Deserialize, Serialize};

/// What a waiver is signed as.
pub const WAIVER: Purpose = Purpose {
    payload_type: "application/vnd.patchkeep.waiver+json",
    namespace: "waiver@patchkeep",
};

const SCHEMA: u32 = 1;
/// How sentences name it.
const WHAT: &str = "waiver";
const ENDPOINTS_MAX: usize = 100_000;
const REASON_CHARS_MAX: usize = 1_000;

/// Consent to change endpoints without a way back: with a reason and an end, and counted in reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Version of this document's form: 1.
    pub schema: u32,
    /// The site.
    pub site: SiteName,
    /// The endpoints, sorted.
    pub endpoints: Vec<EndpointName>,
    /// Why.
    pub reason: String,
    /// Who consents.
    pub approver: PersonId,
    /// When it was drawn up.
    pub issued_at: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
}

impl Waiver {
    /// The statement as it is signed: canonical JSON (OLPC).
    ///
    /// # Errors
    /// [`Denied::Malformed`] when it does not hold together.
    pub fn to_payload(&self) -> Result<Vec<u8>, Denial> {
        self.check()?;
        document::write(WHAT, self)
    }

    /// What a waiver says, before anybody's signature was looked at: to show it to its signer.
    ///
    /// # Errors
    /// [`Denied::Malformed`].
    pub fn unverified(envelope: &Envelope) -> Result<Self, Denial> {
        let waiver: Self = document::read(WHAT, envelope, WAIVER)?;
        waiver.check()?;
        Ok(waiver)
    }

    /// The waiver in words: what an approver reads before signing.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { site, endpoints, reason, approver, issued_at, not_after, .. } = self;
        let names: Vec<String> = endpoints.iter().map(|name| format!("  {name}\n")).collect();
        format!(
            "WAIVER of the way back at site {site}\nby {approver}, drawn up {issued_at}, ends \
             {not_after}\nReason: {}\nThese endpoints may be changed although nothing is proven that \
             could put them back ({}):\n{}",
            super::short(reason),
            endpoints.len(),
            names.concat()
        )
    }

    /// The statement in an envelope, signed by the approver whom it names and the site root lists.
    ///
    /// # Errors
    /// Why it is not obeyed.
    pub fn verify(
        root: &Verified<SiteRoot>,
        envelope: &Envelope,
        now: Timestamp,
    ) -> Result<Verified<Self>, Denial> {
        let waiver = Self::unverified(envelope)?;
        if waiver.site != root.site {
            let sentence = format!("it is about site {}, not {}", waiver.site, root.site);
            return Err(Denial::new(Denied::OtherSite, sentence));
        }
        root.hears(envelope, WAIVER, &waiver.approver, waiver.issued_at, now)?;
        Ok(Verified::new(waiver))
    }

    fn check(&self) -> Result<(), Denial> {
        if self.schema != SCHEMA {
            return Err(malformed("it is of another schema than 1: a newer Patchkeep drew it up"));
        }
        if self.endpoints.is_empty()
            || self.endpoints.len() > ENDPOINTS_MAX
            || !self.endpoints.is_sorted_by(|a, b| a < b)
        {
            return Err(malformed("its endpoints are none, too many, or not sorted"));
        }
        if self.reason.trim().is_empty() || self.reason.chars().count() > REASON_CHARS_MAX {
            return Err(malformed("it has no reason, or an absurdly long one"));
        }
        if self.not_after <= self.issued_at {
            return Err(malformed("it ends before it begins"));
        }
        Ok(())
    }
}

impl Verified<Waiver> {
    /// Whether it covers an endpoint at `now`.
    ///
    /// # Errors
    /// [`Denied::OtherHost`] or [`Denied::Expired`].
    pub fn covers(&self, endpoint: &EndpointName, now: Timestamp) -> Result<(), Denial> {
        if self.endpoints.binary_search(endpoint).is_err() {
            return Err(Denial::new(Denied::OtherHost, format!("it does not name {endpoint}")));
        }
        if now >= self.not_after {
            return Err(Denial::new(Denied::Expired, format!("it ended {}", self.not_after)));
        }
        Ok(())
    }
}

fn malformed(why: &str) -> Denial {
    document::malformed(WHAT, why)
}
