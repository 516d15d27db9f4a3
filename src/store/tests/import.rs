//! What an import can and cannot put into the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::single_range_in_vec_init)]

use durable::RealDisk;
use ids::{Digest, Fault, RecordId};
use std::{io, sync::Arc};
use store::{Error, Incoming, Progress, Store, Total};
use tempfile::TempDir;

fn record() -> RecordId {
    "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap()
}

fn store() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(Arc::new(RealDisk), dir.path()).unwrap();
    (dir, store)
}

fn payload(seed: u8, length: usize) -> (Digest, Vec<u8>) {
    let bytes: Vec<u8> = (0..length).map(|i| seed.wrapping_add((i % 251) as u8)).collect();
    (Digest::of(&bytes), bytes)
}

fn write(incoming: &Incoming, (digest, bytes): &(Digest, Vec<u8>)) -> Result<(), Error> {
    incoming.write(digest, bytes.len() as u64, &mut bytes.as_slice())
}

fn leftovers(dir: &TempDir) -> usize {
    let dir = dir.path().join("incoming").join(record().as_str());
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

#[test]
fn an_import_enters_the_store_as_a_whole() {
    let (dir, store) = store();
    let payloads = [payload(1, 0), payload(2, 5), payload(3, 1_000_000)];
    let incoming = store.begin(&record(), 0).unwrap();
    for payload in &payloads {
        write(&incoming, payload).unwrap();
        assert!(incoming.already(&payload.0));
        assert!(!store.has(&payload.0), "visible before the promotion");
    }
    assert_eq!(store.unfinished().unwrap(), [record()]);
    assert_eq!(incoming.promote().unwrap().bytes, 1_000_005);
    assert_eq!(store.unfinished().unwrap(), []);
    assert_eq!(store.total().unwrap(), Total { payloads: 3, bytes: 1_000_005 });
    for (digest, bytes) in &payloads {
        assert_eq!(&store.read(digest, u64::MAX).unwrap(), bytes);
        let (mut file, length) = store.open_payload(digest).unwrap();
        let mut read = Vec::new();
        io::Read::read_to_end(&mut file, &mut read).unwrap();
        assert_eq!((length, &read), (bytes.len() as u64, bytes));
        let hex = digest.to_hex();
        assert!(dir.path().join("payloads").join(&hex[..2]).join(&hex[2..]).is_file());
    }
    let mut listed = payloads.map(|(digest, _)| digest);
    listed.sort_unstable();
    assert_eq!(store.list().unwrap(), listed);
}

#[test]
fn what_is_kept_already_is_no_harm_and_not_counted() {
    let (_dir, store) = store();
    let (kept, new) = (payload(1, 1000), payload(2, 1000));
    let incoming = store.begin(&record(), 0).unwrap();
    write(&incoming, &kept).unwrap();
    incoming.promote().unwrap();
    let incoming = store.begin(&record(), 0).unwrap();
    assert!(incoming.already(&kept.0));
    write(&incoming, &kept).unwrap();
    let again = incoming.write_range(&kept.0, 1000, 0, 10, &mut &kept.1[..10]).unwrap();
    assert_eq!(again, Progress::Whole);
    write(&incoming, &new).unwrap();
    assert_eq!(incoming.promote().unwrap().payloads, 1);
    assert_eq!(store.total().unwrap().payloads, 2);
}

#[test]
fn other_bytes_never_get_the_name() {
    let (dir, store) = store();
    let incoming = store.begin(&record(), 0).unwrap();
    let (digest, bytes) = payload(7, 300_000);
    let length = bytes.len() as u64;
    let mut flipped = bytes.clone();
    flipped[299_999] ^= 1;
    let mut longer = bytes.clone();
    longer.push(0);

    let wrong = incoming.write(&digest, length, &mut flipped.as_slice()).unwrap_err();
    assert!(matches!(wrong, Error::Mismatch { .. }) && wrong.fault() == Fault::Input, "{wrong}");
    let short = incoming.write(&digest, length, &mut &bytes[1..]).unwrap_err();
    assert!(matches!(short, Error::Short { got: 299_999, .. }), "{short}");
    let pulled = incoming.write(&digest, length, &mut Pulled(&bytes[..70_000])).unwrap_err();
    assert!(matches!(pulled, Error::Source { .. }) && pulled.fault() == Fault::Unavailable);
    assert!(!incoming.already(&digest));
    assert_eq!(leftovers(&dir), 0);

    let mut rest = longer.as_slice();
    incoming.write(&digest, length, &mut rest).unwrap();
    assert_eq!(rest, [0], "read more than the payload");
    incoming.write(&digest, length, &mut bytes.as_slice()).expect("again is no harm");
    let wrong = incoming.write(&digest, length, &mut flipped.as_slice()).unwrap_err();
    assert!(matches!(wrong, Error::Mismatch { .. }));
    incoming.promote().unwrap();
    store.check(&digest).unwrap();
}

/// A medium that is pulled while it is read.
struct Pulled<'a>(&'a [u8]);

impl io::Read for Pulled<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self.0.read(to)? {
            0 => Err(io::Error::other("the medium is gone")),
            n => Ok(n),
        }
    }
}

#[test]
fn parts_come_in_any_order_and_more_than_once() {
    let (digest, bytes) = payload(9, 700_000);
    let total = bytes.len() as u64;
    let orders: &[&[(usize, usize)]] = &[
        &[(0, 700_000)],
        &[(600_000, 700_000), (0, 10), (10, 600_000)],
        &[(10, 20), (0, 30), (5, 699_999), (5, 699_999), (699_000, 700_000)],
    ];
    for order in orders {
        let (dir, store) = store();
        let incoming = store.begin(&record(), 0).unwrap();
        for (i, &(from, to)) in order.iter().enumerate() {
            let mut part = &bytes[from..to];
            let length = (to - from) as u64;
            let progress =
                incoming.write_range(&digest, total, from as u64, length, &mut part).unwrap();
            assert!(part.is_empty(), "a part is read whole");
            assert_eq!(progress == Progress::Whole, i + 1 == order.len(), "{order:?} at {i}");
            assert_eq!(progress == Progress::Whole, incoming.already(&digest));
        }
        assert_eq!(leftovers(&dir), 1, "parts stayed behind");
        incoming.promote().unwrap();
        assert_eq!(store.read(&digest, total).unwrap(), bytes);
    }
}

#[test]
fn a_wrong_part_is_found_out_and_all_parts_go() {
    let (dir, store) = store();
    let incoming = store.begin(&record(), 0).unwrap();
    let (digest, bytes) = payload(4, 1000);
    let part = |from: usize, to: usize, bytes: &[u8]| {
        incoming.write_range(&digest, 1000, from as u64, (to - from) as u64, &mut &bytes[from..to])
    };
    let mut flipped = bytes.clone();
    flipped[3] ^= 1;
    assert_eq!(part(0, 500, &flipped).unwrap(), Progress::Missing(vec![500..1000]));
    assert!(matches!(part(500, 1000, &bytes).unwrap_err(), Error::Mismatch { .. }));
    assert_eq!((incoming.missing(&digest, 1000), leftovers(&dir)), (vec![0..1000], 0));
    part(500, 1000, &bytes).unwrap();
    assert_eq!(part(0, 500, &bytes).unwrap(), Progress::Whole);
    for (offset, length) in [(0, 1001), (1000, 1), (u64::MAX, 1), (1, u64::MAX)] {
        let bad = incoming.write_range(&digest, 1000, offset, length, &mut io::empty());
        assert!(matches!(bad.unwrap_err(), Error::OutOfRange { .. }), "{offset} {length}");
    }
}

#[test]
fn an_import_resumes_with_what_is_whole() {
    let (dir, store) = store();
    let (whole, half) = (payload(1, 5000), payload(2, 5000));
    let incoming = store.begin(&record(), 0).unwrap();
    write(&incoming, &whole).unwrap();
    incoming.write_range(&half.0, 5000, 4000, 1000, &mut &half.1[4000..]).unwrap();
    drop(incoming);
    let folder = dir.path().join("incoming").join(record().as_str());
    let torn = payload(3, 5000);
    std::fs::write(folder.join(torn.0.to_hex()), &torn.1[..4999]).unwrap();
    std::fs::write(folder.join(format!("{}.0-100", half.0)), b"short").unwrap();
    std::fs::write(folder.join("rubbish"), b"").unwrap();

    let incoming = store.begin(&record(), 0).unwrap();
    assert!(incoming.already(&whole.0) && !incoming.already(&torn.0));
    assert_eq!(incoming.missing(&half.0, 5000), [0..4000]);
    assert_eq!(leftovers(&dir), 2);
    write(&incoming, &torn).unwrap();
    incoming.write_range(&half.0, 5000, 0, 4000, &mut &half.1[..4000]).unwrap();
    assert_eq!(incoming.promote().unwrap().payloads, 3);
    assert_eq!(store.total().unwrap().bytes, 15_000);
}

#[test]
fn space_that_is_kept_free_is_never_used() {
    let (_dir, store) = store();
    let available = store.available().unwrap();
    let incoming = store.begin(&record(), available).unwrap();
    let refused = write(&incoming, &payload(1, 1 << 20)).unwrap_err();
    assert!(matches!(refused, Error::NoRoom { .. }), "{refused}");
    assert_eq!(refused.fault(), Fault::Unavailable);
}

#[test]
fn abandoned_and_removed_payloads_are_gone() {
    let (dir, store) = store();
    let (kept, other) = (payload(1, 10), payload(2, 10));
    let incoming = store.begin(&record(), 0).unwrap();
    write(&incoming, &kept).unwrap();
    incoming.promote().unwrap();
    let incoming = store.begin(&record(), 0).unwrap();
    write(&incoming, &other).unwrap();
    incoming.abandon().unwrap();
    assert_eq!(store.list().unwrap(), [kept.0]);
    assert_eq!(store.unfinished().unwrap(), []);
    assert!(matches!(store.open_payload(&other.0).unwrap_err(), Error::Absent { .. }));
    let removed = store.remove(&[kept.0, other.0]).unwrap();
    assert_eq!(removed, Total { payloads: 1, bytes: 10 });
    assert!(!store.has(&kept.0));
    drop(dir);
}

#[test]
fn a_payload_that_the_disk_changed_is_not_handed_out() {
    let (dir, store) = store();
    let good = payload(1, 100);
    let incoming = store.begin(&record(), 0).unwrap();
    write(&incoming, &good).unwrap();
    incoming.promote().unwrap();
    assert!(matches!(store.read(&good.0, 99).unwrap_err(), Error::TooLong { .. }));
    let hex = good.0.to_hex();
    let path = dir.path().join("payloads").join(&hex[..2]).join(&hex[2..]);
    std::fs::write(path, b"rot").unwrap();
    for error in [store.read(&good.0, 100).unwrap_err(), store.check(&good.0).unwrap_err()] {
        assert!(matches!(error, Error::Damaged { .. }) && error.fault() == Fault::Broken);
    }
}
