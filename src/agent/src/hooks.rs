//! The administrator's own programs around a change: `/etc/patchkeep/hooks/before.d` and `after.d`.
//!
//! They run as root in the order of their names, and only where nobody but root can have written them. One
//! that was stopped half way runs again: they have to bear that.

use crate::{
    Error, Machine,
    conduct::Conduct,
    files::only_roots,
    state::{Hooked, Work},
    told,
};
use api::PlannedPackage;
use std::{fs, os::unix::fs::PermissionsExt as _};

const FOLDER: &str = "/etc/patchkeep/hooks";
/// Endings of files that editors and dpkg leave beside the real ones.
const LEFT_BEHIND: &[&str] =
    &["~", ".bak", ".swp", ".orig", ".rej", ".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-tmp"];

/// Which folder of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

impl When {
    const fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// What a hook is told.
pub(crate) struct Around<'a> {
    pub(crate) packages: &'a [PlannedPackage],
    /// How far the job is, or how it ended.
    pub(crate) standing: &'a str,
    /// How long each may take.
    pub(crate) seconds: u64,
}

/// Runs a folder of hooks; the first that fails ends it.
pub(crate) fn run(machine: &Machine, when: When, around: &Around<'_>) -> Result<(), Error> {
    let packages = around.packages.iter().map(|planned| &planned.package);
    let packages: Vec<String> =
        packages.map(|package| format!("{}={}", package.package, package.version)).collect();
    for name in names(machine, when)? {
        let program = machine.program(&name, [""; 0]);
        program
            .with("PATCHKEEP_HOOK", when.word())
            .with("PATCHKEEP_STANDING", around.standing)
            .with("PATCHKEEP_PACKAGES", &packages.join(" "))
            .within(around.seconds)
            .run()?;
    }
    Ok(())
}

/// Runs the hooks after a change, where those before it were begun; how they fared is noted with the job.
pub(crate) fn run_owed(machine: &Machine, job: &mut Work, standing: &str) {
    if !job.hooks.owed {
        return;
    }
    let seconds = Conduct::load(machine).unwrap_or_default().hooks.seconds;
    let around = Around { packages: &job.packages, standing, seconds };
    let failure = run(machine, When::After, &around).err().map(|error| told(&error));
    job.hooks = Hooked { owed: false, failure };
}

/// The hooks of a folder, in order; an error where one of them is not root's alone. What cannot be executed
/// is switched off.
pub(crate) fn names(machine: &Machine, when: When) -> Result<Vec<String>, Error> {
    let inside = format!("{FOLDER}/{}.d", when.word());
    let folder = machine.path(&inside);
    if fs::symlink_metadata(&folder).is_err() {
        return Ok(Vec::new());
    }
    only_roots(machine, &inside)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(Error::file("list", &folder))? {
        let entry = entry.map_err(Error::file("list", &folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || LEFT_BEHIND.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        let inside = format!("{inside}/{name}");
        only_roots(machine, &inside)?;
        let meta = entry.metadata().map_err(Error::file("read", &entry.path()))?;
        if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
            names.push(inside);
        }
    }
    names.sort();
    Ok(names)
}
