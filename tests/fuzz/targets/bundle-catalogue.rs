//! Fuzzes a catalogue, compressed as it travels.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = bundle::decode_catalogue(&"debian-fuzz".parse().unwrap(), bytes);
});
