//! RFC 6962 hashes and proofs, tlog-tiles, checkpoints
