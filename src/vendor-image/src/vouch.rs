//! Whether the signed `release.json` stands behind every file of a catalogue.

use crate::{Error, RELEASE, RELEASE_SIGNATURE, Release};
use catalogue::{
    Catalogue, File, FileKind, Indexed, Payloads, ReleaseBasis, Update, UpdatePayload, Vendor,
};
use ids::{Digest, Timestamp};

/// How an image is called where updates are listed.
const PACKAGE: &str = "patchkeep-image";
/// What it runs on.
const ARCHITECTURE: &str = "x86_64";

/// Proof that every file of a catalogue is vouched for. Made only by [`vouch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Digest of `release.json`.
    pub release: Digest,
    /// When the image was released.
    pub date: Timestamp,
}

/// The one update that a release is.
#[must_use]
pub fn update(release: &Release) -> Update {
    let version = release.version.to_string();
    Update {
        id: format!("{PACKAGE}_{version}"),
        source_package: PACKAGE.to_owned(),
        fixed_version: version.clone(),
        released_at: release.released,
        released_by: ReleaseBasis::SignedRelease,
        changelog_at: None,
        urgency: None,
        severity: None,
        cves: None,
        payloads: vec![UpdatePayload {
            package: PACKAGE.to_owned(),
            version,
            architecture: ARCHITECTURE.to_owned(),
            path: release.file.clone(),
            sha256: release.sha256,
        }],
    }
}

/// Checks every file of a catalogue. `document` is `release.json` as served, over which the vendor's signature was
/// judged.
///
/// # Errors
/// What of the document cannot be used, the first file that it does not vouch for, or what the catalogue tells differently.
pub fn vouch(document: &[u8], catalogue: &Catalogue) -> Result<Vouched, Error> {
    let release = Release::parse(document)?;
    let told = update(&release);
    let same = [
        ("the kind of vendor", catalogue.vendor == Vendor::Image),
        ("release date", catalogue.release_date == release.released),
        ("valid until", catalogue.valid_until.is_none()),
        ("what is new", catalogue.updates == [told.clone()]),
    ];
    if let Some((what, _)) = same.into_iter().find(|(_, same)| !same) {
        return Err(Error::Differs { what });
    }
    let (digest, length) = (Digest::of(document), document.len() as u64);
    let not = |file: &File, reason| Err(Error::NotVouched { path: file.path.clone(), reason });
    let (mut releases, mut signatures, mut images) = (0, 0, 0);
    let mut payloads = Payloads::default();
    for file in &catalogue.files {
        match file.kind {
            FileKind::Release => {
                releases += 1;
                if file.path != RELEASE || (file.sha256, file.length) != (digest, length) {
                    return not(file, "it is not the release.json that was verified");
                }
            }
            FileKind::Signature => {
                signatures += 1;
                if file.path != RELEASE_SIGNATURE {
                    return not(file, "the signature has another path");
                }
            }
            FileKind::Index => return not(file, "a release has no index"),
            FileKind::Payload => {
                images += 1;
                payloads.expect(file)?;
            }
        }
    }
    if (releases, signatures, images) != (1, 1, 1) {
        return Err(Error::Differs { what: "release.json, its signature and the image" });
    }
    for payload in told.payloads {
        let (source_package, source_version) =
            (told.source_package.clone(), told.fixed_version.clone());
        let length = release.bytes;
        payloads.name(Indexed { payload, length, source_package, source_version })?;
    }
    payloads.finish(catalogue)?;
    Ok(Vouched { release: digest, date: release.released })
}
