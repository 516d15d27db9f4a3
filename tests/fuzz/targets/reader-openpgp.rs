//! Fuzzes an inline-signed document, judged by a keyring that follows a NUL.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (document, keyring) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let _ = reader::verify(document, keyring, jiff::Timestamp::UNIX_EPOCH);
});
