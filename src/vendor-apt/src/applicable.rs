//! What applies: for a machine's inventory, the packages that its own apt would list as upgradable from
//! what a ring's sources offer.
//!
//! [`Offers`] are indexed once and asked for thousands of machines. The answer is the set that
//! `apt list --upgradable` prints on the machine, held packages among them: installed packages whose
//! candidate, after the machine's pins, is listed before what is installed. Two things surprise: a
//! package whose build differs from the offered one of the *same* version is upgradable to it, and a
//! downgrade that a priority of 1000 or more brings is never listed, although it hides the upgrades.
//!
//! Not followed, because an inventory does not hold them: `APT::Default-Release`, phased updates (which
//! Debian does not make), and sources that the ring does not have. Expressions that cannot be matched
//! as apt would are an error, never a guess.

mod closure;
mod expression;
mod file;
mod likeness;
mod machine;
mod pins;

use crate::{
    Error, Inventory, Package, ReleaseFacts,
    version::{Version, parse},
};
pub use closure::{Closure, KeptBack, Needed};
use file::File;
pub(crate) use likeness::Likeness;
use machine::Current;
pub use machine::{Machine, Pool};
use pins::{NEVER, Pins};
use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// What apt takes even if it is older than what is installed.
const DOWNGRADES: i32 = 1000;
/// The architecture of packages that suit every machine.
const ALL: &str = "all";

/// One package index of a source.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What its release file says.
    pub facts: ReleaseFacts,
    /// Its component, as the machines' sources name it.
    pub component: String,
    /// The architecture whose index it is, or `all`; machines that have it not do not read it. Empty for
    /// a repository without such folders, which all read.
    pub architecture: String,
    /// The host that machines fetch it from, which `Pin: origin` names; empty for files.
    pub site: String,
    /// What it offers. Offers of several views may share it.
    pub packages: Arc<[Package]>,
}

/// An update that applies to a machine: what is installed, and what its apt would install.
#[derive(Debug, Clone)]
pub struct Applicable {
    installed: Arc<Current>,
    index: Arc<[Package]>,
    place: usize,
}

impl Applicable {
    /// Binary package.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.installed.name
    }

    /// The version that is installed.
    #[must_use]
    pub fn installed(&self) -> &str {
        &self.installed.text
    }

    /// Whether the machine holds it: apt lists it and does not upgrade it.
    #[must_use]
    pub fn held(&self) -> bool {
        self.installed.held
    }

    /// The candidate, as the first source that offers it has it. Its version may be what is installed, if
    /// only the build is another; its architecture may be `all` where that of what is installed is not.
    #[must_use]
    pub fn candidate(&self) -> &Package {
        &self.index[self.place]
    }
}

/// What a ring's sources offer, indexed.
#[derive(Debug, Clone)]
pub struct Offers {
    sources: Vec<Source>,
    /// Where the entries of a package begin and end, by its name.
    names: HashMap<String, (u32, u32)>,
    /// By package name: the newest first, and in the order of the sources.
    entries: Vec<Entry>,
    /// The architectures of entries, by their numbers; the first is `all`.
    architectures: Vec<String>,
    /// By what is stood for: the names of the packages that do, sorted.
    providers: HashMap<String, Vec<String>>,
}

/// An offer, with what apt calls its file.
#[derive(Debug, Clone)]
struct Source {
    about: About,
    packages: Arc<[Package]>,
}

/// An offer without its packages.
#[derive(Debug, Clone, PartialEq, Eq)]
struct About {
    facts: ReleaseFacts,
    component: String,
    architecture: String,
    site: String,
}

/// A package in one index, with all that most questions ask of it: the package itself is far away in
/// memory.
#[derive(Debug, Clone)]
struct Entry {
    version: Version,
    likeness: Likeness,
    source: usize,
    place: usize,
    architecture: usize,
}

/// An entry with its package.
#[derive(Debug, Clone, Copy)]
struct Offered<'a> {
    entry: &'a Entry,
    package: &'a Package,
}

/// What apt calls a version of a package: it may come from several indexes and be installed.
struct Build<'a> {
    text: &'a str,
    version: &'a Version,
    source_package: &'a str,
    entries: Vec<Offered<'a>>,
    installed: bool,
}

/// A machine with the priorities that its pins give to files.
struct Asked<'a> {
    machine: &'a Machine,
    /// For each source, nothing if the machine does not read it.
    sources: Vec<Option<i32>>,
    /// For each source, when the machine reads it: of one component its native index first, `all` last.
    ranks: Vec<(usize, usize)>,
    status: i32,
    architectures: &'a [String],
    /// The number of the native architecture, if anything is offered for it.
    native: Option<usize>,
}

fn number(count: usize) -> Result<u32, Error> {
    let reason = "the sources offer absurdly many packages".to_owned();
    u32::try_from(count).map_err(|_| Error::Malformed {
        what: "what is offered",
        stanza: 0,
        reason,
    })
}

/// Reads the text of a preference file and tells how many pins it holds.
///
/// # Errors
/// What apt would not take, or cannot be followed as apt would.
pub fn count_pins(text: &str) -> Result<usize, Error> {
    Ok(Pins::parse(&[text.to_owned()])?.len())
}

impl Offers {
    /// Indexes what is offered, in the order of the machines' sources. In which order a component's
    /// architectures stand does not count, if they stand together.
    ///
    /// # Errors
    /// A version that is none.
    pub fn index(offers: Vec<Offer>) -> Result<Self, Error> {
        let mut sources = Vec::new();
        let mut packages: HashMap<String, Vec<Entry>> = HashMap::new();
        let mut architectures = vec![ALL.to_owned()];
        let mut providers: HashMap<String, Vec<String>> = HashMap::new();
        for (source, offer) in offers.into_iter().enumerate() {
            let Offer { facts, component, architecture, site, packages: offered } = offer;
            for (place, package) in offered.iter().enumerate() {
                let name = package.name.to_ascii_lowercase();
                for (provided, _) in package.relations.stands_for() {
                    providers.entry(provided).or_default().push(name.clone());
                }
                let (version, likeness) = (parse(&package.version)?, package.likeness);
                let known = architectures.iter().position(|own| *own == package.architecture);
                let architecture = known.unwrap_or(architectures.len());
                if known.is_none() {
                    architectures.push(package.architecture.clone());
                }
                let entry = Entry { version, likeness, source, place, architecture };
                packages.entry(name).or_default().push(entry);
            }
            let about = About { facts, component, architecture, site };
            sources.push(Source { about, packages: offered });
        }
        for names in providers.values_mut() {
            names.sort();
            names.dedup();
        }
        // Machines ask in the order of names.
        let mut sorted: Vec<_> = packages.into_iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let (mut names, mut entries) = (HashMap::with_capacity(sorted.len()), Vec::new());
        for (name, mut own) in sorted {
            own.sort_by(|a, b| b.version.cmp(&a.version));
            let begin = number(entries.len())?;
            entries.append(&mut own);
            names.insert(name, (begin, number(entries.len())?));
        }
        Ok(Self { sources, names, entries, architectures, providers })
    }

    /// The updates that apply to the machine of an inventory, by name and architecture.
    ///
    /// # Errors
    /// As [`Machine::of`].
    pub fn applicable(&self, inventory: &Inventory) -> Result<Vec<Applicable>, Error> {
        Ok(self.applicable_to(&Machine::of(inventory)?))
    }

    /// The updates that apply to a machine, by name and architecture.
    #[must_use]
    pub fn applicable_to(&self, machine: &Machine) -> Vec<Applicable> {
        let asked = self.ask(machine);
        let update = |package: &Arc<Current>| {
            let offered = self.judge(package, &asked)?;
            Some(Applicable {
                installed: Arc::clone(package),
                index: Arc::clone(&self.sources[offered.entry.source].packages),
                place: offered.entry.place,
            })
        };
        let mut all: Vec<_> = machine.packages.iter().filter_map(update).collect();
        all.sort_by(|a, b| {
            a.name()
                .cmp(b.name())
                .then_with(|| a.candidate().architecture.cmp(&b.candidate().architecture))
        });
        all
    }

    /// The names of the packages that are offered otherwise than before, in any way that may change an
    /// answer. A machine that has none of them ([`Machine::has_any`]) keeps its answer.
    #[must_use]
    pub fn changed(&self, before: &Self) -> BTreeSet<String> {
        let names = self.names.keys().chain(before.names.keys());
        let differs = |name: &&String| {
            let (mut now, mut then) = (self.offered(name), before.offered(name));
            let same = |(a, b): (Offered<'_>, Offered<'_>)| {
                let abouts = (self.about(a), before.about(b));
                (std::ptr::eq(a.package, b.package) || a.package == b.package)
                    && (std::ptr::eq(abouts.0, abouts.1) || abouts.0 == abouts.1)
            };
            now.len() != then.len() || !now.by_ref().zip(then.by_ref()).all(same)
        };
        names.filter(differs).cloned().collect()
    }

    /// The number of packages that are offered, those of several sources as often.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.iter().map(|source| source.packages.len()).sum()
    }

    /// Whether nothing is offered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entries(&self, name: &str) -> &[Entry] {
        let place = self.names.get(name).map(|(begin, end)| *begin as usize..*end as usize);
        place.map_or(&[], |place| &self.entries[place])
    }

    fn offered(&self, name: &str) -> impl ExactSizeIterator<Item = Offered<'_>> + Clone {
        self.entries(name).iter().map(|entry| self.with_package(entry))
    }

    fn with_package<'a>(&'a self, entry: &'a Entry) -> Offered<'a> {
        Offered { entry, package: &self.sources[entry.source].packages[entry.place] }
    }

    fn about(&self, offered: Offered<'_>) -> &About {
        &self.sources[offered.entry.source].about
    }

    fn ask<'a>(&'a self, machine: &'a Machine) -> Asked<'a> {
        let reads = |source: &About| {
            let own = &source.architecture;
            own.is_empty() || own == ALL || machine.architectures.contains(own)
        };
        let priority = |source: &Source| {
            let about = &source.about;
            reads(about).then(|| machine.pins.of_file(&about.file()))
        };
        let mut component = 0;
        let rank = |(number, source): (usize, &Source)| {
            let about = &source.about;
            if number > 0 && !about.is_beside(&self.sources[number - 1].about) {
                component += 1;
            }
            let own = machine.architectures.iter().position(|a| *a == about.architecture);
            (component, own.unwrap_or(usize::MAX))
        };
        Asked {
            machine,
            ranks: self.sources.iter().enumerate().map(rank).collect(),
            sources: self.sources.iter().map(priority).collect(),
            status: machine.pins.of_file(&File::Status),
            native: self.architectures.iter().position(|own| own == machine.native()),
            architectures: &self.architectures,
        }
    }

    /// The candidate of a package that is listed before what is installed: apt's own meaning of newer.
    fn judge<'a>(&'a self, package: &'a Current, asked: &Asked<'_>) -> Option<Offered<'a>> {
        let entries = self.entries(&package.name);
        let mut fitting = entries.iter().filter(|entry| asked.suits(package, entry));
        let newest = fitting.next()?;
        // Most packages are as new as what is offered: nothing is sorted or put together for them.
        let order = newest.version.cmp(&package.version);
        if order == Ordering::Less {
            return None;
        }
        let alike = |entry: &Entry| package.likeness.fits(&entry.likeness);
        let Some(second) = fitting.next() else {
            return self.judge_one(newest, order, package, asked);
        };
        let others = std::iter::once(second).chain(fitting);
        let mut same = others.take_while(|entry| entry.version == package.version);
        if order == Ordering::Equal && alike(newest) && same.all(alike) {
            return None;
        }
        let builds = self.builds(package, asked);
        let installed = builds.iter().position(|build| build.installed)?;
        if installed == 0 {
            return None;
        }
        let named = asked.machine.pins.named(&package.name);
        let mut best = 0;
        let mut candidate = None;
        for (place, build) in builds.iter().enumerate() {
            let priority = self.priority(build, &package.architecture, asked, &named);
            let older = place > installed && build.version < &package.version;
            if priority > best && (priority >= DOWNGRADES || !older) {
                (best, candidate) = (priority, Some(place));
            }
        }
        let candidate = candidate.filter(|place| *place < installed)?;
        builds[candidate].entries.first().copied()
    }

    /// The same where one index alone has the package, no older than what is installed.
    fn judge_one<'a>(
        &'a self,
        entry: &'a Entry,
        order: Ordering,
        package: &'a Current,
        asked: &Asked<'_>,
    ) -> Option<Offered<'a>> {
        let alike = package.likeness.fits(&entry.likeness);
        if order == Ordering::Equal && alike {
            return None;
        }
        let offered = self.with_package(entry);
        let own = asked.sources[offered.entry.source]?;
        let named = asked.machine.pins.named(&package.name);
        let (offers, stays) = if named.is_empty() {
            (own, asked.status)
        } else {
            let build = Build::of(offered);
            let stays = Build::only_installed(package);
            let priority = |build| self.priority(build, &package.architecture, asked, &named);
            (priority(&build), priority(&stays))
        };
        (offers > 0 && stays <= offers).then_some(offered)
    }

    /// The versions of a package as apt lists them: newest first, and among equals those that are offered
    /// before the one that is only installed.
    fn builds<'a>(&'a self, package: &'a Current, asked: &Asked<'_>) -> Vec<Build<'a>> {
        let mut builds = self.offered_builds(&package.name, &package.architecture, asked);
        if builds.is_empty() {
            return builds;
        }
        match builds.iter_mut().find(|build| build.is_what_is(package)) {
            Some(build) => build.installed = true,
            None => {
                let newer = |build: &Build<'_>| compare(build, package) != Ordering::Less;
                let place = builds.partition_point(newer);
                builds.insert(place, Build::only_installed(package));
            }
        }
        builds
    }

    /// The same of what is offered alone, whatever is installed.
    fn offered_builds<'a>(
        &'a self,
        name: &str,
        architecture: &str,
        asked: &Asked<'_>,
    ) -> Vec<Build<'a>> {
        let fitting = self.offered(name).filter(|o| asked.fits(architecture, *o));
        let mut offered: Vec<Offered<'a>> = fitting.collect();
        let rank = |o: &Offered<'_>| asked.ranks[o.entry.source];
        if !offered.is_sorted_by_key(rank) {
            offered
                .sort_by(|a, b| b.entry.version.cmp(&a.entry.version).then(rank(a).cmp(&rank(b))));
        }
        let mut builds: Vec<Build<'a>> = Vec::new();
        for one in offered {
            match builds.iter_mut().find(|build| build.is_of(one)) {
                Some(build) => build.entries.push(one),
                None => builds.push(Build::of(one)),
            }
        }
        builds
    }

    fn priority(
        &self,
        build: &Build<'_>,
        architecture: &str,
        asked: &Asked<'_>,
        named: &pins::Named<'_>,
    ) -> i32 {
        let offered = build.entries.iter().filter_map(|o| asked.sources[o.entry.source]);
        let own = offered.chain(build.installed.then_some(asked.status)).max().unwrap_or(NEVER);
        if own == NEVER || named.is_empty() {
            return own;
        }
        let files = build.entries.iter().map(|o| self.about(*o).file());
        let files: Vec<_> = files.chain(build.installed.then_some(File::Status)).collect();
        let native = asked.machine.native();
        let version = pins::Version {
            architecture,
            native,
            source: build.source_package,
            version: build.text,
            files: &files,
        };
        named.of_version(&version).unwrap_or(own)
    }
}

impl Asked<'_> {
    /// Whether an offer is one of a package of this architecture, from a source that the machine reads.
    fn fits(&self, architecture: &str, offered: Offered<'_>) -> bool {
        let own = &offered.package.architecture;
        let mine = *own == architecture || (own == ALL && architecture == self.machine.native());
        mine && self.sources[offered.entry.source].is_some()
    }

    /// The same of an entry and an installed package.
    fn suits(&self, package: &Current, entry: &Entry) -> bool {
        let mine = match package.native {
            true => entry.architecture == 0 || Some(entry.architecture) == self.native,
            false => self.architectures[entry.architecture] == package.architecture,
        };
        mine && self.sources[entry.source].is_some()
    }
}

impl About {
    /// Whether it is another architecture's index of the same component.
    fn is_beside(&self, other: &Self) -> bool {
        (&self.facts, &self.component, &self.site) == (&other.facts, &other.component, &other.site)
    }

    fn file(&self) -> File<'_> {
        let Self { facts, component, architecture, site } = self;
        File::Index { facts, component, architecture, site }
    }
}

impl<'a> Build<'a> {
    fn of(offered: Offered<'a>) -> Self {
        Self {
            text: &offered.package.version,
            version: &offered.entry.version,
            source_package: &offered.package.source,
            entries: vec![offered],
            installed: false,
        }
    }

    fn only_installed(package: &'a Current) -> Self {
        Self {
            text: &package.text,
            version: &package.version,
            source_package: &package.source,
            entries: Vec::new(),
            installed: true,
        }
    }

    /// Whether another index names the same build.
    fn is_of(&self, other: Offered<'_>) -> bool {
        self.entries.first().is_some_and(|first| {
            (first.package.version == other.package.version
                || first.entry.version == other.entry.version)
                && first.package.likeness == other.package.likeness
                && first.package.length == other.package.length
        })
    }

    /// Whether it is the build that is installed.
    fn is_what_is(&self, package: &Current) -> bool {
        compare(self, package) == Ordering::Equal
            && self
                .entries
                .first()
                .is_some_and(|first| package.likeness.fits(&first.package.likeness))
    }
}

fn compare(build: &Build<'_>, package: &Current) -> Ordering {
    if build.text == package.text { Ordering::Equal } else { build.version.cmp(&package.version) }
}

#[cfg(test)]
#[path = "applicable/tests.rs"]
mod tests;
