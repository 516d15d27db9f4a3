//! What a log tells: its events gathered into the tables of the report.

use super::{keys, people, rows, seam, sentence};
use catalogue::{Catalogue, ReleaseBasis};
use fleet::{AnchorKind, Custody, Event, Fact, RefusalKind, ScanResult, State};
use ids::{Digest, RecordId, SourceId, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
};

/// Longest catalogue that is read, in bytes of plain JSON.
const CATALOGUE_BYTES_MAX: u64 = 256 << 20;
/// The limit of the 14-day rules, in seconds.
const FORTNIGHT: i64 = 14 * 86_400;

/// Everything that the report needs.
#[derive(Default)]
pub(super) struct Told {
    pub(super) state: State,
    pub(super) founded_at: Option<Timestamp>,
    pub(super) epoch: u32,
    /// What a later epoch goes on from, in words.
    seam: Option<String>,
    pub(super) anchors: Vec<Anchor>,
    pub(super) keys: Vec<(String, String)>,
    pub(super) imports: Vec<rows::Import>,
    pub(super) updates: Vec<rows::Update>,
    pub(super) refusals: Vec<rows::Refusal>,
    pub(super) decisions: Vec<rows::Decision>,
    pub(super) endpoints: Vec<rows::Endpoint>,
    pub(super) counts: BTreeMap<&'static str, u64>,
    /// Imported sources: sequence, when, what.
    pub(super) sources: Vec<(u64, Timestamp, fleet::ImportedSource)>,
    /// Catalogues that the log names and nobody could show.
    pub(super) unread: BTreeSet<Digest>,
    pub(super) cves: BTreeSet<String>,
}

/// An accepted anchor.
pub(super) struct Anchor {
    pub(super) kind: AnchorKind,
    pub(super) name: String,
    pub(super) sha256: Digest,
    pub(super) fingerprints: Vec<String>,
    pub(super) accepted_at: Timestamp,
}

/// Gathers events. `catalogue` shows the bytes of a catalogue, `record` the value of a record.
pub(super) fn gather(
    events: &[Event],
    catalogue: &dyn Fn(&Digest) -> Option<Vec<u8>>,
    record: &dyn Fn(&Digest) -> Option<serde_json::Value>,
    witnesses: &[people::Witness],
) -> Told {
    let state = seam::start(events, catalogue).unwrap_or_default();
    let mut told = Told { state, decisions: people::decisions(events), ..Told::default() };
    told.carry(events);
    gather_imports(&mut told, events, catalogue, record);
    let name = |name: &Digest| record(name)?["endpoint"].as_str().map(str::to_owned);
    told.endpoints = people::endpoints(&told, &name, witnesses);
    told
}

fn gather_imports(
    told: &mut Told,
    events: &[Event],
    catalogue: &dyn Fn(&Digest) -> Option<Vec<u8>>,
    custody: &dyn Fn(&Digest) -> Option<serde_json::Value>,
) {
    let mut media: BTreeMap<RecordId, String> = BTreeMap::new();
    let mut known: BTreeSet<(SourceId, String)> = BTreeSet::new();
    for (entry, event) in (0..).zip(events) {
        told.state.evolve(event);
        *told.counts.entry(event.fact.kind()).or_default() += 1;
        match &event.fact {
            Fact::SiteCreated { epoch, .. } => {
                told.epoch = *epoch;
                told.founded_at = Some(event.at);
            }
            Fact::AnchorAccepted { anchor, name, sha256, fingerprints } => {
                told.anchors.push(Anchor {
                    kind: *anchor,
                    name: name.clone(),
                    sha256: *sha256,
                    fingerprints: fingerprints.clone(),
                    accepted_at: event.at,
                });
            }
            Fact::KeyMade { purpose, public } => {
                told.keys.push((purpose.clone(), public.clone()));
            }
            Fact::CustodyOpened { custody: id, record } => {
                let medium = custody(record).and_then(|value| serde_json::from_value(value).ok());
                media.extend(medium.map(|record| (id.clone(), describe(&record))));
            }
            Fact::BundleImported { sources, sequence, custody, .. } => {
                let medium = media.get(custody).cloned();
                told.imports.extend(import(entry, event, medium));
                for source in sources {
                    told.sources.push((*sequence, event.at, source.clone()));
                    let bytes = catalogue(&source.catalogue);
                    match bytes.and_then(|bytes| read_catalogue(&bytes)) {
                        Some(read) => {
                            told.take_updates(&read, *sequence, event.at, entry, &mut known)
                        }
                        None => drop(told.unread.insert(source.catalogue)),
                    }
                }
            }
            Fact::CustodyClosed { custody: id, record, .. } => {
                let closed = custody(record).and_then(|value| serde_json::from_value(value).ok());
                let scan = closed.map(|record| describe_scan(&record));
                if let Some(row) = told.imports.iter_mut().rfind(|row| row.custody == *id) {
                    row.malware_scan = scan;
                }
            }
            other => told.refusals.extend(refusal(entry, event.at, other)),
        }
    }
}

impl Told {
    /// Since when this log is the site's.
    pub(super) fn founded(&self) -> String {
        let founded = self.founded_at.map(|at| format!("founded on {}", sentence::time(at)));
        self.seam.clone().or(founded).unwrap_or_default()
    }

    /// Whether the log names the key with this fingerprint as the one for audit bundles.
    pub(super) fn names_key(&self, fingerprint: &str) -> bool {
        let audit = self.keys.iter().filter(|(purpose, _)| purpose == "audit");
        let mut prints = audit.filter_map(|(_, public)| keys::openssh_fingerprint(public));
        prints.any(|print| print == fingerprint)
    }

    /// Takes up what the log before left: anchors, keys and the number of the epoch.
    fn carry(&mut self, events: &[Event]) {
        let (Some(epoch), Some(first)) = (seam::of(events), events.first()) else { return };
        self.epoch = epoch.epoch;
        self.seam = Some(format!(
            "in epoch {} since {}: {}",
            epoch.epoch,
            sentence::time(first.at),
            seam::words(epoch)
        ));
        self.keys.clone_from(&epoch.keys);
        self.anchors.extend(self.state.anchors.iter().map(|((kind, name), sha256)| Anchor {
            kind: *kind,
            name: name.clone(),
            sha256: *sha256,
            fingerprints: Vec::new(),
            accepted_at: first.at,
        }));
    }

    fn take_updates(
        &mut self,
        catalogue: &Catalogue,
        first_sequence: u64,
        imported_at: Timestamp,
        import_entry: u64,
        known: &mut BTreeSet<(SourceId, String)>,
    ) {
        for update in &catalogue.updates {
            if !known.insert((catalogue.source.clone(), update.id.clone())) {
                continue;
            }
            self.cves.extend(update.cves.iter().flatten().cloned());
            let seconds = imported_at.duration_since(update.released_at).as_secs();
            self.updates.push(rows::Update {
                source: catalogue.source.clone(),
                update: update.id.clone(),
                source_package: update.source_package.clone(),
                fixed_version: update.fixed_version.clone(),
                released_at: update.released_at,
                released_by: match update.released_by {
                    ReleaseBasis::SignedRelease => "signed-release",
                    ReleaseBasis::Changelog => "changelog",
                    ReleaseBasis::Advisory => "advisory",
                },
                changelog_at: update.changelog_at,
                urgency: update.urgency.clone(),
                cves: update.cves.clone(),
                packages: update.payloads.len() as u64,
                first_sequence,
                imported_at,
                import_entry,
                days_release_to_import: seconds.div_euclid(8_640),
                within_14_days: seconds <= FORTNIGHT,
            });
        }
    }
}

/// A catalogue from its bytes, plain or as zstd.
pub(super) fn read_catalogue(bytes: &[u8]) -> Option<Catalogue> {
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let plain = zstd::stream::read::Decoder::new(bytes).ok()?.take(CATALOGUE_BYTES_MAX);
        return serde_json::from_reader(std::io::BufReader::new(plain)).ok();
    }
    serde_json::from_slice(bytes).ok()
}

fn import(entry: u64, event: &Event, medium: Option<String>) -> Option<rows::Import> {
    let Fact::BundleImported {
        custody,
        bundle,
        sequence,
        previous,
        skipped,
        sources,
        payloads_new,
        bytes_new,
        signed_time,
        ..
    } = &event.fact
    else {
        return None;
    };
    let sum = |what: fn(&fleet::ImportedSource) -> u64| sources.iter().map(what).sum();
    Some(rows::Import {
        entry,
        sequence: *sequence,
        imported_at: event.at,
        imported_by: sentence::actor(&event.actor),
        medium,
        malware_scan: None,
        custody: custody.clone(),
        bundle: *bundle,
        previous_sequence: *previous,
        skipped_bundles: *skipped,
        publisher_signed_at: *signed_time,
        sources: sources.len() as u64,
        updates: sum(|s| s.updates),
        cves: sum(|s| s.cves),
        files: sum(|s| s.files),
        files_missing: sum(|s| s.missing),
        payloads_new: *payloads_new,
        bytes_new: *bytes_new,
    })
}

fn refusal(entry: u64, at: Timestamp, fact: &Fact) -> Option<rows::Refusal> {
    let row = |what, reason: &str, message: &str, count| rows::Refusal {
        entry,
        at,
        what,
        reason: reason.to_owned(),
        message: message.to_owned(),
        count,
        custody: None,
        bundle: None,
    };
    Some(match fact {
        Fact::BundleRefused { custody, reason, message, bundle } => rows::Refusal {
            custody: Some(custody.clone()),
            bundle: *bundle,
            ..row("bundle refused", reason, message, 1)
        },
        Fact::BundleQuarantined { custody, reason, message, bundle } => rows::Refusal {
            custody: Some(custody.clone()),
            bundle: Some(*bundle),
            ..row("bundle quarantined", reason, message, 1)
        },
        Fact::SiteRootRefused { reason, message } => row("site root refused", reason, message, 1),
        Fact::StatementRefused { reason, message } => row("statement refused", reason, message, 1),
        Fact::EnrolmentTokenMisused { token, .. } => {
            let message = format!("token {} was used with another key too", token.short());
            row("enrolment refused", "token-misused", &message, 1)
        }
        Fact::RefusalsCounted { source, reason, count, since, until } => {
            let span = format!("from {} to {}", sentence::time(*since), sentence::time(*until));
            row(door(*source), reason, &span, *count)
        }
        Fact::StorageFull { needed_bytes, available_bytes } => {
            let needed = sentence::bytes(*needed_bytes);
            let free = sentence::bytes(*available_bytes);
            row("storage full", "space", &format!("{needed} needed, {free} free"), 1)
        }
        _ => return None,
    })
}

const fn door(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::EndpointDoor => "request refused at the endpoints' door",
        RefusalKind::PeopleDoor => "request refused at the people's door",
    }
}

/// A medium in a few words.
fn describe(custody: &Custody) -> String {
    let kind = custody.media_type.and_then(|kind| serde_json::to_value(kind).ok());
    let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or("medium").replace('-', " ");
    let labels = [
        ("tag", custody.media_asset_tag.as_deref()),
        ("serial", custody.usb_serial.as_deref().or(custody.scsi_or_block_serial.as_deref())),
        ("seal", custody.tamper_seal_no_in.as_deref()),
    ];
    let labels = labels.into_iter().filter_map(|(name, text)| Some(format!(", {name} {}", text?)));
    labels.fold(kind, |all, label| all + &label)
}

/// What the malware scanner said, in a few words.
fn describe_scan(custody: &Custody) -> String {
    let scans = custody.outcome.iter().flat_map(|outcome| &outcome.av_engines);
    let scans: Vec<String> = scans
        .map(|scan| {
            let age = match scan.db_age_days {
                Some(days) => {
                    format!("signatures {} old", sentence::count(days.unsigned_abs(), "day"))
                }
                None => "signatures of unknown age".to_owned(),
            };
            let result = match scan.result {
                ScanResult::Clean => "nothing found".to_owned(),
                ScanResult::Found => "malware found".to_owned(),
                ScanResult::Incomplete => {
                    format!("nothing found, {} not looked at", scan.unscanned.len())
                }
            };
            let files = sentence::count(scan.files, "file");
            format!("{} {}, {age}, {files}: {result}", scan.name, scan.version)
        })
        .collect();
    if scans.is_empty() { "not scanned".to_owned() } else { scans.join("; ") }
}
