//! The register of the site's machines, as people keep it elsewhere: what tells of machines that are not managed.
//!
//! It comes as CSV and is kept whole as evidence behind a commitment; a new one takes the place of the one before.

use crate::{Error, Site};
use fleet::{Actor, Command, EndpointKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// Most machines of a register.
pub const MACHINES_MAX: usize = 50_000;
/// Longest register in bytes.
pub const REGISTER_BYTES_MAX: usize = 6 << 20;
/// Longest cell that is kept, in bytes.
const CELL_BYTES_MAX: usize = 200;

/// A machine of the register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Asset {
    /// Its name, in small letters.
    pub name: String,
    /// What it is; `None` where the register does not say, or says something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<EndpointKind>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Reads a register. Its first line names its columns: `name` (or `host`, `hostname`), and, where it has them,
/// `kind` (or `type`) and `owner`; other columns are passed over.
///
/// # Errors
/// [`Error::Input`] that names the line.
pub fn parse_register(text: &str) -> Result<Vec<Asset>, Error> {
    if text.len() > REGISTER_BYTES_MAX {
        let message = format!(
            "a register has at most {REGISTER_BYTES_MAX} bytes: leave columns out that are not needed"
        );
        return Err(Error::Input(message));
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let wrong = |error: csv::Error| Error::Input(format!("the register is no CSV: {error}"));
    let heads = reader.headers().map_err(wrong)?.clone();
    let column = |names: &[&str]| {
        heads.iter().position(|head| {
            names.contains(&head.trim_start_matches('\u{feff}').to_lowercase().as_str())
        })
    };
    let none = || Error::Input("the register's first line names no column `name`".to_owned());
    let name = column(&["name", "host", "hostname"]).ok_or_else(none)?;
    let (kind, owner) = (column(&["kind", "type"]), column(&["owner"]));
    let mut assets = BTreeSet::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: Option<usize>| {
            let text = column.and_then(|column| record.get(column)).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let machine = cell(Some(name)).unwrap_or_default().to_lowercase();
        let owner = cell(owner);
        if machine.is_empty()
            || machine.len().max(owner.as_ref().map_or(0, String::len)) > CELL_BYTES_MAX
        {
            let message = format!(
                "line {line} of the register: a name or owner has 1 to {CELL_BYTES_MAX} bytes"
            );
            return Err(Error::Input(message));
        }
        let kind = match cell(kind).map(|kind| kind.to_lowercase()).as_deref() {
            Some("server") => Some(EndpointKind::Server),
            Some("workstation" | "desktop" | "laptop" | "pc") => Some(EndpointKind::Workstation),
            _ => None,
        };
        assets.insert(Asset { name: machine, kind, owner });
        if assets.len() > MACHINES_MAX {
            return Err(Error::Input(format!("a register lists at most {MACHINES_MAX} machines")));
        }
    }
    // Two lines about one machine are one machine.
    let mut assets: Vec<Asset> = assets.into_iter().collect();
    assets.dedup_by(|later, first| later.name == first.name);
    Ok(assets)
}

impl Site {
    /// Takes in the register of the site's machines. Gives how many it lists; the same one again changes nothing.
    ///
    /// # Errors
    /// [`Error::Input`] when it cannot be read; [`Error::Refused`] or [`Error::Ledger`].
    pub fn register_assets(&self, actor: Actor, text: &str) -> Result<u64, Error> {
        let assets = parse_register(text)?;
        let machines = assets.len() as u64;
        let known = self.state().assets.map(|record| self.assets_behind(&record));
        if known.flatten().is_none_or(|known| known != assets) {
            let record = self.commit(json!({ "machines": assets }))?;
            self.heart().ask(actor, Command::RegisterAssets { machines, record })?;
        }
        Ok(machines)
    }

    /// The machines of a register; `None` where it was erased.
    pub(crate) fn assets_behind(&self, record: &ids::Digest) -> Option<Vec<Asset>> {
        let (_, mut value) = self.evidence().get(record).ok()?;
        serde_json::from_value(value["machines"].take()).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_register_is_read_as_spreadsheets_write_it() {
        let text = "\u{feff}Hostname;x\r\n";
        assert!(parse_register(text).unwrap_err().to_string().contains("no column"));
        let text = "\u{feff}Hostname,Type,Owner,Room\r\nWEB1,Server,\"Lab, first\",1\r\ndesk-9,laptop,,\r\nweb1,,,\r\n\
                    plc,PLC,,\r\n";
        let assets = parse_register(text).unwrap();
        let names: Vec<&str> = assets.iter().map(|asset| asset.name.as_str()).collect();
        assert_eq!(names, ["desk-9", "plc", "web1"]);
        assert_eq!(assets[0].kind, Some(EndpointKind::Workstation));
        assert_eq!(assets[1].kind, None);
    }

    #[test]
    fn a_register_that_is_wrong_says_in_which_line() {
        let wrong = |text: &str| parse_register(text).unwrap_err().to_string();
        assert!(wrong("name,kind\nweb1,server\n,server\n").contains("line 3"));
        assert!(wrong("name\nweb1,server\n").contains("no CSV"));
    }
}
