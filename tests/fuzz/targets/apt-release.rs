//! Fuzzes the text of an InRelease.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = vendor_apt::Release::parse(bytes);
});
