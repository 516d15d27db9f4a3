//! A way back in one tar archive on the machine's own disk.

use super::{
    COPY_SECONDS_MAX, FOLDER, Kind, Made, STATUS, WayBack, folder, leads_here, parts, put_back,
};
use crate::{Error, Machine};
use durable::{Disk as _, RealDisk};
use ids::{Digest, Hasher, Timestamp};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// What is not copied: what is made anew at each start, and the copies themselves.
const LEFT_OUT: &[&str] = &["./dev/*", "./proc/*", "./run/*", "./sys/*", "./tmp/*", "./var/tmp/*"];
/// What stays free beside a copy.
const SPARE_BYTES: u64 = 64 << 20;

pub(super) struct Archive<'a> {
    pub(super) machine: &'a Machine,
}

impl WayBack for Archive<'_> {
    fn make(&self, name: &str) -> Result<Made, Error> {
        let path = folder(self.machine)?.join(format!("{name}.tar"));
        // One that a stop cut short is of no use, and older ones lead to where nobody wants to go.
        for old in fs::read_dir(folder(self.machine)?).into_iter().flatten().flatten() {
            if old.path().extension().is_some_and(|ending| ending == "tar" || ending == "part") {
                fs::remove_file(old.path()).map_err(Error::file("remove", &old.path()))?;
            }
        }
        let parts = parts(self.machine)?;
        self.room(&parts)?;
        let at = Timestamp::now();
        let part = path.with_extension("part");
        let mut words = vec!["--create".to_owned(), "--file".into(), part.display().to_string()];
        words
            .extend(["--acls", "--xattrs", "--numeric-owner", "--one-file-system"].map(Into::into));
        words.extend(["--sparse", "--warning=no-file-ignored"].map(Into::into));
        words.extend(left_out().map(|pattern| format!("--exclude={pattern}")));
        words.extend(["--directory".into(), self.machine.root().display().to_string()]);
        words.extend(parts.iter().cloned());
        let said = self.machine.tool("tar", &words).within(COPY_SECONDS_MAX).hear()?;
        // 1: a file changed while it was read, as logs do. That of dpkg is held against the live one.
        if !matches!(said.status.code(), Some(0 | 1)) {
            drop(fs::remove_file(&part));
            return Err(said.failure("tar --create".into()));
        }
        let (sha256, status) = read_to_the_end(&part)?;
        let status = status.ok_or_else(|| Error::WayBack(format!("it has no {STATUS}")))?;
        let synced = File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| RealDisk.rename(&part, &path))
            .and_then(|()| RealDisk.sync_dir(path.parent().unwrap_or(Path::new("/"))));
        synced.map_err(Error::file("keep", &path))?;
        Ok(Made {
            kind: Kind::Archive,
            name: name.to_owned(),
            at,
            sha256: Some(sha256),
            parts,
            status,
        })
    }

    fn prove(&self, made: &Made) -> Result<(), Error> {
        let (sha256, status) = read_to_the_end(&self.path(made))?;
        if Some(sha256) != made.sha256 || status != Some(made.status) {
            return Err(Error::WayBack("the archive is not as it was written".into()));
        }
        leads_here(self.machine, made)
    }

    fn restore(&self, made: &Made) -> Result<(), Error> {
        let path = self.path(made);
        let (sha256, _) = read_to_the_end(&path)?;
        if Some(sha256) != made.sha256 {
            return Err(Error::WayBack("the archive is not as it was written".into()));
        }
        put_back::put_back(self.machine, &path, made)?;
        leads_here(self.machine, made)
    }

    fn delete(&self, made: &Made) -> Result<(), Error> {
        let path = self.path(made);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::file("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

impl Archive<'_> {
    fn path(&self, made: &Made) -> PathBuf {
        self.machine.path(&format!("{FOLDER}/{}.tar", made.name))
    }

    /// Whether a copy fits beside what is there.
    fn room(&self, parts: &[String]) -> Result<(), Error> {
        let mut words: Vec<String> =
            ["--block-size=1", "--total", "--summarize", "--one-file-system"]
                .map(Into::into)
                .into();
        words.extend(left_out().map(|pattern| format!("--exclude={pattern}")));
        let place = |part: &String| self.machine.path(part).display().to_string();
        words.extend(parts.iter().map(place));
        let said = self.machine.tool("du", &words).within(1800).hear()?;
        let total = said.out.lines().last().and_then(|line| line.split('\t').next());
        let used: u64 = total
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::WayBack("it is not known how large it would be".into()))?;
        let folder = folder(self.machine)?;
        let available = RealDisk.available(&folder).map_err(Error::file("measure", &folder))?;
        let needed = used.saturating_add(SPARE_BYTES);
        if needed > available { Err(Error::Space { needed, available }) } else { Ok(()) }
    }
}

fn left_out() -> impl Iterator<Item = String> {
    let own = [format!(".{FOLDER}"), "./var/lib/patchkeep/apt".to_owned()];
    LEFT_OUT.iter().map(|pattern| (*pattern).to_owned()).chain(own)
}

/// A file that is hashed while it is read.
struct Hashed {
    file: File,
    hasher: Hasher,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

/// Reads every member of an archive to its end: the archive's digest, and that of dpkg's status in it.
fn read_to_the_end(path: &Path) -> Result<(Digest, Option<Digest>), Error> {
    let failed = Error::file("read", path);
    let file = File::open(path).map_err(&failed)?;
    let mut archive = tar::Archive::new(Hashed { file, hasher: Hasher::default() });
    let mut status = None;
    let mut names = BTreeSet::new();
    for entry in archive.entries().map_err(&failed)? {
        let mut entry = entry.map_err(&failed)?;
        let name = entry.path_bytes().into_owned();
        if name == format!("./{STATUS}").as_bytes() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(&failed)?;
            status = Some(Digest::of(&bytes));
        } else {
            io::copy(&mut entry, &mut Nowhere).map_err(&failed)?;
        }
        names.insert(name);
    }
    if names.is_empty() {
        return Err(Error::WayBack("the archive is empty".into()));
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut Nowhere).map_err(&failed)?;
    Ok((rest.hasher.finish(), status))
}

struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
