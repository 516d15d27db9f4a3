//! The failure table: every step of a log's life x {not written, written anyway, torn, disk full} x
//! {only that step, the program dies, the power goes}. After each: reopen, verify all, nothing that was
//! acknowledged is lost, and the log takes entries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{check_healthy, create, entries, entry, open};
use durable::{Disk, Failure, FaultyDisk, MemDisk};
use ids::Fault;
use ledger::{Error, FileLedger, Ledger};
use std::sync::Arc;

/// What the caller was told, and what it had asked for when the answer failed to come.
#[derive(Default)]
struct Told {
    created: bool,
    acknowledged: Vec<Vec<u8>>,
    in_flight: Vec<Vec<u8>>,
}

fn append(log: &mut FileLedger, told: &mut Told, batch: Vec<Vec<u8>>) -> Result<(), Error> {
    told.in_flight.clone_from(&batch);
    log.append(batch)?;
    let batch = std::mem::take(&mut told.in_flight);
    told.acknowledged.extend(batch);
    Ok(())
}

/// Entries that fill a journal which rotates at [`ROTATE`].
fn long(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|index| [entry(index), vec![b' '; 150]].concat()).collect()
}

const ROTATE: u64 = 40_000;

/// A life with every kind of step in it: create, append, publish, rotate, close, open, append, close.
fn live(disk: &Arc<dyn Disk>, told: &mut Told) -> Result<(), Error> {
    let mut log = create(disk)?;
    told.created = true;
    log.rotate_after(ROTATE);
    append(&mut log, told, entries(0..3))?;
    log.publish()?;
    append(&mut log, told, entries(3..5))?;
    append(&mut log, told, long(5..300))?;
    append(&mut log, told, entries(300..301))?;
    log.close()?;
    let (mut log, _) = open(disk)?;
    append(&mut log, told, entries(301..303))?;
    log.close()
}

/// Reopens what is left, and compares it with what the caller was told.
fn check(disk: &Arc<dyn Disk>, told: &Told, case: &str) {
    let log = match open(disk) {
        Ok((log, _)) => log,
        Err(Error::Missing(_)) if !told.created => {
            let mut log = create(disk).unwrap_or_else(|error| panic!("{case}: {error}"));
            return append(&mut log, &mut Told::default(), entries(0..1)).unwrap();
        }
        Err(error) => panic!("{case}: {error}"),
    };
    let found = log.entries(0..log.size()).unwrap();
    let whole = [told.acknowledged.clone(), told.in_flight.clone()].concat();
    let sizes = (found.len(), told.acknowledged.len(), whole.len());
    assert!(found == told.acknowledged || found == whole, "{case}: {sizes:?}");
    check_healthy(log, disk);
}

fn steps() -> Vec<String> {
    let disk = FaultyDisk::new(Arc::new(MemDisk::new()));
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    live(&shared, &mut Told::default()).unwrap();
    let journals = disk.trace().iter().filter(|step| *step == "write_atomic journal").count();
    assert_eq!(journals, 2, "made once, rotated once");
    disk.trace()
}

/// Steps that write nothing cannot be torn.
fn failures(step: &str) -> &'static [Failure] {
    match step.split(' ').next() {
        Some("append" | "write" | "write_atomic") => {
            &[Failure::Before, Failure::After, Failure::Torn(1), Failure::Torn(200)]
        }
        _ => &[Failure::Before, Failure::After],
    }
}

#[test]
fn a_step_that_fails_once_loses_nothing() {
    for (number, step) in steps().iter().enumerate() {
        for &failure in failures(step) {
            let mem = MemDisk::new();
            let disk = FaultyDisk::new(Arc::new(mem.clone()));
            disk.fail_at(number, failure);
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            let mut told = Told::default();
            let case = format!("step {number} ({step}) {failure:?}");
            // Rotation and the removal of old partial tiles fail after the batch is true.
            let _ = live(&shared, &mut told);
            check(&common::shared(&mem), &told, &case);
        }
    }
}

#[test]
fn a_program_that_dies_at_any_step_loses_nothing() {
    for (number, step) in steps().iter().enumerate() {
        for &failure in failures(step) {
            let mem = MemDisk::new();
            let disk = FaultyDisk::new(Arc::new(mem.clone()));
            disk.crash_at(number, failure);
            let shared: Arc<dyn Disk> = Arc::new(disk);
            let mut told = Told::default();
            let _ = live(&shared, &mut told);
            let case = format!("death at step {number} ({step}) {failure:?}");
            let dark = mem.after_power_cut();
            check(&common::shared(&mem), &told, &case);
            check(&common::shared(&dark), &told, &format!("{case}, power cut"));
        }
    }
}

#[test]
fn a_full_disk_at_any_step_loses_nothing_and_the_log_still_opens() {
    for (number, step) in steps().iter().enumerate() {
        let mem = MemDisk::new();
        let disk = FaultyDisk::new(Arc::new(mem.clone()));
        disk.full_from(number);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut told = Told::default();
        let case = format!("full at step {number} ({step})");
        if let Err(error) = live(&shared, &mut told) {
            assert_eq!(error.fault(), Fault::Unavailable, "{case}: {error}");
        }
        if told.created {
            let (log, _) = open(&shared).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert!(log.size() >= told.acknowledged.len() as u64, "{case}");
        }
        disk.lift();
        check(&shared, &told, &case);
    }
}

#[test]
fn after_a_failed_commit_nothing_works_until_reopened() {
    let disk = FaultyDisk::new(Arc::new(MemDisk::new()));
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut log = create(&shared).unwrap();
    log.append(entries(0..2)).unwrap();
    disk.fail_at(disk.operations(), Failure::After);
    assert_eq!(log.append(entries(2..3)).unwrap_err().fault(), Fault::Broken);
    assert!(matches!(log.append(entries(2..3)), Err(Error::Poisoned)));
    assert!(matches!(log.publish(), Err(Error::Poisoned)));
    assert_eq!((log.size(), log.entries(0..2).unwrap()), (2, entries(0..2)));
    let (log, _) = open(&shared).unwrap();
    assert_eq!(log.entries(0..3).unwrap(), entries(0..3), "it was written anyway");
}
