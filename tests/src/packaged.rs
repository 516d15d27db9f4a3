//! The agent's Debian package, made of the program that is tested and of what `just packages` puts into its own:
//! the same files, modes, dependencies and maintainers' scripts, read from the agent's Cargo.toml. The tool that
//! makes those takes minutes to build, so that only `tests/packages.sh` (in `just soak`) asks for it.

use crate::{program, run, run_within, scratch};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Builds the agent's package into a folder; gives its file. `more` goes behind its version: `+1` is a newer one.
#[track_caller]
#[must_use]
pub fn agent_package(into: &Path, more: &str) -> PathBuf {
    let crate_folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/agent"));
    let mut ask = Command::new(env!("CARGO"));
    ask.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    ask.arg("--manifest-path").arg(crate_folder.join("Cargo.toml"));
    let told = run_within(Duration::from_secs(60), &mut ask).ok().json();
    let packages = told["packages"].as_array().unwrap();
    let agent = packages.iter().find(|package| package["name"] == "agent").unwrap();
    let deb = &agent["metadata"]["deb"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let own_folder = scratch();
    let root = own_folder.path().join("building");
    let put = |from: &Path, inside: &str, mode: &str| {
        let path = root.join(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(from, &path).unwrap();
        let mode = u32::from_str_radix(mode, 8).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for asset in deb["assets"].as_array().unwrap() {
        let (from, inside) = (text(&asset[0]), text(&asset[1]));
        let is_program = from.ends_with("/patchkeep-agent");
        let from = if is_program { program("patchkeep-agent") } else { crate_folder.join(&from) };
        put(&from, &inside, &text(&asset[2]));
    }
    for script in fs::read_dir(crate_folder.join(text(&deb["maintainer-scripts"]))).unwrap() {
        let path = script.unwrap().path();
        put(&path, &format!("DEBIAN/{}", path.file_name().unwrap().display()), "755");
    }
    let kept = deb["conf-files"].as_array().unwrap().iter().map(|path| text(path) + "\n");
    fs::write(root.join("DEBIAN/conffiles"), kept.collect::<String>()).unwrap();
    let (name, version) = (text(&deb["name"]), text(&agent["version"]) + more);
    let (maintainer, depends) = (text(&deb["maintainer"]), text(&deb["depends"]));
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: {maintainer}\n\
         Depends: {depends}\nDescription: {}\n",
        text(&agent["description"])
    );
    fs::write(root.join("DEBIAN/control"), control).unwrap();
    fs::create_dir_all(into).unwrap();
    let file = into.join(format!("{name}_{version}_amd64.deb"));
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Zgzip", "-z1", "--build"]).arg(&root).arg(&file);
    run(&mut build).ok();
    file
}
