//! The open appliance: its folder, its writer, its stores and what it serves.

use crate::{
    Clock, Error, Folder, Restored, Revoked, SiteCa, SourceView,
    api_token::Shown,
    applies::Applies,
    days::Days,
    epoch, folder,
    heart::{self, Heart, Writer},
    image::Running,
    keys,
    lacks::Numbered,
    level::Collected,
    machine::FirstProgram,
    monthly::Memberships,
    network::SharedFolder,
    present::Places,
    provider::Providers,
    roster::Roster,
    rows,
    session::Sessions,
    shelf::{Shelf, ShelfHandle},
    snapshot::Snapshots,
    update::Updates,
};
use durable::{Disk, RealDisk};
use fleet::{Actor, Command, Event, Fact, State};
use ids::{Digest, SourceId, Timestamp};
use ledger::{FileLedger, Ledger};
use merkle::{KeyKind, VerifierKey};
use sandbox::Reader;
use std::{
    process,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};
use store::{Evidence, Store};
use views::{Identity, Views};

/// Entries read at once while replaying.
const REPLAY_CHUNK: u64 = 1024;

/// What a site stands on: the disk that all of its files are on, but for its lock and its views, which are made
/// anew at will; and the clock that it goes by.
#[derive(Clone)]
pub struct Ground {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Clock,
}

impl Ground {
    /// This machine's own.
    #[must_use]
    pub fn real() -> Self {
        Self { disk: Arc::new(RealDisk), clock: Clock::system() }
    }
}

/// What was worked out of the log and of what is stored, kept for who asks again; losing it costs time alone.
#[derive(Default)]
struct Kept {
    applies: Applies,
    numbered: Numbered,
    collected: Collected,
    updates: Updates,
    days: Days,
    memberships: Memberships,
}

/// The open appliance. One process has it at a time.
pub struct Site {
    folder: Folder,
    ground: Ground,
    heart: Heart,
    writer: Mutex<Option<JoinHandle<()>>>,
    store: Store,
    evidence: Evidence,
    shelf: ShelfHandle,
    reader: Reader,
    /// One import at a time.
    pub(crate) importing: Mutex<()>,
    places: Places,
    first_program: FirstProgram,
    roster: Roster,
    kept: Kept,
    revoked: Revoked,
    providers: Providers,
    sessions: Sessions,
    shown: Shown,
    log_key: VerifierKey,
    _lock: folder::Lock,
}

impl Site {
    /// Opens a founded site and replays what the last snapshot does not cover; what had to be mended
    /// is said in the ledger. `prober` is the command that tries the views after an unclean stop (see `views`).
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::NotFounded`], [`Error::DiskFull`], [`Error::OpenLedger`], or what else is broken.
    pub fn open(folder: &Folder, prober: Option<process::Command>) -> Result<Self, Error> {
        Self::open_on(folder, prober, Ground::real())
    }

    /// The same on another ground: a simulation's.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn open_on(
        folder: &Folder,
        prober: Option<process::Command>,
        ground: Ground,
    ) -> Result<Self, Error> {
        if !folder.is_founded(ground.disk.as_ref()) {
            return Err(Error::NotFounded { path: folder.path().to_owned() });
        }
        let lock = folder.lock()?;
        Self::open_locked(folder, lock, prober, ground)
    }

    pub(crate) fn open_locked(
        folder: &Folder,
        lock: folder::Lock,
        prober: Option<process::Command>,
        ground: Ground,
    ) -> Result<Self, Error> {
        let disk = Arc::clone(&ground.disk);
        epoch::finish(disk.as_ref(), folder)?;
        let restored = Restored::load(disk.as_ref(), folder)?;
        let reserve = folder.path().join("reserve");
        // Before anything is opened: on a full disk the views could not be.
        let (low, available_bytes) = heart::give_reserve(disk.as_ref(), &reserve);
        if available_bytes < heart::LEAST_BYTES {
            return Err(Error::DiskFull { available_bytes });
        }
        let key = keys::load(disk.as_ref(), folder, keys::Purpose::Log)?;
        let origin = folder.origin(disk.as_ref())?;
        let log_key = VerifierKey::new(&origin, KeyKind::Ed25519, key.verifying_key())
            .map_err(|e| Error::Input(e.to_string()))?;
        let opened = FileLedger::open(Arc::clone(&disk), &folder.ledger(), &origin, key);
        let (ledger, repairs) = opened.map_err(Error::OpenLedger)?;
        let mut snapshots = Snapshots::new(Arc::clone(&disk), &folder.state());
        let store = Store::open(Arc::clone(&disk), &folder.store()).map_err(Error::Store)?;
        let state = replay(&ledger, &mut snapshots, &store)?;
        let (views, rebuilt) = open_views(folder, &origin, &ledger, prober)?;
        let evidence = Evidence::open(disk.clone(), &folder.evidence()).map_err(Error::Store)?;
        heart::keep_reserve(disk.as_ref(), &reserve);
        let (founded, writable) = (state.site.is_some(), restored.is_none());
        let (views, clock) = (Arc::new(views), ground.clock.clone());
        let (heart, thread) = Heart::start(Writer {
            ledger,
            state,
            views,
            snapshots,
            disk,
            reserve,
            low: None,
            restored,
            clock,
        });
        let site = Self {
            folder: folder.clone(),
            ground,
            heart,
            writer: Mutex::new(Some(thread)),
            store,
            evidence,
            shelf: ShelfHandle::default(),
            reader: Reader::beside_this_program().map_err(Error::Reader)?,
            importing: Mutex::new(()),
            places: Places::default(),
            first_program: FirstProgram::default(),
            roster: Roster::default(),
            kept: Kept::default(),
            revoked: Revoked::default(),
            providers: Providers::default(),
            sessions: Sessions::default(),
            shown: Shown::default(),
            log_key,
            _lock: lock,
        };
        if founded {
            let repairs: Vec<String> = repairs.into_iter().map(|r| r.to_string()).collect();
            let views = rebuilt.map(|reason| reason.word().to_owned());
            let mended = !repairs.is_empty() || views.is_some();
            let mended = mended.then_some(Command::ReportRepairs { repairs, views });
            site.settle(mended.into_iter().chain(low).filter(|_| writable))?;
        }
        Ok(site)
    }

    /// Says what was found while opening, and makes ready what is served.
    fn settle(&self, found: impl Iterator<Item = Command>) -> Result<(), Error> {
        for command in found {
            self.heart.ask(Actor::Appliance, command)?;
        }
        self.recall_seen();
        self.refuse_retired();
        self.fill_shelf()
    }

    /// Says in the ledger that the appliance serves from now on; a restored one says nothing.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn announce(&self) -> Result<(), Error> {
        if self.restored().is_some() {
            return Ok(());
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.heart
            .ask(
                Actor::Appliance,
                Command::Start { version, data_partition: self.data_partition() },
            )
            .map(drop)
    }

    /// Ends the writer in order; the next start is quick.
    ///
    /// # Errors
    /// [`Error::Ledger`] when the last publishing failed; nothing acknowledged is lost.
    pub fn close(self) -> Result<(), Error> {
        let kept = self.keep_seen();
        let stopped = self.heart.stop();
        if let Some(thread) = self.writer.lock().ok().and_then(|mut w| w.take()) {
            drop(thread.join());
        }
        // Each by itself: on a full disk all of them may fail, and nothing is lost by it.
        let closed = self.heart.close_views();
        kept.and(stopped).and(closed)
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Now, by the clock that the site goes by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ground.clock.now()
    }

    /// The disk that the site's files are on.
    #[must_use]
    pub fn disk(&self) -> &dyn Disk {
        self.ground.disk.as_ref()
    }

    pub(crate) fn shared_disk(&self) -> &Arc<dyn Disk> {
        &self.ground.disk
    }

    /// The writer.
    #[must_use]
    pub fn heart(&self) -> &Heart {
        &self.heart
    }

    /// The state as of the last durable entry.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.heart.state()
    }

    /// Payloads.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What events only commit to.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// The image that this appliance runs from.
    pub(crate) fn running(&self) -> &Running {
        &self.first_program.running
    }

    pub(crate) fn first_program(&self) -> &FirstProgram {
        &self.first_program
    }

    /// Where changes of the network are taken.
    pub(crate) fn shared_folder(&self) -> &SharedFolder {
        &self.first_program.network
    }

    /// Who the endpoints are.
    pub(crate) fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Who is signed in.
    pub(crate) fn shown(&self) -> &Shown {
        &self.shown
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// What was indexed, and what endpoints have.
    pub(crate) fn applies(&self) -> &Applies {
        &self.kept.applies
    }

    /// When catalogues were collected.
    pub(crate) fn collected(&self) -> &Collected {
        &self.kept.collected
    }

    /// What rings lack, by number.
    pub(crate) fn numbered(&self) -> &Numbered {
        &self.kept.numbered
    }

    /// What the newest views offer, and who lacks it.
    pub(crate) fn updates(&self) -> &Updates {
        &self.kept.updates
    }

    /// How updates came, and what approvals name.
    pub(crate) fn days(&self) -> &Days {
        &self.kept.days
    }

    /// What became of endpoints, as far as it was read.
    pub(crate) fn memberships(&self) -> &Memberships {
        &self.kept.memberships
    }

    /// Certificates that are refused although the site issued them.
    #[must_use]
    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// The log's verifier key.
    pub(crate) fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }

    /// What is served.
    #[must_use]
    pub fn shelf(&self) -> &ShelfHandle {
        &self.shelf
    }

    /// The sandboxed reader.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The site's certificate authority.
    ///
    /// # Errors
    /// [`Error::Authority`].
    pub fn authority(&self) -> Result<SiteCa, Error> {
        let name = self.name()?;
        SiteCa::load_or_create(self.disk(), &self.folder.keys(), Some(&name), self.now())
            .map_err(Error::Authority)
    }

    /// The site's name.
    ///
    /// # Errors
    /// [`Error::NotFounded`].
    pub fn name(&self) -> Result<ids::SiteName, Error> {
        let site = self.state().site.clone();
        site.ok_or_else(|| Error::NotFounded { path: self.folder.path().to_owned() })
    }

    /// Keeps bytes in the store under their digest, durably.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest, Error> {
        self.store.keep(bytes).map_err(Error::Store)
    }

    /// Builds what is served from the views that the state keeps.
    ///
    /// # Errors
    /// [`Error::Store`] when a catalogue is not where the ledger says; [`Error::Input`] when it
    /// cannot be read.
    pub fn fill_shelf(&self) -> Result<(), Error> {
        let state = self.state();
        let before = self.shelf.current();
        let mut shelf = Shelf::default();
        let mut previous: Option<Arc<SourceView>> = None;
        for ((source, sequence), kept) in &state.views {
            let view = match before.view(source, *sequence) {
                Some(view) => Arc::clone(view),
                None => {
                    let catalogue = self.catalogue(source, &kept.source.catalogue)?;
                    let older = previous.as_deref().filter(|view| view.source() == source);
                    Arc::new(SourceView::new(*sequence, &catalogue, older))
                }
            };
            previous = Some(Arc::clone(&view));
            shelf.add(view);
        }
        for ((ring, source), (sequence, _)) in &state.pointers {
            shelf.point(ring, source, *sequence);
        }
        self.shelf.replace(shelf);
        Ok(())
    }

    /// A catalogue that was imported, by the digest of its target.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Input`].
    pub fn catalogue(
        &self,
        source: &SourceId,
        digest: &Digest,
    ) -> Result<catalogue::Catalogue, Error> {
        let max = bundle::COMPRESSED_BYTES_MAX;
        let bytes = self.store.read(digest, max).map_err(Error::Store)?;
        bundle::decode_catalogue(source, &bytes)
            .map_err(|e| Error::Input(format!("catalogue of {source} cannot be read: {e}")))
    }
}

/// The state after every entry of the ledger.
pub(crate) fn replay(
    ledger: &FileLedger,
    snapshots: &mut Snapshots,
    store: &Store,
) -> Result<State, Error> {
    let one = |index: u64| {
        let entry = ledger.entries(index..index + 1).ok()?.pop()?;
        fleet::decode(&entry).ok()
    };
    let mut state = match (snapshots.load(one), one(0).map(|event| event.fact)) {
        (Some(state), _) => state,
        (None, Some(Fact::EpochOpened(opened))) => {
            let json = store.read(&opened.state, epoch::STATE_BYTES_MAX).map_err(Error::Store)?;
            State::carried(&json, &opened).map_err(Error::Carried)?
        }
        (None, _) => State::default(),
    };
    for_each_event(ledger, state.entries, &mut |_, event| {
        state.evolve(&event);
        Ok(())
    })?;
    Ok(state)
}

/// Opens the views and brings them up to the ledger.
fn open_views(
    folder: &Folder,
    origin: &str,
    ledger: &FileLedger,
    prober: Option<process::Command>,
) -> Result<(Views, Option<views::Reason>), Error> {
    let identity = Identity { origin: origin.to_owned(), format: views::FORMAT };
    let prober = prober.unwrap_or_else(|| process::Command::new("false"));
    let (views, rebuilt) =
        Views::open(&folder.views(), &identity, ledger.size(), prober).map_err(Error::Views)?;
    let applied = views.applied().map_err(Error::Views)?;
    for_each_event(ledger, applied, &mut |index, event| {
        views.apply(index + 1, &rows::of(index, &event)).map_err(Error::Views)
    })?;
    Ok((views, rebuilt))
}

/// Calls `take` with every event from `first` on.
///
/// # Errors
/// [`Error::OpenLedger`], [`Error::Entry`], or what `take` answers.
pub(crate) fn for_each_event(
    ledger: &FileLedger,
    first: u64,
    take: &mut dyn FnMut(u64, Event) -> Result<(), Error>,
) -> Result<(), Error> {
    let size = ledger.size();
    let mut index = first;
    while index < size {
        let end = size.min(index + REPLAY_CHUNK);
        for entry in ledger.entries(index..end).map_err(Error::OpenLedger)? {
            let event = fleet::decode(&entry).map_err(|source| Error::Entry { index, source })?;
            take(index, event)?;
            index += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
