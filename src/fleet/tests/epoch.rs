//! The seam between two epochs: what is carried over, and what is refused in its place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fleet::{Actor, Command, Epoch, Event, Fact, NotCarried, Refused, State, decide};
use ids::{Digest, RingName, Timestamp};

fn at() -> Timestamp {
    "2026-11-24T08:00:00Z".parse().unwrap()
}

fn ring() -> RingName {
    "broad".parse().unwrap()
}

/// A site of two entries.
fn before() -> State {
    let mut state = State::default();
    let (origin, keys, anchors) = ("lab/epoch-1".to_owned(), Vec::new(), Vec::new());
    let site = "lab".parse().unwrap();
    let found = Command::CreateSite { site, origin, keys, anchors, ring: ring() };
    for fact in decide(&state.clone(), found, at()).unwrap() {
        state.evolve(&Event { at: at(), actor: Actor::Appliance, fact });
    }
    state
}

fn epoch(state: &State) -> Epoch {
    Epoch {
        epoch: 2,
        origin: "lab/epoch-2".into(),
        keys: Vec::new(),
        previous_origin: state.origin.clone(),
        previous_key: "key".into(),
        previous_size: state.entries,
        previous_root: Digest::of(b"root"),
        previous_checkpoint: Digest::of(b"note"),
        backup_at: at(),
        newest_held: state.entries,
        held: None,
        state: state.digest().unwrap(),
        missing: Vec::new(),
        importers: vec!["oscar".parse().unwrap()],
    }
}

#[test]
fn an_epoch_goes_on_from_the_state_that_its_first_entry_names() {
    let old = before();
    let epoch = epoch(&old);
    let json = serde_json::to_vec(&old).unwrap();
    let mut state = State::carried(&json, &epoch).unwrap();
    let fact = Fact::EpochOpened(Box::new(epoch));
    let event = Event { at: at(), actor: Actor::Appliance, fact };
    assert_eq!(fleet::decode(&fleet::encode(&event).unwrap()).unwrap(), event);
    state.evolve(&event);
    assert_eq!((state.entries, state.origin.as_str(), state.epoch()), (1, "lab/epoch-2", 2));
    assert_eq!((state.site.clone(), state.rings.clone()), (old.site.clone(), old.rings.clone()));
    assert_eq!(state.importers_before, ["oscar".parse().unwrap()]);
    // Above whatever was approved after the backup, and numbered on from there.
    assert_eq!((old.next_statement(&ring()), state.next_statement(&ring())), (1, 1_000_001));
    let text = serde_json::to_vec(&state).unwrap();
    assert_eq!(serde_json::from_slice::<State>(&text).unwrap(), state);
}

#[test]
fn another_state_is_not_carried_over() {
    let old = before();
    let epoch = epoch(&old);
    let json = serde_json::to_vec(&old).unwrap();
    let altered = String::from_utf8(json.clone()).unwrap().replace("broad", "board");
    let refused = State::carried(altered.as_bytes(), &epoch);
    assert!(matches!(refused, Err(NotCarried::Digest { .. })));
    let longer = Epoch { previous_size: old.entries + 1, ..epoch.clone() };
    assert!(matches!(State::carried(&json, &longer), Err(NotCarried::Other { .. })));
    let rubbish = Epoch { state: Digest::of(b"[]"), ..epoch };
    assert!(matches!(State::carried(b"[]", &rubbish), Err(NotCarried::Read(_))));
}

#[test]
fn no_epoch_opens_without_a_site_root_that_names_its_log() {
    let old = before();
    let command = Command::OpenEpoch { epoch: Box::new(epoch(&old)), roots: Vec::new() };
    assert_eq!(decide(&old, command, at()), Err(Refused::OtherLog));
}
