//! Fuzzes a signed note.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = merkle::Note::parse(bytes);
});
