//! Reading a finished bundle back: what it says, and whether every byte of it holds.

use super::PublishError;
use bundle::Layout;
use ids::{Digest, Hasher, SourceId, Timestamp};
use media::{Contents, Medium, Stretch};
use std::io::Read;
use std::path::{Path, PathBuf};
use trust::{Outcome, Publisher, Repository, Verified};

/// What a bundle says and how much of it was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Its judged metadata.
    pub repository: Verified<Repository>,
    /// `bundle.json`, the payload indexes and the layout of the stream.
    pub contents: Contents,
    /// Its sources.
    pub sources: Vec<CheckedSource>,
    /// Fingerprint of the first root, by which it was judged.
    pub fingerprint: Digest,
    /// Numbers of volumes that are not here.
    pub missing_volumes: Vec<u32>,
    /// Bytes of packs that were hashed; 0 when only inspected.
    pub bytes_checked: u64,
    /// Payloads that were hashed and hold.
    pub payloads_checked: u64,
    /// Payloads that are announced here but not whole: in missing volumes or packs.
    pub payloads_missing: u64,
    /// Payloads that do not hold, and the files that they or other damaged bytes lie in.
    pub damaged: Vec<String>,
}

/// One source of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSource {
    /// The source.
    pub source: SourceId,
    /// When the collector finished.
    pub collected_at: Timestamp,
    /// Date of the vendor's signed release file.
    pub release_date: Timestamp,
    /// Updates that the catalogue lists.
    pub updates: u64,
    /// Files that the catalogue lists.
    pub files: u64,
    /// Payloads that this bundle carries of it.
    pub carried: u64,
    /// Their bytes.
    pub carried_bytes: u64,
}

/// Reads metadata and small targets. `fingerprint` is the SHA-256 of the first root, from paper;
/// `None` takes the bundle's own first root, which proves nothing about who made it.
///
/// # Errors
/// As [`trust::follow`] and [`media::Medium`].
pub fn inspect(
    paths: &[PathBuf],
    fingerprint: Option<Digest>,
    now: Timestamp,
) -> Result<Checked, PublishError> {
    open(paths, fingerprint, now).map(|(_, checked)| checked)
}

/// As [`inspect`], and hashes every pack and every payload that is there. `progress` is told of
/// each stretch of bytes.
///
/// # Errors
/// As [`inspect`]; damaged payloads are no error but listed.
pub fn verify(
    paths: &[PathBuf],
    fingerprint: Option<Digest>,
    now: Timestamp,
    progress: impl Fn(u64),
) -> Result<Checked, PublishError> {
    let (medium, mut checked) = open(paths, fingerprint, now)?;
    let layout = checked.contents.layout.clone();
    checked.damaged = medium.unsound_copies(&checked.repository).map_err(PublishError::Medium)?;
    let mut hashing = Hashing { checked: &mut checked, payload: None, payloads_damaged: 0 };
    for mut stretch in medium.stretches(&layout).map_err(PublishError::Medium)? {
        hashing.stretch(&layout, &mut stretch, &progress)?;
    }
    let damaged = hashing.payloads_damaged;
    let seen = checked.payloads_checked + damaged;
    checked.payloads_missing = (layout.payload_count() as u64).saturating_sub(seen);
    Ok(checked)
}

/// Judges a bundle folder as a site would that knows nothing but the first root.
pub(crate) fn judge(
    folder: &Path,
    fingerprint: Digest,
    now: Timestamp,
) -> Result<Verified<Repository>, PublishError> {
    let checked = inspect(&[folder.to_owned()], Some(fingerprint), now)?;
    Ok(checked.repository)
}

fn open(
    paths: &[PathBuf],
    fingerprint: Option<Digest>,
    now: Timestamp,
) -> Result<(Medium, Checked), PublishError> {
    let medium = Medium::open(paths).map_err(PublishError::Medium)?;
    let offered = medium.offered().map_err(PublishError::Medium)?;
    let root = offered.root(1).unwrap_or_default().to_vec();
    let fingerprint = fingerprint.unwrap_or_else(|| Digest::of(&root));
    let publisher = Publisher::anchor(&root, fingerprint).map_err(PublishError::Trust)?;
    let outcome = trust::follow(&publisher, &root, &offered, now).map_err(PublishError::Trust)?;
    let (Outcome::Newer { repository, .. }
    | Outcome::Same(repository)
    | Outcome::Carrier(repository)) = outcome;
    let contents = medium.contents(&repository).map_err(PublishError::Medium)?;
    let mut sources = Vec::new();
    for index in &contents.indexes {
        let catalogue =
            medium.catalogue(&repository, &index.source).map_err(PublishError::Medium)?;
        sources.push(CheckedSource {
            source: index.source.clone(),
            collected_at: catalogue.collected_at,
            release_date: catalogue.release_date,
            updates: catalogue.updates.len() as u64,
            files: catalogue.files.len() as u64,
            carried: index.carried().count() as u64,
            carried_bytes: index.carried().map(|(entry, _)| entry.length).sum(),
        });
    }
    let missing_volumes = medium.missing_volumes();
    let checked = Checked {
        repository,
        contents,
        sources,
        fingerprint,
        missing_volumes,
        bytes_checked: 0,
        payloads_checked: 0,
        payloads_missing: 0,
        damaged: Vec::new(),
    };
    Ok((medium, checked))
}

/// A payload in the making may go on from one stretch into the next.
struct Hashing<'a> {
    checked: &'a mut Checked,
    payload: Option<(Digest, u64, Hasher)>,
    payloads_damaged: u64,
}

impl Hashing<'_> {
    fn stretch(
        &mut self,
        layout: &Layout,
        stretch: &mut Stretch,
        progress: &impl Fn(u64),
    ) -> Result<(), PublishError> {
        let mut buffer = vec![0; 1 << 20];
        let mut whole = Hasher::default();
        let path = stretch.path.clone();
        for piece in layout.pieces(stretch.offset, stretch.length) {
            if piece.at == 0 {
                self.payload = Some((piece.sha256, 0, Hasher::default()));
            }
            let mut left = piece.length;
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                let chunk = buffer.get_mut(..most).unwrap_or_default();
                stretch.read_exact(chunk).map_err(PublishError::file("reading", &path))?;
                if let Some((digest, seen, hasher)) = &mut self.payload
                    && *digest == piece.sha256
                    && *seen == piece.at + piece.length - left
                {
                    hasher.update(chunk);
                    *seen += most as u64;
                }
                whole.update(chunk);
                left -= most as u64;
                self.checked.bytes_checked += most as u64;
                progress(most as u64);
            }
            if piece.at + piece.length == piece.payload_length {
                self.close_payload(piece.payload_length);
            }
        }
        if whole.finish() != stretch.claimed {
            self.checked.damaged.push(path.display().to_string());
        }
        Ok(())
    }

    fn close_payload(&mut self, length: u64) {
        let Some((digest, seen, hasher)) = self.payload.take() else { return };
        if seen != length {
            return;
        }
        if hasher.finish() == digest {
            self.checked.payloads_checked += 1;
        } else {
            self.payloads_damaged += 1;
            self.checked.damaged.push(format!("payload {digest}"));
        }
    }
}
