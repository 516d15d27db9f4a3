//! `manifest.json`: what is in an audit bundle, one line a file, so that `awk` can read it too.

use ids::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// The schema number of manifest and bundle.
pub(super) const SCHEMA: u32 = 1;
/// Files that the manifest cannot list.
pub(super) const UNLISTED: [&str; 3] = [MANIFEST, SSH_SIGNATURE, RAW_SIGNATURE];
/// The manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// Its SSH signature.
pub(super) const SSH_SIGNATURE: &str = "manifest.json.sig";
/// Its raw Ed25519 signature.
pub(super) const RAW_SIGNATURE: &str = "manifest.json.ed25519";

/// How much leaves the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything: also the records behind the events, which name people, media and machines.
    Full,
    /// No record behind an event: only its salted commitment, which a later export can open.
    Summary,
}

impl Scope {
    /// `full` or `summary`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Summary => "summary",
        }
    }
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Length in bytes.
    pub bytes: u64,
    /// Name below the bundle's folder; see [`is_safe_name`].
    pub path: String,
}

/// Something that the log names by digest and that the bundle does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// Digest or commitment, as in the log.
    pub digest: Digest,
    /// What it is, in words.
    pub what: String,
}

/// The log at the moment of export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Its origin.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// RFC 6962 root.
    pub root: Digest,
    /// Its verifier key (C2SP signed-note).
    pub vkey: String,
}

/// The list of a bundle's files, and what the bundle is. This is what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// 1.
    pub schema: u32,
    /// How much left the site.
    pub scope: Scope,
    /// When, by the appliance's clock.
    pub generated_at: Timestamp,
    /// By which version of Patchkeep.
    pub patchkeep: String,
    /// The site.
    pub site: String,
    /// Fingerprint of the key that signs this manifest.
    pub key: String,
    /// The log.
    pub log: Log,
    /// What the log names and the bundle does not hold.
    pub absent: Vec<Absent>,
    /// Every file but this one and its signatures, sorted by path.
    pub files: Vec<Listed>,
}

impl Manifest {
    /// The manifest's bytes. There is one spelling only.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which would be our own mistake.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = String::from("{\n");
        let head = [
            ("schema", serde_json::to_string(&self.schema)?),
            ("scope", serde_json::to_string(&self.scope)?),
            ("generated_at", serde_json::to_string(&self.generated_at)?),
            ("patchkeep", serde_json::to_string(&self.patchkeep)?),
            ("site", serde_json::to_string(&self.site)?),
            ("key", serde_json::to_string(&self.key)?),
            ("log", serde_json::to_string(&self.log)?),
            ("absent", serde_json::to_string(&self.absent)?),
        ];
        for (name, value) in head {
            let _ = writeln!(text, "  \"{name}\": {value},");
        }
        text.push_str("  \"files\": [\n");
        for (n, file) in self.files.iter().enumerate() {
            let comma = if n + 1 == self.files.len() { "" } else { "," };
            let Listed { sha256, bytes, path } = file;
            let _ = writeln!(
                text,
                "    {{\"sha256\": \"{sha256}\", \"bytes\": {bytes}, \"path\": \"{path}\"}}{comma}"
            );
        }
        text.push_str("  ]\n}\n");
        Ok(text)
    }

    /// Reads a manifest: exactly the spelling of [`Self::to_json`], safe names, sorted, none twice.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.schema != SCHEMA {
            return Err(format!("it has schema {}, this version reads {SCHEMA}", manifest.schema));
        }
        let sorted = manifest.files.iter().map(|f| &f.path).is_sorted_by(|a, b| a < b);
        if !sorted || manifest.files.iter().any(|f| !is_safe_name(&f.path)) {
            return Err("its file names are not sorted, plain and different".into());
        }
        let same = manifest.to_json().is_ok_and(|text| text.as_bytes() == bytes);
        same.then_some(manifest).ok_or_else(|| "it is not spelled as Patchkeep spells it".into())
    }
}

/// Whether a file of a bundle may have this name: at most 200 bytes; segments of letters, digits,
/// dot, hyphen and underscore, none of which begins with a hyphen or is `.` or `..`.
pub(super) fn is_safe_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let segment = |s: &str| {
        !s.is_empty() && s != "." && s != ".." && !s.starts_with('-') && s.bytes().all(plain)
    };
    name.len() <= 200 && name.split('/').all(segment)
}
