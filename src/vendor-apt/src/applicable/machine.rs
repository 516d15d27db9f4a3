//! A machine as the question wants it: its packages that have a current version, and its pins.

use super::{likeness::Likeness, pins::Pins};
use crate::{
    Error, Inventory,
    packages::source_of,
    stanza::{Stanza, is_name, stanzas},
    version::parse,
};
use debversion::Version;
use std::collections::BTreeSet;

const WHAT: &str = "a status file";
/// Far larger than any real one.
const BYTES_MAX: usize = 256 << 20;
/// The states in which a package has no current version.
const AWAY: &[&str] = &["not-installed", "config-files"];

/// One machine, read once and asked often.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its architectures, the native one first.
    pub(super) architectures: Vec<String>,
    pub(super) packages: Vec<Current>,
    pub(super) pins: Pins,
}

/// A package with the version that a machine has of it.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) name: String,
    /// As apt counts it: `all` belongs to the native one.
    pub(super) architecture: String,
    pub(super) text: String,
    pub(super) version: Version,
    pub(super) source: String,
    pub(super) held: bool,
    pub(super) likeness: Likeness,
}

impl Machine {
    /// The machine that an inventory shows.
    ///
    /// # Errors
    /// What is malformed in its status, or which pin apt would not take or cannot be followed here.
    pub fn of(inventory: &Inventory) -> Result<Self, Error> {
        let native = inventory.architectures.first().map_or("", String::as_str);
        let mut packages = Vec::new();
        for stanza in stanzas(WHAT, inventory.status.as_bytes(), BYTES_MAX)? {
            packages.extend(current(&stanza?, native)?);
        }
        let pins = Pins::parse(&inventory.preferences)?;
        Ok(Self { architectures: inventory.architectures.clone(), packages, pins })
    }

    /// Whether it has one of these packages. Where none of those that [`changed`](super::Offers::changed)
    /// names is there, its answer is what it was.
    #[must_use]
    pub fn has_any(&self, names: &BTreeSet<String>) -> bool {
        self.packages.iter().any(|package| names.contains(&package.name))
    }
}

/// What a stanza says is there: unpacked and half-configured packages are, left-over settings are not.
fn current(stanza: &Stanza<'_>, native: &str) -> Result<Option<Current>, Error> {
    let name = stanza.must("Package", is_name)?;
    let (Some(status), Some(text), Some(architecture)) =
        (stanza.line("Status"), stanza.line("Version"), stanza.line("Architecture"))
    else {
        return Ok(None);
    };
    let words: Vec<&str> = status.split_ascii_whitespace().collect();
    let [want, _, state] = words[..] else { return Err(stanza.bad("Status")) };
    if AWAY.contains(&state) {
        return Ok(None);
    }
    let (source, _) = source_of(stanza, name, text)?;
    Ok(Some(Current {
        name: name.to_ascii_lowercase(),
        architecture: if architecture == "all" { native } else { architecture }.to_owned(),
        text: text.to_owned(),
        version: parse(text)?,
        source,
        held: want == "hold",
        likeness: Likeness::of(stanza),
    }))
}
