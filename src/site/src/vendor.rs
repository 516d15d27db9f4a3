//! Whether the vendor's own signature stands behind a source, checked on the appliance.
//!
//! The publisher's signature already covers every byte that comes here. The sandboxed reader checks
//! OpenPGP and unpacks indexes; digests and the comparison with the catalogue are ours.

use catalogue::{Catalogue, FileKind, Vendor};
use fleet::SourceFacts;
use ids::{Digest, Timestamp};
use sandbox::{Compression, Reader, SignatureClaim};

/// Largest signed release file that is read, in bytes.
pub(crate) const RELEASE_BYTES_MAX: u64 = 16 << 20;
/// Largest packed index that is read, in bytes.
pub(crate) const INDEX_BYTES_MAX: u64 = 256 << 20;
/// Largest plain index, in bytes.
const PLAIN_BYTES_MAX: u64 = 1 << 30;

/// A certificate file that the site accepted, by name.
pub(crate) struct Anchor {
    pub(crate) name: String,
    pub(crate) certificates: Vec<u8>,
}

/// Why a source is not vouched for by its vendor: a stable code and one sentence.
#[derive(Debug)]
pub(crate) struct NotVouched {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

fn no(code: &'static str, message: String) -> NotVouched {
    NotVouched { code, message }
}

/// Gives the bytes of a digest, at most so many, or says why it cannot.
type ReadBlob<'a> = dyn Fn(&Digest, u64) -> Result<Vec<u8>, String> + 'a;

/// Checks one source. `read` gives the bytes of a digest that the publisher's signature covers.
pub(crate) fn verify(
    catalogue: &Catalogue,
    anchors: &[Anchor],
    reader: &Reader,
    at: Timestamp,
    read: &ReadBlob<'_>,
) -> Result<SourceFacts, NotVouched> {
    let source = &catalogue.source;
    let missing = |what: &str| no("vendor-release-missing", format!("{source} has no {what}"));
    let document = find(catalogue, FileKind::Release).ok_or_else(|| missing("release file"))?;
    let unread = |e| no("vendor-release-missing", format!("{source}: {}: {e}", document.path));
    let release = read(&document.sha256, RELEASE_BYTES_MAX).map_err(unread)?;
    let source = Source { catalogue, anchors, reader, at, read, release };
    match &catalogue.vendor {
        Vendor::Apt { .. } => source.apt(),
        Vendor::Rpm { .. } => {
            let signature = find(catalogue, FileKind::Signature);
            source.rpm(signature.ok_or_else(|| missing("signature over its repomd.xml"))?)
        }
        Vendor::Image => {
            let signature = find(catalogue, FileKind::Signature);
            source.image(signature.ok_or_else(|| missing("signature over its release.json"))?)
        }
    }
}

fn find(catalogue: &Catalogue, kind: FileKind) -> Option<&catalogue::File> {
    catalogue.files.iter().find(|file| file.kind == kind)
}

/// A source that is checked.
struct Source<'a> {
    catalogue: &'a Catalogue,
    anchors: &'a [Anchor],
    reader: &'a Reader,
    at: Timestamp,
    read: &'a ReadBlob<'a>,
    /// Its release file.
    release: Vec<u8>,
}

impl Source<'_> {
    fn apt(&self) -> Result<SourceFacts, NotVouched> {
        let (anchor, signed) = self.judge(|anchor| {
            self.reader.verify_clearsigned(&self.release, &anchor.certificates, self.at)
        })?;
        let bad = |e: vendor_apt::Error| self.not_vouched(&e);
        let release = vendor_apt::Release::parse(&signed.text).map_err(bad)?;
        let vouching = vendor_apt::Vouching::begin(&self.release, &release, self.catalogue);
        let mut vouching = vouching.map_err(bad)?;
        for wanted in vouching.wanted() {
            let plain = self.plain(&wanted.file, wanted.length)?;
            vouching.index(&wanted.plain, &plain).map_err(bad)?;
        }
        let vouched = vouching.finish().map_err(bad)?;
        Ok(SourceFacts {
            release: vouched.release,
            signature: None,
            release_date: vouched.date,
            valid_until: vouched.valid_until,
            signed_by: good(signed.signatures),
            anchor,
        })
    }

    fn rpm(&self, signature: &catalogue::File) -> Result<SourceFacts, NotVouched> {
        let (anchor, claims) = self.detached(signature)?;
        let bad = |e: vendor_rpm::Error| self.not_vouched(&e);
        let repomd = vendor_rpm::Repomd::parse(&self.release).map_err(bad)?;
        let vouching = vendor_rpm::Vouching::begin(&self.release, &repomd, self.catalogue);
        let mut vouching = vouching.map_err(bad)?;
        if let Some(wanted) = vouching.wanted() {
            vouching.index(&self.plain(&wanted.file, wanted.length)?).map_err(bad)?;
        }
        let vouched = vouching.finish().map_err(bad)?;
        Ok(SourceFacts {
            release: vouched.release,
            signature: Some(signature.sha256),
            release_date: vouched.date,
            valid_until: None,
            signed_by: good(claims),
            anchor,
        })
    }

    fn image(&self, signature: &catalogue::File) -> Result<SourceFacts, NotVouched> {
        let (anchor, claims) = self.detached(signature)?;
        let vouched = vendor_image::vouch(&self.release, self.catalogue);
        let vouched = vouched.map_err(|e| self.not_vouched(&e))?;
        Ok(SourceFacts {
            release: vouched.release,
            signature: Some(signature.sha256),
            release_date: vouched.date,
            valid_until: None,
            signed_by: good(claims),
            anchor,
        })
    }

    /// Judges the release file by a signature that is a file of its own.
    fn detached(
        &self,
        signature: &catalogue::File,
    ) -> Result<(String, Vec<SignatureClaim>), NotVouched> {
        let missing = |e| {
            let source = &self.catalogue.source;
            no("vendor-release-missing", format!("{source}: {}: {e}", signature.path))
        };
        let bytes = (self.read)(&signature.sha256, RELEASE_BYTES_MAX).map_err(missing)?;
        self.judge(|anchor| {
            self.reader.verify_detached(&self.release, &bytes, &anchor.certificates, self.at)
        })
    }

    /// The first anchor under which a signature holds, and what was found.
    fn judge<T>(
        &self,
        verify: impl Fn(&Anchor) -> Result<T, sandbox::Error>,
    ) -> Result<(String, T), NotVouched> {
        let mut reasons = Vec::new();
        for anchor in self.anchors {
            match verify(anchor) {
                Ok(found) => return Ok((anchor.name.clone(), found)),
                Err(e) => reasons.push(format!("{}: {}", anchor.name, chain(&e))),
            }
        }
        let why = match reasons.as_slice() {
            [] => "no anchor is accepted".to_owned(),
            reasons => reasons.join("; "),
        };
        let source = &self.catalogue.source;
        let message = format!(
            "{source}: the vendor's signature does not hold under any accepted key ({why})"
        );
        Err(no("vendor-signature", message))
    }

    /// The plain bytes of an index, `length` of them.
    fn plain(&self, file: &catalogue::File, length: u64) -> Result<Vec<u8>, NotVouched> {
        let (source, path) = (&self.catalogue.source, &file.path);
        let packed = (self.read)(&file.sha256, INDEX_BYTES_MAX)
            .map_err(|e| no("vendor-index-missing", format!("{source}: {path}: {e}")))?;
        unpack(self.reader, path, packed, length)
            .map_err(|e| no("vendor-index-unreadable", format!("{source}: {path}: {e}")))
    }

    fn not_vouched(&self, error: &dyn std::error::Error) -> NotVouched {
        no("vendor-not-vouched", format!("{}: {}", self.catalogue.source, chain(error)))
    }
}

/// Fingerprints of the keys whose signatures hold.
fn good(claims: Vec<SignatureClaim>) -> Vec<String> {
    claims.into_iter().filter(|claim| claim.good).map(|claim| claim.fingerprint).collect()
}

/// The plain bytes of an index of `length` bytes, unpacked by the reader where its name says how.
pub(crate) fn unpack(
    reader: &Reader,
    path: &str,
    packed: Vec<u8>,
    length: u64,
) -> Result<Vec<u8>, String> {
    let compression = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("xz") => Compression::Xz,
        Some("gz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => return Ok(packed),
    };
    if length > PLAIN_BYTES_MAX {
        return Err(format!("{length} bytes unpacked are more than {PLAIN_BYTES_MAX}"));
    }
    reader.decompress(&packed, compression, length).map_err(|e| chain(&e))
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
