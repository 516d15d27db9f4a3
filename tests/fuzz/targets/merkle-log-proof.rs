//! Fuzzes a log proof.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = merkle::LogProof::parse(bytes);
});
