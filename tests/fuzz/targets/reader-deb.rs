//! Fuzzes a Debian package: ar, its compression, tar.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = reader::read_deb(&mut &bytes[..]);
});
