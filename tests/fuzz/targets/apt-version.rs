//! Fuzzes two Debian versions, and that their order is an order.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|versions: (&str, &str)| {
    let (one, other) = versions;
    if let (Ok(there), Ok(back)) =
        (vendor_apt::compare_versions(one, other), vendor_apt::compare_versions(other, one))
    {
        assert_eq!(there, back.reverse());
    }
});
