//! Reading published tiles from plain files or any other store of objects.

use crate::error::Error;
use durable::Blobs;
use ids::Digest;
use merkle::{Edge, HashReader, Tile, TileKind, leaf_hash};
use std::{io, ops::Range};

/// The tiles of a log that was published at `size`.
#[derive(Clone, Copy)]
pub(crate) struct Tiles<'a> {
    pub(crate) blobs: &'a dyn Blobs,
    pub(crate) size: u64,
}

impl Tiles<'_> {
    /// The bytes of a tile as wide as it was published, or of the full one that took its place.
    fn get(&self, kind: TileKind, index: u64) -> Result<(Tile, Vec<u8>), Error> {
        let outside = merkle::Error::OutsideTree { index, size: self.size };
        let tile = Tile::of_tree(kind, index, self.size).ok_or(outside)?;
        let read = |tile: Tile| self.blobs.get(&tile.to_string()).map(|bytes| (tile, bytes));
        let found = match read(tile) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
                read(tile.full())
            }
            other => other,
        };
        found.map_err(|source| Error::Read { path: tile.to_string(), source })
    }

    /// The entries of one bundle, compared with the leaf hashes beside them.
    fn bundle(&self, index: u64) -> Result<Vec<Vec<u8>>, Error> {
        let (tile, entries) = self.unchecked_bundle(index)?;
        let (_, hashes) = self.hashes(TileKind::Hashes(0), index)?;
        // One of them may be full already, where the other still is as it was published.
        let same = entries.iter().zip(&hashes).all(|(entry, hash)| leaf_hash(entry) == *hash);
        if same { Ok(entries) } else { Err(Error::Changed(tile.to_string())) }
    }

    fn unchecked_bundle(&self, index: u64) -> Result<(Tile, Vec<Vec<u8>>), Error> {
        let (tile, bytes) = self.get(TileKind::Entries, index)?;
        let damaged = |source| Error::Damaged { path: tile.to_string(), source };
        let entries = merkle::parse_entries(&bytes).map_err(damaged)?;
        if entries.len() == usize::from(tile.width()) {
            return Ok((tile, entries));
        }
        Err(damaged(merkle::Error::EntryBundle(bytes.len())))
    }

    fn hashes(&self, kind: TileKind, index: u64) -> Result<(Tile, Vec<Digest>), Error> {
        let (tile, bytes) = self.get(kind, index)?;
        let damaged = |source| Error::Damaged { path: tile.to_string(), source };
        Ok((tile, merkle::parse_hashes(&bytes, tile.width()).map_err(damaged)?))
    }

    /// The entries in `range`.
    pub(crate) fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Error> {
        if range.end > self.size {
            return Err(merkle::Error::OutsideTree { index: range.end, size: self.size }.into());
        }
        let mut entries = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let start = at - at % 256;
            let end = range.end.min(start + 256);
            let bundle = self.bundle(at / 256)?;
            entries.extend(
                bundle.into_iter().take((end - start) as usize).skip((at - start) as usize),
            );
            at = end;
        }
        Ok(entries)
    }

    /// Computes the edge from the entries alone. `each` gets every hash tile as it should be
    /// with what is there, if it can be read.
    pub(crate) fn rehash(
        &self,
        mut each: impl FnMut(Tile, &[Digest], Option<Vec<Digest>>),
    ) -> Result<Edge, Error> {
        let mut edge = Edge::default();
        let mut check = |tile: Tile, hashes: &[Digest]| each(tile, hashes, self.tile(tile).ok());
        for index in 0..self.size.div_ceil(256) {
            let (_, entries) = self.unchecked_bundle(index)?;
            for entry in entries.iter().take((self.size - index * 256) as usize) {
                edge.push(leaf_hash(entry), &mut check);
            }
        }
        for (tile, hashes) in edge.partial_tiles() {
            check(tile, hashes);
        }
        Ok(edge)
    }
}

impl HashReader for Tiles<'_> {
    type Error = Error;

    fn tile(&self, tile: Tile) -> Result<Vec<Digest>, Error> {
        let (_, mut hashes) = self.hashes(tile.kind(), tile.index())?;
        hashes.truncate(tile.width().into());
        Ok(hashes)
    }
}
