//! tough's client and ours, over the same bundles: what tough refuses we refuse; what we refuse
//! beyond that is for a reason that our profile adds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Files, PAST, Press, Site, source};
use std::path::Path;
use tempfile::TempDir;
use tough::RepositoryLoader;
use trust::Outcome;

type Change = fn(&mut Press);

/// What a publisher, good or bad, may do between bundle 5 and the next.
const CHANGES: &[(&str, Change)] = &[
    ("nothing", |_| {}),
    ("timestamp expired", |p| p.timestamp_expires = PAST),
    ("snapshot expired", |p| p.snapshot_expires = PAST),
    ("targets expired", |p| p.targets_expires = PAST),
    ("source expired", |p| p.sources.get_mut("debian").unwrap().expires = PAST),
    ("sequence went back", |p| p.sequence = 4),
    ("snapshot went back", |p| p.snapshot = 4),
    ("targets went back", |p| p.targets = 4),
    ("source went back", |p| p.sources.get_mut("debian").unwrap().version = 4),
    ("timestamp by a stranger", |p| drop(p.signers.insert("timestamp", vec![99]))),
    ("snapshot by a stranger", |p| drop(p.signers.insert("snapshot", vec![99]))),
    ("targets by a stranger", |p| drop(p.signers.insert("targets", vec![99]))),
    ("targets by nobody", |p| drop(p.signers.insert("targets", vec![]))),
    ("timestamp signed twice", |p| drop(p.signers.insert("timestamp", vec![11, 11]))),
    ("source by another", |p| p.sources.get_mut("debian").unwrap().signers = vec![22]),
    ("root below threshold", |p| {
        p.rotate(|root| root.targets = 13);
        p.roots.last_mut().unwrap().signers = Some(vec![1]);
    }),
    ("root rotated", |p| {
        p.rotate(|root| root.targets = 33);
    }),
    ("root rotated twice", |p| {
        p.rotate(|root| root.root = vec![1, 2, 4]).rotate(|root| root.root = vec![2, 4, 5]);
    }),
    ("root expired", |p| {
        p.rotate(|root| root.expires = PAST);
    }),
    ("online keys rotated", |p| {
        p.rotate(|root| (root.timestamp, root.snapshot) = (31, 32));
    }),
    ("source gone", |p| drop(p.sources.remove("firmware"))),
    ("source new", |p| drop(p.sources.insert("new".into(), source("new", 23, 6)))),
    ("foreign target", |p| {
        p.sources.get_mut("debian").unwrap().targets.push("firmware.pack-00009".into());
    }),
    ("skipped ahead", |p| p.sequence = 900),
];

fn lay_out(dir: &Path, files: &Files) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir.join("metadata")).unwrap();
    std::fs::create_dir_all(dir.join("targets")).unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.join("metadata").join(name), bytes).unwrap();
    }
}

/// tough's answer, with what it remembers in `memory`.
async fn tough_takes(root: &Vec<u8>, dir: &Path, memory: &Path) -> Result<(), String> {
    let url = |name: &str| url::Url::from_directory_path(dir.join(name)).unwrap();
    let loader = RepositoryLoader::new(root, url("metadata"), url("targets"));
    let loaded = loader.datastore(memory).load().await;
    loaded.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn tough_refuses_nothing_that_we_take() {
    let work = TempDir::new().unwrap();
    let (dir, fresh) = (work.path().join("bundle"), work.path().join("memory"));
    let mut site = Site::new();
    let five = Press::new(5).files();
    let (mut both, mut ours_alone) = (0, 0);
    site.import(&five).unwrap();
    for (at, (first, one)) in CHANGES.iter().enumerate() {
        for (second, other) in &CHANGES[at..] {
            let mut press = Press::new(6);
            one(&mut press);
            other(&mut press);
            let files = press.files();
            let _ = std::fs::remove_dir_all(&fresh);
            std::fs::create_dir(&fresh).unwrap();
            lay_out(&dir, &five);
            tough_takes(&five["1.root.json"], &dir, &fresh).await.unwrap();
            lay_out(&dir, &files);
            let tough = tough_takes(&five["1.root.json"], &dir, &fresh).await;
            let name = format!("{first} + {second}");
            match (site.judge(&files), tough) {
                (Ok(Outcome::Newer { .. } | Outcome::Same(_)), Ok(())) => both += 1,
                (Ok(Outcome::Newer { .. } | Outcome::Same(_)), Err(error)) => {
                    panic!("{name}: we take what tough refuses: {error}")
                }
                (Ok(Outcome::Carrier(_)) | Err(_), Err(_)) => both += 1,
                (Ok(Outcome::Carrier(_)), Ok(())) => panic!("{name}: tough takes what is older"),
                (Err(refusal), Ok(())) => {
                    let stricter = ["delegation", "signature-invalid", "rollback-targets"];
                    assert!(stricter.contains(&refusal.code()), "{name}: {refusal}");
                    ours_alone += 1;
                }
            }
        }
    }
    assert!(both > 250 && ours_alone < 40, "{both} alike, {ours_alone} refused by us alone");
}
