//! The demo's endpoint: a fresh Debian root in a folder, and its own apt.

use crate::failure::Failure;
use collect::{Machine, SourceSettings};
use ids::Fault;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Builds the root from the release suite of the machine's own mirror.
pub(super) fn build(root: &Path, base: &SourceSettings) -> Result<(), Failure> {
    let mirror = Machine::default().mirror_of(base)?;
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=apt", "--mode=root", "--quiet"]);
    command.arg(&base.suite).arg(root).arg(mirror);
    run(command, "building a Debian root with mmdebstrap").map(drop)?;
    // Behind an air gap nothing but the appliance answers.
    let list = root.join("etc/apt/sources.list");
    if list.exists() {
        let aside = root.join("etc/apt/sources.list.without-internet");
        fs::rename(&list, aside).map_err(|e| Failure::file("set aside", &list, &e))?;
    }
    Ok(())
}

/// The versions of the root's packages.
pub(super) fn versions(root: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut command = chroot(root, "dpkg-query");
    command.args(["-W", "-f", "${Package}:${Architecture} ${Version}\n"]);
    let text = run(command, "asking dpkg for versions")?;
    let pair = |line: &str| line.split_once(' ').map(|(n, v)| (n.to_owned(), v.to_owned()));
    Ok(text.lines().filter_map(pair).collect())
}

/// Runs the root's own apt-get.
pub(super) fn apt_get(root: &Path, words: &[&str]) -> Result<String, Failure> {
    let mut command = chroot(root, "apt-get");
    command.args(words);
    run(command, &format!("apt-get {} on the endpoint", words.join(" ")))
}

fn chroot(root: &Path, program: &str) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).arg(program).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("LC_ALL", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Runs a command to its end; when it fails, the last lines of what it said are in the sentence.
pub(super) fn run(mut command: Command, what: &str) -> Result<String, Failure> {
    let ran = command.stdin(Stdio::null()).output();
    let out = ran.map_err(|e| Failure::say(Fault::Unavailable, format!("{what}: {e}")))?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let said = if said.trim().is_empty() {
        String::from_utf8_lossy(&out.stdout).into_owned()
    } else {
        said
    };
    let lines: Vec<&str> = said.lines().rev().take(6).collect();
    let tail: Vec<&str> = lines.into_iter().rev().collect();
    let message = format!("{what} failed ({}): {}", out.status, tail.join(" | "));
    Err(Failure::say(Fault::Unavailable, message))
}
