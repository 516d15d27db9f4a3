//! Fuzzes the path of a request, as the endpoints' door reads it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = server::parse_target(bytes);
});
