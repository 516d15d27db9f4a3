//! Zips that are made to do harm are refused with a sentence.

use crate::made_up::{MadeUp, unsigned};
use site::audit::{AuditError, Limits, Scope, open_zip};
use std::io::{Cursor, Write};
use zip::{ZipWriter, write::SimpleFileOptions};

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn refused(bytes: Vec<u8>, limits: Limits) -> String {
    match open_zip(Cursor::new(bytes), limits) {
        Err(error @ (AuditError::Hostile { .. } | AuditError::ReadZip(_))) => {
            assert_eq!(error.fault(), ids::Fault::Input);
            error.to_string()
        }
        other => panic!("it was opened, or failed otherwise: {other:?}"),
    }
}

#[test]
fn names_that_leave_the_folder() {
    for name in ["../x", "a/../../x", "/etc/passwd", "C:\\x", "a\\b", "-rf", "a b", "", "a//b", "é"]
    {
        let says = refused(zip(&[(name, b"x")]), Limits::default());
        assert!(says.contains("not a plain file name"), "{name:?}: {says}");
    }
}

#[test]
fn one_name_twice() {
    let mut bytes = zip(&[("aaaa", b"one"), ("bbbb", b"two")]);
    for at in 0..bytes.len() - 4 {
        if &bytes[at..at + 4] == b"bbbb" {
            bytes[at..at + 4].copy_from_slice(b"aaaa");
        }
    }
    let says = refused(bytes, Limits::default());
    assert!(says.contains("more than once"), "{says}");
}

#[test]
fn bombs_and_crowds() {
    let limits = Limits { files: 3, file_bytes: 1_000_000, total_bytes: 1_500_000 };
    let says = refused(zip(&[("zeros", &vec![0; 1_000_001])]), limits);
    assert!(says.contains("too large"), "{says}");
    let most = vec![0; 800_000];
    let says = refused(zip(&[("a", &most), ("b", &most)]), limits);
    assert!(says.contains("\"b\" is too large"), "{says}");
    let says = refused(zip(&[("a", b""), ("b", b""), ("c", b""), ("d", b"")]), limits);
    assert!(says.contains("more than 3 files"), "{says}");
}

#[test]
fn links_and_things_that_are_no_zip() {
    let mut link = ZipWriter::new(Cursor::new(Vec::new()));
    link.add_symlink("passwd", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let says = refused(link.finish().unwrap().into_inner(), Limits::default());
    assert!(says.contains("is a link"), "{says}");
    for bytes in [vec![], b"PK".to_vec(), vec![0; 4096], b"PK\x05\x06".repeat(40)] {
        refused(bytes, Limits::default());
    }
    let good = MadeUp::new(unsigned(), 2, 1).export(Scope::Summary).0;
    for cut in [1, 22, 500, good.len() / 2] {
        refused(good[..good.len() - cut].to_vec(), Limits::default());
    }
    let mut longer = good;
    longer.extend_from_slice(b"more");
    refused(longer, Limits::default());
}
