//! `patchkeep openapi`: print the OpenAPI document of the API for scripts.

use crate::{failure::Failure, screen::Screen};

/// Prints the document; it is JSON with and without `--json`.
pub(crate) fn run(screen: &Screen) -> Result<(), Failure> {
    let document = rest::document();
    screen.result(&serde_json::from_str::<serde_json::Value>(&document)?, &document);
    Ok(())
}
