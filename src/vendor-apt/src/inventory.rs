//! An inventory: what a machine has installed and how its apt is bound, enough for apt's own solver to
//! plan its upgrade elsewhere.
//!
//! JSON, schema 1: `{"schema", "kind": "apt", "host", "taken_at", "architectures", "preferences",
//! "status"}`. `status` is dpkg's status file without what a solver does not ask (descriptions,
//! maintainers, configuration files); holds are in it. `preferences` are apt's pins, in apt's order.

use crate::{
    Error, Installed, parse_status,
    stanza::{is_name, stanzas},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

const WHAT: &str = "an inventory";
/// The schema that is written.
const SCHEMA: u32 = 1;
/// Far larger than any real one.
const BYTES_MAX: usize = 64 << 20;
/// Most files of pins, and most bytes of one.
const PREFERENCES_MAX: usize = 200;
const PREFERENCE_BYTES_MAX: usize = 1 << 20;

/// The fields of a status stanza that a solver asks. By the installed size and the relations apt tells
/// two builds of one version apart: without one of them it takes every package for another build than
/// the one that is offered, and upgrades it.
const FIELDS: &[&str] = &[
    "Package",
    "Status",
    "Priority",
    "Section",
    "Essential",
    "Protected",
    "Important",
    "Installed-Size",
    "Architecture",
    "Multi-Arch",
    "Source",
    "Version",
    "Replaces",
    "Provides",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Breaks",
    "Conflicts",
];

/// What a machine has installed and how its apt is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    schema: u32,
    kind: String,
    /// The machine's host name.
    pub host: String,
    /// When it was taken, by the machine's clock.
    pub taken_at: Timestamp,
    /// Its architectures, the native one first.
    pub architectures: Vec<String>,
    /// The texts of its apt preferences, in apt's order.
    pub preferences: Vec<String>,
    /// dpkg's status file, as far as a solver asks it.
    pub status: String,
}

impl Inventory {
    /// An inventory from a machine's own files. `foreign` are the architectures beside the native one,
    /// which is dpkg's own.
    ///
    /// # Errors
    /// What is malformed, with the stanza's number.
    pub fn take(
        host: String,
        taken_at: Timestamp,
        status: &[u8],
        foreign: &[String],
        preferences: Vec<String>,
    ) -> Result<Self, Error> {
        let native = |p: &&Installed| p.name == "dpkg";
        let installed = parse_status(status)?;
        let native = installed.iter().find(native).map(|p| p.architecture.clone());
        let native =
            native.ok_or(Error::Field { what: WHAT, stanza: 0, field: "stanza of dpkg" })?;
        let mut architectures = vec![native];
        for name in foreign {
            if !architectures.contains(name) {
                architectures.push(name.clone());
            }
        }
        let status = reduce(status)?;
        let kind = "apt".to_owned();
        let inventory =
            Self { schema: SCHEMA, kind, host, taken_at, architectures, preferences, status };
        inventory.check()?;
        Ok(inventory)
    }

    /// Parses an inventory of at most 64 MiB.
    ///
    /// # Errors
    /// What is wrong with it; a newer schema is said to be one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > BYTES_MAX {
            return Err(malformed("it is absurdly large"));
        }
        let inventory: Self =
            serde_json::from_slice(bytes).map_err(|e| malformed(&e.to_string()))?;
        inventory.check()?;
        Ok(inventory)
    }

    /// The packages that are installed.
    ///
    /// # Errors
    /// What is malformed in its status.
    pub fn installed(&self) -> Result<Vec<Installed>, Error> {
        parse_status(self.status.as_bytes())
    }

    fn check(&self) -> Result<(), Error> {
        if self.schema > SCHEMA {
            return Err(malformed("a newer version of Patchkeep wrote it"));
        }
        if self.kind != "apt" {
            return Err(malformed("it is of another kind than apt's"));
        }
        let field = |field| Error::Field { what: WHAT, stanza: 0, field };
        if !is_name(&self.host) {
            return Err(field("host"));
        }
        let names = 1..=20;
        if !names.contains(&self.architectures.len())
            || !self.architectures.iter().all(|name| is_name(name))
        {
            return Err(field("architectures"));
        }
        let too_long = |text: &String| text.len() > PREFERENCE_BYTES_MAX || text.contains('\0');
        if self.preferences.len() > PREFERENCES_MAX || self.preferences.iter().any(too_long) {
            return Err(field("preferences"));
        }
        Ok(())
    }
}

/// A status file without the fields that a solver does not ask, and without stanzas of packages of
/// which nothing is left.
fn reduce(status: &[u8]) -> Result<String, Error> {
    let mut text = String::new();
    for stanza in stanzas(WHAT, status, BYTES_MAX * 4)? {
        let stanza = stanza?;
        if stanza.must("Status", |_| true)?.ends_with("not-installed") {
            continue;
        }
        for field in FIELDS {
            for (number, line) in stanza.lines(field).unwrap_or_default().iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = match number {
                    0 => writeln!(text, "{field}: {line}"),
                    _ => writeln!(text, " {}", line.trim_start()),
                };
            }
        }
        text.push('\n');
    }
    Ok(text)
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { what: WHAT, stanza: 0, reason: crate::stanza::short(reason, 200) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STATUS: &[u8] = b"Package: dpkg\nStatus: install ok installed\nVersion: 1.21\n\
        Installed-Size: 6000\nArchitecture: amd64\nMaintainer: x\nDepends: tar,\n  libc6\nDescription: long\n text\n\n\
        Package: held\nStatus: hold ok installed\nVersion: 2\nArchitecture: i386\n\n\
        Package: gone\nStatus: deinstall ok not-installed\nArchitecture: all\nVersion: 1\n";

    #[test]
    fn it_keeps_what_a_solver_asks_and_nothing_else() {
        let at = Timestamp::UNIX_EPOCH;
        let foreign = ["amd64".to_owned(), "i386".to_owned()];
        let taken = Inventory::take("web1".into(), at, STATUS, &foreign, vec![]).unwrap();
        assert_eq!(taken.architectures, ["amd64", "i386"]);
        for kept in
            ["Depends: tar,\n libc6\n", "Installed-Size: 6000\n", "Status: hold ok installed"]
        {
            assert!(taken.status.contains(kept), "{}", taken.status);
        }
        for left in ["Maintainer", "Description", "gone"] {
            assert!(!taken.status.contains(left), "{}", taken.status);
        }
        let all = |list: Vec<Installed>| {
            list.into_iter().map(|p| (p.name, p.version, p.architecture)).collect::<Vec<_>>()
        };
        assert_eq!(all(taken.installed().unwrap()), all(parse_status(STATUS).unwrap()));
        let text = serde_json::to_vec(&taken).unwrap();
        assert_eq!(Inventory::parse(&text).unwrap(), taken);
    }

    #[test]
    fn a_newer_or_strange_one_says_so() {
        let at = Timestamp::UNIX_EPOCH;
        let taken = Inventory::take("web1".into(), at, STATUS, &[], vec![]).unwrap();
        let said = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut value = serde_json::to_value(&taken).unwrap();
            change(&mut value);
            Inventory::parse(&serde_json::to_vec(&value).unwrap()).unwrap_err().to_string()
        };
        assert!(said(&|v| v["schema"] = 2.into()).contains("newer version"));
        assert!(said(&|v| v["kind"] = "rpm".into()).contains("another kind"));
        assert!(said(&|v| v["host"] = "a b".into()).contains("host"));
        assert!(said(&|v| v["architectures"] = serde_json::json!([])).contains("architectures"));
        assert!(Inventory::parse(b"{").is_err());
        assert!(Inventory::take("x".into(), at, b"", &[], vec![]).is_err());
    }
}
