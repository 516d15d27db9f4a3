//! Small files in memory: what endpoints ask for most is answered without a system call.

use bytes::Bytes;
use ids::Digest;
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

/// Files up to this length are kept, in bytes.
pub(crate) const SMALL_BYTES_MAX: u64 = 64 * 1024;
/// Half of what is kept at most, in bytes.
const HALF_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What an entry costs beside its bytes, about.
const ENTRY_BYTES: usize = 128;

/// Small files by digest. Two halves: new and newly used ones are in the young half; when that is
/// full it becomes the old half, and what was still in the old one is forgotten.
#[derive(Default)]
pub(crate) struct Small(RwLock<Halves>);

#[derive(Default)]
struct Halves {
    young: HashMap<Digest, Bytes>,
    old: HashMap<Digest, Bytes>,
    young_bytes: usize,
}

impl Small {
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        let halves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = halves.young.get(digest) {
            return Some(bytes.clone());
        }
        let bytes = halves.old.get(digest)?.clone();
        drop(halves);
        self.put(*digest, bytes.clone());
        Some(bytes)
    }

    pub(crate) fn put(&self, digest: Digest, bytes: Bytes) {
        let mut halves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let cost = bytes.len() + ENTRY_BYTES;
        if halves.young_bytes + cost > HALF_BYTES_MAX {
            halves.old = std::mem::take(&mut halves.young);
            halves.young_bytes = 0;
        }
        if halves.young.insert(digest, bytes).is_none() {
            halves.young_bytes += cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_memory_is_bounded() {
        let small = Small::default();
        let digest = |n: u32| Digest::of(&n.to_be_bytes());
        let length = usize::try_from(SMALL_BYTES_MAX).unwrap_or(0);
        for n in 0..4000 {
            small.put(digest(n), Bytes::from(vec![0; length]));
            assert!(small.get(&digest(0)).is_some(), "used all the time, gone after {n}");
        }
        let halves = small.0.read().unwrap_or_else(PoisonError::into_inner);
        let held = (halves.young.len() + halves.old.len()) * length;
        assert!(held <= 2 * HALF_BYTES_MAX, "{held}");
        drop(halves);
        assert!(small.get(&digest(3999)).is_some());
        assert!(small.get(&digest(1)).is_none());
    }
}
