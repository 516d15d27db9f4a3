//! Debian packages through the real, confined program; real ones are made by `dpkg-deb`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sandbox::{Error, Reader};
use std::{fs, io::Write, os::unix::fs::symlink, path::Path, process::Command};

const LOG: &str = "x (1.0) stable; urgency=low\n\n  * CVE-2026-1234\n\n -- A <a@example.org>  Tue, \
    03 Nov 2026 20:00:00 +0100\n";

fn reader() -> Reader {
    Reader::at(Path::new(env!("CARGO_BIN_EXE_patchkeep-reader")))
}

fn package(folder: &Path, compression: &str, doc: impl FnOnce(&Path)) -> Vec<u8> {
    let root = folder.join("root");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    let control = "Package: x\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.org>\n\
        Description: x\n";
    fs::write(root.join("DEBIAN/control"), control).unwrap();
    fs::create_dir_all(root.join("usr/share/doc")).unwrap();
    doc(&root.join("usr/share/doc"));
    let out = folder.join("x.deb");
    let done = Command::new("dpkg-deb")
        .args(["--root-owner-group", &format!("-Z{compression}"), "-b"])
        .args([&root, &out])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read(out).unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn finds_control_and_changelog() {
    let folder = tempfile::tempdir().unwrap();
    for compression in ["xz", "gzip", "zstd", "none"] {
        let deb = package(folder.path(), compression, |doc| {
            fs::create_dir(doc.join("x")).unwrap();
            fs::write(doc.join("x/changelog.gz"), gzip("upstream's own")).unwrap();
            fs::write(doc.join("x/changelog.Debian.gz"), gzip(LOG)).unwrap();
        });
        let facts = reader().deb_control_and_changelog(&deb[..]).unwrap();
        assert!(facts.control.starts_with("Package: x\n"), "{compression}");
        assert_eq!(facts.changelog.as_deref(), Some(LOG), "{compression}");
    }
    let native = package(folder.path(), "xz", |doc| {
        fs::create_dir(doc.join("x")).unwrap();
        fs::write(doc.join("x/changelog.gz"), gzip(LOG)).unwrap();
    });
    let facts = reader().deb_control_and_changelog(&native[..]).unwrap();
    assert_eq!(facts.changelog.as_deref(), Some(LOG));
}

#[test]
fn links_and_other_packages_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let linked = package(folder.path(), "xz", |doc| {
        symlink("libx", doc.join("x")).unwrap();
        fs::create_dir(doc.join("libx")).unwrap();
        fs::write(doc.join("libx/changelog.Debian.gz"), gzip(LOG)).unwrap();
    });
    assert_eq!(reader().deb_control_and_changelog(&linked[..]).unwrap().changelog, None);
    let link = package(folder.path(), "xz", |doc| {
        fs::create_dir(doc.join("x")).unwrap();
        symlink("/etc/passwd", doc.join("x/changelog.Debian.gz")).unwrap();
    });
    assert_eq!(reader().deb_control_and_changelog(&link[..]).unwrap().changelog, None);
}

#[test]
fn refuses_what_is_no_package() {
    let folder = tempfile::tempdir().unwrap();
    let good = package(folder.path(), "xz", |_| ());
    let mut flipped = good.clone();
    // Inside the compressed control member, which begins at byte 132.
    flipped[160] ^= 0xff;
    let cases: [(&str, &[u8]); 5] = [
        ("empty", b""),
        ("rubbish", b"!<arch>\nrubbish"),
        (
            "another archive",
            b"!<arch>\nx/              0           0     0     644     0         `\n",
        ),
        ("cut", &good[..good.len() / 2]),
        ("flipped", &flipped),
    ];
    for (name, bytes) in cases {
        let error = reader().deb_control_and_changelog(bytes).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{name}: {error}");
    }
}
