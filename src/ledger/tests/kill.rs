//! A writer that is killed (-9) again and again: nothing that it was told is ever lost.
//! 20 rounds; with `PATCHKEEP_SOAK=1` in the environment 1,000.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{ORIGIN, entry, key, public};
use durable::{Disk, FileBlobs, RealDisk};
use ledger::{FileLedger, Ledger, Log};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread::sleep,
    time::Duration,
};

const FOLDER: &str = "PATCHKEEP_TEST_KILL_FOLDER";

fn open(dir: &Path) -> FileLedger {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut log = FileLedger::open(disk, dir, ORIGIN, key()).unwrap().0;
    log.rotate_after(1 << 20);
    log
}

/// The child: appends until it is killed, and says each size once it is durable.
#[test]
fn child_that_appends() {
    let Some(dir) = env::var_os(FOLDER) else { return };
    let mut log = open(Path::new(&dir));
    // Bounded, should the parent be gone.
    for round in 0..20_000_u64 {
        let size = log.size();
        let count = 1 + (size + round) % 40;
        // Now and then long entries, so that the journal rotates under the knife.
        let pad = if round % 8 == 0 { 12_000 } else { 0 };
        let batch = (size..size + count).map(|index| [entry(index), vec![b' '; pad]].concat());
        log.append(batch.collect()).unwrap();
        println!("durable {}", log.size());
        std::io::stdout().flush().unwrap();
        if round % 5 == 4 {
            log.publish().unwrap();
        }
    }
}

#[test]
fn a_writer_killed_at_any_moment_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    FileLedger::create(disk.clone(), &dir, ORIGIN, key()).unwrap().close().unwrap();
    let rounds = if env::var_os("PATCHKEEP_SOAK").is_some() { 1000 } else { 20 };
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let acknowledged = one_life(&dir, state % 60, Duration::from_micros(state >> 32 & 0xFFF));
        let log = open(&dir);
        assert!(log.size() >= acknowledged, "round {round}: {} < {acknowledged}", log.size());
        let last = log.size().saturating_sub(600);
        for (index, found) in (last..).zip(log.entries(last..log.size()).unwrap()) {
            assert!(found.starts_with(&entry(index)), "round {round}: entry {index}");
        }
        if round % 10 == 9 {
            log.verify_all().unwrap();
        }
    }
    let log = open(&dir);
    let size = log.size();
    log.close().unwrap();
    let reader = Log::read(Arc::new(FileBlobs::new(disk, dir)), &public()).unwrap();
    reader.verify_all().unwrap();
    assert_eq!(reader.checkpoint().size, size);
}

/// Lets a child say `lines` sizes, waits a little, kills it, and answers with the last size it said.
fn one_life(dir: &Path, lines: u64, wait: Duration) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["child_that_appends", "--exact", "--nocapture"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let size = |line: String| line.rsplit_once("durable ").map(|(_, size)| size.parse().unwrap());
    let mut acknowledged = 0;
    for _ in 0..lines {
        let Some(line) = said.next() else { break };
        acknowledged = size(line.unwrap()).unwrap_or(acknowledged);
    }
    sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    // A line may have been cut short by the kill: only those with all their digits count.
    for line in said.map_while(Result::ok) {
        let read = line.rsplit_once("durable ").and_then(|(_, size)| size.parse::<u64>().ok());
        acknowledged = acknowledged.max(read.unwrap_or(0));
    }
    acknowledged
}
