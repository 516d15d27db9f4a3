//! The only judge of publishers', sites' and approvers' signatures: what it has checked, it wraps in
//! [`Verified`].
//!
//! [`follow`] is the client workflow of The Update Framework 1.0 (specification 1.0.34, section 5)
//! as a pure function: what the ledger remembers of a publisher, the metadata that a bundle offers
//! and the time go in; an [`Outcome`] or a [`Refusal`] comes out. A refusal changes nothing.
//!
//! [`SiteRoot`] and [`Approval`] are the same for a site's own people: DSSE envelopes with SSH
//! signatures, judged by whoever has to obey, the agent on an endpoint first of all. `webauthn.rs` is for those that
//! people make in a browser.
//!
//! **Invariant:** no clock, disk, network, randomness or async; `now` is a parameter.
//! **Invariant:** a [`Verified`] value is made nowhere else, and one function counts signatures.
//!
//! Patchkeep's profile of TUF is narrower than the standard, so that every byte of every file is
//! covered (`bundle`'s FORMAT.md, "Metadata"): Ed25519 only; files are exactly their own canonical
//! JSON (OLPC) in ASCII; every signature in a file must be good; lengths and SHA-256 are mandatory;
//! one level of terminating delegations, role `<source>` owning the flat names `<source>.*`.

mod clock;
mod dsse;
mod envelope;
mod follow;
mod offered;
mod publisher;
mod refusal;
mod repository;
mod roles;
mod site;
mod threshold;
mod verified;
mod webauthn;

pub use clock::{PLAUSIBLE_AHEAD, clock_floor, is_plausible};
pub use dsse::{ENVELOPE_BYTES_MAX, Envelope, Purpose, fingerprint, parse_public_key};
pub use envelope::{SIGNED_AT, canonical_json, parse_metadata};
pub use follow::{Outcome, follow, unsafe_follow_expired};
pub use offered::{
    METADATA_FILES_MAX, Offered, ROOT_BYTES_MAX, ROOTS_MAX, SNAPSHOT_BYTES_MAX, TARGETS_BYTES_MAX,
    TIMESTAMP_BYTES_MAX, is_metadata_name, metadata_bytes_max,
};
pub use publisher::{Listed, Publisher, Seen};
pub use refusal::{Attack, Reason, Refusal};
pub use repository::{Repository, Role, TargetFile};
pub use roles::is_reserved_role;
pub use site::{
    APPROVAL, Administrator, Administrators, Approval, ApprovedPackage, Approver, Asked, Decision,
    Denial, Denied, Interval, LogIdentity, SITE_ROOT, SitePolicy, SiteRoot, WAIVER, Waiver,
    is_plain_word,
};
pub use verified::Verified;
pub use webauthn::{Assertion, browser_did, is_relying_party, relying_party, security_key};
