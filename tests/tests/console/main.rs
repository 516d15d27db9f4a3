//! People at the console: signing in, accounts, rights, and what the log says; and the whole job in real browsers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod brand;
mod sign_in;
mod whole_job;
