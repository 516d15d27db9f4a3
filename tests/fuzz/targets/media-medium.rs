//! Fuzzes a medium with one file that calls itself a volume.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = std::env::temp_dir().join(format!("patchkeep-fuzz-{}", std::process::id()));
    let _ = std::fs::create_dir(&folder);
    if std::fs::write(folder.join(format!("one{}", media::VOLUME_SUFFIX)), bytes).is_ok() {
        let _ = media::Medium::open(&[folder]).map(|medium| medium.offered().is_ok());
    }
});
