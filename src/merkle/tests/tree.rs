//! Trees, proofs and tiles, against a second implementation (tlog_tiles) as the oracle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ids::Digest;
use merkle::{
    Edge, Error, HashReader, Tile, TileKind, consistency_proof, empty_root, encode_entries,
    encode_hashes, inclusion_proof, leaf_hash, parse_entries, parse_hashes, root,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::LazyLock};
use tlog_tiles::tlog;

const SIZE: u64 = 66_000;

struct Stored(Vec<tlog::Hash>);

impl tlog::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

/// Full tiles and, for any size, the edge: what a ledger writes.
struct Tiles(BTreeMap<Tile, Vec<Digest>>);

impl HashReader for Tiles {
    type Error = Error;

    fn tile(&self, tile: Tile) -> Result<Vec<Digest>, Error> {
        Ok(self.0[&tile.full()][..usize::from(tile.width())].to_vec())
    }
}

static LOG: LazyLock<(Stored, Tiles)> = LazyLock::new(|| {
    let (mut stored, mut tiles) = (Stored(Vec::new()), BTreeMap::new());
    let mut edge = Edge::default();
    for index in 0..SIZE {
        let hashes = tlog::stored_hashes(index, &index.to_be_bytes(), &stored).unwrap();
        stored.0.extend(hashes);
        edge.push(leaf_hash(&index.to_be_bytes()), |tile, hashes| {
            assert!(tiles.insert(tile, hashes.to_vec()).is_none(), "{tile} twice");
        });
    }
    tiles.extend(edge.partial_tiles().map(|(tile, hashes)| (tile.full(), hashes.to_vec())));
    (stored, Tiles(tiles))
});

fn theirs(hash: &Digest) -> tlog::Hash {
    tlog::Hash(*hash.as_bytes())
}

fn ours(hash: &tlog::Hash) -> Digest {
    Digest::from_bytes(hash.0)
}

fn check_size(size: u64) {
    let (stored, tiles) = &*LOG;
    let expected = ours(&tlog::tree_hash(size, stored).unwrap());
    assert_eq!(root(size, tiles).unwrap(), expected, "{size}");
    let edge = Edge::load(size, tiles).unwrap();
    assert_eq!((edge.size(), edge.root()), (size, expected));
    let boundary = Edge::load(size - size % 256, tiles).unwrap();
    assert_eq!(edge.at_boundary(), boundary, "{size}");
}

fn check_inclusion(index: u64, size: u64) {
    let (stored, tiles) = &*LOG;
    let proof = inclusion_proof(index, size, tiles).unwrap();
    let expected = tlog::prove_record(size, index, stored).unwrap();
    assert_eq!(proof, expected.iter().map(ours).collect::<Vec<_>>(), "{index} of {size}");
    let (leaf, root) = (leaf_hash(&index.to_be_bytes()), root(size, tiles).unwrap());
    verify_inclusion(&leaf, index, size, &root, &proof).unwrap();
    tlog::check_record(&expected, size, theirs(&root), index, theirs(&leaf)).unwrap();
    for wrong in forgeries(&proof) {
        assert!(verify_inclusion(&leaf, index, size, &root, &wrong).is_err());
    }
    assert!(verify_inclusion(&root, index, size, &root, &proof).is_err() || size == 1);
    assert!(verify_inclusion(&leaf, size, size, &root, &proof).is_err());
}

fn check_consistency(old: u64, new: u64) {
    let (stored, tiles) = &*LOG;
    let proof = consistency_proof(old, new, tiles).unwrap();
    if old > 0 {
        let expected = tlog::prove_tree(new, old, stored).unwrap();
        assert_eq!(proof, expected.iter().map(ours).collect::<Vec<_>>(), "{old} to {new}");
    }
    let (old_root, new_root) = (root(old, tiles).unwrap(), root(new, tiles).unwrap());
    verify_consistency(old, &old_root, new, &new_root, &proof).unwrap();
    for wrong in forgeries(&proof) {
        assert!(verify_consistency(old, &old_root, new, &new_root, &wrong).is_err());
    }
    let other = leaf_hash(b"other");
    assert!(verify_consistency(old, &other, new, &new_root, &proof).is_err());
    assert!(verify_consistency(old, &old_root, new, &other, &proof).is_err() || old == 0);
    assert!(verify_consistency(new + 1, &old_root, new, &new_root, &proof).is_err());
}

/// One hash changed, one too few, one too many.
fn forgeries(proof: &[Digest]) -> Vec<Vec<Digest>> {
    let mut wrong = vec![[proof, &[leaf_hash(b"more")]].concat()];
    for index in 0..proof.len() {
        let mut changed = proof.to_vec();
        changed[index] = leaf_hash(b"changed");
        wrong.push(changed);
        let mut shorter = proof.to_vec();
        shorter.remove(index);
        wrong.push(shorter);
    }
    wrong
}

#[test]
fn every_small_tree_agrees_with_the_oracle() {
    assert_eq!(root(0, &LOG.1).unwrap(), empty_root());
    for size in 1..70 {
        check_size(size);
        (0..size).for_each(|index| check_inclusion(index, size));
        (0..=size).for_each(|old| check_consistency(old, size));
    }
}

#[test]
fn tile_boundaries_agree_with_the_oracle() {
    for size in [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, SIZE] {
        check_size(size);
        for index in [0, 1, 254, 255, 256, 65_535, 65_536, size / 2, size - 1] {
            if index < size {
                check_inclusion(index, size);
                check_consistency(index, size);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_tree_agrees_with_the_oracle(size in 1..SIZE, part in 0.0..1.0_f64) {
        let index = ((size as f64 * part) as u64).min(size - 1);
        check_size(size);
        check_inclusion(index, size);
        check_consistency(index, size);
    }

    #[test]
    fn tile_paths_agree_with_the_oracle(index: u64, level in 0..8_u8, width in 1..=256_u16) {
        for index in [index, index >> 32, index % 100_000] {
            let path = tlog_tiles::Tile::new(8, level, index, width.into(), false).path();
            let path = path.replacen("tile/8/", "tile/", 1);
            let tile = Tile::parse(&path).unwrap();
            prop_assert_eq!(tile.to_string(), path);
            let read = (tile.kind(), tile.index(), tile.width());
            prop_assert_eq!(read, (TileKind::Hashes(level), index, width));
        }
    }

    #[test]
    fn bundles_read_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..99), 0..=256)) {
        prop_assert_eq!(parse_entries(&encode_entries(&entries).unwrap()).unwrap(), entries);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,60}") {
        if let Ok(entries) = parse_entries(&bytes) {
            prop_assert_eq!(encode_entries(&entries).unwrap(), bytes);
        }
        let _ = Tile::parse(&format!("tile/{text}"));
    }
}

#[test]
fn paths_have_one_spelling() {
    let good = [
        "tile/0/000",
        "tile/7/x001/234",
        "tile/entries/x001/x234/067.p/1",
        "tile/3/999.p/255",
        "tile/entries/x018/x446/x744/x073/x709/x551/615",
    ];
    for path in good {
        assert_eq!(Tile::parse(path).unwrap().to_string(), path);
    }
    let bad = [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/8/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/+01",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/2",
        "tile/data/000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/../000",
        "tile/0/x001/é",
    ];
    for path in bad {
        assert_eq!(Tile::parse(path), Err(Error::TilePath(path.to_owned())), "{path}");
    }
}

#[test]
fn a_tree_has_no_tiles_beyond_its_size() {
    let table = [
        (TileKind::Hashes(0), 0, 0, None),
        (TileKind::Entries, 0, 1, Some(1)),
        (TileKind::Hashes(0), 1, 256, None),
        (TileKind::Hashes(1), 0, 255, None),
        (TileKind::Hashes(1), 0, 256, Some(1)),
        (TileKind::Hashes(0), 0, 300, Some(256)),
        (TileKind::Hashes(0), 1, 300, Some(44)),
        (TileKind::Hashes(8), 0, u64::MAX, None),
        (TileKind::Hashes(7), 0, u64::MAX, Some(255)),
        (TileKind::Entries, u64::MAX, u64::MAX, None),
    ];
    for (kind, index, size, width) in table {
        assert_eq!(Tile::of_tree(kind, index, size).map(|tile| tile.width()), width);
    }
}

#[test]
fn malformed_tiles_and_bundles_are_refused() {
    let hashes = [leaf_hash(b"a"), leaf_hash(b"b")];
    let bytes = encode_hashes(&hashes);
    assert_eq!(parse_hashes(&bytes, 2).unwrap(), hashes);
    for (bytes, width) in [(&bytes[..63], 2), (&bytes[..], 1), (&bytes[..], 3), (&[], 1)] {
        assert!(matches!(parse_hashes(bytes, width), Err(Error::TileLength { .. })));
    }

    let many = [0, 1, b'x'].repeat(257);
    let table: [(&[u8], usize); 5] =
        [(&[0], 0), (&[0, 1], 0), (&[0, 0], 0), (&[0, 1, 7, 0, 2, 7], 3), (&many, 768)];
    for (bytes, at) in table {
        assert_eq!(parse_entries(bytes), Err(Error::EntryBundle(at)), "{bytes:?}");
    }
    for length in [0, 65_536] {
        assert_eq!(encode_entries(&[vec![0; length]]), Err(Error::EntryLength(length)));
    }
    assert!(encode_entries(&[vec![0; 65_535]]).is_ok());
}

#[test]
fn proofs_of_what_is_not_there_are_errors() {
    let tiles = &LOG.1;
    assert!(matches!(inclusion_proof(5, 5, tiles), Err(Error::OutsideTree { index: 5, size: 5 })));
    assert!(matches!(consistency_proof(6, 5, tiles), Err(Error::OutsideTree { .. })));
    assert!(verify_inclusion(&empty_root(), 0, 0, &empty_root(), &[]).is_err());
}
