//! Roots and proofs of RFC 6962 section 2.1, made from hash tiles.

use crate::{
    error::Error,
    hash::{empty_root, fold, node_hash},
    tile::{Tile, TileKind},
};
use ids::Digest;
use std::{
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
};

/// Where hash tiles come from.
pub trait HashReader {
    /// What reading fails with.
    type Error: From<Error>;

    /// The hashes of `tile` (a tile of hashes, never of entries), exactly as many as its width. A
    /// reader may cut them from a wider tile at the same place.
    ///
    /// # Errors
    /// What reading fails with.
    fn tile(&self, tile: Tile) -> Result<Vec<Digest>, Self::Error>;
}

/// One tree of a fixed size; a tile is read once for each proof.
struct Tree<'a, R: HashReader> {
    size: u64,
    reader: &'a R,
    seen: RefCell<BTreeMap<Tile, Vec<Digest>>>,
}

impl<R: HashReader> Tree<'_, R> {
    /// Root of the complete subtree over leaves `index << level .. (index + 1) << level`.
    fn complete(&self, level: u32, index: u64) -> Result<Digest, R::Error> {
        let outside = Error::OutsideTree { index: index << level, size: self.size };
        let (tile_level, height) = ((level / 8) as u8, level % 8);
        let first = index << height;
        let tile = Tile::of_tree(TileKind::Hashes(tile_level), first / 256, self.size);
        let tile = tile.ok_or_else(|| outside.clone())?;
        let mut seen = self.seen.borrow_mut();
        let row = match seen.entry(tile) {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(place) => place.insert(self.reader.tile(tile)?),
        };
        let offset = (first % 256) as usize;
        Ok(row.get(offset..offset + (1 << height)).and_then(fold).ok_or(outside)?)
    }

    /// MTH(D[start..end]).
    fn range(&self, start: u64, end: u64) -> Result<Digest, R::Error> {
        let length = end - start;
        if length.is_power_of_two() && start.is_multiple_of(length) {
            let level = length.trailing_zeros();
            return self.complete(level, start >> level);
        }
        let middle = start + split(length);
        Ok(node_hash(&self.range(start, middle)?, &self.range(middle, end)?))
    }
}

/// The largest power of two smaller than `length`, which is at least 2.
fn split(length: u64) -> u64 {
    1 << (63 - (length - 1).leading_zeros())
}

fn tree<R: HashReader>(size: u64, reader: &R) -> Tree<'_, R> {
    Tree { size, reader, seen: RefCell::default() }
}

/// Root of the tree over the first `size` entries.
///
/// # Errors
/// What the reader fails with.
pub fn root<R: HashReader>(size: u64, reader: &R) -> Result<Digest, R::Error> {
    if size == 0 { Ok(empty_root()) } else { tree(size, reader).range(0, size) }
}

/// Proof that entry `index` is in the tree over the first `size` entries, leaf to root.
///
/// # Errors
/// [`Error::OutsideTree`], or what the reader fails with.
pub fn inclusion_proof<R: HashReader>(
    index: u64,
    size: u64,
    reader: &R,
) -> Result<Vec<Digest>, R::Error> {
    if index >= size {
        return Err(Error::OutsideTree { index, size }.into());
    }
    let tree = tree(size, reader);
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(tree.range(middle, end)?);
            end = middle;
        } else {
            path.push(tree.range(start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proof that the tree over the first `new` entries continues that over the first `old`. Empty where
/// `old` is 0 or equal to `new`.
///
/// # Errors
/// [`Error::OutsideTree`] where `old` is greater than `new`, or what the reader fails with.
pub fn consistency_proof<R: HashReader>(
    old: u64,
    new: u64,
    reader: &R,
) -> Result<Vec<Digest>, R::Error> {
    if old > new {
        return Err(Error::OutsideTree { index: old, size: new }.into());
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let tree = tree(new, reader);
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(tree.range(middle, end)?);
            end = middle;
        } else {
            path.push(tree.range(start, middle)?);
            start = middle;
        }
    }
    // The old tree is itself a subtree on the left edge: its root is known to the verifier.
    if start > 0 {
        path.push(tree.range(start, end)?);
    }
    path.reverse();
    Ok(path)
}
