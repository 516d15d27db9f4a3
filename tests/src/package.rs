//! Real Debian packages of the test's own.

use crate::{run, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a package is to do besides being there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Package<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// More fields of its control file, each line ended.
    pub fields: &'a str,
    /// Its postinst script.
    pub script: &'a str,
    /// A file of its own with this text, at `usr/lib/NAME/own`.
    pub own: &'a str,
}

impl Package<'_> {
    /// Builds it into a folder; gives its file.
    #[track_caller]
    #[must_use]
    pub fn build(&self, into: &Path) -> PathBuf {
        let Package { name, version, fields, script, own } = *self;
        let own_folder = scratch();
        let folder = own_folder.path().join("building");
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
}
