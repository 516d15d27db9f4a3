//! Who this endpoint is, and everything that it remembers.
//!
//! The identity (`etc/patchkeep/agent.json`) is written once, at enrolment. The memory
//! (`var/lib/patchkeep/agent.json`) is written before each step. **Invariant:** a memory that is missing or
//! cannot be read is never begun anew in silence: it is set aside, and nothing is applied until a person
//! has run `reset`, because it held the newest generation and the newest checkpoint that were seen.

use crate::{
    Error, Machine,
    files::{put, read},
    health::Facts,
    way_back::Made,
};
use api::{JobEnd, JobPhase, PlannedPackage, RunOrders, WayBack};
use ids::{Digest, EndpointName, RingName, SiteName, Timestamp};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    ops::RangeBounds,
    path::{Path, PathBuf},
};
use trust::{Envelope, SiteRoot, Verified};

const SCHEMA: u32 = 1;
const IDENTITY: &str = "/etc/patchkeep/agent.json";
const FOLDER: &str = "/var/lib/patchkeep";
const MEMORY: &str = "/var/lib/patchkeep/agent.json";
const LOCK: &str = "/var/lib/patchkeep/lock";

/// Who this endpoint is, as enrolment left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of this document's form: 1.
    pub schema: u32,
    /// The site.
    pub site: SiteName,
    /// Its own name.
    pub endpoint: EndpointName,
    /// The ring that it was enrolled into.
    pub ring: RingName,
    /// The endpoints' door.
    pub endpoints: String,
    /// SHA-256 of the site's first root, as it was handed over.
    pub site_root: Digest,
}

/// What is remembered between check-ins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) schema: u32,
    /// The chain of site roots from the first on; each start judges it again.
    pub(crate) roots: Vec<Envelope>,
    /// The newest statement seen, by ring.
    pub(crate) seen: BTreeMap<RingName, Seen>,
    /// The newest checkpoint seen.
    pub(crate) held: Option<Held>,
    /// Why nothing is applied until a person resets.
    pub(crate) alarm: Option<String>,
    /// What inventory and what plan the appliance has.
    pub(crate) inventory: Option<Digest>,
    pub(crate) plan: Option<Digest>,
    /// The sources that the appliance named last, as they came.
    pub(crate) sources: Option<String>,
    /// What the run of an approval asked last; whichever approval that is about.
    #[serde(default)]
    pub(crate) run: Option<RunOrders>,
    /// The job under way, or the last one.
    pub(crate) job: Option<Work>,
    /// When the appliance last answered, and what came of it.
    pub(crate) last: Option<Last>,
}

/// A ring's statement: its generation, and which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) generation: u64,
    pub(crate) statement: Digest,
}

/// A checkpoint as it was signed, and the epoch of the log that the site root named then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) epoch: u32,
    pub(crate) note: String,
}

/// A check-in that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) at: Timestamp,
    pub(crate) sentence: String,
}

/// A job: one approval's part for this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) approval: Envelope,
    /// SHA-256 of the approval's signed payload.
    pub(crate) statement: Digest,
    /// What is applied, as the machine's own solver had it.
    pub(crate) packages: Vec<PlannedPackage>,
    /// Of these, the ones that nobody asked for: apt's marks are put back.
    pub(crate) automatic: Vec<String>,
    pub(crate) phase: JobPhase,
    pub(crate) at: Timestamp,
    pub(crate) end: Option<JobEnd>,
    pub(crate) message: String,
    /// The endpoint's own way back.
    pub(crate) way_back: Option<Made>,
    /// What could put the machine back, or what stands in its place, once that is settled.
    pub(crate) secured: Option<WayBack>,
    /// How the machine was just before it was changed.
    #[serde(default)]
    pub(crate) before: Option<Facts>,
    /// The administrator's hooks around the change.
    #[serde(default)]
    pub(crate) hooks: Hooked,
    /// What was restarted for it, and the restart to come.
    #[serde(default)]
    pub(crate) restart: Restarting,
    /// Why it failed, once it has.
    pub(crate) failure: Option<String>,
    /// Whether the appliance has this phase.
    pub(crate) told: bool,
}

/// How far the hooks around a change are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hooked {
    /// Whether those before it were begun, so that those after it are owed.
    pub(crate) owed: bool,
    /// Why those after it failed.
    pub(crate) failure: Option<String>,
}

/// Restarts for a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restarting {
    /// The services that were restarted.
    pub(crate) services: BTreeSet<String>,
    /// When the machine is to restart, as people were told.
    pub(crate) at: Option<Timestamp>,
    /// The boot in which they were told.
    pub(crate) boot: Option<String>,
    /// Whether anybody was logged in then.
    pub(crate) people: bool,
    /// Which time they were told last, and how many seconds were left at most.
    pub(crate) told_at: Option<Timestamp>,
    pub(crate) told_mark: i64,
    /// How often it was put off.
    pub(crate) deferrals: u32,
    /// The boot in which the restart was asked for, and how often one was.
    pub(crate) asked: Option<String>,
    pub(crate) times: u32,
}

impl Identity {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error::NotEnrolled`], [`Error::Content`].
    pub fn load(machine: &Machine) -> Result<Self, Error> {
        let path = machine.path(IDENTITY);
        let bytes = read(&path)?.ok_or(Error::NotEnrolled)?;
        let reason = |reason: String| Error::Content { path: path.clone(), reason };
        let identity: Self = serde_json::from_slice(&bytes).map_err(|e| reason(e.to_string()))?;
        if identity.schema != SCHEMA {
            return Err(reason("a newer patchkeep-agent wrote it".into()));
        }
        Ok(identity)
    }

    pub(crate) fn new(
        (site, endpoint, ring): (SiteName, EndpointName, RingName),
        endpoints: String,
        site_root: Digest,
    ) -> Self {
        Self { schema: SCHEMA, site, endpoint, ring, endpoints, site_root }
    }

    pub(crate) fn save(&self, machine: &Machine) -> Result<(), Error> {
        put(&machine.path(IDENTITY), &json(self), 0o644, None)
    }

    /// The newest root of a chain that begins with the pinned one.
    ///
    /// # Errors
    /// Which root is not obeyed.
    pub(crate) fn newest_root(
        &self,
        roots: &[Envelope],
    ) -> Result<Option<Verified<SiteRoot>>, Error> {
        let refused = Error::denied("the site root");
        let mut newest: Option<Verified<SiteRoot>> = None;
        for envelope in roots {
            newest = Some(match &newest {
                None => SiteRoot::found(envelope, self.site_root).map_err(&refused)?,
                Some(root) => root.followed_by(envelope).map_err(&refused)?,
            });
        }
        if let Some(root) = newest.as_ref().filter(|root| root.site != self.site) {
            let (site, own) = (&root.site, &self.site);
            return Err(Error::Refused(format!("the site root is of site {site}, not {own}")));
        }
        Ok(newest)
    }
}

impl Memory {
    pub(crate) fn new(roots: Vec<Envelope>) -> Self {
        Self {
            schema: SCHEMA,
            roots,
            seen: BTreeMap::new(),
            held: None,
            alarm: None,
            inventory: None,
            plan: None,
            sources: None,
            run: None,
            job: None,
            last: None,
        }
    }

    /// Reads it, or sets aside what cannot be read and remembers that. It is locked by [`Lock`].
    pub(crate) fn load(machine: &Machine, identity: &Identity) -> Result<Self, Error> {
        let path = machine.path(MEMORY);
        let bytes = read(&path)?;
        let reason = match bytes.as_deref().map(serde_json::from_slice::<Self>) {
            Some(Ok(memory)) if memory.schema == SCHEMA => {
                // A chain that does not hold is damage too: it was checked before it was kept.
                match identity.newest_root(&memory.roots) {
                    Ok(_) => return Ok(memory),
                    Err(error) => format!("cannot be used ({})", crate::told(&error)),
                }
            }
            Some(Ok(_)) => {
                let reason = "a newer patchkeep-agent wrote it; it was left as it is".into();
                return Err(Error::Content { path, reason });
            }
            Some(Err(error)) => format!("cannot be read ({error})"),
            None => "is missing".to_owned(),
        };
        let mut alarm = format!("what this agent remembered, {}, {reason}", path.display());
        if bytes.is_some() {
            let aside = free_name(&path);
            fs::rename(&path, &aside).map_err(Error::file("set aside", &path))?;
            alarm.push_str(&format!("; it was set aside as {}", aside.display()));
        }
        let memory = Self { alarm: Some(alarm), ..Self::new(Vec::new()) };
        memory.save(machine)?;
        Ok(memory)
    }

    /// Reads it while another agent is at work.
    pub(crate) fn glance(machine: &Machine) -> Result<Self, Error> {
        let path = machine.path(MEMORY);
        let bytes = read(&path)?.ok_or(Error::Busy)?;
        let reason = |e: serde_json::Error| Error::Content { path, reason: e.to_string() };
        serde_json::from_slice(&bytes).map_err(reason)
    }

    pub(crate) fn save(&self, machine: &Machine) -> Result<(), Error> {
        put(&machine.path(MEMORY), &json(self), 0o600, None)
    }

    /// What the run asks of the job of this statement, as it was heard last.
    pub(crate) fn run_of(&self, statement: Digest) -> Option<&RunOrders> {
        self.run.as_ref().filter(|run| run.approval == statement)
    }

    /// Whether the job is in one of these phases.
    pub(crate) fn is_in(&self, phases: impl RangeBounds<JobPhase>) -> bool {
        self.job.as_ref().is_some_and(|job| phases.contains(&job.phase))
    }

    /// Fails while a person has to look.
    pub(crate) fn undoubted(&self) -> Result<(), Error> {
        match &self.alarm {
            Some(alarm) => Err(Error::Alarm(alarm.clone())),
            None => Ok(()),
        }
    }
}

/// Keeps other agents out until it is dropped.
pub(crate) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Lock {
    pub(crate) fn take(machine: &Machine) -> Result<Self, Error> {
        crate::files::make_folder(&machine.path(FOLDER), 0o755)?;
        let path = machine.path(LOCK);
        let file = File::create(&path).map_err(Error::file("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy),
            Err(errno) => Err(Error::file("lock", &path)(errno.into())),
        }
    }
}

/// A person has looked: the alarm is over. The log is witnessed from the next checkpoint on; the newest
/// statements, where they are still known, stay known. Gives the alarm.
///
/// # Errors
/// [`Error::NotEnrolled`], [`Error::Busy`], [`Error::File`].
pub fn reset(machine: &Machine) -> Result<Option<String>, Error> {
    let identity = Identity::load(machine)?;
    let _lock = Lock::take(machine)?;
    let mut memory = Memory::load(machine, &identity)?;
    let alarm = memory.alarm.take();
    if alarm.is_some() {
        memory.held = None;
        memory.save(machine)?;
    }
    Ok(alarm)
}

fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| path.with_extension(format!("aside-{number}"));
    (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers, lists and maps with string keys always serialize.
    serde_json::to_vec_pretty(value).unwrap_or_default()
}
