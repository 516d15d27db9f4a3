//! A small vendor: packages built here, in an apt repository that a throw-away key signs.

use ids::Digest;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tests::{Package, run, scratch};
use trust::ApprovedPackage;

/// A vendor's key and repository.
pub(crate) struct Vendor {
    folder: tempfile::TempDir,
}

impl Vendor {
    pub(crate) fn new() -> Self {
        let vendor = Self { folder: scratch() };
        for part in ["repository/pool", "repository/dists/stable/main/binary-amd64", "home"] {
            fs::create_dir_all(vendor.path(part)).unwrap();
        }
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(vendor.path("home"), private).unwrap();
        let whom = ["--quick-gen-key", "vendor <vendor@example.org>", "ed25519", "sign", "never"];
        run(vendor.gpg().args(whom)).ok();
        run(vendor.gpg().arg("--output").arg(vendor.keyring()).arg("--export")).ok();
        vendor
    }

    pub(crate) fn keyring(&self) -> PathBuf {
        self.path("vendor.gpg")
    }

    /// What is served below `/ring/broad/vendor`.
    pub(crate) fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn gpg(&self) -> Command {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.path("home"));
        command.args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback"]);
        command.args(["--passphrase", ""]);
        command
    }

    /// Offers these packages, signed; gives each as an approval names it.
    pub(crate) fn offer(&self, packages: &[Package<'_>]) -> Vec<ApprovedPackage> {
        let pool = self.path("repository/pool");
        let mut index = String::new();
        let mut offered = Vec::new();
        for package in packages {
            let Package { name, version, fields, .. } = package;
            let file = package.build(&pool);
            let bytes = fs::read(&file).unwrap();
            let sha256 = Digest::of(&bytes);
            let base = file.file_name().unwrap().to_str().unwrap();
            index.push_str(&format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Vendor \
                 <vendor@example.org>\n{fields}Filename: pool/{base}\nSize: {}\nSHA256: {sha256}\n\
                 Description: {name}\n\n",
                bytes.len()
            ));
            offered.push(ApprovedPackage {
                package: (*name).to_owned(),
                architecture: "amd64".into(),
                version: (*version).to_owned(),
                sha256,
            });
        }
        let dists = self.path("repository/dists/stable");
        fs::write(dists.join("main/binary-amd64/Packages"), &index).unwrap();
        let date = run(Command::new("date").args(["-u", "+%a, %d %b %Y %H:%M:%S UTC"])).ok().out;
        let release = format!(
            "Origin: Vendor\nSuite: stable\nCodename: stable\nDate: {}\nArchitectures: amd64\n\
             Components: main\nSHA256:\n {} {} main/binary-amd64/Packages\n",
            date.trim(),
            Digest::of(index.as_bytes()),
            index.len()
        );
        fs::write(dists.join("Release"), release).unwrap();
        let mut sign = self.gpg();
        sign.arg("--output").arg(dists.join("InRelease")).arg("--clearsign");
        run(sign.arg(dists.join("Release"))).ok();
        offered
    }
}
