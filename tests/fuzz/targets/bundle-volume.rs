//! Fuzzes `volume.json`: which slice of the stream a volume carries.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = bundle::VolumeInfo::parse(bytes);
});
