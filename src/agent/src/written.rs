//! What was written on a machine since a moment, outside of what packages own: what people decide by.

use crate::{Machine, way_back};
use ids::Timestamp;
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Longest time that is spent on it; a sentence that comes too late helps nobody.
const LOOK_MAX: Duration = Duration::from_secs(60);
/// What is made anew at each start, what grows by itself, and our own.
const LEFT_OUT: &[&str] =
    &["dev", "proc", "run", "sys", "tmp", "var/cache", "var/lib/patchkeep", "var/log", "var/tmp"];

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Written {
    files: u64,
    /// Their whole size, since it is not known which of their bytes are new.
    bytes: u64,
    newest: Option<(i64, PathBuf)>,
    /// Whether time ran out before all was seen.
    cut: bool,
}

/// Looks through the machine's own file system.
pub(crate) fn since(machine: &Machine, moment: Timestamp) -> Written {
    let mut written = Written::default();
    let Ok(root) = fs::metadata(machine.root()) else { return written };
    let begun = Instant::now();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        if begun.elapsed() > LOOK_MAX {
            written.cut = true;
            break;
        }
        // What cannot be listed any more is gone.
        for entry in fs::read_dir(machine.root().join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            let Ok(meta) = entry.metadata() else { continue };
            let ours = LEFT_OUT.iter().any(|own| Path::new(own) == path);
            if ours || way_back::is_owned(&path) || meta.dev() != root.dev() {
                continue;
            }
            if meta.is_dir() {
                folders.push(path);
            } else if meta.is_file() && meta.mtime() >= moment.as_second() {
                written.files += 1;
                written.bytes += meta.len();
                let newest = (meta.mtime(), path);
                written.newest = written.newest.max(Some(newest));
            }
        }
    }
    written
}

impl Written {
    /// The same in a sentence.
    pub(crate) fn text(&self) -> String {
        let Self { files, bytes, newest, cut } = self;
        let Some((at, path)) = newest else { return "no data was written since".into() };
        let at = Timestamp::from_second(*at).map(|at| at.to_string()).unwrap_or_default();
        let least = if *cut { "at least " } else { "" };
        let path = path.display();
        format!(
            "since then {least}{files} files of data ({bytes} bytes, logs not counted) were written, last /{path} at {at}"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn data_counts_and_what_packages_own_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::below(folder.path()).unwrap();
        let before = Timestamp::from_second(Timestamp::now().as_second() - 5).unwrap();
        assert_eq!(since(&machine, before).text(), "no data was written since");
        for path in ["/var/lib/shop/orders", "/usr/bin/tool", "/var/lib/dpkg/status", "/tmp/x"] {
            let path = machine.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        let text = since(&machine, before).text();
        assert!(text.contains("1 files of data (5 bytes, logs"), "{text}");
        assert!(text.contains("last /var/lib/shop/orders at"), "{text}");
        let later = Timestamp::from_second(Timestamp::now().as_second() + 5).unwrap();
        assert_eq!(since(&machine, later).text(), "no data was written since");
    }
}
