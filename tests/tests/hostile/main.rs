//! Bad input gets a clear error, and nothing is lost: one file a theme.
//!
//! Every attack is made on real files and met by the real programs. After each the appliance stands
//! as before, what it refused is in its log, and the next good bundle imports.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attacks;
mod bundle;
mod common;
mod confined;
mod doors;
mod full;
mod kill;
mod ledger;
mod malware;
mod odd;
mod order;
mod vendor;
mod views;
mod volumes;
