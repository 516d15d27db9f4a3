//! Installed is not effective: what still runs with files that an upgrade replaced.

use crate::{Error, Machine, state::Work};
use api::PlannedPackage;
use ids::Timestamp;
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// Folders whose replaced files count; elsewhere programs map what they delete themselves.
const PROGRAMS: &[&str] = &["/usr/", "/lib", "/bin/", "/sbin/", "/opt/"];

/// Where Debian's packages say that only a restart of the machine makes them effective.
const RESTART_REQUIRED: &str = "/run/reboot-required";

/// A program that runs with old files.
pub(crate) struct Stale {
    /// Its process.
    pub(crate) id: u32,
    name: String,
}

/// What stands between installed and effective, in words for people; empty when nothing does.
pub(crate) fn in_the_way(machine: &Machine, job: &Work) -> Result<Vec<String>, Error> {
    let named = |stale: Stale| format!("{} (process {})", stale.name, stale.id);
    let mut found: Vec<String> = stale(machine)?.into_iter().map(named).collect();
    found.sort();
    let kernel = |planned: &&PlannedPackage| planned.package.package.starts_with("linux-image-");
    let begun = job.before.as_ref().map_or(job.at, |before| before.at);
    if machine.is_this()
        && let Some(planned) = job.packages.iter().find(kernel)
        && booted_at().is_none_or(|booted| booted < begun)
    {
        let (name, version) = (&planned.package.package, &planned.package.version);
        found.push(format!("the kernel: {name} {version} is installed, an older one runs"));
    }
    let required = fs::symlink_metadata(machine.path(RESTART_REQUIRED)).ok();
    if required.is_some_and(|required| required.mtime() >= begun.as_second()) {
        found.push("the machine, as a package asks for it".into());
    }
    Ok(found)
}

/// The programs that run in this machine and map files that are gone.
pub(crate) fn stale(machine: &Machine) -> Result<Vec<Stale>, Error> {
    let proc = Path::new("/proc");
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir(proc).map_err(Error::file("list", proc))?.flatten() {
        let folder = entry.path();
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        if id == own {
            continue;
        }
        // Processes come and go while we look.
        let Ok(root) = fs::read_link(folder.join("root")) else { continue };
        if root != machine.root() {
            continue;
        }
        let Ok(maps) = fs::read_to_string(folder.join("maps")) else { continue };
        if maps_what_is_gone(&maps, machine.root()) {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            found.push(Stale { id, name: name.trim().to_owned() });
        }
    }
    Ok(found)
}

/// `address perms offset device inode path (deleted)`
fn maps_what_is_gone(maps: &str, root: &Path) -> bool {
    maps.lines().any(|line| {
        let Some(line) = line.strip_suffix(" (deleted)") else { return false };
        let Some(at) = line.find('/') else { return false };
        // Seen from outside, a path in another root begins with that root.
        let path = Path::new(&line[at..]);
        let inside = path.strip_prefix(root).unwrap_or(path);
        let inside = Path::new("/").join(inside);
        let text = inside.to_string_lossy();
        PROGRAMS.iter().any(|folder| text.starts_with(folder))
    })
}

fn booted_at() -> Option<Timestamp> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(line.trim().parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replaced_programs_and_libraries_count() {
        let line = |path: &str| format!("7f00-7f01 r-xp 0000 fe:00 123   {path}\n");
        let root = Path::new("/");
        assert!(maps_what_is_gone(&line("/usr/lib/x/libc.so.6 (deleted)"), root));
        assert!(!maps_what_is_gone(&line("/usr/lib/x/libc.so.6"), root));
        for not_ours in ["/memfd:x (deleted)", "/SYSV0000 (deleted)", "/tmp/y (deleted)", "[heap]"]
        {
            assert!(!maps_what_is_gone(&line(not_ours), root), "{not_ours}");
        }
        let other = Path::new("/srv/root");
        assert!(maps_what_is_gone(&line("/srv/root/usr/bin/x (deleted)"), other));
    }
}
