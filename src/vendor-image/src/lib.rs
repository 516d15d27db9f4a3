//! Releases of the appliance's own images: a folder with [`RELEASE`], its detached OpenPGP signature
//! ([`RELEASE_SIGNATURE`]) and the image that it names.
//!
//! Start at [`vouch`]: whether the signed `release.json` stands behind every file of a catalogue.
//!
//! **Invariant:** pure: bytes in, words out; no clock, disk, network or process. Signatures are judged in the sandboxed
//! reader. What an image says of itself is judged where it is started (`slots`).

mod error;
#[cfg(test)]
mod tests;
mod vouch;

pub use error::Error;
pub use vouch::{Vouched, update, vouch};

use ids::{Digest, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

/// Path of what says which image is offered.
pub const RELEASE: &str = "release.json";
/// Path of the builder's OpenPGP signature over it.
pub const RELEASE_SIGNATURE: &str = "release.json.asc";
/// Longest `release.json` that is read, in bytes.
pub const RELEASE_BYTES_MAX: u64 = 64 << 10;
/// Longest image, in bytes: what fits into the slots of an appliance.
const IMAGE_BYTES_MAX: u64 = 80 << 20;
/// Longest notes, in characters.
const NOTES_CHARS_MAX: usize = 2_000;
/// What `image` says.
const IMAGE: &str = "patchkeep";
/// The schema that is read.
const SCHEMA: u32 = 1;

/// What `release.json` says:
///
/// `{"schema": 1, "image": "patchkeep", "version": "0.2.0", "released": "2026-11-28T12:00:00Z",
/// "file": "patchkeep-0.2.0.efi", "bytes": 41943040, "sha256": "<64 hexadecimal digits>", "notes": "What is new."}`
///
/// `notes` may be left out. The file's name follows from the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    schema: u32,
    image: String,
    /// The image's version.
    pub version: Version,
    /// When it was released.
    pub released: Timestamp,
    /// The image's file, beside this one.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// What its builder says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl Release {
    /// Parses `release.json`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() as u64 > RELEASE_BYTES_MAX {
            return Err(Error::Malformed(format!("it is longer than {RELEASE_BYTES_MAX} bytes")));
        }
        let release: Self =
            serde_json::from_slice(bytes).map_err(|e| Error::Malformed(e.to_string()))?;
        release.check()?;
        Ok(release)
    }

    fn check(&self) -> Result<(), Error> {
        let told = |field, why: &str| Err(Error::Field { field, why: why.to_owned() });
        if self.schema != SCHEMA {
            return told("schema", "another than 1 is not known here");
        }
        if self.image != IMAGE {
            return told("image", "it is not Patchkeep's");
        }
        let expected = format!("patchkeep-{}.efi", self.version);
        if self.file != expected || !catalogue::is_safe_path(&self.file) {
            return told("file", &format!("that of version {} is {expected}", self.version));
        }
        if !(1..=IMAGE_BYTES_MAX).contains(&self.bytes) {
            return told("bytes", &format!("an image has at most {IMAGE_BYTES_MAX}"));
        }
        let notes = self.notes.as_deref().unwrap_or_default();
        if notes.chars().count() > NOTES_CHARS_MAX || notes.chars().any(char::is_control) {
            return told("notes", &format!("they are one line of at most {NOTES_CHARS_MAX}"));
        }
        Ok(())
    }
}
