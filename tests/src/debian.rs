//! A real Debian machine: a root from the release suite, so that it lacks the security updates.

use crate::machine::alone;
use crate::{Node, Said, cache, mirror, require_root, run, run_within, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A Debian machine of the test's own, as old as the last point release.
#[derive(Debug)]
pub struct Debian {
    folder: TempDir,
}

impl Debian {
    /// A fresh machine. The first of all takes half a minute, each other a second or two.
    #[must_use]
    pub fn fresh() -> Self {
        Self::unpack(&archive())
    }

    /// A fresh machine that can be booted with systemd, and where people can log in. The first of all takes
    /// a minute.
    #[must_use]
    pub fn with_systemd() -> Self {
        Self::unpack(&archive_of("-systemd", ",systemd,systemd-sysv,dbus,libpam-systemd"))
    }

    /// A fresh minimal machine that boots by itself: systemd, and the kernel with what its package makes. The first of all takes
    /// minutes.
    #[must_use]
    pub fn with_kernel() -> Self {
        Self::unpack(&archive_of(
            "-kernel-exfat",
            ",systemd-sysv,udev,dbus,linux-image-amd64,exfatprogs",
        ))
    }

    fn unpack(archive: &Path) -> Self {
        require_root();
        let folder = scratch();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut unpack = Command::new("tar");
        unpack.args(["--extract", "--numeric-owner", "--file"]).arg(archive);
        run_within(Duration::from_secs(120), unpack.arg("--directory").arg(&root)).ok();
        // Nothing runs in it that would have to settle after a change.
        fs::create_dir(root.join("etc/patchkeep")).unwrap();
        let conduct = root.join("etc/patchkeep/conduct.toml");
        fs::write(conduct, "[health]\nsettle_seconds = 0\n").unwrap();
        Self { folder }
    }

    /// Its root directory.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A path inside it.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root().join(inside.trim_start_matches('/'))
    }

    /// Moves it onto a btrfs subvolume of its own, until the guard is dropped.
    #[track_caller]
    #[must_use]
    pub fn onto_btrfs(&self) -> Mounted {
        let (root, old) = (self.root(), self.root().with_extension("old"));
        let image = root.with_extension("img");
        fs::File::create(&image).unwrap().set_len(2 << 30).unwrap();
        run(Command::new("mkfs.btrfs").arg("--quiet").arg(&image)).ok();
        fs::rename(&root, &old).unwrap();
        fs::create_dir(&root).unwrap();
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&root)).ok();
        let mounted = Mounted(root.clone());
        run(Command::new("cp").arg("--archive").arg(old.join(".")).arg(&root)).ok();
        mounted
    }

    /// What dpkg knows to be installed.
    #[must_use]
    pub fn status_file(&self) -> PathBuf {
        self.path("/var/lib/dpkg/status")
    }

    /// Runs a shell line on it, at a node of a network, within five minutes.
    #[track_caller]
    pub fn run(&self, node: &Node, line: &str) -> Said {
        self.run_with(node, &[], line)
    }

    /// Runs a shell line on it as if so many days from now.
    #[track_caller]
    pub fn run_in_days(&self, node: &Node, days: u32, line: &str) -> Said {
        let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
        assert!(self.path(library).exists(), "the machine has no libfaketime");
        let preload = format!("LD_PRELOAD={library}");
        // The first process makes a semaphore that apt's own user must be able to open too; that of
        // the time before, made by a process of the same number, must go.
        let memory = self.path("/dev/shm");
        let _ = fs::remove_dir_all(&memory);
        fs::create_dir_all(&memory).unwrap();
        let line = format!("chmod 666 /dev/shm/*; {line}");
        self.run_with(node, &[&preload, &format!("FAKETIME=+{days}d")], &line)
    }

    #[track_caller]
    fn run_with(&self, node: &Node, environment: &[&str], line: &str) -> Said {
        let root = self.root();
        let mut command = node.command("unshare");
        // A namespace of processes: when the first of them is stopped, all of them are.
        command.args(["--mount", "--pid", "--fork", "--kill-child"]);
        command.arg(format!("--mount-proc={}", root.join("proc").display()));
        command.arg("chroot").arg(&root).args(["env", "-i", "LC_ALL=C.UTF-8"]);
        command.args(["DEBIAN_FRONTEND=noninteractive", "HOME=/root"]);
        command.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(environment).args(["sh", "-c", line]);
        run_within(Duration::from_secs(300), &mut command)
    }

    /// The installed version of a package.
    #[must_use]
    pub fn version(&self, package: &str) -> Option<String> {
        let status = fs::read(self.status_file()).unwrap();
        let installed = vendor_apt::parse_status(&status).unwrap();
        installed.into_iter().find(|own| own.name == package).map(|own| own.version)
    }
}

/// A file system that is mounted until this is dropped.
#[derive(Debug)]
pub struct Mounted(pub PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// A root of the machine's release as an archive, made once.
pub(crate) fn archive() -> PathBuf {
    archive_of("", "")
}

/// One with more packages in it.
fn archive_of(kind: &str, more: &str) -> PathBuf {
    let mirror = mirror();
    let archive = cache().join(format!("debian-{}{kind}.tar", mirror.codename));
    let _alone = alone();
    if !archive.exists() {
        make(&archive, &mirror.codename, &mirror.release, more);
    }
    archive
}

fn make(archive: &Path, codename: &str, uri: &str, more: &str) {
    let fresh = archive.with_extension(format!("{}.tar", std::process::id()));
    let mut command = Command::new("mmdebstrap");
    // libfaketime comes along so that the machine can be told another day; nothing else is added.
    command.args(["--variant=apt", "--mode=root", "--format=tar"]);
    command.arg(format!("--include=libfaketime{more}"));
    // Only the release suite: the security updates are what the machine shall lack.
    command.arg(codename).arg(&fresh).arg(uri);
    run_within(Duration::from_secs(480), &mut command).ok();
    fs::rename(&fresh, archive).unwrap();
}
