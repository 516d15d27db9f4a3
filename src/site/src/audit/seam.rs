//! The seam between two epochs in an audit bundle: what the log goes on from, shown and checked.

use super::{
    archive::Files,
    sentence::{count, thousands, time},
    verify::Findings,
};
use fleet::{AnchorKind, Epoch, Event, Fact, State};
use ids::Digest;
use merkle::{Checkpoint, VerifierKey};
use std::collections::BTreeMap;
use trust::{Envelope, SiteRoot};

/// The folder of a bundle that holds it.
const FOLDER: &str = "epoch";

/// How the epoch of a log goes on from the one before; nothing for a site's first.
pub(super) fn of(events: &[Event]) -> Option<&Epoch> {
    match events.first().map(|event| &event.fact) {
        Some(Fact::EpochOpened(epoch)) => Some(epoch),
        _ => None,
    }
}

/// What is known of entries after those that the backup had.
fn lost(previous_size: u64, newest_held: u64) -> String {
    match newest_held.saturating_sub(previous_size) {
        0 => "nobody is known to hold a newer checkpoint of it".to_owned(),
        1 => format!("entry {newest_held} is LOST: somebody holds a checkpoint over it"),
        n => format!(
            "entries {} to {} are LOST, {} of them: somebody holds a checkpoint over all",
            thousands(previous_size + 1),
            thousands(newest_held),
            thousands(n)
        ),
    }
}

/// The state before a log's first entry: empty, or carried over from the log before.
///
/// # Errors
/// Why what was carried over cannot be used, as the end of a sentence.
pub(super) fn start(
    events: &[Event],
    blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Result<State, String> {
    let Some(epoch) = of(events) else { return Ok(State::default()) };
    let json = blob(&epoch.state).ok_or("the state that its epoch goes on from is absent")?;
    State::carried(&json, epoch).map_err(|error| error.to_string())
}

/// What an epoch goes on from, as the end of a sentence.
pub(super) fn words(epoch: &Epoch) -> String {
    let Epoch { previous_origin, previous_size, newest_held, backup_at, .. } = epoch;
    format!(
        "the appliance was restored from a backup of {}, which had {} of {previous_origin}; {}",
        time(*backup_at),
        count(*previous_size, "entry"),
        lost(*previous_size, *newest_held)
    )
}

/// What an export holds of it: the name of each file, its digest, and what it is in words.
pub(super) fn files(
    events: &[Event],
    blob: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Vec<(String, Digest, String)> {
    let Some(epoch) = of(events) else { return Vec::new() };
    let file = |name: &str, digest: &Digest, what: &str| {
        (format!("{FOLDER}/{name}"), *digest, format!("{what} of the log before"))
    };
    let mut files = vec![
        file("state.json", &epoch.state, "the state at the end"),
        file("previous-checkpoint", &epoch.previous_checkpoint, "the last checkpoint"),
    ];
    files.extend(
        epoch.held.iter().map(|held| file("held-checkpoint", held, "the newest checkpoint")),
    );
    let state = start(events, blob).unwrap_or_default();
    for (generation, root) in (1..).zip(&state.site_roots) {
        let what = format!("site root {generation}");
        files.push((format!("site/root-{generation}.json"), *root, what));
    }
    for ((kind, name), digest) in &state.anchors {
        let plain = super::export::plain_name(name);
        let armored = || blob(digest).is_some_and(|bytes| bytes.starts_with(b"-----"));
        let path = match kind {
            AnchorKind::PublisherRoot => format!("{FOLDER}/publisher-root.json"),
            AnchorKind::VendorKeyring if armored() => format!("vendor/keyrings/{plain}.asc"),
            AnchorKind::VendorKeyring => format!("vendor/keyrings/{plain}.gpg"),
        };
        files.push((path, *digest, format!("anchor {name}")));
    }
    files
}

/// Checks both sides of the seam, as far as a bundle shows them.
pub(super) fn check(
    files: &Files,
    events: &[Event],
    log: (&Checkpoint, &VerifierKey),
    findings: &mut Findings,
) {
    let Some(epoch) = of(events) else { return };
    let blobs: BTreeMap<Digest, &Vec<u8>> = (files.iter())
        .filter(|(path, _)| path.starts_with("epoch/") || path.starts_with("site/root-"))
        .map(|(_, bytes)| (Digest::of(bytes), bytes))
        .collect();
    findings.is("seam", judge(epoch, events, &blobs, log));
}

fn judge(
    epoch: &Epoch,
    events: &[Event],
    blobs: &BTreeMap<Digest, &Vec<u8>>,
    (checkpoint, key): (&Checkpoint, &VerifierKey),
) -> Result<String, String> {
    let Epoch { previous_origin, previous_size, newest_held, .. } = epoch;
    let says = |error: merkle::Error| format!("the log before: {error}");
    let before = VerifierKey::parse(&epoch.previous_key).map_err(says)?;
    let opened = |digest: &Digest| {
        let note = blobs.get(digest).ok_or("a checkpoint of the log before is absent")?;
        Checkpoint::open(note, &before).map_err(says)
    };
    let last = opened(&epoch.previous_checkpoint)?;
    if (last.size, last.root) != (*previous_size, epoch.previous_root)
        || last.origin != *previous_origin
    {
        return Err(
            "the last checkpoint of the log before is not the one that entry 0 names".into()
        );
    }
    match &epoch.held {
        None if newest_held == previous_size => {}
        Some(held) if opened(held)?.size == *newest_held && newest_held > previous_size => {}
        _ => return Err("nobody's checkpoint shows the entries that entry 0 calls lost".into()),
    }
    let state = start(events, &|digest| blobs.get(digest).map(|bytes| bytes.to_vec()))?;
    let named = epoch.keys.iter().any(|(purpose, own)| purpose == "log" && *own == key.to_string());
    if !named || epoch.origin != checkpoint.origin {
        return Err("entry 0 opens another log than this one".into());
    }
    let people = openers(epoch, &state, events, blobs, key)?;
    Ok(format!("epoch {}, which {people} people opened: {}", epoch.epoch, words(epoch)))
}

/// How many people signed the site root that opened an epoch: the first one that names its log.
fn openers(
    epoch: &Epoch,
    state: &State,
    events: &[Event],
    blobs: &BTreeMap<Digest, &Vec<u8>>,
    key: &VerifierKey,
) -> Result<usize, String> {
    let said = |denial: trust::Denial| denial.to_string();
    let new = events.iter().filter_map(|event| match &event.fact {
        Fact::SiteRootAccepted { root, .. } => Some(root),
        _ => None,
    });
    let mut before: Option<SiteRoot> = None;
    for digest in state.site_roots.iter().chain(new) {
        let bytes = blobs.get(digest).ok_or("a site root of the seam is absent")?;
        let envelope = Envelope::parse(bytes).map_err(said)?;
        let root = SiteRoot::unverified(&envelope).map_err(said)?;
        if root.log.key == key.to_string() && root.log.epoch == epoch.epoch {
            let roots: Vec<&SiteRoot> = before.iter().chain([&root]).collect();
            return match SiteRoot::signers(&envelope, &roots).map_err(said)?.len() {
                0 | 1 => Err("fewer than two people signed the site root that opened it".into()),
                people => Ok(people),
            };
        }
        before = Some(root);
    }
    Err("no site root names this log, so nobody opened its epoch".into())
}
