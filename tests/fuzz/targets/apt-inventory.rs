//! Fuzzes a machine's inventory.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(inventory) = vendor_apt::Inventory::parse(bytes) {
        let _ = inventory.installed();
    }
});
