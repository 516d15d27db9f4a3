//! The ten attacks that TUF names, each by name, against the whole appliance. What each means in every
//! detail stands in `trust`'s own tests; here the real programs meet one of each.

use crate::common::{Attacked, PACKAGES, stand, told};
use crate::order::edit;
use crate::vendor::text_of;
use ids::Digest;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tests::{SOURCE, Workshop, copy_tree, find, noise, patchkeep};

/// What every good bundle after the first offers.
const CHANGED: &[(u32, usize)] = &[(2, 9_000), (1, 40_000)];

/// A fresh copy of a bundle, to be bent.
fn copy(good: &Path) -> PathBuf {
    let bad = good.with_extension("bad");
    let _ = fs::remove_dir_all(&bad);
    copy_tree(good, &bad);
    bad
}

fn metadata(bundle: &Path, name: &str) -> PathBuf {
    find(&bundle.join("metadata"), |file| file.ends_with(name))
}

fn target(bundle: &Path, name: &str) -> PathBuf {
    find(&bundle.join("targets"), |file| file.contains(name))
}

/// What a signed list says of a file.
fn listing(file: &Path, version: u64) -> Value {
    let bytes = fs::read(file).unwrap();
    json!({"version": version, "length": bytes.len(), "hashes": {"sha256": Digest::of(&bytes)}})
}

/// Signs the publisher's next root, with new keys in the place of these.
fn replace_keys(workshop: &Workshop, names: &[&str]) {
    let keys = workshop.keys().display().to_string();
    let mut words = vec!["keys", "rotate-root", "--keys", &keys];
    words.extend(names.iter().flat_map(|name| ["--replace", name]));
    patchkeep(words).ok();
}

#[test]
fn attack_1_arbitrary_installation() {
    let (workshop, attacker) = (Workshop::new(), Workshop::new());
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, PACKAGES)]);
    // Another publisher altogether.
    let bad = attacker.bundle("bad", 2, CHANGED);
    attacked.refuses(&[&bad], "root-chain");
    // Its signatures under the genuine root.
    fs::copy(workshop.keys().join("metadata/1.root.json"), bad.join("metadata/1.root.json"))
        .unwrap();
    attacked.refuses(&[&bad], "signature-invalid");
    attacked.still_imports(&workshop.bundle("next", 2, CHANGED));
}

#[test]
fn attack_2_endless_data() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, PACKAGES)]);
    let good = workshop.bundle("good", 2, CHANGED);
    // A terabyte in the place of each file, which the medium makes up as it is read.
    for name in ["timestamp.json", "2.snapshot.json", "2.targets.json", "2.root.json"] {
        let bad = copy(&good);
        let file = File::create(bad.join("metadata").join(name)).unwrap();
        file.set_len(1 << 40).unwrap();
        attacked.refuses(&[&bad], "oversized");
    }
    for name in [".bundle.json", ".payloads.", ".pack"] {
        let bad = copy(&good);
        let file = File::options().write(true).open(target(&bad, name)).unwrap();
        file.set_len(1 << 40).unwrap();
        attacked.refuses(&[&bad], "wrong-target");
    }
    attacked.still_imports(&good);
}

#[test]
fn attack_3_extraneous_dependencies() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, PACKAGES)]);
    let good = workshop.bundle("good", 2, CHANGED);
    // A source's own key vouches for a file of another source.
    let bad = copy(&good);
    workshop.forge_role(&bad, SOURCE, |role| {
        let pack = role["targets"][format!("{SOURCE}.pack-00001")].clone();
        role["targets"]["other-stable.pack-00001"] = pack;
    });
    attacked.refuses(&[&bad], "delegation");
    // The targets key lets a source vouch for everything.
    let bad = copy(&good);
    workshop.forge_role(&bad, "targets", |role| {
        role["delegations"]["roles"][0]["paths"] = json!(["*"]);
    });
    attacked.refuses(&[&bad], "delegation");
    // With all keys: an update that brings along a package which the vendor does not offer.
    let mut draft = workshop.draft(2, CHANGED);
    let (path, bytes) = ("pool/main/e/extra/extra_1_amd64.deb", noise(7, 5_000));
    let extra = json!({"package": "extra", "version": "1", "architecture": "amd64", "path": path,
        "sha256": Digest::of(&bytes)});
    draft.catalogue["updates"][0]["payloads"].as_array_mut().unwrap().push(extra);
    draft.files.push((path.to_owned(), bytes));
    workshop.collect(&draft);
    attacked.refuses(&[&workshop.build("extra", &[])], "vendor-not-vouched");
    attacked.still_imports(&good);
}

#[test]
fn attack_4_fast_forward() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, PACKAGES)]);
    let far = 4_000_000_000;
    // With the timestamp key alone, the number no longer fits what the bundle says of itself.
    let bad = copy(&workshop.bundle("second", 2, CHANGED));
    workshop.forge_role(&bad, "timestamp", |role| role["version"] = far.into());
    attacked.refuses(&[&bad], "contents-format");
    // With all keys but the root's it is trusted, and no honest number is newer ...
    let appliance = &attacked.appliance;
    workshop.set_sequence(far - 1);
    appliance.import(&[&workshop.bundle("far", 3, PACKAGES)]).ok().says("imported");
    assert_eq!(stand(appliance)["sequence"], far);
    workshop.set_sequence(2);
    let honest = workshop.bundle("honest", 4, CHANGED);
    let before = stand(appliance);
    appliance.import(&[&honest]).ok().says("nothing was changed");
    assert_eq!(stand(appliance), before);
    // ... until the root's threshold replaces the keys.
    replace_keys(&workshop, &["timestamp", "snapshot"]);
    let next = workshop.bundle("next", 5, &[(5, 9_000)]);
    attacked.still_imports(&next);
    let after = stand(appliance);
    assert_eq!((&after["sequence"], &after["rings"][0]["sequence"]), (&json!(4), &json!(4)));
    // What was signed with the stolen keys counts for nothing from here.
    appliance.import(&[&workshop.path("far")]).ok().says("nothing was changed");
    assert_eq!(stand(appliance), after);
    attacked.still_imports(&workshop.bundle("last", 6, &[(6, 9_000)]));
    assert_eq!(stand(appliance)["rings"][0]["sequence"], 5);
}

#[test]
fn attack_5_indefinite_freeze() {
    let workshop = Workshop::new();
    let first = workshop.bundle("first", 1, PACKAGES);
    let attacked = Attacked::new(&workshop, &[&first]);
    let good = workshop.bundle("good", 2, CHANGED);
    for role in ["timestamp", "snapshot", "targets", SOURCE] {
        let stale = copy(&good);
        workshop.forge_role(&stale, role, |role| role["expires"] = "2020-01-01T00:00:00Z".into());
        attacked.quarantines(&[&stale], "expired");
    }
    // What is trusted already is no news, however often it comes.
    for _ in 0..2 {
        let said = attacked.appliance.import(&[&first]).ok().says("nothing was changed");
        attacked.unchanged(&said);
    }
    attacked.still_imports(&good);
}

#[test]
fn attack_6_malicious_mirror() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, PACKAGES)]);
    let good = workshop.bundle("good", 2, CHANGED);
    // Whatever is withheld is named.
    for name in ["1.root.json", "2.snapshot.json", "2.targets.json", "2.test-stable.json"] {
        let bad = copy(&good);
        fs::remove_file(metadata(&bad, name)).unwrap();
        attacked.refuses(&[&bad], "missing-file");
    }
    for name in [".bundle.json", ".catalogue.", ".payloads."] {
        let bad = copy(&good);
        fs::remove_file(target(&bad, name)).unwrap();
        attacked.refuses(&[&bad], "missing-target");
    }
    let bad = copy(&good);
    fs::remove_file(target(&bad, ".pack")).unwrap();
    let said = attacked.appliance.import(&[&bad]).exits(6).says("(packs-missing)");
    attacked.unchanged(&said);
    assert_eq!(told(&attacked.appliance, "import-paused").len(), 1);
    attacked.still_imports(&good);
}

#[test]
fn attack_7_mix_and_match() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, PACKAGES)]);
    // Two bundles with one number, each as good as the other.
    let good = workshop.bundle("good", 2, CHANGED);
    workshop.set_sequence(1);
    let twin = workshop.bundle("twin", 3, &[(3, 9_000)]);
    for name in ["2.snapshot.json", "2.targets.json", "2.test-stable.json"] {
        let bad = copy(&good);
        fs::copy(metadata(&twin, name), metadata(&bad, name)).unwrap();
        attacked.refuses(&[&bad], "mix-and-match");
    }
    attacked.still_imports(&good);
    let mixed = Attacked::standing(attacked.appliance);
    mixed.refuses(&[&twin], "equivocation");
    mixed.still_imports(&workshop.bundle("next", 4, &[(4, 9_000)]));
}

#[test]
fn attack_8_rollback() {
    let workshop = Workshop::new();
    let first = workshop.bundle("first", 1, PACKAGES);
    let second = workshop.bundle("second", 2, CHANGED);
    let attacked = Attacked::new(&workshop, &[&first, &second]);
    // A whole older bundle may carry payloads; its word counts for nothing.
    let said = attacked.appliance.import(&[&first]).ok().says("nothing was changed");
    attacked.unchanged(&said);
    // With the keys: older parts under a newer timestamp.
    let good = workshop.bundle("good", 3, &[(3, 9_000)]);
    let older = |bad: &Path, role: &str| {
        let name = format!("1.{role}.json");
        fs::copy(metadata(&first, &name), bad.join("metadata").join(&name)).unwrap();
        listing(&metadata(&first, &name), 1)
    };
    let bad = copy(&good);
    for role in ["targets", SOURCE] {
        older(&bad, role);
    }
    let snapshot = older(&bad, "snapshot");
    workshop.forge_role(&bad, "timestamp", |role| role["meta"]["snapshot.json"] = snapshot);
    attacked.refuses(&[&bad], "rollback-snapshot");
    let bad = copy(&good);
    let source = older(&bad, SOURCE);
    workshop.forge_role(&bad, "snapshot", |role| role["meta"]["test-stable.json"] = source);
    attacked.refuses(&[&bad], "rollback-targets");
    // A source that is gone rather than empty.
    let bad = copy(&good);
    workshop.forge_role(&bad, "snapshot", |role| {
        role["meta"].as_object_mut().unwrap().remove("test-stable.json").unwrap();
    });
    attacked.refuses(&[&bad], "rollback-targets");
    attacked.still_imports(&good);
}

#[test]
fn attack_9_key_compromise() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, PACKAGES)]);
    // Whoever holds a source's key cannot sign for another role.
    let bad = copy(&workshop.bundle("second", 2, CHANGED));
    let key = format!("source.{SOURCE}");
    workshop.sign_again(&bad.join("metadata/timestamp.json"), &key, |role| {
        role["expires"] = "2099-01-01T00:00:00Z".into();
    });
    attacked.refuses(&[&bad], "signature-invalid");
    // One root key of the two that a root needs makes no root, nor when it signs twice.
    workshop.set_sequence(1_000);
    let stolen = workshop.bundle("stolen", 3, &[(3, 9_000)]);
    workshop.set_sequence(2);
    replace_keys(&workshop, &["targets", "snapshot", "timestamp"]);
    let good = workshop.bundle("good", 4, CHANGED);
    let bad = copy(&good);
    let root = metadata(&bad, "2.root.json");
    edit(&root, |root| root["signatures"].as_array_mut().unwrap().truncate(1));
    attacked.refuses(&[&bad], "signature-threshold");
    edit(&root, |root| {
        let signatures = root["signatures"].as_array_mut().unwrap();
        signatures.push(signatures[0].clone());
    });
    attacked.refuses(&[&bad], "signature-repeated");
    // The root's threshold replaces what was stolen: then it is worth nothing, whatever its number.
    attacked.still_imports(&good);
    let after = Attacked::standing(attacked.appliance);
    let said = after.appliance.import(&[&stolen]).ok().says("nothing was changed");
    after.unchanged(&said);
    fs::copy(metadata(&good, "2.root.json"), stolen.join("metadata/2.root.json")).unwrap();
    after.refuses(&[&stolen], "signature-invalid");
    after.still_imports(&workshop.bundle("next", 5, &[(5, 9_000)]));
}

#[test]
fn attack_10_wrong_software() {
    let workshop = Workshop::new();
    let attacked = Attacked::new(&workshop, &[&workshop.bundle("first", 1, PACKAGES)]);
    let good = workshop.bundle("good", 2, CHANGED);
    // One genuine file in the place of another on the medium ...
    let bad = copy(&good);
    fs::copy(target(&bad, ".payloads."), target(&bad, ".catalogue.")).unwrap();
    attacked.refuses(&[&bad], "wrong-target");
    // ... in the metadata ...
    let bad = copy(&good);
    edit(&metadata(&bad, "2.test-stable.json"), |role| {
        let targets = &mut role["signed"]["targets"];
        targets[format!("{SOURCE}.catalogue.json.zst")] =
            targets[format!("{SOURCE}.payloads.jsonl.zst")].clone();
    });
    attacked.refuses(&[&bad], "mix-and-match");
    // ... and, with all keys, one genuine package or release in the place of another.
    let mut draft = workshop.draft(2, CHANGED);
    let other = draft.file("package-1_1_amd64.deb").clone();
    *draft.file("package-0_2_amd64.deb") = other;
    workshop.collect(&draft);
    attacked.refuses(&[&workshop.build("package", &[])], "vendor-not-vouched");
    let mut draft = workshop.draft(2, CHANGED);
    let release = text_of(draft.file("InRelease")).replace("Codename: stable", "Codename: other");
    *draft.file("InRelease") = workshop.sign("vendor", &release);
    workshop.collect(&draft);
    attacked.refuses(&[&workshop.build("release", &[])], "vendor-not-vouched");
    attacked.still_imports(&good);
}
