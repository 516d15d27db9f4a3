//! `patchkeep bundle`: build one, look into one, verify one.

use crate::{
    failure::Failure,
    screen::{Screen, bytes},
};
use catalogue::Catalogue;
use clap::{Args, Subcommand};
use collect::{Build, Built, Checked, Cut, Held};
use ids::{Digest, Fault, SiteName, SourceId};
use std::{
    cell::Cell,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum Bundle {
    /// Build a bundle from a collection.
    Build(BuildWords),
    /// Say what a bundle holds, without reading its payloads.
    Inspect {
        /// The bundle's folder, or its volume files.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// SHA-256 of the publisher's first root, from paper.
        #[arg(long, value_name = "HEX", value_parser = parse_fingerprint)]
        root_fingerprint: Option<Digest>,
    },
    /// Check every signature and every byte of a bundle.
    Verify {
        /// The bundle's folder, or its volume files.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// SHA-256 of the publisher's first root, from paper.
        #[arg(long, value_name = "HEX", value_parser = parse_fingerprint)]
        root_fingerprint: Option<Digest>,
    },
}

#[derive(Args)]
pub(crate) struct BuildWords {
    /// The publisher's key folder.
    #[arg(long)]
    keys: PathBuf,
    /// The publisher's state folder; made if it is not there. Back it up: sequence numbers are in it.
    #[arg(long, value_name = "FOLDER")]
    publisher: PathBuf,
    /// The publisher's name, as sites will read it.
    #[arg(long, default_value = "Patchkeep publisher")]
    name: String,
    /// The collection's folder.
    #[arg(long)]
    collected: PathBuf,
    /// The bundle's folder, which must not be there yet; volumes go beside it.
    #[arg(long)]
    into: PathBuf,
    /// The site for which it is; any site unless given.
    #[arg(long)]
    site: Option<SiteName>,
    /// Leave out what this receipt of the site lists.
    #[arg(long, value_name = "FILE", conflicts_with = "since_shipped")]
    receipt: Option<PathBuf>,
    /// Leave out what was shipped to the site before, by the publisher's own record.
    #[arg(long, requires = "site")]
    since_shipped: bool,
    /// Remove a source that was offered before; may be given more than once.
    #[arg(long, value_name = "SOURCE")]
    remove: Vec<SourceId>,
    /// For how many days the bundle is good: longer than the media cycle.
    #[arg(long, default_value_t = 45)]
    days: u32,
    /// Also cut it into volumes of at most this size, e.g. 4G or 700M, into FOLDER.volumes.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    volume_size: Option<u64>,
}

impl Bundle {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::Build(words) => words.run(screen),
            Self::Inspect { paths, root_fingerprint } => {
                let checked = collect::inspect_bundle(&paths, root_fingerprint, site::now())?;
                screen.result(&value(&checked), text(&checked, root_fingerprint.is_some()));
                Ok(())
            }
            Self::Verify { paths, root_fingerprint } => {
                let done = Cell::new(0);
                let progress = |count| {
                    done.set(done.get() + count);
                    screen.progress(&site::Progress::bytes("verifying payloads", done.get(), 0));
                };
                let checked =
                    collect::verify_bundle(&paths, root_fingerprint, site::now(), progress)?;
                screen.result(&value(&checked), text(&checked, root_fingerprint.is_some()));
                if let Some(first) = checked.damaged.first() {
                    let message = format!("the bundle is damaged: {first}; copy it again");
                    return Err(Failure::say(Fault::Input, message));
                }
                if checked.payloads_missing > 0 {
                    let message = format!("{} payloads are not here", checked.payloads_missing);
                    return Err(Failure::say(Fault::Input, message));
                }
                Ok(())
            }
        }
    }
}

impl BuildWords {
    fn run(self, screen: &Screen) -> Result<(), Failure> {
        let catalogues = read_catalogues(&self.collected)?;
        let receipt =
            self.receipt.as_deref().map(collect::Receipt::read).transpose()?.unwrap_or_default();
        let held = match (&self.receipt, self.since_shipped) {
            (Some(_), _) => Held::Receipt(&receipt.payloads),
            (None, true) => Held::Shipped,
            (None, false) => Held::Nothing,
        };
        let build = Build {
            keys: &self.keys,
            state: &self.publisher,
            out: &self.into,
            publisher: &self.name,
            site: self.site.clone(),
            catalogues: &catalogues,
            remove: &self.remove,
            held,
            timestamp_days: self.days,
            now: site::now(),
        };
        let built = build_now(&build, &self.collected, screen)?;
        let cut = match self.volume_size {
            Some(size) => Some(cut_now(&self.into, size, screen)?),
            None => None,
        };
        let volumes = cut.as_ref().map_or(0, |cut| cut.volumes.len());
        let value = serde_json::json!({
            "folder": built.folder, "sequence": built.sequence, "bundle": built.bundle,
            "expires": built.expires, "payloads": built.payloads,
            "payload_bytes": built.payload_bytes, "not_carried": built.not_carried,
            "updates": built.updates, "volumes": volumes,
        });
        let mut text = format!(
            "Bundle {} in {}: {} updates, {} payloads of {}, good until {}.",
            built.sequence,
            built.folder.display(),
            built.updates,
            built.payloads,
            bytes(built.payload_bytes),
            built.expires
        );
        if let Some(cut) = &cut {
            let _ = write!(text, "\n{volumes} volumes, {}:", bytes(cut.bytes));
            for volume in &cut.volumes {
                let _ = write!(text, "\n  {}", volume.display());
            }
        }
        screen.result(&value, text);
        Ok(())
    }
}

/// Builds a bundle from the payloads of a collection, drawing progress.
pub(crate) fn build_now(
    build: &Build<'_>,
    collected: &Path,
    screen: &Screen,
) -> Result<Built, Failure> {
    let open = |digest: &Digest| fs::File::open(collect::payload_path(collected, digest));
    let done = Cell::new(0);
    Ok(collect::build_bundle(build, open, |count| {
        done.set(done.get() + count);
        screen.progress(&site::Progress::bytes("writing packs", done.get(), 0));
    })?)
}

/// Cuts a bundle into volumes beside it.
fn cut_now(folder: &Path, size: u64, screen: &Screen) -> Result<Cut, Failure> {
    let mut out = folder.as_os_str().to_owned();
    out.push(".volumes");
    let done = Cell::new(0);
    Ok(collect::cut_volumes(folder, Path::new(&out), Some(size), site::now(), |count| {
        done.set(done.get() + count);
        screen.progress(&site::Progress::bytes("writing volumes", done.get(), 0));
    })?)
}

/// The catalogues of a collection.
pub(crate) fn read_catalogues(collected: &Path) -> Result<Vec<Catalogue>, Failure> {
    let fail = |e| Failure::file("read", collected, &e);
    let mut catalogues = Vec::new();
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(collected).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.to_string_lossy().ends_with(".catalogue.json") {
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        let bytes = fs::read(&path).map_err(|e| Failure::file("read", &path, &e))?;
        let catalogue = serde_json::from_slice(&bytes).map_err(|e| {
            let message = format!("{} is not a catalogue ({e}); collect again", path.display());
            Failure::say(Fault::Input, message)
        })?;
        catalogues.push(catalogue);
    }
    if catalogues.is_empty() {
        let message = format!("{} holds no collection; collect first", collected.display());
        return Err(Failure::say(Fault::Input, message));
    }
    Ok(catalogues)
}

fn value(checked: &Checked) -> serde_json::Value {
    let repository = &checked.repository;
    let source = |s: &collect::CheckedSource| {
        serde_json::json!({
            "source": s.source, "collected_at": s.collected_at, "release_date": s.release_date,
            "updates": s.updates, "files": s.files, "carried": s.carried,
            "carried_bytes": s.carried_bytes,
        })
    };
    serde_json::json!({
        "sequence": repository.sequence, "bundle": repository.bundle,
        "signed_at": repository.signed_at, "expires": repository.expires,
        "root_version": repository.root_version, "root_fingerprint": checked.fingerprint,
        "site": checked.contents.info.site, "publisher": checked.contents.info.publisher,
        "sources": checked.sources.iter().map(source).collect::<Vec<_>>(),
        "missing_volumes": checked.missing_volumes, "payloads_checked": checked.payloads_checked,
        "bytes_checked": checked.bytes_checked, "payloads_missing": checked.payloads_missing,
        "damaged": checked.damaged, "skipped": checked.contents.skipped,
    })
}

fn text(checked: &Checked, pinned: bool) -> String {
    let repository = &checked.repository;
    let info = &checked.contents.info;
    let site = info.site.as_ref().map_or_else(|| "any site".to_owned(), |s| format!("site {s}"));
    let mut text = format!(
        "bundle {} for {site}, by {}, signed {}, good until {}\nroot {} (first root {})",
        repository.sequence,
        info.publisher,
        repository.signed_at,
        repository.expires,
        repository.root_version,
        collect::fingerprint_groups(&checked.fingerprint)
    );
    if !pinned {
        text.push_str(
            "\nnote: judged by its own first root, which proves nothing about who made it; give \
             --root-fingerprint",
        );
    }
    for source in &checked.sources {
        let _ = write!(
            text,
            "\n  {}: vendor's release of {}, {} updates, {} files, carries {} ({})",
            source.source,
            source.release_date,
            source.updates,
            source.files,
            source.carried,
            bytes(source.carried_bytes)
        );
    }
    if checked.bytes_checked > 0 {
        let (payloads, length) = (checked.payloads_checked, bytes(checked.bytes_checked));
        let _ = write!(text, "\nverified: {payloads} payloads, {length}");
    }
    for volume in &checked.missing_volumes {
        let _ = write!(text, "\nvolume {volume} is not here");
    }
    for skipped in &checked.contents.skipped {
        let _ = write!(text, "\nnot understood, left out: {skipped}");
    }
    text
}

/// A fingerprint as it stands on paper: spaces between groups and capitals do not matter.
pub(crate) fn parse_fingerprint(text: &str) -> Result<Digest, String> {
    let hex: String = text.split_whitespace().collect();
    hex.to_lowercase().parse().map_err(|e: ids::ParseDigestError| e.to_string())
}

/// A size with an optional K, M, G or T (powers of 1024).
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default().to_uppercase().as_str() {
        "" | "B" => 1_u64,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        "T" | "TIB" => 1 << 40,
        other => return Err(format!("{other} is no unit; use K, M, G or T")),
    };
    let number: u64 = digits.parse().map_err(|_| "not a size, e.g. 4G".to_owned())?;
    number.checked_mul(unit).filter(|n| *n > 0).ok_or_else(|| "not a size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{parse_fingerprint, parse_size};

    #[test]
    fn a_fingerprint_is_read_as_it_stands_on_paper() {
        let plain = "ab".repeat(32);
        let groups = "ABab ".repeat(16);
        assert_eq!(parse_fingerprint(&groups), parse_fingerprint(&plain));
        assert!(parse_fingerprint(&plain).is_ok());
        assert!(parse_fingerprint("abab").is_err());
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_size("700M"), Ok(700 << 20));
        assert_eq!(parse_size("4GiB"), Ok(4 << 30));
        assert_eq!(parse_size("12345"), Ok(12345));
        for bad in ["", "G", "0", "1X", "-1", "99999999999999T"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
