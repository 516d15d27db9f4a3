//! How soon the appliance serves, against how soon a minimal Debian with systemd asks who logs in: the same emulator, one after the
//! other, printed as a ratio.

use crate::{
    BOOTS_WITHIN,
    guest::{Hardware, Running, image},
};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::{Debian, run, scratch};

/// Starts of each.
const STARTS: usize = 3;

/// A minimal Debian on a disk: its kernel, the initial RAM disk that its package makes, and its own root.
struct Minimal {
    folder: TempDir,
    root: Debian,
}

impl Minimal {
    fn new() -> Self {
        let (folder, root) = (scratch(), Debian::with_kernel());
        fs::write(root.path("/etc/fstab"), "/dev/vda / ext4 defaults 0 1\n").unwrap();
        fs::write(root.path("/etc/hostname"), "minimal\n").unwrap();
        let disk = folder.path().join("disk");
        File::create(&disk).unwrap().set_len(2 << 30).unwrap();
        let mut make = Command::new("mke2fs");
        run(make.args(["-q", "-t", "ext4", "-d"]).arg(root.root()).arg(&disk)).ok();
        Self { folder, root }
    }

    /// The one file of its /boot whose name begins so.
    fn boot_file(&self, begins: &str) -> PathBuf {
        let entries = fs::read_dir(self.root.path("/boot")).unwrap().map(|e| e.unwrap().path());
        let is_it = |path: &PathBuf| {
            path.file_name().unwrap().to_str().is_some_and(|name| name.starts_with(begins))
        };
        entries.into_iter().find(is_it).unwrap()
    }

    /// How long it takes from switching on to asking who logs in.
    fn login(&self) -> Duration {
        let screen = self.folder.path().join("screen");
        let _ = fs::remove_file(&screen);
        let mut qemu = Command::new("timeout");
        qemu.args(["300", "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max"]);
        qemu.args(["-m", "512", "-display", "none", "-nodefaults", "-no-reboot"]);
        qemu.arg("-serial").arg(format!("file:{}", screen.display()));
        qemu.arg("-kernel").arg(self.boot_file("vmlinuz-"));
        qemu.arg("-initrd").arg(self.boot_file("initrd.img-"));
        qemu.args(["-append", "root=/dev/vda rw console=ttyS0 quiet"]);
        let disk = self.folder.path().join("disk");
        qemu.arg("-drive").arg(format!("if=virtio,format=raw,file={}", disk.display()));
        qemu.args(["-netdev", "user,id=n0,restrict=on"]);
        qemu.args(["-device", "virtio-net-pci,netdev=n0,romfile="]);
        let log = File::create(self.folder.path().join("qemu.log")).unwrap();
        let begun = Instant::now();
        let child = qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut running = Running(child);
        while !said(&screen).contains("login:") {
            let ended = running.0.try_wait().unwrap();
            let late = begun.elapsed() > BOOTS_WITHIN;
            assert!(ended.is_none() && !late, "nobody is asked to log in:\n{}", said(&screen));
            std::thread::sleep(Duration::from_millis(50));
        }
        begun.elapsed()
    }
}

fn said(screen: &Path) -> String {
    String::from_utf8_lossy(&fs::read(screen).unwrap_or_default()).into_owned()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

#[test]
fn it_serves_before_a_minimal_debian_with_systemd_asks_for_a_login() {
    let Some(image) = image() else { return };
    let debian = Minimal::new();
    let machine = Hardware::new(&image);
    // A first start makes the data partition, and a first start of Debian its machine's number: neither counts.
    let first = machine.boot().until_it_serves("/first-start", BOOTS_WITHIN).0;
    let first_login = debian.login();
    let (mut serves, mut logins) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        serves.push(machine.boot().until_it_serves("/first-start", BOOTS_WITHIN).0);
        logins.push(debian.login());
    }
    let (serves, login) = (median(serves), median(logins));
    eprintln!(
        "serving after {serves:.1} s, a minimal Debian's login after {login:.1} s (medians of {STARTS}): ratio {:.2}; \
         first starts {:.1} s and {:.1} s",
        serves / login,
        first.as_secs_f64(),
        first_login.as_secs_f64()
    );
}
