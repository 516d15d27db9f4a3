//! Opening an audit bundle that anybody may have made.
//!
//! Attacks and what stands against each: names that leave the folder (plain names only, nothing is
//! ever unpacked to disk), one name twice or hidden (the zip's own count must equal the names found),
//! links and devices (refused), a bomb (bytes are counted as they come out, not as announced), many
//! files (counted first).

use super::{AuditError, manifest::is_safe_name};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};
use zip::ZipArchive;

/// Bounds on an audit bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most files.
    pub files: usize,
    /// Most bytes in one file.
    pub file_bytes: u64,
    /// Most bytes in all files together: they are held in memory.
    pub total_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 60_000, file_bytes: 512 << 20, total_bytes: 2 << 30 }
    }
}

/// The files of a bundle by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Opens a bundle: a zip, or the folder into which one was unpacked.
///
/// # Errors
/// [`AuditError::Hostile`] says what is wrong with it; [`AuditError::Read`], [`AuditError::ReadZip`].
pub fn open(path: &Path, limits: Limits) -> Result<Files, AuditError> {
    let read = |source| AuditError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(read)?.is_dir() {
        return open_folder(path, limits);
    }
    open_zip(File::open(path).map_err(read)?, limits)
}

/// Opens a zip.
///
/// # Errors
/// As [`open`].
pub fn open_zip<R: Read + Seek>(mut zip: R, limits: Limits) -> Result<Files, AuditError> {
    let announced = announced(&mut zip)?;
    let mut archive = ZipArchive::new(zip).map_err(AuditError::ReadZip)?;
    if archive.len() != announced {
        return Err(AuditError::hostile("its list of files names one file more than once"));
    }
    if announced > limits.files {
        return Err(AuditError::hostile(format!("it has more than {} files", limits.files)));
    }
    let mut taken = Taken::new(limits);
    for n in 0..archive.len() {
        let mut file = archive.by_index(n).map_err(AuditError::ReadZip)?;
        let name = String::from_utf8(file.name_raw().to_vec());
        let name = name.map_err(|_| AuditError::hostile("it has a file name that is not text"))?;
        if file.is_symlink() {
            return Err(AuditError::hostile(format!("{name:?} is a link")));
        }
        if file.is_dir() && name.strip_suffix('/').is_some_and(is_safe_name) {
            continue;
        }
        taken.take(name, &mut file)?;
    }
    Ok(taken.files)
}

/// Files that the zip says it has: the end record must be the last 22 bytes.
fn announced<R: Read + Seek>(zip: &mut R) -> Result<usize, AuditError> {
    let mut end = [0; 22];
    let read = zip.seek(SeekFrom::End(-22)).and_then(|_| zip.read_exact(&mut end));
    if read.is_err() || !end.starts_with(b"PK\x05\x06") || !end.ends_with(&[0, 0]) {
        return Err(AuditError::hostile(
            "it is not a plain zip as Patchkeep writes them; unpack it and verify the folder",
        ));
    }
    let [_, _, _, _, _, _, _, _, _, _, low, high, ..] = end;
    Ok(usize::from(u16::from_le_bytes([low, high])))
}

/// Opens a folder. Links are refused, other file systems are not entered by them.
///
/// # Errors
/// As [`open`].
pub fn open_folder(folder: &Path, limits: Limits) -> Result<Files, AuditError> {
    let mut taken = Taken::new(limits);
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = folders.pop() {
        let read = |source| AuditError::Read { path: path.clone(), source };
        for entry in fs::read_dir(&path).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let name = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(read)?;
            if kind.is_dir() && is_safe_name(&name) && folders.len() < limits.files {
                folders.push((entry.path(), format!("{name}/")));
            } else if kind.is_file() {
                taken.take(name, &mut File::open(entry.path()).map_err(read)?)?;
            } else {
                let reason = format!("{name:?} is neither a file nor a plain folder");
                return Err(AuditError::hostile(reason));
            }
        }
    }
    Ok(taken.files)
}

struct Taken {
    files: Files,
    bytes: u64,
    limits: Limits,
}

impl Taken {
    const fn new(limits: Limits) -> Self {
        Self { files: Files::new(), bytes: 0, limits }
    }

    fn take(&mut self, name: String, file: &mut impl Read) -> Result<(), AuditError> {
        if !is_safe_name(&name) {
            return Err(AuditError::hostile(format!("{name:?} is not a plain file name")));
        }
        if self.files.len() >= self.limits.files {
            let reason = format!("it has more than {} files", self.limits.files);
            return Err(AuditError::hostile(reason));
        }
        let Limits { file_bytes, total_bytes, .. } = self.limits;
        let most = file_bytes.min(total_bytes - self.bytes);
        let mut bytes = Vec::new();
        let read = file.take(most + 1).read_to_end(&mut bytes);
        let length = read
            .map_err(|error| AuditError::hostile(format!("{name:?} cannot be unpacked: {error}")))?
            as u64;
        if length > most {
            let reason = format!(
                "{name:?} is too large: a bundle has at most {file_bytes} bytes in a file and \
                 {total_bytes} in all"
            );
            return Err(AuditError::hostile(reason));
        }
        self.bytes += length;
        if self.files.insert(name.clone(), bytes).is_some() {
            return Err(AuditError::hostile(format!("{name:?} is there twice")));
        }
        Ok(())
    }
}
