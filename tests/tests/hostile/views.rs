//! Damaged views: set aside, built again, and nobody can tell by the answers.

use crate::common::{log_verifies, stand, told};
use std::fs;
use std::path::{Path, PathBuf};
use tests::{Appliance, Workshop, noise};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn views_that_are_gone_or_rubbish_or_halved_are_built_again() {
    let workshop = Workshop::new();
    let appliance = workshop.appliance();
    appliance.import(&[&workshop.bundle("first", 1, &[(1, 9_000)])]).ok();
    let views = appliance.data().join("views");
    let before = (stand(&appliance), told(&appliance, "bundle-imported"));
    type Damage = fn(&Path);
    let rubbish: Damage = |file| {
        let length = usize::try_from(fs::metadata(file).unwrap().len()).unwrap();
        fs::write(file, noise(7, length.max(100))).unwrap();
    };
    let halved: Damage = |file| {
        let length = fs::metadata(file).unwrap().len();
        fs::File::options().write(true).open(file).unwrap().set_len(length / 2).unwrap();
    };
    let emptied: Damage = |file| fs::write(file, "").unwrap();
    let flipped: Damage = |file| {
        let mut bytes = fs::read(file).unwrap();
        bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
        fs::write(file, bytes).unwrap();
    };
    // With the mark of a clean stop left in place, and without it as after a power cut.
    for clean in [true, false] {
        for damage in [rubbish, halved, emptied, flipped] {
            for file in files(&views) {
                let mark = file.file_name().is_some_and(|name| name == "clean");
                if !mark {
                    damage(&file);
                } else if !clean {
                    fs::remove_file(file).unwrap();
                }
            }
            same_answers(&appliance, &before);
        }
    }
    fs::remove_dir_all(&views).unwrap();
    let rebuilt = told(&appliance, "views-rebuilt").len();
    assert!(rebuilt >= 7, "only {rebuilt} of them were noticed");
    same_answers(&appliance, &before);
    fs::remove_dir_all(&views).unwrap();
    fs::create_dir(&views).unwrap();
    same_answers(&appliance, &before);
    let events = told(&appliance, "views-rebuilt");
    assert!(events.len() > rebuilt, "{events:?}");
    appliance.import(&[&workshop.bundle("next", 2, &[(2, 9_000)])]).ok().says("complete");
    log_verifies(&appliance);
}

#[track_caller]
fn same_answers(appliance: &Appliance, before: &(serde_json::Value, Vec<String>)) {
    assert_eq!(stand(appliance), before.0);
    assert_eq!(told(appliance, "bundle-imported"), before.1);
}
