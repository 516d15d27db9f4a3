//! Fuzzes a Debian changelog.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = std::str::from_utf8(bytes).map(vendor_apt::Changelog::parse);
});
