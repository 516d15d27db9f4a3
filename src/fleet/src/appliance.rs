//! The appliance itself: its images, how it is reached, what it writes to media, and what became of each.

use crate::{Event, Fact, Refused, SettledImage, SettledWrite, State, image, medium};
use ids::{Digest, PersonId, RecordId, Timestamp};
use network::{Outcome, Settings};

/// What to do about the appliance itself.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields repeat the words of their fact")]
pub enum ApplianceCommand {
    /// Hand an image over.
    HandOverImage { version: String, sha256: Digest },
    /// Ask for one that is older than the one that runs, or hand it over where another person has asked for it.
    StartOlderImage { version: String, sha256: Digest, by: PersonId },
    /// Say what became of an image.
    SettleImage(SettledImage),
    /// Ask for another way to reach the appliance.
    AskNetworkChange { change: RecordId, settings: Settings },
    /// Confirm it.
    ConfirmNetworkChange { change: RecordId },
    /// Say what became of it.
    SettleNetwork(Outcome),
    /// Have a file written to a medium.
    AskMediumWrite { custody: RecordId, record: Digest, name: String, sha256: Digest, bytes: u64 },
    /// Say what became of it.
    SettleMediumWrite { custody: RecordId, settled: SettledWrite },
}

/// What follows from a command: nothing where an outcome is the one that is known.
pub(crate) fn decide(
    state: &State,
    command: ApplianceCommand,
    now: Timestamp,
) -> Result<Vec<Fact>, Refused> {
    use ApplianceCommand as C;
    Ok(vec![match command {
        C::HandOverImage { version, sha256 } => Fact::ImageHandedOver { version, sha256 },
        C::StartOlderImage { version, sha256, by } => {
            image::start_older(state, version, sha256, &by, now)?
        }
        C::SettleImage(settled) => return Ok(image::settle(state, settled)),
        C::AskNetworkChange { change, settings } => Fact::NetworkChangeAsked { change, settings },
        C::ConfirmNetworkChange { change } => Fact::NetworkChangeConfirmed { change },
        C::SettleNetwork(outcome) if state.network_settled.as_ref() == Some(&outcome) => {
            return Ok(Vec::new());
        }
        C::SettleNetwork(outcome) => Fact::NetworkSettled(outcome),
        C::AskMediumWrite { custody, record, name, sha256, bytes } => {
            Fact::MediumWriteAsked { custody, record, name, sha256, bytes }
        }
        C::SettleMediumWrite { custody, settled } => {
            return Ok(medium::settle(state, custody, settled));
        }
    }])
}

/// Takes in what became of a change, or that one was asked for; says whether the fact was one of these.
pub(crate) fn evolve(state: &mut State, event: &Event) -> bool {
    match &event.fact {
        Fact::NetworkSettled(outcome) => state.network_settled = Some(outcome.clone()),
        Fact::NetworkChangeAsked { .. } | Fact::NetworkChangeConfirmed { .. } => {}
        _ => return image::evolve(state, event),
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Actor;
    use network::Became;

    #[test]
    fn an_outcome_is_one_event_however_often_it_is_read() {
        let mut state = State::default();
        let mut outcome = Outcome {
            change: Some("01ARZ3NDEKTSV4RRFFQ69G5FF0".parse().unwrap()),
            became: Became::PutBack,
            settings: network::Settings::default(),
            why: Some("nobody confirmed it within 10 min".into()),
            settled: "2026-11-29T10:00:00Z".parse().unwrap(),
        };
        let mut facts = 0;
        for _ in 0..3 {
            let settle = ApplianceCommand::SettleNetwork(outcome.clone());
            for fact in decide(&state, settle, outcome.settled).unwrap() {
                facts += 1;
                state.evolve(&Event { at: outcome.settled, actor: Actor::Appliance, fact });
            }
        }
        assert_eq!(facts, 1);
        // The same change, asked for once more with the same end.
        outcome.settled = "2026-11-29T11:00:00Z".parse().unwrap();
        let at = outcome.settled;
        let facts = decide(&state, ApplianceCommand::SettleNetwork(outcome), at).unwrap();
        assert_eq!(facts.len(), 1);
    }
}
