//! A whole log in memory: its tiles and proofs, made from its entries.

use super::AuditError;
use ids::Digest;
use merkle::{Edge, HashReader, LogProof, Tile, TileKind};
use std::collections::BTreeMap;

/// Entries in one bundle of entries.
const BUNDLE: usize = merkle::TILE_WIDTH as usize;

/// The tree over a log's entries.
pub(super) struct Tree<'a> {
    entries: &'a [Vec<u8>],
    leaves: Vec<Digest>,
    edge: Edge,
    tiles: BTreeMap<Tile, Vec<Digest>>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(entries: &'a [Vec<u8>]) -> Self {
        let (mut edge, mut tiles) = (Edge::default(), BTreeMap::new());
        let leaves: Vec<Digest> = entries.iter().map(|entry| merkle::leaf_hash(entry)).collect();
        for leaf in &leaves {
            edge.push(*leaf, |tile, hashes| {
                tiles.insert(tile, hashes.to_vec());
            });
        }
        tiles.extend(edge.partial_tiles().map(|(tile, hashes)| (tile, hashes.to_vec())));
        Self { entries, leaves, edge, tiles }
    }

    /// The leaf hash of each entry.
    pub(super) fn leaves(&self) -> &[Digest] {
        &self.leaves
    }

    pub(super) const fn size(&self) -> u64 {
        self.edge.size()
    }

    pub(super) fn root(&self) -> Digest {
        self.edge.root()
    }

    /// Every tile by its path below the log's prefix: hashes and entries.
    pub(super) fn files(&self) -> Result<BTreeMap<String, Vec<u8>>, AuditError> {
        let hashes = self.tiles.iter();
        let mut files: BTreeMap<String, Vec<u8>> =
            hashes.map(|(tile, row)| (tile.to_string(), merkle::encode_hashes(row))).collect();
        for (index, entries) in (0_u64..).zip(self.entries.chunks(BUNDLE)) {
            if let Some(tile) = Tile::of_tree(TileKind::Entries, index, self.size()) {
                let bytes = merkle::encode_entries(entries).map_err(AuditError::Tree)?;
                files.insert(tile.to_string(), bytes);
            }
        }
        Ok(files)
    }

    /// The proof that entry `index` is in the tree of `checkpoint`.
    pub(super) fn proof(&self, index: u64, checkpoint: &str) -> Result<LogProof, AuditError> {
        let hashes = merkle::inclusion_proof(index, self.size(), self).map_err(AuditError::Tree)?;
        Ok(LogProof { extra: None, index, hashes, checkpoint: checkpoint.to_owned() })
    }
}

impl HashReader for Tree<'_> {
    type Error = merkle::Error;

    fn tile(&self, tile: Tile) -> Result<Vec<Digest>, merkle::Error> {
        let outside = merkle::Error::OutsideTree { index: tile.index(), size: self.size() };
        self.tiles.get(&tile).cloned().ok_or(outside)
    }
}
