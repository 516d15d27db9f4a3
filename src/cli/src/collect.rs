//! `patchkeep collect`: mirror what machines need, verified, into a folder.

use crate::{
    failure::Failure,
    screen::{Screen, bytes},
};
use clap::Args;
use collect::{Collection, Lists, Machine, Receipt, Request, Selection, Settings};
use ids::Fault;
use sandbox::Reader;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

#[derive(Args)]
pub(crate) struct Collect {
    /// Sources and network (TOML); what this machine's own apt names, unless given.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The collection's folder; the same one every time.
    #[arg(long)]
    into: PathBuf,
    /// A machine's inventory (`patchkeep endpoint inventory`) or dpkg status file: what its upgrade
    /// needs. May be given more than once.
    #[arg(long = "for", value_name = "FILE")]
    machines: Vec<PathBuf>,
    /// A list of packages, one a line: they and what they need.
    #[arg(long, value_name = "FILE")]
    packages: Option<PathBuf>,
    /// A site's need list (`patchkeep ring need`): exactly what it lacks. May be given more than once.
    #[arg(long = "need", value_name = "FILE")]
    needs: Vec<PathBuf>,
    /// Everything of the chosen components and architectures.
    #[arg(long)]
    all: bool,
    /// A site's receipt: what it holds is not fetched again.
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// CISA's list of known exploited vulnerabilities (`known_exploited_vulnerabilities.json`).
    #[arg(long, value_name = "FILE.json")]
    kev: Option<PathBuf>,
    /// SSVC decision points and CVSS v3 base scores by CVE: `{"as_of": "2026-11-20T00:00:00Z", "cves":
    /// {"CVE-2026-1": {"automatable": "yes", "technical_impact": "total", "cvss": 9.8}}}`.
    #[arg(long, value_name = "FILE.json")]
    ssvc: Option<PathBuf>,
    /// A folder of vendors' keyrings that goes before the machine's own.
    #[arg(long, value_name = "FOLDER")]
    keyrings: Option<PathBuf>,
}

impl Collect {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let machine = Machine::default();
        let settings = match &self.config {
            Some(path) => Settings::read(path)?,
            None => Settings::of_this_machine(&machine)?,
        };
        let lists = self.packages.is_none() && self.needs.is_empty();
        if self.machines.is_empty() && lists && !self.all {
            return Err(Failure::say(
                Fault::Input,
                "nothing was selected: name machines with --for, packages with --packages, a site's need \
                 list with --need, or --all",
            ));
        }
        let (machines, packages, needs, all) = (self.machines, self.packages, self.needs, self.all);
        let request = Request {
            folder: self.into,
            settings,
            machine,
            keyrings: self.keyrings,
            selection: Selection { machines, packages, needs, all },
            receipt: self.receipt.as_deref().map(Receipt::read).transpose()?,
            lists: Lists::read(self.kev.as_deref(), self.ssvc.as_deref())?,
            now: site::now(),
        };
        let collection = collect_now(&request, screen)?;
        let summary = &collection.summary;
        let value = serde_json::json!({
            "sources": summary.sources, "updates": summary.updates, "cves": summary.cves,
            "payloads": summary.payloads, "payload_bytes": summary.payload_bytes,
            "fetched_files": summary.fetched_files, "fetched_bytes": summary.fetched_bytes,
            "notes": summary.notes,
        });
        screen.result(&value, text(&collection, &request.folder));
        Ok(())
    }
}

/// Runs one collection, drawing its progress.
pub(crate) fn collect_now(request: &Request, screen: &Screen) -> Result<Collection, Failure> {
    let reader = Reader::beside_this_program()?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|e| Failure::say(Fault::Unavailable, format!("cannot start threads: {e}")))?;
    let (tell, told) = std::sync::mpsc::channel();
    let drawn = Arc::new(Drawn { tell, done: AtomicU64::new(0), total: AtomicU64::new(0) });
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut step = String::new();
            for tale in told {
                match tale {
                    Tale::Step(text) => {
                        step = text;
                        screen.progress(&site::Progress::count(&step, 0, 0, "files"));
                    }
                    Tale::Bytes(done, total) => {
                        screen.progress(&site::Progress::bytes(&step, done, total));
                    }
                    Tale::Note(text) => screen.note(text),
                }
            }
        });
        let collected = runtime.block_on(collect::collect(request, &reader, drawn));
        // Tasks that hold the channel's end go with the runtime, which ends the drawing.
        drop(runtime);
        Ok(collected?)
    })
}

/// What was collected, in lines.
pub(crate) fn text(collection: &Collection, folder: &Path) -> String {
    let summary = &collection.summary;
    let mut text = format!(
        "{}: {} updates naming {} CVEs, {} payloads of {}; {} files ({}) came over the network",
        folder.display(),
        summary.updates,
        summary.cves,
        summary.payloads,
        bytes(summary.payload_bytes),
        summary.fetched_files,
        bytes(summary.fetched_bytes)
    );
    for source in &collection.sources {
        let catalogue = &source.catalogue;
        let _ = write!(
            text,
            "\n  {}: release of {}, {} updates{}",
            catalogue.source,
            catalogue.release_date,
            catalogue.updates.len(),
            if source.changed { "" } else { " (nothing new)" }
        );
    }
    for note in &summary.notes {
        let _ = write!(text, "\n  note: {note}");
    }
    text
}

enum Tale {
    Step(String),
    Bytes(u64, u64),
    Note(String),
}

/// Passes a collection's progress to the screen.
struct Drawn {
    tell: std::sync::mpsc::Sender<Tale>,
    done: AtomicU64,
    total: AtomicU64,
}

impl Drawn {
    fn send(&self, tale: Tale) {
        // Nobody may be looking any more; the work goes on.
        drop(self.tell.send(tale));
    }
}

impl collect::Progress for Drawn {
    fn step(&self, text: &str) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(0, Ordering::Relaxed);
        self.send(Tale::Step(text.to_owned()));
    }

    fn expect(&self, _files: u64, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn bytes(&self, count: u64) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        self.send(Tale::Bytes(done, self.total.load(Ordering::Relaxed)));
    }

    fn file(&self, _path: &str) {}

    fn note(&self, text: &str) {
        self.send(Tale::Note(format!("note: {text}")));
    }
}
