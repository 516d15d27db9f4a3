//! A bundle as a folder: `metadata/` and `targets/<sha256>.<name>`, as TUF lays it out.

use crate::files::{Folder, read_bounded};
use crate::{Error, Stretch};
use bundle::Layout;
use ids::Digest;
use std::io;
use std::path::Path;
use trust::{METADATA_FILES_MAX, Offered, Repository, TargetFile};

pub(crate) struct FolderBundle {
    root: Folder,
    metadata: Folder,
    targets: Folder,
}

impl FolderBundle {
    /// `None` when `path` is a folder, but not that of a bundle.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, Error> {
        let root = Folder::open(path)?;
        let names = root.names()?;
        if !["metadata", "targets"].iter().all(|name| names.iter().any(|n| n == name)) {
            return Ok(None);
        }
        let metadata = root.folder("metadata")?;
        let targets = root.folder("targets")?;
        Ok(Some(Self { root, metadata, targets }))
    }

    pub(crate) fn offered(&self) -> Result<Offered, Error> {
        let mut files = Vec::new();
        for name in self.metadata.names()? {
            // What is no metadata file's name is a stranger: not opened, and listed later.
            let Some(limit) = trust::metadata_bytes_max(&name) else { continue };
            if files.len() > METADATA_FILES_MAX {
                break;
            }
            let (file, _) = self.metadata.file(&name)?;
            let path = self.metadata.path.join(&name);
            files.push((name, read_bounded(file, &path, limit as u64)?));
        }
        Offered::new(files).map_err(Error::Metadata)
    }

    pub(crate) fn small_target(&self, name: &str, file: &TargetFile) -> Result<Vec<u8>, Error> {
        let stored = stored_name(name, file);
        let (handle, _) = self.open_target(name, &stored)?;
        let bytes = read_bounded(handle, &self.targets.path.join(&stored), file.length)?;
        if bytes.len() as u64 == file.length && Digest::of(&bytes) == file.sha256 {
            Ok(bytes)
        } else {
            Err(Error::WrongTarget { name: name.to_owned() })
        }
    }

    pub(crate) fn stretches(&self, layout: &Layout) -> Result<Vec<Stretch>, Error> {
        let mut stretches = Vec::new();
        for pack in layout.packs() {
            let stored = stored_name(&pack.name, &pack.file);
            let (file, length) = match self.open_target(&pack.name, &stored) {
                Err(Error::MissingTarget { .. }) => continue,
                other => other?,
            };
            let path = self.targets.path.join(&stored);
            if length < pack.file.length {
                return Err(Error::CutShort { path });
            }
            if length > pack.file.length {
                return Err(Error::WrongTarget { name: pack.name.clone() });
            }
            let (offset, left) = (pack.offset, length);
            let claimed = pack.file.sha256;
            stretches.push(Stretch { offset, length, claimed, path, file, at: 0, left });
        }
        Ok(stretches)
    }

    /// Paths of files on the medium that the bundle does not name.
    pub(crate) fn strangers(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        let stored: std::collections::BTreeSet<String> =
            repository.all_targets().map(|(name, file)| stored_name(name, file)).collect();
        let top = self.root.names()?.into_iter().filter(|n| n != "metadata" && n != "targets");
        let metadata = self.metadata.names()?.into_iter();
        let metadata = metadata.filter(|name| !repository.files.contains(name));
        let targets = self.targets.names()?.into_iter().filter(|name| !stored.contains(name));
        Ok(top
            .chain(metadata.map(|name| format!("metadata/{name}")))
            .chain(targets.map(|name| format!("targets/{name}")))
            .collect())
    }

    fn open_target(&self, name: &str, stored: &str) -> Result<(std::fs::File, u64), Error> {
        self.targets.file(stored).map_err(|error| match error {
            Error::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Error::MissingTarget { name: name.to_owned() }
            }
            other => other,
        })
    }
}

fn stored_name(name: &str, file: &TargetFile) -> String {
    format!("{}.{name}", file.sha256)
}
