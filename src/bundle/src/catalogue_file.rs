//! A catalogue as a target: JSON in zstd.

use crate::{Error, compress, decompress};
use catalogue::Catalogue;
use ids::SourceId;

/// Largest catalogue in bytes, decompressed.
pub const CATALOGUE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Reads the catalogue of `source` from the bytes of its target.
///
/// # Errors
/// [`Error::NewerSchema`], or what breaks the format: another source's catalogue, files out of
/// order, unsafe or repeated paths.
pub fn decode_catalogue(source: &SourceId, bytes: &[u8]) -> Result<Catalogue, Error> {
    let what = format!("the catalogue of {source}");
    let plain = decompress(&what, bytes, CATALOGUE_BYTES_MAX)?;
    #[derive(serde::Deserialize)]
    struct Head {
        schema: u32,
    }
    let head: Head = serde_json::from_slice(&plain).map_err(Error::json(&what))?;
    if head.schema > catalogue::SCHEMA {
        return Err(Error::NewerSchema { what, found: head.schema, known: catalogue::SCHEMA });
    }
    let catalogue: Catalogue = serde_json::from_slice(&plain).map_err(Error::json(&what))?;
    check(source, &what, &catalogue)?;
    Ok(catalogue)
}

/// The bytes of a catalogue's target.
///
/// # Errors
/// What breaks the format: nothing is written that cannot be read.
pub fn encode_catalogue(catalogue: &Catalogue) -> Result<Vec<u8>, Error> {
    let what = format!("the catalogue of {}", catalogue.source);
    check(&catalogue.source, &what, catalogue)?;
    let plain = serde_json::to_vec(catalogue).map_err(Error::json(&what))?;
    if plain.len() as u64 > CATALOGUE_BYTES_MAX {
        return Err(Error::TooLarge { what, limit: CATALOGUE_BYTES_MAX });
    }
    compress(&what, &plain)
}

fn check(source: &SourceId, what: &str, catalogue: &Catalogue) -> Result<(), Error> {
    if catalogue.source != *source {
        return Err(Error::rule(what, format!("is that of source {}", catalogue.source)));
    }
    if let Some(file) = catalogue.files.iter().find(|file| !catalogue::is_safe_path(&file.path)) {
        let path: String = file.path.chars().take(80).collect();
        return Err(Error::rule(what, format!("the path {path:?} is not safe")));
    }
    if let Some([_, second]) =
        catalogue.files.array_windows().find(|[first, second]| first.path >= second.path)
    {
        return Err(Error::rule(what, format!("{} is out of order or repeated", second.path)));
    }
    Ok(())
}
