//! A machine as the question wants it: its packages that have a current version, and its pins.

use super::{likeness::Likeness, pins::Pins};
use crate::{
    Error, Inventory,
    packages::source_of,
    relations::Relations,
    stanza::{Stanza, is_name, stanzas},
    version::{Version, parse},
};
use std::{
    collections::{BTreeSet, HashSet},
    hash::{Hash, Hasher},
    sync::Arc,
};

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
    pub(super) packages: Vec<Arc<Current>>,
    pub(super) pins: Pins,
}

/// Machines of one site are much alike: those that were read with one pool share what they have in
/// common.
#[derive(Debug, Default)]
pub struct Pool(HashSet<Arc<Current>>);

/// A package with the version that a machine has of it.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) name: String,
    /// As apt counts it: `all` belongs to the native one.
    pub(super) architecture: String,
    /// Whether that is the machine's own.
    pub(super) native: bool,
    pub(super) text: String,
    pub(super) version: Version,
    pub(super) source: String,
    pub(super) held: bool,
    pub(super) likeness: Likeness,
    pub(super) relations: Relations,
}

impl PartialEq for Current {
    fn eq(&self, other: &Self) -> bool {
        let key = |c: &Self| (c.native, c.held, c.likeness);
        key(self) == key(other)
            && self.name == other.name
            && self.text == other.text
            && self.architecture == other.architecture
            && self.source == other.source
            && self.relations == other.relations
    }
}

impl Eq for Current {}

impl Hash for Current {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.name, &self.text, &self.architecture).hash(hasher);
    }
}

impl Pool {
    fn share(&mut self, package: Current) -> Arc<Current> {
        if let Some(known) = self.0.get(&package) {
            return Arc::clone(known);
        }
        let package = Arc::new(package);
        self.0.insert(Arc::clone(&package));
        package
    }

    /// Forgets what no machine has any more.
    pub fn sweep(&mut self) {
        self.0.retain(|package| Arc::strong_count(package) > 1);
    }
}

impl Machine {
    /// The machine that an inventory shows.
    ///
    /// # Errors
    /// What is malformed in its status, or which pin apt would not take or cannot be followed here.
    pub fn of(inventory: &Inventory) -> Result<Self, Error> {
        Self::read(inventory, Arc::new)
    }

    /// The same, sharing with the others of a pool.
    ///
    /// # Errors
    /// As [`Machine::of`].
    pub fn of_pool(inventory: &Inventory, pool: &mut Pool) -> Result<Self, Error> {
        Self::read(inventory, |package| pool.share(package))
    }

    fn read(
        inventory: &Inventory,
        mut share: impl FnMut(Current) -> Arc<Current>,
    ) -> Result<Self, Error> {
        let native = inventory.architectures.first().map_or("", String::as_str);
        let mut packages = Vec::new();
        for stanza in stanzas(WHAT, inventory.status.as_bytes(), BYTES_MAX)? {
            packages.extend(current(&stanza?, native)?.map(&mut share));
        }
        // In the order of the answers, which then need no sorting.
        packages.sort_by(|a: &Arc<Current>, b| a.name.cmp(&b.name));
        let pins = Pins::parse(&inventory.preferences)?;
        Ok(Self { architectures: inventory.architectures.clone(), packages, pins })
    }

    /// Its own architecture.
    pub(super) fn native(&self) -> &str {
        self.architectures.first().map_or("", String::as_str)
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
    let architecture = if architecture == "all" { native } else { architecture };
    Ok(Some(Current {
        name: name.to_ascii_lowercase(),
        architecture: architecture.to_owned(),
        native: architecture == native,
        text: text.to_owned(),
        version: parse(text)?,
        source,
        held: want == "hold",
        likeness: Likeness::of(stanza),
        relations: Relations::of(stanza),
    }))
}
