//! Fuzzes TUF metadata: the envelope and every role.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = trust::parse_metadata(bytes);
});
