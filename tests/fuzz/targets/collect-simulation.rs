//! Fuzzes what apt says when it simulates an upgrade.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = collect::read_simulation(text);
});
