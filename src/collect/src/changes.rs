//! Updates: chosen packages grouped by what the vendor fixed, dated and explained.

use crate::{Error, fetch::Tools, release::History, select::Chosen};
use catalogue::{Indexed, ReleaseBasis, Update, UpdatePayload};
use futures::{StreamExt, stream};
use ids::Timestamp;
use sandbox::Reader;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
};
use vendor_apt::{Changelog, Entry, Package};

/// Entries of a changelog that are remembered: enough to reach back years.
const ENTRIES_KEPT: usize = 200;
/// Packages of one update whose changelog is looked for: some link to another's.
const TRIED_MAX: usize = 4;
/// Readers at work at once.
const READERS: usize = 2;

/// A changelog as it is kept between runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Remembered {
    entries: Vec<RememberedEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RememberedEntry {
    version: String,
    date: Option<Timestamp>,
    urgency: Option<String>,
    cves: BTreeSet<String>,
}

/// The name of an update.
pub(crate) fn update_id(package: &Package) -> String {
    format!("{}_{}", package.source, package.source_version)
}

/// Notes the release date under which each offered update was first seen.
pub(crate) fn note_first_seen(history: &mut History, offered: &[Package], date: Timestamp) {
    for package in offered {
        let seen = history.first_seen.entry(update_id(package)).or_insert(date);
        *seen = date.min(*seen);
    }
}

/// The updates of the chosen packages, sorted by id.
pub(crate) async fn updates(
    tools: &Tools,
    reader: &Reader,
    taken: &[Package],
    chosen: &Chosen,
    history: &History,
    released: Timestamp,
) -> Result<Vec<Update>, Error> {
    let mut groups: BTreeMap<String, Vec<Package>> = BTreeMap::new();
    for package in taken {
        groups.entry(update_id(package)).or_default().push(package.clone());
    }
    let mut running = stream::iter(groups)
        .map(|(id, packages)| async move {
            let changelog = changelog(tools, reader, &packages).await?;
            Ok::<_, Error>(update(id, packages, changelog, chosen, history, released))
        })
        .buffer_unordered(READERS);
    let mut updates = Vec::new();
    while let Some(update) = running.next().await {
        updates.push(update?);
    }
    updates.sort_by(|a: &Update, b| {
        (&a.source_package, &a.fixed_version).cmp(&(&b.source_package, &b.fixed_version))
    });
    Ok(updates)
}

fn update(
    id: String,
    packages: Vec<Package>,
    changelog: Option<Changelog>,
    chosen: &Chosen,
    history: &History,
    released: Timestamp,
) -> Update {
    let first = &packages[0];
    let (source_package, fixed_version) = (first.source.clone(), first.source_version.clone());
    let top = changelog.as_ref().and_then(|log| log.entries.first());
    let changelog_at = top.and_then(|entry| entry.date);
    let seen = history.first_seen.get(&id).copied().unwrap_or(released);
    let (released_at, released_by) = match changelog_at {
        Some(date) if date > seen => (date, ReleaseBasis::Changelog),
        _ => (seen, ReleaseBasis::SignedRelease),
    };
    let installed = chosen.installed.get(&source_package).map(String::as_str);
    // A signed twin carries its own short changelog, not that of the source that was fixed.
    let twin = source_package.ends_with("-signed") || source_package.contains("-signed-");
    let told = changelog.as_ref().filter(|_| !twin);
    let cves = told.map(|log| log.cves_since(installed).into_iter().collect());
    let mut payloads: Vec<UpdatePayload> =
        packages.into_iter().map(|package| Indexed::from(package).payload).collect();
    payloads.sort_by(|a, b| a.path.cmp(&b.path));
    let urgency = top.and_then(|entry| entry.urgency.clone());
    Update {
        id,
        source_package,
        fixed_version,
        released_at,
        released_by,
        changelog_at,
        urgency,
        severity: None,
        cves,
        payloads,
    }
}

/// The changelog that one of an update's packages carries, smallest packages first.
async fn changelog(
    tools: &Tools,
    reader: &Reader,
    packages: &[Package],
) -> Result<Option<Changelog>, Error> {
    let mut packages: Vec<&Package> = packages.iter().collect();
    packages.sort_by_key(|package| package.length);
    for package in packages.into_iter().take(TRIED_MAX) {
        let (tools, reader, package) = (tools.clone(), reader.clone(), package.clone());
        let task = tokio::task::spawn_blocking(move || read(&tools, &reader, &package));
        let found = task.await.map_err(|e| Error::Invariant { what: e.to_string() })??;
        if let Some(entries) = found.filter(|found| !found.entries.is_empty()) {
            let entries = entries.entries.into_iter().map(|entry| Entry {
                version: entry.version,
                date: entry.date,
                urgency: entry.urgency,
                cves: entry.cves,
            });
            return Ok(Some(Changelog { entries: entries.collect() }));
        }
    }
    Ok(None)
}

/// From memory, or from the package where it is held. `None`: it is not held.
fn read(tools: &Tools, reader: &Reader, package: &Package) -> Result<Option<Remembered>, Error> {
    let name = format!("changelogs/{}.json", package.sha256);
    if let Some(bytes) = tools.depot.read_state(&name)?
        && let Ok(remembered) = serde_json::from_slice(&bytes)
    {
        return Ok(Some(remembered));
    }
    if !tools.depot.has(&package.sha256, package.length) {
        return Ok(None);
    }
    let path = tools.depot.path(&package.sha256);
    let file = File::open(&path).map_err(Error::file("read", &path))?;
    let told = |source| Error::Read { path: package.path.clone(), source };
    let facts = reader.deb_control_and_changelog(file).map_err(told)?;
    // A package without a changelog of its own is remembered as such.
    let log = facts.changelog.and_then(|text| Changelog::parse(&text).ok());
    let entries = log.map(|log| log.entries).unwrap_or_default().into_iter().take(ENTRIES_KEPT);
    let entries = entries.map(|entry| RememberedEntry {
        version: entry.version,
        date: entry.date,
        urgency: entry.urgency,
        cves: entry.cves,
    });
    let remembered = Remembered { entries: entries.collect() };
    let told = |e: serde_json::Error| Error::Invariant { what: e.to_string() };
    let bytes = serde_json::to_vec(&remembered).map_err(told)?;
    tools.depot.write_state(&name, &bytes)?;
    Ok(Some(remembered))
}
