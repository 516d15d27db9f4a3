//! Audit bundles as an assessor meets them: with stock tools alone, altered, and made to do harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod desk;
mod hostile;
mod made_up;
mod ours;
