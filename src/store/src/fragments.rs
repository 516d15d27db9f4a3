//! Which bytes of a payload have come, when its parts come from several volumes in any order.

use ids::Digest;
use std::{collections::BTreeMap, ops::Range};

/// The parts of one payload: never overlapping, by first byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts(BTreeMap<u64, u64>);

impl Parts {
    /// Takes in a part; `false` when it is empty or overlaps one that is there.
    pub(crate) fn add(&mut self, part: Range<u64>) -> bool {
        let free = self.missing(part.clone()) == [part.clone()];
        if free {
            self.0.insert(part.start, part.end);
        }
        free
    }

    /// What of `wanted` has not come, in order.
    pub(crate) fn missing(&self, wanted: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = wanted.start;
        for (&start, &end) in &self.0 {
            if start >= wanted.end {
                break;
            }
            if start > at {
                missing.push(at..start);
            }
            at = at.max(end);
        }
        if at < wanted.end {
            missing.push(at..wanted.end);
        }
        missing
    }

    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(&start, &end)| start..end)
    }
}

/// The file name of a part.
pub(crate) fn part_name(digest: &Digest, part: &Range<u64>) -> String {
    format!("{digest}.{}-{}", part.start, part.end)
}

/// The part that a file name says, when it is one that [`part_name`] writes.
pub(crate) fn parse_part_name(name: &str) -> Option<(Digest, Range<u64>)> {
    let (digest, part) = name.split_once('.')?;
    let (start, end) = part.split_once('-')?;
    let digest = digest.parse().ok()?;
    let part = start.parse().ok()?..end.parse().ok()?;
    (part.start < part.end && part_name(&digest, &part) == name).then_some((digest, part))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init)]
    use super::*;

    #[test]
    fn knows_what_is_missing() {
        let mut parts = Parts::default();
        assert_eq!(parts.missing(0..10), [0..10]);
        assert!(parts.add(4..6));
        assert!(parts.add(8..10));
        for overlapping in [5..7, 4..6, 0..5, 9..12, 3..9, 6..6] {
            assert!(!parts.add(overlapping.clone()), "{overlapping:?}");
        }
        assert_eq!(parts.missing(0..12), [0..4, 6..8, 10..12]);
        assert_eq!(parts.missing(5..9), [6..8]);
        assert_eq!(parts.missing(4..6), []);
        assert!(parts.add(6..8));
        assert!(parts.add(0..4));
        assert_eq!(parts.missing(0..10), []);
        assert!(parts.ranges().eq([0..4, 4..6, 6..8, 8..10]));
    }

    #[test]
    fn part_names_are_read_as_they_are_written() {
        let digest = Digest::of(b"a");
        let name = part_name(&digest, &(7..19));
        assert_eq!(parse_part_name(&name), Some((digest, 7..19)));
        for bad in ["7-7", "9-7", "+7-9", "07-9", "7-9-", "7", "7-99999999999999999999", ""] {
            assert_eq!(parse_part_name(&format!("{digest}.{bad}")), None, "{bad}");
        }
        assert_eq!(parse_part_name(&digest.to_hex()), None);
    }
}
