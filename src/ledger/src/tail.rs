//! What a writer keeps in memory: everything since the last tile boundary that the journal covers.

use ids::Digest;
use merkle::{Edge, Tile, TileKind, encode_entries, encode_hashes, leaf_hash};
use std::{collections::BTreeMap, ops::Range};

/// The log from `base` on, a multiple of 256 entries. Full tiles below it are on disk, synced.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    base: u64,
    edge: Edge,
    entries: Vec<Vec<u8>>,
    /// Full hash tiles that end after `base`.
    full: BTreeMap<Tile, Vec<Digest>>,
}

/// Entries that are hashed but not yet part of the tail.
pub(crate) struct Next {
    pub(crate) edge: Edge,
    entries: Vec<Vec<u8>>,
    full: Vec<(Tile, Vec<Digest>)>,
}

impl Next {
    pub(crate) fn entries(&self) -> &[Vec<u8>] {
        &self.entries
    }
}

impl Tail {
    pub(crate) fn new(edge: Edge) -> Self {
        let (base, entries, full) = (edge.size(), Vec::new(), BTreeMap::new());
        Self { base, edge, entries, full }
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(crate) fn next(&self, entries: Vec<Vec<u8>>) -> Next {
        let (mut edge, mut full) = (self.edge.clone(), Vec::new());
        for entry in &entries {
            edge.push(leaf_hash(entry), |tile, hashes| full.push((tile, hashes.to_vec())));
        }
        Next { edge, entries, full }
    }

    pub(crate) fn accept(&mut self, next: Next) {
        self.edge = next.edge;
        self.entries.extend(next.entries);
        self.full.extend(next.full);
    }

    /// Forgets all but the entries after the last tile boundary: the rest is on disk, synced.
    pub(crate) fn forget_full_tiles(&mut self) {
        let base = self.size() - self.size() % 256;
        let gone = (base - self.base) as usize;
        self.entries.drain(..gone.min(self.entries.len()));
        self.full.clear();
        self.base = base;
    }

    /// Entries in a range that begins at `base` or later. `None` if it leaves the tail.
    pub(crate) fn entries(&self, range: Range<u64>) -> Option<&[Vec<u8>]> {
        let start = usize::try_from(range.start.checked_sub(self.base)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.base)?).ok()?;
        self.entries.get(start..end)
    }

    /// The hashes of `tile`, if they are in memory.
    pub(crate) fn hashes(&self, tile: Tile) -> Option<&[Digest]> {
        let full = self.full.get(&tile.full()).map(Vec::as_slice);
        full.and_then(|hashes| hashes.get(..tile.width().into())).or_else(|| self.edge.hashes(tile))
    }

    /// Every tile of the tree that is not in the tree of `published` entries, with its bytes.
    pub(crate) fn tiles(&self, published: u64) -> Result<Vec<(Tile, Vec<u8>)>, merkle::Error> {
        let hashes = self.full.iter().map(|(tile, hashes)| (*tile, hashes.as_slice()));
        let mut tiles: Vec<_> = hashes
            .chain(self.edge.partial_tiles())
            .filter(|(tile, _)| end(*tile) > published)
            .map(|(tile, hashes)| (tile, encode_hashes(hashes)))
            .collect();
        for (index, entries) in (self.base / 256..).zip(self.entries.chunks(256)) {
            let tile = Tile::of_tree(TileKind::Entries, index, self.size());
            if let Some(tile) = tile.filter(|tile| end(*tile) > published) {
                tiles.push((tile, encode_entries(entries)?));
            }
        }
        Ok(tiles)
    }
}

/// Number of entries that the tree must have before `tile` is complete.
fn end(tile: Tile) -> u64 {
    let level = match tile.kind() {
        TileKind::Hashes(level) => u32::from(level),
        TileKind::Entries => 0,
    };
    (tile.index() * 256 + u64::from(tile.width())) << (8 * level)
}
