//! The log in a bundle: checkpoint, tiles, proofs, and every event played again.

use super::super::{Manifest, archive::Files, keys, seam, tree::Tree};
use super::Findings;
use fleet::{Event, Fact, Standing, State};
use ids::Digest;
use merkle::{Checkpoint, LogProof, Tile, TileKind, VerifierKey};
use std::collections::BTreeMap;

/// The log of a bundle, as far as it could be read.
pub(super) struct Log {
    /// The signed checkpoint, opened.
    pub(super) checkpoint: Checkpoint,
    /// The log's key.
    pub(super) key: VerifierKey,
    /// The leaf hash of each entry.
    pub(super) leaves: Vec<Digest>,
    /// All events, where every entry could be read.
    pub(super) events: Option<Vec<Event>>,
}

pub(super) fn check(files: &Files, manifest: &Manifest, findings: &mut Findings) -> Option<Log> {
    let (key, checkpoint) = match open(files, manifest) {
        Ok(both) => both,
        Err(why) => {
            findings.fails("checkpoint", why);
            return None;
        }
    };
    findings.holds(
        "checkpoint",
        format!("{} signed a checkpoint of {} entries", checkpoint.origin, checkpoint.size),
    );
    let entries = match entries(files, checkpoint.size) {
        Ok(entries) => entries,
        Err(why) => {
            findings.fails("tiles", why);
            return None;
        }
    };
    let tree = Tree::new(&entries);
    let whole = tiles(files, &tree, &entries, &checkpoint);
    findings.is("tiles", whole);
    findings.is("events-file", lines(files, &entries));
    findings.is("proofs", proofs(files, &entries, &key));
    let events = match canonical(&entries) {
        Ok(events) => {
            findings.holds("entries", format!("all {} entries are canonical", events.len()));
            Some(events)
        }
        Err((true, why)) => {
            findings.cannot("entries", why);
            None
        }
        Err((false, why)) => {
            findings.fails("entries", why);
            None
        }
    };
    if let Some(events) = &events {
        seam::check(files, events, (&checkpoint, &key), findings);
        let carried = |_: &ids::Digest| files.get("epoch/state.json").cloned();
        let replayed = seam::start(events, &carried).and_then(|s| replay(s, events, &checkpoint));
        findings.is("replay", replayed);
    }
    let leaves = tree.leaves().to_vec();
    Some(Log { checkpoint, key, leaves, events })
}

fn open(files: &Files, manifest: &Manifest) -> Result<(VerifierKey, Checkpoint), String> {
    let says = |error: merkle::Error| format!("the log's checkpoint: {error}");
    let key = VerifierKey::parse(&manifest.log.vkey).map_err(says)?;
    let pem = files.get("log.pub.pem").and_then(|pem| keys::from_pem(pem));
    if pem.as_ref() != Some(key.key()) {
        return Err("log.pub.pem is not the log's key that the manifest names".into());
    }
    let note = files.get("checkpoint").ok_or("the bundle has no checkpoint")?;
    let checkpoint = Checkpoint::open(note, &key).map_err(says)?;
    let log = &manifest.log;
    let same = (checkpoint.size, checkpoint.root) == (log.size, log.root)
        && checkpoint.origin == log.origin;
    if !same {
        return Err("the checkpoint is not the one that the manifest names".into());
    }
    Ok((key, checkpoint))
}

/// All entries, from the entry bundles.
fn entries(files: &Files, size: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut entries = Vec::new();
    for index in 0..size.div_ceil(256) {
        let tile = Tile::of_tree(TileKind::Entries, index, size).ok_or("the log is too large")?;
        let path = format!("log/{tile}");
        let bytes = files.get(&path).ok_or_else(|| format!("{path} is missing"))?;
        let some = merkle::parse_entries(bytes).map_err(|error| format!("{path}: {error}"))?;
        if some.len() != usize::from(tile.width()) {
            return Err(format!("{path} holds {} entries, not {}", some.len(), tile.width()));
        }
        entries.extend(some);
    }
    Ok(entries)
}

/// Every tile follows from the entries, and the root is the checkpoint's.
fn tiles(
    files: &Files,
    tree: &Tree<'_>,
    entries: &[Vec<u8>],
    checkpoint: &Checkpoint,
) -> Result<String, String> {
    let expected = tree.files().map_err(|error| error.to_string())?;
    for (path, bytes) in expected.iter().filter(|(path, _)| path.starts_with("tile/0/")) {
        let tile = Tile::parse(path).map_err(|error| error.to_string())?;
        let there = files.get(&format!("log/{path}")).map_or(&[][..], Vec::as_slice);
        let wrong = (0_u64..).zip(bytes.chunks(32)).find(|(n, hash)| {
            let from = usize::try_from(*n).unwrap_or_default() * 32;
            there.get(from..from + 32) != Some(*hash)
        });
        if let Some((n, _)) = wrong {
            let index = tile.index() * 256 + n;
            return Err(format!("entry {index} is not the one that the log's tile {path} names"));
        }
    }
    let there: BTreeMap<&str, &Vec<u8>> = files
        .iter()
        .filter_map(|(path, bytes)| Some((path.strip_prefix("log/")?, bytes)))
        .collect();
    let expected: BTreeMap<&str, &Vec<u8>> =
        expected.iter().map(|(path, bytes)| (path.as_str(), bytes)).collect();
    if tree.root() != checkpoint.root {
        return Err("the entries do not lead to the checkpoint's root".into());
    }
    if there != expected {
        let differs = |path: &&&str| there.get(**path) != expected.get(**path);
        let path = there.keys().chain(expected.keys()).find(differs).copied().unwrap_or("a tile");
        return Err(format!("log/{path} is not the tile that follows from the entries"));
    }
    let (tiles, entries) = (expected.len(), entries.len());
    Ok(format!("all {entries} entries and {tiles} tiles lead to the checkpoint's root"))
}

fn lines(files: &Files, entries: &[Vec<u8>]) -> Result<String, String> {
    let mut lines = entries.join(&b'\n');
    lines.push(b'\n');
    if files.get("events/events.jsonl") == Some(&lines) {
        return Ok("events.jsonl holds the log's entries".into());
    }
    Err("events/events.jsonl does not hold the log's entries".into())
}

fn proofs(files: &Files, entries: &[Vec<u8>], key: &VerifierKey) -> Result<String, String> {
    let mut count = 0;
    for (path, bytes) in files.iter().filter(|(path, _)| path.ends_with(".tlog-proof")) {
        let says = |error: merkle::Error| format!("{path}: {error}");
        let proof = LogProof::parse(bytes).map_err(says)?;
        let entry = usize::try_from(proof.index).ok().and_then(|index| entries.get(index));
        let beside = files.get(&format!("proofs/{}.entry", proof.index));
        if entry.is_none()
            || beside != entry
            || *path != format!("proofs/{}.tlog-proof", proof.index)
        {
            return Err(format!("{path} has no entry of the log beside it"));
        }
        proof.verify(entry.map_or(&[][..], Vec::as_slice), key).map_err(says)?;
        count += 1;
    }
    Ok(format!("{count} inclusion proofs hold"))
}

/// The events, or why not and whether that is only because they are newer than this program.
fn canonical(entries: &[Vec<u8>]) -> Result<Vec<Event>, (bool, String)> {
    let mut events = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let event = fleet::decode(entry).map_err(|error| {
            let newer = matches!(error, fleet::CodecError::Newer { .. });
            (newer, format!("entry {index}: {error}"))
        })?;
        // Entries of an older version come back lifted, so only today's can be compared.
        let today = format!("\"v\":{}", event.fact.version());
        let old = !entry.windows(today.len()).any(|part| part == today.as_bytes());
        let same = fleet::encode(&event).is_ok_and(|bytes| bytes == *entry);
        if !same && !old {
            return Err((false, format!("entry {index} is not in canonical form")));
        }
        events.push(event);
    }
    Ok(events)
}

/// Plays every event again and looks at what must hold between them.
fn replay(mut state: State, events: &[Event], checkpoint: &Checkpoint) -> Result<String, String> {
    let mut before_clock = None;
    let mut snapshots = 0;
    for (index, event) in (0_u64..).zip(events) {
        let at = |why: String| format!("entry {index} ({}): {why}", event.fact.kind());
        match &event.fact {
            Fact::SiteCreated { origin, .. } if *origin != checkpoint.origin => {
                return Err(at("it founds another log".into()));
            }
            Fact::SiteCreated { .. } if index != 0 => {
                return Err(at("a site is founded once".into()));
            }
            Fact::EpochOpened(_) if index != 0 => {
                return Err(at("an epoch is opened by its log's first entry".into()));
            }
            Fact::SiteCreated { .. } | Fact::EpochOpened(_) => {}
            _ if index == 0 => {
                return Err(at("a log begins with its site or with its epoch".into()));
            }
            Fact::StateSnapshot { entries, sha256 } => {
                // A clock that went back is said first, in the same batch.
                let then = before_clock.take().filter(|s: &State| s.entries == *entries);
                let then = then.as_ref().unwrap_or(&state);
                let digest = then.digest().map_err(|error| at(error.to_string()))?;
                if then.entries != *entries || digest != *sha256 {
                    return Err(at(
                        "the state played again is not the one that was recorded".into()
                    ));
                }
                snapshots += 1;
            }
            fact => follows(&state, fact).map_err(at)?,
        }
        // An epoch's first entry opens it; that the clock went back is said right after.
        let back = index > 0
            && state.last_at.is_some_and(|last| {
                last.duration_since(event.at).as_secs() >= 1
                    && !matches!(event.fact, Fact::ClockWentBack { .. })
            });
        if back {
            return Err(at("it is earlier than the entry before it, and nothing says why".into()));
        }
        before_clock = matches!(event.fact, Fact::ClockWentBack { .. }).then(|| state.clone());
        state.evolve(event);
    }
    Ok(format!(
        "all {} events follow from one another; {snapshots} recorded states are those played again",
        events.len()
    ))
}

/// What must be so before a fact can be.
fn follows(state: &State, fact: &Fact) -> Result<(), String> {
    match fact {
        Fact::BundleImported { sequence, previous, bundle, publisher, .. } => {
            let newest = state.newest.map(|(newest, _)| newest);
            if *previous != newest || !state.may_follow(*sequence, publisher) {
                return Err(format!("bundle {sequence} does not follow bundle {newest:?}"));
            }
            let open = state.open_imports.contains_key(bundle);
            open.then_some(()).ok_or_else(|| "no import of this bundle had begun".into())
        }
        Fact::RingPointed { ring, source, sequence, generation } => {
            let before = state.pointers.get(&(ring.clone(), source.clone()));
            if *generation != before.map_or(0, |(_, generation)| *generation) + 1 {
                return Err(format!("generation {generation} of ring {ring} does not follow"));
            }
            let whole =
                state.views.get(&(source.clone(), *sequence)).is_some_and(|v| v.missing == 0);
            whole.then_some(()).ok_or_else(|| format!("view {sequence} of {source} was not whole"))
        }
        Fact::StatementAccepted { ring, generation, .. } => {
            let next = *generation == state.next_statement(ring);
            next.then_some(())
                .ok_or_else(|| format!("statement {generation} of ring {ring} does not follow"))
        }
        Fact::EndpointConfirmed { endpoint, .. } => {
            let known = state.endpoints.get(endpoint);
            let pending = known.is_some_and(|known| known.standing == Standing::Pending);
            pending.then_some(()).ok_or_else(|| "the endpoint had not asked to join".into())
        }
        Fact::ImportStarted { custody, .. }
        | Fact::CustodyClosed { custody, .. }
        | Fact::BundleRefused { custody, .. }
        | Fact::BundleQuarantined { custody, .. } => {
            let open = state.open_custody.contains(custody);
            open.then_some(()).ok_or_else(|| format!("custody record {custody} was not open"))
        }
        _ => Ok(()),
    }
}
