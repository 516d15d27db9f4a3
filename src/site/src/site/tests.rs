//! What an older program does with the folder of a newer one: the image before comes back to it.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::sample::founded;
use ids::Fault;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Every file in a folder, with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(contents(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

#[test]
fn what_a_newer_version_wrote_is_said_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    founded(folder.path()).close().unwrap();
    let data = Folder::at(&folder.path().join("data"));
    let disk: Arc<dyn Disk> = Arc::new(durable::RealDisk);
    let key = keys::load(disk.as_ref(), &data, keys::Purpose::Log).unwrap();
    let origin = data.origin(disk.as_ref()).unwrap();
    let (mut ledger, _) = FileLedger::open(disk, &data.ledger(), &origin, key).unwrap();
    let newer =
        r#"{"actor":{"kind":"appliance"},"at":"2026-11-29T10:00:00Z","type":"warp-drive","v":1}"#;
    ledger.append(vec![newer.as_bytes().to_vec()]).unwrap();
    ledger.close().unwrap();
    let before = contents(data.path());
    for _ in 0..2 {
        let Err(error) = Site::open(&data, None) else { panic!("it was opened") };
        let said = crate::chain(&error);
        assert!(said.contains("was written by a newer version of Patchkeep"), "{said}");
        assert_eq!(error.fault(), Fault::Unavailable);
        assert!(contents(data.path()) == before, "something was changed");
    }
}
