//! Fuzzes an entry tile.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = merkle::parse_entries(bytes)
        .map(|entries| assert_eq!(merkle::encode_entries(&entries).unwrap(), bytes));
});
