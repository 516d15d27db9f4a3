//! The appliance's own image: what became of the one that was handed over to be tried.

use crate::{Fact, State};
use ids::{Digest, Timestamp};
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

/// What follows from an outcome: nothing where it is the one that is known.
pub(crate) fn settle(state: &State, settled: SettledImage) -> Vec<Fact> {
    let fresh = state.image_settled.as_ref() != Some(&settled);
    fresh.then_some(Fact::ImageSettled(settled)).into_iter().collect()
}

/// Takes in what became of an image, or that one was handed over; says whether the fact was one of these.
pub(crate) fn evolve(state: &mut State, fact: &Fact) -> bool {
    match fact {
        Fact::ImageSettled(settled) => state.image_settled = Some(settled.clone()),
        Fact::ImageHandedOver { .. } => {}
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Actor, Event};

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
}
