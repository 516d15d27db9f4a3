//! Each change to the disk fails once, in each way; afterwards the store holds what it held, only
//! whole payloads, and the same import succeeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use durable::{Disk, Failure, FaultyDisk, RealDisk};
use ids::{Digest, Fault, RecordId};
use std::{path::Path, sync::Arc};
use store::{Error, Progress, Store};
use tempfile::TempDir;

fn record() -> RecordId {
    "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap()
}

fn payloads() -> Vec<Vec<u8>> {
    (0..3_u8).map(|i| vec![i; 1000]).collect()
}

fn import(disk: Arc<dyn Disk>, dir: &Path) -> Result<(), Error> {
    let store = Store::open(disk, dir)?;
    let incoming = store.begin(&record(), 0)?;
    for bytes in payloads() {
        let digest = Digest::of(&bytes);
        if incoming.already(&digest) {
            continue;
        }
        if bytes[0] == 2 {
            incoming.write_range(&digest, 1000, 400, 600, &mut &bytes[400..])?;
            let done = incoming.write_range(&digest, 1000, 0, 400, &mut &bytes[..400])?;
            assert_eq!(done, Progress::Whole);
        } else {
            incoming.write(&digest, 1000, &mut bytes.as_slice())?;
        }
    }
    incoming.promote()?;
    Ok(())
}

fn assert_sound(dir: &Path, when: &str) {
    let store = Store::open(Arc::new(RealDisk), dir).unwrap();
    for digest in store.list().unwrap() {
        store.check(&digest).unwrap_or_else(|e| panic!("{when}: {e}"));
    }
    assert!(store.has(&Digest::of(b"before")), "{when}: what was there is gone");
}

fn with_one_payload() -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = Store::open(Arc::new(RealDisk), dir.path()).unwrap();
    let incoming = store.begin(&record(), 0).unwrap();
    incoming.write(&Digest::of(b"before"), 6, &mut b"before".as_slice()).unwrap();
    incoming.promote().unwrap();
    dir
}

fn operations() -> usize {
    let dir = with_one_payload();
    let disk = FaultyDisk::new(Arc::new(RealDisk));
    import(Arc::new(disk.clone()), dir.path()).unwrap();
    let trace = disk.trace();
    let at = |what: &str| trace.iter().position(|step| step.starts_with(what)).unwrap();
    let last = |what: &str| trace.iter().rposition(|step| step.starts_with(what)).unwrap();
    assert!(last("write") < at("sync_filesystem"), "{trace:?}");
    assert!(at("sync_filesystem") < at("rename"), "a name before its bytes: {trace:?}");
    assert!(last("rename") < last("sync_filesystem"), "{trace:?}");
    disk.operations()
}

#[test]
fn every_failure_leaves_the_store_sound_and_the_import_possible() {
    for number in 0..operations() {
        for failure in [Failure::Before, Failure::After, Failure::Torn(1), Failure::Torn(999)] {
            for crash in [false, true] {
                let when = format!("operation {number}, {failure:?}, crash {crash}");
                let dir = with_one_payload();
                let disk = FaultyDisk::new(Arc::new(RealDisk));
                if crash {
                    disk.crash_at(number, failure);
                } else {
                    disk.fail_at(number, failure);
                }
                let _ = import(Arc::new(disk.clone()), dir.path());
                assert_sound(dir.path(), &when);
                disk.lift();
                import(Arc::new(disk), dir.path()).unwrap_or_else(|e| panic!("{when}: {e}"));
                assert_sound(dir.path(), &when);
                let store = Store::open(Arc::new(RealDisk), dir.path()).unwrap();
                assert_eq!(store.total().unwrap().payloads, 4, "{when}");
                assert_eq!(store.unfinished().unwrap(), [], "{when}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_said_and_keeps_the_store_as_it_was() {
    for number in 0..operations() {
        let dir = with_one_payload();
        let disk = FaultyDisk::new(Arc::new(RealDisk));
        disk.full_from(number);
        if let Err(error) = import(Arc::new(disk.clone()), dir.path()) {
            assert_eq!(error.fault(), Fault::Unavailable, "operation {number}: {error}");
        }
        assert_sound(dir.path(), "full");
        disk.lift();
        import(Arc::new(disk), dir.path()).unwrap();
    }
}

#[test]
fn a_failed_payload_can_be_tried_again_at_once() {
    let dir = TempDir::new().unwrap();
    let disk = FaultyDisk::new(Arc::new(RealDisk));
    let store = Store::open(Arc::new(disk.clone()), dir.path()).unwrap();
    let incoming = store.begin(&record(), 0).unwrap();
    let digest = Digest::of(b"payload");
    let write = || incoming.write(&digest, 7, &mut b"payload".as_slice());
    disk.crash_at(disk.operations() + 1, Failure::Torn(3));
    assert!(matches!(write().unwrap_err(), Error::Write { .. }));
    disk.lift();
    write().expect("the torn file stood in the way");
}
