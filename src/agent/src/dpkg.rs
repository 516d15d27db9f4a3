//! dpkg: whether it is in order, what is installed, going on where it was stopped.

use crate::{Error, Machine};
use api::PlannedPackage;
use std::{collections::BTreeMap, thread, time::Duration};

/// Longest time for maintainers' scripts, in seconds.
pub(crate) const CHANGE_SECONDS_MAX: u64 = 2 * 60 * 60;
/// How often dpkg's lock is tried, at one-second intervals: an earlier run's dpkg may still be at work.
const LOCK_TRIES: u32 = 600;

/// Installed versions by name and architecture.
pub(crate) type Installed = BTreeMap<(String, String), String>;

/// Fails where dpkg was left half way by somebody, or dependencies do not hold.
pub(crate) fn in_order(machine: &Machine) -> Result<(), Error> {
    // First of all apt's lock: what somebody else is doing just now is not broken.
    let words = ["check", "-qq", "-o", "DPkg::Lock::Timeout=300"];
    let check = machine.program("apt-get", words).within(600).run();
    if let Err(error) = check {
        let busy = error.to_string().contains("lock");
        return Err(if busy { error } else { Error::Dpkg(error.to_string()) });
    }
    let audit = machine.program("dpkg", ["--audit"]).within(300).hear()?;
    let told = format!("{}{}", audit.out, audit.err);
    let unfinished = match std::fs::read_dir(machine.path("/var/lib/dpkg/updates")) {
        Ok(entries) => entries.count() > 0,
        Err(_) => false,
    };
    if !audit.status.success() || !told.trim().is_empty() || unfinished {
        let first = told.lines().find(|line| line.starts_with(' ')).or(told.lines().next());
        let what = first.unwrap_or("it was stopped half way").trim();
        return Err(Error::Dpkg(what.chars().take(200).collect()));
    }
    Ok(())
}

/// Goes on where dpkg was stopped: configures what is unpacked. Waits for a dpkg that is at work.
pub(crate) fn go_on(machine: &Machine) -> Result<(), Error> {
    let words = ["--force-confdef", "--force-confold", "--configure", "-a"];
    for _ in 1..LOCK_TRIES {
        let said = machine.program("dpkg", words).within(CHANGE_SECONDS_MAX).hear()?;
        if said.status.success() {
            return Ok(());
        }
        if !said.err.contains("lock") {
            return Err(said.failure("dpkg --configure -a".into()));
        }
        thread::sleep(Duration::from_secs(1));
    }
    machine.program("dpkg", words).within(CHANGE_SECONDS_MAX).run().map(drop)
}

/// What is installed and configured, as dpkg-query says it.
pub(crate) fn installed(machine: &Machine) -> Result<Installed, Error> {
    let format = "--showformat=${Package}\\t${Architecture}\\t${Version}\\t${db:Status-Status}\\n";
    let told = machine.program("dpkg-query", ["--show", format]).within(300).run()?;
    let mut installed = Installed::new();
    for line in told.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [name, architecture, version, "installed"] = fields.as_slice() {
            let key = ((*name).to_owned(), (*architecture).to_owned());
            installed.insert(key, (*version).to_owned());
        }
    }
    Ok(installed)
}

/// Of `packages`, those that are not installed in exactly their version.
pub(crate) fn missing<'a>(
    installed: &Installed,
    packages: &'a [PlannedPackage],
) -> Vec<&'a PlannedPackage> {
    let is_missing = |planned: &&PlannedPackage| {
        let package = &planned.package;
        let key = (package.package.clone(), package.architecture.clone());
        installed.get(&key) != Some(&package.version)
    };
    packages.iter().filter(is_missing).collect()
}

/// The packages that nobody asked for, by apt's marks, among what a plan changes or adds.
pub(crate) fn automatic(
    machine: &Machine,
    packages: &[PlannedPackage],
) -> Result<Vec<String>, Error> {
    let told = machine.program("apt-mark", ["showauto"]).within(300).run()?;
    let marked: Vec<&str> = told.lines().map(str::trim).collect();
    let name = |planned: &PlannedPackage| {
        let (name, architecture) = (&planned.package.package, &planned.package.architecture);
        let long = format!("{name}:{architecture}");
        let is = planned.replaces.is_none()
            || marked.contains(&name.as_str())
            || marked.contains(&long.as_str());
        is.then(|| if architecture == "all" { name.clone() } else { long })
    };
    Ok(packages.iter().filter_map(name).collect())
}

/// Puts marks back: `apt-get install` marks what it is told by name as wanted by somebody.
pub(crate) fn mark_automatic(machine: &Machine, names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let words = ["auto", "-qq"].into_iter().chain(names.iter().map(String::as_str));
    machine.program("apt-mark", words).within(300).run().map(drop)
}
