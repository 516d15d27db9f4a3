//! The live state of a site: what `decide` looks at, and nothing else.
//!
//! Built only by [`State::evolve`] from events, in order. It can be written out and read back as
//! JSON; its digest after n entries goes into the ledger, so a replay that diverges shows.

use crate::{
    Account, AnchorKind, ApiToken, Calendar, DataPartition, Declined, Endpoint, Event, Exception,
    Fact, ImportedSource, KeptWaiver, LastRun, Level, LevelAlarm, MediumWrite, OlderImage, Pages,
    Policy, RingPlace, RingStatement, Run, SettledImage, Token, Window, account, api_token,
    appliance, description, endpoint, epoch, exception, medium, policy, provided, run,
    service_level, statement, window,
};
use ids::{
    Digest, PersonId, PolicyName, RecordId, RingName, SiteName, SourceId, Timestamp, WindowName,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many of a source's newest views are kept besides those that a ring points at.
pub const VIEWS_KEPT: usize = 3;

/// What the appliance knows and decides by.
///
/// A field that was added later is left out of the JSON while it is empty, so that the digests that
/// older ledgers hold of it stay true.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Entries evolved so far.
    pub entries: u64,
    /// The site's name, once founded.
    pub site: Option<SiteName>,
    /// Origin of the log, with its epoch.
    pub origin: String,
    /// Accepted anchors: (kind, name) to digest of the bytes in the evidence store.
    #[serde(with = "pairs")]
    pub anchors: BTreeMap<(AnchorKind, String), Digest>,
    /// What is trusted of the publisher; `None` before the first import.
    pub publisher: Option<trust::Publisher>,
    /// Sequence and digest of the newest trusted bundle.
    pub newest: Option<(u64, Digest)>,
    /// Kept views, by source and sequence.
    #[serde(with = "pairs")]
    pub views: BTreeMap<(SourceId, u64), KeptView>,
    /// Rings and whether each follows new complete views by itself.
    pub rings: BTreeMap<RingName, bool>,
    /// Where rings point: sequence and generation.
    #[serde(with = "pairs")]
    pub pointers: BTreeMap<(RingName, SourceId), (u64, u64)>,
    /// Imports under way, by bundle.
    #[serde(with = "pairs")]
    pub open_imports: BTreeMap<Digest, OpenImport>,
    /// Custody records that wait for their outcome.
    pub open_custody: BTreeSet<RecordId>,
    /// Latest signed time that was plausible when seen: the clock is not believed below it.
    pub signed_floor: Option<Timestamp>,
    /// When the newest entry was made.
    pub last_at: Option<Timestamp>,
    /// clamd's socket, where imports are scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanner: Option<String>,
    /// Digests of the envelopes of the site root's generations, from the first to the newest; empty
    /// where the site has no root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub site_roots: Vec<Digest>,
    /// Tokens that count or were used, by the SHA-256 of their secrets.
    #[serde(default, skip_serializing_if = "Pages::is_empty")]
    pub tokens: Pages<Digest, Token>,
    /// Endpoints with an agent.
    #[serde(default, skip_serializing_if = "Pages::is_empty")]
    pub endpoints: Pages<RecordId, Endpoint>,
    /// Whose certificate each is.
    #[serde(default, skip_serializing_if = "Pages::is_empty")]
    pub certificates: Pages<Digest, RecordId>,
    /// The newest statement about each ring.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub statements: BTreeMap<RingName, RingStatement>,
    /// Waivers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<KeptWaiver>,
    /// Rings that stayed where they were when a newer view came, with what it lacked.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub held_back: BTreeMap<(RingName, SourceId), Stayed>,
    /// Updates that approvers do not want, by ring and package.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub declined: BTreeMap<(RingName, String), Declined>,
    /// Runs that are planned or under way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub runs: BTreeMap<RecordId, Run>,
    /// The order of rings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<RingName, RingPlace>,
    /// Versions that no endpoint of a ring may leave out, by ring and package.
    #[serde(default, with = "pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub floors: BTreeMap<(RingName, String), String>,
    /// The last complete run of each ring.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last_runs: BTreeMap<RingName, LastRun>,
    /// The calendar that service levels go by, where people have said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Calendar>,
    /// Policies in force.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<PolicyName, Policy>,
    /// Exceptions that have not ended, and those that ended since the last was asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exceptions: BTreeMap<RecordId, Exception>,
    /// Commitment to the register of the site's machines, where people gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<Digest>,
    /// Maintenance windows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub windows: BTreeMap<WindowName, Window>,
    /// Service levels of which something is missed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub level_alarms: BTreeMap<Level, LevelAlarm>,
    /// Who may sign in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accounts: BTreeMap<PersonId, Account>,
    /// Tokens for scripts that were issued and not revoked, by the SHA-256 of their secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub api_tokens: BTreeMap<Digest, ApiToken>,
    /// How the appliance keeps its data, as of its last start; none where it does not run from its own image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_partition: Option<DataPartition>,
    /// An older image that one person has asked for, until it is handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_image: Option<OlderImage>,
    /// What became of the image that was handed over last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_settled: Option<SettledImage>,
    /// What became of the last change of how the appliance is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_settled: Option<network::Outcome>,
    /// What was to be written to a medium last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium_write: Option<MediumWrite>,
    /// The epoch, where it is not the first; see [`State::epoch`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub epoch: u32,
    /// Who imported, in epochs before this one, what kept views hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub importers_before: Vec<PersonId>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A view that is kept: one source at one sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptView {
    /// What the import said of it.
    pub source: ImportedSource,
    /// Files still missing from the store.
    pub missing: u64,
}

/// Why a ring stayed where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stayed {
    /// Sequence of the view to which it did not move.
    pub sequence: u64,
    /// Packages that its endpoints need from there and that were not held.
    pub packages: u64,
    /// How many endpoints need one of them.
    pub endpoints: u64,
    /// Commitment to the need list.
    pub need: Digest,
}

/// An import that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenImport {
    /// Its id; what was read is kept under it.
    pub import: RecordId,
    /// Sequence of its bundle.
    pub sequence: u64,
    /// Volumes that had not come when it was last paused; `None` before that.
    pub missing_volumes: Option<Vec<u32>>,
}

impl State {
    /// Takes in the next event. Never fails: what the ledger says has happened.
    pub fn evolve(&mut self, event: &Event) {
        self.entries += 1;
        self.last_at = Some(event.at);
        match &event.fact {
            Fact::SiteCreated { site, origin, .. } => {
                self.site = Some(site.clone());
                self.origin.clone_from(origin);
            }
            Fact::AnchorAccepted { anchor, name, sha256, .. } => {
                self.anchors.insert((*anchor, name.clone()), *sha256);
            }
            Fact::CustodyOpened { custody, .. } => {
                self.open_custody.insert(custody.clone());
            }
            Fact::CustodyClosed { custody, .. } => {
                self.open_custody.remove(custody);
            }
            Fact::ImportStarted { import, bundle, sequence, .. } => {
                let (import, sequence) = (import.clone(), *sequence);
                let open = OpenImport { import, sequence, missing_volumes: None };
                self.open_imports.insert(*bundle, open);
            }
            Fact::ImportPaused { import, missing_volumes, .. } => {
                self.note_missing_volumes(import, missing_volumes);
            }
            Fact::BundleRefused { bundle: Some(bundle), .. } => {
                self.open_imports.remove(bundle);
            }
            Fact::BundleImported { bundle, sequence, publisher, sources, signed_time, .. } => {
                self.open_imports.remove(bundle);
                self.publisher = Some(publisher.as_ref().clone());
                self.newest = Some((*sequence, *bundle));
                self.signed_floor = self.signed_floor.max(Some(*signed_time));
                self.keep_views(*sequence, sources);
            }
            Fact::PayloadsCarried { bundle, missing, .. } => {
                self.open_imports.remove(bundle);
                for (source, count) in missing {
                    self.set_missing(source, *count);
                }
            }
            Fact::RingCreated { ring, follows } => {
                self.rings.insert(ring.clone(), *follows);
            }
            Fact::RingPointed { ring, source, sequence, generation } => {
                let key = (ring.clone(), source.clone());
                self.held_back.remove(&key);
                self.pointers.insert(key, (*sequence, *generation));
                self.drop_old_views(source);
            }
            Fact::RingHeldBack { ring, source, sequence, packages, endpoints, need } => {
                let (sequence, packages, endpoints) = (*sequence, *packages, *endpoints);
                let stayed = Stayed { sequence, packages, endpoints, need: *need };
                self.held_back.insert((ring.clone(), source.clone()), stayed);
            }
            Fact::SiteRootAccepted { root, .. } => self.site_roots.push(*root),
            Fact::ServiceStarted { data_partition, .. } => self.data_partition = *data_partition,
            Fact::ScannerSet { socket } => self.scanner.clone_from(socket),
            Fact::AssetsRegistered { record, .. } => self.assets = Some(*record),
            Fact::EpochOpened(opened) => epoch::evolve(self, opened),
            _ => self.evolve_others(event),
        }
    }

    /// From what no room takes, nothing follows: the golden ledger holds every kind.
    fn evolve_others(&mut self, event: &Event) {
        let (fact, at) = (&event.fact, event.at);
        let _ = endpoint::evolve(self, fact, at)
            || statement::evolve(self, fact, at)
            || description::evolve(self, fact, at)
            || run::evolve(self, fact, at)
            || provided::evolve(self, fact, at)
            || window::evolve(self, fact)
            || policy::evolve(self, fact)
            || exception::evolve(self, fact, at)
            || api_token::evolve(self, fact, at)
            || appliance::evolve(self, event)
            || medium::evolve(self, fact, at)
            || account::evolve(self, fact)
            || service_level::evolve(self, fact, at);
    }

    /// Whether a bundle that the publisher's signatures call newer may be the next: its number is
    /// higher than the newest one's, or a new root has replaced keys that had pushed the numbers up.
    #[must_use]
    pub fn may_follow(&self, sequence: u64, publisher: &trust::Publisher) -> bool {
        let known = self.publisher.as_ref().map_or(0, |publisher| publisher.roots.len());
        self.newest.is_none_or(|(newest, _)| sequence > newest) || publisher.roots.len() > known
    }

    /// The kept views of a source with their sequences, oldest first. A number above the newest
    /// bundle's is of keys that were replaced since, so it is older than all others.
    #[must_use]
    pub fn views_of(&self, source: &SourceId) -> Vec<(u64, &KeptView)> {
        let newest = self.newest.map_or(u64::MAX, |(newest, _)| newest);
        let views = self.views.iter().filter(|((s, _), _)| s == source);
        let mut views: Vec<_> = views.map(|((_, sequence), view)| (*sequence, view)).collect();
        views.sort_by_key(|(sequence, _)| (*sequence <= newest, *sequence));
        views
    }

    /// The newest kept view of a source, with its sequence.
    #[must_use]
    pub fn newest_view(&self, source: &SourceId) -> Option<(u64, &KeptView)> {
        self.views_of(source).pop()
    }

    /// Sequence of the newest kept view of a source that lacks no file.
    #[must_use]
    pub fn newest_complete(&self, source: &SourceId) -> Option<u64> {
        let complete = |(sequence, view): (u64, &KeptView)| (view.missing == 0).then_some(sequence);
        self.views_of(source).into_iter().rev().find_map(complete)
    }

    /// Digest of the state: SHA-256 of its JSON, whose maps are sorted.
    ///
    /// # Errors
    /// Only if the state cannot be written as JSON, which would be our own mistake.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        Ok(Digest::of(&serde_json::to_vec(self)?))
    }

    fn note_missing_volumes(&mut self, import: &RecordId, missing: &[u32]) {
        let open = self.open_imports.values_mut().find(|open| open.import == *import);
        if let Some(open) = open.filter(|_| !missing.is_empty()) {
            open.missing_volumes = Some(missing.to_vec());
        }
    }

    fn keep_views(&mut self, sequence: u64, sources: &[ImportedSource]) {
        for source in sources {
            let view = KeptView { source: source.clone(), missing: source.missing };
            self.views.insert((source.source.clone(), sequence), view);
            self.drop_old_views(&source.source);
        }
    }

    fn set_missing(&mut self, source: &SourceId, count: u64) {
        if let Some((sequence, _)) = self.newest_view(source) {
            let key = (source.clone(), sequence);
            if let Some(view) = self.views.get_mut(&key) {
                view.missing = count;
            }
        }
    }

    fn drop_old_views(&mut self, source: &SourceId) {
        let pointed: BTreeSet<u64> = (self.pointers.iter())
            .filter(|((_, s), _)| s == source)
            .map(|(_, (sequence, _))| *sequence)
            .collect();
        let sequences: Vec<u64> = self.views_of(source).into_iter().map(|(n, _)| n).collect();
        let newest = sequences.len().saturating_sub(VIEWS_KEPT);
        for sequence in sequences.into_iter().take(newest) {
            if !pointed.contains(&sequence) {
                self.views.remove(&(source.clone(), sequence));
            }
        }
    }
}

/// Maps with compound keys as sorted lists of pairs, since JSON keys are text.
pub(crate) mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
