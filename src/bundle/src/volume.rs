//! One volume: a plain tar stream (POSIX ustar) that describes itself.
//!
//! Attacks on archives, and what stops each here: names that climb or collide (a member is one of
//! four kinds, its name is rebuilt and compared); links, devices, sparse files, long-name and pax
//! extensions (every header must be, byte for byte, the one that this module would write);
//! sizes that lie (bounded by kind, and digests decide later); trailing rubbish (after the two zero
//! blocks nothing is read).

use crate::Error;
use ids::Digest;
use serde::{Deserialize, Serialize};

/// The value of [`VolumeInfo::format`].
pub const FORMAT: &str = "patchkeep-volume-1";
/// Name of the first member of every volume.
pub const VOLUME_INFO_NAME: &str = "volume.json";
/// Largest `volume.json` in bytes.
pub const VOLUME_JSON_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Largest slice of the stream in bytes (1 GiB).
pub const SLICE_BYTES_MAX: u64 = 1 << 30;
/// Most volumes of one bundle.
pub const VOLUMES_MAX: u32 = 9_999;
/// Largest stream in bytes (1 EiB).
pub(crate) const STREAM_BYTES_MAX: u64 = 1 << 60;
/// Size of a tar block in bytes.
pub const BLOCK: usize = 512;

/// What a volume says about itself. It is not signed and decides nothing but what to read: every
/// byte that counts is covered by the bundle's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeInfo {
    /// [`FORMAT`].
    pub format: String,
    /// Digest of the bundle's `timestamp.json`.
    pub bundle: Digest,
    /// Sequence number of the bundle, for people.
    pub sequence: u64,
    /// Which volume this is, counted from 1.
    pub volume: u32,
    /// How many there are.
    pub volumes: u32,
    /// Length of the whole stream in bytes.
    pub stream_length: u64,
    /// The slices of the stream in this volume, in stream order, back to back.
    pub slices: Vec<Slice>,
}

/// One stretch of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Where in the stream it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes, at most [`SLICE_BYTES_MAX`].
    pub length: u64,
    /// Digest of its bytes, to tell which volume is damaged.
    pub sha256: Digest,
}

impl VolumeInfo {
    /// Reads `volume.json`.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] for a later format, or what breaks this one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let what = VOLUME_INFO_NAME;
        if bytes.len() as u64 > VOLUME_JSON_BYTES_MAX {
            return Err(Error::TooLarge { what: what.into(), limit: VOLUME_JSON_BYTES_MAX });
        }
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(Error::json(what))?;
        let format = value.get("format").and_then(serde_json::Value::as_str).unwrap_or_default();
        let number = format.strip_prefix("patchkeep-volume-").and_then(|n| n.parse().ok());
        match number {
            Some(1) if format == FORMAT => {}
            Some(found) if found > 1 => {
                return Err(Error::NewerSchema { what: what.into(), found, known: 1 });
            }
            _ => return Err(Error::rule(what, "is not that of a Patchkeep volume")),
        }
        let info: Self = serde_json::from_value(value).map_err(Error::json(what))?;
        info.check()?;
        Ok(info)
    }

    /// The bytes of `volume.json`.
    ///
    /// # Errors
    /// What breaks the format.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.check()?;
        serde_json::to_vec(self).map_err(Error::json(VOLUME_INFO_NAME))
    }

    fn check(&self) -> Result<(), Error> {
        let rule = |rule: &str| Err(Error::rule(VOLUME_INFO_NAME, rule));
        if self.volume == 0 || self.volume > self.volumes || self.volumes > VOLUMES_MAX {
            return rule("its number is not one of its volumes");
        }
        if self.stream_length > STREAM_BYTES_MAX {
            return rule("its stream is absurdly long");
        }
        let mut end = self.slices.first().map_or(0, |slice| slice.offset);
        for slice in &self.slices {
            let next = slice.offset.checked_add(slice.length);
            let fits = next.is_some_and(|next| next <= self.stream_length);
            if slice.offset != end || !fits || !(1..=SLICE_BYTES_MAX).contains(&slice.length) {
                return rule("its slices leave gaps, overlap or are too long");
            }
            end += slice.length;
        }
        Ok(())
    }
}

/// A member of a volume, by the kind that its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// `volume.json`.
    Info,
    /// `metadata/<name>`, with the name as in [`trust::is_metadata_name`].
    Metadata(String),
    /// `targets/<sha256>`: a target that is not a pack.
    Target(Digest),
    /// `packs/<offset>`: the slice of the stream that begins there.
    Slice(u64),
}

/// Name of the member that holds the slice at `offset`.
#[must_use]
pub fn slice_name(offset: u64) -> String {
    format!("packs/{offset:020}")
}

impl Member {
    fn name(&self) -> String {
        match self {
            Self::Info => VOLUME_INFO_NAME.to_owned(),
            Self::Metadata(name) => format!("metadata/{name}"),
            Self::Target(sha256) => format!("targets/{sha256}"),
            Self::Slice(offset) => slice_name(*offset),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        if name == VOLUME_INFO_NAME {
            return Some(Self::Info);
        }
        match name.split_once('/')? {
            ("metadata", file) if trust::is_metadata_name(file) => {
                Some(Self::Metadata(file.to_owned()))
            }
            ("targets", sha256) => sha256.parse().ok().map(Self::Target),
            ("packs", offset) => {
                let offset: u64 = offset.parse().ok()?;
                (slice_name(offset) == name).then_some(Self::Slice(offset))
            }
            _ => None,
        }
    }

    fn bytes_max(&self) -> u64 {
        match self {
            Self::Info => VOLUME_JSON_BYTES_MAX,
            Self::Metadata(name) => trust::metadata_bytes_max(name).unwrap_or(0) as u64,
            Self::Target(_) => crate::COMPRESSED_BYTES_MAX,
            Self::Slice(_) => SLICE_BYTES_MAX,
        }
    }
}

/// Length of a member's bytes on tar's grid of blocks.
#[must_use]
pub const fn padded(length: u64) -> u64 {
    length.next_multiple_of(BLOCK as u64)
}

/// The header block of a member of `length` bytes: ustar, a plain file, mode 0644, owner 0, time 0.
#[must_use]
pub fn member_header(member: &Member, length: u64) -> [u8; BLOCK] {
    let mut header = tar::Header::new_ustar();
    // No name of ours is longer than the field; if one were, parsing would refuse it loudly.
    let name = member.name();
    for (to, from) in header.as_old_mut().name.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(length);
    header.set_cksum();
    *header.as_bytes()
}

/// Reads a header block; `None` for the zero block that ends an archive.
///
/// # Errors
/// [`Error::Rule`] for anything but the very header that [`member_header`] writes,
/// [`Error::TooLarge`] for a length beyond its kind's limit.
pub fn parse_member(block: &[u8; BLOCK]) -> Result<Option<(Member, u64)>, Error> {
    if block.iter().all(|b| *b == 0) {
        return Ok(None);
    }
    let odd = || Error::rule("the volume", "has a member that a volume cannot have");
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes().copy_from_slice(block);
    let raw = &header.as_old().name;
    let name = raw.split(|b| *b == 0).next().and_then(|name| std::str::from_utf8(name).ok());
    let member = name.and_then(Member::from_name).ok_or_else(odd)?;
    let length = header.size().map_err(|_| odd())?;
    if length > member.bytes_max() {
        return Err(Error::TooLarge { what: member.name(), limit: member.bytes_max() });
    }
    if member_header(&member, length) != *block {
        return Err(odd());
    }
    Ok(Some((member, length)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_header_is_read_as_written_and_no_other_is() {
        let long = format!("18446744073709551.{}.json", "a".repeat(63));
        for member in [
            Member::Info,
            Member::Metadata("timestamp.json".into()),
            Member::Metadata(long),
            Member::Target(Digest::of(b"x")),
            Member::Slice(12_345),
        ] {
            let block = member_header(&member, 1_000);
            assert_eq!(parse_member(&block).unwrap(), Some((member.clone(), 1_000)));
            for at in 0..BLOCK {
                let mut bad = block;
                bad[at] ^= 0x20;
                assert!(parse_member(&bad).is_err(), "{member:?} byte {at}");
            }
        }
        assert_eq!(parse_member(&[0; BLOCK]).unwrap(), None);
    }

    #[test]
    fn names_links_and_sizes_of_attackers_are_refused() {
        let with = |name: &str, kind: tar::EntryType, size: u64| {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(size);
            header.set_cksum();
            parse_member(header.as_bytes())
        };
        let file = tar::EntryType::Regular;
        assert!(with("metadata/timestamp.json", file, 100).is_ok());
        for name in [
            "../etc/passwd",
            "/metadata/timestamp.json",
            "metadata/../x",
            "packs/1",
            "targets/x",
            "volume.json/",
            "./volume.json",
            "metadata/1.a/b.json",
            "readme.txt",
        ] {
            assert!(with(name, file, 100).is_err(), "{name}");
        }
        for kind in [
            tar::EntryType::Symlink,
            tar::EntryType::Link,
            tar::EntryType::Directory,
            tar::EntryType::Fifo,
            tar::EntryType::Char,
            tar::EntryType::GNULongName,
            tar::EntryType::XHeader,
            tar::EntryType::GNUSparse,
        ] {
            assert!(with("metadata/timestamp.json", kind, 100).is_err(), "{kind:?}");
        }
        let endless = with("metadata/timestamp.json", file, 1 << 40);
        assert!(matches!(endless, Err(Error::TooLarge { .. })));
    }
}
