//! Volumes: cut short, lost, swapped, given twice, altered, and in any order.

use crate::bundle::flip;
use crate::common::{Attacked, PACKAGES, log_verifies, one_sentence, stand, told};
use std::fs;
use std::path::{Path, PathBuf};
use tests::{Workshop, copy_tree, find};

/// Builds the next bundle in small volumes; gives them in order.
fn volumes(workshop: &Workshop, name: &str) -> Vec<PathBuf> {
    workshop.build(name, &["--volume-size", "160K"]);
    let folder = workshop.path(&format!("{name}.volumes"));
    let mut volumes: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    volumes.sort();
    assert!(volumes.len() >= 3, "{volumes:?}");
    volumes
}

fn all(volumes: &[PathBuf]) -> Vec<&Path> {
    volumes.iter().map(PathBuf::as_path).collect()
}

/// Where in a volume a text stands.
fn place(volume: &Path, text: &str) -> usize {
    let bytes = fs::read(volume).unwrap();
    bytes.windows(text.len()).position(|part| part == text.as_bytes()).unwrap()
}

#[test]
fn a_flipped_byte_anywhere_in_a_volume_is_refused() {
    let workshop = Workshop::new();
    let first = workshop.bundle("first", 1, &[(1, 1_000)]);
    workshop.collect(&workshop.draft(2, PACKAGES));
    let volumes = volumes(&workshop, "second");
    let attacked = Attacked::new(&workshop, &[&first]);
    for volume in [volumes.first().unwrap(), volumes.last().unwrap()] {
        let end = usize::try_from(fs::metadata(volume).unwrap().len()).unwrap();
        let slice = place(volume, "packs/");
        let mut places = vec![0, 100, 150, 300, 511];
        places.extend([512, place(volume, "\"stream_length\""), place(volume, "\"slices\"")]);
        let metadata = place(volume, "metadata/timestamp.json");
        places.extend([metadata, metadata + 200, metadata + 512, metadata + 700]);
        let target = place(volume, "targets/");
        places.extend([target, target + 511]);
        places.extend([slice, slice + 511, slice + 512, slice + 20_000]);
        places.extend([end - 1, end - 600]);
        for at in places {
            flip(volume, at);
            attacked.refuses(&all(&volumes), "");
            flip(volume, at);
        }
    }
    // Every volume repeats the small targets: refused when no sound copy is left, taken when one is.
    let hit = |volume: &PathBuf| flip(volume, place(volume, "targets/") + 520);
    volumes.iter().for_each(hit);
    attacked.refuses(&all(&volumes), "wrong-target");
    hit(&volumes[1]);
    attacked.appliance.import(&all(&volumes)).ok();
    log_verifies(&attacked.appliance);
}

#[test]
fn volumes_cut_short_swapped_or_given_twice_are_refused() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, PACKAGES));
    let first = volumes(&workshop, "first");
    workshop.collect(&workshop.draft(2, &[(2, 310_000), (2, 90_000)]));
    let second = volumes(&workshop, "second");
    let attacked = Attacked::new(&workshop, &[]);

    let bad = workshop.path("bad");
    fs::create_dir(&bad).unwrap();
    let cut = bad.join(first[1].file_name().unwrap());
    for part in [0, 1, 300, 512, 5_000, 100_000] {
        fs::write(&cut, &fs::read(&first[1]).unwrap()[..part]).unwrap();
        attacked.refuses_with_one_of(&[&first[0], &cut, &first[2]], &["cut-short"]);
    }
    let mut longer = fs::read(&first[1]).unwrap();
    longer.extend([0; 512]);
    fs::write(&cut, longer).unwrap();
    attacked.refuses(&[&first[0], &cut, &first[2]], "volume-damaged");
    attacked.refuses(&[&first[0], &second[1], &first[2]], "volume-of-another-bundle");
    attacked.refuses(&[&first[0], &first[1], &first[1]], "volume-repeated");
    fs::copy(&first[0], &cut).unwrap();
    attacked.refuses(&[&first[0], &cut], "volume-repeated");
    fs::write(&cut, "no volume at all").unwrap();
    attacked.refuses(&[&cut], "");

    attacked.appliance.import(&all(&first)).ok();
    attacked.appliance.import(&all(&second)).ok();
    log_verifies(&attacked.appliance);
}

#[test]
fn volumes_come_one_by_one_in_any_order() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, PACKAGES));
    let volumes = volumes(&workshop, "first");
    for order in [vec![2, 0, 1], vec![1, 2, 0], vec![0, 2, 1]] {
        let attacked = Attacked::new(&workshop, &[]);
        let appliance = &attacked.appliance;
        let (last, before) = order.split_last().unwrap();
        let rest = (3..volumes.len()).chain(before.iter().copied());
        for number in rest {
            // Twice: what has come already is no mistake.
            for _ in 0..2 {
                let said = appliance.import(&[&volumes[number]]).exits(6).says("volumes-missing");
                one_sentence(&said);
                attacked.unchanged(&said);
            }
        }
        assert!(!told(appliance, "import-paused").is_empty());
        appliance.import(&[&volumes[*last]]).ok().says("complete");
        assert_eq!(stand(appliance)["rings"][0]["sequence"], 1);
        log_verifies(appliance);
    }
}

#[test]
fn an_import_that_a_newer_bundle_made_unneeded_is_ended() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, PACKAGES));
    let volumes = volumes(&workshop, "first");
    let second = workshop.bundle("second", 2, PACKAGES);
    let appliance = workshop.appliance();
    appliance.import(&[&volumes[0]]).exits(6).says("volumes-missing");
    appliance.import(&[&second]).ok().says("complete");
    let unfinished = || {
        let status = appliance.verb(&["status"], &["--json"]).ok().json();
        status["unfinished"].as_array().unwrap().len()
    };
    assert_eq!(unfinished(), 1);
    appliance.import(&all(&volumes)).ok().says("nothing was changed");
    assert_eq!(unfinished(), 0);
    assert_eq!(stand(&appliance)["sequence"], 2);
    let incoming = appliance.data().join("store/incoming");
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0, "what it kept is freed");
}

#[test]
fn payloads_cut_by_many_volumes_come_whole_at_the_first_try() {
    let workshop = Workshop::new();
    workshop.collect(&workshop.draft(1, &[(1, 2_000_000), (1, 900_000)]));
    let volumes = volumes(&workshop, "first");
    for _ in 0..10 {
        workshop.appliance().import(&all(&volumes)).ok().says("complete");
    }
}

#[test]
fn a_pack_that_is_missing_or_cut_is_named_and_the_whole_copy_imports() {
    let workshop = Workshop::new();
    let good = workshop.bundle("good", 1, PACKAGES);
    let attacked = Attacked::new(&workshop, &[]);
    let bad = workshop.path("bad");
    copy_tree(&good, &bad);
    let pack = find(&bad.join("targets"), |name| name.contains(".pack"));
    let bytes = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    let said = attacked.appliance.import(&[&bad]).exits(6).says("packs-missing");
    one_sentence(&said);
    attacked.unchanged(&said);
    fs::write(&pack, &bytes[..bytes.len() / 2]).unwrap();
    attacked.refuses(&[&bad], "cut-short");
    fs::write(&pack, [&bytes[..], b"x"].concat()).unwrap();
    attacked.refuses(&[&bad], "wrong-target");
    attacked.still_imports(&good);
}
