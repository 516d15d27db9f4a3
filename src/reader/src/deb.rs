//! Debian binary packages (deb(5)): the control file and the changelog, nothing else.
//!
//! Hostile archives: members are read in order, in one pass, never by a position or name that the
//! archive chooses; links are not followed; everything is cut at a limit.

use crate::inflate::decoder;
use sandbox::Compression;
use std::io::Read;

/// Longest control file.
const CONTROL_BYTES_MAX: u64 = 1 << 20;
/// How much of a changelog is taken: the newest entries come first.
const CHANGELOG_BYTES_MAX: u64 = 8 << 20;
/// Most files that are passed over in search of the changelog.
const FILES_MAX: usize = 1_000_000;

/// What was found in a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebText {
    /// The control file.
    pub control: String,
    /// The start of the Debian changelog, where the package carries one itself.
    pub changelog: Option<Vec<u8>>,
}

/// Reads a package from its first byte; stops as soon as both texts are found.
///
/// # Errors
/// Why it is not a Debian package.
pub fn read_deb(from: &mut dyn Read) -> Result<DebText, String> {
    let said = |e: std::io::Error| e.to_string();
    let mut archive = ar::Archive::new(from);
    let mut control = None;
    for position in 0..16 {
        let Some(member) = archive.next_entry() else { break };
        let mut member = member.map_err(said)?;
        let name = String::from_utf8_lossy(member.header().identifier()).into_owned();
        let name = name.trim_end_matches('/');
        if position == 0 {
            let mut version = Vec::new();
            (&mut member).take(16).read_to_end(&mut version).map_err(said)?;
            if name != "debian-binary" || !version.starts_with(b"2.") {
                return Err("it does not begin as a Debian package of format 2".into());
            }
        } else if let Some(ending) = name.strip_prefix("control.tar") {
            control = Some(control_file(&mut unpack(ending, &mut member)?)?);
        } else if let Some(ending) = name.strip_prefix("data.tar") {
            let control = control.ok_or("its data come before its control file")?;
            let package = field(&control, "Package").unwrap_or_default().to_owned();
            let changelog = changelog(&mut unpack(ending, &mut member)?, &package)?;
            return Ok(DebText { control, changelog });
        }
    }
    Err("it has no data".into())
}

fn unpack<'a>(ending: &str, member: &'a mut dyn Read) -> Result<Box<dyn Read + 'a>, String> {
    let compression = match ending {
        "" => return Ok(Box::new(member)),
        ".xz" => Compression::Xz,
        ".gz" => Compression::Gzip,
        ".zst" => Compression::Zstd,
        _ => return Err("its members are compressed in an unknown way".into()),
    };
    decoder(compression, member).map_err(|e| e.to_string())
}

fn control_file(from: &mut dyn Read) -> Result<String, String> {
    let said = |e: std::io::Error| e.to_string();
    let mut archive = tar::Archive::new(from);
    for file in archive.entries().map_err(said)?.take(1000) {
        let file = file.map_err(said)?;
        let path = file.path_bytes();
        if !file.header().entry_type().is_file() || !matches!(&*path, b"./control" | b"control") {
            continue;
        }
        let mut text = String::new();
        let read = file.take(CONTROL_BYTES_MAX + 1).read_to_string(&mut text).map_err(said)?;
        if read as u64 > CONTROL_BYTES_MAX {
            return Err("its control file is absurdly large".into());
        }
        return Ok(text);
    }
    Err("it has no control file".into())
}

/// `changelog.Debian.gz` of the package's own folder, else that of a native package.
fn changelog(from: &mut dyn Read, package: &str) -> Result<Option<Vec<u8>>, String> {
    let said = |e: std::io::Error| e.to_string();
    let mut archive = tar::Archive::new(from);
    let mut native = None;
    for file in archive.entries().map_err(said)?.take(FILES_MAX) {
        let file = file.map_err(said)?;
        let path = String::from_utf8_lossy(&file.path_bytes()).into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path);
        let Some(rest) = path.strip_prefix("usr/share/doc/") else { continue };
        let Some(name) = rest.strip_prefix(package).and_then(|r| r.strip_prefix('/')) else {
            continue;
        };
        let zipped = name.ends_with(".gz");
        let name = name.strip_suffix(".gz").unwrap_or(name);
        if !file.header().entry_type().is_file()
            || !matches!(name, "changelog.Debian" | "changelog")
        {
            continue;
        }
        let mut text = Vec::new();
        let mut limited = if zipped {
            decoder(Compression::Gzip, file).map_err(said)?.take(CHANGELOG_BYTES_MAX)
        } else {
            (Box::new(file) as Box<dyn Read>).take(CHANGELOG_BYTES_MAX)
        };
        limited.read_to_end(&mut text).map_err(said)?;
        if name == "changelog.Debian" {
            return Ok(Some(text));
        }
        native = Some(text);
    }
    Ok(native)
}

fn field<'a>(control: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = control.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
