//! Fuzzes a verifier key.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = std::str::from_utf8(bytes).map(merkle::VerifierKey::parse);
});
