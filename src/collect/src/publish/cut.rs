//! Cutting a bundle folder into volumes that fit their media.

use super::PublishError;
use bundle::{
    BLOCK, FORMAT, Layout, Member, SLICE_BYTES_MAX, Slice, VolumeInfo, VolumePlan, member_header,
    padded, plan_volumes,
};
use durable::{Disk, RealDisk, WriteFile};
use ids::{Digest, Hasher, Timestamp};
use media::{Medium, Stretch, VOLUME_SUFFIX};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use trust::{Offered, Publisher, Repository, Verified};

/// The volumes of one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Their files, in order.
    pub volumes: Vec<PathBuf>,
    /// Their bytes together.
    pub bytes: u64,
}

/// Cuts the bundle in `folder` into volumes of at most `volume_bytes`, one volume for `None`, in
/// the folder `out`. `now` is the time, for judging the bundle once more.
///
/// # Errors
/// Volumes that would be too small, a bundle that does not verify, a disk that is full.
pub fn cut(
    folder: &Path,
    out: &Path,
    volume_bytes: Option<u64>,
    now: Timestamp,
    progress: impl Fn(u64),
) -> Result<Cut, PublishError> {
    let medium = Medium::open(&[folder.to_owned()]).map_err(PublishError::Medium)?;
    let offered = medium.offered().map_err(PublishError::Medium)?;
    let root = offered.root(1).unwrap_or_default().to_vec();
    let publisher = Publisher::anchor(&root, Digest::of(&root)).map_err(PublishError::Trust)?;
    let outcome = trust::follow(&publisher, &root, &offered, now).map_err(PublishError::Trust)?;
    let repository = outcome.repository();
    let layout = medium.contents(repository).map_err(PublishError::Medium)?.layout;
    let small = small_members(&medium, repository, &layout, &offered)?;
    let lengths = small.values().map(|bytes| bytes.len() as u64);
    let plans = plan_volumes(layout.stream_length(), lengths, volume_bytes)
        .map_err(PublishError::Format)?;
    RealDisk.create_dir_all(out).map_err(PublishError::file("creating", out))?;
    preflight(out, &layout, &small, plans.len() as u64)?;
    let cutter = Cutter { medium: &medium, layout: &layout, repository, small: &small };
    let mut cut = Cut { volumes: Vec::new(), bytes: 0 };
    for plan in &plans {
        let name = format!(
            "bundle-{:06}-volume-{:04}-of-{:04}{VOLUME_SUFFIX}",
            repository.sequence,
            plan.volume,
            plans.len()
        );
        let path = out.join(name);
        cut.bytes += cutter.write(&path, plan, plans.len(), &progress)?;
        cut.volumes.push(path);
    }
    RealDisk.sync_dir(out).map_err(PublishError::file("syncing", out))?;
    Ok(cut)
}

/// What every volume repeats, by the name of its member, in the order of the format.
type Small = BTreeMap<(u8, String), Vec<u8>>;

fn small_members(
    medium: &Medium,
    repository: &Verified<Repository>,
    layout: &Layout,
    offered: &Offered,
) -> Result<Small, PublishError> {
    let mut small = Small::new();
    for (name, bytes) in offered.files().filter(|(name, _)| repository.files.contains(*name)) {
        small.insert((0, name.to_owned()), bytes.to_vec());
    }
    let packs: Vec<&str> = layout.packs().iter().map(|pack| pack.name.as_str()).collect();
    for (name, file) in repository.all_targets().filter(|(name, _)| !packs.contains(name)) {
        let bytes = medium.small_target(name, file).map_err(PublishError::Medium)?;
        small.insert((1, file.sha256.to_hex()), bytes);
    }
    Ok(small)
}

fn preflight(out: &Path, layout: &Layout, small: &Small, volumes: u64) -> Result<(), PublishError> {
    let repeated: u64 = small.values().map(|bytes| BLOCK as u64 + padded(bytes.len() as u64)).sum();
    let slices = layout.stream_length() / SLICE_BYTES_MAX + 2 * volumes;
    let needed =
        layout.stream_length() + volumes * (repeated + 8 * BLOCK as u64) + slices * 2 * 1024;
    let available = RealDisk.available(out).map_err(PublishError::file("asking", out))?;
    if available < needed {
        return Err(PublishError::Space { path: out.to_owned(), needed, available });
    }
    Ok(())
}

struct Cutter<'a> {
    medium: &'a Medium,
    layout: &'a Layout,
    repository: &'a Repository,
    small: &'a Small,
}

impl Cutter<'_> {
    fn write(
        &self,
        path: &Path,
        plan: &VolumePlan,
        volumes: usize,
        progress: &impl Fn(u64),
    ) -> Result<u64, PublishError> {
        let info = VolumeInfo {
            format: FORMAT.to_owned(),
            bundle: self.repository.bundle,
            sequence: self.repository.sequence,
            volume: plan.volume,
            volumes: u32::try_from(volumes).unwrap_or(u32::MAX),
            stream_length: self.layout.stream_length(),
            slices: self.slices(plan)?,
        };
        let info = info.encode().map_err(PublishError::Format)?;
        let unfinished = path.with_extension("unfinished");
        let _ = RealDisk.remove(&unfinished);
        let failed = |source| PublishError::file("writing", &unfinished)(source);
        let file = RealDisk.create(&unfinished).map_err(failed)?;
        let mut tar = Tar { file, length: 0 };
        tar.member(&Member::Info, &info).map_err(failed)?;
        for ((kind, name), bytes) in self.small {
            let member = match kind {
                0 => Member::Metadata(name.clone()),
                _ => Member::Target(Digest::of(bytes)),
            };
            tar.member(&member, bytes).map_err(failed)?;
        }
        for (offset, length) in &plan.slices {
            tar.begin(&Member::Slice(*offset), *length).map_err(failed)?;
            self.read(*offset, *length, |bytes| {
                progress(bytes.len() as u64);
                tar.bytes(bytes)
            })?;
            tar.fill(*length).map_err(failed)?;
        }
        tar.bytes(&[0; 2 * BLOCK]).and_then(|()| tar.file.sync()).map_err(failed)?;
        RealDisk.rename(&unfinished, path).map_err(failed)?;
        Ok(tar.length)
    }

    /// The slices of a volume with the digest of each: the packs are read once for it.
    fn slices(&self, plan: &VolumePlan) -> Result<Vec<Slice>, PublishError> {
        let digest = |&(offset, length): &(u64, u64)| {
            let mut hasher = Hasher::default();
            self.read(offset, length, |bytes| {
                hasher.update(bytes);
                Ok(())
            })?;
            Ok(Slice { offset, length, sha256: hasher.finish() })
        };
        plan.slices.iter().map(digest).collect()
    }

    /// Hands the stream's bytes from `offset` on to `take`, from whichever packs they lie in.
    fn read(
        &self,
        offset: u64,
        length: u64,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), PublishError> {
        let end = offset + length;
        let mut buffer = vec![0; 1 << 20];
        let mut at = offset;
        for mut stretch in self.medium.stretches(self.layout).map_err(PublishError::Medium)? {
            let stop = stretch.offset + stretch.length;
            if at < stretch.offset || at >= stop || at >= end {
                continue;
            }
            stretch.skip(at - stretch.offset);
            let count = stop.min(end) - at;
            copy(&mut stretch, count, &mut buffer, &mut take)?;
            at += count;
        }
        if at < end {
            let name = "a pack".to_owned();
            return Err(PublishError::Medium(media::Error::MissingTarget { name }));
        }
        Ok(())
    }
}

fn copy(
    stretch: &mut Stretch,
    mut count: u64,
    buffer: &mut [u8],
    take: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), PublishError> {
    let path = stretch.path.clone();
    while count > 0 {
        let most = usize::try_from(count).unwrap_or(usize::MAX).min(buffer.len());
        let chunk = buffer.get_mut(..most).unwrap_or_default();
        stretch.read_exact(chunk).map_err(PublishError::file("reading", &path))?;
        take(chunk).map_err(PublishError::file("copying", &path))?;
        count -= most as u64;
    }
    Ok(())
}

/// A tar stream in the making.
struct Tar {
    file: Box<dyn WriteFile>,
    length: u64,
}

impl Tar {
    fn member(&mut self, member: &Member, bytes: &[u8]) -> io::Result<()> {
        let length = bytes.len() as u64;
        self.begin(member, length)?;
        self.bytes(bytes)?;
        self.fill(length)
    }

    fn begin(&mut self, member: &Member, length: u64) -> io::Result<()> {
        self.bytes(&member_header(member, length))
    }

    fn fill(&mut self, length: u64) -> io::Result<()> {
        let fill = usize::try_from(padded(length) - length).unwrap_or(0);
        self.bytes([0; BLOCK].get(..fill).unwrap_or_default())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}
