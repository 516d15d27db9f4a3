//! A publisher whose keys are good carries what the vendor never signed.

use crate::common::{Attacked, PACKAGES};
use tests::{Draft, Workshop, noise};

/// The text of a document signed in the clear.
pub(crate) fn text_of(signed: &[u8]) -> String {
    let text = String::from_utf8(signed.to_vec()).unwrap();
    let (_, rest) = text.split_once("\n\n").unwrap();
    rest.split_once("-----BEGIN PGP SIGNATURE").unwrap().0.to_owned()
}

#[test]
fn what_the_vendor_did_not_sign_is_refused_whoever_publishes_it() {
    let workshop = Workshop::new();
    let first = workshop.bundle("first", 1, PACKAGES);
    let attacked = Attacked::new(&workshop, &[&first]);
    type Change = fn(&Workshop, &mut Draft);
    let attacks: [(&str, &str, Change); 8] = [
        ("altered", "vendor-signature", |_, draft| {
            let release = draft.file("InRelease");
            let at = release.windows(5).position(|part| part == b"Date:").unwrap();
            release[at - 2] ^= 1;
        }),
        ("wrong key", "vendor-signature", |workshop, draft| {
            let text = text_of(draft.file("InRelease"));
            *draft.file("InRelease") = workshop.sign("stranger", &text);
        }),
        ("weak digest", "vendor-signature", |workshop, draft| {
            let text = text_of(draft.file("InRelease"));
            *draft.file("InRelease") = workshop.sign_with("vendor", "SHA1", &text);
        }),
        ("not signed", "vendor-signature", |_, draft| {
            *draft.file("InRelease") = text_of(draft.file("InRelease")).into_bytes();
        }),
        ("rubbish", "vendor-signature", |_, draft| *draft.file("InRelease") = noise(1, 5_000)),
        ("a payload of nobody's", "vendor-", |_, draft| {
            draft.files.push(("pool/main/x/extra_1_amd64.deb".into(), noise(2, 5_000)));
        }),
        ("another payload", "vendor-", |_, draft| {
            *draft.file("package-1_2_amd64.deb") = noise(3, 40_000);
        }),
        ("another index", "vendor-", |_, draft| {
            let index = draft.file("Packages");
            let text = String::from_utf8(index.clone()).unwrap();
            *index = text.replace("made for a test", "made for a fest").into_bytes();
        }),
    ];
    for (number, (what, code, change)) in attacks.into_iter().enumerate() {
        let mut draft = workshop.draft(2, &[(2, 30_000), (2, 40_000)]);
        change(&workshop, &mut draft);
        workshop.collect(&draft);
        let bad = workshop.build(&format!("bad-{number}"), &[]);
        let said = attacked.refuses(&[&bad], "");
        assert!(said.has(&format!("({code}")), "{what}: expected {code}\n{said}");
    }
    let good = workshop.bundle("good", 3, &[(2, 30_000), (2, 40_000)]);
    attacked.still_imports(&good);
}
