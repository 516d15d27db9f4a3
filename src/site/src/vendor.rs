//! Whether the vendor's own signature stands behind a source, checked on the appliance.
//!
//! The publisher's signature already covers every byte that comes here. The sandboxed reader checks
//! OpenPGP and unpacks indexes; digests and the comparison with the catalogue are ours.

use catalogue::{Catalogue, FileKind};
use fleet::SourceFacts;
use ids::{Digest, Timestamp};
use sandbox::{Compression, Reader};
use vendor_apt::{Release, Vouching};

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
    let Some(file) = catalogue.files.iter().find(|f| f.kind == FileKind::Release) else {
        return Err(no("vendor-release-missing", format!("{source} has no signed release file")));
    };
    let unread = |e| no("vendor-release-missing", format!("{source}: {}: {e}", file.path));
    let document = read(&file.sha256, RELEASE_BYTES_MAX).map_err(unread)?;
    let (anchor, signed) = check_signature(source, &document, anchors, reader, at)?;
    let bad = |e: vendor_apt::Error| no("vendor-not-vouched", format!("{source}: {}", chain(&e)));
    let release = Release::parse(&signed.text).map_err(bad)?;
    let mut vouching = Vouching::begin(&document, &release, catalogue).map_err(bad)?;
    for wanted in vouching.wanted() {
        let path = &wanted.file.path;
        let packed = read(&wanted.file.sha256, INDEX_BYTES_MAX)
            .map_err(|e| no("vendor-index-missing", format!("{source}: {path}: {e}")))?;
        let plain = unpack(reader, path, packed, wanted.length)
            .map_err(|e| no("vendor-index-unreadable", format!("{source}: {path}: {e}")))?;
        vouching.index(&wanted.plain, &plain).map_err(bad)?;
    }
    let vouched = vouching.finish().map_err(bad)?;
    let good = signed.signatures.into_iter().filter(|s| s.good);
    Ok(SourceFacts {
        release: vouched.release,
        release_date: vouched.date,
        valid_until: vouched.valid_until,
        signed_by: good.map(|s| s.fingerprint).collect(),
        anchor,
    })
}

/// The first anchor under which a signature holds.
fn check_signature(
    source: &ids::SourceId,
    document: &[u8],
    anchors: &[Anchor],
    reader: &Reader,
    at: Timestamp,
) -> Result<(String, sandbox::Clearsigned), NotVouched> {
    let mut reasons = Vec::new();
    for anchor in anchors {
        match reader.verify_clearsigned(document, &anchor.certificates, at) {
            Ok(signed) => return Ok((anchor.name.clone(), signed)),
            Err(e) => reasons.push(format!("{}: {}", anchor.name, chain(&e))),
        }
    }
    let why =
        if reasons.is_empty() { "no anchor is accepted".to_owned() } else { reasons.join("; ") };
    let message =
        format!("{source}: the vendor's signature does not hold under any accepted key ({why})");
    Err(no("vendor-signature", message))
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
