//! The files of packages that are about to change, by digest: so that a machine which was put back can be shown
//! to be what it was. What a package owns among a server's data (below `/var`, mostly) is not put back, and not
//! compared.

use crate::{
    Error, Machine,
    files::{put, read},
    way_back,
};
use api::PlannedPackage;
use ids::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

const TOUCHED: &str = "/var/lib/patchkeep/touched.json";
const INFO: &str = "/var/lib/dpkg/info";

/// Files before a change, with the digest of their bytes, or of where a link leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Touched {
    /// The job's statement.
    statement: Digest,
    files: BTreeMap<String, Digest>,
}

/// Keeps the digests of all files that the replaced packages own.
pub(crate) fn keep(
    machine: &Machine,
    statement: Digest,
    packages: &[PlannedPackage],
) -> Result<(), Error> {
    let mut files = BTreeMap::new();
    for planned in packages.iter().filter(|planned| planned.replaces.is_some()) {
        for path in owned(machine, planned)? {
            if let Some(digest) = digest(&machine.path(&path))? {
                files.insert(path, digest);
            }
        }
    }
    let text = serde_json::to_vec(&Touched { statement, files }).unwrap_or_default();
    put(&machine.path(TOUCHED), &text, 0o600, None)
}

/// Holds the files as they are now against what was kept: how many are equal.
///
/// # Errors
/// [`Error::WayBack`] where one of them is not.
pub(crate) fn equal(machine: &Machine, statement: Digest) -> Result<usize, Error> {
    let bytes = read(&machine.path(TOUCHED))?.unwrap_or_default();
    let touched = serde_json::from_slice::<Touched>(&bytes).ok();
    let Some(touched) = touched.filter(|touched| touched.statement == statement) else {
        return Err(Error::WayBack("it is not known what the files were before".into()));
    };
    for (path, before) in &touched.files {
        if digest(&machine.path(path))?.as_ref() != Some(before) {
            return Err(Error::WayBack(format!("{path} is not as it was before")));
        }
    }
    Ok(touched.files.len())
}

/// The paths that a package owns and that are put back, by dpkg's own lists.
fn owned(machine: &Machine, planned: &PlannedPackage) -> Result<Vec<String>, Error> {
    let (name, architecture) = (&planned.package.package, &planned.package.architecture);
    for list in [format!("{name}:{architecture}.list"), format!("{name}.list")] {
        if let Some(bytes) = read(&machine.path(&format!("{INFO}/{list}")))? {
            let text = String::from_utf8_lossy(&bytes);
            let is_put_back =
                |path: &&str| way_back::is_owned(Path::new(path.trim_start_matches('/')));
            return Ok(text.lines().filter(is_put_back).map(str::to_owned).collect());
        }
    }
    Ok(Vec::new())
}

/// Digest of a file's bytes, or of where a link leads; nothing of anything else.
fn digest(path: &Path) -> Result<Option<Digest>, Error> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(None) };
    let failed = Error::file("read", path);
    if meta.is_symlink() {
        let target = fs::read_link(path).map_err(failed)?;
        return Ok(Some(Digest::of(target.as_os_str().as_bytes())));
    }
    if !meta.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path).map_err(&failed)?;
    let (mut hasher, mut buffer) = (Hasher::default(), vec![0; 1 << 18]);
    loop {
        let read = file.read(&mut buffer).map_err(&failed)?;
        if read == 0 {
            return Ok(Some(hasher.finish()));
        }
        hasher.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use trust::ApprovedPackage;

    #[test]
    fn files_are_compared_and_data_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::below(folder.path()).unwrap();
        let write = |path: &str, text: &str| {
            let path = machine.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            &format!("{INFO}/shop.list"),
            "/.\n/usr/bin/shop\n/etc/shop.conf\n/var/lib/shop/orders\n",
        );
        for path in ["/usr/bin/shop", "/etc/shop.conf", "/var/lib/shop/orders"] {
            write(path, "old");
        }
        let (statement, sha256) = (Digest::of(b"one"), Digest::of(b"deb"));
        let package = ApprovedPackage {
            package: "shop".into(),
            architecture: "amd64".into(),
            version: "2".into(),
            sha256,
        };
        let planned = PlannedPackage { package, replaces: Some("1".into()) };
        keep(&machine, statement, &[planned]).unwrap();
        write("/var/lib/shop/orders", "new");
        assert_eq!(equal(&machine, statement).unwrap(), 2);
        assert!(equal(&machine, Digest::of(b"another")).is_err());
        write("/etc/shop.conf", "new");
        let error = equal(&machine, statement).unwrap_err().to_string();
        assert!(error.contains("/etc/shop.conf is not as it was"), "{error}");
    }
}
