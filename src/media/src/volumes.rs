//! A bundle as volumes: any of them, in any order, each checked to be whole and of one bundle.

use crate::files::open_volume;
use crate::{Error, Stretch};
use bundle::{BLOCK, Member, VolumeInfo, is_pack_name, padded, parse_member};
use ids::Digest;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use trust::{Offered, Repository, TargetFile};

pub(crate) struct Volumes {
    // Never empty; sorted by the volumes' numbers.
    volumes: Vec<Volume>,
}

struct Volume {
    path: PathBuf,
    file: File,
    info: VolumeInfo,
    metadata: BTreeMap<String, Vec<u8>>,
    /// Where in the file each small target lies: offset and length.
    targets: BTreeMap<Digest, (u64, u64)>,
    /// Where in the file each slice begins, in the order of `info.slices`.
    slices: Vec<u64>,
}

impl Volumes {
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut volumes: Vec<Volume> = Vec::new();
        for path in paths {
            let volume = Volume::open(path)?;
            if let Some(first) = volumes.first() {
                volume.same_bundle(first)?;
            }
            if let Some(twin) = volumes.iter().find(|v| v.info.volume == volume.info.volume) {
                return Err(Error::Repeated {
                    path: path.clone(),
                    first: twin.path.clone(),
                    volume: volume.info.volume,
                });
            }
            volumes.push(volume);
        }
        volumes.sort_by_key(|volume| volume.info.volume);
        Ok(Self { volumes })
    }

    pub(crate) fn offered(&self) -> Result<Offered, Error> {
        let files = self.volumes.first().map(|volume| volume.metadata.clone()).unwrap_or_default();
        Offered::new(files).map_err(Error::Metadata)
    }

    pub(crate) fn missing(&self) -> Vec<u32> {
        let count = self.volumes.first().map_or(0, |volume| volume.info.volumes);
        let have = |n: &u32| self.volumes.iter().any(|volume| volume.info.volume == *n);
        (1..=count).filter(|n| !have(n)).collect()
    }

    /// The first sound copy of a target that every volume repeats.
    pub(crate) fn small_target(&self, name: &str, file: &TargetFile) -> Result<Vec<u8>, Error> {
        let mut found = false;
        for volume in &self.volumes {
            let Some((at, length)) = volume.targets.get(&file.sha256).copied() else { continue };
            found = true;
            if length == file.length {
                let bytes = volume.read_at(at, length)?;
                if Digest::of(&bytes) == file.sha256 {
                    return Ok(bytes);
                }
            }
        }
        let name = name.to_owned();
        Err(if found { Error::WrongTarget { name } } else { Error::MissingTarget { name } })
    }

    /// Volumes whose copy of a small target is missing or unsound, in words.
    pub(crate) fn unsound_copies(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        let mut unsound = Vec::new();
        for volume in &self.volumes {
            for (name, file) in repository.all_targets().filter(|(n, _)| !is_pack_name(n)) {
                let sound = match volume.targets.get(&file.sha256) {
                    Some((at, length)) if *length == file.length => {
                        Digest::of(&volume.read_at(*at, *length)?) == file.sha256
                    }
                    _ => false,
                };
                if !sound {
                    unsound.push(format!("{name} in {}", volume.path.display()));
                }
            }
        }
        Ok(unsound)
    }

    /// What a volume says for people must be what the metadata says.
    pub(crate) fn check_sequence(&self, sequence: u64) -> Result<(), Error> {
        match self.volumes.iter().find(|volume| volume.info.sequence != sequence) {
            Some(volume) => Err(volume.damaged("it names another sequence number")),
            None => Ok(()),
        }
    }

    pub(crate) fn stretches(&self, stream_length: u64) -> Result<Vec<Stretch>, Error> {
        let mut stretches = Vec::new();
        for volume in &self.volumes {
            if volume.info.stream_length != stream_length {
                return Err(volume.damaged("its stream is not as long as the signed packs"));
            }
            for (slice, at) in volume.info.slices.iter().zip(&volume.slices) {
                let path = volume.path.clone();
                let file = volume.file.try_clone();
                let file = file.map_err(|source| Error::Read { path: path.clone(), source })?;
                stretches.push(Stretch {
                    offset: slice.offset,
                    length: slice.length,
                    claimed: slice.sha256,
                    path,
                    file,
                    at: *at,
                    left: slice.length,
                });
            }
        }
        Ok(stretches)
    }
}

impl Volume {
    fn open(path: &Path) -> Result<Self, Error> {
        let (file, length) = open_volume(path)?;
        let device = !file.metadata().is_ok_and(|metadata| metadata.is_file());
        let reader = Reader { path, file: &file, length };
        let Some((Member::Info, size)) = reader.header(0)? else {
            let rule = "does not begin with volume.json".into();
            let source = bundle::Error::Rule { what: "the volume".into(), rule };
            return Err(Error::Volume { path: path.to_owned(), source });
        };
        let info = VolumeInfo::parse(&reader.bytes(BLOCK as u64, size)?)
            .map_err(|source| Error::Volume { path: path.to_owned(), source })?;
        let mut at = reader.end_of(BLOCK as u64, size)?;
        let mut volume = Self {
            path: path.to_owned(),
            file: file.try_clone().map_err(|e| Error::Read { path: path.to_owned(), source: e })?,
            info,
            metadata: BTreeMap::new(),
            targets: BTreeMap::new(),
            slices: Vec::new(),
        };
        while let Some((member, size)) = reader.header(at)? {
            let begin = at + BLOCK as u64;
            at = reader.end_of(begin, size)?;
            volume.take(&reader, member, begin, size)?;
        }
        volume.check_end(&reader, at, device)?;
        Ok(volume)
    }

    /// Takes one member in; each kind in its order, so that two writers make the same volume.
    fn take(
        &mut self,
        reader: &Reader<'_>,
        member: Member,
        begin: u64,
        size: u64,
    ) -> Result<(), Error> {
        let in_order = match member {
            Member::Info => false,
            Member::Metadata(name) => {
                let last = self.metadata.last_key_value().is_none_or(|(last, _)| *last < name);
                let room = self.metadata.len() < trust::METADATA_FILES_MAX;
                let ok = last && room && self.targets.is_empty() && self.slices.is_empty();
                self.metadata.insert(name, reader.bytes(begin, size)?);
                ok
            }
            Member::Target(sha256) => {
                let last = self.targets.last_key_value().is_none_or(|(last, _)| *last < sha256);
                self.targets.insert(sha256, (begin, size));
                last && self.slices.is_empty()
            }
            Member::Slice(offset) => {
                let slice = self.info.slices.get(self.slices.len());
                self.slices.push(begin);
                slice.is_some_and(|slice| slice.offset == offset && slice.length == size)
            }
        };
        if in_order { Ok(()) } else { Err(self.damaged("a member is out of order")) }
    }

    fn check_end(&self, reader: &Reader<'_>, at: u64, device: bool) -> Result<(), Error> {
        let end = at + 2 * BLOCK as u64;
        let second = reader.bytes(at + BLOCK as u64, BLOCK as u64)?;
        let trailing = !device && reader.length != end;
        if second.iter().any(|b| *b != 0) || trailing {
            return Err(self.damaged("something follows its end"));
        }
        if self.slices.len() != self.info.slices.len() {
            return Err(self.damaged("a slice that it announces is not there"));
        }
        let timestamp = self.metadata.get("timestamp.json");
        if timestamp.map(|bytes| Digest::of(bytes)) != Some(self.info.bundle) {
            return Err(self.damaged("its metadata is not that of the bundle which it names"));
        }
        Ok(())
    }

    fn same_bundle(&self, first: &Self) -> Result<(), Error> {
        if self.info.bundle != first.info.bundle {
            return Err(Error::OtherBundle {
                path: self.path.clone(),
                found: self.info.sequence,
                first: first.path.clone(),
                expected: first.info.sequence,
            });
        }
        let same = self.info.volumes == first.info.volumes
            && self.info.stream_length == first.info.stream_length;
        if same && self.metadata == first.metadata {
            return Ok(());
        }
        let what = format!("it says otherwise than {} of the same bundle", first.path.display());
        Err(self.damaged(&what))
    }

    fn read_at(&self, at: u64, length: u64) -> Result<Vec<u8>, Error> {
        Reader { path: &self.path, file: &self.file, length: u64::MAX }.bytes(at, length)
    }

    fn damaged(&self, what: &str) -> Error {
        Error::Damaged { path: self.path.clone(), what: what.to_owned() }
    }
}

/// Reads of one volume by position, bounded by its length.
struct Reader<'a> {
    path: &'a Path,
    file: &'a File,
    length: u64,
}

impl Reader<'_> {
    fn header(&self, at: u64) -> Result<Option<(Member, u64)>, Error> {
        let mut block = [0; BLOCK];
        self.fill(at, &mut block)?;
        parse_member(&block).map_err(|source| Error::Volume { path: self.path.to_owned(), source })
    }

    /// Reads bytes whose number has been bounded by their kind.
    fn bytes(&self, at: u64, length: u64) -> Result<Vec<u8>, Error> {
        let end = at.saturating_add(length);
        if end > self.length {
            return Err(Error::CutShort { path: self.path.to_owned() });
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        self.fill(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Where the member that begins at `begin` ends on the grid; what fills it up must be zero.
    fn end_of(&self, begin: u64, size: u64) -> Result<u64, Error> {
        let end = begin + padded(size);
        let fill = self.bytes(begin + size, padded(size) - size)?;
        if fill.iter().any(|b| *b != 0) {
            let what = "something hides between its members".to_owned();
            return Err(Error::Damaged { path: self.path.to_owned(), what });
        }
        Ok(end)
    }

    fn fill(&self, at: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.file.read_exact_at(buffer, at).map_err(|source| {
            let path = self.path.to_owned();
            match source.kind() {
                io::ErrorKind::UnexpectedEof => Error::CutShort { path },
                _ => Error::Read { path, source },
            }
        })
    }
}
