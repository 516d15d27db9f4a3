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

/// The version of an image that may be tried: it is what was announced, and not older than the floor, where that counts.
///
/// # Errors
///
/// Why it may not.
pub fn admit(image: &[u8], request: &Request, floor: Option<&Version>) -> Result<Version, Refused> {
    if image.len() as u64 != request.bytes || Digest::of(image) != request.sha256 {
        return Err(Refused::Other);
    }
    let version = version_of(image)?;
    match floor {
        Some(floor) if version < *floor => Err(Refused::Older { version, floor: floor.clone() }),
        _ => Ok(version),
    }
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

/// The parts that systemd's boot stub measures, in its order: UAPI.5 "Unified Kernel Image", "PCR 11".
const MEASURED: [&str; 13] = [
    ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat",
    ".pcrpkey", ".profile", ".dtbauto", ".hwids",
];

/// What the TPM's PCR 11 (SHA-256) holds after the boot stub has measured an image: of each part its name with
/// a zero byte, and then its content.
///
/// # Errors
///
/// Where it is no image of ours.
pub fn measured(image: &[u8]) -> Result<Digest, Refused> {
    let file =
        PeFile64::parse(image).map_err(|_| Refused::Foreign("it is no program for firmware"))?;
    let mut pcr = Digest::from_bytes([0; 32]);
    for name in MEASURED {
        let Some(section) = file.section_by_name(name) else { continue };
        let data = section.data().map_err(|_| Refused::Foreign("a part of it is missing"))?;
        for measured in [format!("{name}\0").as_bytes(), data] {
            let extended = [*pcr.as_bytes(), *Digest::of(measured).as_bytes()].concat();
            pcr = Digest::of(&extended);
        }
    }
    Ok(pcr)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn image(name: &str, says: &str) -> Vec<u8> {
        image_of(&[(name, says)])
    }

    /// The least that is a PE file of 64 bits, with these sections, of at most 512 bytes each.
    fn image_of(sections: &[(&str, &str)]) -> Vec<u8> {
        let mut file = vec![0; 0x200];
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x40;
        file[0x40..0x44].copy_from_slice(b"PE\0\0");
        // Machine, sections, the optional header's length, characteristics.
        file[0x44..0x46].copy_from_slice(&0x8664_u16.to_le_bytes());
        file[0x46] = u8::try_from(sections.len()).unwrap();
        file[0x54..0x56].copy_from_slice(&112_u16.to_le_bytes());
        file[0x58..0x5a].copy_from_slice(&0x20b_u16.to_le_bytes());
        for (number, (name, says)) in sections.iter().enumerate() {
            let at = u32::try_from(file.len()).unwrap().to_le_bytes();
            let head = 0x58 + 112 + 40 * number;
            file[head..head + name.len()].copy_from_slice(name.as_bytes());
            let length = u32::try_from(says.len()).unwrap().to_le_bytes();
            file[head + 8..head + 12].copy_from_slice(&length);
            file[head + 16..head + 20].copy_from_slice(&length);
            file[head + 20..head + 24].copy_from_slice(&at);
            file.extend(says.as_bytes());
        }
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
        let floored = |image: &[u8], request| admit(image, &request, Some(&floor));
        assert_eq!(floored(&new, request(&new)), Ok(Version::new(0, 10, 0)));
        let same = ours("0.9.0");
        assert_eq!(floored(&same, request(&same)), Ok(floor.clone()));
        let old = ours("0.8.99");
        assert!(matches!(floored(&old, request(&old)), Err(Refused::Older { .. })));
        assert_eq!(admit(&old, &request(&old), None), Ok(Version::new(0, 8, 99)));
        let mut changed = new.clone();
        changed[3] ^= 1;
        assert_eq!(floored(&changed, request(&new)), Err(Refused::Other));
        assert_eq!(admit(&changed, &request(&new), None), Err(Refused::Other));
        assert_eq!(floored(&new[..new.len() - 1], request(&new)), Err(Refused::Other));
    }

    #[test]
    fn what_is_measured_is_what_systemd_measure_says() {
        // systemd-measure calculate --linux=<(printf k) --osrel=<(printf x) --phase=: --bank=sha256 (systemd 257)
        let known = "fd998617f40033802008ca4612219a6e1d86f567c53f122d094e302f3413a12c";
        let parts = [(".osrel", "x"), (".linux", "k"), (".text", "the stub itself")];
        assert_eq!(measured(&image_of(&parts)).unwrap().to_hex(), known);
        assert_ne!(measured(&image_of(&[(".osrel", "y"), parts[1]])).unwrap().to_hex(), known);
        assert!(measured(b"MZ").is_err());
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
