//! Bundles out of order, for somebody else, with too few signatures, too old, or from the future.

use crate::common::{Attacked, PACKAGES, log_verifies, stand, told};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tests::{SOURCE, Said, Workshop, copy_tree, find, patchkeep, patchkeep_on, run};

/// Changes a metadata file without signing it again.
pub(crate) fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut whole: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut whole);
    fs::write(file, trust::canonical_json(&whole).unwrap()).unwrap();
}

/// Imports on another day.
#[track_caller]
fn import_on(day: &str, attacked: &Attacked, bundle: &Path) -> Said {
    let mut command = patchkeep_on(day);
    command.arg("import").arg("--data").arg(attacked.appliance.data()).arg(bundle);
    run(&mut command)
}

#[test]
fn an_older_bundle_after_a_newer_one_gives_its_payloads_only() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, &[(1, 60_000), (1, 50_000)]));
    let first = workshop.build("first", &["--site", "test-site", "--since-shipped"]);
    workshop.collect(&workshop.draft(2, &[(1, 60_000), (2, 51_000)]));
    let second = workshop.build("second", &["--site", "test-site", "--since-shipped"]);
    let attacked = Attacked::new(&workshop, &[]);
    let appliance = &attacked.appliance;

    appliance.import(&[&second]).ok().says("rings stay where they are");
    let half = stand(appliance);
    assert_eq!(half["sequence"], 2);
    assert_eq!(half["sources"][0]["missing"], 1);
    assert_eq!(half["rings"][0]["source"], Value::Null, "a ring points at half a view");

    appliance.import(&[&first]).ok().says("metadata was left alone");
    let whole = stand(appliance);
    assert_eq!(whole["sequence"], 2);
    assert_eq!(whole["sources"][0]["missing"], 0);
    assert_eq!(whole["rings"][0]["sequence"], 2);
    // What only the older bundle's own index names did not come in with it.
    assert_eq!(told(appliance, "payloads-carried").len(), 1);
    for bundle in [&first, &second] {
        appliance.import(&[bundle]).ok().says("nothing was changed");
        assert_eq!(stand(appliance), whole);
    }
    log_verifies(appliance);
}

#[test]
fn an_altered_older_bundle_gives_nothing() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, &[(1, 60_000), (1, 50_000)]));
    let first = workshop.build("first", &["--site", "test-site", "--since-shipped"]);
    workshop.collect(&workshop.draft(2, &[(1, 60_000), (2, 51_000)]));
    let second = workshop.build("second", &["--site", "test-site", "--since-shipped"]);
    let attacked = Attacked::new(&workshop, &[&second]);
    let bad = workshop.path("bad");
    copy_tree(&first, &bad);
    let pack = find(&bad.join("targets"), |name| name.contains(".pack"));
    let mut bytes = fs::read(&pack).unwrap();
    // Every kilobyte: whichever payload is wanted is hit.
    bytes.iter_mut().step_by(1_000).for_each(|byte| *byte ^= 1);
    fs::write(&pack, bytes).unwrap();
    attacked.refuses(&[&bad], "payload-altered");
    attacked.appliance.import(&[&first]).ok().says("payloads that were missing");
    assert_eq!(stand(&attacked.appliance)["rings"][0]["sequence"], 2);
}

#[test]
fn a_bundle_for_another_site_is_refused() {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, PACKAGES);
    let other = workshop.build("other", &["--site", "elsewhere"]);
    let attacked = Attacked::new(&workshop, &[&good]);
    attacked.refuses(&[&other], "other-site").says("elsewhere");
    let next = workshop.bundle("next", 2, &[(2, 9_000)]);
    attacked.still_imports(&next);
}

#[test]
fn two_bundles_with_one_number_are_told_apart() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, PACKAGES));
    let publisher = workshop.path("publisher");
    let first = workshop.build("first", &[]);
    fs::remove_dir_all(&publisher).unwrap();
    let again = workshop.bundle("again", 2, &[(2, 9_000)]);
    let attacked = Attacked::new(&workshop, &[&first]);
    attacked.refuses(&[&again], "equivocation");
    let next = workshop.bundle("next", 3, &[(3, 9_000)]);
    attacked.still_imports(&next);
}

#[test]
fn too_few_and_repeated_signatures_are_refused() {
    let workshop = Workshop::new();
    let first = workshop.bundle("first", 1, &[(1, 1_000)]);
    let keys = workshop.keys().display().to_string();
    patchkeep(["keys", "rotate-root", "--keys", &keys, "--replace", "timestamp"]).ok();
    let good = workshop.bundle("good", 2, PACKAGES);
    let attacked = Attacked::new(&workshop, &[&first]);
    let few = ["signature-threshold"];
    let repeated = ["signature-repeated"];
    let role = format!(".{SOURCE}.json");
    for name in ["2.root.json", "timestamp.json", ".snapshot.json", ".targets.json", &role] {
        let bad = workshop.path("bad");
        copy_tree(&good, &bad);
        let file = find(&bad.join("metadata"), |n| n.ends_with(name));
        edit(&file, |whole| {
            // A root needs two, every other role one.
            let signatures = whole["signatures"].as_array_mut().unwrap();
            signatures.truncate(usize::from(signatures.len() > 1));
        });
        // A list further up names the digest of the files below it, so those may be refused for that.
        attacked.refuses_with_one_of(&[&bad], &[few[0], "mix-and-match"]);
        let original = find(&good.join("metadata"), |n| n.ends_with(name));
        fs::copy(original, &file).unwrap();
        edit(&file, |whole| {
            let signatures = whole["signatures"].as_array_mut().unwrap();
            let first = signatures[0].clone();
            if let Some(second) = signatures.get_mut(1) {
                *second = first
            } else {
                signatures.push(first)
            }
        });
        attacked.refuses_with_one_of(&[&bad], &[repeated[0], "mix-and-match"]);
        fs::remove_dir_all(&bad).unwrap();
    }
    attacked.still_imports(&good);
}

#[test]
fn three_missed_root_rotations_are_followed() {
    let workshop = Workshop::new();
    let first = workshop.bundle("first", 1, PACKAGES);
    let keys = workshop.keys().display().to_string();
    for replace in ["root-1", "timestamp", "snapshot"] {
        patchkeep(["keys", "rotate-root", "--keys", &keys, "--replace", replace]).ok();
    }
    let second = workshop.bundle("second", 2, &[(2, 20_000)]);
    let attacked = Attacked::new(&workshop, &[&first]);
    let bad = workshop.path("bad");
    copy_tree(&second, &bad);
    fs::remove_file(bad.join("metadata/3.root.json")).unwrap();
    attacked.refuses(&[&bad], "missing-file").says("root 3");
    attacked.still_imports(&second);
    let fresh = Attacked::new(&workshop, &[]);
    fresh.still_imports(&second);
}

#[test]
fn an_expired_bundle_and_one_from_the_future_are_kept_out() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, PACKAGES));
    let publisher = workshop.path("publisher");
    let expired = workshop.build_by(patchkeep_on("-3d"), "expired", &["--days", "1"]);
    fs::remove_dir_all(&publisher).unwrap();
    let future = workshop.build_by(patchkeep_on("+3d"), "future", &[]);
    fs::remove_dir_all(&publisher).unwrap();
    let good = workshop.build("good", &[]);
    let attacked = Attacked::new(&workshop, &[]);
    attacked.quarantines(&[&expired], "expired");
    attacked.quarantines(&[&future], "far-future");
    attacked.still_imports(&good);
    // The same bundle is too old on a later day, and for everybody else it has not changed.
    let later = Attacked::new(&workshop, &[]);
    import_on("+50d", &later, &good).exits(4).says("(expired)");
    later.still_imports(&good);
    assert!(!told(&later.appliance, "clock-went-back").is_empty());
}

#[test]
fn a_clock_set_back_is_told_and_does_not_revive_what_has_expired() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, PACKAGES));
    let publisher = workshop.path("publisher");
    let old = workshop.build_by(patchkeep_on("-50d"), "unused", &[]);
    fs::remove_dir_all(old).unwrap();
    let expired = workshop.build_by(patchkeep_on("-50d"), "expired", &["--days", "1"]);
    fs::remove_dir_all(&publisher).unwrap();
    let first = workshop.build("first", &[]);
    let attacked = Attacked::new(&workshop, &[&first]);
    // By the clock the second bundle would be good; by what was signed since, it is not.
    let said = import_on("-50d", &attacked, &expired).exits(4).says("(expired)");
    attacked.unchanged(&said);
    assert_eq!(told(&attacked.appliance, "bundle-quarantined").len(), 1);
    assert!(!told(&attacked.appliance, "clock-went-back").is_empty());
    workshop.build("skipped", &[]);
    attacked.still_imports(&workshop.build("third", &[]));
}
