//! Damage to what lies on the disk: every byte of the journal cut or flipped, tiles and checkpoint
//! flipped, emptied or gone. What a signed checkpoint covers is mended; everything else is refused, and
//! then nothing is changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{DIR, big, check_healthy, create, entries, open, open_thoroughly, published, shared};
use durable::{Disk, MemDisk};
use ids::Fault;
use ledger::{Error, Ledger, Repair};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Three batches; the first is published, and all of them if `closed`.
fn small(closed: bool) -> MemDisk {
    let mem = MemDisk::new();
    let mut log = create(&shared(&mem)).unwrap();
    log.append(entries(0..3)).unwrap();
    log.publish().unwrap();
    log.append(entries(3..5)).unwrap();
    log.append(entries(5..6)).unwrap();
    if closed {
        log.close().unwrap();
    }
    mem
}

/// A log whose journal began again at entry 512, of 600 entries; the last 88 are in the journal too.
fn rotated() -> MemDisk {
    let mem = MemDisk::new();
    let mut log = create(&shared(&mem)).unwrap();
    log.append(entries(0..250)).unwrap();
    log.append(big(250..540)).unwrap();
    log.append(entries(540..600)).unwrap();
    log.close().unwrap();
    mem
}

/// Ends of the frames in a journal.
fn frame_ends(journal: &[u8]) -> Vec<usize> {
    let starts = (0..journal.len()).filter(|at| journal[*at..].starts_with(&[0x9C, b'P', b'K', 1]));
    starts.skip(1).chain([journal.len()]).collect()
}

#[test]
fn a_journal_cut_anywhere_loses_only_what_was_not_covered() {
    for closed in [true, false] {
        let original = small(closed);
        let journal = original.read(&path("journal")).unwrap();
        let ends = frame_ends(&journal);
        let sizes = [0, 3, 5, 6];
        for cut in 0..journal.len() {
            let mem = original.copy();
            mem.truncate(&path("journal"), cut as u64).unwrap();
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let in_journal = whole.checked_sub(1).map_or(0, |last| sizes[last]);
            let expected = if closed { 6 } else { in_journal.max(3) };
            let (log, repairs) = open(&shared(&mem)).unwrap_or_else(|e| panic!("{cut}: {e}"));
            assert_eq!(log.size(), expected, "cut at {cut}");
            assert_eq!(log.entries(0..expected).unwrap(), entries(0..expected));
            let torn = !ends.contains(&cut) && in_journal == expected;
            let boundary = ends.contains(&cut) && in_journal == expected;
            match repairs.as_slice() {
                [] => assert!(boundary, "{cut}"),
                [Repair::TornFrame { kept: Some(name), .. }] => {
                    assert!(torn, "{cut}");
                    let start = ends[whole - 1];
                    assert_eq!(mem.read(&path(name)).unwrap(), journal[start..cut]);
                }
                [Repair::JournalRebuilt { .. }] => assert!(in_journal < expected, "{cut}"),
                other => panic!("{cut}: {other:?}"),
            }
            check_healthy(log, &shared(&mem));
        }
    }
}

#[test]
fn a_journal_flipped_anywhere_is_rebuilt_or_refused() {
    for closed in [true, false] {
        let original = small(closed);
        let journal = original.read(&path("journal")).unwrap();
        let ends = frame_ends(&journal);
        for at in 0..journal.len() {
            let mut changed = journal.clone();
            changed[at] ^= 1 << (at % 8);
            let mem = original.copy();
            mem.write_atomic(&path("journal"), &changed).unwrap();
            let before = mem.files();
            // The first two frames end at entry 3, which is published in any case.
            if closed || at < ends[1] {
                let (log, repairs) = open(&shared(&mem)).unwrap_or_else(|e| panic!("{at}: {e}"));
                let [Repair::JournalRebuilt { size: 6, kept: Some(name) }] = repairs.as_slice()
                else {
                    panic!("{at}: {repairs:?}");
                };
                assert_eq!(mem.read(&path(name)).unwrap(), changed);
                assert_eq!(log.entries(0..6).unwrap(), entries(0..6));
                check_healthy(log, &shared(&mem));
            } else {
                let error = open(&shared(&mem)).err().unwrap();
                assert!(matches!(error, Error::Lost(_)), "{at}: {error}");
                assert_eq!(error.fault(), Fault::Broken);
                assert_eq!(mem.files(), before, "a refusal changes nothing");
            }
        }
    }
}

#[test]
fn two_damaged_frames_in_a_row_are_refused() {
    let mem = small(false);
    let mut journal = mem.read(&path("journal")).unwrap();
    let ends = frame_ends(&journal);
    for end in &ends[1..3] {
        journal[end + 60] ^= 1;
    }
    mem.write_atomic(&path("journal"), &journal).unwrap();
    assert!(matches!(open(&shared(&mem)), Err(Error::Lost(_))));
}

#[test]
fn a_missing_or_damaged_checkpoint_is_published_again() {
    let original = small(true);
    let note = original.read(&path("checkpoint")).unwrap();
    for at in 0..=note.len() {
        let mem = original.copy();
        let mut changed = note.clone();
        match changed.get_mut(at) {
            Some(byte) => {
                *byte ^= 1;
                mem.write_atomic(&path("checkpoint"), &changed).unwrap();
            }
            None => mem.remove(&path("checkpoint")).unwrap(),
        }
        let (log, repairs) = open(&shared(&mem)).unwrap();
        assert_eq!(repairs, [Repair::CheckpointRepublished], "{at}");
        assert_eq!(mem.read(&path("checkpoint")).unwrap(), note);
        check_healthy(log, &shared(&mem));
    }
}

#[test]
fn without_journal_and_checkpoint_tiles_are_no_log() {
    let mem = small(true);
    mem.remove(&path("journal")).unwrap();
    let copy = mem.copy();
    let (log, repairs) = open(&shared(&copy)).unwrap();
    assert_eq!(repairs, [Repair::JournalRebuilt { size: 6, kept: None }]);
    check_healthy(log, &shared(&copy));

    mem.remove(&path("checkpoint")).unwrap();
    let before = mem.files();
    assert!(matches!(open(&shared(&mem)), Err(Error::Missing(_))));
    assert!(matches!(create(&shared(&mem)), Err(Error::Exists(_))));
    assert_eq!(mem.files(), before);
}

#[test]
fn an_old_checkpoint_put_back_is_replaced_and_a_forked_one_is_refused() {
    let mem = MemDisk::new();
    let mut log = create(&shared(&mem)).unwrap();
    log.append(entries(0..300)).unwrap();
    let early = log.checkpoint().to_owned();
    log.append(big(300..600)).unwrap();
    log.close().unwrap();
    mem.write_atomic(&path("checkpoint"), early.as_bytes()).unwrap();
    let (log, repairs) = open(&shared(&mem)).unwrap();
    assert_eq!(repairs, [Repair::CheckpointRepublished]);
    check_healthy(log, &shared(&mem));

    for size in [300, 601] {
        let other = MemDisk::new();
        let mut log = create(&shared(&other)).unwrap();
        log.append(entries(1..size + 1)).unwrap();
        mem.write_atomic(&path("checkpoint"), log.checkpoint().as_bytes()).unwrap();
        let before = mem.files();
        let error = open(&shared(&mem)).err().unwrap();
        assert!(matches!(error, Error::Fork { .. }), "{error}");
        assert_eq!(mem.files(), before);
    }
}

/// Every way to spoil a file, by number; false when there are no more.
fn spoil(mem: &MemDisk, file: &Path, way: usize) -> bool {
    let mut bytes = mem.read(file).unwrap();
    let middle = bytes.len() / 2;
    match way {
        0 => bytes[middle] ^= 1,
        1 => bytes.clear(),
        2 => bytes.truncate(middle),
        3 => bytes.push(0),
        4 => {
            mem.remove(file).unwrap();
            return true;
        }
        _ => return false,
    }
    mem.write_atomic(file, &bytes).unwrap();
    true
}

#[test]
fn damaged_tiles_are_rebuilt_from_journal_and_entries_or_refused() {
    let original = rotated();
    // Partial tiles of the smaller size that was published first are nobody's any more.
    let stale = [path("tile/0/002.p/28"), path("tile/entries/002.p/28")];
    let tiles = original.files().into_keys();
    let tiles = tiles.filter(|file| file.starts_with(path("tile")) && !stale.contains(file));
    for file in tiles {
        for way in 0..5 {
            let mem = original.copy();
            assert!(spoil(&mem, &file, way));
            let case = format!("{} way {way}", file.display());
            let before = mem.files();
            // Entries before 512 are nowhere else.
            let only_copy = file == path("tile/entries/000") || file == path("tile/entries/001");
            assert!(published(&shared(&mem)).unwrap().verify_all().is_err(), "{case}");
            let quick = mem.copy();
            if let Ok((log, repairs)) = open(&shared(&quick)) {
                assert_eq!(log.size(), 600, "{case}");
                let edge = file == path("tile/1/000.p/2");
                assert_eq!(repairs.is_empty(), !edge, "{case}: the right edge is always checked");
            }
            match open_thoroughly(&shared(&mem)) {
                Ok((log, _)) => {
                    assert!(!only_copy, "{case}");
                    published(&shared(&mem)).unwrap().verify_all().unwrap();
                    check_healthy(log, &shared(&mem));
                }
                Err(error) => {
                    assert!(only_copy && matches!(error, Error::Lost(_)), "{case}: {error}");
                    assert_eq!(mem.files(), before, "{case}");
                }
            }
        }
    }
}

#[test]
fn damaged_entries_are_not_handed_out() {
    let mem = rotated();
    let bundle = path("tile/entries/000");
    let mut bytes = mem.read(&bundle).unwrap();
    bytes[10] ^= 1;
    mem.write_atomic(&bundle, &bytes).unwrap();
    let (log, _) = open(&shared(&mem)).unwrap();
    assert!(matches!(log.entries(0..1), Err(Error::Changed(_))));
    assert!(matches!(published(&shared(&mem)).unwrap().entries(0..1), Err(Error::Changed(_))));
    assert_eq!(log.entries(540..600).unwrap(), entries(540..600));
}
