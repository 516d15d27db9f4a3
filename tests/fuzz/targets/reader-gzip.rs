//! Fuzzes a gzip stream.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ =
        reader::inflate(sandbox::Compression::Gzip, &mut &bytes[..], &mut std::io::sink(), 1 << 24);
});
