//! The golden ledger: every kind of entry that was ever written, in each version, is read and evolved
//! by today's program for ever.
//!
//! `golden/v1.jsonl` is never edited; a new version of a kind is added below the old one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use fleet::{State, decode, encode};
use std::collections::BTreeSet;

const GOLDEN: &str = include_str!("golden/v1.jsonl");
/// After so many entries of the golden ledger, the state has this digest: what older ledgers say of
/// their states stays true.
const STATE: &str = include_str!("golden/v1.state");

#[test]
fn every_entry_ever_written_is_read_and_leads_to_the_same_state() {
    let mut state = State::default();
    let mut digests = STATE.lines().filter_map(|line| line.split_once(' ')).peekable();
    for line in GOLDEN.lines() {
        let event = decode(line.as_bytes()).unwrap_or_else(|e| panic!("{e}: {line}"));
        state.evolve(&event);
        if digests.peek().is_some_and(|(entries, _)| *entries == state.entries.to_string()) {
            assert_eq!(state.digest().unwrap().to_hex(), digests.next().unwrap().1);
        }
    }
    assert!(digests.next().is_none(), "the golden ledger is shorter than its states say");
    let text = serde_json::to_vec(&state).unwrap();
    let back: State = serde_json::from_slice(&text).unwrap();
    assert_eq!(back, state);
}

#[test]
fn todays_entries_are_written_as_the_golden_ones() {
    for line in GOLDEN.lines() {
        let event = decode(line.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(encode(&event).unwrap()).unwrap(), line);
    }
}

#[test]
fn what_names_an_endpoint_is_about_it() {
    for line in GOLDEN.lines() {
        let fact = decode(line.as_bytes()).unwrap().fact;
        let value = serde_json::to_value(&fact).unwrap();
        // A certificate for apt alone commits to a name, by a digest.
        let id = value["endpoint"].as_str().filter(|id| id.len() == 26);
        let about = fact.endpoints().iter().map(|endpoint| endpoint.as_str());
        assert_eq!(
            id.is_some_and(|id| about.clone().any(|known| known == id)),
            id.is_some(),
            "{line}"
        );
    }
}

#[test]
fn the_golden_ledger_holds_every_kind() {
    let kinds: BTreeSet<&str> =
        GOLDEN.lines().map(|line| decode(line.as_bytes()).unwrap().fact.kind()).collect();
    let known: BTreeSet<&str> = fleet::KINDS.iter().copied().collect();
    assert_eq!(kinds, known);
}
