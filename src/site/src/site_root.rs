//! The site root on the appliance: drawing up the next one, accepting it, showing whom the site obeys.
//!
//! The appliance holds no administrator's key: it drafts, people sign elsewhere, and what comes back is
//! judged by `trust` against the whole chain before it counts.

use crate::{Error, Site, clock};
use fleet::{Actor, Command};
use ids::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use trust::{Administrators, Approver, Envelope, LogIdentity, SITE_ROOT, SitePolicy, SiteRoot};

/// Whom the next site root shall name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootDraft {
    /// Administrators and their threshold.
    pub administrators: Administrators,
    /// Approvers.
    pub approvers: Vec<Approver>,
    /// How the site decides.
    pub policy: SitePolicy,
    /// When it ends.
    pub not_after: Timestamp,
}

/// The site root as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteRootStatus {
    /// The newest root.
    pub root: SiteRoot,
    /// Fingerprint of the first one: what agents pin.
    pub pinned: Digest,
    /// Whole days until approvers are obeyed no more; negative once it is over.
    pub days_left: i64,
}

impl Site {
    /// The next generation as a document to be signed: nothing is changed yet.
    ///
    /// # Errors
    /// [`Error::Denied`] when it does not hold together.
    pub fn draft_site_root(&self, draft: RootDraft) -> Result<Envelope, Error> {
        let root = SiteRoot {
            schema: 1,
            site: self.name()?,
            generation: self.state().site_roots.len() as u64 + 1,
            issued_at: clock::now(),
            not_after: draft.not_after,
            administrators: draft.administrators,
            approvers: draft.approvers,
            policy: draft.policy,
            log: LogIdentity { epoch: 1, key: self.log_key().to_string() },
        };
        Ok(Envelope::unsigned(SITE_ROOT, &root.to_payload().map_err(Error::Denied)?))
    }

    /// Accepts the next generation. The first needs the fingerprint that its signers wrote down.
    ///
    /// # Errors
    /// [`Error::Denied`] and [`Error::Refused`]: nothing is changed.
    pub fn accept_site_root(
        &self,
        actor: Actor,
        envelope: &Envelope,
        pinned: Option<Digest>,
    ) -> Result<SiteRootStatus, Error> {
        let judged = match (self.newest_site_root()?, pinned) {
            (Some((newest, _)), _) => newest.followed_by(envelope),
            (None, Some(pinned)) => SiteRoot::found(envelope, pinned),
            (None, None) => {
                let message = "this is the site's first root: say its fingerprint with \
                    --fingerprint, as its signers wrote it down";
                return Err(Error::Input(message.to_owned()));
            }
        };
        let document = match judged {
            Ok(document) => Box::new(document),
            Err(denial) => {
                let (reason, message) = (denial.code().to_owned(), denial.to_string());
                self.heart().ask(actor, Command::RefuseSiteRoot { reason, message })?;
                return Err(Error::Denied(denial));
            }
        };
        let root = self.keep(&envelope.to_bytes())?;
        self.heart().ask(actor, Command::AcceptSiteRoot { root, document })?;
        let status = self.site_root()?;
        status.ok_or_else(|| Error::Input("the site root is not there".to_owned()))
    }

    /// The site root as it stands; `None` where the site has none yet.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Denied`] when what is kept is damaged.
    pub fn site_root(&self) -> Result<Option<SiteRootStatus>, Error> {
        let Some((newest, pinned)) = self.newest_site_root()? else { return Ok(None) };
        let left = newest.not_after.duration_since(clock::now());
        let days_left = left.as_hours().div_euclid(24);
        Ok(Some(SiteRootStatus { root: SiteRoot::clone(&newest), pinned, days_left }))
    }

    /// The newest root, judged again along the whole chain, and the fingerprint of the first.
    pub(crate) fn newest_site_root(
        &self,
    ) -> Result<Option<(trust::Verified<SiteRoot>, Digest)>, Error> {
        let mut newest: Option<(trust::Verified<SiteRoot>, Digest)> = None;
        for digest in &self.state().site_roots {
            let envelope = self.kept_envelope(digest)?;
            newest = Some(match newest {
                Some((root, pinned)) => {
                    (root.followed_by(&envelope).map_err(Error::Denied)?, pinned)
                }
                None => {
                    // The ledger's entry holds the digest of these very bytes: that is its pin.
                    let pinned = SiteRoot::fingerprint(&envelope).map_err(Error::Denied)?;
                    (SiteRoot::found(&envelope, pinned).map_err(Error::Denied)?, pinned)
                }
            });
        }
        Ok(newest)
    }
}
