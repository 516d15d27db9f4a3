//! Fuzzes the top of an RPM repository.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = vendor_rpm::Repomd::parse(bytes);
});
