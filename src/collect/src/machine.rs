//! What this machine's own apt knows: mirrors and keyrings.

use crate::{Error, settings::SourceSettings};
use std::{
    fs,
    path::{Path, PathBuf},
};
use vendor_apt::{AptSource, SignedBy, parse_one_line_sources, parse_sources};

const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Most bytes of keyrings taken together.
const KEYRING_BYTES_MAX: usize = 8 << 20;

/// apt's folder of settings, usually `/etc/apt`.
#[derive(Debug, Clone)]
pub struct Machine {
    folder: PathBuf,
}

impl Default for Machine {
    fn default() -> Self {
        Self { folder: "/etc/apt".into() }
    }
}

impl Machine {
    /// A machine whose apt keeps its settings in `folder`.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The sources of binary packages over HTTP or HTTPS, in apt's order.
    pub(crate) fn sources(&self) -> Result<Vec<AptSource>, Error> {
        let mut files = vec![self.folder.join("sources.list")];
        files.extend(files_in(&self.folder.join("sources.list.d")));
        let mut sources = Vec::new();
        for path in files {
            let ending = path.extension().and_then(|e| e.to_str());
            let parse = match ending {
                Some("sources") => parse_sources,
                Some("list") => parse_one_line_sources,
                _ => continue,
            };
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::file("read", &path)(e)),
            };
            let named = |source| Error::Format { path: path.display().to_string(), source };
            sources.extend(parse(&bytes).map_err(named)?);
        }
        sources.retain(|source| source.uris.iter().any(|uri| is_http(uri)));
        Ok(sources)
    }

    /// The base address of a source's mirror: the settings', or the one that apt names.
    ///
    /// # Errors
    /// [`Error::NoMirror`] when neither names one.
    pub fn mirror_of(&self, source: &SourceSettings) -> Result<String, Error> {
        if let Some(mirror) = &source.mirror {
            return Ok(mirror.clone());
        }
        let none = || Error::NoMirror { suite: source.suite.clone() };
        let ours = self.sources()?.into_iter().filter(|ours| ours.suites.contains(&source.suite));
        ours.flat_map(|ours| ours.uris).find(|uri| is_http(uri)).ok_or_else(none)
    }

    /// The keys by which a source's signature is judged.
    pub(crate) fn keyring_of(
        &self,
        source: &SourceSettings,
        folder: Option<&Path>,
    ) -> Result<Keyring, Error> {
        if let Some(path) = source.keyring.as_deref().or(folder) {
            let files = if path.is_dir() { files_in(path) } else { vec![path.to_owned()] };
            return Keyring::read(&files, &source.label());
        }
        let ours = self.sources()?.into_iter().find(|ours| ours.suites.contains(&source.suite));
        match ours.and_then(|ours| ours.signed_by) {
            Some(SignedBy::Embedded(text)) => {
                Ok(Keyring { binary: Vec::new(), armoured: text.into_bytes() })
            }
            Some(SignedBy::Files(files)) if !files.is_empty() => {
                let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
                Keyring::read(&files, &source.suite)
            }
            _ => Keyring::read(&[DEBIAN_KEYRING.into()], &source.suite),
        }
    }
}

/// Certificates: binary ones, and armoured ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keyring {
    pub(crate) binary: Vec<u8>,
    pub(crate) armoured: Vec<u8>,
}

impl Keyring {
    fn read(files: &[PathBuf], suite: &str) -> Result<Self, Error> {
        let mut ring = Self { binary: Vec::new(), armoured: Vec::new() };
        for path in files {
            let known = ["gpg", "asc", "pgp"];
            if !path.extension().and_then(|e| e.to_str()).is_some_and(|e| known.contains(&e)) {
                continue;
            }
            let bytes = match fs::read(path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::file("read", path)(e)),
            };
            if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
                ring.armoured.extend(bytes);
                ring.armoured.push(b'\n');
            } else {
                ring.binary.extend(bytes);
            }
        }
        let length = ring.binary.len() + ring.armoured.len();
        if length == 0 || length > KEYRING_BYTES_MAX {
            return Err(Error::NoKeyring { suite: suite.to_owned() });
        }
        Ok(ring)
    }

    /// In the order that the reader takes: binary first.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.binary[..], &self.armoured[..]].concat()
    }
}

fn is_http(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

/// The files of a folder by name; none where there is no folder.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn the_machine_names_the_mirror_or_one_sentence_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::at(folder.path());
        assert!(matches!(Settings::of_this_machine(&machine), Err(Error::Unconfigured)));
        let list = "deb http://mirror.example/debian bookworm main\n\
            deb cdrom:[x] stable main\ndeb https://b.example/s bookworm-security main\n";
        fs::write(folder.path().join("sources.list"), list.replace("cdrom:[x]", "cdrom:x"))
            .unwrap();
        let settings = Settings::of_this_machine(&machine).unwrap();
        assert_eq!(settings.sources.len(), 2);
        let mirror = machine.mirror_of(&settings.sources[1]).unwrap();
        assert_eq!(mirror, "https://b.example/s");
        let other = Settings::parse("[[source]]\nvendor=\"debian\"\nsuite=\"sid\"\n").unwrap();
        let error = machine.mirror_of(&other.sources[0]).unwrap_err();
        assert!(error.to_string().starts_with("no mirror is known for sid: name one"), "{error}");
    }
}
