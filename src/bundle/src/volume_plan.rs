//! Cutting the stream so that every volume fits its medium.

use crate::Error;
use crate::volume::{BLOCK, SLICE_BYTES_MAX, VOLUMES_MAX, padded};

/// Upper bound of `volume.json` without slices, and of one slice in it, in bytes.
const INFO_BYTES: u64 = 512;
const INFO_SLICE_BYTES: u64 = 192;
const HEADER: u64 = BLOCK as u64;
/// Two zero blocks end the archive.
const END: u64 = 2 * BLOCK as u64;
/// A volume that carries less of the stream than this is not worth its metadata.
const STREAM_BYTES_MIN: u64 = 64 * 1024;

/// What one volume carries of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePlan {
    /// Its number, counted from 1.
    pub volume: u32,
    /// Its slices, `(offset, length)`.
    pub slices: Vec<(u64, u64)>,
}

/// Cuts a stream of `stream_length` bytes into volumes of at most `volume_bytes` each, `None` for
/// one volume of any size. `small` are the lengths of the members that every volume repeats.
///
/// # Errors
/// [`Error::Rule`] when the volumes are too small, [`Error::TooLarge`] when they would be too many.
pub fn plan_volumes(
    stream_length: u64,
    small: impl Iterator<Item = u64>,
    volume_bytes: Option<u64>,
) -> Result<Vec<VolumePlan>, Error> {
    let share = match volume_bytes {
        None => stream_length.max(1),
        Some(volume_bytes) => {
            let repeated: u64 = small.map(|length| HEADER + padded(length)).sum();
            let slices = volume_bytes / SLICE_BYTES_MAX + 1;
            let info = HEADER + padded(INFO_BYTES + slices * INFO_SLICE_BYTES);
            let overhead = repeated + info + slices * 2 * HEADER + END;
            let least = overhead + STREAM_BYTES_MIN.min(stream_length);
            if volume_bytes < least {
                let rule =
                    format!("volumes of {volume_bytes} bytes are too small; at least {least}");
                return Err(Error::rule("the bundle", rule));
            }
            (volume_bytes - overhead).max(1)
        }
    };
    let volumes = stream_length.div_ceil(share).max(1);
    let Some(volumes) = u32::try_from(volumes).ok().filter(|n| *n <= VOLUMES_MAX) else {
        let what = "the number of volumes".to_owned();
        return Err(Error::TooLarge { what, limit: u64::from(VOLUMES_MAX) });
    };
    Ok((1..=volumes)
        .map(|volume| {
            let begin = u64::from(volume - 1) * share;
            let end = (begin + share).min(stream_length);
            let step = usize::try_from(SLICE_BYTES_MAX).unwrap_or(usize::MAX);
            let slices = (begin..end).step_by(step);
            let slices = slices.map(|at| (at, SLICE_BYTES_MAX.min(end - at))).collect();
            VolumePlan { volume, slices }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn volumes_cover_the_stream_once_and_fit() {
        let gib = 1 << 30;
        for (stream, size) in [
            (0, 1_000_000),
            (1, 1_000_000),
            (5 * gib, gib),
            (5 * gib, 4 * gib),
            (700_000_123, 100_000_000),
            (gib, u64::from(u32::MAX)),
        ] {
            let small = [5_000_u64, 10, 700];
            let volumes = plan_volumes(stream, small.into_iter(), Some(size)).unwrap();
            let mut at = 0;
            for volume in &volumes {
                let repeated: u64 = small.iter().map(|n| 512 + padded(*n)).sum();
                let slices: u64 = volume.slices.iter().map(|s| 512 + padded(s.1)).sum();
                let info = 512 + padded(400 + 170 * volume.slices.len() as u64);
                assert!(repeated + slices + info + 1024 <= size, "{stream} {size}");
                for (offset, length) in &volume.slices {
                    assert_eq!(*offset, at);
                    at += length;
                }
            }
            assert_eq!(at, stream);
        }
        assert!(plan_volumes(1 << 30, [5_000].into_iter(), Some(10_000)).is_err());
        assert!(plan_volumes(1 << 50, [1].into_iter(), Some(1_000_000)).is_err());
        assert_eq!(plan_volumes(1 << 50, [1].into_iter(), None).unwrap().len(), 1);
    }
}
