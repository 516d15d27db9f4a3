//! Frames of the journal, one a batch:
//!
//! ```text
//!  0   4  magic 9C 50 4B 01 (never in UTF-8 text)
//!  4   4  length of the payload, big-endian
//!  8  32  SHA-256 of the payload
//! 40   4  first bytes of the SHA-256 of bytes 0 to 39
//! 44      payload: index of the first entry (8), number of entries (4), each entry after its length (2),
//!         then the signed checkpoint of the log after them, as a note
//! ```
//!
//! The header's own check tells a cut frame (the header holds, bytes are missing: a write that never
//! finished) from a damaged one.

use ids::Digest;
use std::ops::Range;

const MAGIC: [u8; 4] = [0x9C, b'P', b'K', 1];
const HEADER: usize = 44;
const PAYLOAD_MAX: usize = 64 << 20;
/// A torn write that kept the length of the file ends in zeros; a frame ends in base64.
const ZEROS_OF_A_TORN_WRITE: usize = 8;

/// One committed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Index of the first entry.
    pub first: u64,
    /// The entries.
    pub entries: Vec<Vec<u8>>,
    /// The signed checkpoint of the log up to and with them: a note, not verified by reading it.
    pub checkpoint: String,
}

impl Frame {
    /// Size of the log with this batch.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.first.saturating_add(self.entries.len() as u64)
    }
}

/// What follows is not a whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Torn,
    Damaged,
}

/// The bytes of a frame. `None` if an entry or the whole is too long.
pub(crate) fn encode(first: u64, entries: &[Vec<u8>], checkpoint: &str) -> Option<Vec<u8>> {
    let mut payload = first.to_be_bytes().to_vec();
    payload.extend_from_slice(&u32::try_from(entries.len()).ok()?.to_be_bytes());
    payload.extend_from_slice(&merkle::encode_entries(entries).ok()?);
    payload.extend_from_slice(checkpoint.as_bytes());
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= PAYLOAD_MAX)?;
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(Digest::of(&payload).as_bytes());
    let check = Digest::of(&frame);
    frame.extend_from_slice(&check.as_bytes()[..4]);
    frame.extend_from_slice(&payload);
    Some(frame)
}

/// Reads one frame and nothing after it. `None` for anything else.
#[must_use]
pub fn parse_frame(bytes: &[u8]) -> Option<Frame> {
    read(bytes).ok().filter(|(_, length)| *length == bytes.len()).map(|(frame, _)| frame)
}

fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn read(rest: &[u8]) -> Result<(Frame, usize), Flaw> {
    let Some((header, after)) = rest.split_first_chunk::<HEADER>() else {
        let begun = MAGIC.iter().zip(rest).all(|(magic, byte)| magic == byte) || all_zero(rest);
        return Err(if begun { Flaw::Torn } else { Flaw::Damaged });
    };
    let check = Digest::of(&header[..40]);
    if header[..4] != MAGIC || header[40..] != check.as_bytes()[..4] {
        // Less than a header arrived, although the file had grown already.
        return Err(if all_zero(&rest[HEADER - 1..]) { Flaw::Torn } else { Flaw::Damaged });
    }
    let length = header[4..8].iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length > PAYLOAD_MAX {
        return Err(Flaw::Damaged);
    }
    let payload = after.get(..length).ok_or(Flaw::Torn)?;
    if header[8..40] != *Digest::of(payload).as_bytes() {
        let end = payload.len().saturating_sub(ZEROS_OF_A_TORN_WRITE);
        let torn = after.len() == length && all_zero(&payload[end..]);
        return Err(if torn { Flaw::Torn } else { Flaw::Damaged });
    }
    let frame = read_payload(payload).ok_or(Flaw::Damaged)?;
    Ok((frame, HEADER + length))
}

fn read_payload(payload: &[u8]) -> Option<Frame> {
    let (first, rest) = payload.split_first_chunk::<8>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut entries = Vec::new();
    for _ in 0..u32::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        if entry.is_empty() {
            return None;
        }
        entries.push(entry.to_vec());
        rest = after;
    }
    let checkpoint = String::from_utf8(rest.to_vec()).ok()?;
    Some(Frame { first: u64::from_be_bytes(*first), entries, checkpoint })
}

/// What a journal holds: whole frames, damage between or after them, and a torn frame at the end.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) frames: Vec<(Range<usize>, Frame)>,
    pub(crate) damage: Vec<Range<usize>>,
    pub(crate) torn: Option<usize>,
}

/// Looks through a whole journal.
pub(crate) fn scan(journal: &[u8]) -> Scan {
    let mut scan = Scan::default();
    let mut at = 0;
    while at < journal.len() {
        match read(&journal[at..]) {
            Ok((frame, length)) => {
                scan.frames.push((at..at + length, frame));
                at += length;
            }
            Err(Flaw::Torn) => {
                scan.torn = Some(at);
                return scan;
            }
            Err(Flaw::Damaged) => {
                let next =
                    frame_starts(journal, at + 1).find(|next| read(&journal[*next..]).is_ok());
                let end = next.unwrap_or(journal.len());
                scan.damage.push(at..end);
                at = end;
            }
        }
    }
    scan
}

/// Whether the damage in `range` can only be that of one frame: no other begins in it.
pub(crate) fn is_single(journal: &[u8], range: &Range<usize>) -> bool {
    frame_starts(journal, range.start + 1).all(|start| start >= range.end)
}

fn frame_starts(journal: &[u8], from: usize) -> impl Iterator<Item = usize> {
    let rest = journal.get(from..).unwrap_or_default();
    let starts = rest.windows(MAGIC.len()).enumerate();
    starts.filter(|(_, window)| **window == MAGIC).map(move |(at, _)| from + at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn frame() -> Vec<u8> {
        encode(7, &[b"one".to_vec(), b"two".to_vec()], "note\n").unwrap()
    }

    #[test]
    fn a_cut_frame_is_torn_and_a_changed_one_is_damaged() {
        let frame = frame();
        assert_eq!(parse_frame(&frame).unwrap().end(), 9);
        for cut in 1..frame.len() {
            assert_eq!(read(&frame[..cut]).unwrap_err(), Flaw::Torn, "{cut}");
            let mut zeroed = frame.clone();
            zeroed[cut..].fill(0);
            if frame.len() - cut >= ZEROS_OF_A_TORN_WRITE {
                assert_eq!(read(&zeroed).unwrap_err(), Flaw::Torn, "{cut}");
            }
            assert_eq!(parse_frame(&zeroed), None);
        }
        for at in 0..frame.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = frame.clone();
                changed[at] ^= flip;
                assert_eq!(read(&changed).unwrap_err(), Flaw::Damaged, "{at}");
            }
        }
        assert_eq!(parse_frame(&[frame.as_slice(), b"x"].concat()), None);
    }

    #[test]
    fn frames_after_damage_are_found() {
        let one = frame();
        let mut journal = [one.clone(), one.clone(), one.clone()].concat();
        journal[one.len() + 50] ^= 1;
        let found = scan(&journal);
        assert_eq!((found.frames.len(), found.torn), (2, None));
        assert_eq!(found.damage, vec![one.len()..2 * one.len(); 1]);
        assert!(is_single(&journal, &found.damage[0]));
        journal[2 * one.len() + 50] ^= 1;
        let found = scan(&journal);
        assert_eq!(found.damage, vec![one.len()..3 * one.len(); 1]);
        assert!(!is_single(&journal, &found.damage[0]));
    }

    #[test]
    fn counts_that_lie_are_refused() {
        let mut payload = frame()[HEADER..].to_vec();
        payload[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(read_payload(&payload), None);
        assert_eq!(encode(0, &[vec![0; 65_536]], ""), None);
    }
}
