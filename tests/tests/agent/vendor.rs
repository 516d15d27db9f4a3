//! A small vendor: packages built here, in an apt repository that a throw-away key signs.

use ids::Digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::{run, scratch};
use trust::ApprovedPackage;

/// What a package is to do besides being there.
#[derive(Clone, Copy, Default)]
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) fields: &'a str,
    /// Its postinst script.
    pub(crate) script: &'a str,
    /// A file of its own with this text, at `usr/lib/NAME/own`.
    pub(crate) own: &'a str,
}

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

    /// Builds a package into a folder; gives its file.
    pub(crate) fn build(&self, package: Package<'_>, into: &Path) -> PathBuf {
        let Package { name, version, fields, script, own } = package;
        let folder = self.path("building");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("DEBIAN")).unwrap();
        fs::create_dir_all(folder.join(format!("usr/lib/{name}"))).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Vendor \
             <vendor@example.org>\n{fields}Description: {name}\n"
        );
        fs::write(folder.join("DEBIAN/control"), control).unwrap();
        fs::write(folder.join(format!("usr/lib/{name}/version")), version).unwrap();
        if !own.is_empty() {
            fs::write(folder.join(format!("usr/lib/{name}/own")), own).unwrap();
        }
        if !script.is_empty() {
            let path = folder.join("DEBIAN/postinst");
            fs::write(&path, format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&path, mode).unwrap();
        }
        fs::create_dir_all(into).unwrap();
        let file = into.join(format!("{name}_{version}_amd64.deb"));
        let mut build = Command::new("dpkg-deb");
        build.args(["--root-owner-group", "-Zgzip", "--build"]).arg(&folder).arg(&file);
        run(&mut build).ok();
        file
    }

    /// Offers these packages, signed; gives each as an approval names it.
    pub(crate) fn offer(&self, packages: &[Package<'_>]) -> Vec<ApprovedPackage> {
        let pool = self.path("repository/pool");
        let mut index = String::new();
        let mut offered = Vec::new();
        for package in packages {
            let Package { name, version, fields, .. } = package;
            let file = self.build(*package, &pool);
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
