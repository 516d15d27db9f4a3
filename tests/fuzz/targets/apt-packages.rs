//! Fuzzes a Packages index.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = vendor_apt::parse_packages(bytes);
});
