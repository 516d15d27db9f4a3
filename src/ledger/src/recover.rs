//! What a folder's two copies still say, decided before anything is changed.
//!
//! The journal covers the log from a tile boundary (`base`) on; tiles cover it up to the published
//! checkpoint. [`examine`] joins them, and accepts the outcome only if it leads to the newest signed
//! checkpoint. Its answer is a plan; `file.rs` carries it out.

use crate::{
    error::Error,
    frame::{Frame, Scan, encode, is_single, scan},
    tail::Tail,
    tiles::Tiles,
};
use durable::Blobs;
use ids::Digest;
use merkle::{Checkpoint, Edge, Tile, VerifierKey, encode_hashes, root};
use std::io;

/// What to do to the journal.
#[derive(Debug)]
pub(crate) enum Mend {
    Nothing,
    /// Cut it here: what follows was never acknowledged.
    Cut(usize),
    /// Put these bytes in its place.
    Replace(Vec<u8>),
}

/// A log that is proven to be whole, and what must be written so that its files say the same.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) tail: Tail,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) note: String,
    /// Bytes of the journal as it was found.
    pub(crate) journal: Vec<u8>,
    pub(crate) mend: Mend,
    /// Hash tiles below the journal that must be written again.
    pub(crate) tiles: Vec<(Tile, Vec<u8>)>,
    /// Size of the published checkpoint, if it needs no repair.
    pub(crate) published: Option<u64>,
}

/// The entries that the journal covers, filled up from the tiles.
struct Joined {
    base: u64,
    entries: Vec<Vec<u8>>,
    /// The journal alone does not hold them.
    rebuilt: bool,
}

struct Published {
    checkpoint: Checkpoint,
    note: String,
}

fn boundary(size: u64) -> u64 {
    size - size % 256
}

fn read_optional(blobs: &dyn Blobs, path: &str) -> Result<Option<Vec<u8>>, Error> {
    match blobs.get(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

/// Reads the folder and decides. `thorough` hashes every entry, not only those that the journal covers.
/// `Ok(None)`: there is no log. Changes nothing.
pub(crate) fn examine(
    blobs: &dyn Blobs,
    key: &VerifierKey,
    thorough: bool,
) -> Result<Option<Examined>, Error> {
    let journal = read_optional(blobs, "journal")?;
    let note = read_optional(blobs, "checkpoint")?;
    if journal.is_none() && note.is_none() {
        return Ok(None);
    }
    let journal = journal.unwrap_or_default();
    let found = scan(&journal);
    let newest = newest_frame(&found, key)?;
    let published = match note.map(|note| open_note(&note, key)).transpose() {
        Ok(published) => published,
        // With no frame to show that the key is right, a wrong key is the likelier story.
        Err(source) if newest.is_none() => {
            return Err(Error::Key { key: key.name().to_owned(), source });
        }
        Err(_) => None,
    };
    let joined = join(&journal, &found, published.as_ref(), blobs)?;
    let newest = match (newest, published.as_ref()) {
        (Some((checkpoint, _)), Some(published)) if published.checkpoint.size > checkpoint.size => {
            (published.checkpoint.clone(), published.note.clone())
        }
        (Some(newest), _) => newest,
        (None, Some(published)) => (published.checkpoint.clone(), published.note.clone()),
        (None, None) => return Err(lost("neither the journal nor the checkpoint can be read")),
    };
    let published = published.map(|published| published.checkpoint);
    let (tail, tiles) = prove(&joined, &newest.0, published.as_ref(), blobs, thorough)?;
    let mend = if joined.rebuilt {
        let frame = encode(joined.base, &joined.entries, &newest.1);
        Mend::Replace(frame.ok_or_else(|| lost("the journal is too long to be rebuilt"))?)
    } else {
        found.torn.map_or(Mend::Nothing, Mend::Cut)
    };
    let published = published.map(|p| p.size).filter(|size| *size >= joined.base && !thorough);
    let (checkpoint, note) = newest;
    Ok(Some(Examined { tail, checkpoint, note, journal, mend, tiles, published }))
}

fn open_note(note: &[u8], key: &VerifierKey) -> Result<Published, merkle::Error> {
    let checkpoint = Checkpoint::open(note, key)?;
    let note = String::from_utf8(note.to_vec()).map_err(|_| merkle::Error::Note("not UTF-8"))?;
    Ok(Published { checkpoint, note })
}

/// The checkpoint of the last whole frame, which must be signed. Those before it need no check of their
/// own: its root covers their entries.
fn newest_frame(found: &Scan, key: &VerifierKey) -> Result<Option<(Checkpoint, String)>, Error> {
    let Some((_, frame)) = found.frames.last() else { return Ok(None) };
    let wrong = |source| Error::Key { key: key.name().to_owned(), source };
    let newest = open_note(frame.checkpoint.as_bytes(), key).map_err(wrong)?;
    if newest.checkpoint.size != frame.end() {
        return Err(lost("a frame of the journal contradicts its checkpoint"));
    }
    Ok(Some((newest.checkpoint, newest.note)))
}

/// Joins the frames, and fills what they lack from the tiles.
fn join(
    journal: &[u8],
    found: &Scan,
    published: Option<&Published>,
    blobs: &dyn Blobs,
) -> Result<Joined, Error> {
    let size = published.map_or(0, |published| published.checkpoint.size);
    let head = found.frames.first();
    let base = match head {
        Some((at, frame)) if at.start == 0 => frame.first,
        Some((_, frame)) => boundary(frame.first),
        None => boundary(size),
    };
    if base % 256 != 0 {
        return Err(lost("the journal does not begin at a tile"));
    }
    let mut joined = Joined { base, entries: Vec::new(), rebuilt: head.is_none() };
    joined.rebuilt |= !found.damage.is_empty();
    for (_, frame) in &found.frames {
        fill(&mut joined, frame.first, size, blobs)?;
        append(&mut joined, frame)?;
    }
    let reach = joined.base + joined.entries.len() as u64;
    let last = found.frames.last().map_or(0, |(at, _)| at.end);
    if let Some(range) = found.damage.last().filter(|range| range.start >= last) {
        // Published sizes are ends of frames, so one that lies beyond the last whole frame covers the
        // damaged frame after it; two damaged frames in a row may reach further than anybody can tell.
        let covered = size > reach || (head.is_none() && published.is_some());
        if !covered || !is_single(journal, range) {
            let (at, reach) = (range.start, reach.max(size));
            return Err(lost(format!(
                "the journal at byte {at}, and only {reach} entries are whole"
            )));
        }
    }
    fill(&mut joined, size.max(reach), size, blobs)?;
    Ok(joined)
}

fn append(joined: &mut Joined, frame: &Frame) -> Result<(), Error> {
    let reach = joined.base + joined.entries.len() as u64;
    if frame.first != reach {
        return Err(lost("the journal holds two frames for the same entries"));
    }
    joined.entries.extend(frame.entries.iter().cloned());
    Ok(())
}

/// Takes entries up to `end` from the tiles of a log that was published at `size`.
fn fill(joined: &mut Joined, end: u64, size: u64, blobs: &dyn Blobs) -> Result<(), Error> {
    let reach = joined.base + joined.entries.len() as u64;
    if end <= reach {
        return Ok(());
    }
    joined.rebuilt = true;
    let entries = Tiles { blobs, size }.entries(reach..end);
    let entries =
        entries.map_err(|error| lost(format!("the journal after entry {reach}, and {error}")))?;
    joined.entries.extend(entries);
    Ok(())
}

type Rebuilt = Vec<(Tile, Vec<u8>)>;

/// Proves that edge and entries lead to the newest checkpoint and, on the way, to the published one.
fn prove(
    joined: &Joined,
    newest: &Checkpoint,
    published: Option<&Checkpoint>,
    blobs: &dyn Blobs,
    thorough: bool,
) -> Result<(Tail, Rebuilt), Error> {
    let tiles = Tiles { blobs, size: joined.base };
    let quick = Edge::load(joined.base, &tiles).ok().map(|edge| walk(edge, joined, published));
    let quick = quick.filter(|(tail, _)| !thorough && tail.edge().root() == newest.root);
    let (tail, passed, rebuilt) = match quick {
        Some((tail, passed)) => (tail, passed, Vec::new()),
        None => {
            let mut rebuilt = Vec::new();
            let edge = tiles.rehash(|tile, expected, found| {
                if found.as_deref() != Some(expected) {
                    rebuilt.push((tile, encode_hashes(expected)));
                }
            });
            let edge = edge.map_err(|error| lost(error.to_string()))?;
            let (tail, passed) = walk(edge, joined, published);
            (tail, passed, rebuilt)
        }
    };
    if tail.edge().root() != newest.root {
        return Err(lost("the entries do not lead to the root that was signed"));
    }
    let Some(published) = published else { return Ok((tail, rebuilt)) };
    let passed = match passed {
        Some(root) => Some(root),
        // Put back from before the journal: its root can only come from the tiles.
        None if rebuilt.is_empty() => root(published.size, &tiles).ok(),
        None => None,
    };
    if passed.is_some_and(|root| root != published.root) {
        return Err(Error::Fork { size: published.size });
    }
    Ok((tail, rebuilt))
}

/// Adds the entries to an edge; also answers with the root at the published size, if it lies there.
fn walk(edge: Edge, joined: &Joined, published: Option<&Checkpoint>) -> (Tail, Option<Digest>) {
    let mut tail = Tail::new(edge);
    let split = published.and_then(|p| p.size.checked_sub(joined.base));
    let split = split.and_then(|split| usize::try_from(split).ok());
    let Some((before, after)) = split.and_then(|split| joined.entries.split_at_checked(split))
    else {
        tail.accept(tail.next(joined.entries.clone()));
        return (tail, None);
    };
    tail.accept(tail.next(before.to_vec()));
    let passed = tail.edge().root();
    tail.accept(tail.next(after.to_vec()));
    (tail, Some(passed))
}

fn lost(what: impl Into<String>) -> Error {
    Error::Lost(what.into())
}
