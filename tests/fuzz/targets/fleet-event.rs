//! Fuzzes an entry of the ledger, of any version.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = fleet::decode(bytes);
});
