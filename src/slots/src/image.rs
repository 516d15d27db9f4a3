//! An image that somebody handed over: what it says of itself, and whether it may be tried.
//!
//! Who made it is not judged here. Firmware starts what is signed with a key that it knows, and nothing else; an image
//! that it refuses is one that falls back.

use ids::Digest;
use object::read::{Object as _, ObjectSection as _, pe::PeFile64};
use semver::Version;
use serde::{Deserialize, Serialize};

/// Longest image, in bytes: four of them fit on the EFI partition.
pub const IMAGE_BYTES_MAX: u64 = 80 << 20;

/// What stands beside a new image, as JSON: `{"bytes": 1234, "sha256": "<64 hexadecimal digits>"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The image's length.
    pub bytes: u64,
    /// The image's SHA-256.
    pub sha256: Digest,
}

/// Why an image is not tried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not what was announced.
    #[error("it is not the file that was announced: its length or its SHA-256 is another")]
    Other,
    /// It is not an image of ours.
    #[error("it is not an image of Patchkeep: {0}")]
    Foreign(&'static str),
    /// It is older than one that was blessed here.
    #[error("its version {version} is older than {floor}, which was in use here")]
    Older {
        /// What the image is.
        version: Version,
        /// The newest version that was blessed here.
        floor: Version,
    },
}

/// The version of an image that may be tried: it is what was announced, and not older than the floor.
///
/// # Errors
///
/// Why it may not.
pub fn admit(image: &[u8], request: &Request, floor: &Version) -> Result<Version, Refused> {
    if image.len() as u64 != request.bytes || Digest::of(image) != request.sha256 {
        return Err(Refused::Other);
    }
    let version = version_of(image)?;
    if version < *floor {
        return Err(Refused::Older { version, floor: floor.clone() });
    }
    Ok(version)
}

/// The version that an image says it has: `VERSION_ID` in its section `.osrel`, which is signed with the rest.
///
/// # Errors
///
/// Where it is no image of ours.
pub fn version_of(image: &[u8]) -> Result<Version, Refused> {
    let file =
        PeFile64::parse(image).map_err(|_| Refused::Foreign("it is no program for firmware"))?;
    let section =
        file.section_by_name(".osrel").ok_or(Refused::Foreign("it does not say what it is"))?;
    let data = section.data().map_err(|_| Refused::Foreign("a part of it is missing"))?;
    let text =
        std::str::from_utf8(data).map_err(|_| Refused::Foreign("what it says is not text"))?;
    let value = |key: &str| {
        let lines = text.trim_end_matches('\0').lines();
        lines
            .filter_map(|line| line.split_once('='))
            .find(|(known, _)| *known == key)
            .map(|(_, value)| value)
    };
    if value("ID") != Some("patchkeep") {
        return Err(Refused::Foreign("it is somebody else's"));
    }
    let version = value("VERSION_ID").and_then(|version| version.parse().ok());
    version.ok_or(Refused::Foreign("it does not say its version"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The least that is a PE file of 64 bits, with one section.
    fn image(name: &str, says: &str) -> Vec<u8> {
        let mut file = vec![0; 0x200];
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x40;
        file[0x40..0x44].copy_from_slice(b"PE\0\0");
        // Machine, sections, the optional header's length, characteristics.
        file[0x44..0x46].copy_from_slice(&0x8664_u16.to_le_bytes());
        file[0x46] = 1;
        file[0x54..0x56].copy_from_slice(&112_u16.to_le_bytes());
        file[0x58..0x5a].copy_from_slice(&0x20b_u16.to_le_bytes());
        let section = 0x58 + 112;
        file[section..section + name.len()].copy_from_slice(name.as_bytes());
        let length = u32::try_from(says.len()).unwrap().to_le_bytes();
        file[section + 8..section + 12].copy_from_slice(&length);
        file[section + 16..section + 20].copy_from_slice(&length);
        file[section + 20..section + 24].copy_from_slice(&0x200_u32.to_le_bytes());
        file.extend(says.as_bytes());
        file
    }

    fn ours(version: &str) -> Vec<u8> {
        image(".osrel", &format!("ID=patchkeep\nNAME=Patchkeep\nVERSION_ID={version}\n\0\0"))
    }

    fn request(image: &[u8]) -> Request {
        Request { bytes: image.len() as u64, sha256: Digest::of(image) }
    }

    #[test]
    fn an_image_may_be_tried_that_is_what_was_announced_and_not_older_than_the_floor() {
        let floor = Version::new(0, 9, 0);
        let new = ours("0.10.0");
        assert_eq!(admit(&new, &request(&new), &floor), Ok(Version::new(0, 10, 0)));
        let same = ours("0.9.0");
        assert_eq!(admit(&same, &request(&same), &floor), Ok(floor.clone()));
        let old = ours("0.8.99");
        assert!(matches!(admit(&old, &request(&old), &floor), Err(Refused::Older { .. })));
        let mut changed = new.clone();
        changed[3] ^= 1;
        assert_eq!(admit(&changed, &request(&new), &floor), Err(Refused::Other));
        assert_eq!(admit(&new[..new.len() - 1], &request(&new), &floor), Err(Refused::Other));
    }

    #[test]
    fn what_is_no_image_of_ours_is_refused() {
        let text = "ID=patchkeep\nVERSION_ID=1.0.0\n";
        assert_eq!(version_of(&image(".osrel", text)).unwrap(), Version::new(1, 0, 0));
        for wrong in [
            Vec::new(),
            b"MZ".to_vec(),
            image(".other", text),
            image(".osrel", "ID=debian\nVERSION_ID=1.0.0\n"),
            image(".osrel", "ID=patchkeep\n"),
            image(".osrel", "ID=patchkeep\nVERSION_ID=13\n"),
        ] {
            assert!(matches!(version_of(&wrong), Err(Refused::Foreign(_))));
        }
        let mut torn = image(".osrel", text);
        torn.truncate(0x208);
        assert!(version_of(&torn).is_err());
    }
}
