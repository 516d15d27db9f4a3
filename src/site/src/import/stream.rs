//! From the medium straight into the store: each byte is read once and hashed on its way.

use super::{Figures, outcome::Stop, plan::Plan};
use crate::progress::{Progress, Report};
use bundle::Piece;
use ids::Digest;
use media::{Medium, Stretch};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};
use store::Incoming;
use trust::Offered;

/// Bytes between two reports of progress.
const REPORT_EVERY: u64 = 8 << 20;

/// Keeps the publisher's metadata and the catalogues; returns the digest of the list of metadata
/// files (a JSON object, name to SHA-256), which is kept too.
pub(super) fn keep_metadata(
    offered: &Offered,
    plan: &Plan,
    incoming: &Incoming,
) -> Result<Digest, Stop> {
    let keep = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        let mut from = bytes;
        incoming.write(&digest, bytes.len() as u64, &mut from).map_err(Stop::store)?;
        Ok::<Digest, Stop>(digest)
    };
    let mut list = BTreeMap::new();
    for name in &plan.metadata {
        if let Some(bytes) = offered.file(name) {
            list.insert(name.clone(), keep(bytes)?);
        }
    }
    for (_, bytes) in &plan.keep {
        keep(bytes)?;
    }
    let list = serde_json::to_vec(&list).map_err(crate::Error::State)?;
    keep(&list)
}

/// How many payloads are read, hashed and written at the same time.
const WORKERS: usize = 2;

/// Streams the medium's payloads into `incoming`; only `wanted` ones where it is given.
pub(super) fn run(
    medium: &Medium,
    plan: &Plan,
    incoming: &Incoming,
    wanted: Option<&HashSet<Digest>>,
    figures: &mut Figures,
    report: Report<'_>,
) -> Result<(), Stop> {
    let total = plan.layout.stream_length();
    let (next, bytes, cut) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::new(()));
    let work = Work { plan, incoming, wanted, next, bytes, cut };
    let begin = || medium.stretches(&plan.layout).map_err(Stop::medium);
    let (first, others) = (begin()?, (1..WORKERS).map(|_| begin()).collect::<Result<Vec<_>, _>>()?);
    let files = thread::scope(|scope| {
        let others: Vec<_> = others
            .into_iter()
            .map(|stretches| scope.spawn(|| work.run(stretches, &mut |_| ())))
            .collect();
        let mut reported = 0;
        let mut files = work.run(first, &mut |bytes| {
            if bytes - reported >= REPORT_EVERY {
                reported = bytes;
                report(Progress::bytes("reading payloads", bytes, total));
            }
        });
        for other in others {
            let done = other.join().unwrap_or_else(|_| Err(Stop::Failed(crate::Error::Stopped)));
            files = files.and_then(|files| Ok(files + done?));
        }
        files
    })?;
    figures.files_read = files;
    figures.bytes_read = work.bytes.load(Ordering::Relaxed);
    report(Progress::bytes("reading payloads", figures.bytes_read, total));
    Ok(())
}

/// What the workers share. Each walks all pieces in stream order and takes the next free one, so
/// that together they still read the medium from front to back.
struct Work<'a> {
    plan: &'a Plan,
    incoming: &'a Incoming,
    wanted: Option<&'a HashSet<Digest>>,
    next: AtomicUsize,
    bytes: AtomicU64,
    /// Held while part of a payload is written: two parts of one payload lie side by side in the
    /// stream, and the store takes them one after the other only.
    cut: Mutex<()>,
}

impl Work<'_> {
    /// Takes pieces until there are no more; returns how many whole payloads passed by.
    fn run(&self, stretches: Vec<Stretch>, tell: &mut dyn FnMut(u64)) -> Result<u64, Stop> {
        let mut files = 0;
        let mut mine = self.next.fetch_add(1, Ordering::Relaxed);
        let mut index = 0;
        for mut stretch in stretches {
            for piece in self.plan.layout.pieces(stretch.offset, stretch.length) {
                if index == mine {
                    let written = self.take(&piece, &mut stretch);
                    mine = self.next.fetch_add(1, Ordering::Relaxed);
                    if written.is_err() {
                        // Nobody begins another one.
                        self.next.store(usize::MAX / 2, Ordering::Relaxed);
                    }
                    written.map_err(Stop::store)?;
                    files += u64::from(piece.is_whole());
                    tell(self.bytes.fetch_add(piece.length, Ordering::Relaxed) + piece.length);
                } else {
                    stretch.skip(piece.length);
                }
                index += 1;
            }
        }
        Ok(files)
    }

    fn take(&self, piece: &Piece, stretch: &mut Stretch) -> Result<(), store::Error> {
        let Piece { sha256, payload_length: whole, at, length } = *piece;
        let wants = self.wanted.is_none_or(|wanted| wanted.contains(&sha256));
        if !wants || self.incoming.already(&sha256) {
            stretch.skip(length);
            return Ok(());
        }
        let before = stretch.remaining();
        let written = if piece.is_whole() {
            self.incoming.write(&sha256, length, stretch)
        } else {
            let _one = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
            self.incoming.write_range(&sha256, whole, at, length, stretch).map(drop)
        };
        match written {
            // Two sources may carry the same payload: the other worker has it in hand.
            Err(store::Error::Busy { .. }) => {
                stretch.skip(length - (before - stretch.remaining()));
                Ok(())
            }
            other => other,
        }
    }
}
