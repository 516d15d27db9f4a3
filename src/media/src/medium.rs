//! The door: a medium, in whichever of the two shapes.

use crate::folder::FolderBundle;
use crate::volumes::Volumes;
use crate::{Contents, Error, Stretch, contents, files};
use bundle::{COMPRESSED_BYTES_MAX, Layout};
use catalogue::Catalogue;
use ids::SourceId;
use std::path::PathBuf;
use trust::{Offered, Repository, TargetFile, Verified};

/// How the files of volumes end when a folder is searched for them.
pub const VOLUME_SUFFIX: &str = ".patchkeep.tar";

/// A bundle on a medium, opened but not judged.
pub struct Medium {
    shape: Shape,
}

enum Shape {
    Folder(FolderBundle),
    Volumes(Volumes),
}

impl Medium {
    /// Opens a bundle: one folder with `metadata/` and `targets/`, one folder with volumes
    /// (`*.patchkeep.tar`), or any of its volumes as files or block devices, in any order.
    ///
    /// # Errors
    /// [`Error::NoBundle`] when there is none; volumes that are cut short, of another bundle,
    /// repeated or not volumes at all, by name.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let [path] = paths else {
            let none = || Error::NoBundle { path: PathBuf::new() };
            paths.first().ok_or_else(none)?;
            return Ok(Self { shape: Shape::Volumes(Volumes::open(paths)?) });
        };
        let kind = std::fs::symlink_metadata(path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        if !kind.is_dir() {
            return Ok(Self { shape: Shape::Volumes(Volumes::open(paths)?) });
        }
        if let Some(folder) = FolderBundle::open(path)? {
            return Ok(Self { shape: Shape::Folder(folder) });
        }
        let names = files::Folder::open(path)?.names()?;
        let volumes: Vec<PathBuf> =
            names.iter().filter(|n| n.ends_with(VOLUME_SUFFIX)).map(|n| path.join(n)).collect();
        if volumes.is_empty() {
            return Err(Error::NoBundle { path: path.clone() });
        }
        Ok(Self { shape: Shape::Volumes(Volumes::open(&volumes)?) })
    }

    /// The metadata files, for [`trust::follow`].
    ///
    /// # Errors
    /// Files that cannot be read, or too many or too large to be metadata.
    pub fn offered(&self) -> Result<Offered, Error> {
        match &self.shape {
            Shape::Folder(folder) => folder.offered(),
            Shape::Volumes(volumes) => volumes.offered(),
        }
    }

    /// What the judged bundle carries.
    ///
    /// # Errors
    /// A small target that is missing, altered or not what the format says.
    pub fn contents(&self, repository: &Verified<Repository>) -> Result<Contents, Error> {
        if let Shape::Volumes(volumes) = &self.shape {
            volumes.check_sequence(repository.sequence)?;
        }
        Contents::read(self, repository)
    }

    /// The catalogue of one source of the judged bundle.
    ///
    /// # Errors
    /// As [`Medium::contents`].
    pub fn catalogue(
        &self,
        repository: &Verified<Repository>,
        source: &SourceId,
    ) -> Result<Catalogue, Error> {
        contents::catalogue(self, repository, source)
    }

    /// The bytes of a target that is not a pack, matched against what the metadata vouches for.
    ///
    /// # Errors
    /// [`Error::MissingTarget`], [`Error::WrongTarget`].
    pub fn small_target(&self, name: &str, file: &TargetFile) -> Result<Vec<u8>, Error> {
        if file.length > COMPRESSED_BYTES_MAX {
            let what = name.to_owned();
            let limit = COMPRESSED_BYTES_MAX;
            return Err(Error::Contents(bundle::Error::TooLarge { what, limit }));
        }
        match &self.shape {
            Shape::Folder(folder) => folder.small_target(name, file),
            Shape::Volumes(volumes) => volumes.small_target(name, file),
        }
    }

    /// Numbers of the volumes that are not here; empty for a folder.
    #[must_use]
    pub fn missing_volumes(&self) -> Vec<u32> {
        match &self.shape {
            Shape::Folder(_) => Vec::new(),
            Shape::Volumes(volumes) => volumes.missing(),
        }
    }

    /// The stretches of the stream that are here, in stream order. What lies in missing volumes or
    /// missing packs is not among them.
    ///
    /// # Errors
    /// [`Error::CutShort`], [`Error::WrongTarget`], [`Error::Damaged`] for lengths that contradict
    /// the metadata.
    pub fn stretches(&self, layout: &Layout) -> Result<Vec<Stretch>, Error> {
        match &self.shape {
            Shape::Folder(folder) => folder.stretches(layout),
            Shape::Volumes(volumes) => volumes.stretches(layout.stream_length()),
        }
    }

    /// Small targets of which some volume's copy is not sound, in words. Any sound copy is enough
    /// for [`Medium::small_target`]; this is for checking the medium itself.
    ///
    /// # Errors
    /// Volumes that cannot be read.
    pub fn unsound_copies(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        match &self.shape {
            Shape::Folder(_) => Ok(Vec::new()),
            Shape::Volumes(volumes) => volumes.unsound_copies(repository),
        }
    }

    /// Files on the medium that the judged bundle does not name, for the custody record.
    ///
    /// # Errors
    /// Folders that cannot be read.
    pub fn strangers(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        match &self.shape {
            Shape::Folder(folder) => folder.strangers(repository),
            Shape::Volumes(_) => Ok(Vec::new()),
        }
    }
}
