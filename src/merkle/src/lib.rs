//! Merkle tree hashes and proofs, tiles, signed notes and checkpoints: the mathematics and the formats
//! of a transparency log, without a disk.
//!
//! Standards: RFC 6962 section 2.1 (hashes, proofs), RFC 9162 sections 2.1.3.2 and 2.1.4.2
//! (verification), C2SP signed-note v1.0.0, tlog-checkpoint v1.0.0, tlog-cosignature v1 (Ed25519),
//! tlog-tiles v0.1.0, tlog-proof v1. Start reading at [`Checkpoint`] and [`Edge`].
//!
//! **Invariant:** pure. No clock, disk, network or randomness; keys and times are parameters.
//! **Invariant:** every parser takes any bytes, answers with an error instead of panicking, and accepts
//! one spelling only of what it writes.

mod checkpoint;
mod edge;
mod entries;
mod error;
mod hash;
mod key;
mod log_proof;
mod note;
mod tile;
mod tree;
mod verify;

pub use checkpoint::Checkpoint;
pub use edge::Edge;
pub use entries::{ENTRY_BYTES_MAX, encode_entries, parse_entries};
pub use error::Error;
pub use hash::{empty_root, leaf_hash, node_hash};
pub use key::{KeyKind, VerifierKey};
pub use log_proof::LogProof;
pub use note::{Note, Signature, Signer, cosign, sign};
pub use tile::{TILE_WIDTH, Tile, TileKind, encode_hashes, parse_hashes};
pub use tree::{HashReader, consistency_proof, inclusion_proof, root};
pub use verify::{verify_consistency, verify_inclusion};
