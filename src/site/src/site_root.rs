//! The site root on the appliance: drawing up the next one, accepting it, showing whom the site obeys.
//!
//! The appliance holds no administrator's key: it drafts, people sign elsewhere, and what comes back is
//! judged by `trust` against the whole chain before it counts.

use crate::{Error, Site};
use fleet::{Actor, Command};
use ids::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use trust::{
    Administrators, Approver, Denial, Envelope, SITE_ROOT, SitePolicy, SiteRoot, Verified,
};

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

const ABSENT: &str = "the site root is not there";

/// The site's roots, judged along the whole chain.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// The newest, and the fingerprint of the first.
    pub(crate) newest: Option<(Verified<SiteRoot>, Digest)>,
    /// Those that the ledger does not have: newer than the backup that the appliance was restored from.
    pub(crate) later: Vec<(Envelope, Verified<SiteRoot>)>,
}

impl Chain {
    /// The root in an envelope as the next one of the chain.
    fn next(&self, envelope: &Envelope, pinned: Digest) -> Result<Verified<SiteRoot>, Denial> {
        match &self.newest {
            Some((newest, _)) => newest.followed_by(envelope),
            None => SiteRoot::found(envelope, pinned),
        }
    }

    /// The newest one, for people.
    fn status(&self, now: Timestamp) -> Option<SiteRootStatus> {
        let (newest, pinned) = self.newest.as_ref()?;
        let left = newest.not_after.duration_since(now);
        let days_left = left.as_hours().div_euclid(24);
        Some(SiteRootStatus { root: SiteRoot::clone(newest), pinned: *pinned, days_left })
    }

    fn push(&mut self, root: Verified<SiteRoot>, pinned: Digest) {
        let pinned = self.newest.as_ref().map_or(pinned, |(_, pinned)| *pinned);
        self.newest = Some((root, pinned));
    }
}

impl Site {
    /// The next generation as a document to be signed: nothing is changed yet. On a restored appliance
    /// it names the log of the next epoch.
    ///
    /// # Errors
    /// [`Error::Denied`] when it does not hold together.
    pub fn draft_site_root(&self, draft: RootDraft) -> Result<Envelope, Error> {
        let newest = self.newest_site_root()?;
        let newest = newest.as_ref().map(|(root, _)| &**root);
        let root = SiteRoot {
            schema: 1,
            site: self.name()?,
            generation: newest.map_or(0, |root| root.generation) + 1,
            issued_at: self.now(),
            not_after: draft.not_after,
            administrators: draft.administrators,
            approvers: draft.approvers,
            policy: draft.policy,
            log: self.log_to_name(newest)?,
        };
        Ok(Envelope::unsigned(SITE_ROOT, &root.to_payload().map_err(Error::Denied)?))
    }

    /// Accepts the next generation. The first needs the fingerprint that its signers wrote down. On a
    /// restored appliance it opens the next epoch, from the next start on; `held` are checkpoints of the
    /// log before that somebody holds.
    ///
    /// # Errors
    /// [`Error::Denied`] and [`Error::Refused`]: nothing is changed. [`Error::Input`]: neither.
    pub fn accept_site_root(
        &self,
        actor: Actor,
        envelope: &Envelope,
        pinned: Option<Digest>,
        held: &[String],
    ) -> Result<SiteRootStatus, Error> {
        let mut chain = self.site_roots()?;
        let Some(pinned) = chain.newest.as_ref().map(|(_, pinned)| *pinned).or(pinned) else {
            let message = "this is the site's first root: say its fingerprint with \
                --fingerprint, as its signers wrote it down";
            return Err(Error::Input(message.to_owned()));
        };
        let judged = chain.next(envelope, pinned);
        if self.restored().is_some() {
            let root = judged.map_err(Error::Denied)?;
            self.recover_with(actor, envelope, &root, &chain, held)?;
            chain.push(root, pinned);
            return chain.status(self.now()).ok_or_else(|| Error::Input(ABSENT.to_owned()));
        }
        if !held.is_empty() {
            let message = "this appliance was not restored, so no epoch is opened and nothing was \
                accepted: leave --held out";
            return Err(Error::Input(message.to_owned()));
        }
        let document = match judged {
            Ok(document) => Box::new(document),
            Err(denial) => {
                let (reason, message) = (denial.code().to_owned(), denial.to_string());
                self.heart().ask(actor, Command::RefuseSiteRoot { reason, message })?;
                return Err(Error::Denied(denial));
            }
        };
        if document.log != self.log_to_name(None)? {
            return Err(Error::Refused(fleet::Refused::OtherLog));
        }
        let root = self.keep(&envelope.to_bytes())?;
        self.heart().ask(actor, Command::AcceptSiteRoot { root, document })?;
        let status = self.site_root()?;
        status.ok_or_else(|| Error::Input(ABSENT.to_owned()))
    }

    /// The site root as it stands; `None` where the site has none yet.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Denied`] when what is kept is damaged.
    pub fn site_root(&self) -> Result<Option<SiteRootStatus>, Error> {
        Ok(self.site_roots()?.status(self.now()))
    }

    /// The newest root and the fingerprint of the first.
    pub(crate) fn newest_site_root(&self) -> Result<Option<(Verified<SiteRoot>, Digest)>, Error> {
        Ok(self.site_roots()?.newest)
    }

    /// Every root, judged again along the whole chain.
    fn site_roots(&self) -> Result<Chain, Error> {
        let mut chain = Chain::default();
        for digest in &self.state().site_roots {
            let envelope = self.kept_envelope(digest)?;
            // The ledger's entry holds the digest of these very bytes: that is the first one's pin.
            let pinned = SiteRoot::fingerprint(&envelope).map_err(Error::Denied)?;
            let root = chain.next(&envelope, pinned).map_err(Error::Denied)?;
            chain.push(root, pinned);
        }
        if self.restored().is_some() {
            for envelope in self.later_roots()? {
                let pinned = SiteRoot::fingerprint(&envelope).map_err(Error::Denied)?;
                let root = chain.next(&envelope, pinned).map_err(Error::Denied)?;
                chain.later.push((envelope, root.clone()));
                chain.push(root, pinned);
            }
        }
        Ok(chain)
    }
}
