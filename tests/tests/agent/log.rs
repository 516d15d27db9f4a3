//! A log of the test's own, so that it can lie: grow, go back, fork, begin anew.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use ids::Digest;
use merkle::{Checkpoint, KeyKind, VerifierKey, leaf_hash, node_hash};

#[derive(Clone)]
pub(crate) struct Log {
    origin: String,
    key: SigningKey,
    leaves: Vec<Digest>,
}

impl Log {
    pub(crate) fn new(origin: &str, seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let mut log = Self { origin: origin.to_owned(), key, leaves: Vec::new() };
        log.grow(3);
        log
    }

    /// The verifier key that a site root names.
    pub(crate) fn verifier(&self) -> String {
        let key = VerifierKey::new(&self.origin, KeyKind::Ed25519, self.key.verifying_key());
        key.unwrap().to_string()
    }

    pub(crate) fn grow(&mut self, entries: usize) {
        for _ in 0..entries {
            let entry = format!("entry {}", self.leaves.len());
            self.leaves.push(leaf_hash(entry.as_bytes()));
        }
    }

    /// Takes entries away, as a restored backup does.
    pub(crate) fn go_back(&mut self, entries: usize) {
        self.leaves.truncate(self.leaves.len() - entries);
    }

    /// Another history of the same length.
    pub(crate) fn rewrite(&mut self) {
        self.leaves[0] = leaf_hash(b"another beginning");
    }

    /// Signs with another key from now on, under the same name.
    pub(crate) fn lose_key(&mut self) {
        self.key = SigningKey::from_bytes(&[99; 32]);
    }

    pub(crate) fn checkpoint(&self) -> String {
        let size = self.leaves.len() as u64;
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root: root(&self.leaves) };
        checkpoint.sign(&self.key).unwrap().to_string()
    }

    /// The proof from a held checkpoint to this one, as far as there can be one.
    pub(crate) fn proof(&self, held: Option<&str>) -> Vec<String> {
        let size = held.and_then(|note| note.lines().nth(1)?.parse::<usize>().ok()).unwrap_or(0);
        if size == 0 || size >= self.leaves.len() {
            return Vec::new();
        }
        let hashes = consistency(size, &self.leaves, true);
        hashes.iter().map(|hash| STANDARD.encode(hash.as_bytes())).collect()
    }
}

/// The largest power of two below `length`.
fn half(length: usize) -> usize {
    length.next_power_of_two() / 2
}

/// RFC 6962, section 2.1.
fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => merkle::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(half(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// RFC 6962, section 2.1.2.
fn consistency(old: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let at = half(leaves.len());
    let (left, right) = leaves.split_at(at);
    if old <= at {
        let mut proof = consistency(old, left, whole);
        proof.push(root(right));
        proof
    } else {
        let mut proof = consistency(old - at, right, false);
        proof.push(root(left));
        proof
    }
}
