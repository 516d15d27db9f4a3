//! Whether the machine is as well as it was before it was changed.
//!
//! What was ill before is not blamed on the change: only what is new counts. What cannot be looked at is
//! said, and never taken for well.

use crate::{
    Error, Machine,
    conduct::{Command, Conduct},
    ports, told,
};
use ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const SYSTEMD: &str = "/run/systemd/system";
/// How many things of one kind a sentence names.
const NAMED_MAX: usize = 5;

/// How the machine was at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) at: Timestamp,
    /// systemd's failed units; nothing where they could not be looked at.
    pub(crate) failed: Option<BTreeSet<String>>,
    /// Ports with a program that listens on each; nothing where they were not looked at.
    pub(crate) ports: Option<BTreeMap<String, String>>,
    /// The administrator's own checks that failed, by their line.
    pub(crate) checks: BTreeMap<String, String>,
}

/// A comparison of two moments.
pub(crate) struct Compared {
    /// What is worse, each in a few words.
    pub(crate) worse: Vec<String>,
    /// What was looked at and what was not, in one sentence.
    pub(crate) looked: String,
}

/// Whether systemd runs a machine.
pub(crate) fn has_systemd(machine: &Machine) -> bool {
    machine.path(SYSTEMD).is_dir()
}

/// Looks at everything that the administrator wants looked at.
pub(crate) fn look(machine: &Machine, conduct: &Conduct) -> Result<Facts, Error> {
    let health = &conduct.health;
    let failed =
        if health.units && has_systemd(machine) { failed_units(machine).ok() } else { None };
    let ports = if health.ports { Some(ports::listening(machine)?) } else { None };
    let checks = health.command.iter().filter_map(|command| check(machine, command)).collect();
    Ok(Facts { at: Timestamp::now(), failed, ports, checks })
}

/// Holds a moment against an earlier one.
pub(crate) fn compare(before: &Facts, now: &Facts, conduct: &Conduct) -> Compared {
    let health = &conduct.health;
    let (mut worse, mut looked) = (Vec::new(), Vec::new());
    match (&before.failed, &now.failed) {
        (Some(before), Some(now)) => {
            let is_new = |unit: &&String| !health.ignore_units.contains(unit);
            let new: Vec<&String> = now.difference(before).filter(is_new).collect();
            if !new.is_empty() {
                worse.push(format!("failed since: {}", named(&new)));
            }
            looked.push("no unit of systemd failed newly".to_owned());
        }
        _ if !health.units => looked.push("units were not looked at, as told".into()),
        _ => looked.push("units were not looked at: systemd does not answer here".into()),
    }
    match (&before.ports, &now.ports) {
        (Some(before), Some(now)) => {
            let gone = ports::gone(before, now, &health.ignore_ports);
            let gone: Vec<String> =
                gone.into_iter().map(|(port, owner)| format!("{port} ({owner})")).collect();
            if !gone.is_empty() {
                worse.push(format!("nobody listens any more on {}", named(&gone)));
            }
            looked.push(format!("{} ports as before", before.len()));
        }
        _ => looked.push("ports were not looked at, as told".into()),
    }
    for (line, why) in &now.checks {
        if !before.checks.contains_key(line) {
            worse.push(why.clone());
        }
    }
    let (checks, ill) = (health.command.len(), now.checks.len());
    match (checks, ill) {
        (0, _) => {}
        (checks, 0) => looked.push(format!("{checks} checks passed")),
        (checks, ill) => looked.push(format!("{ill} of {checks} checks fail, as before")),
    }
    Compared { worse, looked: looked.join(", ") }
}

/// systemd's failed units.
fn failed_units(machine: &Machine) -> Result<BTreeSet<String>, Error> {
    let words = ["list-units", "--state=failed", "--all", "--plain", "--no-legend", "--full"];
    let out = machine.program("systemctl", words).run()?;
    let unit = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        words.find(|word| word.contains('.')).map(str::to_owned)
    };
    Ok(out.lines().filter_map(unit).collect())
}

/// A check that failed: its line, and what it said.
fn check(machine: &Machine, command: &Command) -> Option<(String, String)> {
    let (program, words) = command.run.split_first()?;
    let done = machine.program(program, words).within(command.seconds).run();
    done.err().map(|error| (command.run.join(" "), told(&error)))
}

fn named(all: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = all.iter().take(NAMED_MAX).map(AsRef::as_ref).collect();
    let more = all.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(failed: Option<&[&str]>, ports: &[&str], checks: &[&str]) -> Facts {
        let text = |text: &&str| (*text).to_owned();
        Facts {
            at: Timestamp::UNIX_EPOCH,
            failed: failed.map(|units| units.iter().map(text).collect()),
            ports: Some(ports.iter().map(|port| (text(port), "sshd".to_owned())).collect()),
            checks: checks.iter().map(|line| (text(line), format!("{line} failed"))).collect(),
        }
    }

    #[test]
    fn only_what_is_new_counts() {
        let before = facts(Some(&["old.service"]), &["tcp/22", "tcp/80"], &["/check a"]);
        let mut conduct = Conduct::default();
        assert!(compare(&before, &before, &conduct).worse.is_empty());
        let now =
            facts(Some(&["old.service", "new.service"]), &["tcp/22"], &["/check a", "/check b"]);
        let worse = compare(&before, &now, &conduct).worse;
        let told = [
            "failed since: new.service",
            "nobody listens any more on tcp/80 (sshd)",
            "/check b failed",
        ];
        assert_eq!(worse, told);
        conduct.health.ignore_units = vec!["new.service".into()];
        conduct.health.ignore_ports = vec!["tcp/80".into()];
        assert_eq!(compare(&before, &now, &conduct).worse, ["/check b failed"]);
    }

    #[test]
    fn what_was_not_looked_at_is_said() {
        let before = facts(None, &[], &[]);
        let compared = compare(&before, &before, &Conduct::default());
        assert!(compared.looked.contains("units were not looked at"), "{}", compared.looked);
    }
}
