//! A minimal Debian in QEMU, with a kernel of its own: what the appliance is measured against, and what makes media that this
//! machine cannot make.

use crate::guest::Running;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{Debian, run, scratch};

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(180);

/// Its first program where it makes a medium: exFAT on its second disk, with what lies on its third.
const MAKES_EXFAT: &str = "#!/bin/sh
mkdir -p /medium /source &&
mkfs.exfat -L PATCHES /dev/vdb &&
mount -t exfat /dev/vdb /medium &&
mount -o ro /dev/vdc /source &&
cp -r /source/. /medium/ &&
rm -rf /medium/lost+found &&
umount /medium &&
echo The medium is made.
sync
echo o >/proc/sysrq-trigger
sleep 60
";

/// Its kernel, the initial RAM disk that its package makes, and its own root on a disk.
pub(crate) struct Minimal {
    folder: TempDir,
    root: Debian,
}

impl Minimal {
    pub(crate) fn new() -> Self {
        let (folder, root) = (scratch(), Debian::with_kernel());
        fs::write(root.path("/etc/fstab"), "/dev/vda / ext4 defaults 0 1\n").unwrap();
        fs::write(root.path("/etc/hostname"), "minimal\n").unwrap();
        let script = root.path("/makes-exfat");
        fs::write(&script, MAKES_EXFAT).unwrap();
        run(Command::new("chmod").arg("755").arg(&script)).ok();
        let disk = folder.path().join("disk");
        File::create(&disk).unwrap().set_len(2 << 30).unwrap();
        let mut make = Command::new("mke2fs");
        run(make.args(["-q", "-t", "ext4", "-d"]).arg(root.root()).arg(&disk)).ok();
        Self { folder, root }
    }

    /// How long it takes from switching on to asking who logs in.
    pub(crate) fn login(&self) -> Duration {
        self.until("login:", "", &[])
    }

    /// Makes a file an exFAT medium with what lies in a folder.
    pub(crate) fn make_exfat(&self, file: &Path, from: &Path) {
        let source = self.folder.path().join("source");
        for made in [file, &source] {
            File::create(made).unwrap().set_len(64 << 20).unwrap();
        }
        let mut make = Command::new("mke2fs");
        run(make.args(["-q", "-t", "ext4", "-d"]).arg(from).arg(&source)).ok();
        self.until("The medium is made.", "init=/makes-exfat", &[file, &source]);
    }

    /// Starts it with more disks, and pulls its plug once it has said something; how long that took.
    fn until(&self, says: &str, words: &str, disks: &[&Path]) -> Duration {
        let (screen, own) = (self.folder.path().join("screen"), self.folder.path().join("disk"));
        let _ = fs::remove_file(&screen);
        let mut qemu = Command::new("timeout");
        qemu.args(["300", "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max"]);
        qemu.args(["-m", "512", "-display", "none", "-nodefaults", "-no-reboot"]);
        qemu.arg("-serial").arg(format!("file:{}", screen.display()));
        qemu.arg("-kernel").arg(self.boot_file("vmlinuz-"));
        qemu.arg("-initrd").arg(self.boot_file("initrd.img-"));
        qemu.args(["-append", &format!("root=/dev/vda rw console=ttyS0 quiet {words}")]);
        for disk in std::iter::once(own.as_path()).chain(disks.iter().copied()) {
            qemu.arg("-drive").arg(format!("if=virtio,format=raw,file={}", disk.display()));
        }
        qemu.args(["-netdev", "user,id=n0,restrict=on"]);
        qemu.args(["-device", "virtio-net-pci,netdev=n0,romfile="]);
        let log = File::create(self.folder.path().join("qemu.log")).unwrap();
        let begun = Instant::now();
        let child = qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut running = Running(child);
        let said = || String::from_utf8_lossy(&fs::read(&screen).unwrap_or_default()).into_owned();
        while !said().contains(says) {
            let ended = running.0.try_wait().unwrap();
            let late = begun.elapsed() > WITHIN;
            assert!(ended.is_none() && !late, "it does not say {says:?}:\n{}", said());
            std::thread::sleep(Duration::from_millis(50));
        }
        begun.elapsed()
    }

    /// The one file of its /boot whose name begins so.
    fn boot_file(&self, begins: &str) -> PathBuf {
        let mut entries = fs::read_dir(self.root.path("/boot")).unwrap().map(|e| e.unwrap().path());
        let is_it = |path: &PathBuf| {
            path.file_name().unwrap().to_str().is_some_and(|name| name.starts_with(begins))
        };
        entries.find(is_it).unwrap()
    }
}
