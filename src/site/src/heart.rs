//! The one writer: commands in, facts into the ledger, state and views after them.
//!
//! Commands are taken in batches; a batch is decided against the state as it grows, appended with one
//! fsync, and only then answered. A failed append ends the writer: what memory says is then no longer
//! what the disk says, and every later call is told so.
//!
//! **Invariant:** nothing is answered, shown or served before its entries are durable.

use crate::{Clock, Error, Restored, rows, snapshot::Snapshots};
use arc_swap::ArcSwap;
use durable::Disk;
use fleet::{Actor, Command, Event, Fact, State};
use ids::Fault;
use ledger::{FileLedger, Ledger};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::JoinHandle,
};
use views::Views;

/// Commands taken into one batch at most.
const BATCH_MAX: usize = 512;

/// Space kept back so that the ledger can say that the disk is full, in bytes.
const RESERVE_BYTES: usize = 16 << 20;

/// Below this much free space the reserve is given to the ledger, in bytes.
const LOW_BYTES: u64 = 4 << 20;

/// Below this much, with the reserve given, nothing more is taken in, in bytes: an append that stops in the middle ends the
/// writer, and what is kept beside the ledger writes too.
pub(crate) const LEAST_BYTES: u64 = 1 << 20;

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Done {
    /// Index of its first entry.
    pub first: u64,
    /// Its events, in order.
    pub events: Vec<Event>,
}

/// The handle on the writer. Cheap to clone.
#[derive(Clone)]
pub struct Heart {
    asks: Sender<Message>,
    state: Arc<ArcSwap<State>>,
    views: Arc<Views>,
    /// Set where nothing may be written; see `recovery.rs`.
    restored: Option<Restored>,
}

enum Message {
    Ask(Box<Ask>),
    /// Publish the tiles of everything appended and answer.
    Publish(SyncSender<Result<String, Error>>),
    Stop(SyncSender<Result<(), Error>>),
}

struct Ask {
    actor: Actor,
    command: Command,
    reply: SyncSender<Result<Done, Error>>,
}

/// What the writer owns.
pub(crate) struct Writer {
    pub(crate) ledger: FileLedger,
    pub(crate) state: State,
    pub(crate) views: Arc<Views>,
    pub(crate) snapshots: Snapshots,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) reserve: PathBuf,
    /// That the reserve was given, until the ledger says so.
    pub(crate) low: Option<Command>,
    pub(crate) restored: Option<Restored>,
    pub(crate) clock: Clock,
}

impl Heart {
    /// Starts the writer on its own thread.
    pub(crate) fn start(writer: Writer) -> (Self, JoinHandle<()>) {
        let (asks, inbox) = channel();
        let state = Arc::new(ArcSwap::from_pointee(writer.state.clone()));
        let shown = Arc::clone(&state);
        let views = Arc::clone(&writer.views);
        let restored = writer.restored.clone();
        let thread = std::thread::spawn(move || writer.run(&inbox, &shown));
        (Self { asks, state, views, restored }, thread)
    }

    /// Asks for a command and waits until its entries are durable.
    ///
    /// # Errors
    /// [`Error::Refused`] when the rules say no, [`Error::Restored`] where nothing may be written, [`Error::DiskFull`] where
    /// nothing can be, [`Error::Ledger`] or [`Error::Stopped`] when the ledger cannot be.
    pub fn ask(&self, actor: Actor, command: Command) -> Result<Done, Error> {
        self.restored.as_ref().map_or(Ok(()), Restored::refuse)?;
        let (reply, answer) = sync_channel(1);
        let ask = Message::Ask(Box::new(Ask { actor, command, reply }));
        self.asks.send(ask).map_err(|_| Error::Stopped)?;
        answer.recv().map_err(|_| Error::Stopped)?
    }

    /// The state as it would be after a command that nobody gives: for previews.
    ///
    /// # Errors
    /// [`Error::Refused`] when the rules would say no.
    pub(crate) fn would(&self, command: Command, now: ids::Timestamp) -> Result<State, Error> {
        let mut state = State::clone(&self.state());
        for fact in fleet::decide(&state, command, now).map_err(Error::Refused)? {
            state.evolve(&Event { at: now, actor: Actor::Appliance, fact });
        }
        Ok(state)
    }

    /// Of which backup this appliance was restored, as long as its next epoch is not open.
    #[must_use]
    pub fn restored(&self) -> Option<&Restored> {
        self.restored.as_ref()
    }

    /// The state as of the last durable entry.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// The views; they may be a batch behind the state.
    #[must_use]
    pub fn views(&self) -> &Views {
        &self.views
    }

    /// Publishes tiles and checkpoint for all entries so far; returns the checkpoint.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn publish(&self) -> Result<String, Error> {
        let (reply, answer) = sync_channel(1);
        self.asks.send(Message::Publish(reply)).map_err(|_| Error::Stopped)?;
        answer.recv().map_err(|_| Error::Stopped)?
    }

    /// Writes the views out; the writer must have stopped.
    ///
    /// # Errors
    /// [`Error::Views`].
    pub(crate) fn close_views(self) -> Result<(), Error> {
        match Arc::try_unwrap(self.views) {
            Ok(views) => views.close().map_err(Error::Views),
            Err(_) => Ok(()), // still read by somebody: the next start probes them
        }
    }

    /// Publishes, and ends the writer.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn stop(&self) -> Result<(), Error> {
        let (reply, answer) = sync_channel(1);
        self.asks.send(Message::Stop(reply)).map_err(|_| Error::Stopped)?;
        answer.recv().map_err(|_| Error::Stopped)?
    }
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Message>, shown: &ArcSwap<State>) {
        while let Ok(first) = inbox.recv() {
            let mut batch = Vec::new();
            let mut after = None;
            for message in std::iter::once(first).chain(inbox.try_iter().take(BATCH_MAX)) {
                match message {
                    Message::Ask(ask) => batch.push(*ask),
                    other => {
                        after = Some(other);
                        break;
                    }
                }
            }
            if !batch.is_empty() && !self.batch(batch, shown) {
                return;
            }
            match after {
                Some(Message::Publish(reply)) => {
                    let published = self.publish();
                    drop(reply.send(published.map(|()| self.ledger.checkpoint().to_owned())));
                }
                Some(Message::Stop(reply)) => {
                    drop(reply.send(self.publish()));
                    return;
                }
                Some(Message::Ask(_)) | None => {}
            }
        }
    }

    /// What is published can wait until there is room: the journal has it.
    fn publish(&mut self) -> Result<(), Error> {
        self.ledger.publish().map_err(|error| match error.is_storage_full() {
            true => {
                Error::DiskFull { available_bytes: available(self.disk.as_ref(), &self.reserve) }
            }
            false => Error::Ledger(error),
        })
    }

    /// Decides, appends, evolves, answers. False when the writer must end.
    fn batch(&mut self, asks: Vec<Ask>, shown: &ArcSwap<State>) -> bool {
        let mut entries = Vec::new();
        let mut answers = Vec::new();
        let begun = self.state.entries;
        let available_bytes = self.note_low_space(&mut entries);
        for ask in asks {
            let taken: u64 = entries.iter().map(|(_, bytes)| bytes.len() as u64).sum();
            let answer = match available_bytes.saturating_sub(taken) < LEAST_BYTES {
                true => Err(Error::DiskFull { available_bytes }),
                false => self.decide(ask.actor, ask.command, &mut entries),
            };
            answers.push((ask.reply, answer));
        }
        if !entries.is_empty() {
            self.snapshot(&mut entries);
            let (events, bytes): (Vec<Event>, Vec<Vec<u8>>) = entries.into_iter().unzip();
            if let Err(failure) = self.ledger.append(bytes) {
                let mut failure = Some(failure);
                for (reply, answer) in answers {
                    let told = failure.take().map_or(Error::Stopped, Error::Ledger);
                    drop(reply.send(answer.and(Err(told))));
                }
                return false;
            }
            shown.store(Arc::new(self.state.clone()));
            let rows: Vec<_> = (begun..).zip(&events).flat_map(|(i, e)| rows::of(i, e)).collect();
            if let Err(source) = self.views.apply(self.state.entries, &rows) {
                tracing::warn!(%source, "views are behind and will be built again at the next start");
            }
        }
        for (reply, answer) in answers {
            drop(reply.send(answer));
        }
        true
    }

    fn decide(
        &mut self,
        actor: Actor,
        command: Command,
        entries: &mut Vec<(Event, Vec<u8>)>,
    ) -> Result<Done, Error> {
        let now = self.clock.now();
        let facts = fleet::decide(&self.state, command, now).map_err(Error::Refused)?;
        let first = self.state.entries;
        let mut made = Vec::new();
        for (index, fact) in (first..).zip(facts) {
            let event = Event { at: now, actor: actor.clone(), fact };
            let bytes = fleet::encode(&event).map_err(|source| Error::Entry { index, source })?;
            made.push((event, bytes));
        }
        for (event, _) in &made {
            self.state.evolve(event);
        }
        let events = made.iter().map(|(event, _)| event.clone()).collect();
        entries.extend(made);
        Ok(Done { first, events })
    }

    /// Says what the state's digest is, when it is time, and keeps the state beside the ledger.
    fn snapshot(&mut self, entries: &mut Vec<(Event, Vec<u8>)>) {
        if !self.snapshots.due(&self.state) {
            return;
        }
        match self.snapshots.write(&self.state) {
            Ok(sha256) => {
                let command = Command::SnapshotState { sha256 };
                drop(self.decide(Actor::Appliance, command, entries));
            }
            Err(source) => tracing::warn!(%source, "no snapshot of the state was written"),
        }
    }

    /// When the disk is almost full, gives the reserve to the ledger and says so, once there is room for that; how many bytes are
    /// free then.
    fn note_low_space(&mut self, entries: &mut Vec<(Event, Vec<u8>)>) -> u64 {
        let (given, available_bytes) = give_reserve(self.disk.as_ref(), &self.reserve);
        self.low = given.or(self.low.take());
        if let Some(command) = self.low.take_if(|_| available_bytes >= LEAST_BYTES) {
            drop(self.decide(Actor::Appliance, command, entries));
        }
        available_bytes
    }
}

/// Gives the reserve up when the disk is almost full; the command says so in the ledger. How many bytes are free then.
pub(crate) fn give_reserve(disk: &dyn Disk, reserve: &Path) -> (Option<Command>, u64) {
    let available_bytes = available(disk, reserve);
    let given = available_bytes < LOW_BYTES && disk.remove(reserve).is_ok();
    let command = Command::ReportFull { needed_bytes: LOW_BYTES, available_bytes };
    (given.then_some(command), available(disk, reserve))
}

/// Free space beside the reserve, in bytes. A disk that does not say is found out by writing to it.
fn available(disk: &dyn Disk, reserve: &Path) -> u64 {
    reserve.parent().and_then(|folder| disk.available(folder).ok()).unwrap_or(u64::MAX)
}

/// Makes the reserve where there is room for it again.
pub(crate) fn keep_reserve(disk: &dyn Disk, reserve: &Path) {
    if disk.len(reserve).is_err() && available(disk, reserve) > 4 * RESERVE_BYTES as u64 {
        // Zeros would be a hole on some file systems; any other byte takes real space.
        if let Err(source) = disk.write_atomic(reserve, &vec![0xa5; RESERVE_BYTES]) {
            tracing::warn!(%source, "no space could be kept back for the ledger");
        }
    }
}

/// Whether an error means that the writer is gone and the program should end.
#[must_use]
pub fn is_fatal(error: &Error) -> bool {
    error.fault() == Fault::Broken && matches!(error, Error::Ledger(_) | Error::Stopped)
}

/// The facts of an answer, for those who look for one.
impl Done {
    /// The first fact that `pick` takes.
    pub fn find<T>(&self, pick: impl Fn(&Fact) -> Option<T>) -> Option<T> {
        self.events.iter().find_map(|event| pick(&event.fact))
    }
}
