//! What may be asked of a site, and what follows: `decide(&State, Command, now) -> facts`.

use crate::{
    AccountCommand, AnchorKind, ApplianceCommand, Calendar, DataPartition, EndpointCommand, Epoch,
    ExceptionCommand, Fact, ImportedSource, Level, PolicyCommand, RefusalKind, RunCommand,
    RunStanding, SnapshotCommand, Standing, State, StatementCommand, Verdict, WindowCommand,
    WindowError, account, appliance, calendar, endpoint, epoch, exception, policy, provided, run,
    service_level, statement, window,
};
use ids::{
    Digest, Fault, PersonId, PolicyName, RecordId, RingName, SiteName, SourceId, Timestamp,
    WindowName,
};

/// What may be asked. Everything that `decide` cannot know (digests, counts) comes with it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields repeat the words of their variant and of the fact")]
pub enum Command {
    /// Found the site: its name, its log, its anchors and its first ring.
    CreateSite {
        site: SiteName,
        origin: String,
        /// Purpose and public form of each key of the appliance's own.
        keys: Vec<(String, String)>,
        /// Kind, name, digest and fingerprints of each anchor.
        anchors: Vec<(AnchorKind, String, Digest, Vec<String>)>,
        ring: RingName,
    },
    /// Say what was mended when the data folder was opened.
    ReportRepairs { repairs: Vec<String>, views: Option<String> },
    /// Say that the appliance serves, and how its data is kept.
    Start { version: String, data_partition: Option<DataPartition> },
    /// Say what the state's digest is after the entries so far.
    SnapshotState { sha256: Digest },
    /// Open a custody record.
    OpenCustody { custody: RecordId, record: Digest },
    /// Close a custody record.
    CloseCustody { custody: RecordId, record: Digest, verdict: Verdict },
    /// Begin to read a bundle whose signatures hold.
    StartImport { custody: RecordId, bundle: Digest, sequence: u64 },
    /// Stop before the end.
    PauseImport { bundle: Digest, reason: String, missing_volumes: Vec<u32> },
    /// Refuse a bundle.
    RefuseBundle { custody: RecordId, reason: String, message: String, bundle: Option<Digest> },
    /// Keep a bundle out for its dates.
    QuarantineBundle { custody: RecordId, reason: String, message: String, bundle: Digest },
    /// Commit an import.
    CommitImport(Box<Commit>),
    /// Commit the payloads of an older bundle.
    CommitCarried(CarriedCommit),
    /// Make a ring.
    CreateRing { ring: RingName, follows: bool },
    /// Point a ring at a view; `None` is the newest complete one. `lack` is what its endpoints need and
    /// the site does not hold.
    PointRing { ring: RingName, source: SourceId, sequence: Option<u64>, lack: Option<Lack> },
    /// Record a client certificate.
    IssueCertificate { endpoint: Digest, certificate: Digest, not_after: Timestamp },
    /// Take the next generation of the site root; whoever asks has verified its signatures.
    AcceptSiteRoot { root: Digest, document: Box<trust::Verified<trust::SiteRoot>> },
    /// Record that a site root was not accepted.
    RefuseSiteRoot { reason: String, message: String },
    /// About endpoints with an agent.
    Endpoint(EndpointCommand),
    /// About what people decided.
    Statement(StatementCommand),
    /// About runs.
    Run(RunCommand),
    /// About snapshots that providers make.
    Snapshot(SnapshotCommand),
    /// Say by which calendar the site goes.
    SetCalendar(Calendar),
    /// About exceptions.
    Exception(ExceptionCommand),
    /// About policies.
    Policy(PolicyCommand),
    /// About maintenance windows.
    Window(WindowCommand),
    /// Say how many rows of a service level are missed, and how many of them newly.
    SayLevel { level: Level, missed: u64, fresh: u64, record: Digest },
    /// About accounts.
    Account(AccountCommand),
    /// Take in the register of the site's machines.
    RegisterAssets { machines: u64, record: Digest },
    /// Name the malware scanner, or ask none.
    SetScanner { socket: Option<String> },
    /// About the appliance itself.
    Appliance(ApplianceCommand),
    /// Record counted refusals.
    CountRefusals {
        source: RefusalKind,
        reason: String,
        count: u64,
        since: Timestamp,
        until: Timestamp,
    },
    /// Record a look at the log.
    ViewLog { filter: String, entries: u64 },
    /// Record an exported audit bundle.
    ExportAudit { scope: String, manifest: Digest },
    /// Record a backup.
    RecordBackup { manifest: Digest, entries: u64, files: u64, bytes: u64, recipients: u64 },
    /// Go on in a new log, under site roots of which the last names it; whoever asks has verified them.
    OpenEpoch { epoch: Box<Epoch>, roots: Vec<(Digest, trust::Verified<trust::SiteRoot>)> },
    /// Record that space ran out.
    ReportFull { needed_bytes: u64, available_bytes: u64 },
}

/// What an import wants to commit.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields repeat the words of the fact")]
pub struct Commit {
    pub custody: RecordId,
    pub bundle: Digest,
    pub sequence: u64,
    pub metadata: Digest,
    pub publisher: trust::Publisher,
    pub sources: Vec<ImportedSource>,
    pub payloads_new: u64,
    pub bytes_new: u64,
    pub signed_time: Timestamp,
    /// The sequence that this bundle says the site should have had before it.
    pub previous: Option<u64>,
    /// Rings that follow and may not move to it.
    pub held_back: Vec<HeldBack>,
}

/// How much of what a ring's endpoints need from a view is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields say what they count")]
pub struct Lack {
    pub packages: u64,
    pub endpoints: u64,
}

/// A ring that stays where it is, since the newest view of a source lacks what its endpoints need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The ring.
    pub ring: RingName,
    /// The source.
    pub source: SourceId,
    /// How much is lacking.
    pub lack: Lack,
    /// Commitment to the need list.
    pub need: Digest,
}

/// What an older bundle's payloads want to commit.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields repeat the words of the fact")]
pub struct CarriedCommit {
    pub custody: RecordId,
    pub bundle: Digest,
    pub sequence: u64,
    pub payloads_new: u64,
    pub bytes_new: u64,
    pub missing: Vec<(SourceId, u64)>,
    pub held_back: Vec<HeldBack>,
}

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "fields are in the sentence")]
pub enum Refused {
    /// The site was founded before.
    #[error("this appliance already serves site {site}")]
    SiteExists { site: SiteName },
    /// Nothing can happen before the site is founded.
    #[error("no site has been founded here")]
    NoSite,
    /// The custody record is not open.
    #[error("custody record {custody} is not open")]
    NoCustody { custody: RecordId },
    /// The import was never begun, or has ended.
    #[error("no import of bundle {} is under way", bundle.short())]
    NoImport { bundle: Digest },
    /// Something newer was committed meanwhile.
    #[error("bundle {sequence} is not newer than bundle {newest}, which was imported meanwhile")]
    Overtaken { sequence: u64, newest: u64 },
    /// The number is another bundle's, from before the publisher's root replaced keys.
    #[error(
        "a view with the number {sequence} is kept from before the publisher's keys were replaced: \
         build the bundle once more, which gives it the next number"
    )]
    NumberTaken { sequence: u64 },
    /// A document about another site.
    #[error("it is about site {other}, not this one")]
    OtherSite { other: SiteName },
    /// The site root is not the next one.
    #[error("site root {generation} does not follow root {newest}, which is the newest here")]
    RootOvertaken { generation: u64, newest: u64 },
    /// The site root is of another log.
    #[error(
        "the site root names another log or epoch than this appliance's: draw it up here again"
    )]
    OtherLog,
    /// No such ring.
    #[error("there is no ring {ring}")]
    NoRing { ring: RingName },
    /// The ring exists.
    #[error("ring {ring} exists already")]
    RingExists { ring: RingName },
    /// No such view is kept.
    #[error("no view of {source_id} at sequence {sequence} is kept")]
    NoView { source_id: SourceId, sequence: u64 },
    /// No complete view of this source is kept.
    #[error("no complete view of {source_id} is kept")]
    NoCompleteView { source_id: SourceId },
    /// The view lacks files.
    #[error(
        "view {sequence} of {source_id} lacks {missing} files; import the bundle that carries them"
    )]
    Incomplete { source_id: SourceId, sequence: u64, missing: u64 },
    /// The ring's endpoints need from the view what is not held.
    #[error(
        "view {sequence} of {source_id} lacks {} of what {} in ring {ring} would install from it; the \
         ring stays where it is: print what to fetch with `patchkeep ring need --ring {ring} --source \
         {source_id} --sequence {sequence}`",
        packages(lack.packages), endpoints(lack.endpoints)
    )]
    DoesNotClose { ring: RingName, source_id: SourceId, sequence: u64, lack: Lack },
    /// No such account, or not one that may do this.
    #[error("there is no such account, or it cannot sign in as it is: open or reset it first")]
    NoAccount,
    /// An account without a role.
    #[error("an account acts in at least one role: operator, approver, assessor or administrator")]
    NoRole,
    /// Too many accounts.
    #[error("a site has at most 10,000 accounts: close those that nobody uses")]
    TooManyAccounts,
    /// A key that somebody has.
    #[error("this security key is known already: each is one person's, once")]
    SecurityKeyKnown,
    /// Too many keys of one person.
    #[error(
        "a person's browser signs with at most 10 security keys: remove one that is not used any more"
    )]
    TooManySecurityKeys,
    /// Not a key of this person's.
    #[error("there is no such security key in this account")]
    NoSecurityKey,
    /// A token acts in a role of its person.
    #[error(
        "this account does not have the role {role}: give it that role first, or choose one that it has"
    )]
    NotTheirRole { role: &'static str },
    /// When a token ends.
    #[error("a token ends at some time from now on, and at most 366 days from now")]
    ApiTokenEnd,
    /// Too many tokens.
    #[error("a site has at most 1,000 tokens for scripts: revoke those that nobody uses")]
    TooManyApiTokens,
    /// No such token.
    #[error("there is no such token, or it was revoked")]
    NoApiToken,
    /// Nobody would administer the site.
    #[error("this is the only administrator: make somebody else one first")]
    LastAdministrator,
    /// No such exception.
    #[error("there is no such exception, or it has ended")]
    NoException,
    /// The exception cannot be.
    #[error(
        "an exception names a package and a version in plain words, and lasts at most 366 days from now"
    )]
    Exception,
    /// Whoever asked for it does not approve it.
    #[error("{person} asked for this exception: somebody else has to approve it")]
    OwnException { person: PersonId },
    /// Whoever asked for an older image does not hand it over.
    #[error(
        "{person} has asked for image {version} already, which is older than the one that runs: another administrator has to \
         start it too"
    )]
    OwnOlderImage { person: PersonId, version: String },
    /// No such zone.
    #[error("there is no time zone {zone:?}: name one of the IANA database, such as Europe/London")]
    NoZone { zone: String },
    /// Too many holidays.
    #[error("a calendar lists at most 1,000 holidays")]
    TooManyHolidays,
    /// No such policy.
    #[error("the policy {policy} is not in force here")]
    NoPolicy { policy: PolicyName },
    /// The policy cannot be.
    #[error(
        "policy {policy} cannot be: it has 1 to 50 rules and plain texts of at most 500 bytes, and a site \
         has at most 50 policies"
    )]
    Policy { policy: PolicyName },
    /// No such window.
    #[error("there is no window {name}")]
    NoWindow { name: WindowName },
    /// The window cannot be.
    #[error("window {name} cannot be: {why}")]
    Window { name: WindowName, why: WindowError },
    /// No such token, or it counts no more. All in one, so that nobody learns which.
    #[error("the token does not count here: ask for a new one")]
    NoToken,
    /// Another endpoint has this name.
    #[error("an endpoint of this name has joined or asks to: retire it first")]
    NameTaken,
    /// No such endpoint.
    #[error("there is no such endpoint")]
    NoEndpoint,
    /// The endpoint stands otherwise.
    #[error("the endpoint is {}", is.word())]
    Standing { is: Standing },
    /// An endpoint that is put back without asking, and one that never is.
    #[error("an endpoint that is never put back by itself cannot be called stateless")]
    StatelessAndNeverBack,
    /// The statement is not the ring's next one.
    #[error(
        "statement {generation} does not follow {newest}, which is the ring's newest: draw it up again"
    )]
    StatementOvertaken { generation: u64, newest: u64 },
    /// The endpoints' plans are not those that were looked at.
    #[error(
        "the endpoints' plans have changed since it was drawn up ({} then, {} now): draw it up again",
        then.short(), now.short()
    )]
    OtherPlan { then: Digest, now: Digest },
    /// Whoever imported does not approve.
    #[error("{approver} imported what this would approve, and the site asks for four eyes")]
    FourEyes { approver: PersonId },
    /// A report that no work leads to.
    #[error("its report is not taken: {why}")]
    Impossible { why: &'static str },
    /// No such run, or it has ended.
    #[error("no run {run} is planned or under way")]
    NoRun { run: RecordId },
    /// The run stands otherwise.
    #[error("the run is {}", is.word())]
    RunStands { is: RunStanding },
    /// A run without endpoints.
    #[error("none of the endpoints that the approval names is active in its ring")]
    NobodyToRun,
    /// The order of rings would have no beginning.
    #[error("ring {ring} would come before itself")]
    RingCircle { ring: RingName },
    /// No decision is asked for.
    #[error("nothing is to be decided about this endpoint: its job has not failed")]
    NothingToDecide,
    /// The machine is not put back by itself.
    #[error("this endpoint is not stateless, so a person decides whether it is put back")]
    PersonDecides,
    /// No snapshot of the job is held.
    #[error("its provider holds no snapshot from before this job")]
    NoSnapshot,
    /// The job does not wait for a snapshot.
    #[error("the endpoint's job does not wait for a snapshot")]
    NoSnapshotDue,
    /// The site root's policy knows no attested approvals.
    #[error("the site root does not allow approvals that only the appliance attests to")]
    Attested,
}

impl Refused {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::SiteExists { .. }
            | Self::RingExists { .. }
            | Self::Overtaken { .. }
            | Self::NumberTaken { .. }
            | Self::RootOvertaken { .. }
            | Self::StatementOvertaken { .. }
            | Self::OtherPlan { .. }
            | Self::NameTaken
            | Self::SecurityKeyKnown
            | Self::RunStands { .. }
            | Self::NothingToDecide
            | Self::NoSnapshotDue
            | Self::Standing { .. } => Fault::Conflict,
            Self::NoSite
            | Self::NoRing { .. }
            | Self::NoView { .. }
            | Self::NoEndpoint
            | Self::NoRun { .. }
            | Self::NobodyToRun
            | Self::RingCircle { .. }
            | Self::NoException
            | Self::NoAccount
            | Self::NoRole
            | Self::TooManyAccounts
            | Self::TooManySecurityKeys
            | Self::NoSecurityKey
            | Self::NotTheirRole { .. }
            | Self::ApiTokenEnd
            | Self::TooManyApiTokens
            | Self::NoApiToken
            | Self::Exception
            | Self::NoZone { .. }
            | Self::TooManyHolidays
            | Self::NoPolicy { .. }
            | Self::Policy { .. }
            | Self::NoWindow { .. }
            | Self::Window { .. }
            | Self::NoCompleteView { .. } => Fault::Input,
            Self::Incomplete { .. }
            | Self::LastAdministrator
            | Self::DoesNotClose { .. }
            | Self::OtherSite { .. }
            | Self::OtherLog
            | Self::NoToken
            | Self::FourEyes { .. }
            | Self::Impossible { .. }
            | Self::PersonDecides
            | Self::NoSnapshot
            | Self::StatelessAndNeverBack
            | Self::OwnException { .. }
            | Self::OwnOlderImage { .. }
            | Self::Attested => Fault::Refused,
            Self::NoCustody { .. } | Self::NoImport { .. } => Fault::Broken,
        }
    }
}

fn packages(count: u64) -> String {
    if count == 1 { "1 package".to_owned() } else { format!("{count} packages") }
}

fn endpoints(count: u64) -> String {
    if count == 1 { "1 endpoint".to_owned() } else { format!("{count} endpoints") }
}

/// The time to judge by: `now`, but never earlier than the latest signed time seen.
#[must_use]
pub fn effective_now(state: &State, now: Timestamp) -> Timestamp {
    state.signed_floor.map_or(now, |floor| floor.max(now))
}

/// The facts that follow from `command` in `state`, in order; all are appended or none.
///
/// # Errors
/// [`Refused`]: nothing changes.
pub fn decide(state: &State, command: Command, now: Timestamp) -> Result<Vec<Fact>, Refused> {
    if !matches!(command, Command::CreateSite { .. }) && state.site.is_none() {
        return Err(Refused::NoSite);
    }
    // An epoch's first entry is always the one that opens it.
    let first = usize::from(matches!(command, Command::OpenEpoch { .. }));
    let mut facts = follow(state, command, effective_now(state, now))?;
    if let Some(last) = state.last_at
        && now < last
        && last.duration_since(now).as_secs() >= 1
    {
        let by_seconds = last.duration_since(now).as_secs();
        facts.insert(first, Fact::ClockWentBack { by_seconds });
    }
    Ok(facts)
}

fn follow(state: &State, command: Command, now: Timestamp) -> Result<Vec<Fact>, Refused> {
    let facts = match command {
        Command::CreateSite { site, origin, keys, anchors, ring } => {
            if let Some(site) = &state.site {
                return Err(Refused::SiteExists { site: site.clone() });
            }
            return Ok(create_site(site, origin, keys, anchors, ring));
        }
        Command::CommitImport(commit) => return commit_import(state, *commit),
        Command::PointRing { ring, source, sequence, lack } => {
            return point_ring(state, &ring, &source, sequence, lack);
        }
        Command::StartImport { custody, bundle, sequence } => {
            return start_import(state, custody, bundle, sequence);
        }
        Command::ReportRepairs { repairs, views } => return Ok(report(state, repairs, views)),
        Command::Start { version, data_partition } => {
            Fact::ServiceStarted { version, entries: state.entries, data_partition }
        }
        Command::SnapshotState { sha256 } => Fact::StateSnapshot { entries: state.entries, sha256 },
        Command::OpenCustody { custody, record } => Fact::CustodyOpened { custody, record },
        Command::CloseCustody { custody, record, verdict } => {
            custody_is_open(state, &custody)?;
            Fact::CustodyClosed { custody, record, verdict }
        }
        Command::PauseImport { bundle, reason, missing_volumes } => {
            let import = open_import(state, &bundle)?;
            Fact::ImportPaused { import, reason, missing_volumes }
        }
        Command::RefuseBundle { custody, reason, message, bundle } => {
            custody_is_open(state, &custody)?;
            Fact::BundleRefused { custody, reason, message, bundle }
        }
        Command::QuarantineBundle { custody, reason, message, bundle } => {
            custody_is_open(state, &custody)?;
            Fact::BundleQuarantined { custody, reason, message, bundle }
        }
        Command::CommitCarried(carried) => return commit_carried(state, carried),
        Command::CreateRing { ring, .. } if state.rings.contains_key(&ring) => {
            return Err(Refused::RingExists { ring });
        }
        Command::CreateRing { ring, follows } => Fact::RingCreated { ring, follows },
        Command::IssueCertificate { endpoint, certificate, not_after } => {
            Fact::EndpointCertificateIssued { endpoint, certificate, not_after }
        }
        Command::AcceptSiteRoot { root, document } => next_site_root(state, root, &document)?,
        Command::RefuseSiteRoot { reason, message } => Fact::SiteRootRefused { reason, message },
        Command::Endpoint(command) => return endpoint::decide(state, command, now),
        Command::Statement(command) => return statement::decide(state, command),
        Command::Run(command) => return run::decide(state, command, now),
        Command::Snapshot(command) => return provided::decide(state, command),
        Command::SetCalendar(calendar) => return calendar::decide(state, calendar),
        Command::Exception(command) => return exception::decide(state, command, now),
        Command::SayLevel { level, missed, fresh, record } => {
            return Ok(service_level::decide(state, level, missed, fresh, record));
        }
        Command::Account(command) => return account::decide(state, command, now),
        Command::Policy(command) => return policy::decide(state, command),
        Command::Window(command) => return window::decide(state, command, now),
        Command::SetScanner { socket } if socket == state.scanner => return Ok(Vec::new()),
        Command::SetScanner { socket } => Fact::ScannerSet { socket },
        Command::RegisterAssets { machines, record } => Fact::AssetsRegistered { machines, record },
        Command::Appliance(command) => return appliance::decide(state, command, now),
        Command::OpenEpoch { epoch, roots } => return epoch::open(state, *epoch, &roots),
        other => return Ok(recorded(state, other).into_iter().collect()),
    };
    Ok(vec![facts])
}

/// What is only written down.
fn recorded(state: &State, command: Command) -> Option<Fact> {
    Some(match command {
        Command::CountRefusals { source, reason, count, since, until } => {
            Fact::RefusalsCounted { source, reason, count, since, until }
        }
        Command::ViewLog { filter, entries } => Fact::LogViewed { filter, entries },
        Command::ExportAudit { scope, manifest } => {
            Fact::AuditExported { scope, manifest, entries: state.entries }
        }
        Command::RecordBackup { manifest, entries, files, bytes, recipients } => {
            Fact::BackupMade { manifest, entries, files, bytes, recipients }
        }
        Command::ReportFull { needed_bytes, available_bytes } => {
            Fact::StorageFull { needed_bytes, available_bytes }
        }
        _ => return None,
    })
}

fn create_site(
    site: SiteName,
    origin: String,
    keys: Vec<(String, String)>,
    anchors: Vec<(AnchorKind, String, Digest, Vec<String>)>,
    ring: RingName,
) -> Vec<Fact> {
    let mut facts = vec![Fact::SiteCreated { site, origin, epoch: 1 }];
    facts.extend(keys.into_iter().map(|(purpose, public)| Fact::KeyMade { purpose, public }));
    for (anchor, name, sha256, fingerprints) in anchors {
        facts.push(Fact::AnchorAccepted { anchor, name, sha256, fingerprints });
    }
    facts.push(Fact::RingCreated { ring, follows: true });
    facts
}

fn report(state: &State, repairs: Vec<String>, views: Option<String>) -> Vec<Fact> {
    let entries = state.entries;
    let mended = repairs.into_iter().map(|what| Fact::LedgerRepaired { what });
    let rebuilt = views.map(|reason| Fact::ViewsRebuilt { reason, entries });
    mended.chain(rebuilt).collect()
}

fn start_import(
    state: &State,
    custody: RecordId,
    bundle: Digest,
    sequence: u64,
) -> Result<Vec<Fact>, Refused> {
    custody_is_open(state, &custody)?;
    if state.open_imports.contains_key(&bundle) {
        return Ok(Vec::new()); // goes on where it stopped
    }
    Ok(vec![Fact::ImportStarted { import: custody.clone(), custody, bundle, sequence }])
}

fn commit_import(state: &State, commit: Commit) -> Result<Vec<Fact>, Refused> {
    let import = open_import(state, &commit.bundle)?;
    let newest = state.newest.map(|(sequence, _)| sequence);
    let sequence = commit.sequence;
    if let Some(newest) = newest
        && !state.may_follow(sequence, &commit.publisher)
    {
        return Err(Refused::Overtaken { sequence, newest });
    }
    if state.views.keys().any(|(_, kept)| *kept == sequence) {
        return Err(Refused::NumberTaken { sequence });
    }
    let skipped = commit.previous != newest && commit.previous.is_some();
    let sources: Vec<SourceId> = commit.sources.iter().map(|s| s.source.clone()).collect();
    let mut facts = vec![Fact::BundleImported {
        import,
        custody: commit.custody,
        bundle: commit.bundle,
        sequence,
        previous: newest,
        skipped,
        metadata: commit.metadata,
        publisher: Box::new(commit.publisher),
        sources: commit.sources,
        payloads_new: commit.payloads_new,
        bytes_new: commit.bytes_new,
        signed_time: commit.signed_time,
    }];
    let mut after = state.clone();
    after.evolve(&silent(&facts[0]));
    for source in sources {
        facts.extend(point_followers(&after, &source, &commit.held_back));
    }
    Ok(facts)
}

fn commit_carried(state: &State, carried: CarriedCommit) -> Result<Vec<Fact>, Refused> {
    let CarriedCommit { custody, bundle, sequence, payloads_new, bytes_new, missing, held_back } =
        carried;
    let import = open_import(state, &bundle)?;
    let completed: Vec<SourceId> =
        missing.iter().filter(|(_, n)| *n == 0).map(|(s, _)| s.clone()).collect();
    let mut facts = vec![Fact::PayloadsCarried {
        import,
        custody,
        bundle,
        sequence,
        payloads_new,
        bytes_new,
        missing,
    }];
    let mut after = state.clone();
    after.evolve(&silent(&facts[0]));
    for source in completed {
        facts.extend(point_followers(&after, &source, &held_back));
    }
    Ok(facts)
}

/// The next site root of this epoch.
fn next_site_root(
    state: &State,
    root: Digest,
    document: &trust::SiteRoot,
) -> Result<Fact, Refused> {
    if document.log.epoch != state.epoch() {
        return Err(Refused::OtherLog);
    }
    accept_site_root(state, root, document)
}

/// Generations come one after the other, and are about this site.
pub(crate) fn accept_site_root(
    state: &State,
    root: Digest,
    document: &trust::SiteRoot,
) -> Result<Fact, Refused> {
    let newest = state.site_roots.len() as u64;
    let generation = document.generation;
    if state.site.as_ref() != Some(&document.site) {
        return Err(Refused::OtherSite { other: document.site.clone() });
    }
    if generation != newest + 1 {
        return Err(Refused::RootOvertaken { generation, newest });
    }
    Ok(site_root_accepted(root, document))
}

/// What the ledger says of an accepted site root whose envelope has the digest `root`.
#[must_use]
pub fn site_root_accepted(root: Digest, document: &trust::SiteRoot) -> Fact {
    Fact::SiteRootAccepted {
        generation: document.generation,
        root,
        administrators: document.administrators.keys.len() as u64,
        threshold: document.administrators.threshold as u64,
        approvers: document.approvers.len() as u64,
        four_eyes: document.policy.four_eyes,
        attested_approvals: document.policy.attested_approvals,
        not_after: document.not_after,
    }
}

/// Rings that follow go to the newest view of `source` when it is complete, and closes for them.
fn point_followers(state: &State, source: &SourceId, held_back: &[HeldBack]) -> Vec<Fact> {
    let Some((sequence, view)) = state.newest_view(source) else { return Vec::new() };
    if view.missing > 0 {
        return Vec::new();
    }
    let follows = state.rings.iter().filter(|(_, follows)| **follows);
    let moves = follows.filter_map(|(ring, _)| {
        let fact = pointed(state, ring, source, sequence)?;
        let stays = held_back.iter().find(|held| held.ring == *ring && held.source == *source);
        Some(match stays {
            None => fact,
            Some(HeldBack { ring, source, lack, need }) => Fact::RingHeldBack {
                ring: ring.clone(),
                source: source.clone(),
                sequence,
                packages: lack.packages,
                endpoints: lack.endpoints,
                need: *need,
            },
        })
    });
    moves.collect()
}

fn point_ring(
    state: &State,
    ring: &RingName,
    source: &SourceId,
    sequence: Option<u64>,
    lack: Option<Lack>,
) -> Result<Vec<Fact>, Refused> {
    if !state.rings.contains_key(ring) {
        return Err(Refused::NoRing { ring: ring.clone() });
    }
    let sequence = (sequence.or_else(|| state.newest_complete(source)))
        .ok_or_else(|| Refused::NoCompleteView { source_id: source.clone() })?;
    let key = (source.clone(), sequence);
    let Some(view) = state.views.get(&key) else {
        return Err(Refused::NoView { source_id: key.0, sequence });
    };
    if view.missing > 0 {
        return Err(Refused::Incomplete { source_id: key.0, sequence, missing: view.missing });
    }
    let fact = pointed(state, ring, source, sequence);
    if let (Some(lack), Some(_)) = (lack, &fact) {
        let (ring, source_id) = (ring.clone(), source.clone());
        return Err(Refused::DoesNotClose { ring, source_id, sequence, lack });
    }
    Ok(fact.into_iter().collect())
}

/// The fact that moves a pointer, or nothing where it already points there.
fn pointed(state: &State, ring: &RingName, source: &SourceId, sequence: u64) -> Option<Fact> {
    let (at, generation) =
        state.pointers.get(&(ring.clone(), source.clone())).copied().unwrap_or((0, 0));
    (at != sequence).then(|| Fact::RingPointed {
        ring: ring.clone(),
        source: source.clone(),
        sequence,
        generation: generation + 1,
    })
}

fn custody_is_open(state: &State, custody: &RecordId) -> Result<(), Refused> {
    let open = state.open_custody.contains(custody);
    open.then_some(()).ok_or_else(|| Refused::NoCustody { custody: custody.clone() })
}

fn open_import(state: &State, bundle: &Digest) -> Result<RecordId, Refused> {
    let open = state.open_imports.get(bundle);
    open.map(|o| o.import.clone()).ok_or(Refused::NoImport { bundle: *bundle })
}

/// An event around a fact, to see the state that would follow it.
fn silent(fact: &Fact) -> crate::Event {
    crate::Event { at: Timestamp::UNIX_EPOCH, actor: crate::Actor::Appliance, fact: fact.clone() }
}
