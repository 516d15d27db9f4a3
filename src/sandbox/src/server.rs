//! The server's own walls: what a process that strangers talk to gives up before it hears the first of them.
//!
//! Order: no dumps, no new privileges, Landlock (writing only beneath its folders, starting only its programs, no TCP
//! address and no connection of its own choice, signals only to its own children), then a seccomp filter that knows
//! what a server needs ([`CALLS`]) and answers everything else as a kernel without it would. Both belong to the thread
//! that asks for them, and to all that it starts. Reading stays as wide as the account's: media are where people mount
//! them.
//!
//! Unlike the reader, which refuses to work, a server goes on where a machine lacks a part of this, and says which.

mod calls;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

/// Where children's unused ends lead.
const NOWHERE: &str = "/dev/null";

/// What a server needs of the machine beside its open sockets.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Folders beneath which it writes; they have to be there. A link in one that leads out of it is not followed.
    pub writes: Vec<PathBuf>,
    /// Programs that it starts. A file that takes the place of one later is another program.
    pub starts: Vec<PathBuf>,
}

/// What holds from now on, and what does not. Shown in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walls {
    /// In words, e.g. `no new privileges`.
    pub hold: Vec<&'static str>,
    /// In words, with why.
    pub lack: Vec<String>,
}

impl Walls {
    fn note(&mut self, what: &'static str, had: Result<(), String>) {
        match had {
            Ok(()) => self.hold.push(what),
            Err(why) => self.lack.push(format!("{what} ({why})")),
        }
    }
}

impl fmt::Display for Walls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hold[..] {
            [] => f.write_str("Confined by nothing")?,
            _ => write!(f, "Confined: {}", self.hold.join(", "))?,
        }
        match self.lack[..] {
            [] => f.write_str("."),
            _ => write!(f, ". NOT confined: {}.", self.lack.join(", ")),
        }
    }
}

/// Gives up for good whatever is not in `needs`. Call it before there are other threads: those are not confined.
#[must_use]
pub fn confine(needs: &Needs) -> Walls {
    let mut walls = keep_memory();
    let privileges = rustix::thread::set_no_new_privs(true).map_err(|e| e.to_string());
    walls.note("no new privileges", privileges);
    let landlock = landlock(needs).map_err(|e| e.to_string()).and_then(|status| abi(&status));
    let since = |least: ABI| match &landlock {
        Ok(abi) if *abi >= least => Ok(()),
        Ok(_) => Err("its kernel is too old".to_owned()),
        Err(why) => Err(why.clone()),
    };
    walls.note("writing and starting programs by list (Landlock)", since(ABI::V2));
    walls.note("truncating too", since(ABI::V3));
    walls.note("no more TCP addresses and no connections out", since(ABI::V4));
    walls.note("signals to its own children only", since(ABI::V6));
    let calls = calls::filter().map_err(|e| e.to_string());
    let calls = calls.and_then(|f| seccompiler::apply_filter(&f).map_err(|e| e.to_string()));
    walls.note("system calls by list (seccomp)", calls);
    walls
}

/// The least that holds for any process with keys in its memory: none of it goes to a disk when it dies, and no other
/// process of its account may look into it. For a server that nothing else of [`confine`] fits.
#[must_use]
pub fn keep_memory() -> Walls {
    let mut walls = Walls { hold: Vec::new(), lack: Vec::new() };
    // Older kernels tell this only in a file of the process that is not its own any more then; it is asked for once.
    let _ = rustix::param::page_size();
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let kept = setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    walls.note("no dumps of its memory", kept.map_err(|e| e.to_string()));
    walls
}

fn landlock(needs: &Needs) -> Result<RestrictionStatus, RulesetError> {
    let writes = AccessFs::from_write(ABI::V3);
    // A device node would lead around all of this, and pipes between processes are not needed.
    let beneath = writes & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeFifo);
    let ruleset = Ruleset::default()
        // The first kernels with Landlock let no file be moved to another folder, which a store must.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_write(ABI::V2) | AccessFs::Execute)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writes)?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?;
    let mut ruleset = ruleset.create()?;
    for folder in &needs.writes {
        ruleset = ruleset.add_rules(rule(folder, beneath))?;
    }
    for program in needs.starts.iter().chain(&loaders()) {
        ruleset = ruleset.add_rules(rule(program, AccessFs::Execute.into()))?;
    }
    ruleset = ruleset.add_rules(rule(Path::new(NOWHERE), AccessFs::WriteFile.into()))?;
    ruleset.restrict_self()
}

/// A rule for what stands at a path; none where nothing does, which then cannot be used either.
fn rule(
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
) -> impl Iterator<Item = Result<PathBeneath<PathFd>, RulesetError>> {
    PathFd::new(path).ok().map(|fd| Ok(PathBeneath::new(fd, access))).into_iter()
}

/// What the kernel starts in a dynamic program's stead, as this one was started: none for a static one.
fn loaders() -> BTreeSet<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped =
        maps.lines().filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])));
    let is_loader = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("ld-"))
    };
    mapped.filter(is_loader).collect()
}

fn abi(status: &RestrictionStatus) -> Result<ABI, String> {
    match (&status.ruleset, &status.landlock) {
        (RulesetStatus::NotEnforced, _) => Err("it is not enforced".to_owned()),
        (_, LandlockStatus::Available { effective_abi, .. }) => Ok(*effective_abi),
        (_, LandlockStatus::NotEnabled) => Err("it is not switched on".to_owned()),
        (_, LandlockStatus::NotImplemented) => Err("its kernel has none".to_owned()),
    }
}
