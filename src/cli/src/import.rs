//! `patchkeep import`: take in a bundle from a medium.

use crate::{
    appliance::Appliance,
    control::{Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::{Screen, bytes},
};
use clap::Args;
use fleet::Custody;
use ids::Fault;
use site::ImportOutcome;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

#[derive(Args)]
pub(crate) struct Import {
    #[command(flatten)]
    appliance: Appliance,
    /// The bundle's folder, or its volume files in any order.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What you know of the medium (seals, carrier, asset tag ...): a TOML file with the fields of the
    /// custody record.
    #[arg(long, value_name = "FILE")]
    custody: Option<PathBuf>,
    #[command(flatten)]
    person: Person,
}

impl Import {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let paths: Result<Vec<_>, _> = self.paths.iter().map(|path| absolute(path)).collect();
        let custody = match &self.custody {
            Some(path) => read_custody(path)?,
            None => Custody::default(),
        };
        let person = self.person.id(&self.appliance)?;
        let request = Request::Import { paths: paths?, custody: Box::new(custody), person };
        let Reply::Import(outcome) = ask(&self.appliance, request, screen)? else {
            return Err(unexpected());
        };
        match outcome.fault() {
            None => {
                screen.result(&outcome, text(&outcome));
                Ok(())
            }
            Some(fault) => {
                let message = format!("{} ({})", outcome.message(), outcome.code());
                Err(Failure::say(fault, message))
            }
        }
    }
}

/// The outcome in lines.
pub(crate) fn text(outcome: &ImportOutcome) -> String {
    let figures = &outcome.figures;
    let mut text = outcome.message().to_owned();
    if figures.payloads_new > 0 {
        let (count, length) = (figures.payloads_new, bytes(figures.bytes_new));
        let _ = write!(text, "\n  new: {count} files, {length}");
    }
    for source in &outcome.sources {
        let _ = write!(
            text,
            "\n  {}: vendor's release of {}, {} updates, {} CVEs, {} files, {} missing",
            source.source,
            source.vendor.release_date,
            source.updates,
            source.cves,
            source.files,
            source.missing
        );
    }
    for ring in &outcome.rings {
        let _ = write!(text, "\n  ring now points here: {ring}");
    }
    for stays in &outcome.stays {
        let _ = write!(text, "\n  {stays}");
    }
    for ending in &outcome.radar {
        let _ = write!(text, "\n  soon: {ending}");
    }
    text
}

/// The path as the server sees it too.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|e| Failure::file("find", path, &e))
}

fn read_custody(path: &Path) -> Result<Custody, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
    toml::from_str(&text).map_err(|e| {
        let message = format!("{} is not a custody record: {e}", path.display());
        Failure::say(Fault::Input, message)
    })
}
