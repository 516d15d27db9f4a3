//! Appends a second against the disk's own fdatasync rate, as a ratio in one run on one disk: one JSON
//! line a batch size. `append_rate [FOLDER] [SECONDS]`; the folder is made and removed again.
#![allow(clippy::print_stdout)]

use durable::{Disk, RealDisk};
use ed25519_dalek::SigningKey;
use ledger::{FileLedger, Ledger};
use std::{
    error::Error,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

const ENTRY_BYTES: usize = 400;
/// Both sides take turns, so that a disk whose mood changes treats them alike.
const TURNS: u32 = 10;

fn turn(
    length: Duration,
    mut act: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<(u64, f64), Box<dyn Error>> {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < length {
        act()?;
        count += 1;
    }
    Ok((count, start.elapsed().as_secs_f64()))
}

fn plain(file: &mut File, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    file.write_all(bytes)?;
    Ok(file.sync_data()?)
}

fn measure(dir: &Path, batch: usize, seconds: f64) -> Result<(), Box<dyn Error>> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let origin = "patchkeep.example/bench/epoch-1";
    let key = SigningKey::from_bytes(&[1; 32]);
    let mut log = FileLedger::create(disk, &dir.join(format!("ledger-{batch}")), origin, key)?;
    let path = dir.join(format!("plain-{batch}"));
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let entries = vec![vec![b'e'; ENTRY_BYTES]; batch];
    let bytes = vec![b'e'; (ENTRY_BYTES + 2) * batch + 400];
    let length = Duration::from_secs_f64(seconds / f64::from(2 * TURNS));
    let (mut syncs, mut sync_secs, mut appends, mut append_secs) = (0, 0.0, 0, 0.0);
    for _ in 0..TURNS {
        let (count, secs) = turn(length, || plain(&mut file, &bytes))?;
        (syncs, sync_secs) = (syncs + count, sync_secs + secs);
        let (count, secs) = turn(length, || Ok(log.append(entries.clone()).map(|_| ())?))?;
        (appends, append_secs) = (appends + count, append_secs + secs);
    }
    let (sync_rate, append_rate) = (syncs as f64 / sync_secs, appends as f64 / append_secs);
    let events = append_rate * batch as f64;
    let start = Instant::now();
    let proofs = 1000_u64;
    for step in 0..proofs {
        log.inclusion_proof(step * (log.size() - 1) / proofs, log.size())?;
    }
    let proof_micros = start.elapsed().as_secs_f64() * 1e6 / proofs as f64;
    println!(
        "{{\"bench\":\"ledger-append\",\"batch\":{batch},\"entry_bytes\":{ENTRY_BYTES},\
         \"fdatasync_per_s\":{sync_rate:.1},\"appends_per_s\":{append_rate:.1},\
         \"events_per_s\":{events:.1},\"ratio\":{:.3},\"size\":{},\"inclusion_proof_us\":{proof_micros:.1}}}",
        append_rate / sync_rate,
        log.size()
    );
    log.close()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let seconds = args.next().map_or(Ok(4.0), |text| text.parse())?;
    let dir = folder.join(format!("append-rate-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let outcome = [1, 16, 256, 1024].into_iter().try_for_each(|n| measure(&dir, n, seconds));
    std::fs::remove_dir_all(&dir)?;
    outcome
}
