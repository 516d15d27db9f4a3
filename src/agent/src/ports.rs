//! The ports on which a machine's own services listen. What people start in their sessions comes and goes with
//! them, and says nothing about the machine.

use crate::{Error, Machine};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The tables of sockets, and the state in which one of them listens.
const TABLES: &[(&str, &str, &str)] =
    &[("tcp", "tcp", "0A"), ("tcp", "tcp6", "0A"), ("udp", "udp", "07"), ("udp", "udp6", "07")];
/// Where the kernel does not say which ports it gives out by itself.
const GIVEN_OUT: (u16, u16) = (32768, 60999);

/// Ports as `tcp/443`, each with a program that listens there. Ports that the kernel gives out by itself are
/// another after each start of a program, so that they say nothing.
pub(crate) fn listening(machine: &Machine) -> Result<BTreeMap<String, String>, Error> {
    // In another root nobody has a session of their own.
    let counts = |cgroup: &str| !machine.is_this() || !is_sessions(cgroup);
    listening_among(machine, counts)
}

fn listening_among(
    machine: &Machine,
    counts: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, String>, Error> {
    let owners = owners(machine, counts)?;
    let (first, last) = given_out();
    let mut found = BTreeMap::new();
    for (protocol, table, state) in TABLES {
        // Without IPv6 there is no table of it.
        let Ok(text) = fs::read_to_string(format!("/proc/self/net/{table}")) else { continue };
        for (port, inode) in text.lines().skip(1).filter_map(|line| socket(line, state)) {
            let owner = match owners.get(&inode) {
                Some(Some(name)) => name.as_str(),
                // The kernel's own listeners belong to no program: to this machine all the same.
                None if machine.is_this() => "the kernel",
                _ => continue,
            };
            if !(first..=last).contains(&port) {
                found.entry(format!("{protocol}/{port}")).or_insert_with(|| owner.to_owned());
            }
        }
    }
    Ok(found)
}

/// The ports that are there no more.
pub(crate) fn gone<'a>(
    before: &'a BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
    ignored: &[String],
) -> Vec<(&'a String, &'a String)> {
    let is_gone =
        |(port, _): &(&String, &String)| !now.contains_key(*port) && !ignored.contains(port);
    before.iter().filter(is_gone).collect()
}

/// `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode ...`
fn socket(line: &str, state: &str) -> Option<(u16, u64)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, is, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    (*is == state).then_some((port, inode.parse().ok()?))
}

/// Whether a process, by its line in `/proc/PID/cgroup`, belongs to somebody's session.
fn is_sessions(cgroup: &str) -> bool {
    cgroup.lines().any(|line| line.contains(":/user.slice/"))
}

/// The sockets that programs of this machine hold, by number, each with the program's name where it counts.
fn owners(
    machine: &Machine,
    counts: impl Fn(&str) -> bool,
) -> Result<BTreeMap<u64, Option<String>>, Error> {
    let proc = Path::new("/proc");
    let mut owners = BTreeMap::new();
    for entry in fs::read_dir(proc).map_err(Error::file("list", proc))?.flatten() {
        let folder = entry.path();
        // Processes come and go while we look.
        let Ok(root) = fs::read_link(folder.join("root")) else { continue };
        if root != machine.root() {
            continue;
        }
        let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
        let held: BTreeSet<u64> = fs::read_dir(folder.join("fd"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .filter_map(|link| {
                link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
            })
            .collect();
        let cgroup = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
        let name = counts(&cgroup).then(|| name.trim().to_owned());
        for inode in held {
            // A service that hands a socket to a session has it still.
            let owner = owners.entry(inode).or_insert(None);
            *owner = owner.take().or_else(|| name.clone());
        }
    }
    Ok(owners)
}

fn given_out() -> (u16, u16) {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut words = text.split_ascii_whitespace().filter_map(|word| word.parse().ok());
    match (words.next(), words.next()) {
        (Some(first), Some(last)) => (first, last),
        _ => GIVEN_OUT,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1";
        assert_eq!(socket(line, "0A"), Some((8080, 4711)));
        assert_eq!(socket(line, "01"), None);
        assert_eq!(socket("nonsense", "0A"), None);
    }

    #[test]
    fn a_session_is_told_from_a_service() {
        assert!(is_sessions("0::/user.slice/user-1000.slice/session-3.scope"));
        assert!(!is_sessions("0::/system.slice/ssh.service"));
        assert!(!is_sessions("0::/"));
    }

    #[test]
    fn a_listener_of_this_machine_is_found_and_missed() {
        let machine = Machine::below(Path::new("/")).unwrap();
        let free = (20000..30000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
        let listener = free.unwrap();
        let port = format!("tcp/{}", listener.local_addr().unwrap().port());
        let before = listening_among(&machine, |_| true).unwrap();
        assert!(before.contains_key(&port));
        // In a session it would be nobody's business.
        assert!(!listening_among(&machine, |_| false).unwrap().contains_key(&port));
        drop(listener);
        let now = listening_among(&machine, |_| true).unwrap();
        assert!(gone(&before, &now, &[]).iter().any(|(gone, _)| **gone == port));
        assert!(
            !gone(&before, &now, std::slice::from_ref(&port))
                .iter()
                .any(|(gone, _)| **gone == port)
        );
    }
}
