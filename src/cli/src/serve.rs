//! `patchkeep serve`: open the doors, and keep the appliance until it is told to stop.

mod confined;
mod first_start;

use crate::{control, failure::Failure, screen::Screen};
use clap::Args;
use durable::RealDisk;
use fleet::{DataPartition, RefusalKind};
use ids::Fault;
use server::{Clients, Config, Door, Identity, Limits, People, Port, Serving, Tls};
use site::{Folder, Refusals, Site};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How often what will end soon is written to the log of the program.
const RADAR_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How often it is looked whether a service level was missed.
const LEVELS_EVERY: Duration = Duration::from_secs(10 * 60);
/// How often counted refusals are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often it is looked what providers are to be asked: endpoints wait for it.
const PROVIDERS_EVERY: Duration = Duration::from_secs(1);

/// Longest time between two check-ins: agents wait no longer than a day, whatever they are told.
const CHECK_IN_SECONDS_MAX: u64 = 24 * 60 * 60;

#[derive(Args)]
pub(crate) struct Serve {
    /// The appliance's data folder.
    #[arg(long)]
    data: PathBuf,
    /// Address of the endpoints' door.
    #[arg(long, default_value = "0.0.0.0:8443")]
    endpoints: SocketAddr,
    /// Address of the people's door.
    #[arg(long, default_value = "0.0.0.0:443")]
    people: SocketAddr,
    /// Address, usually port 80, at which browsers that come without TLS are sent to the people's door, and at which
    /// nothing else is answered. Without it there is none.
    #[arg(long, value_name = "ADDRESS")]
    redirect: Option<SocketAddr>,
    /// A host name or address by which this machine is reached; may be given more than once.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Most bytes a second that all endpoints together may take.
    #[arg(long, value_name = "BYTES")]
    bytes_per_second: Option<u64>,
    /// Seconds between two check-ins of an agent, before its jitter.
    #[arg(long, value_name = "SECONDS", default_value_t = site::CHECK_IN_SECONDS,
        value_parser = clap::value_parser!(u64).range(1..=CHECK_IN_SECONDS_MAX))]
    check_in_seconds: u64,
    /// A folder in which media are looked for, such as where a data diode writes; may be given more than once.
    /// Without it, /media, /mnt and /run/media are.
    #[arg(long = "media", value_name = "FOLDER")]
    media: Vec<PathBuf>,
    /// The file in which PID 1 says what is plugged in.
    #[arg(long, value_name = "FILE")]
    plugged_in: Option<PathBuf>,
    /// The folder in which PID 1 takes files that it writes to media (in) and says what became of them (written.json).
    #[arg(long, value_name = "FOLDER", requires = "plugged_in")]
    media_writes: Option<PathBuf>,
    /// How the data partition is kept: PID 1 says it.
    #[arg(long, value_name = "WORD", value_parser = data_partition)]
    data_partition: Option<DataPartition>,
    /// The version of the image that this appliance runs from: PID 1 says it.
    #[arg(long, value_name = "VERSION", requires = "image_updates")]
    image_version: Option<slots::Version>,
    /// The folder in which PID 1 takes another image (in) and says what became of it (outcome.json).
    #[arg(long, value_name = "FOLDER", requires = "image_version")]
    image_updates: Option<PathBuf>,
    /// The folder in which PID 1 takes changes of the network (in) and says how it stands.
    #[arg(long, value_name = "FOLDER")]
    network: Option<PathBuf>,
    /// Ask the providers of snapshots that endpoints are bound to. What they start and write cannot be foreseen, so
    /// that this process is then not confined. Without it they are not asked.
    #[arg(long)]
    providers: bool,
}

impl Serve {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let opening = Opening {
            endpoints: Port::take(self.endpoints)?,
            people: Port::take(self.people)?,
            redirect: self.redirect.map(Port::take).transpose()?,
            names: self.names.clone(),
            bytes_per_second: self.bytes_per_second,
            check_in_seconds: self.check_in_seconds,
        };
        // Before there are threads, and before anything from outside is read.
        screen.note(confined::confine(&self)?.to_string());
        let runtime = runtime()?;
        runtime.block_on(async {
            let (site, code) = match open_site(&self.data)? {
                Some(site) => (site, None),
                None => match first_start::wait(&self.data, &opening, screen).await? {
                    Some((site, code)) => (site, Some(code)),
                    None => return Ok(()),
                },
            };
            if let Some(code) = code {
                site.go_on_with_code(code);
            }
            if let (Some(version), Some(updates)) = (self.image_version, self.image_updates) {
                site.runs_from_image(version, updates);
            }
            if let Some(folder) = self.network {
                site.network_in(folder);
            }
            if let Some(kept) = self.data_partition {
                site.data_is(kept);
            }
            if !self.providers {
                site.ask_no_providers();
            }
            let open = Open::start(site, opening).await?;
            if !self.media.is_empty() {
                open.site.look_for_media_in(self.media);
            }
            if let Some(file) = self.plugged_in {
                open.site.media_plugged_in(file);
            }
            if let Some(folder) = self.media_writes {
                open.site.media_are_written_in(folder);
            }
            tell(&open, screen)?;
            until_told(&open, screen).await;
            open.stop().await
        })
    }
}

/// Says where the doors are, and what is to be known of the site.
fn tell(open: &Open, screen: &Screen) -> Result<(), Failure> {
    let redirected = match open.redirect() {
        Some(from) => format!("\n  from       http://{from}"),
        None => String::new(),
    };
    // The appliance's first program shows this on the screen.
    screen.result(
        &serde_json::json!({
            "endpoints": open.endpoints(),
            "people": open.people(),
            "redirect": open.redirect(),
            "site": open.site.name()?,
            "ca": open.site.authority()?.fingerprint(),
            "audit_key": open.site.audit_fingerprint()?,
            "first_code": open.site.first_code(),
        }),
        format!(
            "Serving site {} until it is interrupted.\n  endpoints  https://{}\n  people     \
             https://{}{redirected}",
            open.site.name()?,
            open.endpoints(),
            open.people()
        ),
    );
    if let Some(restored) = open.site.restored() {
        screen.note(format!(
            "It was restored from a backup of {} and only reads: see `patchkeep status`.",
            restored.backup_at
        ));
    }
    if let Some(code) = open.site.first_code() {
        screen.note(format!(
            "Nobody has an account yet: the first administrator opens https://{}/first-start and types \
             this code there: {code}",
            open.people()
        ));
    }
    Ok(())
}

/// Says which service levels are missed, where that is other than what was said last: the appliance's first program shows it.
fn say_levels(site: &Site, screen: &Screen, said: &mut Vec<String>) {
    let alarms = site.state().level_alarms.clone();
    let missed = alarms.iter().map(|(level, alarm)| {
        format!("{}: missed {} times since {:.0}", level.word(), alarm.missed, alarm.since)
    });
    let missed: Vec<String> = missed.collect();
    if missed != *said {
        let text = match missed.is_empty() {
            true => "No service level is missed any more.".to_owned(),
            false => format!("MISSED: {}", missed.join("; ")),
        };
        screen.result(&serde_json::json!({ "missed_levels": missed }), text);
        *said = missed;
    }
}

fn data_partition(word: &str) -> Result<DataPartition, serde_json::Error> {
    serde_json::from_value(word.into())
}

/// Where and as whom to serve.
pub(crate) struct Opening {
    pub(crate) endpoints: Port,
    pub(crate) people: Port,
    pub(crate) redirect: Option<Port>,
    pub(crate) names: Vec<String>,
    pub(crate) bytes_per_second: Option<u64>,
    pub(crate) check_in_seconds: u64,
}

/// An appliance with open doors.
pub(crate) struct Open {
    pub(crate) site: Arc<Site>,
    serving: Serving,
    endpoints: SocketAddr,
    people: SocketAddr,
    redirect: Option<SocketAddr>,
    refusals: Arc<Refusals>,
}

/// The threads that serve.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new()
        .map_err(|e| Failure::say(Fault::Unavailable, format!("cannot start threads: {e}")))
}

/// The site in a data folder; none where it was not founded yet.
pub(crate) fn open_site(data: &Path) -> Result<Option<Site>, Failure> {
    let folder = Folder::at(data);
    if !folder.is_founded(&RealDisk) {
        return Ok(None);
    }
    let site = control::open(&folder)?;
    // A founding that was cut short leaves a log without an entry.
    if site.state().entries == 0 {
        site.close()?;
        return Ok(None);
    }
    Ok(Some(site))
}

impl Open {
    /// Opens the doors.
    pub(crate) async fn start(site: Site, opening: Opening) -> Result<Self, Failure> {
        let folder = site.folder().clone();
        let site = Arc::new(site);
        site.check_in_every(opening.check_in_seconds);
        let authority = site.authority()?;
        let names = names(&opening);
        let shown = authority
            .server(&RealDisk, &folder.keys(), &names, site::now())
            .map_err(|e| Failure::new(Fault::Broken, &e))?;
        let audit_key = site.audit_fingerprint()?;
        let fingerprints = vec![
            ("Site CA (SHA-256)".to_owned(), authority.fingerprint()),
            ("Audit key".to_owned(), audit_key),
        ];
        let refusals = Arc::new(Refusals::default());
        let routes = console::routes(console::Setup {
            site: Arc::downgrade(&site),
            name: site.name()?,
            fingerprints,
            root_pem: authority.certificate_pem(),
            server_until: shown.not_after,
            refusals: Arc::clone(&refusals),
        });
        let scripts = rest::Setup { site: Arc::downgrade(&site), refusals: Arc::clone(&refusals) };
        let routes = routes.merge(rest::routes(scripts));
        let (endpoints, people) = (opening.endpoints.address(), opening.people.address());
        let config = Config {
            endpoints: opening.endpoints,
            people: Some(People { port: opening.people, redirect: opening.redirect, routes }),
            names: Vec::new(),
            limits: Limits { bytes_per_second: opening.bytes_per_second, ..Limits::default() },
            agents: Arc::downgrade(&site),
        };
        let roots = vec![authority.certificate().to_vec()];
        let tls = Tls {
            identity: Identity { certificates: vec![shown.certificate], key: shown.key },
            clients: Clients::Certified { roots, revoked: site.revoked().clone() },
            allow_tls12: false,
        };
        let counted = Arc::clone(&refusals);
        let on_refusal = Arc::new(move |refusal: server::Refusal| {
            let kind = match refusal.door {
                Door::Endpoints => RefusalKind::EndpointDoor,
                Door::People => RefusalKind::PeopleDoor,
            };
            counted.count(kind, refusal.reason.as_str());
        });
        let (shelf, store) = (site.shelf().clone(), site.store().clone());
        // Whoever sees a door open can use verbs as well.
        control::listen(&site)?;
        let serving = server::start(config, shelf, store, tls, on_refusal).await?;
        site.announce()?;
        look_after_providers(&site);
        let redirect = serving.redirect();
        Ok(Self { site, serving, endpoints, people, redirect, refusals })
    }

    pub(crate) fn endpoints(&self) -> SocketAddr {
        self.endpoints
    }

    pub(crate) fn people(&self) -> SocketAddr {
        self.people
    }

    fn redirect(&self) -> Option<SocketAddr> {
        self.redirect
    }

    /// Shuts the doors, writes what was counted, closes the data folder.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        drop(std::fs::remove_file(self.site.folder().socket()));
        self.serving.stop().await;
        self.site.flush_refusals(&self.refusals, true)?;
        match Arc::try_unwrap(self.site) {
            Ok(site) => Ok(site.close()?),
            // A verb is still at work; its entries are durable, and the next start looks after the rest.
            Err(site) => Ok(site.heart().stop()?),
        }
    }
}

/// Has providers asked what is due, until the appliance is gone.
fn look_after_providers(site: &Arc<Site>) {
    let site = Arc::downgrade(site);
    std::thread::spawn(move || {
        while let Some(site) = site.upgrade() {
            site.see_to_providers();
            drop(site);
            std::thread::sleep(PROVIDERS_EVERY);
        }
    });
}

/// Waits for an interrupt or a request to end, writing counted refusals meanwhile.
async fn until_told(open: &Open, screen: &Screen) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut levels = tokio::time::interval(LEVELS_EVERY);
    let mut days = tokio::time::interval(RADAR_EVERY);
    let mut said = Vec::new();
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => return,
            _ = terminate.recv() => return,
            _ = days.tick() => {
                let site = Arc::clone(&open.site);
                let looked = tokio::task::spawn_blocking(move || site.radar());
                for ending in looked.await.ok().and_then(Result::ok).unwrap_or_default() {
                    tracing::warn!("{ending}");
                }
            }
            _ = levels.tick() => {
                let site = Arc::clone(&open.site);
                let looked = tokio::task::spawn_blocking(move || site.see_to_levels());
                match looked.await {
                    Ok(Ok(missed)) => missed.iter().for_each(|row| {
                        tracing::warn!(subject = row.subject, "missed: {}", row.level.word());
                    }),
                    Ok(Err(error)) => tracing::warn!(error = site::chain(&error), "service levels"),
                    Err(_) => {}
                }
                say_levels(&open.site, screen, &mut said);
            }
            _ = looks.tick() => {
                let (site, refusals) = (Arc::clone(&open.site), Arc::clone(&open.refusals));
                let flushed = tokio::task::spawn_blocking(move || {
                    site.flush_refusals(&refusals, false)?;
                    site.keep_seen()?;
                    site.end_old_sessions()?;
                    site.end_due_runs()?;
                    if let Err(error) = site.see_to_image() {
                        tracing::warn!(error = site::chain(&error), "what became of an image");
                    }
                    if let Err(error) = site.see_to_network() {
                        tracing::warn!(error = site::chain(&error), "what became of the network");
                    }
                    if let Err(error) = site.see_to_medium_write() {
                        tracing::warn!(error = site::chain(&error), "what became of a file");
                    }
                    // The published log follows the committed one, for whoever reads the files.
                    site.heart().publish().map(drop)
                });
                match flushed.await {
                    Ok(Err(error)) if site::is_fatal(&error) => {
                        tracing::error!(error = site::chain(&error), "the ledger failed");
                        return;
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The names in the server's certificate: those given, else the host's name and loopback, and every
/// address that a door is bound to.
pub(crate) fn names(opening: &Opening) -> Vec<String> {
    let mut names = opening.names.clone();
    if names.is_empty() {
        let host = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
        names.extend([host, "localhost".to_owned(), "127.0.0.1".to_owned()]);
    }
    for address in [&opening.endpoints, &opening.people].map(Port::address) {
        let text = address.ip().to_string();
        if !address.ip().is_unspecified() && !names.contains(&text) {
            names.push(text);
        }
    }
    names
}
