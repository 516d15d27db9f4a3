//! Fuzzes the file with the credentials for mirrors.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = collect::read_credentials(text);
});
