//! Fuzzes a keyring.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader::list(bytes);
});
