//! Fuzzes a payload index: which pack holds which payload.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = bundle::PayloadIndex::decode(&"debian-fuzz".parse().unwrap(), bytes);
});
