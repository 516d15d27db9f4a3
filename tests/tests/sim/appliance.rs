//! The appliance of a simulated world: the real site on a disk that fails and forgets, under a clock that jumps.

use crate::{Right, audit::Audit, chance::Chance};
use durable::{Failure, FaultyDisk, MemDisk};
use fleet::{Event, State};
use ids::{Digest, Fault, Timestamp};
use jiff::SignedDuration;
use merkle::VerifierKey;
use site::{Clock, Error, Folder, Founding, Ground, Site};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tempfile::TempDir;

/// What the appliance made of a question.
pub(crate) enum Answer<T> {
    Yes(T),
    No(Error),
    /// It is not there, or went away over it: nobody knows what became of the question.
    Away,
}

impl<T> Answer<T> {
    pub(crate) fn yes(self) -> Option<T> {
        match self {
            Self::Yes(what) => Some(what),
            Self::No(_) | Self::Away => None,
        }
    }
}

/// How much was done to it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Harm {
    /// Power cuts and kills.
    pub(crate) crashes: u64,
    /// Operations of the disk that failed.
    pub(crate) failures: u64,
}

/// The appliance.
pub(crate) struct Appliance {
    folder: Folder,
    _scratch: TempDir,
    clock: Arc<AtomicI64>,
    disk: MemDisk,
    faulty: FaultyDisk,
    site: Option<Site>,
    key: Option<VerifierKey>,
    chance: Chance,
    down_until: Timestamp,
    /// The operation that is to fail, and whether the program dies there.
    planned: Option<(usize, bool)>,
    /// Whether one has failed since it was opened.
    hurt: bool,
    /// What a disk that lies about its syncs really has.
    really: Option<MemDisk>,
    lies: bool,
    pub(crate) audit: Audit,
    pub(crate) harm: Harm,
    /// Whether nothing happens to it any more.
    pub(crate) calm: bool,
}

impl Appliance {
    /// A site that was founded a moment ago, and is closed.
    pub(crate) fn found(
        founding: &Founding,
        at: Timestamp,
        chance: Chance,
        lies: bool,
    ) -> Right<Self> {
        let scratch = TempDir::new().map_err(|e| e.to_string())?;
        let folder = Folder::at(&scratch.path().join("site"));
        let disk = MemDisk::new();
        let clock = Arc::new(AtomicI64::new(at.as_millisecond()));
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        let mut appliance = Self {
            folder,
            _scratch: scratch,
            clock,
            disk,
            faulty,
            site: None,
            key: None,
            chance,
            down_until: at,
            planned: None,
            hurt: false,
            really: None,
            lies,
            audit: Audit::default(),
            harm: Harm::default(),
            calm: true,
        };
        use durable::Disk as _;
        let parent = appliance.folder.path().to_owned();
        appliance.disk.create_dir_all(&parent).map_err(|e| e.to_string())?;
        let actor = crate::people::administrator();
        let founded = site::found_on(&appliance.folder, founding, actor, appliance.ground());
        founded.map_err(|e| told(&e))?;
        appliance.open()?;
        Ok(appliance)
    }

    fn ground(&self) -> Ground {
        let clock = Arc::clone(&self.clock);
        let now =
            move || Timestamp::from_millisecond(clock.load(Ordering::SeqCst)).unwrap_or_default();
        Ground { disk: Arc::new(self.faulty.clone()), clock: Clock::of(now) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.load(Ordering::SeqCst)).unwrap_or_default()
    }

    /// Time goes on by a little: no two things happen at the same moment.
    pub(crate) fn tick(&self) {
        self.clock.fetch_add(1, Ordering::SeqCst);
    }

    /// Time jumps.
    pub(crate) fn jump(&self, at: Timestamp) {
        self.clock.fetch_max(at.as_millisecond(), Ordering::SeqCst);
    }

    /// Whose signature the log bears.
    pub(crate) fn log_key(&mut self, key: VerifierKey) {
        self.key = Some(key);
    }

    /// The state that it shows; nothing while it is away.
    pub(crate) fn state(&self) -> Option<Arc<State>> {
        self.site.as_ref().map(Site::state)
    }

    pub(crate) fn is_away(&self) -> bool {
        self.site.is_none()
    }

    /// Asks the site, whose disk may fail at that.
    pub(crate) fn ask<T>(
        &mut self,
        ask: impl FnOnce(&Site) -> Result<T, Error>,
    ) -> Right<Answer<T>> {
        self.tick();
        let Some(site) = &self.site else { return Ok(Answer::Away) };
        let answer = ask(site);
        self.audit.remember(site.state());
        let struck = self.planned.take_if(|(at, _)| self.faulty.operations() > *at);
        let dead = struck.is_some_and(|(_, dies)| dies);
        self.harm.failures += u64::from(struck.is_some());
        self.hurt |= struck.is_some();
        if struck.is_some() && !dead {
            self.faulty.lift();
        }
        match answer {
            Ok(what) => {
                if dead {
                    self.crash();
                }
                Ok(Answer::Yes(what))
            }
            Err(error) if is_broken(&error) => {
                // The writer may end over a question that is refused for another reason; the next one is told.
                let told_late = self.hurt && matches!(error, Error::Stopped);
                if struck.is_none() && !told_late {
                    return Err(format!("the site fails on a good disk: {}", told(&error)));
                }
                if dead || site::is_fatal(&error) {
                    self.crash();
                }
                Ok(Answer::Away)
            }
            Err(error) => {
                if dead {
                    self.crash();
                }
                Ok(Answer::No(error))
            }
        }
    }

    /// Sets up that one of the next operations of its disk fails.
    pub(crate) fn is_to_fail(&mut self) {
        if self.planned.is_none() && self.site.is_some() {
            self.planned = Some(plan(&self.faulty, &mut self.chance));
        }
    }

    /// A disk that lies says that all is durable, and from here on nothing is.
    pub(crate) fn lie(&mut self) {
        if self.lies && self.really.is_none() {
            self.really = Some(self.disk.after_power_cut());
        }
    }

    /// It stops where it stands: killed, or without power, when only what was synced is left.
    pub(crate) fn crash(&mut self) {
        let Some(site) = self.site.take() else { return };
        self.harm.crashes += 1;
        let killed = !self.lies && self.chance.one_in(3);
        if !killed {
            self.disk = match self.really.take() {
                Some(really) => really,
                None => self.disk.after_power_cut(),
            };
        }
        drop(site);
        self.planned = None;
        let away = if self.calm { 0 } else { self.chance.below(90) };
        let away = SignedDuration::from_mins(i64::try_from(away).unwrap_or(0));
        self.down_until = self.now().saturating_add(away).unwrap_or(Timestamp::MAX);
    }

    /// Starts it again, once that is due; what it knows then is held against what it had acknowledged.
    pub(crate) fn come_back(&mut self) -> Right<Vec<Event>> {
        if self.site.is_some() || self.now() < self.down_until {
            return Ok(Vec::new());
        }
        self.tick();
        if !self.calm && self.chance.one_in(4) {
            // It goes down once more while it comes up.
            self.faulty = FaultyDisk::new(Arc::new(self.disk.clone()));
            let at = usize::try_from(self.chance.below(24)).unwrap_or(0);
            self.faulty.crash_at(at, failure(&mut self.chance));
            drop(Site::open_on(&self.folder, None, self.ground()));
            self.harm.crashes += 1;
            self.disk = self.disk.after_power_cut();
        }
        self.open()?;
        self.read_log()
    }

    fn open(&mut self) -> Right<()> {
        (self.planned, self.hurt) = (None, false);
        self.faulty = FaultyDisk::new(Arc::new(self.disk.clone()));
        let opened = Site::open_on(&self.folder, None, self.ground());
        self.site =
            Some(opened.map_err(|e| format!("the site does not open again: {}", told(&e)))?);
        Ok(())
    }

    /// Reads the log as an auditor would, and gives what is new in it.
    pub(crate) fn read_log(&mut self) -> Right<Vec<Event>> {
        let Some(key) = self.key.clone() else { return Ok(Vec::new()) };
        if self.ask(|site| site.heart().publish())?.yes().is_none() {
            return Ok(Vec::new());
        }
        let Some(state) = self.state() else { return Ok(Vec::new()) };
        self.audit.go_on(&self.disk, &self.folder.ledger(), &key, &state)
    }

    /// Reads the whole log once more, each tile against the signed root.
    pub(crate) fn verify_log(&self) -> Right<()> {
        let blobs = durable::FileBlobs::new(Arc::new(self.disk.clone()), self.folder.ledger());
        let key = self.key.as_ref().ok_or("the site has no root")?;
        let log = ledger::Log::read(Arc::new(blobs), key).map_err(|e| e.to_string())?;
        log.verify_all().map_err(|e| e.to_string())
    }

    /// Keeps a value as evidence, as the providers' driver does.
    pub(crate) fn keep(&mut self, value: serde_json::Value) -> Right<Option<Digest>> {
        let mut salt = [0; 32];
        for part in salt.chunks_mut(8) {
            part.copy_from_slice(&self.chance.number().to_le_bytes());
        }
        Ok(self.ask(|site| site.evidence().put(value, salt).map_err(Error::Store))?.yes())
    }
}

/// Plans a failure within the next operations: the number of the operation, and whether the program dies there.
fn plan(disk: &FaultyDisk, chance: &mut Chance) -> (usize, bool) {
    let at = disk.operations() + usize::try_from(chance.below(12)).unwrap_or(0);
    let failure = failure(chance);
    match chance.below(3) {
        0 => disk.fail_at(at, failure),
        1 => disk.full_from(at),
        _ => {
            disk.crash_at(at, failure);
            return (at, true);
        }
    }
    (at, false)
}

fn failure(chance: &mut Chance) -> Failure {
    match chance.below(3) {
        0 => Failure::Before,
        1 => Failure::After,
        _ => Failure::Torn(usize::try_from(chance.below(400)).unwrap_or(0)),
    }
}

/// Whether this is not an answer but a failure.
fn is_broken(error: &Error) -> bool {
    match error {
        Error::Ledger(_) | Error::Stopped | Error::Folder { .. } | Error::Key { .. } => true,
        Error::OpenLedger(_) | Error::Entry { .. } | Error::Views(_) | Error::State(_) => true,
        Error::Store(_) | Error::Authority(_) => {
            matches!(error.fault(), Fault::Broken | Fault::Unavailable)
        }
        _ => false,
    }
}

pub(crate) fn told(error: &dyn std::error::Error) -> String {
    site::chain(error)
}
