//! Media that are no honest medium: links, pipes, devices, names that climb, absurd sizes and counts.

use crate::common::{Attacked, PACKAGES, stand};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tests::{Workshop, copy_tree, find, program, run, run_within};

/// A compressed target as text, changed, compressed again.
fn change_text(file: &Path, change: impl FnOnce(String) -> String) -> Vec<u8> {
    let plain = zstd::decode_all(&fs::read(file).unwrap()[..]).unwrap();
    zstd::encode_all(change(String::from_utf8(plain).unwrap()).as_bytes(), 3).unwrap()
}

fn mknod(path: &Path, words: &[&str]) {
    run(Command::new("mknod").arg(path).args(words)).ok();
}

/// A copy of a bundle in which one file has been replaced by whatever `put` makes there.
fn with(good: &Path, folder: &str, ending: &str, put: impl FnOnce(&Path)) -> PathBuf {
    let bad = good.with_extension("bad");
    let _ = fs::remove_dir_all(&bad);
    copy_tree(good, &bad);
    let file = find(&bad.join(folder), |name| name.contains(ending));
    fs::rename(&file, bad.with_extension("moved")).unwrap();
    put(&file);
    bad
}

#[test]
fn links_pipes_and_devices_in_the_place_of_files_are_refused_at_once() {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, PACKAGES);
    let attacked = Attacked::new(&workshop, &[]);
    let places = [
        ("metadata", "timestamp.json"),
        ("metadata", ".snapshot.json"),
        ("targets", ".bundle.json"),
        ("targets", ".catalogue.json.zst"),
        ("targets", ".pack"),
    ];
    let moved = good.with_extension("moved");
    for (folder, ending) in places {
        let link = with(&good, folder, ending, |path| symlink(&moved, path).unwrap());
        attacked.refuses(&[&link], "not-a-plain-file");
        let pipe = with(&good, folder, ending, |path| mknod(path, &["p"]));
        attacked.refuses(&[&pipe], "not-a-plain-file");
        let zero = with(&good, folder, ending, |path| mknod(path, &["c", "1", "5"]));
        attacked.refuses(&[&zero], "not-a-plain-file");
        let inner = with(&good, folder, ending, |path| fs::create_dir(path).unwrap());
        attacked.refuses(&[&inner], "not-a-plain-file");
    }
    for folder in ["metadata", "targets"] {
        let bad = good.with_extension("bad");
        fs::remove_dir_all(&bad).unwrap();
        copy_tree(&good, &bad);
        fs::remove_dir_all(bad.join(folder)).unwrap();
        symlink(good.join(folder), bad.join(folder)).unwrap();
        attacked.refuses(&[&bad], "not-a-plain-file");
    }
    let link = workshop.path("link");
    symlink(&good, &link).unwrap();
    attacked.refuses(&[&link], "not-a-plain-file");
    let pipe = workshop.path("pipe");
    mknod(&pipe, &["p"]);
    attacked.refuses(&[&pipe], "not-a-plain-file");
    attacked.still_imports(&good);
}

#[test]
fn strange_files_beside_a_bundle_are_named_and_never_opened() {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, PACKAGES);
    let attacked = Attacked::new(&workshop, &[]);
    mknod(&good.join("autorun.inf"), &["p"]);
    mknod(&good.join("targets/..%2f..%2fetc%2fpasswd"), &["c", "1", "5"]);
    symlink("/etc/passwd", good.join("metadata/..passwd")).unwrap();
    fs::write(good.join("metadata/99.root.json.bak"), "x").unwrap();
    let paths = good.display().to_string();
    let outcome = attacked.appliance.verb(&["import"], &[&paths, "--json"]).ok().json();
    let unlisted = outcome["figures"]["unlisted"].to_string();
    for name in ["autorun.inf", "..%2f..%2fetc%2fpasswd", "..passwd", "99.root.json.bak"] {
        assert!(unlisted.contains(name), "{name} is not among {unlisted}");
    }
}

#[test]
fn names_that_climb_are_refused_even_when_the_publisher_signed_them() {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, PACKAGES);
    let attacked = Attacked::new(&workshop, &[]);
    let names = ["../../../etc/cron.d/evil", "/etc/cron.d/evil", "pool/./x", "pool//x", "a\\\\b"];
    for name in names {
        let bad = with(&good, "targets", ".catalogue.json.zst", |path| {
            fs::rename(good.with_extension("moved"), path).unwrap();
        });
        let file = find(&bad.join("targets"), |name| name.contains(".catalogue.json.zst"));
        let bytes = change_text(&file, |text| {
            text.replace("pool/main/p/package-0/package-0_1_amd64.deb", name)
        });
        workshop.forge_target(&bad, ".catalogue.json.zst", &bytes);
        attacked.refuses(&[&bad], "");
    }
    attacked.still_imports(&good);
    assert!(!Path::new("/etc/cron.d/evil").exists());
}

#[test]
fn absurd_claims_of_somebody_with_the_keys_are_refused_in_bounded_memory() {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, PACKAGES);
    let attacked = Attacked::new(&workshop, &[]);
    let fresh = || {
        let bad = workshop.path("bad");
        let _ = fs::remove_dir_all(&bad);
        copy_tree(&good, &bad);
        bad
    };
    let file = find(&good.join("targets"), |name| name.contains(".payloads."));
    let kinds = [1_u64 << 60, u64::MAX, 1 << 40];
    for claim in kinds {
        let bad = fresh();
        let bytes = change_text(&file, |text| {
            text.replace("\"length\":300000", &format!("\"length\":{claim}"))
        });
        workshop.forge_target(&bad, ".payloads.jsonl.zst", &bytes);
        attacked.refuses(&[&bad], "contents-format");
    }
    for claim in kinds {
        let bad = fresh();
        let pack = find(&bad.join("targets"), |name| name.contains(".pack"));
        let name =
            pack.file_name().unwrap().to_str().unwrap().split_once('.').unwrap().1.to_owned();
        workshop.forge_claim(&bad, &name, |target| target["length"] = claim.into());
        attacked.refuses(&[&bad], "");
    }
    // Eight gigabytes of nothing, and a program that may have two.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 8 << 30), &mut encoder).unwrap();
    let bomb = encoder.finish().unwrap();
    for target in [".payloads.jsonl.zst", ".catalogue.json.zst"] {
        let bad = fresh();
        workshop.forge_target(&bad, target, &bomb);
        let mut command = Command::new("prlimit");
        command.arg(format!("--data={}", 2_u64 << 30)).arg(program("patchkeep"));
        command.arg("import").arg("--data").arg(attacked.appliance.data()).arg(&bad);
        let said = run_within(Duration::from_secs(60), &mut command).exits(4);
        attacked.unchanged(&said.says("The bundle was refused"));
    }
    attacked.still_imports(&good);
}

#[test]
fn absurd_sizes_and_counts_on_the_medium_are_refused() {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, PACKAGES);
    let attacked = Attacked::new(&workshop, &[]);
    for (folder, ending) in [("metadata", "timestamp.json"), ("metadata", ".test-stable.json")] {
        let bad = with(&good, folder, ending, |path| {
            fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
        });
        attacked.refuses_with_one_of(&[&bad], &["oversized", "malformed"]);
    }
    for ending in [".bundle.json", ".catalogue.json.zst", ".pack"] {
        let bad = with(&good, "targets", ending, |path| {
            fs::File::create(path).unwrap().set_len(1 << 40).unwrap();
        });
        attacked.refuses(&[&bad], "wrong-target");
    }
    let bad = with(&good, "targets", ".pack", |path| {
        fs::rename(good.with_extension("moved"), path).unwrap();
    });
    for number in 2..2_002 {
        fs::write(bad.join(format!("metadata/{number}.root.json")), "{}").unwrap();
    }
    attacked.refuses_with_one_of(&[&bad], &["oversized", "too-many-files", "malformed"]);
    let _ = fs::remove_dir_all(&bad);
    copy_tree(&good, &bad);
    for number in 0..100_001 {
        fs::File::create(bad.join(format!("targets/{number}"))).unwrap();
    }
    attacked.refuses(&[&bad], "too-many-files");
    // A volume whose first member claims to be endless.
    let volume = workshop.path("endless.tar");
    let mut header = tar::Header::new_ustar();
    header.set_path("volume.json").unwrap();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(1 << 60);
    header.set_cksum();
    fs::write(&volume, header.as_bytes()).unwrap();
    attacked.refuses(&[&volume], "volume-format");
    attacked.still_imports(&good);
    assert_eq!(stand(&attacked.appliance)["sequence"], 1);
}
