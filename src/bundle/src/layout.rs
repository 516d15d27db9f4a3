//! Where every payload lies in the one stream of packs, whatever volumes it was cut into.

use crate::volume::STREAM_BYTES_MAX;
use crate::{Error, INFO_NAME, Info, PayloadIndex};
use ids::{Digest, SourceId};
use trust::{Repository, TargetFile, Verified};

/// The map of a bundle's stream: all packs in the order of `bundle.json`, concatenated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    packs: Vec<PackSpan>,
    payloads: Vec<Placed>,
}

/// One pack's part of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackSpan {
    /// The source that it belongs to.
    pub source: SourceId,
    /// Its target name.
    pub name: String,
    /// What the source's role vouches for.
    pub file: TargetFile,
    /// Where in the stream it begins.
    pub offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Placed {
    sha256: Digest,
    offset: u64,
    length: u64,
}

/// A part of one payload that lies in one stretch of the stream; the whole payload where no volume
/// was cut inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The payload's digest.
    pub sha256: Digest,
    /// The payload's whole length.
    pub payload_length: u64,
    /// Where in the payload the piece begins.
    pub at: u64,
    /// Length of the piece.
    pub length: u64,
}

impl Piece {
    /// Whether the piece is all of its payload.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.length == self.payload_length
    }
}

impl Layout {
    /// Maps the stream of a judged bundle from its `bundle.json` and its sources' payload indexes
    /// (in the order of `info.sources`).
    ///
    /// # Errors
    /// [`Error::Rule`] when the three do not say the same.
    pub fn new(
        repository: &Verified<Repository>,
        info: &Info,
        indexes: &[PayloadIndex],
    ) -> Result<Self, Error> {
        let rule = |rule: String| Error::rule(INFO_NAME, rule);
        if info.sequence != repository.sequence {
            return Err(rule(format!("sequence {} is not the timestamp's", info.sequence)));
        }
        if !info.sources.iter().map(|s| &s.source).eq(indexes.iter().map(|i| &i.source)) {
            return Err(rule("the payload indexes are not those of its sources".into()));
        }
        let mut layout = Self { packs: Vec::new(), payloads: Vec::new() };
        for (entry, index) in info.sources.iter().zip(indexes) {
            let source = &entry.source;
            if !repository.sources.contains_key(source) {
                return Err(rule(format!("no role vouches for source {source}")));
            }
            let lengths = index.pack_lengths();
            if lengths.len() != entry.packs.len() {
                return Err(rule(format!("the packs of {source} are not those of its index")));
            }
            let first = layout.packs.len();
            for (name, length) in entry.packs.iter().zip(lengths) {
                let file = repository.target(name).copied();
                let Some(file) = file.filter(|file| file.length == length) else {
                    return Err(rule(format!("{name} has another length than its index says")));
                };
                let offset = layout.stream_length();
                if offset.saturating_add(length) > STREAM_BYTES_MAX {
                    return Err(rule("its packs are absurdly long".into()));
                }
                layout.packs.push(PackSpan {
                    source: source.clone(),
                    name: name.clone(),
                    file,
                    offset,
                });
            }
            let packs = layout.packs.get(first..).unwrap_or_default();
            layout.payloads.extend(index.carried().filter_map(|(entry, place)| {
                let pack = packs.get(place.pack.checked_sub(1)? as usize)?;
                let offset = pack.offset + place.offset;
                Some(Placed { sha256: entry.sha256, offset, length: entry.length })
            }));
        }
        Ok(layout)
    }

    /// The packs in stream order.
    #[must_use]
    pub fn packs(&self) -> &[PackSpan] {
        &self.packs
    }

    /// Length of the stream in bytes.
    #[must_use]
    pub fn stream_length(&self) -> u64 {
        self.packs.last().map_or(0, |pack| pack.offset + pack.file.length)
    }

    /// Number of payloads that are carried; one carried for two sources counts twice.
    #[must_use]
    pub const fn payload_count(&self) -> usize {
        self.payloads.len()
    }

    /// The payloads, whole or cut, that lie in the stretch of `length` bytes at `offset`, in stream
    /// order: reading their lengths one after the other reads exactly the stretch.
    pub fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = Piece> + '_ {
        let end = offset.saturating_add(length);
        let first = self.payloads.partition_point(|p| {
            p.offset + p.length < offset || (p.length > 0 && p.offset + p.length == offset)
        });
        let rest = self.payloads.get(first..).unwrap_or_default();
        // An empty payload at the very end lies in no stretch's bytes; the last stretch gives it.
        let last = end == self.stream_length();
        let within = move |p: &&Placed| p.offset < end || (last && p.length == 0);
        rest.iter().take_while(within).map(move |p| {
            let from = p.offset.max(offset);
            let to = (p.offset + p.length).min(end);
            Piece {
                sha256: p.sha256,
                payload_length: p.length,
                at: from - p.offset,
                length: to - from,
            }
        })
    }
}
