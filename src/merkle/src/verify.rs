//! Checking proofs, as RFC 9162 sections 2.1.3.2 and 2.1.4.2 do it. Works offline, with hashes only.

use crate::{error::Error, hash::node_hash};
use ids::Digest;

/// Checks that the entry with this leaf hash is at `index` in the tree of `size` entries with `root`.
///
/// # Errors
/// [`Error::Inclusion`].
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    root: &Digest,
    proof: &[Digest],
) -> Result<(), Error> {
    let error = Error::Inclusion { index, size };
    if index >= size {
        return Err(error);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return Err(error);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(step, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(error) }
}

/// Checks that the tree of `new` entries with `new_root` continues that of `old` entries with `old_root`.
///
/// # Errors
/// [`Error::Consistency`].
pub fn verify_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), Error> {
    let error = Error::Consistency { old, new };
    if old == 0 || old == new {
        let roots =
            if old == new { old_root == new_root } else { *old_root == crate::empty_root() };
        return if roots && proof.is_empty() { Ok(()) } else { Err(error) };
    }
    if old > new {
        return Err(error);
    }
    let steps = proof.split_first().map(|(first, rest)| (*first, rest));
    let first = if old.is_power_of_two() { Some((*old_root, proof)) } else { steps };
    let Some((first, steps)) = first else { return Err(error) };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for step in steps {
        if last == 0 {
            return Err(error);
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(step, &old_hash);
            new_hash = node_hash(step, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, step);
        }
        at >>= 1;
        last >>= 1;
    }
    let holds = last == 0 && old_hash == *old_root && new_hash == *new_root;
    if holds { Ok(()) } else { Err(error) }
}
