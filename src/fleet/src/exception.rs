//! Exceptions: an update that is knowingly not applied for a while, with an owner, a reason, something that
//! stands in its place, and two people.
//!
//! Whoever asked for one does not approve it. It counts from its approval until its end, and then what it was
//! about is open again, without anybody doing anything. Who owns the risk, why, and what is done instead is
//! behind a commitment.

use crate::{Fact, Refused, State};
use ids::{Digest, PersonId, RecordId, RingName, Timestamp};
use serde::{Deserialize, Serialize};

/// How long an exception lasts at most: 366 days, in hours.
const HOURS_MAX: i64 = 366 * 24;
/// Most exceptions that are kept, and longest name of a package or version in bytes.
const EXCEPTIONS_MAX: usize = 10_000;
const WORD_BYTES_MAX: usize = 300;

/// What an exception is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excepted {
    /// The ring.
    pub ring: RingName,
    /// Only this endpoint of it; `None` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<RecordId>,
    /// The binary package.
    pub package: String,
    /// The version that is not applied; another one is not meant.
    pub version: String,
}

/// An exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// What it is about.
    #[serde(flatten)]
    pub about: Excepted,
    /// Commitment to owner, reason and compensating control.
    pub record: Digest,
    /// Who asked for it.
    pub requested_by: PersonId,
    /// Who approved it; `None` as long as nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<PersonId>,
    /// When it counts no more.
    pub not_after: Timestamp,
}

impl Exception {
    /// Whether it counts at `now`.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> bool {
        self.approved_by.is_some() && now < self.not_after
    }

    /// Whether it is about this version of a package on this endpoint.
    #[must_use]
    pub fn covers(
        &self,
        ring: &RingName,
        endpoint: &RecordId,
        package: &str,
        version: &str,
    ) -> bool {
        self.about.ring == *ring
            && self.about.endpoint.as_ref().is_none_or(|only| only == endpoint)
            && self.about.package == package
            && self.about.version == version
    }
}

/// What may be asked about exceptions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum ExceptionCommand {
    /// Ask for one.
    Request {
        exception: RecordId,
        about: Excepted,
        record: Digest,
        requested_by: PersonId,
        not_after: Timestamp,
    },
    /// Approve one.
    Approve { exception: RecordId, approved_by: PersonId },
}

/// What follows from a command about exceptions.
pub(crate) fn decide(
    state: &State,
    command: ExceptionCommand,
    now: Timestamp,
) -> Result<Vec<Fact>, Refused> {
    match command {
        ExceptionCommand::Request { exception, about, record, requested_by, not_after } => {
            if !state.rings.contains_key(&about.ring) {
                return Err(Refused::NoRing { ring: about.ring });
            }
            let plain = |word: &String| {
                (1..=WORD_BYTES_MAX).contains(&word.len())
                    && word.chars().all(|c| c.is_ascii_graphic())
            };
            let lasts = not_after.duration_since(now);
            if !plain(&about.package)
                || !plain(&about.version)
                || lasts.as_secs() <= 0
                || lasts.as_hours() > HOURS_MAX
                || state.exceptions.len() >= EXCEPTIONS_MAX
            {
                return Err(Refused::Exception);
            }
            let fact =
                Fact::ExceptionRequested { exception, about, record, requested_by, not_after };
            Ok(vec![fact])
        }
        ExceptionCommand::Approve { exception, approved_by } => {
            let known = state.exceptions.get(&exception).filter(|known| now < known.not_after);
            let known = known.ok_or(Refused::NoException)?;
            if known.requested_by == approved_by {
                return Err(Refused::OwnException { person: approved_by });
            }
            if known.approved_by.is_some() {
                return Ok(Vec::new());
            }
            Ok(vec![Fact::ExceptionApproved { exception, approved_by }])
        }
    }
}

/// Takes in a fact about exceptions; says whether it was one.
pub(crate) fn evolve(state: &mut State, fact: &Fact, at: Timestamp) -> bool {
    match fact {
        Fact::ExceptionRequested { exception, about, record, requested_by, not_after } => {
            state.exceptions.retain(|_, known| known.not_after > at);
            let new = Exception {
                about: about.clone(),
                record: *record,
                requested_by: requested_by.clone(),
                approved_by: None,
                not_after: *not_after,
            };
            state.exceptions.insert(exception.clone(), new);
        }
        Fact::ExceptionApproved { exception, approved_by } => {
            if let Some(known) = state.exceptions.get_mut(exception) {
                known.approved_by = Some(approved_by.clone());
            }
        }
        _ => return false,
    }
    true
}
