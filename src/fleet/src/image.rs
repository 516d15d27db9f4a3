//! The appliance's own image: what became of the one that was handed over to be tried, and two people for an older one.

use crate::{Actor, Event, Fact, Refused, State};
use ids::{Digest, PersonId, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// What became of an image that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageEnd {
    /// It runs, and is started from now on.
    Blessed,
    /// It was tried, and the old image came back by itself.
    FellBack,
    /// It was never tried.
    Refused,
}

/// The outcome of an image, as whoever starts images left word of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledImage {
    /// What.
    pub became: ImageEnd,
    /// The version that ran before.
    pub from: String,
    /// The version that was tried; `None` where it was refused.
    pub to: Option<String>,
    /// The image's SHA-256, as it was announced.
    pub sha256: Option<Digest>,
    /// Why it did not stay, as far as it is known.
    pub why: Option<String>,
    /// When that was settled. Two outcomes differ at least in this.
    pub settled: Timestamp,
}

/// How long another person may take to start an older image that one has asked for.
pub const OLDER_IMAGE_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// An image that is older than the one that runs, and that one person has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OlderImage {
    /// Its version.
    pub version: String,
    /// Its SHA-256.
    pub sha256: Digest,
    /// Who asked for it.
    pub by: PersonId,
    /// When.
    pub asked: Timestamp,
}

impl OlderImage {
    /// Until when another person may start it.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.asked.saturating_add(OLDER_IMAGE_WITHIN).unwrap_or(Timestamp::MAX)
    }
}

/// Whoever wants an older image asks for it, or hands it over where another person asked for the same within a day.
pub(crate) fn start_older(
    state: &State,
    version: String,
    sha256: Digest,
    by: &PersonId,
    now: Timestamp,
) -> Result<Fact, Refused> {
    let is_it = |asked: &&OlderImage| asked.sha256 == sha256 && now < asked.until();
    match state.older_image.as_ref().filter(is_it) {
        None => Ok(Fact::OlderImageAsked { version, sha256 }),
        Some(asked) if asked.by == *by => {
            Err(Refused::OwnOlderImage { person: by.clone(), version })
        }
        Some(_) => Ok(Fact::ImageHandedOver { version, sha256 }),
    }
}

/// What follows from an outcome: nothing where it is the one that is known.
pub(crate) fn settle(state: &State, settled: SettledImage) -> Vec<Fact> {
    let fresh = state.image_settled.as_ref() != Some(&settled);
    fresh.then_some(Fact::ImageSettled(settled)).into_iter().collect()
}

/// Takes in what became of an image, or that one was handed over; says whether the fact was one of these.
pub(crate) fn evolve(state: &mut State, event: &Event) -> bool {
    match &event.fact {
        Fact::ImageSettled(settled) => state.image_settled = Some(settled.clone()),
        Fact::ImageHandedOver { .. } => state.older_image = None,
        Fact::OlderImageAsked { version, sha256 } => {
            let Actor::Person { person: by, .. } = event.actor.clone() else { return true };
            let (version, sha256, asked) = (version.clone(), *sha256, event.at);
            state.older_image = Some(OlderImage { version, sha256, by, asked });
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Door, Role};

    #[test]
    fn an_outcome_is_one_event_however_often_it_is_read() {
        let mut state = State::default();
        let mut outcome = SettledImage {
            became: ImageEnd::FellBack,
            from: "0.1.0".into(),
            to: Some("0.2.0".into()),
            sha256: Some(Digest::of(b"image")),
            why: Some("it hung".into()),
            settled: "2026-11-28T10:00:00Z".parse().unwrap(),
        };
        let mut facts = 0;
        for _ in 0..3 {
            for fact in settle(&state, outcome.clone()) {
                facts += 1;
                state.evolve(&Event { at: outcome.settled, actor: Actor::Appliance, fact });
            }
        }
        assert_eq!(facts, 1);
        // The same image, tried once more with the same end.
        outcome.settled = "2026-11-28T11:00:00Z".parse().unwrap();
        assert_eq!(settle(&state, outcome).len(), 1);
    }
    #[test]
    fn an_older_image_takes_two_people_within_a_day() {
        let mut state = State::default();
        let (older, other) = (Digest::of(b"older"), Digest::of(b"other"));
        let [ann, ben]: [PersonId; 2] = ["ann", "ben"].map(|name| name.parse().unwrap());
        let at: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        let start =
            |state: &State, sha256, by, at| start_older(state, "0.1.0".to_owned(), sha256, by, at);
        let asks = |fact| matches!(fact, Ok(Fact::OlderImageAsked { .. }));
        let asked = start(&state, older, &ann, at).unwrap();
        let actor = |person: &PersonId| {
            let (person, role, door) = (person.clone(), Role::Administrator, Door::Console);
            Actor::Person { person, role, door }
        };
        state.evolve(&Event { at, actor: actor(&ann), fact: asked });
        let hour = SignedDuration::from_hours(1);
        let own = start(&state, older, &ann, at + hour).unwrap_err();
        assert!(matches!(own, Refused::OwnOlderImage { .. }), "{own}");
        assert!(asks(start(&state, other, &ben, at + hour)), "it is not what Ann asked for");
        assert!(asks(start(&state, older, &ben, at + hour * 24)), "a day has passed");
        let fact = start(&state, older, &ben, at + hour).unwrap();
        assert!(matches!(fact, Fact::ImageHandedOver { .. }), "{fact:?}");
        state.evolve(&Event { at: at + hour, actor: actor(&ben), fact });
        assert!(asks(start(&state, older, &ben, at + hour)), "once");
    }
}
