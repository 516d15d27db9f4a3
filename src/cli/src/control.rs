//! How a verb reaches the appliance: the data folder itself, or, while a server has it open, the socket in it; or, from
//! another machine, the API that scripts use.
//!
//! At the socket: one request a connection, a line of JSON; answers are lines of JSON: progress, then the reply or a
//! failure. Only the account that owns the data folder can reach it. Over the API each request is an act of its table,
//! or says why it is none (`over_api`, beside each `perform`); its reply is read from the API's words.

mod account;
mod api;
mod appliance;
mod hand_over;
mod operation;
mod people;
mod report;
mod run;
mod window;

pub(crate) use account::{AccountReply, AccountRequest};
pub(crate) use appliance::{ApplianceReply, ApplianceRequest};
pub(crate) use people::{PeopleReply, PeopleRequest};
pub(crate) use report::{ReportReply, ReportRequest};
pub(crate) use run::{RunReply, RunRequest};
pub(crate) use window::WindowRequest;

use crate::{appliance::Appliance, failure::Failure, person::doing, screen::Screen};
use durable::RealDisk;
use fleet::Custody;
use ids::{Digest, EndpointName, Fault, PersonId, RingName, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use site::{
    BackedUp, BackupOrder, ClientConfig, Folder, ImportOrder, ImportOutcome, NeedList,
    PackageManager, Progress, Receipt, RingPointer, RootDraft, ScannerStatus, Site, SiteRootStatus,
    Status, WindowStatus,
    audit::{Exported, Filter, Line, Scope},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::Command,
    sync::Arc,
};
use trust::Envelope;

/// Longest request in bytes.
const REQUEST_BYTES_MAX: u64 = 8 << 20;

/// What can be asked of an appliance.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum Request {
    Import {
        paths: Vec<PathBuf>,
        custody: Box<Custody>,
        person: PersonId,
    },
    Rings,
    CreateRing {
        ring: RingName,
        follows: bool,
        person: PersonId,
    },
    PointRing {
        ring: RingName,
        source: SourceId,
        sequence: Option<u64>,
        person: PersonId,
    },
    RingNeed {
        ring: RingName,
        source: Option<SourceId>,
        sequence: Option<u64>,
    },
    SiteRoot,
    DraftSiteRoot {
        draft: Box<RootDraft>,
    },
    AcceptSiteRoot {
        envelope: Envelope,
        pinned: Option<Digest>,
        #[serde(default)]
        held: Vec<String>,
        person: PersonId,
    },
    Scanner,
    SetScanner {
        socket: Option<String>,
        person: PersonId,
    },
    ClientConfig {
        manager: PackageManager,
        name: EndpointName,
        ring: RingName,
        address: String,
        person: PersonId,
    },
    Status,
    Receipt,
    ExportAudit {
        scope: Scope,
        into: PathBuf,
        person: PersonId,
    },
    ShowLog {
        types: Vec<String>,
        since: Option<Timestamp>,
        limit: Option<usize>,
        person: PersonId,
    },
    AuditKey,
    Backup {
        into: PathBuf,
        recipients: Vec<String>,
        person: PersonId,
    },
    Account(AccountRequest),
    Windows(WindowRequest),
    Appliance(ApplianceRequest),
    Report(ReportRequest),
    People(PeopleRequest),
    Run(RunRequest),
}

impl Request {
    /// Whether it is nothing for an appliance that was restored and only reads. A site root is: it
    /// opens the next epoch.
    const fn writes(&self) -> bool {
        match self {
            Self::Rings
            | Self::RingNeed { .. }
            | Self::SiteRoot
            | Self::DraftSiteRoot { .. }
            | Self::AcceptSiteRoot { .. }
            | Self::Scanner
            | Self::Status
            | Self::Receipt
            | Self::ShowLog { .. }
            | Self::AuditKey => false,
            Self::Account(request) => request.writes(),
            Self::Windows(request) => request.writes(),
            Self::Appliance(request) => request.writes(),
            Self::Report(request) => request.writes(),
            Self::People(request) => request.writes(),
            Self::Run(request) => request.writes(),
            Self::Import { .. }
            | Self::CreateRing { .. }
            | Self::PointRing { .. }
            | Self::SetScanner { .. }
            | Self::ClientConfig { .. }
            | Self::ExportAudit { .. }
            | Self::Backup { .. } => true,
        }
    }
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", content = "with", rename_all = "kebab-case")]
pub(crate) enum Reply {
    Import(Box<ImportOutcome>),
    Rings(Vec<RingPointer>),
    Need(Box<NeedList>),
    Done(bool),
    SiteRoot(Box<Option<SiteRootStatus>>),
    Draft(Envelope),
    Scanner(ScannerStatus),
    ClientConfig(ClientConfig),
    Status(Box<Status>),
    Receipt(Receipt),
    ExportAudit(ExportFigures),
    ShowLog(Vec<LogLine>),
    AuditKey(String),
    Backup(BackedUp),
    Account(AccountReply),
    Windows(Vec<WindowStatus>),
    Appliance(ApplianceReply),
    Report(ReportReply),
    People(PeopleReply),
    Run(RunReply),
}

/// Asks something about the appliance itself.
pub(crate) fn about_appliance(
    appliance: &Appliance,
    request: ApplianceRequest,
    screen: &Screen,
) -> Result<ApplianceReply, Failure> {
    match ask(appliance, Request::Appliance(request), screen)? {
        Reply::Appliance(reply) => Ok(reply),
        _ => Err(unexpected()),
    }
}

/// One event in words.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) entry: u64,
    pub(crate) at: Timestamp,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) sentence: String,
}

impl From<Line> for LogLine {
    fn from(line: Line) -> Self {
        let Line { entry, at, kind, sentence } = line;
        Self { entry, at, kind: kind.to_owned(), sentence }
    }
}

/// What an export wrote.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExportFigures {
    pub(crate) manifest: Digest,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    pub(crate) key: String,
    pub(crate) absent: u64,
}

impl From<Exported> for ExportFigures {
    fn from(exported: Exported) -> Self {
        let Exported { manifest, files, bytes, entries, key, absent } = exported;
        Self { manifest, files, bytes, entries, key, absent }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Progress(Progress),
    Reply(Box<Reply>),
    Failed(Failure),
}

/// Asks an appliance.
pub(crate) fn ask(
    appliance: &Appliance,
    request: Request,
    screen: &Screen,
) -> Result<Reply, Failure> {
    let folder = match appliance {
        Appliance::There(remote) => return api::over_api(remote, request),
        Appliance::Here(data) => Folder::at(data),
    };
    if let Ok(stream) = UnixStream::connect(folder.socket()) {
        return hand_over::around(&folder, request, |request| ask_server(stream, request, screen));
    }
    let site = open(&folder)?;
    let reply = perform(&site, request, &mut |progress| screen.progress(&progress));
    site.close()?;
    if folder.is_opening(&RealDisk) {
        // The new epoch's log takes its place now, and is read once.
        open(&folder)?.close()?;
    }
    reply
}

/// Asks about endpoints, or about what people decide.
pub(crate) fn ask_people(
    appliance: &Appliance,
    request: PeopleRequest,
    screen: &Screen,
) -> Result<PeopleReply, Failure> {
    match ask(appliance, Request::People(request), screen)? {
        Reply::People(reply) => Ok(reply),
        _ => Err(unexpected()),
    }
}

/// Asks what a site goes by, or how it stands.
pub(crate) fn ask_report(
    appliance: &Appliance,
    request: ReportRequest,
    screen: &Screen,
) -> Result<ReportReply, Failure> {
    match ask(appliance, Request::Report(request), screen)? {
        Reply::Report(reply) => Ok(reply),
        _ => Err(unexpected()),
    }
}

/// Opens the data folder in this process.
pub(crate) fn open(folder: &Folder) -> Result<Site, Failure> {
    Ok(Site::open(folder, prober())?)
}

/// The command that tries damaged views in a child: this very program.
fn prober() -> Option<Command> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.arg("views-probe");
    Some(command)
}

fn ask_server(
    mut stream: UnixStream,
    request: &Request,
    screen: &Screen,
) -> Result<Reply, Failure> {
    let broken = |e: std::io::Error| {
        Failure::say(Fault::Unavailable, format!("the running appliance went away: {e}"))
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line.map_err(broken)?)? {
            Answer::Progress(progress) => screen.progress(&progress),
            Answer::Reply(reply) => return Ok(*reply),
            Answer::Failed(failure) => return Err(failure),
        }
    }
    Err(Failure::say(Fault::Unavailable, "the running appliance went away before it answered"))
}

/// Answers requests on the data folder's socket until the process ends.
pub(crate) fn listen(site: &Arc<Site>) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let path = site.folder().socket();
    let fail = |e: std::io::Error| Failure::file("listen on", &path, &e);
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path).map_err(fail)?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(fail)?;
    let site = Arc::downgrade(site);
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let Some(site) = site.upgrade() else { return };
            std::thread::spawn(move || {
                if let Err(failure) = answer(&site, &stream) {
                    tracing::warn!(message = failure.message, "a request could not be answered");
                }
            });
        }
    });
    Ok(())
}

fn answer(site: &Site, stream: &UnixStream) -> Result<(), Failure> {
    let gone = |e: std::io::Error| Failure::say(Fault::Unavailable, e.to_string());
    let mut line = String::new();
    BufReader::new(stream.take(REQUEST_BYTES_MAX)).read_line(&mut line).map_err(gone)?;
    let mut out = stream;
    let mut send = move |answer: &Answer| {
        let mut line = serde_json::to_vec(answer).unwrap_or_default();
        line.push(b'\n');
        out.write_all(&line)
    };
    let request = serde_json::from_str(&line);
    let replied = match request {
        Ok(Request::AcceptSiteRoot { .. }) if site.restored().is_some() => {
            let message = "a new epoch cannot be opened while the server runs: stop it, accept the \
                site root, and start it again; nothing was changed";
            Err(Failure::say(Fault::Unavailable, message))
        }
        Err(e) => Err(Failure::say(Fault::Input, format!("not a request: {e}"))),
        Ok(request) => perform(site, request, &mut |progress| {
            // Nobody may be looking any more; the work goes on.
            drop(send(&Answer::Progress(progress)));
        }),
    };
    let answer = match replied {
        Ok(reply) => Answer::Reply(Box::new(reply)),
        Err(failure) => Answer::Failed(failure),
    };
    send(&answer).map_err(gone)
}

/// Calls the use case.
fn perform(
    site: &Site,
    request: Request,
    report: &mut dyn FnMut(Progress),
) -> Result<Reply, Failure> {
    let operation = request.operation();
    let by = |person: &PersonId| doing(person, operation);
    if request.writes() {
        site.writable()?;
    }
    Ok(match request {
        Request::Import { paths, custody, person } => {
            let actor = by(&person)?;
            let order = ImportOrder { paths, custody: *custody, person, actor };
            Reply::Import(Box::new(site.import(&order, report)?))
        }
        Request::Rings => Reply::Rings(site.rings()),
        Request::CreateRing { ring, follows, person } => {
            site.create_ring(by(&person)?, ring, follows)?;
            Reply::Done(true)
        }
        Request::PointRing { ring, source, sequence, person } => {
            Reply::Done(site.point_ring(by(&person)?, ring, source, sequence)?)
        }
        Request::RingNeed { ring, source, sequence } => {
            Reply::Need(Box::new(site.ring_need(&ring, source.as_ref(), sequence)?))
        }
        Request::SiteRoot => Reply::SiteRoot(Box::new(site.site_root()?)),
        Request::DraftSiteRoot { draft } => Reply::Draft(site.draft_site_root(*draft)?),
        Request::AcceptSiteRoot { envelope, pinned, held, person } => {
            let actor = by(&person)?;
            let accepted = site.accept_site_root(actor, &envelope, pinned, &held)?;
            Reply::SiteRoot(Box::new(Some(accepted)))
        }
        Request::Scanner => Reply::Scanner(site.scanner()),
        Request::SetScanner { socket, person } => {
            Reply::Scanner(site.set_scanner(by(&person)?, socket)?)
        }
        Request::ClientConfig { manager, name, ring, address, person } => {
            let actor = by(&person)?;
            Reply::ClientConfig(site.client_config(actor, manager, &name, &ring, &address)?)
        }
        Request::Status => Reply::Status(Box::new(site.status()?)),
        Request::Receipt => Reply::Receipt(site.receipt()?),
        Request::ExportAudit { scope, into, person } => {
            Reply::ExportAudit(site.export_audit(by(&person)?, scope, &into)?.into())
        }
        Request::ShowLog { types, since, limit, person } => {
            let filter = Filter { types, since, limit };
            let lines = site.show_log(by(&person)?, &filter)?;
            Reply::ShowLog(lines.into_iter().map(LogLine::from).collect())
        }
        Request::AuditKey => Reply::AuditKey(site.audit_fingerprint()?),
        Request::Backup { into, recipients, person } => {
            let order = BackupOrder { into, recipients };
            Reply::Backup(site.back_up(by(&person)?, &order, report)?)
        }
        Request::Report(request) => Reply::Report(report::perform(site, request)?),
        Request::Account(request) => Reply::Account(account::perform(site, request)?),
        Request::Windows(request) => Reply::Windows(window::perform(site, request)?),
        Request::Appliance(request) => Reply::Appliance(appliance::perform(site, request)?),
        Request::People(request) => Reply::People(people::perform(site, request)?),
        Request::Run(request) => Reply::Run(run::perform(site, request)?),
    })
}

/// A reply of another kind than was asked for: our own mistake.
pub(crate) fn unexpected() -> Failure {
    Failure::say(Fault::Broken, "the appliance answered another question")
}
