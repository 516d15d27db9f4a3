//! Entry bundles: up to 256 entries, each after its length as a big-endian u16.

use crate::{error::Error, tile::TILE_WIDTH};

/// Greatest length of an entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// The bytes of a bundle.
///
/// # Errors
/// [`Error::EntryLength`] for an entry that is empty or longer than [`ENTRY_BYTES_MAX`].
pub fn encode_entries<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, Error> {
    let total = entries.iter().map(|entry| entry.as_ref().len() + 2).sum();
    let mut bytes = Vec::with_capacity(total);
    for entry in entries.iter().map(AsRef::as_ref) {
        let length = u16::try_from(entry.len()).ok().filter(|length| *length > 0);
        let length = length.ok_or(Error::EntryLength(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Reads a whole bundle: up to 256 entries of 1 to 65,535 bytes, and nothing after them.
///
/// # Errors
/// [`Error::EntryBundle`] with the offset of the entry that is wrong.
pub fn parse_entries(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let error = Error::EntryBundle(bytes.len() - rest.len());
        if entries.len() == usize::from(TILE_WIDTH) {
            return Err(error);
        }
        let Some((length, after)) = rest.split_first_chunk::<2>() else { return Err(error) };
        let length = usize::from(u16::from_be_bytes(*length));
        match after.split_at_checked(length) {
            Some((entry, after)) if length > 0 => {
                entries.push(entry.to_vec());
                rest = after;
            }
            _ => return Err(error),
        }
    }
    Ok(entries)
}
