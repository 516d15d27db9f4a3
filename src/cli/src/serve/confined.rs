//! What a server needs of the machine, so that it can give up all else.

use super::Serve;
use crate::failure::Failure;
use sandbox::{
    Reader,
    server::{Needs, Walls, confine as give_up, keep_memory},
};
use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt as _};

/// Confines this process to what `serve` needs, as far as the machine can; says what holds.
///
/// # Errors
/// Where the data folder cannot be made.
pub(super) fn confine(serve: &Serve) -> Result<Walls, Failure> {
    if serve.providers {
        let mut walls = keep_memory();
        walls.lack.push("what it writes, starts and calls (--providers)".to_owned());
        return Ok(walls);
    }
    // As the site makes it: what is not there cannot be named.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&serve.data);
    made.map_err(|e| Failure::file("make", &serve.data, &e))?;
    let shared = serve.image_updates.iter().chain(&serve.network).chain(&serve.media_writes);
    let shared = shared.map(|folder| folder.join("in"));
    let writes = std::iter::once(serve.data.clone()).chain(shared).collect();
    // This program tries damaged views in a child of its own.
    let own = std::env::current_exe().into_iter();
    let reader = Reader::beside_this_program().into_iter();
    let starts = own.chain(reader.map(|reader| reader.program().to_owned())).collect();
    Ok(give_up(&Needs { writes, starts }))
}
