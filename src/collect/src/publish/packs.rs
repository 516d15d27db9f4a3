//! Writing packs: payloads one after the other, hashed as they pass.

use super::PublishError;
use bundle::{PayloadIndex, pack_name};
use durable::{Disk, RealDisk, WriteFile};
use ids::{Digest, Hasher, SourceId};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use trust::TargetFile;

const BUFFER_BYTES: usize = 1 << 20;

/// Writes the packs of one source and gives their names and digests, in order. Every payload is
/// matched against its digest and length before its pack is closed.
pub(crate) fn write_packs<R: Read>(
    targets: &Path,
    index: &PayloadIndex,
    open: &impl Fn(&Digest) -> io::Result<R>,
    progress: &impl Fn(u64),
) -> Result<Vec<(String, TargetFile)>, PublishError> {
    let mut packs = Vec::new();
    let mut current: Option<(u32, Pack)> = None;
    for (entry, place) in index.carried() {
        if current.as_ref().is_some_and(|(number, _)| *number != place.pack) {
            packs.extend(close(targets, &index.source, current.take())?);
        }
        let (_, pack) = match &mut current {
            Some(open) => open,
            none => none.insert((place.pack, Pack::create(targets)?)),
        };
        pack.add(&index.source, &entry.sha256, entry.length, open, progress)?;
    }
    packs.extend(close(targets, &index.source, current)?);
    Ok(packs)
}

fn close(
    targets: &Path,
    source: &SourceId,
    pack: Option<(u32, Pack)>,
) -> Result<Option<(String, TargetFile)>, PublishError> {
    let Some((number, pack)) = pack else { return Ok(None) };
    let name = pack_name(source, number);
    let (from, file) = pack.finish()?;
    let to = targets.join(format!("{}.{name}", file.sha256));
    RealDisk.rename(&from, &to).map_err(PublishError::file("naming", &to))?;
    Ok(Some((name, file)))
}

struct Pack {
    path: PathBuf,
    file: Box<dyn WriteFile>,
    hasher: Hasher,
    length: u64,
    buffer: Vec<u8>,
}

impl Pack {
    fn create(targets: &Path) -> Result<Self, PublishError> {
        let path = targets.join("pack.unfinished");
        let file = RealDisk.create(&path).map_err(PublishError::file("creating", &path))?;
        let buffer = vec![0; BUFFER_BYTES];
        Ok(Self { path, file, hasher: Hasher::default(), length: 0, buffer })
    }

    fn add<R: Read>(
        &mut self,
        source: &SourceId,
        digest: &Digest,
        length: u64,
        open: &impl Fn(&Digest) -> io::Result<R>,
        progress: &impl Fn(u64),
    ) -> Result<(), PublishError> {
        let (source_id, digest) = (source.clone(), *digest);
        let missing =
            |source| PublishError::Payload { source_id: source_id.clone(), digest, source };
        // One byte more than expected is asked for, so that a payload that is too long shows.
        let mut reader = open(&digest).map_err(missing)?.take(length + 1);
        let mut hasher = Hasher::default();
        let mut count = 0;
        loop {
            let read = match reader.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(missing(e)),
            };
            let bytes = self.buffer.get(..read).unwrap_or_default();
            hasher.update(bytes);
            self.hasher.update(bytes);
            self.file.write_all(bytes).map_err(PublishError::file("writing", &self.path))?;
            count += read as u64;
            progress(read as u64);
        }
        if count != length || hasher.finish() != digest {
            return Err(PublishError::PayloadAltered { source_id, digest });
        }
        self.length += count;
        Ok(())
    }

    fn finish(mut self) -> Result<(PathBuf, TargetFile), PublishError> {
        self.file.sync().map_err(PublishError::file("syncing", &self.path))?;
        let file = TargetFile { sha256: self.hasher.finish(), length: self.length };
        Ok((self.path, file))
    }
}
