//! Importing a bundle: custody record, publisher's signatures, payloads, vendors' signatures, and the
//! one commit event that makes it visible.
//!
//! `detect -> custody -> follow (trust) -> preflight -> stream -> scan -> vouch (vendor) -> promote -> commit`
//!
//! **Invariant:** until the commit event is durable, state and what is served are as before.
//! **Invariant:** every end of an import is an event, and one sentence for the person who waits.

mod advice;
mod outcome;
mod plan;
mod stream;

pub use advice::what_to_do;
pub use outcome::{Figures, ImportOutcome};

use crate::{
    Error, Site,
    applies::Aim,
    custody,
    heart::Done,
    keys,
    progress::{Progress, Report},
    scanner::{self, NotScanned},
    vendor::{self, Anchor},
};
use fleet::{
    Actor, AnchorKind, CarriedCommit, Command, Custody, CustodyOutcome, HeldBack, ImportedSource,
    ScanResult,
};
use ids::{Digest, PersonId, RecordId};
use media::Medium;
use outcome::Stop;
use plan::Plan;
use std::path::PathBuf;
use store::Incoming;
use trust::{Offered, Outcome, Publisher};

/// Bytes of the disk that an import never uses: the ledger must be able to go on.
pub const KEEP_FREE_BYTES: u64 = 256 << 20;

/// What to import and who does it.
#[derive(Debug, Clone)]
pub struct ImportOrder {
    /// A bundle's folder, or its volume files in any order.
    pub paths: Vec<PathBuf>,
    /// What people wrote down about the medium.
    pub custody: Custody,
    /// Who imports.
    pub person: PersonId,
    /// The same, as events say it.
    pub actor: Actor,
}

/// An import between its custody record and its end.
struct Run<'a> {
    site: &'a Site,
    order: &'a ImportOrder,
    custody: RecordId,
    record: Custody,
    figures: Figures,
    bundle: Option<Digest>,
    sequence: Option<u64>,
    previous: Option<Digest>,
}

impl Site {
    /// Imports what `order` names. A refused, quarantined or unfinished bundle is an outcome, not an
    /// error: it is in the ledger and state is as before.
    ///
    /// # Errors
    /// When the appliance itself fails, or another import is under way.
    pub fn import(&self, order: &ImportOrder, report: Report<'_>) -> Result<ImportOutcome, Error> {
        let Ok(_one) = self.importing.try_lock() else {
            return Err(Error::Busy);
        };
        let now = self.now();
        let custody = keys::record_id(now)?;
        let path = order.paths.first().map_or_else(PathBuf::new, Clone::clone);
        let name = self.name()?;
        let given = order.custody.clone();
        let record = custody::complete(given, &custody, &path, &order.person, name.as_str(), now);
        let run = Run {
            site: self,
            order,
            custody,
            record,
            figures: Figures::default(),
            bundle: None,
            sequence: None,
            previous: None,
        };
        run.run(report)
    }
}

impl Run<'_> {
    fn run(mut self, report: Report<'_>) -> Result<ImportOutcome, Error> {
        let record = self.put_record()?;
        self.command(Command::OpenCustody { custody: self.custody.clone(), record })?;
        let ended = self.read(report);
        let mut outcome = match ended {
            Ok(outcome) => outcome,
            Err(stop) => self.stop(stop)?,
        };
        self.close(&outcome)?;
        if outcome.code() == "imported" {
            outcome.radar = self.site.radar()?;
        }
        Ok(outcome)
    }

    /// Everything between the custody record and the commit.
    fn read(&mut self, report: Report<'_>) -> Result<ImportOutcome, Stop> {
        report(Progress::count("reading the bundle's metadata", 0, 0, "files"));
        let medium = Medium::open(&self.order.paths).map_err(Stop::medium)?;
        let now = fleet::effective_now(&self.site.state(), self.site.now());
        let offered = medium.offered().map_err(Stop::medium)?;
        self.bundle = offered.file("timestamp.json").map(Digest::of);
        let (publisher, root) = self.trusted()?;
        let outcome = trust::follow(&publisher, &root, &offered, now).map_err(Stop::from_trust)?;
        let plan = Plan::read(self.site, &medium, outcome.repository())?;
        self.figures.unlisted.clone_from(&plan.strangers);
        self.sequence = Some(plan.info.sequence);
        self.previous = plan.info.previous.map(|p| p.bundle);
        match outcome {
            Outcome::Newer { publisher, .. } => {
                self.take_newer(&medium, &offered, &plan, publisher, report)
            }
            Outcome::Same(_) | Outcome::Carrier(_) => self.take_payloads(&medium, &plan, report),
        }
    }

    /// A newer bundle: all of it, and its metadata becomes what is trusted.
    fn take_newer(
        &mut self,
        medium: &Medium,
        offered: &Offered,
        plan: &Plan,
        publisher: Publisher,
        report: Report<'_>,
    ) -> Result<ImportOutcome, Stop> {
        let incoming = self.begin(plan, plan.bytes_new(self.site.store(), None))?;
        let metadata = stream::keep_metadata(offered, plan, &incoming)?;
        stream::run(medium, plan, &incoming, None, &mut self.figures, report)?;
        self.all_come(medium, plan, &incoming)?;
        self.scan(plan, &incoming, report)?;
        let sources = self.vouch(plan, &incoming, report)?;
        let promoted = incoming.promote().map_err(Stop::store)?;
        self.figures.payloads_new = promoted.payloads;
        self.figures.bytes_new = promoted.bytes;
        let signed_time = sources.iter().map(|s| s.vendor.release_date);
        let signed_time = signed_time.chain(publisher.latest_signed_at).max();
        let coming = sources.iter().filter(|source| source.missing == 0).map(|source| Aim {
            source: source.source.clone(),
            sequence: plan.info.sequence,
            catalogue: source.catalogue,
        });
        let held_back = self.judge_rings(&coming.collect::<Vec<_>>(), report)?;
        let done = self.ask(Command::CommitImport(Box::new(fleet::Commit {
            custody: self.custody.clone(),
            bundle: plan.bundle,
            sequence: plan.info.sequence,
            metadata,
            publisher,
            sources,
            payloads_new: promoted.payloads,
            bytes_new: promoted.bytes,
            signed_time: signed_time.unwrap_or(plan.info.built_at),
            previous: plan.info.previous.map(|p| p.sequence),
            held_back,
        })))?;
        self.site.fill_shelf()?;
        Ok(ImportOutcome::imported(plan, &done, self.figures.clone()))
    }

    /// An older bundle, or the trusted one again: only payloads that trusted indexes name and the
    /// store lacks.
    fn take_payloads(
        &mut self,
        medium: &Medium,
        plan: &Plan,
        report: Report<'_>,
    ) -> Result<ImportOutcome, Stop> {
        let wanted = plan::wanted(self.site)?;
        if wanted.is_empty() {
            self.end_unneeded(plan)?;
            return Ok(ImportOutcome::already(plan, self.figures.clone()));
        }
        let incoming = self.begin(plan, plan.bytes_new(self.site.store(), Some(&wanted)))?;
        stream::run(medium, plan, &incoming, Some(&wanted), &mut self.figures, report)?;
        self.scan(plan, &incoming, report)?;
        let promoted = incoming.promote().map_err(Stop::store)?;
        self.figures.payloads_new = promoted.payloads;
        self.figures.bytes_new = promoted.bytes;
        let missing = plan::still_missing(self.site)?;
        let state = self.site.state();
        let completed =
            missing.iter().filter(|(_, count)| *count == 0).filter_map(|(source, _)| {
                let (sequence, view) = state.newest_view(source)?;
                Some(Aim { source: source.clone(), sequence, catalogue: view.source.catalogue })
            });
        let held_back = self.judge_rings(&completed.collect::<Vec<_>>(), report)?;
        let done = self.ask(Command::CommitCarried(CarriedCommit {
            custody: self.custody.clone(),
            bundle: plan.bundle,
            sequence: plan.info.sequence,
            payloads_new: promoted.payloads,
            bytes_new: promoted.bytes,
            missing,
            held_back,
        }))?;
        self.site.fill_shelf()?;
        Ok(ImportOutcome::carried(plan, &done, self.figures.clone()))
    }

    /// Which of the rings that follow must stay, since their endpoints would lack something.
    fn judge_rings(&self, coming: &[Aim], report: Report<'_>) -> Result<Vec<HeldBack>, Stop> {
        report(Progress::count("checking what the rings' endpoints need", 0, 0, "endpoints"));
        Ok(self.site.held_back(coming)?)
    }

    /// Ends an import of this bundle that was begun before a newer one made it unneeded, and frees
    /// what it kept.
    fn end_unneeded(&self, plan: &Plan) -> Result<(), Stop> {
        let Some(open) = self.site.state().open_imports.get(&plan.bundle).cloned() else {
            return Ok(());
        };
        let left = self.site.store().begin(&open.import, 0);
        left.and_then(Incoming::abandon).map_err(Stop::store)?;
        self.ask(Command::CommitCarried(CarriedCommit {
            custody: self.custody.clone(),
            bundle: plan.bundle,
            sequence: plan.info.sequence,
            payloads_new: 0,
            bytes_new: 0,
            missing: plan::still_missing(self.site)?,
            held_back: Vec::new(),
        }))
        .map(drop)
    }

    /// Preflight, the event that reading begins, and the folder that keeps what was read.
    fn begin(&self, plan: &Plan, bytes_new: u64) -> Result<Incoming, Stop> {
        let available = self.site.store().available().map_err(Stop::store)?;
        let open = self.site.state().open_imports.get(&plan.bundle).cloned();
        if open.is_none() && bytes_new.saturating_add(KEEP_FREE_BYTES) > available {
            return Err(Stop::full(bytes_new, available));
        }
        self.ask(Command::StartImport {
            custody: self.custody.clone(),
            bundle: plan.bundle,
            sequence: plan.info.sequence,
        })?;
        let open = self.site.state().open_imports.get(&plan.bundle).cloned();
        let import = open.map_or_else(|| self.custody.clone(), |open| open.import);
        self.site.store().begin(&import, KEEP_FREE_BYTES).map_err(Stop::store)
    }

    /// Whether everything that the bundle carries has come, with this medium or before.
    fn all_come(&self, medium: &Medium, plan: &Plan, incoming: &Incoming) -> Result<(), Stop> {
        let payloads = plan.not_come(incoming);
        if payloads == 0 {
            return Ok(());
        }
        let state = self.site.state();
        let before = state.open_imports.get(&plan.bundle).and_then(|o| o.missing_volumes.clone());
        let mut missing = medium.missing_volumes();
        missing.retain(|volume| before.as_ref().is_none_or(|before| before.contains(volume)));
        Err(if missing.is_empty() { Stop::packs(payloads) } else { Stop::volumes(missing) })
    }

    /// What the site's malware scanner says of what came, where the site has one: a hit blocks.
    fn scan(&mut self, plan: &Plan, incoming: &Incoming, report: Report<'_>) -> Result<(), Stop> {
        let scanned = scanner::scan(self.site, incoming, &plan.paths(), self.site.now(), report);
        self.figures.scan = scanned.map_err(|not| match not {
            NotScanned::Away(why) => Stop::scanner_away(&why),
            NotScanned::Store(error) => Stop::store(error),
        })?;
        match &self.figures.scan {
            Some(scan) if scan.result == ScanResult::Found => Err(Stop::malware(scan)),
            _ => Ok(()),
        }
    }

    /// Every source's own signature, on the appliance.
    fn vouch(
        &self,
        plan: &Plan,
        incoming: &Incoming,
        report: Report<'_>,
    ) -> Result<Vec<ImportedSource>, Stop> {
        let anchors = self.vendor_anchors()?;
        let now = fleet::effective_now(&self.site.state(), self.site.now());
        let read =
            |digest: &Digest, max: u64| incoming.read(digest, max).map_err(|e| vendor::chain(&e));
        let mut sources = Vec::new();
        for (done, source) in (0..).zip(&plan.sources) {
            let total = plan.sources.len() as u64;
            report(Progress::count("verifying vendors' signatures", done, total, "sources"));
            let catalogue = &source.catalogue;
            let vendor = vendor::verify(catalogue, &anchors, self.site.reader(), now, &read)
                .map_err(|no| Stop::refused(no.code, no.message))?;
            let missing = catalogue.files.iter().filter(|f| !incoming.already(&f.sha256));
            let cves = catalogue.updates.iter().flat_map(|u| u.cves.iter().flatten());
            sources.push(ImportedSource {
                source: catalogue.source.clone(),
                catalogue: source.target.sha256,
                vendor,
                files: catalogue.files.len() as u64,
                updates: catalogue.updates.len() as u64,
                cves: cves.collect::<std::collections::BTreeSet<_>>().len() as u64,
                missing: missing.count() as u64,
            });
        }
        Ok(sources)
    }

    /// What is trusted of the publisher, and the bytes of its trusted root.
    fn trusted(&self) -> Result<(Publisher, Vec<u8>), Stop> {
        let state = self.site.state();
        let anchor = (AnchorKind::PublisherRoot, "publisher".to_owned());
        let anchor = state.anchors.get(&anchor).copied().ok_or_else(Stop::no_anchor)?;
        let max = trust::ROOT_BYTES_MAX as u64;
        let read = |digest: &Digest| self.site.store().read(digest, max).map_err(Stop::store);
        let publisher = match &state.publisher {
            Some(publisher) => publisher.clone(),
            None => Publisher::anchor(&read(&anchor)?, anchor).map_err(Stop::from_trust)?,
        };
        let trusted = publisher.trusted_root().map_or(anchor, |root| root.sha256);
        Ok((publisher, read(&trusted)?))
    }

    fn vendor_anchors(&self) -> Result<Vec<Anchor>, Stop> {
        let state = self.site.state();
        let keyrings =
            state.anchors.iter().filter(|((kind, _), _)| *kind == AnchorKind::VendorKeyring);
        keyrings
            .map(|((_, name), digest)| {
                let certificates = self.site.store().read(digest, 64 << 20).map_err(Stop::store)?;
                Ok(Anchor { name: name.clone(), certificates })
            })
            .collect()
    }

    /// Records why the import ended early.
    fn stop(&mut self, stop: Stop) -> Result<ImportOutcome, Error> {
        let custody = self.custody.clone();
        let open = self.bundle.filter(|b| self.site.state().open_imports.contains_key(b));
        match stop {
            Stop::Failed(error) => {
                // The record stays open in the ledger: the appliance failed, not the medium.
                Err(error)
            }
            Stop::Refused { code, message } => {
                let import = open.and_then(|b| self.site.state().open_imports.get(&b).cloned());
                if let Some(import) = import {
                    let left = self.site.store().begin(&import.import, 0);
                    left.and_then(Incoming::abandon).map_err(Error::Store)?;
                }
                let (reason, bundle) = (code.to_owned(), self.bundle);
                let said = message.clone();
                self.command(Command::RefuseBundle { custody, reason, message: said, bundle })?;
                Ok(ImportOutcome::refused(code, message, self.figures.clone()))
            }
            Stop::Quarantined { code, message } => {
                let bundle = self.bundle.unwrap_or_else(|| Digest::of(b""));
                let (reason, said) = (code.to_owned(), message.clone());
                let command = Command::QuarantineBundle { custody, reason, message: said, bundle };
                self.command(command)?;
                Ok(ImportOutcome::quarantined(code, message, self.figures.clone()))
            }
            Stop::Full { needed_bytes, available_bytes } => {
                self.command(Command::ReportFull { needed_bytes, available_bytes })?;
                self.pause(open, "storage-full", Vec::new())?;
                Ok(ImportOutcome::full(needed_bytes, available_bytes, self.figures.clone()))
            }
            Stop::Paused { code, message, missing } => {
                self.pause(open, code, missing.clone())?;
                Ok(ImportOutcome::paused(code, message, missing, self.figures.clone()))
            }
        }
    }

    fn pause(
        &self,
        open: Option<Digest>,
        reason: &str,
        missing_volumes: Vec<u32>,
    ) -> Result<(), Error> {
        let Some(bundle) = open else { return Ok(()) };
        let reason = reason.to_owned();
        self.command(Command::PauseImport { bundle, reason, missing_volumes }).map(drop)
    }

    /// Completes the custody record.
    fn close(&mut self, outcome: &ImportOutcome) -> Result<(), Error> {
        let verdict = outcome.verdict();
        self.record.outcome = Some(CustodyOutcome {
            bundle_id: self.bundle,
            bundle_seq: self.sequence,
            prev_bundle_sha256: self.previous,
            files_count: self.figures.files_read,
            bytes_total: self.figures.bytes_read,
            unlisted_files: self.figures.unlisted.clone(),
            av_engines: self.figures.scan.iter().cloned().collect(),
            verdict,
            verdict_reason_code: outcome.code().to_owned(),
            finished_at: self.site.now(),
        });
        let record = self.put_record()?;
        let custody = self.custody.clone();
        self.command(Command::CloseCustody { custody, record, verdict }).map(drop)
    }

    fn put_record(&self) -> Result<Digest, Error> {
        let value = serde_json::to_value(&self.record).map_err(Error::State)?;
        self.site.evidence().put(value, keys::random()?).map_err(Error::Store)
    }

    fn ask(&self, command: Command) -> Result<Done, Stop> {
        self.command(command).map_err(Stop::Failed)
    }

    fn command(&self, command: Command) -> Result<Done, Error> {
        self.site.heart().ask(self.order.actor.clone(), command)
    }
}

/// The imports that a started appliance finds unfinished, for people to know.
impl Site {
    /// Bundles that were begun and not committed, by sequence.
    #[must_use]
    pub fn unfinished_imports(&self) -> Vec<u64> {
        self.state().open_imports.values().map(|open| open.sequence).collect()
    }
}
