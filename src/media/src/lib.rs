//! Bundles on media: a folder, or volumes in any order, read once from front to back.
//!
//! Start at [`Medium::open`]; hand [`Medium::offered`] to `trust`, then the judged repository to
//! [`Medium::contents`], then read the payloads from [`Medium::stretches`].
//!
//! **Invariant:** a medium is hostile until its bytes have matched a digest that `trust` vouches
//! for. Nothing is written anywhere, no link is followed, nothing is executed or extracted, no name
//! from a medium is used but to open the file that is there under it; counts and sizes are bounded.

mod contents;
mod error;
mod files;
mod folder;
mod medium;
mod plugged;
mod stretch;
mod volumes;
mod written;

pub use contents::Contents;
pub use error::Error;
pub use medium::{Medium, VOLUME_SUFFIX};
pub use plugged::{PLUGGED_BYTES_MAX, Plugged};
pub use stretch::Stretch;
pub use written::{Order, WORD_BYTES_MAX, Written, files as write_files, is_name};
