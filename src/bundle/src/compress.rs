//! zstd with a bound on what comes out.

use crate::Error;
use std::io::Read;

/// Largest compressed target that is read into memory: catalogues and payload indexes.
pub const COMPRESSED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Largest window that a frame may ask for, as a power of two (64 MiB of memory).
const WINDOW_LOG_MAX: u32 = 26;
const LEVEL: i32 = 9;

/// Compresses `bytes` into one zstd frame; the same bytes always give the same frame.
///
/// # Errors
/// [`Error::Compress`] when memory runs out.
pub fn compress(what: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    zstd::bulk::compress(bytes, LEVEL)
        .map_err(|source| Error::Compress { what: what.to_owned(), source })
}

/// Decompresses zstd frames into at most `limit` bytes.
///
/// # Errors
/// [`Error::Decompress`] and [`Error::TooLarge`].
pub fn decompress(what: &str, bytes: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let odd = |source| Error::Decompress { what: what.to_owned(), source };
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(odd)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(odd)?;
    let mut plain = Vec::new();
    decoder.take(limit + 1).read_to_end(&mut plain).map_err(odd)?;
    if plain.len() as u64 > limit {
        return Err(Error::TooLarge { what: what.to_owned(), limit });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = compress("x", &vec![0; 10_000_000]).unwrap();
        assert!(bomb.len() < 2_000);
        assert!(matches!(decompress("x", &bomb, 9_999_999), Err(Error::TooLarge { .. })));
        assert_eq!(decompress("x", &bomb, 10_000_000).unwrap().len(), 10_000_000);
        assert!(matches!(decompress("x", b"rubbish", 10), Err(Error::Decompress { .. })));
        assert!(decompress("x", &bomb[..bomb.len() - 1], 10_000_000).is_err());
    }
}
