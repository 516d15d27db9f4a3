//! Small files of PID 1's: what people set, and what others left for it.

use crate::error::Error;
use durable::{Disk as _, RealDisk};
use network::{Invalid, Settings};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Longest file of settings, in bytes.
const SETTINGS_BYTES_MAX: u64 = 64 << 10;

/// The network from the kernel's command line: `patchkeep.address=` (`dhcp` or an address), `.gateway=`, `.interface=`,
/// `.vlan=`, `.name=` (again and again). In a signed image that line is a part of what is signed, so this is for direct boots.
pub(crate) fn network_of(line: &str) -> Option<Result<Settings, Invalid>> {
    let words: Vec<(&str, &str)> = line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("patchkeep.")?.split_once('='))
        .collect();
    let value =
        |key: &str| words.iter().rev().find(|(known, _)| *known == key).map(|(_, value)| *value);
    let address = value("address")?;
    let read = || {
        let wrong = |text: &str| Invalid::Address(text.to_owned());
        let gateway = |text: &str| text.parse().map_err(|_| wrong(text));
        Settings::new(
            address.parse()?,
            value("gateway").map(gateway).transpose()?,
            value("interface").map(str::parse).transpose()?,
            value("vlan").map(str::parse).transpose()?,
            words
                .iter()
                .filter(|(key, _)| *key == "name")
                .map(|(_, name)| name.parse())
                .collect::<Result<_, _>>()?,
        )
    };
    Some(read())
}

/// A number on the kernel's command line after such a word, as `patchkeep.trial_seconds=`.
pub(crate) fn number_of(line: &str, word: &str) -> Option<u64> {
    line.split_whitespace().find_map(|words| words.strip_prefix(word)?.parse().ok())
}

/// Writes a file of settings, whole or not at all.
pub(crate) fn write(path: &Path, settings: &impl Serialize) -> Result<(), Error> {
    let told = |source| Error::Write { path: path.to_owned(), source };
    let text = toml::to_string(settings).map_err(|error| told(io::Error::other(error)))?;
    RealDisk.write_atomic(path, text.as_bytes()).map_err(told)
}

/// Writes a small file for others to read, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let told = |source| Error::Write { path: path.to_owned(), source };
    let text = serde_json::to_vec(value).map_err(|error| told(io::Error::other(error)))?;
    RealDisk.write_atomic(path, &text).map_err(told)
}

/// Reads a file of settings.
pub(crate) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, Error> {
    let bytes = bounded(path, SETTINGS_BYTES_MAX)?;
    let told = |why: String| Error::Settings { path: path.to_owned(), why };
    let text = String::from_utf8(bytes).map_err(|_| told("it is not UTF-8".into()))?;
    toml::from_str(&text).map_err(|error| told(error.message().to_owned()))
}

/// A plain file out of a folder that may be somebody else's: no link is followed, and no pipe waited for.
pub(crate) fn plain(path: &Path) -> Result<fs::File, Error> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
    let told = |source| Error::Read { path: path.to_owned(), source };
    let file = fs::File::options().read(true).custom_flags(flags).open(path).map_err(told)?;
    if !file.metadata().map_err(told)?.is_file() {
        let why = "it is no plain file".to_owned();
        return Err(Error::Settings { path: path.to_owned(), why });
    }
    Ok(file)
}

/// The bytes of such a file, of which there may be at most so many.
pub(crate) fn bounded(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = plain(path)?.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > most {
        let why = format!("it has more than {most} bytes");
        return Err(Error::Settings { path: path.to_owned(), why });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_command_line_says_the_network_or_nothing() {
        let read = network_of;
        assert!(read("quiet console=ttyS0 address=192.0.2.1/24").is_none());
        let network = read("quiet patchkeep.address=10.0.2.15/24 patchkeep.gateway=10.0.2.2 patchkeep.name=a.example \
             patchkeep.name=b.example patchkeep.vlan=7")
        .unwrap()
        .unwrap();
        assert_eq!(
            network.to_string(),
            "10.0.2.15/24, gateway 10.0.2.2, on the first wired interface, VLAN 7, called a.example, b.example"
        );
        assert_eq!(read("patchkeep.address=dhcp").unwrap().unwrap(), Settings::default());
        assert!(read("patchkeep.address=10.0.2.15").unwrap().is_err());
        assert!(read("patchkeep.address=10.0.2.15/24 patchkeep.gateway=x").unwrap().is_err());
    }

    #[test]
    fn what_was_set_is_read_back() {
        let network: Settings = toml::from_str("address = '192.0.2.10/24'").unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("network.toml");
        write(&path, &network).unwrap();
        assert_eq!(read::<Settings>(&path).unwrap(), network);
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        fs::write(&path, [b'a'; 9]).unwrap();
        assert_eq!(bounded(&path, 9).unwrap().len(), 9);
        assert!(matches!(bounded(&path, 8), Err(Error::Settings { .. })));
    }
}
