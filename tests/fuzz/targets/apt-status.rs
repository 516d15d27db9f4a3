//! Fuzzes dpkg's status file.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = vendor_apt::parse_status(bytes);
});
