//! How an import ends: one code, one sentence, figures.

use super::plan::Plan;
use crate::{Ending, Error, RingStays, heart::Done, vendor::chain};
use fleet::{AvEngine, Fact, ImportedSource, ScanResult, Verdict};
use ids::Fault;
use serde::{Deserialize, Serialize};

/// What an import read and kept. Lengths are bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Payloads that were new to the store.
    pub payloads_new: u64,
    /// Their lengths together.
    pub bytes_new: u64,
    /// Payloads that passed by on the medium.
    pub files_read: u64,
    /// Their lengths together.
    pub bytes_read: u64,
    /// Names on the medium that the bundle does not list; they were not read.
    pub unlisted: Vec<String>,
    /// What the malware scanner said, where the site has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<AvEngine>,
}

/// How an import ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOutcome {
    code: String,
    message: String,
    verdict: Verdict,
    /// Sequence of the bundle, once its signatures held.
    pub sequence: Option<u64>,
    /// What it read and kept.
    pub figures: Figures,
    /// Sources of a committed bundle.
    pub sources: Vec<ImportedSource>,
    /// Volumes that must still come.
    pub missing_volumes: Vec<u32>,
    /// Rings that were pointed at the new view, as `ring/source`.
    pub rings: Vec<String>,
    /// Rings that follow and stay where they are, since the new view lacks what their endpoints need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<RingStays>,
    /// What ends before the next courier, after a committed bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub radar: Vec<Ending>,
}

impl ImportOutcome {
    /// Stable kebab-case code; `imported` where all went well.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// One sentence: what happened, what was kept, what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What became of the bundle.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The fault that an exit code should show; `None` where the bundle was accepted.
    #[must_use]
    pub const fn fault(&self) -> Option<Fault> {
        match self.verdict {
            Verdict::Accepted => None,
            Verdict::Rejected | Verdict::Quarantined => Some(Fault::Refused),
            Verdict::Paused => Some(Fault::Unavailable),
        }
    }

    fn new(code: &str, message: String, verdict: Verdict, figures: Figures) -> Self {
        Self {
            code: code.to_owned(),
            message,
            verdict,
            sequence: None,
            figures,
            sources: Vec::new(),
            missing_volumes: Vec::new(),
            rings: Vec::new(),
            stays: Vec::new(),
            radar: Vec::new(),
        }
    }

    pub(super) fn imported(plan: &Plan, done: &Done, figures: Figures) -> Self {
        let sources = done.find(|fact| match fact {
            Fact::BundleImported { sources, .. } => Some(sources.clone()),
            _ => None,
        });
        let sources = sources.unwrap_or_default();
        let missing: u64 = sources.iter().map(|s| s.missing).sum();
        let sequence = plan.info.sequence;
        let notes = format!("{}{}", scan_note(&figures), plan.skipped_note());
        let message = if missing == 0 {
            format!("Bundle {sequence} was imported and is complete.{notes}")
        } else {
            format!(
                "Bundle {sequence} was imported, but {missing} of its files came in bundles that \
                 this site never had; rings stay where they are until a bundle that carries them \
                 is imported.{notes}"
            )
        };
        let mut this = Self::new("imported", message, Verdict::Accepted, figures);
        this.sequence = Some(sequence);
        this.sources = sources;
        this.rings = rings(done);
        this.stays = stays(done);
        this
    }

    pub(super) fn carried(plan: &Plan, done: &Done, figures: Figures) -> Self {
        let sequence = plan.info.sequence;
        let left: u64 = done
            .find(|fact| match fact {
                Fact::PayloadsCarried { missing, .. } => Some(missing.iter().map(|m| m.1).sum()),
                _ => None,
            })
            .unwrap_or(0);
        let message = format!(
            "Bundle {sequence} is not newer than what is trusted, so its metadata was left alone; \
             {} payloads that were missing were taken from it, {left} are still missing.{}",
            figures.payloads_new,
            scan_note(&figures)
        );
        let mut this = Self::new("payloads-carried", message, Verdict::Accepted, figures);
        this.sequence = Some(sequence);
        this.rings = rings(done);
        this.stays = stays(done);
        this
    }

    pub(super) fn already(plan: &Plan, figures: Figures) -> Self {
        let sequence = plan.info.sequence;
        let message =
            format!("Bundle {sequence} holds nothing that is missing here; nothing was changed.");
        let mut this = Self::new("already-held", message, Verdict::Accepted, figures);
        this.sequence = Some(sequence);
        this
    }

    pub(super) fn refused(code: &str, message: String, figures: Figures) -> Self {
        Self::new(code, message, Verdict::Rejected, figures)
    }

    pub(super) fn quarantined(code: &str, message: String, figures: Figures) -> Self {
        Self::new(code, message, Verdict::Quarantined, figures)
    }

    pub(super) fn paused(
        code: &str,
        message: String,
        missing_volumes: Vec<u32>,
        figures: Figures,
    ) -> Self {
        let mut this = Self::new(code, message, Verdict::Paused, figures);
        this.missing_volumes = missing_volumes;
        this
    }

    pub(super) fn full(needed: u64, available: u64, figures: Figures) -> Self {
        let message = format!(
            "The disk has no room: {needed} new bytes are needed, {available} are free, and {} are \
             kept back for the ledger. What was read is kept; free some space and import again.",
            super::KEEP_FREE_BYTES
        );
        Self::new("storage-full", message, Verdict::Paused, figures)
    }
}

/// What the scanner saw, as a sentence to append.
fn scan_note(figures: &Figures) -> String {
    let Some(scan) = &figures.scan else { return String::new() };
    let AvEngine { name, version, files, unscanned, .. } = scan;
    let age = match scan.db_age_days {
        Some(days) => format!("signatures {days} days old"),
        None => "signatures of an unknown age".to_owned(),
    };
    let rest = match (scan.result, unscanned.len()) {
        (ScanResult::Incomplete, 1) => "; 1 could not be looked at (see the custody record)".into(),
        (ScanResult::Incomplete, n) => {
            format!("; {n} could not be looked at (see the custody record)")
        }
        _ => String::new(),
    };
    format!(" {name} {version} ({age}) looked at {files} files and found nothing{rest}.")
}

fn rings(done: &Done) -> Vec<String> {
    let pointed = done.events.iter().filter_map(|event| match &event.fact {
        Fact::RingPointed { ring, source, .. } => Some(format!("{ring}/{source}")),
        _ => None,
    });
    pointed.collect()
}

fn stays(done: &Done) -> Vec<RingStays> {
    let held = done.events.iter().filter_map(|event| match &event.fact {
        Fact::RingHeldBack { ring, source, sequence, packages, endpoints, .. } => Some(RingStays {
            ring: ring.clone(),
            source: source.clone(),
            sequence: *sequence,
            packages: *packages,
            endpoints: *endpoints,
        }),
        _ => None,
    });
    held.collect()
}

/// Why an import stops before its commit.
#[derive(Debug)]
pub(super) enum Stop {
    /// The bundle is refused.
    Refused { code: &'static str, message: String },
    /// Time forbids the bundle.
    Quarantined { code: &'static str, message: String },
    /// Not finished; what was read is kept.
    Paused { code: &'static str, message: String, missing: Vec<u32> },
    /// No room.
    Full { needed_bytes: u64, available_bytes: u64 },
    /// The appliance itself failed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    pub(super) fn refused(code: &'static str, message: String) -> Self {
        Self::Refused {
            code,
            message: format!("{message}. The bundle was refused and nothing was changed."),
        }
    }

    pub(super) fn no_anchor() -> Self {
        Self::refused("no-publisher", "this site has accepted no publisher".to_owned())
    }

    pub(super) fn from_trust(refusal: trust::Refusal) -> Self {
        let code = refusal.code();
        let sentence = refusal.sentence().to_owned();
        if refusal.is_quarantine() {
            let message = format!("{sentence}. The bundle was kept out and nothing was changed.");
            Self::Quarantined { code, message }
        } else {
            Self::refused(code, sentence)
        }
    }

    /// What is wrong with the medium: a reading error may be a pulled stick, all else is refused.
    pub(super) fn medium(error: media::Error) -> Self {
        match error.fault() {
            Fault::Unavailable => Self::away(&chain(&error)),
            _ => Self::refused(error.code(), chain(&error)),
        }
    }

    pub(super) fn away(why: &str) -> Self {
        let message = format!(
            "The medium could not be read to its end ({why}). What was read is kept; put it in \
             again and import once more, or use another copy."
        );
        Self::Paused { code: "medium-away", message, missing: Vec::new() }
    }

    pub(super) fn volumes(missing: Vec<u32>) -> Self {
        let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let message = format!(
            "Volumes that have not come yet: {}. What was read is kept; import them, in any order.",
            list.join(", ")
        );
        Self::Paused { code: "volumes-missing", message, missing }
    }

    pub(super) fn packs(payloads: usize) -> Self {
        let message = format!(
            "{payloads} payloads that the bundle carries are not on the medium: a pack is missing. \
             What was read is kept; import again from a whole copy."
        );
        Self::Paused { code: "packs-missing", message, missing: Vec::new() }
    }

    pub(super) fn scanner_away(why: &str) -> Self {
        let message = format!(
            "The malware scanner does not answer ({why}). What was read is kept; start it, or name \
             another with `patchkeep scanner`, and import again."
        );
        Self::Paused { code: "scanner-away", message, missing: Vec::new() }
    }

    pub(super) fn malware(scan: &AvEngine) -> Self {
        let found = scan.hits.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        let more = scan.hits.len().saturating_sub(3);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Self::refused("malware-found", format!("{} found {found}{more}", scan.name))
    }

    pub(super) fn full(needed_bytes: u64, available_bytes: u64) -> Self {
        Self::Full { needed_bytes, available_bytes }
    }

    /// What the store says: altered bytes are the bundle's fault, a full disk is nobody's.
    pub(super) fn store(error: store::Error) -> Self {
        match &error {
            store::Error::Mismatch { digest, actual } => Self::refused(
                "payload-altered",
                format!(
                    "payload {} is altered on the medium: its digest is {}",
                    digest.short(),
                    actual.short()
                ),
            ),
            store::Error::Short { .. } | store::Error::Source { .. } => Self::away(&chain(&error)),
            store::Error::NoRoom { needed, available, .. } => Self::full(*needed, *available),
            store::Error::Full { .. } => Self::full(0, 0),
            _ => Self::Failed(Error::Store(error)),
        }
    }
}
