//! Whom a site obeys: its root, a list of people's keys, and what those people approve.
//!
//! A [`SiteRoot`] is signed by a threshold of administrators' keys; each follows from the one before
//! (as TUF's roots do), so an agent that pinned the first one finds its way to the newest. An
//! [`Approval`] is signed by one approver whom the newest root lists. All of it is pure.

mod approval;
mod denial;
mod document;
mod root;
mod waiver;

pub use approval::{APPROVAL, Approval, ApprovedPackage, Asked, Decision, Interval};
pub use denial::{Denial, Denied};
pub use document::is_plain_word;
pub use root::{
    Administrator, Administrators, Approver, LogIdentity, SITE_ROOT, SitePolicy, SiteRoot,
};
pub use waiver::{WAIVER, Waiver};

/// Text from outside, cut for a sentence.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
