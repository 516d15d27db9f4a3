//! A log for tests: one key, one origin, entries that tell their index.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use durable::{Disk, FileBlobs, MemDisk};
use ed25519_dalek::SigningKey;
use ledger::{Error, FileLedger, Ledger, Log, Repair};
use merkle::{KeyKind, VerifierKey};
use std::{path::Path, sync::Arc};

pub const ORIGIN: &str = "patchkeep.example/lab/epoch-1";
pub const DIR: &str = "/ledger";

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn public() -> VerifierKey {
    VerifierKey::new(ORIGIN, KeyKind::Ed25519, key().verifying_key()).unwrap()
}

pub fn entry(index: u64) -> Vec<u8> {
    format!("{{\"index\":{index},\"type\":\"test\"}}").into_bytes()
}

pub fn entries(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(entry).collect()
}

/// Bytes after which a test's journal starts again.
pub const ROTATE: u64 = 4 << 20;

/// Entries that fill such a journal quickly.
pub fn big(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|index| [entry(index), vec![b' '; 15_000]].concat()).collect()
}

pub fn create(disk: &Arc<dyn Disk>) -> Result<FileLedger, Error> {
    let mut log = FileLedger::create(disk.clone(), Path::new(DIR), ORIGIN, key())?;
    log.rotate_after(ROTATE);
    Ok(log)
}

pub fn open(disk: &Arc<dyn Disk>) -> Result<(FileLedger, Vec<Repair>), Error> {
    let (mut log, repairs) = FileLedger::open(disk.clone(), Path::new(DIR), ORIGIN, key())?;
    log.rotate_after(ROTATE);
    Ok((log, repairs))
}

pub fn open_thoroughly(disk: &Arc<dyn Disk>) -> Result<(FileLedger, Vec<Repair>), Error> {
    FileLedger::open_thoroughly(disk.clone(), Path::new(DIR), ORIGIN, key())
}

pub fn published(disk: &Arc<dyn Disk>) -> Result<Log, Error> {
    Log::read(Arc::new(FileBlobs::new(disk.clone(), DIR.into())), &public())
}

pub fn shared(disk: &MemDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Everything fits, and the log still takes entries.
pub fn check_healthy(mut log: FileLedger, disk: &Arc<dyn Disk>) {
    log.verify_all().unwrap();
    let size = log.size();
    let first = log.append(vec![b"afterwards".to_vec()]).unwrap().first_index;
    assert_eq!(first, size);
    log.close().unwrap();
    published(disk).unwrap().verify_all().unwrap();
    let (log, repairs) = open(disk).unwrap();
    assert_eq!((log.size(), repairs), (size + 1, Vec::new()));
}
