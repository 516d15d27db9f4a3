//! What is taken as a release, and what a signed one stands behind.
#![allow(clippy::unwrap_used)]

use crate::{Error, RELEASE, RELEASE_SIGNATURE, Release, update, vouch};
use catalogue::{Catalogue, File, FileKind, SCHEMA, Vendor};
use ids::{Digest, Fault};

fn document() -> String {
    format!(
        r#"{{"schema":1,"image":"patchkeep","version":"0.2.0","released":"2026-11-28T12:00:00Z",
        "file":"patchkeep-0.2.0.efi","bytes":9,"sha256":"{}","notes":"What is new."}}"#,
        Digest::of(b"the image")
    )
}

fn catalogue(document: &str) -> Catalogue {
    let release = Release::parse(document.as_bytes()).unwrap();
    let file = |path: &str, bytes: &[u8], kind| {
        let (sha256, length) = (Digest::of(bytes), bytes.len() as u64);
        File { path: path.to_owned(), sha256, length, kind }
    };
    Catalogue {
        schema: SCHEMA,
        source: "patchkeep-image".parse().unwrap(),
        vendor: Vendor::Image,
        collected_at: "2026-11-29T00:00:00Z".parse().unwrap(),
        release_date: release.released,
        valid_until: None,
        files: vec![
            file("patchkeep-0.2.0.efi", b"the image", FileKind::Payload),
            file(RELEASE, document.as_bytes(), FileKind::Release),
            file(RELEASE_SIGNATURE, b"signature", FileKind::Signature),
        ],
        updates: vec![update(&release)],
        notes: Vec::new(),
        advice: None,
    }
}

#[test]
fn a_release_says_version_date_and_file() {
    let release = Release::parse(document().as_bytes()).unwrap();
    assert_eq!(release.version.to_string(), "0.2.0");
    assert_eq!(release.released.to_string(), "2026-11-28T12:00:00Z");
    assert_eq!((release.bytes, release.sha256), (9, Digest::of(b"the image")));
    let without = document().replace(r#","notes":"What is new.""#, "");
    assert_eq!(Release::parse(without.as_bytes()).unwrap().notes, None);
}

#[test]
fn each_way_to_be_no_release_is_told() {
    let cases = [
        ("\"schema\":1", "\"schema\":2", "schema"),
        ("\"patchkeep\"", "\"another\"", "image"),
        ("\"0.2.0\"", "\"0.2\"", "malformed"),
        ("\"0.2.0\"", "\"0.3.0\"", "that of version 0.3.0 is patchkeep-0.3.0.efi"),
        ("patchkeep-0.2.0.efi", "../patchkeep-0.2.0.efi", "file"),
        ("2026-11-28T", "yesterday ", "malformed"),
        ("\"bytes\":9", "\"bytes\":0", "bytes"),
        ("\"bytes\":9", "\"bytes\":83886081", "bytes"),
        ("What is new.", "two\\nlines", "notes"),
        ("\"schema\":1", "\"schema\":1,\"more\":1", "malformed"),
        ("{", "", "malformed"),
    ];
    for (before, after, says) in cases {
        let text = document().replacen(before, after, 1);
        let error = Release::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.fault(), Fault::Input);
        assert!(error.to_string().contains(says), "{before} as {after}: {error}");
    }
    let long = document() + &" ".repeat(64 << 10);
    assert!(matches!(Release::parse(long.as_bytes()), Err(Error::Malformed(_))));
}

#[test]
fn the_vendor_stands_behind_every_file_or_none_is_taken() {
    let document = document();
    let good = catalogue(&document);
    let vouched = vouch(document.as_bytes(), &good).unwrap();
    assert_eq!((vouched.release, vouched.date), (good.files[1].sha256, good.release_date));
    let refused = |bad: &Catalogue| {
        let error = vouch(document.as_bytes(), bad).unwrap_err();
        assert_eq!(error.fault(), Fault::Refused, "{error}");
    };
    for at in 0..good.files.len() {
        let mut bad = good.clone();
        bad.files[at].path.push('x');
        refused(&bad);
        let mut bad = good.clone();
        bad.files.remove(at);
        refused(&bad);
        if good.files[at].kind != FileKind::Signature {
            // The reader judges what the signature is.
            let mut bad = good.clone();
            bad.files[at].sha256 = Digest::of(b"other");
            refused(&bad);
            let mut bad = good.clone();
            bad.files[at].length += 1;
            refused(&bad);
        }
        // A second one beside it, and an index, which no release has.
        for kind in [good.files[at].kind, FileKind::Index] {
            let mut bad = good.clone();
            bad.files.push(File { path: "more".into(), kind, ..good.files[at].clone() });
            refused(&bad);
        }
    }
    let mut bad = good.clone();
    bad.release_date = "2030-01-01T00:00:00Z".parse().unwrap();
    refused(&bad);
    let mut bad = good.clone();
    bad.valid_until = Some(bad.release_date);
    refused(&bad);
    let mut bad = good.clone();
    bad.vendor = Vendor::Rpm { architectures: vec!["x86_64".into()] };
    refused(&bad);
    let mut bad = good.clone();
    bad.updates[0].fixed_version = "9.0.0".into();
    refused(&bad);
    let mut bad = good.clone();
    bad.updates.clear();
    refused(&bad);
}
