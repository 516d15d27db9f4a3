//! Any byte of any metadata file, changed to anything: never what is trusted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Press, Site};
use proptest::prelude::*;
use std::sync::LazyLock;
use trust::Outcome;

static BUNDLE: LazyLock<common::Files> = LazyLock::new(|| {
    let mut press = Press::new(6);
    press.rotate(|root| root.root = vec![2, 3, 4]);
    press.files()
});
static SITE: LazyLock<Site> = LazyLock::new(Site::new);

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn a_changed_byte_is_never_newer(file: prop::sample::Index, at: prop::sample::Index, by in 1..=255_u8) {
        let mut files = BUNDLE.clone();
        let name = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        let bytes = files.get_mut(&name).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        let judged = SITE.judge(&files);
        prop_assert!(judged.is_err(), "{name} byte {at} by {by:#x}");
    }

    #[test]
    fn rubbish_is_refused_without_a_panic(bytes: Vec<u8>, name in "[0-9]{1,3}\\.(root|snapshot|targets|debian)\\.json|timestamp\\.json") {
        let mut files = BUNDLE.clone();
        let genuine = files.insert(name.clone(), bytes.clone());
        let _ = trust::parse_metadata(&bytes);
        if let Ok(outcome) = SITE.judge(&files) {
            // Only a file that nothing names, or a superseding absence, may be ignored.
            prop_assert!(genuine.is_none());
            let ignored = matches!(outcome, Outcome::Newer { .. });
            prop_assert!(ignored && !outcome.repository().files.contains(&name));
        }
    }

    #[test]
    fn a_truncated_file_is_never_newer(file: prop::sample::Index, at: prop::sample::Index) {
        let mut files = BUNDLE.clone();
        let name = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        let bytes = files.get_mut(&name).unwrap();
        bytes.truncate(at.index(bytes.len()));
        prop_assert!(SITE.judge(&files).is_err());
    }
}

#[test]
fn the_unchanged_bundle_is_newer() {
    assert!(matches!(SITE.judge(&BUNDLE), Ok(Outcome::Newer { .. })));
}
