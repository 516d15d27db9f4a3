//! The payload index of a source: every payload by digest, and where in the packs it lies.

use crate::info::check_schema;
use crate::{Error, PACK_BYTES_TARGET, PAYLOAD_BYTES_MAX, SCHEMA, compress, decompress};
use ids::{Digest, SourceId};
use serde::{Deserialize, Serialize};

/// Largest index in bytes, decompressed.
pub const INDEX_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Most payloads of one source.
pub const INDEX_ENTRIES_MAX: usize = 2_000_000;

/// The payloads of one source: all that its catalogue names, whether carried here or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadIndex {
    /// Which source.
    pub source: SourceId,
    /// Sorted by digest, none twice.
    pub entries: Vec<Entry>,
}

/// One payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Length in bytes.
    pub length: u64,
    /// Where it lies; `None` when this bundle does not carry it.
    #[serde(flatten)]
    pub place: Option<Place>,
}

/// A place in a source's packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Number of the pack, counted from 1.
    pub pack: u32,
    /// Where in the pack it begins, in bytes.
    pub offset: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    schema: u32,
    source: SourceId,
}

#[derive(Deserialize)]
struct Line {
    sha256: Digest,
    length: u64,
    pack: Option<u32>,
    offset: Option<u64>,
}

/// Gives each payload that is carried its place: in the order given, back to back; a new pack when
/// the next payload would make the current one larger than [`PACK_BYTES_TARGET`].
pub fn place<'a>(carried: impl Iterator<Item = &'a mut Entry>) {
    let mut at = Place { pack: 1, offset: 0 };
    for entry in carried {
        if at.offset > 0 && at.offset + entry.length > PACK_BYTES_TARGET {
            at = Place { pack: at.pack + 1, offset: 0 };
        }
        entry.place = Some(at);
        at.offset += entry.length;
    }
}

impl PayloadIndex {
    /// Reads the index of `source` from the bytes of its target.
    ///
    /// # Errors
    /// [`Error::NewerSchema`], or what breaks the format: another source's index, entries out of
    /// order, packs with gaps or overlaps.
    pub fn decode(source: &SourceId, bytes: &[u8]) -> Result<Self, Error> {
        let what = format!("the payload index of {source}");
        let plain = decompress(&what, bytes, INDEX_BYTES_MAX)?;
        let Some(body) = plain.strip_suffix(b"\n") else {
            return Err(Error::rule(&what, "does not end with a line"));
        };
        let mut lines = body.split(|b| *b == b'\n');
        let head: serde_json::Value =
            serde_json::from_slice(lines.next().unwrap_or_default()).map_err(Error::json(&what))?;
        check_schema(&what, &head)?;
        let head: Head = serde_json::from_value(head).map_err(Error::json(&what))?;
        if head.source != *source {
            return Err(Error::rule(&what, format!("is that of source {}", head.source)));
        }
        let mut index = Self { source: head.source, entries: Vec::new() };
        for line in lines {
            if index.entries.len() >= INDEX_ENTRIES_MAX {
                return Err(Error::TooLarge { what, limit: INDEX_ENTRIES_MAX as u64 });
            }
            let line: Line = serde_json::from_slice(line).map_err(Error::json(&what))?;
            let place = match (line.pack, line.offset) {
                (Some(pack), Some(offset)) => Some(Place { pack, offset }),
                (None, None) => None,
                _ => return Err(Error::rule(&what, "a pack without an offset, or the reverse")),
            };
            index.entries.push(Entry { sha256: line.sha256, length: line.length, place });
        }
        index.check(&what)?;
        Ok(index)
    }

    /// The bytes of the index's target.
    ///
    /// # Errors
    /// What breaks the format: nothing is written that cannot be read.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let what = format!("the payload index of {}", self.source);
        self.check(&what)?;
        let mut plain = Vec::new();
        let mut line = |value: serde_json::Result<Vec<u8>>| -> Result<(), Error> {
            plain.extend(value.map_err(Error::json(&what))?);
            plain.push(b'\n');
            Ok(())
        };
        line(serde_json::to_vec(&Head { schema: SCHEMA, source: self.source.clone() }))?;
        for entry in &self.entries {
            line(serde_json::to_vec(entry))?;
        }
        compress(&what, &plain)
    }

    /// Length of each pack, in order; empty when nothing is carried.
    #[must_use]
    pub fn pack_lengths(&self) -> Vec<u64> {
        let mut lengths = Vec::new();
        for (entry, place) in self.carried() {
            lengths.resize(place.pack as usize, 0);
            if let Some(last) = lengths.last_mut() {
                *last = place.offset + entry.length;
            }
        }
        lengths
    }

    /// The payloads that this bundle carries, in pack order.
    pub fn carried(&self) -> impl Iterator<Item = (&Entry, Place)> {
        self.entries.iter().filter_map(|entry| entry.place.map(|place| (entry, place)))
    }

    /// The entry of a payload.
    #[must_use]
    pub fn get(&self, sha256: &Digest) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| entry.sha256.cmp(sha256)).ok()?;
        self.entries.get(found)
    }

    fn check(&self, what: &str) -> Result<(), Error> {
        if self.entries.len() > INDEX_ENTRIES_MAX {
            return Err(Error::TooLarge { what: what.into(), limit: INDEX_ENTRIES_MAX as u64 });
        }
        if self.entries.array_windows().any(|[a, b]| a.sha256 >= b.sha256) {
            return Err(Error::rule(what, "payloads are out of order or repeated"));
        }
        if self.entries.iter().any(|entry| entry.length > PAYLOAD_BYTES_MAX) {
            return Err(Error::TooLarge { what: what.into(), limit: PAYLOAD_BYTES_MAX });
        }
        let mut end = Place { pack: 0, offset: 0 };
        for (entry, place) in self.carried() {
            let goes_on = place == end && place.pack > 0;
            let opens = place == Place { pack: end.pack + 1, offset: 0 };
            if !goes_on && !opens {
                let rule = format!("payload {} leaves a gap or an overlap", entry.sha256);
                return Err(Error::rule(what, rule));
            }
            end = Place { pack: place.pack, offset: place.offset + entry.length };
        }
        Ok(())
    }
}
