//! Fuzzes the Range header of a request for a file of any length.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|asked: (&str, u64)| {
    let _ = server::parse_range(asked.0, asked.1);
});
