//! What can be said in the ledger: one [`Fact`] per kind of event, version 1 of each.
//!
//! **Invariant:** facts hold ids, digests and commitments; no names, addresses or inventories. Those
//! are in the evidence store, named by commitment.
//!
//! To add a fact: a variant here, its arm in `state.rs`, a line in the golden ledger. To change one:
//! raise its number in [`Fact::version`] and write an upcaster in `codec.rs`.

use ids::{
    Digest, PersonId, PolicyName, RecordId, RingName, SiteName, SourceId, Timestamp, WindowName,
};
use jiff::civil;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When the appliance's clock said that it happened, UTC, to the millisecond.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Actor {
    /// The appliance by itself.
    Appliance,
    /// An endpoint's agent, by its certificate or, while it joins, by its key.
    Endpoint {
        /// The endpoint's id.
        endpoint: RecordId,
    },
    /// A person, through a door.
    Person {
        /// The person's id.
        person: PersonId,
        /// The role in which they acted.
        role: Role,
        /// Where they came in.
        door: Door,
    },
}

/// The four roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Imports, plans, runs, restores.
    Operator,
    /// Accountable for what is applied.
    Approver,
    /// Reads, exports, verifies.
    Assessor,
    /// Keys, people, network.
    Administrator,
}

impl Role {
    /// All four.
    pub const ALL: [Self; 4] =
        [Self::Operator, Self::Approver, Self::Assessor, Self::Administrator];

    /// The word for it, as events have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Assessor => "assessor",
            Self::Administrator => "administrator",
        }
    }
}

/// Where a person came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// The command line on the appliance; the operating system vouches for the account.
    CommandLine,
    /// The console in a browser; the appliance vouches for who signed in.
    Console,
    /// The API for scripts; the appliance vouches for the token that was shown.
    Api,
}

/// What kind of trust an anchor founds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnchorKind {
    /// The publisher's first TUF root.
    PublisherRoot,
    /// A vendor's OpenPGP certificates.
    VendorKeyring,
}

/// Where an unauthenticated refusal came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The endpoints' door.
    EndpointDoor,
    /// The people's door.
    PeopleDoor,
}

/// What the vendor's signed metadata said of one source, as verified on the appliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// Digest of the vendor's signed release file.
    pub release: Digest,
    /// Digest of the vendor's signature over it, where that is a file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Digest>,
    /// `Date` of that file.
    pub release_date: Timestamp,
    /// `Valid-Until` of that file, where it has one.
    pub valid_until: Option<Timestamp>,
    /// Fingerprints of the vendor keys whose signatures held.
    pub signed_by: Vec<String>,
    /// Name of the anchor that holds these keys.
    pub anchor: String,
}

/// One source of an imported bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedSource {
    /// Which source.
    pub source: SourceId,
    /// Digest of the catalogue, as kept in the store.
    pub catalogue: Digest,
    /// What the vendor's signature says.
    pub vendor: SourceFacts,
    /// Files in the catalogue.
    pub files: u64,
    /// Updates in the catalogue.
    pub updates: u64,
    /// Distinct CVE ids that these updates name.
    pub cves: u64,
    /// Files that the catalogue names and the store does not hold: 0 is a complete view.
    pub missing: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "fields repeat the words of their variant")]
pub enum Fact {
    /// The site was founded; always the first entry of a log's first epoch.
    SiteCreated { site: SiteName, origin: String, epoch: u32 },
    /// An anchor of trust was accepted. Bundles may propose anchors; only this accepts one.
    AnchorAccepted { anchor: AnchorKind, name: String, sha256: Digest, fingerprints: Vec<String> },
    /// A key of the appliance's own; `public` in the form that its users know (a signed-note
    /// verifier key, an OpenSSH public key, the SHA-256 of a certificate).
    KeyMade { purpose: String, public: String },
    /// The appliance started on this ledger; how its data is kept, where its first program says so.
    ServiceStarted {
        version: String,
        entries: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_partition: Option<crate::DataPartition>,
    },
    /// The ledger was found damaged and was made whole from its second copy.
    LedgerRepaired { what: String },
    /// The views were set aside and built again.
    ViewsRebuilt { reason: String, entries: u64 },
    /// The clock said an earlier time than the entry before.
    ClockWentBack { by_seconds: i64 },
    /// The state after the first `entries` entries has this digest.
    StateSnapshot { entries: u64, sha256: Digest },
    /// The newest entry format that may be written from here on.
    FormatRaised { format: u32 },
    /// A medium was presented; its custody record is in the evidence store.
    CustodyOpened { custody: RecordId, record: Digest },
    /// The custody record was completed with what became of the medium.
    CustodyClosed { custody: RecordId, record: Digest, verdict: crate::Verdict },
    /// A bundle that the publisher signed is being read.
    ImportStarted { import: RecordId, custody: RecordId, bundle: Digest, sequence: u64 },
    /// Reading stopped before the end; what was read is kept, nothing of it is visible.
    ImportPaused { import: RecordId, reason: String, missing_volumes: Vec<u32> },
    /// A bundle was refused; state is as before.
    BundleRefused {
        custody: RecordId,
        reason: String,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        bundle: Option<Digest>,
    },
    /// A bundle that time forbids: expired, or from too far ahead. State is as before.
    BundleQuarantined { custody: RecordId, reason: String, message: String, bundle: Digest },
    /// The one commit of an import: from here on its metadata is trusted.
    BundleImported {
        import: RecordId,
        custody: RecordId,
        bundle: Digest,
        sequence: u64,
        /// The sequence trusted before, if any.
        previous: Option<u64>,
        /// True where bundles between `previous` and this one were never seen here.
        skipped: bool,
        /// Digest of the list of the publisher's metadata files that were kept (JSON, name to
        /// SHA-256), itself kept.
        metadata: Digest,
        publisher: Box<trust::Publisher>,
        sources: Vec<ImportedSource>,
        payloads_new: u64,
        bytes_new: u64,
        /// Latest plausible signed time in the bundle: the clock's floor rises to it.
        signed_time: Timestamp,
    },
    /// An older bundle gave payloads that trusted indexes name; its metadata was not taken.
    PayloadsCarried {
        import: RecordId,
        custody: RecordId,
        bundle: Digest,
        sequence: u64,
        payloads_new: u64,
        bytes_new: u64,
        /// What is still missing, by source, in the newest views.
        missing: Vec<(SourceId, u64)>,
    },
    /// A ring was made.
    RingCreated { ring: RingName, follows: bool },
    /// A ring points at a view. Generations only rise.
    RingPointed { ring: RingName, source: SourceId, sequence: u64, generation: u64 },
    /// A ring that follows stays where it is: its endpoints need `packages` from the newest view that are
    /// not held. `need` commits to the list.
    RingHeldBack {
        ring: RingName,
        source: SourceId,
        sequence: u64,
        packages: u64,
        endpoints: u64,
        need: Digest,
    },
    /// An endpoint got a client certificate; `endpoint` is the commitment to its name.
    EndpointCertificateIssued { endpoint: Digest, certificate: Digest, not_after: Timestamp },
    /// A generation of the site root was accepted: whom the site obeys from here on. `root` is the
    /// digest of its envelope, which is kept.
    SiteRootAccepted {
        generation: u64,
        root: Digest,
        administrators: u64,
        threshold: u64,
        approvers: u64,
        four_eyes: bool,
        attested_approvals: bool,
        not_after: Timestamp,
    },
    /// A site root was offered and not accepted; whom the site obeys is as before.
    SiteRootRefused { reason: String, message: String },
    /// A one-time token for an endpoint to join with, by its SHA-256. In the facts about endpoints
    /// `endpoint` is its id, and `name` commits to its name.
    EnrolmentTokenIssued { token: Digest, name: Digest, ring: RingName, not_after: Timestamp },
    /// A token that was used already came with another key: somebody has a copy of it.
    EnrolmentTokenMisused { token: Digest, name: Digest, key: Digest },
    /// An endpoint asked to join. `key` is the SHA-256 of its `SubjectPublicKeyInfo`, `request` its
    /// certificate request, which is kept.
    EndpointAsked {
        endpoint: RecordId,
        token: Digest,
        name: Digest,
        ring: RingName,
        key: Digest,
        request: Digest,
    },
    /// An endpoint whose certificate had ended asked for the next one with the key that is known: a person
    /// has to compare it once more.
    EndpointAskedAgain { endpoint: RecordId, request: Digest },
    /// A person compared an endpoint's key and let it join; its first certificate is kept.
    EndpointConfirmed { endpoint: RecordId, certificate: Digest, not_after: Timestamp },
    /// What people say of an endpoint from here on, all of it.
    EndpointDescribed {
        endpoint: RecordId,
        #[serde(flatten)]
        description: crate::Description,
    },
    /// An endpoint is patched and counted from here on, or it is not; `record` commits to why.
    EndpointElected {
        endpoint: RecordId,
        elected: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<Digest>,
    },
    /// An endpoint got its next certificate.
    EndpointCertificateRenewed { endpoint: RecordId, certificate: Digest, not_after: Timestamp },
    /// An endpoint left, or was put out: its certificates are refused from here on.
    EndpointRetired { endpoint: RecordId, reason: String },
    /// What an endpoint says that it has installed, as a commitment.
    InventoryReceived { endpoint: RecordId, inventory: Digest, packages: u64 },
    /// What an endpoint's own solver would apply, as a commitment.
    PlanReceived { endpoint: RecordId, plan: Digest, packages: u64, kept_back: u64 },
    /// How far an endpoint says that its job is; `record` commits to its sentence.
    JobReported { endpoint: RecordId, job: crate::Job, record: Digest },
    /// An endpoint saw that this log went back or forked; `record` commits to what it saw.
    LogDoubted { endpoint: RecordId, record: Digest },
    /// An endpoint holds an older checkpoint than it held before: it was put back, or somebody runs a
    /// copy of it. Both are numbers of entries. `expected` where a restore explains it.
    EndpointWentBack {
        endpoint: RecordId,
        held: u64,
        before: u64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        expected: bool,
    },
    /// A statement about a ring: an approval, or a withdrawal of what was approved. From here on it is
    /// all that counts there.
    StatementAccepted {
        ring: RingName,
        generation: u64,
        decision: trust::Decision,
        /// SHA-256 of its payload, and of its envelope, which is kept.
        statement: Digest,
        envelope: Digest,
        approver: PersonId,
        plan: Digest,
        endpoints: u64,
        packages: u64,
        not_after: Timestamp,
        /// Only the appliance attests to it; no agent obeys it.
        attested: bool,
        /// The approver had imported what the ring points at: possible only where four eyes are off.
        imported_by_approver: bool,
    },
    /// A statement or a waiver was offered and not taken; what counts is as before.
    StatementRefused { reason: String, message: String },
    /// An approver's consent that endpoints are changed without a proven way back.
    WaiverAccepted { envelope: Digest, approver: PersonId, endpoints: u64, not_after: Timestamp },
    /// An approver does not want this version of a package in a ring; `record` commits to the reason.
    UpdateDeclined {
        ring: RingName,
        package: String,
        version: String,
        record: Digest,
        not_after: Timestamp,
    },
    /// Where a ring stands in the order of rings; `None` outside of it.
    RingPlaced { ring: RingName, place: Option<crate::RingPlace> },
    /// No endpoint of a ring goes past this version of a package before it has it: a step between that its
    /// vendor asks for. `None` ends that.
    FloorSet { ring: RingName, package: String, version: Option<String> },
    /// A run was drawn up, with the approval to be signed for it; `statement` is the SHA-256 of its payload,
    /// `record` commits to the draft and to what the linter says of it.
    RunPlanned {
        run: RecordId,
        ring: RingName,
        statement: Digest,
        not_after: Timestamp,
        endpoints: u64,
        packages: u64,
        brake: crate::Brake,
        record: Digest,
    },
    /// Endpoints of the run that starts; as many entries as it takes.
    RunJoined { run: RecordId, endpoints: Vec<RecordId> },
    /// From here on the endpoints that joined may begin, as the approval permits.
    RunStarted {
        run: RecordId,
        ring: RingName,
        statement: Digest,
        not_after: Timestamp,
        endpoints: u64,
        brake: crate::Brake,
        /// What the ring points at.
        views: Vec<(SourceId, u64)>,
        /// Whether it does not wait for the ring before.
        unsoaked: bool,
    },
    /// No endpoint begins any more until a person says so.
    RunPaused { run: RecordId, cause: crate::PauseCause },
    /// A person let it go on.
    RunResumed { run: RecordId },
    /// The run is over.
    RunEnded {
        run: RecordId,
        ring: RingName,
        statement: Digest,
        end: crate::RunEnd,
        tally: crate::Tally,
    },
    /// A person decided about a machine whose job failed.
    JobResolved { endpoint: RecordId, approval: Digest, resolution: crate::Resolution },
    /// An endpoint said of its job what cannot have happened; what was known of it stays. `record` commits
    /// to what it said.
    ReportRefused { endpoint: RecordId, record: Digest },
    /// Packages that an effective job had brought are older or gone again; `record` commits to the list.
    FixReopened { endpoint: RecordId, approval: Digest, packages: u64, record: Digest },
    /// A provider made a snapshot of an endpoint and it was proven; `record` commits to what was shown.
    SnapshotProven { endpoint: RecordId, approval: Digest, record: Digest },
    /// A snapshot could not be made or not be proven: the job ended before anything was changed.
    SnapshotFailed { endpoint: RecordId, approval: Digest, record: Digest },
    /// From here on the provider is asked to put the machine back.
    RestoreBegun { endpoint: RecordId, approval: Digest },
    /// The provider put the machine back, or could not; its snapshot is kept.
    RestoreEnded { endpoint: RecordId, approval: Digest, restored: bool, record: Digest },
    /// The way back was tried on a clone, without a patch; `record` commits to what was shown.
    RestoreDrilled { endpoint: RecordId, passed: bool, record: Digest },
    /// The provider holds the snapshot of this job no more.
    SnapshotDeleted { endpoint: RecordId, approval: Digest },
    /// An endpoint that had begun said nothing for long; `record` commits to what its provider sees of it.
    EndpointSilent { endpoint: RecordId, approval: Digest, record: Digest },
    /// Which malware scanner imports ask from here on: clamd's socket; `None` asks none.
    ScannerSet { socket: Option<String> },
    /// A maintenance window was made or changed: see [`crate::Window`]. `edition` is that of the database
    /// of time zones by which it was judged.
    WindowSet {
        window: WindowName,
        ring: RingName,
        rule: String,
        start: civil::DateTime,
        zone: String,
        minutes: u32,
        edition: String,
    },
    /// By which time zone and holidays the site goes from here on.
    CalendarSet(crate::Calendar),
    /// Rows of a service level are missed, `fresh` of them newly; or none is any more. `record` commits to
    /// the list.
    LevelAlarm { level: crate::Level, missed: u64, fresh: u64, record: Digest },
    /// A policy is in force from here on, as it is written here.
    PolicySet { policy: crate::Policy },
    /// A policy is out of force.
    PolicyRemoved { policy: PolicyName },
    /// Somebody asked that an update be left for a while; `record` commits to owner, reason and what is
    /// done instead. It counts for nothing before somebody else approved it.
    ExceptionRequested {
        exception: RecordId,
        #[serde(flatten)]
        about: crate::Excepted,
        record: Digest,
        requested_by: PersonId,
        not_after: Timestamp,
    },
    /// Somebody else approved it.
    ExceptionApproved { exception: RecordId, approved_by: PersonId },
    /// The register of the site's machines, as people keep it elsewhere, from here on; `record` commits to it.
    AssetsRegistered { machines: u64, record: Digest },
    /// A maintenance window is no more.
    WindowRemoved { window: WindowName },
    /// An account was opened, or is from here on as said here; `record` commits to the person's name.
    AccountSet { person: PersonId, roles: BTreeSet<Role>, record: Digest },
    /// An account's credentials no longer count: only a one-time code does, until `code_until`.
    AccountReset { person: PersonId, code_until: Timestamp },
    /// An account was closed.
    AccountClosed { person: PersonId },
    /// A person chose a new password, or joined a new authenticator.
    CredentialSet { person: PersonId, credential: crate::Credential },
    /// An approver's browser made a security key known, by its SHA-256 fingerprint. What it signs counts only once a
    /// site root lists it.
    SecurityKeyAdded { person: PersonId, key: Digest },
    /// A security key of a browser is known no more.
    SecurityKeyRemoved { person: PersonId, key: Digest },
    /// What a browser said of a new security key was not taken.
    SecurityKeyRefused { person: PersonId, reason: String },
    /// A person signed in.
    SessionBegun { person: PersonId, session: RecordId },
    /// A session ended.
    SessionEnded { person: PersonId, session: RecordId, cause: crate::SignOutCause },
    /// A token for a person's scripts, which acts in one role of theirs until it ends; `record` commits to its
    /// label, `sha256` is of its secret.
    ApiTokenIssued {
        token: RecordId,
        person: PersonId,
        role: Role,
        record: Digest,
        ends: Timestamp,
        sha256: Digest,
    },
    /// A token counts no more.
    ApiTokenRevoked { token: RecordId, person: PersonId },
    /// An image of the appliance's own that was imported was handed over, to be started once on trial.
    ImageHandedOver { version: String, sha256: Digest },
    /// An image that is older than the one that runs was asked for: another person has to ask for it too.
    OlderImageAsked { version: String, sha256: Digest },
    /// What became of an image that was handed over.
    ImageSettled(crate::SettledImage),
    /// Another way to reach the appliance was asked for: it is taken on trial.
    NetworkChangeAsked { change: RecordId, settings: network::Settings },
    /// Somebody who reached the appliance so confirmed it.
    NetworkChangeConfirmed { change: RecordId },
    /// What became of a change of how the appliance is reached.
    NetworkSettled(network::Outcome),
    /// Somebody had a file written to a medium; `record` is the medium's custody record.
    MediumWriteAsked { custody: RecordId, record: Digest, name: String, sha256: Digest, bytes: u64 },
    /// What became of it; without a reason it is there, and was read back.
    MediumWriteSettled {
        custody: RecordId,
        settled: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Somebody who was signed in asked for what their roles do not allow: one event for each session, or
    /// token, and operation.
    OperationDenied { person: PersonId, operation: String },
    /// Unauthenticated refusals, counted: at most one per kind and reason in ten minutes.
    RefusalsCounted {
        source: RefusalKind,
        reason: String,
        count: u64,
        since: Timestamp,
        until: Timestamp,
    },
    /// Somebody looked at the log.
    LogViewed { filter: String, entries: u64 },
    /// An audit bundle was written.
    AuditExported { scope: String, manifest: Digest, entries: u64 },
    /// A backup was written, of so many entries; `manifest` is the digest of the list of its files.
    /// For whom it is encrypted is not said, only for how many.
    BackupMade { manifest: Digest, entries: u64, files: u64, bytes: u64, recipients: u64 },
    /// A restored appliance goes on in this log; always its first entry.
    EpochOpened(Box<crate::Epoch>),
    /// Writing stopped for want of space; nothing acknowledged is lost.
    StorageFull { needed_bytes: u64, available_bytes: u64 },
}

impl Fact {
    /// The version of this kind of fact that is written today.
    #[must_use]
    pub const fn version(&self) -> u32 {
        1
    }

    /// The endpoints that it is about, where it names them.
    #[must_use]
    pub fn endpoints(&self) -> &[RecordId] {
        match self {
            Self::RunJoined { endpoints, .. } => endpoints,
            Self::ExceptionRequested { about, .. } => about.endpoint.as_slice(),
            Self::EndpointAsked { endpoint, .. }
            | Self::EndpointAskedAgain { endpoint, .. }
            | Self::EndpointConfirmed { endpoint, .. }
            | Self::EndpointDescribed { endpoint, .. }
            | Self::EndpointElected { endpoint, .. }
            | Self::EndpointCertificateRenewed { endpoint, .. }
            | Self::EndpointRetired { endpoint, .. }
            | Self::InventoryReceived { endpoint, .. }
            | Self::PlanReceived { endpoint, .. }
            | Self::JobReported { endpoint, .. }
            | Self::LogDoubted { endpoint, .. }
            | Self::EndpointWentBack { endpoint, .. }
            | Self::JobResolved { endpoint, .. }
            | Self::ReportRefused { endpoint, .. }
            | Self::FixReopened { endpoint, .. }
            | Self::SnapshotProven { endpoint, .. }
            | Self::SnapshotFailed { endpoint, .. }
            | Self::RestoreBegun { endpoint, .. }
            | Self::RestoreEnded { endpoint, .. }
            | Self::RestoreDrilled { endpoint, .. }
            | Self::SnapshotDeleted { endpoint, .. }
            | Self::EndpointSilent { endpoint, .. } => std::slice::from_ref(endpoint),
            _ => &[],
        }
    }
}
