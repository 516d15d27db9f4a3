//! The right edge of a growing tree: the partial tile of each level. All that a writer needs in memory.

use crate::{
    hash::{empty_root, fold, node_hash},
    tile::{TILE_WIDTH, Tile, TileKind},
    tree::HashReader,
};
use ids::Digest;

/// The partial tiles on the right edge of a tree.
///
/// **Invariant:** level `l` holds `(size >> 8 * l) % 256` hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Digest>>,
}

impl Edge {
    /// The edge of the tree over the first `size` entries. Its [`root`](Self::root) covers every hash
    /// that was read, so comparing it with a signed one verifies the edge.
    ///
    /// # Errors
    /// What the reader fails with.
    pub fn load<R: HashReader>(size: u64, reader: &R) -> Result<Self, R::Error> {
        let mut levels = Vec::new();
        for level in 0..8 {
            let width = size >> (8 * u32::from(level));
            if width == 0 {
                break;
            }
            // There is none where the level ends with a full tile.
            let tile = Tile::of_tree(TileKind::Hashes(level), width / u64::from(TILE_WIDTH), size);
            levels.push(tile.map(|tile| reader.tile(tile)).transpose()?.unwrap_or_default());
        }
        Ok(Self { size, levels })
    }

    /// Number of entries.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf hash. Each tile that it fills is handed to `filled`, the lowest first.
    pub fn push(&mut self, leaf: Digest, mut filled: impl FnMut(Tile, &[Digest])) {
        let mut carry = Some(leaf);
        self.size += 1;
        for level in 0..8_u8 {
            let Some(hash) = carry.take() else { return };
            let row = usize::from(level);
            if self.levels.len() == row {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(row) else { return };
            hashes.push(hash);
            if hashes.len() == usize::from(TILE_WIDTH) {
                let index = (self.size >> (8 * u32::from(level) + 8)) - 1;
                let tile = Tile::of_tree(TileKind::Hashes(level), index, self.size);
                if let Some(tile) = tile {
                    filled(tile, hashes);
                }
                carry = fold(hashes);
                hashes.clear();
            }
        }
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut root: Option<Digest> = None;
        for hashes in &self.levels {
            let mut end = hashes.len();
            // Complete subtrees inside a tile, the smallest and rightmost first.
            while end > 0 {
                let width = 1 << end.trailing_zeros();
                let peak = hashes.get(end - width..end).and_then(fold);
                root = match (peak, root) {
                    (Some(peak), Some(right)) => Some(node_hash(&peak, &right)),
                    (peak, right) => peak.or(right),
                };
                end -= width;
            }
        }
        root.unwrap_or_else(empty_root)
    }

    /// The partial tiles with their hashes, the lowest first.
    pub fn partial_tiles(&self) -> impl Iterator<Item = (Tile, &[Digest])> {
        (0..8_u8).zip(&self.levels).filter_map(|(level, hashes)| {
            let index = self.size >> (8 * u32::from(level) + 8).min(63);
            let tile = Tile::of_tree(TileKind::Hashes(level), index, self.size)?;
            (!hashes.is_empty()).then_some((tile, hashes.as_slice()))
        })
    }

    /// The hashes of `tile`, if they are on the edge.
    #[must_use]
    pub fn hashes(&self, tile: Tile) -> Option<&[Digest]> {
        let place = (tile.kind(), tile.index());
        let mut tiles = self.partial_tiles();
        let (_, hashes) = tiles.find(|(found, _)| (found.kind(), found.index()) == place)?;
        hashes.get(..usize::from(tile.width()))
    }

    /// The edge at the last tile boundary of level 0: without the leaves after it.
    #[must_use]
    pub fn at_boundary(&self) -> Self {
        if self.size < u64::from(TILE_WIDTH) {
            return Self::default();
        }
        let mut edge = self.clone();
        edge.size -= self.size % u64::from(TILE_WIDTH);
        if let Some(leaves) = edge.levels.first_mut() {
            leaves.clear();
        }
        edge
    }
}
