//! Bundles as a publisher builds them and a site reads them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use collect::{
    Checked, Held, KeyName, PublishError, Rotation, State, cut_volumes, inspect_bundle,
    rotate_root, verify_bundle,
};
use common::{Works, source};
use ids::Digest;
use media::Medium;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use trust::{Outcome, Publisher};

fn works_with_bundle() -> (Works, PathBuf) {
    let mut works = Works::new();
    let debian = works.catalogue("debian", 1, &[100, 70_000, 0, 3_000, 1]);
    let firmware = works.catalogue("firmware", 2, &[5_000, 250_000]);
    let built = works.build("bundle", &[debian, firmware]).unwrap();
    assert_eq!((built.sequence, built.payloads, built.not_carried), (1, 7, 0));
    let out = works.path("bundle");
    (works, out)
}

fn check(works: &Works, paths: &[PathBuf]) -> Result<Checked, PublishError> {
    let root = fs::read(works.path("keys/metadata/1.root.json")).unwrap();
    verify_bundle(paths, Some(Digest::of(&root)), works.now, |_| {})
}

/// A site that follows bundle after bundle.
struct Site {
    publisher: Publisher,
    root: Vec<u8>,
}

impl Site {
    fn new(works: &Works) -> Self {
        let root = fs::read(works.path("keys/metadata/1.root.json")).unwrap();
        Self { publisher: Publisher::anchor(&root, Digest::of(&root)).unwrap(), root }
    }

    fn import(&mut self, works: &Works, folder: &str) -> &'static str {
        let medium = Medium::open(&[works.path(folder)]).unwrap();
        let offered = medium.offered().unwrap();
        match trust::follow(&self.publisher, &self.root, &offered, works.now).unwrap() {
            Outcome::Newer { repository, publisher } => {
                self.root = offered.root(repository.root_version).unwrap().to_vec();
                self.publisher = publisher;
                "newer"
            }
            Outcome::Same(_) => "same",
            Outcome::Carrier(_) => "carrier",
        }
    }
}

#[test]
fn a_bundle_verifies_whole_as_folder_and_as_volumes_in_any_order() {
    let (works, folder) = works_with_bundle();
    let whole = check(&works, std::slice::from_ref(&folder)).unwrap();
    assert_eq!((whole.payloads_checked, whole.payloads_missing), (7, 0));
    assert_eq!(whole.damaged, Vec::<String>::new());
    assert_eq!(whole.bytes_checked, 328_101);
    for size in [None, Some(100_000), Some(200_000), Some(1_000_000)] {
        let out = works.path(&format!("volumes-{size:?}"));
        let cut = cut_volumes(&folder, &out, size, works.now, |_| {}).unwrap();
        for volume in &cut.volumes {
            assert!(size.is_none_or(|size| fs::metadata(volume).unwrap().len() <= size));
        }
        let reversed: Vec<PathBuf> = cut.volumes.iter().rev().cloned().collect();
        let read = check(&works, &reversed).unwrap();
        assert_eq!((read.payloads_checked, read.damaged.len()), (7, 0), "{size:?}");
        assert_eq!(read.contents, whole.contents);
        // A folder of volumes is found by itself.
        assert_eq!(check(&works, &[out]).unwrap().payloads_checked, 7);
    }
    assert!(cut_volumes(&folder, &works.path("tiny"), Some(1_000), works.now, |_| {}).is_err());
}

#[test]
fn volumes_that_are_missing_swapped_repeated_or_cut_short_are_named() {
    let (mut works, folder) = works_with_bundle();
    let cut = cut_volumes(&folder, &works.path("v"), Some(100_000), works.now, |_| {}).unwrap();
    let volumes = cut.volumes;
    assert!(volumes.len() > 3, "{}", volumes.len());
    let some: Vec<PathBuf> = volumes.iter().skip(1).cloned().collect();
    let read = check(&works, &some).unwrap();
    assert_eq!((read.missing_volumes, read.damaged.len()), (vec![1], 0));
    assert!(read.payloads_missing > 0 && read.payloads_checked > 0);

    let code = |paths: &[PathBuf]| match check(&works, paths) {
        Err(PublishError::Medium(error)) => {
            assert!(error.to_string().contains(".patchkeep.tar"), "{error}");
            error.code()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&[volumes[0].clone(), volumes[0].clone()]), "volume-repeated");
    let short = works.path("short.patchkeep.tar");
    let bytes = fs::read(&volumes[1]).unwrap();
    for length in [0, 100, 700, 5_000, bytes.len() - 1_024, bytes.len() - 1] {
        fs::write(&short, &bytes[..length]).unwrap();
        assert_eq!(code(std::slice::from_ref(&short)), "cut-short", "{length}");
    }
    fs::write(&short, [bytes.as_slice(), b"more"].concat()).unwrap();
    assert_eq!(code(std::slice::from_ref(&short)), "volume-damaged");
    fs::remove_file(&short).unwrap();
    std::os::unix::fs::symlink(&volumes[1], &short).unwrap();
    assert_eq!(code(&[volumes[0].clone(), short]), "not-a-plain-file");

    let next = works.catalogue("debian", 3, &[10, 20]);
    works.build("next", &[next]).unwrap();
    let next = works.path("next");
    let cut = cut_volumes(&next, &works.path("w"), None, works.now, |_| {}).unwrap();
    let code = |paths: &[PathBuf]| match check(&works, paths) {
        Err(PublishError::Medium(error)) => error.code(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&[volumes[0].clone(), cut.volumes[0].clone()]), "volume-of-another-bundle");
}

/// Whether a changed bundle is noticed: refused, or its damage listed.
fn noticed(works: &Works, paths: &[PathBuf]) -> bool {
    check(works, paths).is_ok_and(|read| !read.damaged.is_empty()) || check(works, paths).is_err()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn a_flipped_byte_in_any_file_is_noticed() {
    let (works, folder) = works_with_bundle();
    let out = works.path("volumes");
    cut_volumes(&folder, &out, Some(200_000), works.now, |_| {}).unwrap();
    for (top, steps) in [(&folder, 12), (&out, 120)] {
        assert!(!noticed(&works, std::slice::from_ref(top)));
        for file in files_below(top) {
            let good = fs::read(&file).unwrap();
            for step in 0..steps {
                let at = good.len() * step / steps;
                let mut bad = good.clone();
                bad[at] ^= 1 << (step % 8);
                fs::write(&file, &bad).unwrap();
                assert!(noticed(&works, std::slice::from_ref(top)), "{} byte {at}", file.display());
            }
            fs::write(&file, &good).unwrap();
        }
        assert!(!noticed(&works, std::slice::from_ref(top)));
    }
}

#[test]
fn links_and_strangers_in_a_folder_lead_nowhere() {
    let (works, folder) = works_with_bundle();
    fs::write(folder.join("metadata/._1.root.json"), b"x").unwrap();
    fs::write(folder.join("targets/readme.txt"), b"x").unwrap();
    fs::write(folder.join("autorun.inf"), b"x").unwrap();
    let read = check(&works, std::slice::from_ref(&folder)).unwrap();
    let medium = Medium::open(std::slice::from_ref(&folder)).unwrap();
    let strangers = medium.strangers(&read.repository).unwrap();
    assert_eq!(strangers, ["autorun.inf", "metadata/._1.root.json", "targets/readme.txt"]);

    for name in ["metadata/timestamp.json", "targets"] {
        let (path, aside) = (folder.join(name), works.path("aside"));
        fs::rename(&path, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, &path).unwrap();
        match check(&works, std::slice::from_ref(&folder)) {
            Err(PublishError::Medium(error)) => assert_eq!(error.code(), "not-a-plain-file"),
            other => panic!("{name}: {other:?}"),
        }
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    let empty = works.path("empty");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(
        check(&works, &[empty]),
        Err(PublishError::Medium(media::Error::NoBundle { .. }))
    ));
}

#[test]
fn bundles_are_incremental_by_shipping_record_and_by_receipt() {
    let mut works = Works::new();
    fn site() -> Option<ids::SiteName> {
        Works::site("ward-7")
    }
    let first = works.catalogue("debian", 1, &[1_000, 2_000, 3_000]);
    let mut second = first.clone();
    second.files.extend(works.catalogue("debian", 2, &[500]).files);
    fn shipped(wish: &mut collect::Build<'_>) {
        wish.site = site();
        wish.held = Held::Shipped;
    }
    let one = works.build_with("one", std::slice::from_ref(&first), shipped).unwrap();
    let two = works.build_with("two", std::slice::from_ref(&second), shipped).unwrap();
    assert_eq!((one.payloads, two.payloads, two.not_carried), (3, 1, 3));
    // Another site, from which nothing is known, gets everything.
    let other = works.build_with("other", std::slice::from_ref(&second), |wish| {
        shipped(wish);
        wish.site = Works::site("ward-8");
    });
    assert_eq!(other.unwrap().payloads, 4);
    let receipt: BTreeSet<Digest> = first.files.iter().map(|file| file.sha256).take(2).collect();
    let by_receipt = works.build_with("receipt", std::slice::from_ref(&second), |wish| {
        wish.site = site();
        wish.held = Held::Receipt(&receipt);
    });
    assert_eq!(by_receipt.unwrap().payloads, 2);
    // The cumulative index names all four, wherever they lie; the chain of bundles is told.
    let read = inspect_bundle(&[works.path("receipt")], None, works.now).unwrap();
    assert_eq!(read.contents.indexes[0].entries.len(), 4);
    let previous = read.contents.info.previous.unwrap();
    assert_eq!((previous.sequence, previous.bundle), (two.sequence, two.bundle));
    assert_eq!(read.repository.sequence, 4);
}

#[test]
fn an_emergency_bundle_keeps_other_sources_and_a_removed_one_stays_empty() {
    let mut works = Works::new();
    let debian = works.catalogue("debian", 1, &[1_000]);
    let firmware = works.catalogue("firmware", 2, &[2_000]);
    let urgent = works.catalogue("debian", 3, &[3_000]);
    works.build("monthly", &[debian, firmware]).unwrap();
    let built = works.build("emergency", std::slice::from_ref(&urgent)).unwrap();
    assert_eq!(built.carried_forward, [source("firmware")]);
    let read = inspect_bundle(&[works.path("emergency")], None, works.now).unwrap();
    assert_eq!(read.sources.len(), 2);
    let removed = [source("firmware")];
    works
        .build_with("without", std::slice::from_ref(&urgent), |wish| wish.remove = &removed)
        .unwrap();
    let read = inspect_bundle(&[works.path("without")], None, works.now).unwrap();
    assert!(read.repository.sources[&source("firmware")].targets.is_empty());

    for order in [["monthly", "emergency", "without"], ["without", "monthly", "emergency"]] {
        let mut site = Site::new(&works);
        let mut trusted = 0;
        for folder in order {
            let sequence = ["monthly", "emergency", "without"].iter().position(|f| *f == folder);
            let newer = sequence.unwrap() + 1 > trusted;
            assert_eq!(site.import(&works, folder), if newer { "newer" } else { "carrier" });
            trusted = trusted.max(sequence.unwrap() + 1);
        }
    }
}

#[test]
fn lost_keys_are_replaced_by_the_root_threshold() {
    let mut works = Works::new();
    let debian = works.catalogue("debian", 1, &[1_000]);
    let one = std::slice::from_ref(&debian);
    let mut site = Site::new(&works);
    works.build("one", one).unwrap();
    assert_eq!(site.import(&works, "one"), "newer");
    let keys = works.path("keys");
    for name in ["timestamp", "targets", "source.debian", "root-2"] {
        fs::remove_file(keys.join(format!("{name}.1.pem"))).unwrap();
    }
    assert!(works.build("lost", one).is_err());
    let replace = ["timestamp", "targets", "source.debian", "root-2"];
    let replace = replace.map(|name| name.parse::<KeyName>().unwrap()).to_vec();
    let done = rotate_root(&keys, &Rotation { replace, root_days: 0 }, works.now).unwrap();
    assert_eq!(done.root_version, 2);
    // The paper with the first root's fingerprint stays good, also after K more rotations.
    for _ in 0..5 {
        let replace = vec![KeyName::Snapshot];
        rotate_root(&keys, &Rotation { replace, root_days: 0 }, works.now).unwrap();
    }
    works.build("two", one).unwrap();
    assert_eq!(site.import(&works, "two"), "newer");
    assert_eq!(site.publisher.trusted_root().unwrap().version, 7);
    assert_eq!(Site::new(&works).import(&works, "two"), "newer");
    assert_eq!(site.import(&works, "one"), "carrier");
    // Fewer than the threshold can do nothing.
    for name in ["root-1.1", "root-2.1"] {
        fs::remove_file(keys.join(format!("{name}.pem"))).unwrap();
    }
    let refused = rotate_root(&keys, &Rotation::default(), works.now);
    assert!(matches!(refused, Err(PublishError::TooFewKeys { needed: 2, found: 1, .. })));
}

#[test]
fn a_failed_build_leaves_nothing_but_a_spent_number() {
    let mut works = Works::new();
    let debian = works.catalogue("debian", 1, &[1_000, 2_000]);
    let digest = debian.files[0].sha256;
    let genuine = works.payloads.insert(digest, vec![0; 1_000]).unwrap();
    let one = std::slice::from_ref(&debian);
    assert!(matches!(works.build("out", one), Err(PublishError::PayloadAltered { .. })));
    works.payloads.remove(&digest);
    assert!(matches!(works.build("out", one), Err(PublishError::Payload { .. })));
    assert!(!works.path("out").exists());
    let state = State::load(&works.path("state")).unwrap();
    assert_eq!((state.sequence, state.sites.len(), state.sources.len()), (2, 0, 0));
    works.payloads.insert(digest, genuine);
    assert_eq!(works.build("out", one).unwrap().sequence, 3);
    assert!(matches!(works.build("out", one), Err(PublishError::Exists { .. })));
    // An update without a believable release date: no bundle.
    let mut undated = debian;
    undated.updates[0].released_at = ids::Timestamp::UNIX_EPOCH;
    let refused = works.build("undated", &[undated]);
    assert!(matches!(refused, Err(PublishError::ReleaseDate { .. })));
}

#[test]
fn key_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let works = Works::new();
    for file in files_below(&works.path("keys")).iter().filter(|f| f.extension().unwrap() == "pem")
    {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = collect::Ceremony::default().hold(&works.path("keys"), works.now);
    assert!(matches!(again, Err(PublishError::Exists { .. })));
}
