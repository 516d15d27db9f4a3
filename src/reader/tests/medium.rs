//! The program shows a medium through the kernel's FUSE, confined, as PID 1 has it.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::{
    fs::{self, File},
    io::Read as _,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// An ext4 file system of a folder.
fn ext4_of(folder: &Path, file: &Path) {
    File::create(file).unwrap().set_len(64 << 20).unwrap();
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-t", "ext4", "-L", "workshop", "-d"]).arg(folder).arg(file);
    assert!(make.status().unwrap().success());
}

/// What is shown of a medium; dropping it unmounts.
struct Shown {
    at: PathBuf,
    reader: Child,
}

impl Shown {
    /// `None` where this machine does not let the test mount, and why is said.
    fn of(kind: &str, medium: &Path, at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let skipped = |why: String| {
            eprintln!(
                "SKIPPED: a medium cannot be mounted here ({why}); tests of the image mount one in QEMU"
            );
            None
        };
        let connection = match File::options().read(true).write(true).open("/dev/fuse") {
            Ok(connection) => connection,
            Err(error) => return skipped(format!("/dev/fuse: {error}")),
        };
        let words = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions\0",
            connection.as_raw_fd()
        );
        let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID;
        let words = std::ffi::CStr::from_bytes_with_nul(words.as_bytes()).unwrap();
        if let Err(errno) = mount("medium", at, "fuse.medium", flags, words) {
            return skipped(errno.to_string());
        }
        let reader = Command::new(env!("CARGO_BIN_EXE_patchkeep-reader"))
            .args(["medium", kind])
            .stdin(File::open(medium).unwrap())
            .stdout(connection.try_clone().unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Self { at: at.to_owned(), reader })
    }

    /// Unmounts it: what its reader said, and whether it ended well.
    fn end(mut self) -> (String, bool) {
        unmount(&self.at, UnmountFlags::DETACH).unwrap();
        let mut said = String::new();
        self.reader.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (said, self.reader.wait().unwrap().success())
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = unmount(&self.at, UnmountFlags::DETACH);
        let _ = self.reader.kill();
    }
}

#[test]
fn files_are_read_by_a_process_that_can_do_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let own = |name: &str| folder.path().join(name);
    fs::create_dir_all(own("bundle/metadata")).unwrap();
    let long: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    fs::write(own("bundle/long"), &long).unwrap();
    fs::write(own("bundle/metadata/timestamp.json"), "{}").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", own("bundle/link")).unwrap();
    ext4_of(&own("bundle"), &own("medium"));
    let Some(shown) = Shown::of("ext", &own("medium"), &own("at")) else { return };

    assert_eq!(fs::read_to_string(own("at/metadata/timestamp.json")).unwrap(), "{}");
    assert!(fs::read(own("at/long")).unwrap() == long, "other bytes than were put there");
    let mut names: Vec<String> = fs::read_dir(own("at"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["long", "lost+found", "metadata"], "a link is shown");
    assert!(fs::write(own("at/new"), "").is_err());
    let status = fs::read_to_string(format!("/proc/{}/status", shown.reader.id())).unwrap();
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line}\n{status}");
    }
    assert_eq!(shown.end(), ("{\"label\":\"workshop\"}\n".to_owned(), true));
}

#[test]
fn a_medium_that_is_no_file_system_is_an_error_and_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let own = |name: &str| folder.path().join(name);
    File::create(own("medium")).unwrap().set_len(1 << 20).unwrap();
    for kind in ["ext", "fat"] {
        let Some(shown) = Shown::of(kind, &own("medium"), &own("at")) else { return };
        assert!(fs::read_dir(own("at")).is_err());
        let (said, ended_well) = shown.end();
        assert!(said.starts_with("{\"error\":") && !ended_well, "{kind}: {said}");
    }
}

/// A stick with a folder of deleted names whose table leads back to itself, as no honest machine writes it.
fn circle(file: &Path) {
    File::create(file).unwrap().set_len(32 << 20).unwrap();
    let mut make = Command::new("mkfs.vfat");
    make.args(["-F", "16", "-s", "4"]).arg(file).stdout(Stdio::null());
    assert!(make.status().unwrap().success());
    assert!(Command::new("mmd").arg("-i").arg(file).arg("::bundle").status().unwrap().success());
    let mut medium = fs::read(file).unwrap();
    let number = |at: usize| usize::from(u16::from_le_bytes([medium[at], medium[at + 1]]));
    // Microsoft's FAT specification, section 3: sectors before the tables, of each table, entries of the root folder.
    let (tables, table, root_entries) = (number(14) * 512, number(22) * 512, number(17));
    let root = tables + 2 * table;
    let entry = (root..).step_by(32).find(|at| medium[*at..].starts_with(b"BUNDLE  ")).unwrap();
    let cluster = number(entry + 26);
    let data = root + root_entries * 32 + (cluster - 2) * 4 * 512;
    for table in [tables, tables + table] {
        let at = table + cluster * 2;
        medium[at..at + 2].copy_from_slice(&u16::try_from(cluster).unwrap().to_le_bytes());
    }
    medium[data..data + 4 * 512].fill(0xe5);
    fs::write(file, medium).unwrap();
}

#[test]
fn a_folder_that_leads_in_circles_is_given_up_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let own = |name: &str| folder.path().join(name);
    circle(&own("medium"));
    let Some(shown) = Shown::of("fat", &own("medium"), &own("at")) else { return };
    assert!(own("at/bundle").is_dir(), "it is not in the root folder");
    assert!(fs::read_dir(own("at/bundle")).unwrap().any(|entry| entry.is_err()));
    let (said, ended_well) = shown.end();
    assert!(said.contains("its tables lead in circles") && !ended_well, "{said}");
}
