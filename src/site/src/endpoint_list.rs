//! Endpoints as a list that people look through: filtered, sorted, and only the part that is shown made.

use crate::{EndpointStatus, Error, Site};
use fleet::{Endpoint, JobPhase, NOT_SEEN_DAYS, Standing};
use ids::{EndpointName, RecordId, RingName, Timestamp};
use jiff::SignedDuration;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<T> {
    /// What is shown.
    pub rows: Vec<T>,
    /// How many there are that the filter takes.
    pub found: u64,
    /// How many there are at all.
    pub all: u64,
}

/// Which endpoints, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointQuery {
    /// Only those whose name holds this text; empty is all.
    pub name: String,
    /// Only in this ring.
    pub ring: Option<RingName>,
    /// Only those that stand so.
    pub state: Option<EndpointState>,
    /// Sorted by what.
    pub sort: EndpointSort,
    /// The last first.
    pub descending: bool,
    /// How many are passed over.
    pub skip: usize,
    /// How many are shown at most.
    pub take: usize,
}

/// What an endpoint may be looked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointState {
    /// It asked to join; a person has to compare its key.
    Pending,
    /// It has joined and is elected in.
    Elected,
    /// It has joined and is elected out.
    ElectedOut,
    /// It has left.
    Retired,
    /// A person has to look: it doubts the log, its token was used twice, its job waits for a decision, or what
    /// was mended is gone again.
    Attention,
    /// It has joined and was not seen for a week.
    Unseen,
}

/// What endpoints are sorted by; equal ones are by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EndpointSort {
    /// By name.
    #[default]
    Name,
    /// By ring.
    Ring,
    /// By how they stand.
    Standing,
    /// By when they were last seen; never is first.
    Seen,
}

impl Site {
    /// The endpoint of this name: the one that has not left, or else the last one that did.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is none.
    pub fn endpoint(&self, name: &EndpointName) -> Result<EndpointStatus, Error> {
        self.endpoint_status(&self.endpoint_named(name)?)
    }

    /// Whether a person has to decide about an endpoint's job.
    #[must_use]
    pub fn waits_for_decision(&self, endpoint: &RecordId) -> bool {
        self.state().endpoints.get(endpoint).is_some_and(undecided)
    }

    /// A part of the endpoints.
    ///
    /// # Errors
    /// [`Error::Store`] when a name cannot be read.
    pub fn endpoint_part(&self, query: &EndpointQuery) -> Result<Part<EndpointStatus>, Error> {
        let state = self.state();
        let all = state.endpoints.iter().count() as u64;
        let mut found: Vec<(EndpointName, &RecordId, &Endpoint, Option<Timestamp>)> = Vec::new();
        let week = SignedDuration::from_hours(24 * NOT_SEEN_DAYS);
        let missed = self.now().saturating_sub(week).unwrap_or(Timestamp::MIN);
        for (id, known) in state.endpoints.iter() {
            if query.ring.as_ref().is_some_and(|ring| *ring != known.ring) {
                continue;
            }
            let misused = || state.tokens.get(&known.token).is_some_and(|token| token.misused);
            let seen = self.roster().seen(id).map(|seen| seen.at);
            let wanted = query.state.is_none_or(|state| match state {
                EndpointState::Pending => known.standing == Standing::Pending,
                EndpointState::Elected => known.is_elected(),
                EndpointState::ElectedOut => {
                    known.standing == Standing::Active && !known.is_elected()
                }
                EndpointState::Retired => known.standing == Standing::Retired,
                EndpointState::Attention => {
                    known.standing != Standing::Retired && (wants_a_person(known) || misused())
                }
                EndpointState::Unseen => {
                    known.standing == Standing::Active && seen.is_none_or(|seen| seen < missed)
                }
            });
            if !wanted {
                continue;
            }
            let name = self.name_of(&known.name)?;
            if name.as_str().contains(&query.name) {
                found.push((name, id, known, seen));
            }
        }
        found.sort_by(|a, b| {
            let order = match query.sort {
                EndpointSort::Name => std::cmp::Ordering::Equal,
                EndpointSort::Ring => a.2.ring.cmp(&b.2.ring),
                EndpointSort::Standing => a.2.standing.cmp(&b.2.standing),
                EndpointSort::Seen => a.3.cmp(&b.3),
            };
            let order = order.then_with(|| (&a.0, a.1).cmp(&(&b.0, b.1)));
            if query.descending { order.reverse() } else { order }
        });
        let shown = found.iter().skip(query.skip).take(query.take);
        let rows = shown.map(|(_, id, ..)| self.endpoint_status(id)).collect::<Result<_, _>>()?;
        Ok(Part { rows, found: found.len() as u64, all })
    }
}

/// Whether a person has to look at an endpoint.
pub(crate) fn wants_a_person(known: &Endpoint) -> bool {
    known.doubt.is_some() || known.reopened || undecided(known)
}

/// Whether a person has to decide about an endpoint's job, and has not yet.
pub(crate) fn undecided(known: &Endpoint) -> bool {
    known.job.as_ref().is_some_and(|job| {
        job.phase == JobPhase::AwaitingDecision
            && job.end.is_none()
            && known.resolution.is_none_or(|(approval, _)| approval != job.approval)
    })
}
