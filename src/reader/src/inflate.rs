//! Decompression, bounded in what comes out and in memory.

use flate2::read::MultiGzDecoder;
use liblzma::{read::XzDecoder, stream};
use sandbox::Compression;
use std::io::{self, Read, Write};

/// Most memory that an xz stream may ask for; `xz -9` asks for 65 MiB.
const XZ_MEMORY_MAX: u64 = 256 << 20;

/// How a decompression ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inflated {
    /// Everything came out.
    Whole,
    /// More than the limit would have come out; nothing beyond it was written.
    TooLarge,
}

/// Decompresses `from` into `to`, at most `bytes_max` bytes.
///
/// # Errors
/// Why the bytes are not of this compression.
pub fn inflate(
    compression: Compression,
    from: &mut dyn Read,
    to: &mut dyn Write,
    bytes_max: u64,
) -> Result<Inflated, String> {
    let mut decoder = decoder(compression, from).map_err(|e| e.to_string())?;
    let written = io::copy(&mut (&mut decoder).take(bytes_max), to).map_err(|e| e.to_string())?;
    if written < bytes_max {
        return Ok(Inflated::Whole);
    }
    match decoder.read(&mut [0]).map_err(|e| e.to_string())? {
        0 => Ok(Inflated::Whole),
        _ => Ok(Inflated::TooLarge),
    }
}

pub(crate) fn decoder<'a>(
    compression: Compression,
    from: impl Read + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Xz => {
            let flags = stream::CONCATENATED;
            let stream = stream::Stream::new_stream_decoder(XZ_MEMORY_MAX, flags)?;
            Box::new(XzDecoder::new_stream(from, stream))
        }
        Compression::Gzip => Box::new(MultiGzDecoder::new(from)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(from)?),
    })
}
