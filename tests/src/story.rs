//! One story for every test: a publisher's keys, real security updates collected, a signed bundle.

use crate::debian::archive;
use crate::machine::alone;
use crate::{cache, mirror, patchkeep, program, run};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A publisher, and a bundle of genuine security updates, made once for these very programs.
#[derive(Debug)]
pub struct Story {
    folder: PathBuf,
}

impl Story {
    /// The shared story. The first test that asks waits for a minute while it is made.
    #[must_use]
    pub fn shared() -> Self {
        let folder = cache().join(format!("story-{}", edition()));
        // The machine's archive first: it takes the same lock.
        let machine = archive();
        let _alone = alone();
        if !folder.join("whole").exists() {
            sweep(&folder);
            let story = Self { folder: folder.clone() };
            story.make(&machine);
            fs::write(folder.join("whole"), "").unwrap();
        }
        Self { folder }
    }

    /// The publisher's keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// What the publisher remembers between bundles.
    #[must_use]
    pub fn publisher(&self) -> PathBuf {
        self.folder.join("publisher")
    }

    /// What was collected.
    #[must_use]
    pub fn collected(&self) -> PathBuf {
        self.folder.join("collected")
    }

    /// The bundle, as a folder.
    #[must_use]
    pub fn bundle(&self) -> PathBuf {
        self.folder.join("bundle")
    }

    /// The first root of trust, as it is handed over in person.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.keys().join("metadata/1.root.json")
    }

    /// What is installed on a machine that claims an older kernel besides; see [`older_kernel`].
    #[must_use]
    pub fn kernel_status(&self) -> PathBuf {
        self.folder.join("kernel-status")
    }

    /// Builds a bundle of the same collection again, e.g. the next in sequence, or in volumes.
    #[track_caller]
    pub fn build(&self, publisher: &Path, into: &Path, more: &[&str]) {
        let (keys, collected) = (self.keys(), self.collected());
        let mut line = vec!["bundle".as_ref(), "build".as_ref(), "--keys".as_ref()];
        line.extend([keys.as_os_str(), "--publisher".as_ref(), publisher.as_os_str()]);
        line.extend(["--collected".as_ref(), collected.as_os_str()]);
        line.extend(["--into".as_ref(), into.as_os_str()]);
        line.extend(more.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
        patchkeep(line).ok();
    }

    fn make(&self, machine: &Path) {
        fs::create_dir_all(&self.folder).unwrap();
        let folder = self.folder.display();
        let codename = mirror().codename;
        let status = self.folder.join("status");
        let mut read = Command::new("tar");
        read.args(["--extract", "--to-stdout", "--file"]).arg(machine).arg("./var/lib/dpkg/status");
        let plain = run(&mut read).ok().out;
        fs::write(&status, &plain).unwrap();
        fs::write(self.kernel_status(), format!("{plain}\n{}", older_kernel())).unwrap();
        // No mirror is named: the collector asks the machine's own apt.
        let config = format!(
            "[[source]]\nvendor = \"debian\"\nsuite = \"{codename}-security\"\n\n\
             [[source]]\nvendor = \"debian\"\nsuite = \"{codename}\"\nsolve_only = true\n"
        );
        fs::write(self.folder.join("collect.toml"), config).unwrap();
        let keys = self.keys().display().to_string();
        let source = format!("debian-{codename}-security");
        patchkeep(["keys", "ceremony", "--into", &keys, "--source", &source]).ok();
        patchkeep([
            "collect".into(),
            "--config".into(),
            format!("{folder}/collect.toml"),
            "--into".into(),
            format!("{folder}/collected"),
            "--for".into(),
            format!("{folder}/status"),
            "--for".into(),
            format!("{folder}/kernel-status"),
        ])
        .ok();
        self.build(&self.publisher(), &self.bundle(), &[]);
    }
}

/// Claims of an older kernel, as dpkg would write them: the meta package, the image that it named
/// then, and what the new image needs (newer than any, so that nothing else moves).
fn older_kernel() -> String {
    let claim = |package: &str, version: &str, more: &str| {
        format!(
            "Package: {package}\nStatus: install ok installed\nPriority: optional\nSection: kernel\n\
             Maintainer: Nobody <nobody@example.org>\nArchitecture: amd64\nVersion: {version}\n{more}\
             Description: claimed for a test\n\n"
        )
    };
    [
        claim(
            "linux-image-cloud-amd64",
            "6.1.38-1",
            "Source: linux-signed-amd64 (6.1.38+1)\nDepends: linux-image-6.1.0-10-cloud-amd64 (= 6.1.38-1)\n",
        ),
        claim("linux-image-6.1.0-10-cloud-amd64", "6.1.38-1", "Source: linux-signed-amd64 (6.1.38+1)\n"),
        claim("linux-base", "99", ""),
        claim("kmod", "99", ""),
        claim("initramfs-tools", "99", ""),
        // Recommended by the image: apt keeps a new package back when it cannot have these.
        claim("apparmor", "99", ""),
        claim("firmware-linux-free", "99", ""),
    ]
    .concat()
}

/// A story belongs to the programs that made it, and to this text: together they tell editions apart.
fn edition() -> String {
    let mut text = DefaultHasher::new();
    include_str!("story.rs").hash(&mut text);
    let facts = fs::metadata(program("patchkeep")).unwrap();
    let built = facts.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("{:x}-{:x}-{:x}", facts.len(), built.as_nanos(), text.finish())
}

/// Removes stories of other programs, and this one where it was left half made.
fn sweep(own: &Path) {
    for entry in fs::read_dir(cache()).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("story-") || entry.path() == own {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}
