//! Fuzzes an RPM repository's list of packages.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = vendor_rpm::parse_primary(bytes);
});
