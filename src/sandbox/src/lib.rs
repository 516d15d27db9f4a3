//! Child processes with limits: foreign formats are parsed where a mistake can do no harm. And the walls that the server
//! itself stands behind.
//!
//! Owns the two sides of one conversation. The parent ([`Reader`]) starts the small program
//! `patchkeep-reader`, once a request, with an empty environment, hands it bytes and takes bytes
//! and claims back, all of them bounded, with a time limit that really fires. The child
//! ([`child::serve`]) first gives up files, network, new programs and most memory, and refuses to
//! work where it cannot. The server gives up what it does not need with [`server::confine`], before it is heard.
//!
//! **Invariant:** the child reads no byte of input before it is confined, and there is no switch
//! that lets it work unconfined. **Invariant:** the parent parses nothing but its own framing; what
//! the child says is a claim, and the parent compares every byte that it can.
//!
//! Sizes are bytes. Limits: see [`Limits`] and the constants beside each call of [`Reader`].

pub mod child;
mod cleartext;
mod error;
mod parent;
pub mod server;
mod wire;

pub use child::Limits;
pub use cleartext::cleartext;
pub use error::Error;
pub use parent::{Clearsigned, DebFacts, Part, Reader};
pub use wire::{CertificateClaim, Compression, Operation, SignatureClaim};
