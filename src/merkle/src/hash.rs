//! RFC 6962 section 2.1: leaf and node hashes, kept apart by their first byte.

use ids::{Digest, Hasher};

/// The hash of an entry: SHA-256 over 0x00 and its bytes.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(&[0]);
    hasher.update(entry);
    hasher.finish()
}

/// The hash of a node: SHA-256 over 0x01 and its children.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    Digest::of(&bytes)
}

/// The root of the tree without entries: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// Root of a complete subtree over `hashes`, whose number is a power of two.
pub(crate) fn fold(hashes: &[Digest]) -> Option<Digest> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks(2).map(pair_hash).collect::<Option<_>>()?;
    }
    row.first().copied()
}

fn pair_hash(pair: &[Digest]) -> Option<Digest> {
    match pair {
        [left, right] => Some(node_hash(left, right)),
        _ => None,
    }
}
