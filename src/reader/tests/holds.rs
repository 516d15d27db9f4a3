//! The sandbox holds: what a hijacked parser would try is stopped, and said to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sandbox::{Compression, Error, Reader};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn reader() -> Reader {
    Reader::at(Path::new(env!("CARGO_BIN_EXE_patchkeep-reader")))
}

#[test]
fn every_forbidden_attempt_is_stopped() {
    for attempt in ["open", "write", "list", "tcp", "unix", "exec", "thread"] {
        let error = reader().selftest(attempt).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, Error::Crashed { .. }), "{attempt}: {said}");
        assert!(said.contains("forbidden system call"), "{attempt}: {said}");
    }
    let error = reader().selftest("memory").unwrap_err();
    assert!(error.to_string().contains("memory allocation"), "{error}");
    assert!(!Path::new("/tmp/patchkeep-reader-escaped").exists());
}

#[test]
fn limits_fire() {
    let error = reader().with_seconds_max(1).selftest("spin").unwrap_err();
    assert!(matches!(error, Error::TimedOut { seconds: 1, .. }), "{error}");
    let error = reader().selftest("flood").unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn a_lying_or_missing_reader_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("exit 3", "exit code 3"),
        ("echo rubbish", "exit code 0"),
        ("kill -SEGV $$", "signal 11"),
        ("echo 'it hurts' >&2; exit 1", "it hurts"),
        ("printf 'H\\377\\377\\377\\377'", "exit code 0"),
    ];
    for (i, (script, told)) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("reader{i}"));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Reader::at(&path).decompress(b"x", Compression::Xz, 10).unwrap_err();
        assert!(error.to_string().contains(told), "{script}: {error}");
    }
    let error = Reader::at(Path::new("/nonexistent")).decompress(b"x", Compression::Xz, 10);
    assert!(matches!(error, Err(Error::Start { .. })));
}

#[test]
fn bombs_and_rubbish_are_refused() {
    let zeros = vec![0_u8; 10 << 20];
    let mut xz = Vec::new();
    let mut encoder = liblzma::read::XzEncoder::new(&zeros[..], 1);
    std::io::Read::read_to_end(&mut encoder, &mut xz).unwrap();
    let mut gzip = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(&zeros[..], flate2::Compression::fast());
    std::io::Read::read_to_end(&mut encoder, &mut gzip).unwrap();
    let zstd = zstd::stream::encode_all(&zeros[..], 1).unwrap();
    for (kind, bytes) in
        [(Compression::Xz, xz), (Compression::Gzip, gzip), (Compression::Zstd, zstd)]
    {
        let plain = reader().decompress(&bytes, kind, zeros.len() as u64).unwrap();
        assert_eq!(plain, zeros, "{kind:?}");
        let error = reader().decompress(&bytes, kind, zeros.len() as u64 - 1).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{kind:?}: {error}");
        let cut = &bytes[..bytes.len() - 20];
        let error = reader().decompress(cut, kind, 1 << 30).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{kind:?}: {error}");
        let error = reader().decompress(b"rubbish rubbish", kind, 1 << 30).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{kind:?}: {error}");
    }
}
