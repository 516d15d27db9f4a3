//! Fuzzes the 512 bytes before each member of a volume.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = <&[u8; bundle::BLOCK]>::try_from(bytes).map(bundle::parse_member);
});
