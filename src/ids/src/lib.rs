//! Typed ids, digests, timestamps and the five kinds of fault.
//!
//! Owns the small words that every room shares. **Invariant:** nothing here knows a clock, a disk,
//! randomness or another crate of the house.
//!
//! Standards: SHA-256 (FIPS 180-4), time as RFC 3339 in UTC, ULID text for record ids.

mod digest;
mod fault;
mod name;

pub use digest::{Digest, Hasher, ParseDigestError};
pub use fault::Fault;
pub use jiff::Timestamp;
pub use name::{
    EndpointName, NameError, PersonId, PolicyName, RecordId, RingName, SiteName, SourceId,
    WindowName,
};
