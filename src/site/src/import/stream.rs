//! From the medium straight into the store: each byte is read once and hashed on its way.

use super::{Figures, outcome::Stop, plan::Plan};
use crate::progress::{Progress, Report};
use ids::Digest;
use media::Medium;
use std::collections::{BTreeMap, HashSet};
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

/// Streams every slice of the medium into `incoming`; only `wanted` payloads where it is given.
pub(super) fn run(
    medium: &Medium,
    plan: &Plan,
    incoming: &Incoming,
    wanted: Option<&HashSet<Digest>>,
    figures: &mut Figures,
    report: Report<'_>,
) -> Result<(), Stop> {
    let total = plan.layout.stream_length();
    let mut reported = 0;
    for mut stretch in medium.stretches(&plan.layout).map_err(Stop::medium)? {
        for piece in plan.layout.pieces(stretch.offset, stretch.length) {
            let wants = wanted.is_none_or(|wanted| wanted.contains(&piece.sha256));
            let written = if !wants || incoming.already(&piece.sha256) {
                stretch.skip(piece.length);
                Ok(())
            } else if piece.is_whole() {
                incoming.write(&piece.sha256, piece.length, &mut stretch)
            } else {
                let (whole, at) = (piece.payload_length, piece.at);
                incoming.write_range(&piece.sha256, whole, at, piece.length, &mut stretch).map(drop)
            };
            written.map_err(Stop::store)?;
            figures.files_read += u64::from(piece.is_whole());
            figures.bytes_read += piece.length;
            if figures.bytes_read - reported >= REPORT_EVERY {
                reported = figures.bytes_read;
                report(Progress::bytes("reading payloads", reported, total));
            }
        }
    }
    report(Progress::bytes("reading payloads", figures.bytes_read, total));
    Ok(())
}
