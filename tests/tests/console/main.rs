//! People at the console, in a browser that runs no scripts: signing in, accounts, rights, and what the log says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sign_in;
