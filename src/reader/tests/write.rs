//! The program writes a file to a FAT medium, confined, as PID 1 has it; mtools and fsck.fat judge what is there then.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The time that files bear here: 2026-11-29 11:00:04 UTC.
const SECONDS: &str = "1795950004";

struct Stick {
    folder: TempDir,
}

fn run(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(ended.status.success(), "{command:?}: {said}");
    said
}

impl Stick {
    /// With so many MiB, FAT of so many bits, and a file that was on it before.
    fn new(mib: u64, bits: &str) -> Self {
        let stick = Self { folder: tempfile::tempdir().unwrap() };
        File::create(stick.path("stick")).unwrap().set_len(mib << 20).unwrap();
        run(Command::new("mkfs.vfat")
            .args(["-F", bits, "-n", "EVIDENCE"])
            .arg(stick.path("stick")));
        fs::write(stick.path("before"), vec![7; 100_000]).unwrap();
        stick.mtools("mcopy", &[&stick.path("before").display().to_string(), "::before.bin"]);
        stick
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mtools(&self, tool: &str, words: &[&str]) -> String {
        run(Command::new(tool).arg("-i").arg(self.path("stick")).args(words))
    }

    /// Writes a file to it; what the program says, which is nothing where the kernel ended it.
    fn says(&self, bytes: &[u8], name: &str) -> String {
        self.run(bytes, name).1
    }

    fn run(&self, bytes: &[u8], name: &str) -> (bool, String) {
        fs::write(self.path("file"), bytes).unwrap();
        let stick = File::options().read(true).write(true).open(self.path("stick")).unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_patchkeep-reader"))
            .args(["write", name, SECONDS])
            .stdin(File::open(self.path("file")).unwrap())
            .stdout(stick)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        (ended.status.success(), String::from_utf8(ended.stderr).unwrap())
    }

    /// Writes a file to it; what the program says.
    fn write(&self, bytes: &[u8], name: &str) -> serde_json::Value {
        let (went_well, said) = self.run(bytes, name);
        let said: serde_json::Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(went_well, said.get("sha256").is_some(), "{said}");
        said
    }

    /// A file of it, as any desk reads it.
    fn file(&self, name: &str) -> Vec<u8> {
        let into = self.path("out");
        self.mtools("mcopy", &["-n", "-o", &format!("::{name}"), &into.display().to_string()]);
        fs::read(into).unwrap()
    }

    /// What was on it before is as it was, and its tables are in order.
    fn is_whole(&self) {
        assert_eq!(self.file("before.bin"), vec![7; 100_000]);
        run(Command::new("fsck.vfat").arg("-n").arg(self.path("stick")));
    }

    fn names(&self) -> Vec<String> {
        let said = self.mtools("mdir", &["-b", "::"]);
        said.lines().map(|line| line.trim_start_matches("::/").to_owned()).collect()
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_file_is_written_whole_and_what_was_there_stays() {
    for (mib, bits) in [(4, "12"), (32, "16"), (64, "32")] {
        let stick = Stick::new(mib, bits);
        for (length, name) in [(2_345_678, "audit-20261129-110004.zip"), (0, "empty.json")] {
            let said = stick.write(&bytes(length), name);
            assert_eq!(said["sha256"], ids::Digest::of(&bytes(length)).to_hex(), "{said}");
            assert_eq!(stick.file(name), bytes(length));
        }
        assert_eq!(stick.names(), ["before.bin", "audit-20261129-110004.zip", "empty.json"]);
        let listed = stick.mtools("mdir", &["::"]);
        assert!(listed.contains("2026-11-29  11:00"), "{listed}");
        // A name that is there is not taken from what bears it, in any case of letters.
        let said = stick.write(b"other", "EMPTY.json");
        assert!(said["error"].as_str().unwrap().contains("already"), "{said}");
        stick.is_whole();
    }
}

#[test]
fn what_does_not_fit_leaves_nothing_and_breaks_nothing() {
    let stick = Stick::new(4, "12");
    let said = stick.write(&bytes(5_000_000), "audit.zip");
    assert!(said["error"].as_str().unwrap().contains("space"), "{said}");
    assert_eq!(stick.names(), ["before.bin"]);
    stick.is_whole();
    stick.write(&bytes(3_000_000), "audit.zip");
    assert_eq!(stick.file("audit.zip"), bytes(3_000_000));
    stick.is_whole();
}

#[test]
fn what_is_no_fat_is_refused_and_left_as_it_is() {
    let stick = Stick::new(4, "12");
    for bytes in [vec![0; 1 << 20], vec![0xff; 1 << 20]] {
        fs::write(stick.path("stick"), &bytes).unwrap();
        assert!(stick.write(b"file", "audit.zip").get("error").is_some());
        assert!(fs::read(stick.path("stick")).unwrap() == bytes, "something was written");
    }
}

/// What is broken in a medium's tables harms nothing but the writing: it ends, in time, with a word, and what it did not read is
/// as it was.
#[test]
fn tables_that_lie_end_in_an_error_or_a_file_that_was_read_back() {
    let stick = Stick::new(4, "12");
    let whole = fs::read(stick.path("stick")).unwrap();
    let mut state = 0x9e37_79b9_u32;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize
    };
    let (mut written, mut refused) = (0, 0);
    for _ in 0..150 {
        let mut torn = whole.clone();
        // The boot sector, the tables, the root folder.
        for _ in 0..1 + next() % 12 {
            let at = if next() % 8 == 0 { 11 + next() % 51 } else { next() % (16 << 10) };
            torn[at] = next() as u8;
        }
        fs::write(stick.path("stick"), torn).unwrap();
        let begun = Instant::now();
        let said = stick.says(&bytes(50_000), "audit.zip");
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes round in circles");
        if said.contains("\"sha256\"") { written += 1 } else { refused += 1 }
    }
    assert!(written > 10 && refused > 10, "{written} were written, {refused} refused");
}
