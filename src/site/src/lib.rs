//! The appliance's use cases: one file each.

mod ca;
mod shelf;

pub use ca::{CaError, EndpointCertificate, ServerIdentity, SiteCa, fingerprint};
pub use shelf::{Found, Served, Shelf, ShelfHandle, SourceView};
