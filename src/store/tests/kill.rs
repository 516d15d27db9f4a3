//! `kill -9` at random points of an import: what was acknowledged is there, only whole payloads
//! are, and the import goes on. 20 rounds; 1,000 with `PATCHKEEP_SOAK=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use durable::RealDisk;
use ids::{Digest, RecordId};
use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::Store;
use tempfile::TempDir;

const DIR: &str = "PATCHKEEP_KILL_TEST_DIR";
const PAYLOADS: u32 = 40;

fn record(import: u32) -> RecordId {
    format!("01ARZ3NDEKTSV4RRFFQ69G{import:04}").parse().unwrap()
}

fn payload(import: u32, number: u32) -> Vec<u8> {
    let seed = Digest::of(&[import.to_be_bytes(), number.to_be_bytes()].concat());
    seed.as_bytes().repeat(64 + number as usize * 64)
}

fn import(store: &Store, import: u32) {
    let incoming = store.begin(&record(import), 0).unwrap();
    for number in 0..PAYLOADS {
        let bytes = payload(import, number);
        let (digest, total) = (Digest::of(&bytes), bytes.len() as u64);
        if number % 4 > 0 {
            incoming.write(&digest, total, &mut bytes.as_slice()).unwrap();
            continue;
        }
        let half = bytes.len() / 2;
        for part in [half..bytes.len(), 0..half] {
            let (offset, mut from) = (part.start as u64, &bytes[part]);
            let length = from.len() as u64;
            incoming.write_range(&digest, total, offset, length, &mut from).unwrap();
        }
    }
    incoming.promote().unwrap();
}

/// The program that is killed: this test, run by the other one with a folder to work in.
#[test]
fn imports_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = Store::open(Arc::new(RealDisk), Path::new(&dir)).unwrap();
    let resumed = store.unfinished().unwrap().len();
    assert!(resumed <= 1);
    let done = u32::try_from(store.total().unwrap().payloads).unwrap() / PAYLOADS;
    // All of an import's payloads are there before it is over.
    let is_over = |number: &u32| !store.unfinished().unwrap().contains(&record(*number));
    let first = done.checked_sub(1).filter(|last| !is_over(last)).unwrap_or(done);
    for number in first..9999 {
        import(&store, number);
        eprintln!("acknowledged {number}");
    }
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let dir = TempDir::new().unwrap();
    let rounds = if std::env::var_os("PATCHKEEP_SOAK").is_some() { 1000 } else { 20 };
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    eprintln!("seed {seed}");
    let mut acknowledged = 0;
    for round in 0..rounds {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "imports_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros((seed >> 33) % 60_000));
        child.kill().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().code().is_none(), "round {round} ended by itself: {said}");
        acknowledged += said.lines().filter(|line| line.starts_with("acknowledged")).count();
        let store = Store::open(Arc::new(RealDisk), dir.path()).unwrap();
        let kept = store.list().unwrap();
        kept.iter().for_each(|digest| store.check(digest).unwrap());
        assert!(kept.len() >= acknowledged * PAYLOADS as usize, "round {round}");
        if acknowledged > 200 {
            store.remove(&kept).unwrap();
            for record in store.unfinished().unwrap() {
                store.begin(&record, 0).unwrap().abandon().unwrap();
            }
            acknowledged = 0;
        }
    }
}
