//! Fuzzes a zip that calls itself an audit bundle.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = site::audit::Limits { files: 1_000, file_bytes: 1 << 20, total_bytes: 1 << 24 };
    let _ = site::audit::open_zip(std::io::Cursor::new(bytes), limits);
});
