//! What a machine's upgrade needs, as `apt-get --with-new-pkgs upgrade` takes it there: every candidate
//! that is not held, and every new package that these need or newly recommend.
//!
//! Of alternatives the first that can be satisfied counts, by what is installed, by what will be, or by a
//! new package; of several packages that stand for one name, those whose payloads are held go first. What
//! cannot be satisfied, clashes, or breaks something installed is kept back, as apt keeps it back, and
//! with it what needs it. Not followed: clashes that only the installed side names.

use super::{Asked, Current, Machine, Offered, Offers};
use crate::{
    Package,
    relations::{Alternative, MultiArch, Relations, alternatives},
    version::Version,
};
use ids::Digest;
use std::{collections::HashMap, sync::Arc};

/// Longest chain of new packages, and most that are tried for one machine.
const DEPTH_MAX: usize = 60;
const TRIES_MAX: usize = 100_000;

/// What a machine's upgrade needs from its sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// The upgrades by name, and after them the new packages.
    pub needed: Vec<Needed>,
    /// Updates that apply and that nothing offered can satisfy.
    pub kept_back: Vec<KeptBack>,
}

/// A package that would be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Binary package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Where it is below the root of its source.
    pub path: String,
    /// Digest of that file.
    pub sha256: Digest,
    /// Its length in bytes.
    pub length: u64,
    /// Which offer has it, in the order in which they were indexed.
    pub offer: usize,
    /// Which offer has the upgrade that needs it: its own, if it is one.
    pub because: usize,
}

/// An update that would stay behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBack {
    /// Binary package.
    pub name: String,
    /// The candidate.
    pub version: String,
    /// The relation that nothing satisfies.
    pub lacks: String,
}

impl Offers {
    /// What the machine's upgrade needs. `held` says whether the payload of a package of an offer is to
    /// be had; it decides only which of several providers goes first.
    #[must_use]
    pub fn closure(&self, machine: &Machine, held: &dyn Fn(usize, &Package) -> bool) -> Closure {
        let asked = self.ask(machine);
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut upgrades = Vec::with_capacity(machine.packages.len());
        for (number, package) in machine.packages.iter().enumerate() {
            by_name.entry(&package.name).or_default().push(number);
            upgrades.push(if package.held { None } else { self.judge(package, &asked) });
        }
        let mut kept_back = Vec::new();
        if upgrades.iter().all(Option::is_none) {
            return Closure::default();
        }
        let solver = Solver { offers: self, asked: &asked, held, by_name };
        let nothing = vec![None; upgrades.len()];
        let before = Round::begin(&solver, &nothing);
        loop {
            let mut round = Round::begin(&solver, &upgrades);
            let mut stuck = round.resolve_all(&before);
            if stuck.is_empty() {
                stuck = round.breaking(&before);
            }
            let new = round.new;
            if stuck.is_empty() {
                let needed = needed(machine, &upgrades, &new);
                return Closure { needed, kept_back };
            }
            // Without them others may be stuck as well.
            for (number, lacks) in stuck {
                if let Some(candidate) = upgrades[number].take() {
                    let name = machine.packages[number].name.clone();
                    let version = candidate.package.version.clone();
                    kept_back.push(KeptBack { name, version, lacks });
                }
            }
        }
    }

    /// The candidate of a package that is not installed.
    fn new_candidate<'a>(
        &'a self,
        name: &str,
        architecture: &str,
        asked: &Asked<'_>,
    ) -> Option<Offered<'a>> {
        let builds = self.offered_builds(name, architecture, asked);
        let named = asked.machine.pins.named(name);
        let mut best = (0, None);
        for build in &builds {
            let priority = self.priority(build, architecture, asked, &named);
            if priority > best.0 {
                best = (priority, build.entries.first().copied());
            }
        }
        best.1
    }
}

fn needed(machine: &Machine, upgrades: &[Option<Offered<'_>>], new: &[New<'_>]) -> Vec<Needed> {
    let one = |offered: Offered<'_>, because: usize| {
        let package = offered.package;
        Needed {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            path: package.path.clone(),
            sha256: package.sha256,
            length: package.length,
            offer: offered.entry.source,
            because,
        }
    };
    let mut chosen: Vec<_> = machine.packages.iter().zip(upgrades).collect();
    chosen.sort_by(|(a, _), (b, _)| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    let upgrades = chosen.into_iter().filter_map(|(_, upgrade)| *upgrade);
    let upgrades = upgrades.map(|offered| one(offered, offered.entry.source));
    upgrades.chain(new.iter().map(|new| one(new.offered, new.because))).collect()
}

/// What stays the same over the rounds.
struct Solver<'a> {
    offers: &'a Offers,
    asked: &'a Asked<'a>,
    held: &'a dyn Fn(usize, &Package) -> bool,
    /// The numbers of installed packages.
    by_name: HashMap<&'a str, Vec<usize>>,
}

/// A package that is to be installed.
#[derive(Clone, Copy)]
struct New<'a> {
    offered: Offered<'a>,
    because: usize,
}

/// One attempt with the upgrades that are left.
struct Round<'a, 'b> {
    solver: &'b Solver<'a>,
    upgrades: &'b [Option<Offered<'a>>],
    /// What the system stands for after the upgrade, new packages aside.
    provided: HashMap<String, Vec<Provided<'a>>>,
    new: Vec<New<'a>>,
    tries: usize,
}

/// A name that something stands for.
struct Provided<'a> {
    version: Option<Version>,
    architecture: &'a str,
    multi_arch: MultiArch,
}

/// Something that is there after the upgrade.
#[derive(Clone, Copy)]
struct There<'a> {
    version: &'a Version,
    architecture: &'a str,
    multi_arch: MultiArch,
}

impl<'a, 'b> Round<'a, 'b> {
    fn begin(solver: &'b Solver<'a>, upgrades: &'b [Option<Offered<'a>>]) -> Self {
        let mut provided: HashMap<String, Vec<Provided<'a>>> = HashMap::new();
        for (package, upgrade) in solver.asked.machine.packages.iter().zip(upgrades) {
            let own = upgrade.map_or(&package.relations, |offered| &offered.package.relations);
            for (name, version) in own.stands_for() {
                let (architecture, multi_arch) = (package.architecture.as_str(), own.multi_arch);
                let one = Provided { version, architecture, multi_arch };
                provided.entry(name).or_default().push(one);
            }
        }
        Self { solver, upgrades, provided, new: Vec::new(), tries: 0 }
    }

    /// The upgrades that cannot be satisfied, with the relation that is not.
    fn resolve_all(&mut self, before: &Round<'a, '_>) -> Vec<(usize, String)> {
        let mut stuck = Vec::new();
        for (number, upgrade) in self.upgrades.iter().enumerate() {
            let Some(offered) = *upgrade else { continue };
            let mark = self.new.len();
            let package: &Current = &self.solver.asked.machine.packages[number];
            let new = New { offered, because: offered.entry.source };
            let wants = before.unmet(&package.relations, &package.architecture);
            let resolved = self.resolve(new, &package.architecture, 0, Some(&wants));
            if let Err(lacks) = resolved {
                self.new.truncate(mark);
                stuck.push((number, lacks.to_owned()));
            }
        }
        stuck
    }

    /// What of a package's recommendations is not there.
    fn unmet<'r>(&self, relations: &'r Relations, architecture: &str) -> Vec<&'r str> {
        let met = |want: &&str| alternatives(want).iter().any(|one| self.is_met(one, architecture));
        relations.wants().filter(|want| !met(want)).collect()
    }

    /// The upgrades that would break what stays installed, with the relation that they break.
    fn breaking(&self, before: &Round<'a, '_>) -> Vec<(usize, String)> {
        let mut stuck = Vec::new();
        for (number, package) in self.solver.asked.machine.packages.iter().enumerate() {
            if self.upgrades[number].is_some() {
                continue;
            }
            for need in package.relations.brittle() {
                let all = alternatives(need);
                let own = &package.architecture;
                if all.iter().any(|one| self.is_met(one, own))
                    || !all.iter().any(|one| before.is_met(one, own))
                {
                    continue;
                }
                let named = all.iter().filter_map(|one| self.solver.by_name.get(&*one.name));
                let upgraded = named.flatten().filter(|n| self.upgrades[**n].is_some());
                let lacks = format!("{need}, of {}", package.name);
                stuck.extend(upgraded.map(|number| (*number, lacks.clone())));
            }
        }
        stuck
    }

    /// Satisfies what a package needs and recommends. `unmet` is of an upgrade: what of the old one's
    /// recommendations was not there. Such a one goes on without them, and without new ones.
    fn resolve(
        &mut self,
        of: New<'a>,
        architecture: &str,
        depth: usize,
        unmet: Option<&[&str]>,
    ) -> Result<(), &'a str> {
        let relations = &of.offered.package.relations;
        for clash in relations.clashes() {
            if alternatives(clash).iter().any(|one| self.is_there(one, of.offered, architecture)) {
                return Err(clash);
            }
        }
        for need in relations.needs() {
            if !self.satisfy(need, architecture, of.because, depth) {
                return Err(need);
            }
        }
        for want in relations.wants() {
            if unmet.is_some_and(|unmet| unmet.contains(&want)) {
                continue;
            }
            let lenient = unmet.is_some_and(|unmet| !unmet.is_empty());
            if !self.satisfy(want, architecture, of.because, depth) && !lenient {
                return Err(want);
            }
        }
        Ok(())
    }

    fn satisfy(&mut self, need: &str, architecture: &str, because: usize, depth: usize) -> bool {
        let all = alternatives(need);
        all.iter().any(|one| self.is_met(one, architecture))
            || all.iter().any(|one| self.meet(one, architecture, because, depth))
    }

    /// Whether something else than the package itself is there that it cannot stand beside.
    fn is_there(&self, clash: &Alternative<'_>, of: Offered<'_>, architecture: &str) -> bool {
        if of.package.name.eq_ignore_ascii_case(&clash.name) {
            return false;
        }
        let own = of.package.relations.stands_for().any(|(name, _)| name == clash.name);
        let fits =
            |there: There<'_>| clash.takes(there.version) && (there.architecture == architecture);
        let new = |new: &New<'_>| {
            new.offered.package.name.eq_ignore_ascii_case(&clash.name)
                && clash.takes(&new.offered.entry.version)
        };
        let stands = |one: &Provided<'_>| clash.takes_provided(one.version.as_ref());
        self.installed(&clash.name).any(fits)
            || self.new.iter().any(new)
            || (!own && self.provided.get(&clash.name).is_some_and(|all| all.iter().any(stands)))
    }

    fn is_met(&self, wanted: &Alternative<'_>, architecture: &str) -> bool {
        let fits = |there: There<'_>| {
            wanted.takes(there.version)
                && self.reaches(wanted, architecture, there.architecture, there.multi_arch)
        };
        let stands = |one: &Provided<'_>| {
            wanted.takes_provided(one.version.as_ref())
                && self.reaches(wanted, architecture, one.architecture, one.multi_arch)
        };
        self.installed(&wanted.name).any(fits)
            || self.provided.get(&wanted.name).is_some_and(|all| all.iter().any(stands))
            || self.new.iter().any(|new| self.meets(new.offered, wanted, architecture))
    }

    /// What is installed under a name after the upgrade.
    fn installed(&self, name: &str) -> impl Iterator<Item = There<'_>> {
        let numbers = self.solver.by_name.get(name).map_or(&[][..], Vec::as_slice);
        numbers.iter().map(|number| {
            let package: &Arc<Current> = &self.solver.asked.machine.packages[*number];
            let architecture = package.architecture.as_str();
            let (version, own) = match &self.upgrades[*number] {
                Some(offered) => (&offered.entry.version, &offered.package.relations),
                None => (&package.version, &package.relations),
            };
            There { version, architecture, multi_arch: own.multi_arch }
        })
    }

    /// Whether an offered package, once installed, would meet this.
    fn meets(&self, offered: Offered<'_>, wanted: &Alternative<'_>, architecture: &str) -> bool {
        let relations = &offered.package.relations;
        let own = self.own_architecture(offered);
        self.reaches(wanted, architecture, own, relations.multi_arch)
            && if offered.package.name.eq_ignore_ascii_case(&wanted.name) {
                wanted.takes(&offered.entry.version)
            } else {
                relations
                    .stands_for()
                    .any(|(name, v)| name == wanted.name && wanted.takes_provided(v.as_ref()))
            }
    }

    /// `all` belongs to the native architecture.
    fn own_architecture<'p>(&'p self, offered: Offered<'p>) -> &'p str {
        let own = offered.package.architecture.as_str();
        if own == "all" { self.solver.asked.machine.native() } else { own }
    }

    /// Whether a package of one architecture may serve one of another.
    fn reaches(
        &self,
        wanted: &Alternative<'_>,
        architecture: &str,
        there: &str,
        multi_arch: MultiArch,
    ) -> bool {
        match wanted.architecture {
            None => there == architecture || multi_arch == MultiArch::Foreign,
            Some("any") => there == architecture || multi_arch != MultiArch::No,
            Some("native") => there == self.solver.asked.machine.native(),
            Some(named) => there == named,
        }
    }

    /// Finds a new package that meets this, and all that it needs.
    fn meet(
        &mut self,
        wanted: &Alternative<'_>,
        architecture: &str,
        because: usize,
        depth: usize,
    ) -> bool {
        if depth == DEPTH_MAX {
            return false;
        }
        let mut candidates = self.candidates(&wanted.name, wanted, architecture);
        let offers = self.solver.offers;
        let mut providers = Vec::new();
        for name in offers.providers.get(&wanted.name).into_iter().flatten() {
            if *name != wanted.name {
                providers.extend(self.candidates(name, wanted, architecture));
            }
        }
        providers.sort_by_key(|o| !(self.solver.held)(o.entry.source, o.package));
        candidates.extend(providers);
        candidates.into_iter().any(|offered| {
            self.tries += 1;
            if self.tries > TRIES_MAX {
                return false;
            }
            let mark = self.new.len();
            let new = New { offered, because };
            self.new.push(new);
            let own = self.own_architecture(offered).to_owned();
            let good = self.resolve(new, &own, depth + 1, None).is_ok();
            if !good {
                self.new.truncate(mark);
            }
            good
        })
    }

    /// Packages of this name that could be installed and would meet this: of the architecture that asks,
    /// and of the native one.
    fn candidates(
        &self,
        name: &str,
        wanted: &Alternative<'_>,
        architecture: &str,
    ) -> Vec<Offered<'a>> {
        let machine = self.solver.asked.machine;
        let mut places = vec![architecture];
        if architecture != machine.native() {
            places.push(machine.native());
        }
        let free = |place: &&str| {
            !self.installed(name).any(|there| there.architecture == *place)
                && !self.new.iter().any(|new| {
                    new.offered.package.name.eq_ignore_ascii_case(name)
                        && self.own_architecture(new.offered) == *place
                })
        };
        let offers = self.solver.offers;
        let found = places.into_iter().filter(free);
        let found = found.filter_map(|place| offers.new_candidate(name, place, self.solver.asked));
        found.filter(|offered| self.meets(*offered, wanted, architecture)).collect()
    }
}

#[cfg(test)]
#[path = "closure/tests.rs"]
mod tests;
