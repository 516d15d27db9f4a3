//! A bundle opens in the clients of others: tough's and python-tuf's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use collect::{KeyName, Rotation, rotate_root};
use common::{Works, source};
use std::path::{Path, PathBuf};
use std::process::Command;
use tough::{IntoVec, RepositoryLoader, TargetName};

/// Two roots, a full source and a removed one.
fn bundle() -> (Works, PathBuf) {
    let mut works = Works::new();
    let debian = works.catalogue("debian", 1, &[100, 70_000, 3_000]);
    let firmware = works.catalogue("firmware", 2, &[5_000]);
    works.build("first", &[debian.clone(), firmware]).unwrap();
    let rotation = Rotation { replace: vec![KeyName::Targets], root_days: 0 };
    rotate_root(&works.path("keys"), &rotation, works.now).unwrap();
    let removed = [source("firmware")];
    works
        .build_with("bundle", std::slice::from_ref(&debian), |wish| wish.remove = &removed)
        .unwrap();
    let folder = works.path("bundle");
    (works, folder)
}

fn url(path: &Path) -> url::Url {
    url::Url::from_directory_path(path).unwrap()
}

#[tokio::test]
async fn in_toughs_client() {
    let (_works, folder) = bundle();
    let root = std::fs::read(folder.join("metadata/1.root.json")).unwrap();
    let metadata = url(&folder.join("metadata"));
    let loader = RepositoryLoader::new(&root, metadata, url(&folder.join("targets")));
    let repository = loader.load().await.unwrap();
    assert_eq!(repository.root().signed.version.get(), 2);
    let names: Vec<TargetName> = repository.all_targets().map(|(name, _)| name.clone()).collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let stream = repository.read_target(&name).await.unwrap().expect("a listed target");
        assert!(!stream.into_vec().await.unwrap().is_empty());
    }
}

#[test]
fn in_python_tufs_client() {
    let (works, folder) = bundle();
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = std::env::var_os("PATCHKEEP_PYTHON")
        .map_or_else(|| house.join("target/venv/bin/python"), PathBuf::from);
    assert!(python.exists(), "{} is not there: run `just setup`", python.display());
    let run = |folder: &Path, cache: &str| {
        Command::new(&python)
            .arg(house.join("tests/python-tuf/open_bundle.py"))
            .args([folder, &works.path(cache)])
            .output()
            .unwrap()
    };
    let output = run(&folder, "cache");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "4");
    // And it refuses what we refuse.
    let snapshot = folder.join("metadata/2.snapshot.json");
    let altered =
        std::fs::read_to_string(&snapshot).unwrap().replace("\"version\":2", "\"version\":3");
    std::fs::write(&snapshot, altered).unwrap();
    assert!(!run(&folder, "again").status.success());
}
