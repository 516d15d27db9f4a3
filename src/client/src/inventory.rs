//! Taking a Debian machine's inventory from its own files; no program of the machine is run.

use crate::Error;
use ids::Timestamp;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use vendor_apt::Inventory;

/// The inventory of the machine below `root`; `host` is its name unless it says one itself.
///
/// Reads dpkg's status and list of architectures (`/var/lib/dpkg`) and apt's pins (`/etc/apt`, files
/// as apt_preferences(5) takes them).
///
/// # Errors
/// Which file cannot be read or understood.
pub fn take_inventory(
    root: &Path,
    host: Option<String>,
    now: Timestamp,
) -> Result<Inventory, Error> {
    let status_file = root.join("var/lib/dpkg/status");
    let status = read(&status_file)?;
    let architectures = text_or_nothing(&root.join("var/lib/dpkg/arch"))?;
    let foreign: Vec<String> = architectures.split_whitespace().map(str::to_owned).collect();
    let mut preferences = Vec::new();
    for file in pins(&root.join("etc/apt"))? {
        let text = text_or_nothing(&file)?;
        if !text.trim().is_empty() {
            preferences.push(text);
        }
    }
    let host = match host {
        Some(host) => host,
        None => text_or_nothing(&root.join("etc/hostname"))?.trim().to_owned(),
    };
    Inventory::take(host, now, &status, &foreign, preferences)
        .map_err(|source| Error::Format { path: status_file, source })
}

/// apt's preference files in apt's order: the single file, then the folder's by name. The first record
/// that matches wins, so the order counts.
fn pins(apt: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = apt.join("preferences.d");
    let single = apt.join("preferences");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(vec![single]),
        Err(source) => return Err(Error::Read { path: folder, source }),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| Error::Read { path: folder.clone(), source })?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let ending = path.extension().is_none_or(|ending| ending == "pref");
        if ending && name.bytes().all(plain) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    files.insert(0, single);
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

fn text_or_nothing(path: &Path) -> Result<String, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pins_come_in_apts_order_and_strange_names_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(
            "var/lib/dpkg/status",
            "Package: dpkg\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n",
        );
        put("var/lib/dpkg/arch", "amd64\ni386\n");
        put("etc/hostname", "web1\n");
        put("etc/apt/preferences", "first");
        put("etc/apt/preferences.d/20b.pref", "third");
        put("etc/apt/preferences.d/10a", "second");
        put("etc/apt/preferences.d/30c.dpkg-old", "not taken");
        let taken = take_inventory(root.path(), None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(taken.preferences, ["first", "second", "third"]);
        assert_eq!(taken.architectures, ["amd64", "i386"]);
        assert_eq!(taken.host, "web1");
    }
}
