//! A log's ordinary life: batches, restarts, rotations, readers and their proofs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{DIR, ORIGIN, big, create, entries, entry, key, open, public, published, shared};
use durable::{Disk, MemDisk};
use ed25519_dalek::SigningKey;
use ids::Fault;
use ledger::{BATCH_ENTRIES_MAX, Error, FileLedger, Ledger};
use merkle::{Checkpoint, leaf_hash, verify_consistency, verify_inclusion};
use std::{path::Path, sync::Arc};

#[test]
fn a_log_grows_restarts_and_proves_what_it_holds() {
    let disk = shared(&MemDisk::new());
    let mut log = create(&disk).unwrap();
    let mut checkpoints = vec![Checkpoint::open(log.checkpoint().as_bytes(), &public()).unwrap()];
    let mut expected: Vec<Vec<u8>> = Vec::new();
    for round in 0..24_u64 {
        let size = log.size();
        // Big batches make the journal start again; small ones leave tiles half full.
        let batch = if round % 4 == 3 { big(size..size + 290) } else { entries(size..size + 37) };
        expected.extend(batch.clone());
        let appended = log.append(batch).unwrap();
        assert_eq!(appended.first_index, size);
        let checkpoint = Checkpoint::open(appended.checkpoint.as_bytes(), &public()).unwrap();
        assert_eq!((checkpoint.size, log.checkpoint()), (log.size(), appended.checkpoint.as_str()));
        checkpoints.push(checkpoint);
        if round % 5 == 4 {
            if round % 2 == 0 {
                log.close().unwrap();
            }
            let (opened, repairs) = open(&disk).unwrap();
            assert_eq!(repairs, [], "nothing was wrong");
            log = opened;
        }
        if round % 7 == 0 {
            log.publish().unwrap();
        }
        log.verify_all().unwrap();
    }
    assert!(disk.len(&Path::new(DIR).join("journal")).unwrap() < 9 << 20, "the journal rotates");
    assert_eq!(log.entries(0..log.size()).unwrap(), expected);
    for range in [0..1, 255..257, 300..900, 1..1, log.size() - 1..log.size()] {
        let slice = &expected[range.start as usize..range.end as usize];
        assert_eq!(log.entries(range).unwrap(), slice);
    }
    check_proofs(&log, &checkpoints, &expected);

    log.publish().unwrap();
    let reader = published(&disk).unwrap();
    reader.verify_all().unwrap();
    assert_eq!(reader.note(), log.checkpoint());
    assert_eq!(reader.entries(200..1000).unwrap(), expected[200..1000]);
    for index in [0, 255, 256, 1000, reader.checkpoint().size - 1] {
        reader.proof(index).unwrap().verify(&expected[index as usize], &public()).unwrap();
    }
}

fn check_proofs(log: &FileLedger, checkpoints: &[Checkpoint], expected: &[Vec<u8>]) {
    for new in checkpoints {
        for old in checkpoints.iter().filter(|old| old.size <= new.size) {
            let proof = log.consistency_proof(old.size, new.size).unwrap();
            verify_consistency(old.size, &old.root, new.size, &new.root, &proof).unwrap();
        }
        for index in [0, 36, 255, 256, 511, new.size / 2, new.size.saturating_sub(1)] {
            if index < new.size {
                let leaf = leaf_hash(&expected[index as usize]);
                let proof = log.inclusion_proof(index, new.size).unwrap();
                verify_inclusion(&leaf, index, new.size, &new.root, &proof).unwrap();
            }
        }
    }
}

#[test]
fn what_is_not_there_or_not_allowed_is_refused_and_changes_nothing() {
    let mem = MemDisk::new();
    let disk = shared(&mem);
    let missing = open(&disk).err().unwrap();
    assert!(matches!(missing, Error::Missing(_)), "{missing}");
    assert!(mem.files().is_empty(), "opening never starts a log");
    let mut log = create(&disk).unwrap();
    log.append(entries(0..3)).unwrap();
    let before = mem.files();

    let table: [(Vec<Vec<u8>>, Fault); 4] = [
        (vec![Vec::new()], Fault::Input),
        (vec![b"good".to_vec(), vec![0; 65_536]], Fault::Input),
        (vec![vec![0]; BATCH_ENTRIES_MAX + 1], Fault::Input),
        (vec![vec![0; 65_535]; 300], Fault::Input),
    ];
    for (batch, fault) in table {
        assert_eq!(log.append(batch).unwrap_err().fault(), fault);
    }
    assert_eq!(log.append(Vec::new()).unwrap().first_index, 3);
    #[allow(clippy::reversed_empty_ranges)]
    for range in [0..4, 4..4, 2..1] {
        assert_eq!(log.entries(range).unwrap_err().fault(), Fault::Input);
    }
    assert_eq!(log.inclusion_proof(0, 4).unwrap_err().fault(), Fault::Input);
    assert_eq!(log.inclusion_proof(3, 3).unwrap_err().fault(), Fault::Input);
    assert_eq!(log.consistency_proof(3, 2).unwrap_err().fault(), Fault::Input);
    drop(log);

    assert!(matches!(create(&disk), Err(Error::Exists(_))));
    let dir = Path::new(DIR);
    let stranger = SigningKey::from_bytes(&[8; 32]);
    let foreign = FileLedger::open(disk.clone(), dir, ORIGIN, stranger).err().unwrap();
    assert_eq!(foreign.fault(), Fault::Refused);
    let renamed = FileLedger::open(disk.clone(), dir, "patchkeep.example/lab/epoch-2", key());
    assert_eq!(renamed.err().unwrap().fault(), Fault::Refused);
    assert!(FileLedger::create(disk.clone(), Path::new("/new"), "two words", key()).is_err());
    assert_eq!(mem.files(), before);
    assert_eq!(open(&disk).unwrap().0.entries(0..3).unwrap(), entries(0..3));
}

#[test]
fn every_size_is_published_and_reopened() {
    let disk = shared(&MemDisk::new());
    create(&disk).unwrap().close().unwrap();
    for size in 1..=600_u64 {
        let (mut log, repairs) = open(&disk).unwrap();
        assert_eq!(repairs, []);
        log.append(vec![entry(size - 1)]).unwrap();
        log.close().unwrap();
        let reader = published(&disk).unwrap();
        reader.proof(size / 2).unwrap().verify(&entry(size / 2), &public()).unwrap();
        if size % 64 < 2 {
            reader.verify_all().unwrap();
        }
    }
    let tiles = disk.list(&Path::new(DIR).join("tile/0")).unwrap();
    assert_eq!(tiles, ["000", "001", "002.p"], "full tiles replace partial ones");
}

#[test]
fn only_the_journal_is_synced_by_an_append() {
    let disk = durable::FaultyDisk::new(Arc::new(MemDisk::new()));
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut log = create(&shared).unwrap();
    let before = disk.operations();
    log.append(entries(0..300)).unwrap();
    log.append(entries(300..301)).unwrap();
    assert_eq!(disk.trace()[before..], ["append journal", "append journal"]);
}
