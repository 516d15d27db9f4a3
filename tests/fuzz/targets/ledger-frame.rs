//! Fuzzes a frame of the journal, possibly torn.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ledger::parse_frame(bytes);
});
