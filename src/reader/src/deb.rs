//! Debian binary packages (deb(5)): the control file and the changelog, or every file for a scanner.
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
/// Most files of an archive.
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
    let mut found = None;
    let mut control = None;
    each_part(from, &mut |part, content| match part {
        Part::Control => {
            control = Some(control_file(content)?);
            Ok(true)
        }
        Part::Data => {
            let control = control.take().ok_or("its data come before its control file")?;
            let package = field(&control, "Package").unwrap_or_default().to_owned();
            let changelog = changelog(content, &package)?;
            found = Some(DebText { control, changelog });
            Ok(false)
        }
    })?;
    found.ok_or_else(|| "it has no data".into())
}

/// Takes a file: its name and its bytes.
pub type TakeFile<'a> = dyn FnMut(&[u8], &mut dyn Read) -> Result<(), String> + 'a;

/// Hands every file of a package to `take`, the scripts of its control part too; returns how many.
///
/// # Errors
/// Why it is not a Debian package, or what `take` answers.
pub fn deb_files(from: &mut dyn Read, take: &mut TakeFile<'_>) -> Result<u64, String> {
    let said = |e: std::io::Error| e.to_string();
    let (mut files, mut data) = (0, false);
    each_part(from, &mut |part, content| {
        let folder: &[u8] = if part == Part::Control { b"DEBIAN/" } else { b"" };
        data |= part == Part::Data;
        for file in tar::Archive::new(content).entries().map_err(said)? {
            if files >= FILES_MAX as u64 {
                return Err("it holds absurdly many files".into());
            }
            let mut file = file.map_err(said)?;
            if file.header().entry_type().is_file() {
                let path = file.path_bytes();
                let path = path.strip_prefix(b"./").unwrap_or(&path);
                let name = [folder, path].concat();
                take(&name, &mut file)?;
                files += 1;
            }
        }
        Ok(true)
    })?;
    if data { Ok(files) } else { Err("it has no data".into()) }
}

/// The parts of a package that are archives themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Control,
    Data,
}

/// Unpacks the parts in order, until `take` answers with false.
fn each_part(
    from: &mut dyn Read,
    take: &mut dyn FnMut(Part, &mut dyn Read) -> Result<bool, String>,
) -> Result<(), String> {
    let said = |e: std::io::Error| e.to_string();
    let mut archive = ar::Archive::new(from);
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
            continue;
        }
        let part = (name.strip_prefix("control.tar").map(|ending| (Part::Control, ending)))
            .or_else(|| name.strip_prefix("data.tar").map(|ending| (Part::Data, ending)));
        if let Some((part, ending)) = part
            && !take(part, &mut unpack(ending, &mut member)?)?
        {
            return Ok(());
        }
    }
    Ok(())
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
