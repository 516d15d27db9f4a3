//! Damage to the views is harmless: each kind is found, set aside and built again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path, process::Command};
use views::{FORMAT, Identity, Reason, Row, Views, probe};

fn identity(origin: &str) -> Identity {
    Identity { origin: origin.into(), format: FORMAT }
}

/// This test binary, asked to run only `the_probing_child` on the folder in the environment.
fn prober(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_probing_child"]).env("VIEWS_PROBE_FOLDER", folder);
    command
}

#[test]
fn the_probing_child() {
    if let Some(folder) = std::env::var_os("VIEWS_PROBE_FOLDER") {
        probe(Path::new(&folder)).unwrap();
    }
}

fn open(folder: &Path, entries: u64) -> (Views, Option<Reason>) {
    Views::open(folder, &identity("a"), entries, prober(folder)).unwrap()
}

fn filled(folder: &Path) {
    let (views, reason) = open(folder, 0);
    assert_eq!(reason, Some(Reason::Missing));
    for n in 1..=200_u64 {
        let value = Some(serde_json::json!({ "n": n, "text": "x".repeat(200) }));
        let row = Row { tree: "updates", key: n.to_be_bytes().to_vec(), value };
        views.apply(n, &[row]).unwrap();
    }
    views.close().unwrap();
}

#[test]
fn rows_come_back_after_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let (views, reason) = open(folder.path(), 200);
    assert_eq!(reason, None);
    assert_eq!(views.applied().unwrap(), 200);
    assert_eq!(views.rows::<serde_json::Value>("updates", b"", 1000).unwrap().len(), 200);
    let later = views.rows_from::<serde_json::Value>("updates", &150_u64.to_be_bytes(), 1000);
    let later = later.unwrap();
    assert_eq!((later.len(), &later[0].1["n"]), (51, &150.into()));
    assert_eq!(views.row("updates", &7_u64.to_be_bytes()).unwrap().unwrap()["n"], 7);
}

#[test]
fn an_unclean_stop_is_probed_and_kept_when_sound() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    fs::remove_file(folder.path().join("clean")).unwrap();
    assert_eq!(open(folder.path(), 200).1, None);
}

#[test]
fn foreign_and_ahead_views_are_built_again() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let other = Views::open(folder.path(), &identity("b"), 500, prober(folder.path())).unwrap();
    assert_eq!(other.1, Some(Reason::Foreign));
    assert_eq!(other.0.applied().unwrap(), 0);
    other.0.close().unwrap();

    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    assert_eq!(open(folder.path(), 199).1, Some(Reason::Ahead));
}

#[test]
fn rubbish_of_every_kind_is_set_aside() {
    let halved = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let random = |bytes: &[u8]| (0..bytes.len()).map(|i| (i * 7919 % 251) as u8).collect();
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        for at in (0..bytes.len()).step_by(997) {
            bytes[at] ^= 0x10;
        }
        bytes
    };
    let zeros = |bytes: &[u8]| vec![0; bytes.len()];
    type Damage<'a> = (&'a str, &'a dyn Fn(&[u8]) -> Vec<u8>);
    let kinds: [Damage; 4] =
        [("halved", &halved), ("random", &random), ("flipped", &flipped), ("zeros", &zeros)];
    for (kind, damage) in kinds {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        fs::remove_file(folder.path().join("clean")).unwrap();
        let db = folder.path().join("db/db");
        let bytes = fs::read(&db).unwrap();
        fs::write(&db, damage(&bytes)).unwrap();
        let (views, reason) = open(folder.path(), 200);
        // sled may recover from some damage by itself; then it must be behind, never wrong.
        let rows = views.rows::<serde_json::Value>("updates", b"", 1000).unwrap();
        match reason {
            Some(reason) => assert_eq!((reason, rows.len()), (Reason::Damaged, 0), "{kind}"),
            None => assert!(views.applied().unwrap() as usize <= rows.len(), "{kind}"),
        }
        assert!(kind != "random" || folder.path().join("set-aside").exists(), "{kind}");
    }
}

#[test]
fn a_mark_left_by_the_watchdog_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    fs::write(folder.path().join("rebuild"), b"stuck\n").unwrap();
    assert_eq!(open(folder.path(), 200).1, Some(Reason::Marked));
    assert!(!folder.path().join("rebuild").exists());
}
