//! PID 1 of the appliance: from the kernel's hand-over to a server that runs, and then until the power goes.
//!
//! It goes through [`Phase`]s in order. One that fails says so on the screen and the next ones do what they can: a dead
//! disk still boots to a screen that says so. Then it waits for [`Event`]s in one loop: it starts the server again
//! when that ended, reaps what others left, loads modules for devices that are plugged in, has media read, pets the watchdog, and
//! shuts down in order when the power button is pressed.
//!
//! **Invariant:** it never ends, and starts nothing but the server, its verbs, what reads and writes media, and the programs that make, open and check the data partition.
//! **Invariant:** nothing is the server's account's but its own folder, and those in which it asks for an image, a network or a file on a medium.

mod clock;
mod crypt;
mod data;
mod dhcp;
mod error;
mod esp;
mod firmware;
mod media;
mod menu;
mod modules;
mod mount;
mod netlink;
mod network;
mod phase;
mod power;
mod program;
mod screen;
mod server;
mod settings;
mod update;
mod usb;
mod watchdog;

use data::room::Room;
use error::{Error, chain};
use menu::{Menu, Wish};
use phase::Phase;
use rustix::{
    process::{Pid, Signal, WaitOptions},
    system::{RebootCommand, reboot},
};
use screen::View;
use server::{Server, Serving};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// How often the loop goes round when nothing happens; the watchdog is petted each time.
const ROUND: Duration = Duration::from_secs(1);
/// How often it is noted that the appliance is alive, for the clock's floor.
const ALIVE_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long the server may take to close its folder before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// How long a broken screen stands before the machine starts again.
const BROKEN_FOR: Duration = Duration::from_secs(30);

/// How long after the start a medium may set another network, where one is set already.
const CHANGED_WITHIN: Duration = Duration::from_secs(60);

/// How the line begins in which the server says how it is confined.
const CONFINED: &str = "Confined";

/// What is typed to give up what is locked.
const ERASE: &str = "erase everything";
/// What is asked as long as the data partition is locked.
const LOCKED: &str = "Type its recovery key and Enter, and the TPM is bound to this image as it was started now; or, where nobody has \
                      the key, type erase everything:";

/// What is asked as long as a passphrase opens it.
const TYPED: &str = "Type its passphrase, which is not shown, and Enter; or, where nobody has it, give everything up by typing erase everything:";

/// What may happen.
#[derive(Debug)]
enum Event {
    PowerButton,
    /// Somebody asks PID 1 to end (SIGTERM), or for a restart (Ctrl-Alt-Del).
    Stop(Ending),
    ChildEnded,
    /// A device asks for a module.
    Device(String),
    /// An input device turned up.
    Input(PathBuf),
    /// Block devices turned up or went away.
    Blocks,
    /// A drive of this name has another disc, or none.
    Disc(String),
    /// What turned up on USB, by its path in /sys.
    Interface(String),
    /// What was learnt of a medium.
    Medium(media::Key, media::News),
    Serving(Serving),
    /// Which service levels are missed.
    Levels(Vec<String>),
    /// News of the address that DHCP lends, with the number of who asked.
    Dhcp(u64, dhcp::News),
    /// What became of an image that the server handed over.
    Image(update::Taken),
    /// The spare image was made anew.
    Spare(Result<(), Error>),
    /// A line that the server wrote.
    Line(String),
    /// A line that a person typed on a console.
    Typed(String, String),
}

/// How it all ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    PowerOff,
    Restart,
    /// With a data partition that is blank.
    Erase,
    /// With one that is encrypted with this passphrase, and empty.
    Encrypt(String),
}

fn main() {
    let ending = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        let now = "PID 1 is broken; the machine starts again soon.".to_owned();
        screen::show(&View { now, ..View::default() });
        thread::sleep(BROKEN_FOR);
        Ending::Restart
    });
    loop {
        let command = match ending {
            Ending::PowerOff => RebootCommand::PowerOff,
            Ending::Restart | Ending::Erase | Ending::Encrypt(_) => RebootCommand::Restart,
        };
        let _ = reboot(command);
        // A machine that cannot switch itself off stays at its last screen.
        thread::sleep(ROUND);
    }
}

fn run() -> Ending {
    let (events, happened) = channel();
    let mut appliance = Appliance::new(events);
    for phase in phase::ALL {
        let became = appliance.go_through(phase, &happened).map_err(|error| chain(&error));
        appliance.view.phases.push((phase, became));
        screen::show(&appliance.view);
        appliance.watchdog.iter_mut().for_each(watchdog::Watchdog::pet);
        if appliance.ending.is_some() {
            break;
        }
    }
    let ending = match appliance.ending.take() {
        Some(ending) => ending,
        None => appliance.live(&happened),
    };
    appliance.shut_down(&happened, &ending);
    ending
}

/// The appliance as PID 1 sees it.
struct Appliance {
    events: Sender<Event>,
    view: View,
    image: mount::Image,
    loader: Option<modules::Loader>,
    network: Option<network::Network>,
    media: media::Media,
    server: Option<Server>,
    watchdog: Option<watchdog::Watchdog>,
    slots: Option<update::Slots>,
    /// By console.
    menus: BTreeMap<String, Menu>,
    /// When the machine starts again, since nothing is known of the slots and another one would be started.
    gives_up_at: Option<Instant>,
    has_data: bool,
    /// Whether it is heard what is typed.
    listens: bool,
    /// How it ends before it was up.
    ending: Option<Ending>,
    /// Why the machine is to start again.
    restart: Option<&'static str>,
    begun: Instant,
    usb_is_closed: bool,
    alive: Instant,
}

impl Appliance {
    fn new(events: Sender<Event>) -> Self {
        let now = Instant::now();
        Self {
            media: media::Media::new(events.clone()),
            events,
            view: View::default(),
            image: mount::Image::default(),
            loader: None,
            network: None,
            server: None,
            watchdog: None,
            slots: None,
            menus: BTreeMap::new(),
            gives_up_at: None,
            has_data: false,
            listens: false,
            ending: None,
            restart: None,
            begun: now,
            usb_is_closed: false,
            alive: now,
        }
    }

    /// Does what a phase is for; what was done, for the screen.
    fn go_through(&mut self, phase: Phase, happened: &Receiver<Event>) -> Result<String, Error> {
        match phase {
            Phase::Mount => {
                mount::all()?;
                self.image = mount::Image::read()?;
                self.view.version = self.image.line();
                watch_signals(self.events.clone())?;
                Ok(mount::harden())
            }
            Phase::Modules => self.load_modules(),
            Phase::Data => self.open_data(happened),
            Phase::Clock => clock::lift(self.image.built_seconds),
            Phase::Slots => self.look_at_slots(),
            Phase::Network => self.bring_up_network(),
            Phase::Server => Ok(self.prepare_server()),
            Phase::Watchdog => {
                let (watchdog, done) = watchdog::Watchdog::open()?;
                self.watchdog = Some(watchdog);
                Ok(done)
            }
            Phase::Screen => {
                self.listen();
                let looked = self.media.begin();
                self.note(looked);
                Ok("listens to the power button and what is typed".to_owned())
            }
        }
    }

    /// Opens the data partition; a person is asked for the recovery key where the TPM does not give its own.
    fn open_data(&mut self, happened: &Receiver<Event>) -> Result<String, Error> {
        if let Some(measured) = crypt::measured() {
            screen::log(&format!("What was started measures {measured}."));
        }
        let opened = match data::open() {
            Err(error @ (Error::Locked | Error::Unmeasured | Error::Typed)) => {
                self.ask_for_key(error, happened)?
            }
            opened => opened?,
        };
        self.has_data = true;
        self.look_at_room();
        self.note(data::folders());
        self.view.recovery_key = opened.recovery;
        Ok(opened.done)
    }

    /// Asks for the recovery key until one opens the data partition, or the machine is to end.
    fn ask_for_key(
        &mut self,
        locked: Error,
        happened: &Receiver<Event>,
    ) -> Result<data::Opened, Error> {
        // Most likely an image on trial, which the TPM does not know: the one before comes back.
        let on_trial = firmware::open()? && firmware::starts_another_next();
        let within = on_trial.then(update::trial_within);
        let begun = Instant::now();
        self.listen();
        self.view.now = format!("The data partition is locked: {}.", chain(&locked));
        let asks = if matches!(locked, Error::Typed) { TYPED } else { LOCKED };
        self.view.asks = Some(asks);
        screen::consoles().iter().for_each(|console| screen::show_typed(console, asks == LOCKED));
        screen::show(&self.view);
        let mut later = Vec::new();
        let opened = loop {
            self.ending = match happened.recv_timeout(ROUND) {
                Ok(Event::PowerButton) => Some(Ending::PowerOff),
                Ok(Event::Stop(ending)) => Some(ending),
                Ok(Event::Typed(_, line)) if line.trim() == ERASE => Some(Ending::Erase),
                Ok(Event::Typed(console, line)) => match data::recover(&locked, &line) {
                    Ok(opened) => break Ok(opened),
                    Err(error) => {
                        screen::say(&console, &format!("{}. {asks}", chain(&error)));
                        None
                    }
                },
                Ok(other) => {
                    later.push(other);
                    None
                }
                Err(_) if within.is_some_and(|within| begun.elapsed() > within) => {
                    Some(Ending::Restart)
                }
                Err(_) => None,
            };
            if self.ending.is_some() {
                break Err(locked);
            }
        };
        self.view.asks = None;
        screen::consoles().iter().for_each(|console| screen::show_typed(console, true));
        later.into_iter().for_each(|event| drop(self.events.send(event)));
        opened
    }

    fn listen(&mut self) {
        if std::mem::replace(&mut self.listens, true) {
            return;
        }
        screen::listen(&self.events);
    }

    fn look_at_slots(&mut self) -> Result<String, Error> {
        if !firmware::open()? {
            return Ok("none: the kernel was started without firmware".to_owned());
        }
        let opened = match self.has_data {
            true => update::Slots::open(&self.image.version),
            false => Err(Error::Image { why: "not known without the data partition".to_owned() }),
        };
        if opened.is_err() && firmware::starts_another_next() {
            // Most likely an image on trial, which nobody could bless.
            self.gives_up_at = Some(Instant::now() + update::trial_within());
        }
        let (slots, said) = opened?;
        self.slots = Some(slots);
        screen::log(&said);
        Ok(said)
    }

    fn load_modules(&mut self) -> Result<String, Error> {
        // Before looking round, so that nothing is missed in between.
        power::watch_devices(self.events.clone()).map_err(|source| Error::Signals { source })?;
        let mut loader = modules::Loader::open()?;
        let mut failed = loader.load_listed();
        failed.extend(loader.load_for_devices());
        failed.iter().for_each(|error| self.view.trouble(chain(error)));
        let done = format!("{} loaded for the devices that are there", loader.count());
        self.loader = Some(loader);
        // Whoever presses the power button during the start is heard at its end.
        power::inputs().into_iter().for_each(|input| power::listen(input, self.events.clone()));
        Ok(done)
    }

    fn bring_up_network(&mut self) -> Result<String, Error> {
        netlink::loopback()?;
        let (mut network, read) = network::Network::open(self.has_data, self.events.clone());
        let done = network.bring_up();
        self.view.address = network.address().map(|address| address.ip().to_string());
        self.network = Some(network);
        read.and(done)
    }

    fn prepare_server(&mut self) -> String {
        if !self.has_data {
            self.view.now = "The server does not run: it has no data partition.".to_owned();
            return "waits for a data partition".to_owned();
        }
        let reached = self.network.as_ref().filter(|network| network.address().is_some());
        let Some(network) = reached else {
            self.view.now = "The server waits for an address.".to_owned();
            return "waits for an address".to_owned();
        };
        let image = self.slots.as_ref().map(|_| self.image.version.clone());
        self.server = Some(Server::new(network.names(), image, self.events.clone()));
        self.view.now = "The server is starting.".to_owned();
        "is started".to_owned()
    }

    /// Goes on with what became of the network: the server is reached by other names, and the screen says so.
    fn go_on_reached(&mut self, changed: Result<network::Changed, Error>) {
        let changed = match changed {
            Ok(changed) if changed == network::Changed::default() => return,
            Ok(changed) => changed,
            Err(error) => {
                self.trouble(chain(&error));
                network::Changed { reached: true, says: None }
            }
        };
        changed.says.iter().for_each(|words| screen::log(words));
        let Some(network) = &self.network else { return };
        let address = network.address();
        self.view.address = address.map(|address| address.ip().to_string());
        self.view.trial = network.trial().cloned();
        let became = match (network.trouble(), changed.says) {
            (Some(trouble), _) => Err(trouble.to_owned()),
            (None, Some(words)) => Ok(words),
            (None, None) => Ok("as it was set".to_owned()),
        };
        self.view.set_phase(Phase::Network, became);
        if changed.reached {
            match (&mut self.server, address) {
                (Some(server), Some(_)) => server.serve_as(network.names()),
                (None, Some(_)) => {
                    let done = self.prepare_server();
                    self.view.set_phase(Phase::Server, Ok(done));
                }
                (_, None) => {}
            }
        }
        screen::show(&self.view);
    }

    /// Waits for what happens until it is to end.
    fn live(&mut self, happened: &Receiver<Event>) -> Ending {
        loop {
            match happened.recv_timeout(ROUND) {
                Ok(event) => {
                    if let Some(ending) = self.take(event) {
                        return ending;
                    }
                }
                // The appliance itself holds a sender, so that nobody hangs up.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.go_round();
            if let Some(why) = self.restart {
                self.view.trouble(why.to_owned());
                return Ending::Restart;
            }
        }
    }

    /// What is looked after each second.
    fn go_round(&mut self) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.pet();
        }
        let changed = self.network.as_mut().map(network::Network::see_to);
        changed.into_iter().for_each(|changed| self.go_on_reached(changed));
        if self.begun.elapsed() > usb::LETS_IN_FOR
            && !std::mem::replace(&mut self.usb_is_closed, true)
        {
            self.note(usb::close());
        }
        self.take_network_off_media();
        if self.has_data && self.alive.elapsed() > ALIVE_EVERY {
            self.alive = Instant::now();
            self.note(clock::keep());
        }
        let seen_to = self.server.as_mut().map_or(Ok(()), Server::see_to);
        self.note(seen_to);
        self.see_to_slots();
        if self.has_data {
            let seen_to = self.media.see_to_writing();
            self.note(seen_to);
            self.look_at_room();
        }
        if self.gives_up_at.is_some_and(|at| at < Instant::now()) {
            self.restart = Some("This image cannot do its work: the other one is started.");
        }
    }

    /// Shows it where room on the data partition becomes scarce, or is there again.
    fn look_at_room(&mut self) {
        let room = data::room::now();
        let before = std::mem::replace(&mut self.view.room, room);
        let scarce = |room: Option<Room>| room.and_then(Room::scarce);
        if scarce(before) != scarce(room) {
            screen::show(&self.view);
        }
    }

    fn see_to_slots(&mut self) {
        let serves_site = matches!(self.view.serving, Some(Serving::Site { .. }));
        let said = self.server.as_ref().map(Server::said).unwrap_or_default();
        let Some(slots) = &mut self.slots else { return };
        let done = slots.see_to(serves_site, &said, &self.events);
        let waits_for = slots.waits_for();
        self.go_on(done);
        if self.view.waits_for != waits_for {
            self.view.waits_for = waits_for;
            screen::show(&self.view);
        }
    }

    /// Says or does what looking after the slots came to.
    fn go_on(&mut self, done: Result<update::Done, Error>) {
        match done {
            Ok(update::Done::Nothing) => {}
            Ok(update::Done::Say(words)) => {
                screen::log(&words);
                self.trouble(words);
            }
            Ok(update::Done::Restart(why)) => self.restart = Some(why),
            Err(error) => self.trouble(chain(&error)),
        }
    }

    /// Takes the network's settings off a medium: while there is no address, and at the start, so that it can be changed.
    fn take_network_off_media(&mut self) {
        let may_change = self.view.address.is_none() || self.begun.elapsed() < CHANGED_WITHIN;
        if let Some(settings) = self.media.network().filter(|_| self.has_data && may_change) {
            let changed = self.network.as_mut().map(|network| network.set_there(settings));
            changed.into_iter().for_each(|changed| self.go_on_reached(changed));
        }
    }

    /// Does what an event asks for; how it all ends, if it does.
    fn take(&mut self, event: Event) -> Option<Ending> {
        match event {
            Event::PowerButton => return Some(Ending::PowerOff),
            Event::Stop(ending) => return Some(ending),
            Event::ChildEnded => self.reap(),
            Event::Device(device) => {
                let failed =
                    self.loader.as_mut().map(|loader| loader.announce(&device)).unwrap_or_default();
                failed.iter().for_each(|error| self.trouble(chain(error)));
            }
            Event::Input(input) => power::listen(input, self.events.clone()),
            Event::Blocks => {
                let looked = self.media.look();
                self.note(looked);
            }
            Event::Disc(drive) => {
                let looked = self.media.look_again(&drive);
                self.note(looked);
            }
            Event::Interface(path) => {
                if self.usb_is_closed {
                    // Of controllers that turned up, too.
                    self.note(usb::close());
                }
                match usb::admit(&path) {
                    Ok(refused) => refused.into_iter().for_each(|refused| self.trouble(refused)),
                    Err(error) => self.trouble(chain(&error)),
                }
            }
            Event::Medium(key, news) => match self.media.hear(&key, news) {
                Ok(said) => said.into_iter().for_each(|said| self.trouble(said)),
                Err(error) => self.trouble(chain(&error)),
            },
            Event::Serving(serving) => self.serves(serving),
            Event::Levels(missed) => {
                self.view.missed_levels = missed;
                screen::show(&self.view);
            }
            Event::Dhcp(number, news) => {
                let changed = self.network.as_mut().map(|network| network.hear(number, news));
                changed.into_iter().for_each(|changed| self.go_on_reached(Ok(changed)));
            }
            Event::Image(taken) => {
                let done = self.slots.as_mut().map(|slots| slots.arrange(taken));
                self.go_on(done.unwrap_or(Ok(update::Done::Nothing)));
            }
            Event::Spare(done) => {
                self.slots.iter_mut().for_each(update::Slots::is_free);
                self.note(done);
            }
            Event::Typed(console, line) => return self.typed(&console, &line),
            Event::Line(line) => {
                // What of the server's confinement holds, which it says first.
                if line.starts_with(CONFINED) {
                    screen::log(&line);
                } else if let Some(server) = &mut self.server {
                    server.keep(line);
                }
            }
        }
        None
    }

    /// Shows what the server says of itself, each time that it opened its doors.
    fn serves(&mut self, serving: Serving) {
        if matches!(serving, Serving::Site { .. }) {
            self.view.recovery_key = None;
        }
        self.view.serving = Some(serving);
        self.view.memory =
            std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| screen::memory(&text));
        self.view.now = match self.view.serving {
            Some(Serving::Unfounded { .. }) => "The server waits for a site to be founded.",
            _ => "The server is running.",
        }
        .to_owned();
        screen::show(&self.view);
    }

    /// Takes a line that a person typed; how it all ends, if they want that.
    fn typed(&mut self, console: &str, line: &str) -> Option<Ending> {
        let site = match &self.view.serving {
            Some(Serving::Site { site, .. }) => Some(site.as_str()),
            _ => None,
        };
        if self.slots.as_mut().is_some_and(|slots| slots.hear(line, &self.events)) {
            self.tell(console, "The older image is tried.".to_owned());
            return None;
        }
        let menu = self.menus.entry(console.to_owned()).or_default();
        let (said, wish) = menu.take(line, site);
        screen::show_typed(console, !menu.hides());
        self.tell(console, said);
        let network = self.network.as_mut();
        let changed = match wish? {
            Wish::Network(settings) => network.map(|network| network.try_there(settings)),
            Wish::Keep => network.map(network::Network::keep),
            Wish::SignIn(person) => {
                let words = ["account", "reset", person.as_str(), "--as", "screen"];
                let said = program::said(&mut server::verb(&words));
                self.tell(console, said.unwrap_or_else(|error| chain(&error)));
                None
            }
            Wish::RecoveryKey => {
                let made = match (crypt::is_open(), crypt::is_typed()) {
                    (true, false) => crypt::renew_recovery(),
                    (true, true) => {
                        Ok("A passphrase opens it: there is no recovery key.".to_owned())
                    }
                    (false, _) => {
                        Ok("The data partition is not encrypted: there is no key.".to_owned())
                    }
                };
                self.tell(console, made.unwrap_or_else(|error| chain(&error)));
                None
            }
            Wish::Encrypt(_) if crypt::measured().is_some() => {
                let said = "This machine's TPM opens the data partition: a factory reset encrypts it by itself.";
                self.tell(console, said.to_owned());
                None
            }
            Wish::Encrypt(_) if !self.has_data => {
                self.tell(console, "There is no data partition here.".to_owned());
                None
            }
            Wish::Encrypt(passphrase) => return Some(Ending::Encrypt(passphrase)),
            Wish::Restart => return Some(Ending::Restart),
            Wish::Erase => return Some(Ending::Erase),
        };
        changed.into_iter().for_each(|changed| self.go_on_reached(changed));
        None
    }

    /// Says something on a console, where it stands until something else is said.
    fn tell(&mut self, console: &str, words: String) {
        screen::say(console, &words);
        self.view.menus.insert(console.to_owned(), words);
    }

    /// Takes leave of every child that ended.
    fn reap(&mut self) {
        while let Ok(Some((child, _))) = rustix::process::waitpid(None::<Pid>, WaitOptions::NOHANG)
        {
            if let Some((wait, said)) = self.server.as_mut().and_then(|server| server.ended(child))
            {
                self.view.serving = None;
                self.view.now = format!(
                    "The server ended and is started again in {} s. It said: {said}",
                    wait.as_secs()
                );
                screen::show(&self.view);
            }
            let ended = self.media.ended(child);
            self.note(ended);
        }
    }

    fn note(&mut self, done: Result<(), Error>) {
        if let Err(error) = done {
            self.trouble(chain(&error));
        }
    }

    fn trouble(&mut self, words: String) {
        if !self.view.troubles.contains(&words) {
            self.view.trouble(words);
            screen::show(&self.view);
        }
    }

    /// Stops the server, writes everything down, and says so.
    fn shut_down(&mut self, happened: &Receiver<Event>, ending: &Ending) {
        self.view.now = "Stopping.".to_owned();
        screen::show(&self.view);
        let begun = Instant::now();
        if let Some(server) = &self.server {
            server.stop(Signal::TERM);
        }
        while self.server.as_ref().is_some_and(Server::is_running) && begun.elapsed() < STOP_WITHIN
        {
            if let Ok(Event::ChildEnded) = happened.recv_timeout(ROUND) {
                self.reap();
            }
            if let Some(watchdog) = &mut self.watchdog {
                watchdog.pet();
            }
        }
        let mut how = match &self.server {
            Some(_) => "The server has closed its folder.",
            None => "No server ran.",
        };
        if let Some(server) = self.server.as_ref().filter(|server| server.is_running()) {
            server.stop(Signal::KILL);
            how = "The server did not stop and was killed.";
        }
        self.media.close();
        let closed = match self.has_data {
            true => {
                self.note(clock::keep());
                data::close()
            }
            false => Ok(()),
        };
        // Encrypting takes some seconds.
        self.watchdog.iter_mut().for_each(watchdog::Watchdog::pet);
        let erased = match ending {
            Ending::Erase => closed.and_then(|()| data::erase()),
            Ending::Encrypt(passphrase) => closed.and_then(|()| data::encrypt(passphrase)),
            Ending::PowerOff | Ending::Restart => closed,
        };
        self.note(erased);
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.release();
        }
        self.view.serving = None;
        self.view.now = match ending {
            Ending::PowerOff => {
                format!("{how} Patchkeep has stopped; the machine switches itself off.")
            }
            Ending::Restart | Ending::Erase | Ending::Encrypt(_) => {
                format!("{how} Patchkeep has stopped; the machine starts again.")
            }
        };
        screen::show(&self.view);
    }
}

/// Passes on the signals that PID 1 is told things with.
fn watch_signals(events: Sender<Event>) -> Result<(), Error> {
    use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
    // The kernel sends SIGINT for Ctrl-Alt-Del rather than starting again at once.
    let _ = reboot(RebootCommand::CadOff);
    let mut signals = signal_hook::iterator::Signals::new([SIGCHLD, SIGINT, SIGTERM])
        .map_err(|source| Error::Signals { source })?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let event = match signal {
                SIGCHLD => Event::ChildEnded,
                SIGTERM => Event::Stop(Ending::PowerOff),
                _ => Event::Stop(Ending::Restart),
            };
            if events.send(event).is_err() {
                return;
            }
        }
    });
    Ok(())
}
