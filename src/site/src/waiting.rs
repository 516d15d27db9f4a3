//! What waits for whom: what people have to do next, so that nothing stands still unseen.

use crate::{Error, Site, endpoint_list::undecided};
use fleet::{Role, RunStanding, Standing};
use ids::{EndpointName, RecordId, RingName};

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// Endpoints that asked to join: an administrator compares their keys.
    Pending(u64),
    /// Endpoints that saw the log go back or fork.
    Doubting(u64),
    /// Endpoints whose job failed: an operator decides about each.
    Undecided(Vec<EndpointName>),
    /// A run that was planned: its approver signs.
    Unapproved(RecordId, RingName),
    /// A run that was approved: an operator starts it.
    Unstarted(RecordId, RingName),
    /// A run that was paused.
    Paused(RecordId, RingName),
    /// Exceptions that somebody asked for: an approver decides.
    Exceptions(u64),
    /// An import that was begun and is not finished: an operator inserts the medium again.
    Unfinished(u64),
    /// Rings that stay where they are, since the newest view lacks what their endpoints need.
    HeldBack(RingName),
    /// The site has no root: it obeys no approver.
    NoRoot,
}

impl Waiting {
    /// In which role it is done.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::Pending(_) | Self::Doubting(_) | Self::NoRoot => Role::Administrator,
            Self::Unapproved(..) | Self::Exceptions(_) => Role::Approver,
            Self::Undecided(_)
            | Self::Unstarted(..)
            | Self::Paused(..)
            | Self::Unfinished(_)
            | Self::HeldBack(_) => Role::Operator,
        }
    }
}

impl Site {
    /// What waits for people, the gravest first.
    ///
    /// # Errors
    /// [`Error::Store`] when an endpoint's name cannot be read.
    pub fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        let (state, now) = (self.state(), self.now());
        let mut waiting = Vec::new();
        let (mut pending, mut doubting, mut names) = (0, 0, Vec::new());
        for known in state.endpoints.values().filter(|e| e.standing != Standing::Retired) {
            pending += u64::from(known.standing == Standing::Pending);
            doubting += u64::from(known.doubt.is_some());
            if undecided(known) {
                names.push(self.name_of(&known.name)?);
            }
        }
        if state.site_roots.is_empty() {
            waiting.push(Waiting::NoRoot);
        }
        if doubting > 0 {
            waiting.push(Waiting::Doubting(doubting));
        }
        if !names.is_empty() {
            names.sort();
            waiting.push(Waiting::Undecided(names));
        }
        for (id, run) in state.runs.iter().filter(|(_, run)| run.not_after > now) {
            match run.standing {
                RunStanding::Planned => {
                    waiting.push(Waiting::Unapproved(id.clone(), run.ring.clone()));
                }
                RunStanding::Approved => {
                    waiting.push(Waiting::Unstarted(id.clone(), run.ring.clone()));
                }
                RunStanding::Paused(_) => {
                    waiting.push(Waiting::Paused(id.clone(), run.ring.clone()));
                }
                RunStanding::Started => {}
            }
        }
        if pending > 0 {
            waiting.push(Waiting::Pending(pending));
        }
        let asked = |e: &&fleet::Exception| e.approved_by.is_none() && e.not_after > now;
        let exceptions = state.exceptions.values().filter(asked).count() as u64;
        if exceptions > 0 {
            waiting.push(Waiting::Exceptions(exceptions));
        }
        for sequence in self.unfinished_imports() {
            waiting.push(Waiting::Unfinished(sequence));
        }
        let mut rings: Vec<&RingName> = state.held_back.keys().map(|(ring, _)| ring).collect();
        rings.dedup();
        waiting.extend(rings.into_iter().cloned().map(Waiting::HeldBack));
        Ok(waiting)
    }
}
