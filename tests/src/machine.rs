//! This machine: where our programs stand, its own mirror, and what it must have.

use crate::{Said, run_within};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The Debian mirror that this machine's own apt sources name.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The release that this machine runs, for example `bookworm`.
    pub codename: String,
    /// Where the release suite is.
    pub release: String,
    /// Where the security suite is.
    pub security: String,
}

/// A program of ours, as `just test` has built it: beside the folder of this test program.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is missing: run `just test`, which builds it first", path.display());
    path
}

/// Runs a verb of `patchkeep`, within five minutes.
#[track_caller]
pub fn patchkeep<I: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = I>) -> Said {
    run_within(Duration::from_secs(300), Command::new(program("patchkeep")).args(arguments))
}

/// A folder for what is slow to make and the same for every test: `target/test-cache`.
#[must_use]
pub fn cache() -> PathBuf {
    let folder = program("patchkeep").parent().and_then(Path::parent).unwrap().join("test-cache");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Holds whoever makes something in [`cache`] apart, until the file is dropped: tests are processes.
pub(crate) fn alone() -> File {
    let file = File::create(cache().join("lock")).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    file
}

/// A folder of the test's own, gone when it is dropped.
#[must_use]
pub fn scratch() -> TempDir {
    let folder = tempfile::Builder::new().prefix("patchkeep-test-").tempdir().unwrap();
    // apt's own user must be able to walk through it.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    folder
}

/// Whether this is a long run (`just soak`).
#[must_use]
pub fn soak() -> bool {
    std::env::var_os("PATCHKEEP_SOAK").is_some()
}

/// Debian machines and networks of their own need root; a test that cannot run is not a pass.
#[track_caller]
pub fn require_root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test makes Debian machines and networks: run it as root (sudo -E env PATH=$PATH just test)"
    );
}

/// Reads the mirror from the machine's own apt sources, in either of their styles.
#[must_use]
pub fn mirror() -> Mirror {
    let codename = codename();
    let sources = apt_sources();
    let find = |suite: &str| {
        let source = sources.iter().find(|source| source.suites.iter().any(|own| own == suite));
        let uri = source.and_then(|source| source.uris.first());
        uri.unwrap_or_else(|| panic!("this machine's apt sources name no suite {suite}")).clone()
    };
    let (release, security) = (find(&codename), find(&format!("{codename}-security")));
    Mirror { codename, release, security }
}

fn codename() -> String {
    let facts = fs::read_to_string("/etc/os-release").unwrap();
    let line = facts.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.expect("this machine is no Debian release").trim_matches('"').to_owned()
}

fn apt_sources() -> Vec<vendor_apt::AptSource> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    let mut sources = Vec::new();
    for file in files {
        let Ok(bytes) = fs::read(&file) else { continue };
        let parsed = match file.extension().and_then(|end| end.to_str()) {
            Some("sources") => vendor_apt::parse_sources(&bytes),
            Some("list") => vendor_apt::parse_one_line_sources(&bytes),
            _ => continue,
        };
        sources.extend(parsed.unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    }
    sources
}
