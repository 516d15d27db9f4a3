//! The JSON API for people's scripts, under `/api/v1` at the people's door, beside the console.
//!
//! A noun is a file, as in the console and in `site`: its words (what goes in and comes out, with what a schema says
//! of them) and its acts. `act.rs` is what each act goes through, `document.rs` the OpenAPI document made of the same
//! table, `words.rs` names and choices that many nouns use, `problem.rs` what a script is told when it does not work.
//!
//! **Invariant:** who asks shows a token, never a cookie, so no page of another site can ask in somebody's name.
//! **Invariant:** no right is decided here: each act asks [`site::Site::acting_for`] first, which is the place.
//! **Invariant:** what is not known (a field, a word of a query) is refused, never passed over.

mod account;
mod act;
mod audit;
mod document;
mod endpoint;
mod image;
mod import;
mod network;
mod policy;
mod problem;
mod report;
mod ring;
mod run;
mod statement;
mod status;
mod update;
mod window;
mod words;

#[cfg(test)]
mod tests;

pub use act::Act;
pub use document::document;

use act::Table;
use axum::Router;
use site::{Looked, Refusals, Site};
use std::sync::{Arc, Weak};

/// Where everything here is.
pub const BASE: &str = "/api/v1";

/// What the API speaks for.
pub struct Setup {
    /// The appliance, as long as it is open.
    pub site: Weak<Site>,
    /// Where tokens that do not count are counted.
    pub refusals: Arc<Refusals>,
}

/// What is behind the routes.
struct Rest {
    setup: Setup,
    looked: Looked,
    document: String,
}

/// Every act, in the order of the document.
fn table() -> Table {
    let mut table = Table::default();
    status::acts(&mut table);
    endpoint::acts(&mut table);
    update::acts(&mut table);
    import::acts(&mut table);
    ring::acts(&mut table);
    window::acts(&mut table);
    policy::acts(&mut table);
    statement::acts(&mut table);
    run::acts(&mut table);
    report::acts(&mut table);
    audit::acts(&mut table);
    account::acts(&mut table);
    image::acts(&mut table);
    network::acts(&mut table);
    table
}

/// Every act with what it is in the table of roles.
#[must_use]
pub fn acts() -> Vec<Act> {
    table().acts()
}

/// The routes, all of them under [`BASE`].
pub fn routes(setup: Setup) -> Router {
    let table = table();
    let document = document::text(&table);
    table.router(Arc::new(Rest { setup, looked: Looked::default(), document }))
}
