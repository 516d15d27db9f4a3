//! Logs written by released versions open for ever. Provenance: written by this crate at version 0.1.0
//! with the fixed key, origin and entries of `common` (`PATCHKEEP_BLESS=1` writes a missing fixture).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{DIR, ORIGIN, big, check_healthy, create, entries, key, open, shared};
use durable::{Disk, MemDisk};
use ledger::{FileLedger, Ledger};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// 300 small entries, published at 300; five more in the journal only, the last frame torn.
fn write() -> MemDisk {
    let mem = MemDisk::new();
    let mut log = create(&shared(&mem)).unwrap();
    log.append(entries(0..280)).unwrap();
    log.append(entries(280..300)).unwrap();
    log.publish().unwrap();
    log.append(entries(300..305)).unwrap();
    mem.append(&Path::new(DIR).join("journal"), &[0x9C, b'P', b'K', 1, 0]).unwrap();
    mem
}

fn files(root: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    for item in fs::read_dir(root.join(below)).unwrap() {
        let item = item.unwrap();
        let path = below.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            files(root, &path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_log_of_version_1_opens_and_is_still_written_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let written = write();
    if !root.exists() && std::env::var_os("PATCHKEEP_BLESS").is_some() {
        for (path, bytes) in written.files() {
            let path = root.join(path.strip_prefix(DIR).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let (mem, mut names) = (MemDisk::new(), Vec::new());
    files(&root, Path::new(""), &mut names);
    for name in names {
        let path = Path::new(DIR).join(&name);
        mem.create_dir_all(path.parent().unwrap()).unwrap();
        mem.write_atomic(&path, &fs::read(root.join(name)).unwrap()).unwrap();
    }
    assert_eq!(
        mem.files(),
        written.files(),
        "a change of format needs a new version beside this one"
    );

    let disk: Arc<dyn Disk> = shared(&mem);
    let (log, repairs) = open(&disk).unwrap();
    assert_eq!((log.size(), repairs.len()), (305, 1));
    assert_eq!(log.entries(0..305).unwrap(), entries(0..305));
    check_healthy(log, &disk);
    let (mut log, _) = FileLedger::open(disk.clone(), Path::new(DIR), ORIGIN, key()).unwrap();
    log.append(big(306..600)).unwrap();
    check_healthy(log, &disk);
}
