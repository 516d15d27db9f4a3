//! Fuzzes `bundle.json`: what a bundle says of itself.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = bundle::Info::parse(bytes);
});
