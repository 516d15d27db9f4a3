//! HTTPS doors: repositories for endpoints, and one for people behind which pages of another room stand; and a plain one
//! that only sends people there (`redirect.rs`).
//!
//! [`start`] opens the doors. Endpoints get `/view/<sequence>/<source>/<path>` and
//! `/ring/<ring>/<source>/<path>` over TLS 1.3 with client certificates (RFC 8446, X25519MLKEM768
//! preferred), HTTP/1.1 and HTTP/2 (RFC 9110-9113); agents enrol and check in (`api`). What is served
//! is a [`site::Shelf`], and the bytes come from a [`store::Store`]. Start reading at `door.rs`.
//!
//! **Invariant:** nothing is written anywhere: this crate reads, answers, and tells of refusals.
//! **Invariant:** each request sees one shelf. **Invariant:** a client can use only so many
//! connections, so much memory and so much time ([`Limits`]), and cannot hold up another.
//! **Invariant:** no path from outside reaches the file system; files are opened by digest.

mod agents;
mod body;
mod conditional;
mod config;
mod door;
mod error;
mod files;
mod gate;
mod line;
mod path;
mod port;
mod redirect;
mod reply;
mod serving;
mod small;
mod tls;

pub use conditional::{Plan, decide, parse_range};
pub use config::{
    Clients, Config, Door, Identity, Limits, OnRefusal, People, Reason, Refusal, Tls, Who,
};
pub use error::Error;
pub use path::{TARGET_BYTES_MAX, Target, parse_target};
pub use port::Port;
pub use serving::{Serving, start, start_for_people};
pub use site::Revoked;
