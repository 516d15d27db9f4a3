//! Two slots under firmware with Secure Boot: a new image is tried once, and stays only where its server answers.

use crate::guest::{Guest, Hardware, begins, image, only};
use crate::root;
use ids::Digest;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tests::{patchkeep, run, scratch};

/// Two starts and what lies between them, on a machine that has other things to do.
pub(crate) const WITHIN: Duration = Duration::from_secs(500);
/// The account of the server in the image.
const ACCOUNT: &str = "990:990";

/// A server that opens its door and says so, and leaves whoever asks it something without an answer for ever.
const SILENT_SERVER: &str = r#"
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words) {
    for (int i = 1; i < count; i++)
        if (!strcmp(words[i], "serve")) {
            struct sockaddr_in door = {.sin_family = AF_INET, .sin_port = htons(443)};
            int listener = socket(AF_INET, SOCK_STREAM, 0);
            bind(listener, (struct sockaddr *)&door, sizeof door);
            listen(listener, 9);
            puts("{\"site\":\"north\",\"ca\":\"-\",\"audit_key\":\"-\",\"first_code\":null}");
            fflush(stdout);
        }
    for (;;) pause();
}
"#;

/// A workshop for images of other versions.
pub(crate) struct Images {
    folder: TempDir,
    image: PathBuf,
}

impl Images {
    pub(crate) fn new(image: &Path) -> Self {
        Self { folder: scratch(), image: image.canonicalize().unwrap() }
    }

    /// Makes an image of a version, with these files over those of the real one, and words on its command line.
    pub(crate) fn make(&self, version: &str, files: &[(&str, &[u8])], words: &str) -> PathBuf {
        let own = |name: &str| self.folder.path().join(name);
        let overlay = own("overlay");
        let about = fs::read(self.image.join("about.json")).unwrap();
        let mut about: Value = serde_json::from_slice(&about).unwrap();
        about["version"] = json!(version);
        for (name, text) in
            [("etc/patchkeep/image.json", about.to_string().as_bytes())].iter().chain(files)
        {
            let path = overlay.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let pack =
            "find . -mindepth 1 | cpio --quiet --create --format newc --owner 0:0 >../overlay.cpio";
        run(Command::new("sh").args(["-c", pack]).current_dir(&overlay)).ok();
        self.assemble(
            version,
            &self.image.join("parts/initramfs"),
            words,
            Some(&own("overlay.cpio")),
        )
    }

    /// One that finds no first program, and so panics.
    fn panicking(&self, version: &str) -> PathBuf {
        let empty = self.folder.path().join("empty");
        run(Command::new("sh").args([
            "-c",
            &format!("cpio --quiet --create --format newc </dev/null >{}", empty.display()),
        ]))
        .ok();
        self.assemble(version, &empty, "", None)
    }

    fn assemble(
        &self,
        version: &str,
        initramfs: &Path,
        words: &str,
        overlay: Option<&Path>,
    ) -> PathBuf {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let (real, parts) = (self.image.join("parts"), self.folder.path().join("parts"));
        fs::create_dir_all(&parts).unwrap();
        for name in ["vmlinuz", "kernel", "seconds", "tools"] {
            let _ = std::os::unix::fs::symlink(real.join(name), parts.join(name));
        }
        fs::copy(initramfs, parts.join("initramfs")).unwrap();
        let line = fs::read_to_string(real.join("cmdline")).unwrap();
        fs::write(parts.join("cmdline"), format!("{} {words}", line.trim())).unwrap();
        let output = self.folder.path().join("made.efi");
        let key = |ending: &str| top.join(format!("keys/DEVELOPMENT-ONLY.secure-boot.{ending}"));
        let mut make = Command::new(top.join("image/uki.sh"));
        make.arg(&parts).arg(version).arg(&output).args([key("key"), key("crt")]).args(overlay);
        run(&mut make).ok();
        output
    }
}

/// A machine with a site, to which the server has just handed a new image.
fn machine(image: &Path, new: &[u8]) -> Hardware {
    let folder = scratch();
    let own = |name: &str| folder.path().join(name);
    let data = own("data");
    for part in ["site", "settings", "update/in"] {
        fs::create_dir_all(data.join(part)).unwrap();
    }
    let (root, fingerprint) = root(folder.path());
    let mut words =
        vec!["init".to_owned(), "--data".to_owned(), data.join("site").display().to_string()];
    words.extend(["--site", "north", "--as", "ann", "--publisher-root"].map(str::to_owned));
    words.extend([root.display().to_string(), "--root-fingerprint".to_owned(), fingerprint]);
    patchkeep(&words).ok();
    fs::write(data.join("update/in/image.efi"), new).unwrap();
    let request = json!({ "bytes": new.len(), "sha256": Digest::of(new).to_hex() });
    fs::write(data.join("update/in/request.json"), request.to_string()).unwrap();
    installed(image, folder)
}

/// A machine whose data partition holds what lies in `data` of a folder: a site that has an address.
pub(crate) fn installed(image: &Path, folder: TempDir) -> Hardware {
    let own = |name: &str| folder.path().join(name);
    let data = own("data");
    run(Command::new("chown")
        .args(["-R", ACCOUNT])
        .args([data.join("site"), data.join("update/in")]))
    .ok();

    let (disk, partition) = (own("disk.img"), own("partition"));
    run(Command::new("cp").arg("--sparse=always").args([&only(image, ".img"), &disk])).ok();
    fs::File::create(&partition).unwrap().set_len(1 << 30).unwrap();
    run(Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-m", "1", "-L", "patchkeep-data", "-d"])
        .args([&data, &partition]))
    .ok();
    let seek = format!("seek={}", begins(&disk, "patchkeep-data") >> 20);
    let mut write = Command::new("dd");
    write.args(["bs=1M", "conv=notrunc,sparse", "status=none", &seek]);
    run(write.arg(format!("if={}", partition.display())).arg(format!("of={}", disk.display())))
        .ok();
    let mut machine = Hardware::with_secure_boot(image, &disk);
    machine.base = Some(folder);
    machine
}

/// What the server can read of what became of the image.
pub(crate) fn outcome(machine: &Hardware) -> Value {
    let text = machine.data("/update/outcome.json");
    eprintln!("{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Waits until the old image says that it came back, and serves; then what it says.
fn until_it_came_back(guest: &mut Guest, what: &str) -> String {
    let back = "slot A came back by itself";
    guest.until_it_says(back, WITHIN);
    let took = guest.until_it_says_after(back, "The server is running.", WITHIN);
    eprintln!("{what}: the old image is back and serves after {:.1} s", took.as_secs_f64());
    guest.says_after("slots")
}

#[test]
fn a_new_image_is_tried_blessed_and_started_from_then_on() {
    let Some(image) = image() else { return };
    let new = fs::read(Images::new(&image).make("0.2.0", &[], "")).unwrap();
    let machine = machine(&image, &new);
    let mut guest = machine.boot();
    let took = guest.until_it_says("slot B was started, ON TRIAL", WITHIN);
    eprintln!("from the old image to the new one on trial: {:.1} s", took.as_secs_f64());
    let took = guest.until_it_says("version 0.2.0 answers and is blessed", WITHIN);
    eprintln!("blessed: {:.1} s", took.as_secs_f64());
    guest.press_power_button();
    let became = outcome(&machine);
    assert_eq!(
        (&became["became"], &became["from"], &became["to"]),
        (&json!("blessed"), &json!("0.1.0"), &json!("0.2.0"))
    );
    assert_eq!(became["sha256"], Digest::of(&new).to_hex());
    let mut guest = machine.boot();
    guest.until_it_says("slot B was started, as always; nothing older than 0.2.0", WITHIN);
    let (took, _) = guest.until_it_serves("/first-start", WITHIN);
    eprintln!("the blessed image serves again: {:.1} s", took.as_secs_f64());
    guest.press_power_button();

    machine.tear("/EFI/patchkeep/b.efi");
    let mut guest = machine.boot();
    guest.until_it_says("slot A was started in another's place: slot B did not load", WITHIN);
    let (took, _) = guest.until_it_serves("/first-start", WITHIN);
    eprintln!("its file is torn, and the other slot serves: {:.1} s", took.as_secs_f64());
}

#[test]
fn a_new_image_that_panics_falls_back() {
    let Some(image) = image() else { return };
    let new = fs::read(Images::new(&image).panicking("0.2.0")).unwrap();
    let machine = machine(&image, &new);
    let mut guest = machine.boot();
    let said = until_it_came_back(&mut guest, "a new image that panics");
    assert!(guest.screen().contains("Kernel panic"), "it never panicked:\n{}", guest.screen());
    assert!(said.contains("0.2.0 in slot B did not stay"), "{said}");
    guest.press_power_button();
    assert_eq!(outcome(&machine)["became"], "fell-back");
}

#[test]
fn a_new_image_whose_server_never_answers_falls_back_and_says_why() {
    let Some(image) = image() else { return };
    let images = Images::new(&image);
    let broken = [("bin/patchkeep", &b"no program\n"[..])];
    let bad = images.make("0.2.0", &broken, "patchkeep.trial_seconds=20");
    let machine = machine(&image, &fs::read(bad).unwrap());
    let mut guest = machine.boot();
    let said = until_it_came_back(&mut guest, "a new image whose server never answers");
    assert!(said.contains("its server did not answer within 20 s"), "{said}");
    guest.press_power_button();
    let became = outcome(&machine);
    assert!(
        became["became"] == "fell-back"
            && became["why"].as_str().unwrap().contains("did not answer"),
        "{became}"
    );
}

#[test]
fn a_new_image_that_hangs_is_started_anew_by_the_watchdog_and_falls_back() {
    let Some(image) = image() else { return };
    let images = Images::new(&image);
    let own = |name: &str| images.folder.path().join(name);
    fs::write(own("silent.c"), SILENT_SERVER).unwrap();
    run(Command::new("cc").args(["-static", "-o"]).args([own("silent"), own("silent.c")])).ok();
    let silent = fs::read(own("silent")).unwrap();
    let bad = images.make("0.2.0", &[("bin/patchkeep", &silent[..])], "");
    let machine = machine(&image, &fs::read(bad).unwrap());
    let mut guest = machine.boot();
    let said = until_it_came_back(&mut guest, "a new image that hangs");
    assert!(guest.screen().contains("ON TRIAL") && said.contains("hung"), "{said}");
    guest.press_power_button();
    assert_eq!(outcome(&machine)["became"], "fell-back");
}

#[test]
fn a_new_image_that_firmware_refuses_falls_back() {
    let Some(image) = image() else { return };
    let images = Images::new(&image);
    let good = images.make("0.2.0", &[], "");
    let mut tampered = fs::read(&good).unwrap();
    let words = b"module.sig_enforce=1";
    let at = tampered.windows(words.len()).position(|window| window == words).unwrap();
    tampered[at + words.len() - 1] = b'0';
    run(Command::new("sbattach").arg("--remove").arg(&good)).ok();
    let unsigned = fs::read(&good).unwrap();
    for (what, new) in [("a tampered image", tampered), ("an unsigned image", unsigned)] {
        let machine = machine(&image, &new);
        let mut guest = machine.boot();
        let said = until_it_came_back(&mut guest, what);
        assert!(guest.screen().contains("Access Denied"), "firmware took {what}");
        assert!(!guest.screen().contains("ON TRIAL") && said.contains("not signed"), "{said}");
        guest.press_power_button();
        assert_eq!(outcome(&machine)["became"], "fell-back");
    }
}

#[test]
fn an_older_image_is_not_started_until_somebody_at_the_machine_says_so_and_lowers_the_floor() {
    let Some(image) = image() else { return };
    let old = fs::read(Images::new(&image).make("0.0.9", &[], "")).unwrap();
    let machine = machine(&image, &old);
    let mut guest = machine.boot();
    let took = guest.until_it_says("type within an hour: older 0.0.9", WITHIN);
    eprintln!("an older image waits for somebody at the machine: {:.1} s", took.as_secs_f64());
    guest.until_it_says("The server is running.", WITHIN);
    guest.types(&[("Press Enter for the menu", "older 0.0.8")], WITHIN);
    guest.until_it_says("5  new recovery key", WITHIN);
    assert!(!guest.screen().contains("starts again"), "{}", guest.screen());
    guest.press_power_button();
    assert!(machine.data("/update/outcome.json").is_empty(), "something became of it already");

    // It is asked for again after each start.
    let mut guest = machine.boot();
    guest.until_it_says("type within an hour: older 0.0.9", WITHIN);
    guest.types(&[("Press Enter for the menu", "older 0.0.9")], WITHIN);
    guest.until_it_says("slot B was started, ON TRIAL", WITHIN);
    guest.until_it_says("version 0.0.9 answers and is blessed", WITHIN);
    guest.press_power_button();
    assert_eq!(
        (&outcome(&machine)["became"], &outcome(&machine)["to"]),
        (&json!("blessed"), &json!("0.0.9"))
    );
    let mut guest = machine.boot();
    guest.until_it_says("slot B was started, as always; nothing older than 0.0.9", WITHIN);
}

#[test]
fn a_power_cut_while_a_slot_is_written_leaves_the_old_image_and_the_new_one_is_taken_afterwards() {
    let Some(image) = image() else { return };
    let new = fs::read(Images::new(&image).make("0.2.0", &[], "")).unwrap();
    let machine = machine(&image, &new);
    let mut guest = machine.boot();
    let took = guest.until_it_says("Writing version 0.2.0 to slot B", WITHIN);
    drop(guest);
    eprintln!("the power was cut while the slot was written: {:.1} s", took.as_secs_f64());
    let mut guest = machine.boot();
    let took = guest.until_it_says("slot A was started, as always", WITHIN);
    eprintln!("the old image is there: {:.1} s", took.as_secs_f64());
    guest.until_it_says("version 0.2.0 answers and is blessed", WITHIN);
}
