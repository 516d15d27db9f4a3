//! Fuzzes the 512 bytes before each member of a volume.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = bytes.first_chunk::<{ bundle::BLOCK }>().map(bundle::parse_member);
});
