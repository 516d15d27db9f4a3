//! Disaster recovery: a backup while serving, an appliance that only reads, and the epoch that two people
//! open.

use crate::house::House;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::{Said, copy_tree, patchkeep, run};

/// An age identity and its recipient, for tests only.
const DEVELOPMENT_ONLY_IDENTITY: &str =
    "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";
/// Another one, for which nothing is encrypted.
const DEVELOPMENT_ONLY_STRANGER: &str =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// What recovery needs besides a house: a backup and a folder for keys.
struct Safe<'a> {
    house: &'a House,
}

impl Safe<'_> {
    fn identity(&self, name: &str, text: &str) -> String {
        let path = self.house.path(name);
        fs::write(&path, format!("# made by a test\n{text}\n")).unwrap();
        path
    }

    #[track_caller]
    fn backup(&self, name: &str) -> (String, Said) {
        let file = self.house.path(name);
        let words = ["--into", &file, "--recipient", RECIPIENT, "--as", "ann"];
        let said = self.house.appliance.verb(&["backup"], &words).ok();
        (file, said)
    }

    fn restore(&self, from: &str, identity: &str, data: &Path) -> Said {
        let data = data.display().to_string();
        patchkeep(["restore", "--from", from, "--identity", identity, "--data", &data])
    }
}

/// Puts what a backup holds in the appliance's place.
#[track_caller]
fn disaster(house: &mut House, backup: &str) {
    let identity = Safe { house }.identity("identity", DEVELOPMENT_ONLY_IDENTITY);
    let backup = backup.to_owned();
    house.while_stopped(|appliance| {
        fs::remove_dir_all(appliance.data()).unwrap();
        let data = appliance.data().display().to_string();
        let words = ["restore", "--from", &backup, "--identity", &identity, "--data", &data];
        patchkeep(words).ok().says("each verified").says("only reads");
    });
}

/// The bundle that the house imported first.
fn first_bundle(house: &House) -> PathBuf {
    house.workshop.path("bundle-1")
}

#[test]
fn two_people_open_a_new_epoch_and_endpoints_follow_it_without_a_reset() {
    let mut house = House::with(&["--threshold", "1"]);
    let machine = house.scanned("web1");
    let (backup, said) = Safe { house: &house }.backup("backup.age");
    said.says("encrypted for 1 key").says("Not in it");
    let told = house.told("backup-made");
    assert!(told.len() == 1 && told[0].contains("encrypted for 1 key"), "{told:?}");
    assert!(!told[0].contains(RECIPIENT));
    // What comes after the backup is lost with the appliance; the endpoint has seen it.
    let tomorrow = |hours: i64| {
        let at = ids::Timestamp::now().as_second() + (24 + hours) * 3600;
        ids::Timestamp::from_second(at).unwrap().to_string()
    };
    let window = format!("{}/{}", tomorrow(0), tomorrow(1));
    house.approve(&["--window", &window]).ok().says("APPROVAL 1 ");
    machine.run().ok();
    machine.has(["1", "1"]);
    let zip = house.path("before.zip");
    house.appliance.verb(&["audit", "export"], &["--into", &zip]).ok();
    machine.run().ok();
    disaster(&mut house, &backup);

    house.appliance.verb(&["status"], &[]).ok().says("RESTORED").says("site draft");
    let refused = house.appliance.verb(&["ring", "create"], &["other"]).exits(6);
    refused.says("restored from a backup of").says("entries").says("site draft");
    let bundle = first_bundle(&house).display().to_string();
    house.appliance.verb(&["import"], &[&bundle]).exits(6).says("restored from a backup");
    house.appliance.verb(&["audit", "export"], &["--into", &house.path("no.zip")]).exits(6);
    assert!(!Path::new(&house.path("no.zip")).exists());
    assert_eq!(house.told("site-root-accepted").len(), 1);
    assert_eq!(house.endpoint("web1")["standing"], "active");
    machine.run().fails().says("restored from a backup");

    let root = house.path("second-root");
    house.appliance.verb(&["site", "draft"], &["--into", &root]).ok().says("Log: epoch 2");
    patchkeep(["site", "sign", &root, "--key", &house.key("ann"), "--yes"]).ok();
    house.appliance.verb(&["site", "accept"], &[&root]).exits(6).says("stop it");
    let ben = house.key("ben");
    house.while_stopped(|appliance| {
        let accept = |words: &[&str]| appliance.verb(&["site", "accept"], words);
        accept(&[&root]).exits(3).says("a new epoch takes 2").says("nothing was opened");
        patchkeep(["site", "sign", &root, "--key", &ben, "--yes"]).ok();
        accept(&[&root]).ok().says("Epoch 2 is open");
    });

    let told = house.told("epoch-opened");
    assert!(told.len() == 1 && told[0].contains("are LOST"), "{told:?}");
    assert!(told[0].contains("imported again"), "{told:?}");
    let said = machine.run();
    assert!(said.code == Some(0) || said.has("generation") || said.has("404"), "{said}");
    let standing = machine.agent(&["--json", "status"]).ok().json();
    assert_eq!((&standing["root_generation"], &standing["alarm"]), (&2.into(), &().into()));
    assert_eq!(house.told("endpoint-went-back").len(), 0);
    assert_eq!(house.told("log-doubted").len(), 0);

    // Payloads come back with the bundle that brought them.
    house.appliance.verb(&["import"], &[&bundle, "--as", "oscar"]).ok();
    house.appliance.verb(&["status"], &[]).ok().says("0 files missing");
    house.offer("3");
    machine.run();
    house.approve(&[]).ok().says("APPROVAL 1000001");
    machine.run().ok();
    machine.has(["3", "3"]);
    assert_eq!(house.endpoint("web1")["job"]["end"], "effective");
    evidence_holds(&house, "2");
}

/// The audit bundle of this epoch holds, with Patchkeep and without.
#[track_caller]
fn evidence_holds(house: &House, epoch: &str) {
    let zip = house.path(&format!("epoch-{epoch}.zip"));
    house.appliance.verb(&["audit", "export"], &["--into", &zip]).ok();
    let key = house.appliance.verb(&["audit", "key"], &["--json"]).ok().json();
    let verified = patchkeep(["audit", "verify", &zip, "--key", key.as_str().unwrap()]).ok();
    verified.says(&format!("epoch {epoch}, which 2 people opened")).says("site roots 1 to");
    let folder = house.path(&format!("epoch-{epoch}"));
    run(Command::new("unzip").args(["-q", "-d", &folder, &zip])).ok();
    run(Command::new("sh").arg("verify.sh").current_dir(&folder)).ok().says("could check holds");
}

#[test]
fn a_backup_that_is_not_whole_or_not_ours_leaves_nothing_behind() {
    let house = House::new();
    let safe = Safe { house: &house };
    let (backup, _) = safe.backup("backup.age");
    let own = safe.identity("identity", DEVELOPMENT_ONLY_IDENTITY);
    let target = house.folder_beside("restored");
    let refused = |from: &str, identity: &str, words: &str| {
        safe.restore(from, identity, &target).exits(3).says(words).says("nothing was restored");
        assert!(!target.exists());
    };
    refused(
        &backup,
        &safe.identity("stranger", DEVELOPMENT_ONLY_STRANGER),
        "was not made for this identity",
    );
    refused(&backup, &safe.identity("nonsense", "hunter2"), "identity file is none of age's");
    let whole = fs::read(&backup).unwrap();
    let copy = house.path("copy.age");
    // Cut in the head, in the middle, and by its last byte only.
    for length in [50, whole.len() / 2, whole.len() - 1] {
        fs::write(&copy, &whole[..length]).unwrap();
        refused(&copy, &own, "copy.age");
    }
    for at in [150, whole.len() / 2, whole.len() - 10] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(&copy, altered).unwrap();
        refused(&copy, &own, "copy.age");
    }
    fs::write(&copy, [&whole[..], b"more"].concat()).unwrap();
    refused(&copy, &own, "copy.age");
    // A folder that holds anything is left as it is.
    fs::create_dir(&target).unwrap();
    fs::write(target.join("note"), "mine").unwrap();
    safe.restore(&backup, &own, &target).exits(3).says("is not empty");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    fs::remove_file(target.join("note")).unwrap();
    fs::write(&copy, &whole[..whole.len() - 1]).unwrap();
    safe.restore(&copy, &own, &target).exits(3);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    // Whoever wrote the manifest down knows another backup from this one.
    let data = target.display().to_string();
    let words = ["restore", "--from", &backup, "--identity", &own, "--data", &data];
    let other = "1".repeat(64);
    patchkeep(words.iter().copied().chain(["--manifest", &other])).exits(3).says("another backup");
    safe.restore(&backup, &own, &target).ok();
    let back_up = |words: &[&str]| house.appliance.verb(&["backup"], words);
    back_up(&["--into", &copy, "--recipient", RECIPIENT]).exits(3).says("there already");
    let new = house.path("new.age");
    back_up(&["--into", &new]).exits(3).says("at least one recipient");
    back_up(&["--into", &new, "--recipient", "age1nobody"]).exits(3).says("no age recipient");
    assert!(!Path::new(&new).exists());
}

#[test]
fn a_second_disaster_goes_on_from_what_endpoints_and_administrators_know() {
    let mut house = House::new();
    let (backup, _) = Safe { house: &house }.backup("backup.age");
    // A root that is newer than the backup, and a checkpoint that somebody carried away.
    let later =
        signed(&house, "later", &["--approver", &format!("oscar={}.pub", house.key("oscar"))]);
    house.appliance.verb(&["site", "accept"], &[&later]).ok();
    let held = checkpoint(&house, "held");
    let note = fs::read_to_string(&held).unwrap();

    disaster(&mut house, &backup);
    house.while_stopped(|appliance| {
        appliance.verb(&["site", "accept"], &[&later]).ok().says("newer than the backup");
    });
    house.appliance.verb(&["site", "show"], &[]).ok().says("SITE ROOT 2");
    let root = signed(&house, "third", &[]);
    let forged = house.path("forged");
    fs::write(&forged, note.replacen("epoch-1\n", "epoch-1\n9", 1)).unwrap();
    house.while_stopped(|appliance| {
        let accept = |held: &str| appliance.verb(&["site", "accept"], &[&root, "--held", held]);
        accept(&forged).exits(3).says("none that this log signed");
        accept(&held).ok().says("Epoch 2 is open, under site root 3");
    });
    let told = house.told("epoch-opened");
    assert!(told[0].contains("LOST"), "{told:?}");
    assert_eq!(house.told("site-root-accepted").len(), 2);
    evidence_holds(&house, "2");

    // The log of the first epoch travels along, and so does what the second went on from.
    let (backup, _) = Safe { house: &house }.backup("second.age");
    disaster(&mut house, &backup);
    assert!(house.appliance.data().join("ledger-epoch-1/checkpoint").exists());
    let root = signed(&house, "fourth", &[]);
    house.while_stopped(|appliance| {
        appliance.verb(&["site", "accept"], &[&root]).ok().says("Epoch 3 is open");
        assert!(appliance.data().join("ledger-epoch-2/checkpoint").exists());
        assert!(!appliance.data().join("recovery").exists());
    });
    let told = house.told("epoch-opened");
    assert!(told.len() == 1 && told[0].contains("nobody is known to hold"), "{told:?}");
    evidence_holds(&house, "3");
    // As any site: it is written to again.
    house.appliance.verb(&["ring", "create"], &["other"]).ok();
}

/// The next site root, drafted with these words and signed by both administrators.
#[track_caller]
fn signed(house: &House, name: &str, words: &[&str]) -> String {
    let root = house.path(name);
    house.appliance.verb(&["site", "draft"], &[&["--into", &root], words].concat()).ok();
    for person in ["ann", "ben"] {
        patchkeep(["site", "sign", &root, "--key", &house.key(person), "--yes"]).ok();
    }
    root
}

#[test]
fn a_checkpoint_of_another_history_opens_nothing() {
    let mut house = House::new();
    let twin = house.folder_beside("twin");
    house.while_stopped(|appliance| copy_tree(&appliance.data(), &twin));
    house.appliance.verb(&["ring", "create"], &["one"]).ok();
    let held = checkpoint(&house, "one");
    // The disk is put back, and the log takes another way.
    house.while_stopped(|appliance| {
        fs::remove_dir_all(appliance.data()).unwrap();
        copy_tree(&twin, &appliance.data());
    });
    for ring in ["two", "three", "four"] {
        house.appliance.verb(&["ring", "create"], &[ring]).ok();
    }
    let (backup, _) = Safe { house: &house }.backup("backup.age");
    disaster(&mut house, &backup);
    let root = signed(&house, "root-2", &[]);
    house.while_stopped(|appliance| {
        let accept = ["site", "accept"];
        appliance.verb(&accept, &[&root, "--held", &held]).exits(3).says("another history");
        appliance.verb(&["ring", "create"], &["five"]).exits(6);
        appliance.verb(&accept, &[&root]).ok().says("Epoch 2 is open");
    });
}

/// The checkpoint of an audit bundle, in a file.
#[track_caller]
fn checkpoint(house: &House, name: &str) -> String {
    let (zip, file) = (house.path(&format!("{name}.zip")), house.path(name));
    house.appliance.verb(&["audit", "export"], &["--into", &zip]).ok();
    let note = run(Command::new("unzip").args(["-p", &zip, "checkpoint"])).ok().out;
    fs::write(&file, note).unwrap();
    file
}
