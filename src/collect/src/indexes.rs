//! The indexes of a source: every architecture's packages and every translation that its release
//! file names for the chosen components, each in one form that the mirror serves.

use crate::{
    Error,
    fetch::{Absent, Fetched, Tools, Wanted},
    settings::SourceSettings,
};
use catalogue::{File, FileKind};
use reqwest::Url;
use sandbox::{Compression, Reader};
use std::collections::BTreeMap;
use vendor_apt::{IndexForm, Package, Release, parse_packages};

/// Forms in the order of preference, which is apt's own where it matters.
const FORMS: [&str; 4] = [".xz", ".gz", ".zst", ""];
/// Longest plain package index.
const PLAIN_BYTES_MAX: u64 = 1 << 30;

/// One index: its name without the ending, and its forms, best first.
struct Index {
    name: String,
    forms: Vec<(String, IndexForm)>,
    /// A path under which other bytes came.
    altered: Option<String>,
}

/// Fetches the indexes (of a source that only helps to solve, just those that do); says which form
/// of each was had. `absent` is what the mirror is known not to have, and what it turned out not to.
pub(crate) async fn fetch(
    tools: &Tools,
    source: &SourceSettings,
    base: &Url,
    release: &Release,
    absent: &mut Absent,
    fetched: &mut Fetched,
) -> Result<(Vec<File>, Vec<String>), Error> {
    offered(source, release)?;
    let mut left = named(source, release);
    let (mut files, mut lost) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let lacking = left.iter().filter_map(|index| {
            let (path, form) = index.forms.first()?;
            let known = absent.contains_key(&form.sha256);
            (!known).then(|| wanted(source, release, path, *form))
        });
        absent.extend(tools.fetch_all(base, lacking.collect(), fetched).await?);
        let mut again = Vec::new();
        for mut index in left {
            let (path, form) = index.forms.remove(0);
            match absent.get(&form.sha256) {
                // It may have come this time although it was known to be absent.
                Some(_) if tools.depot.has(&form.sha256, form.length) => {}
                Some(altered) => {
                    index.altered = index.altered.or_else(|| altered.clone());
                    if index.forms.is_empty() {
                        lost.push(index);
                    } else {
                        again.push(index);
                    }
                    continue;
                }
                None => {}
            }
            absent.remove(&form.sha256);
            files.push(File {
                path: format!("dists/{}/{path}", source.suite),
                sha256: form.sha256,
                length: form.length,
                kind: FileKind::Index,
            });
        }
        left = again;
    }
    Ok((files, without(source, lost)?))
}

/// No form of these indexes could be had: an error for what is selected, notes for the rest.
fn without(source: &SourceSettings, lost: Vec<Index>) -> Result<Vec<String>, Error> {
    if let Some(index) = lost.iter().find(|index| must_have(source, &index.name)) {
        let missing = || format!("dists/{}/{}", source.suite, index.name);
        return Err(match &index.altered {
            Some(path) => Error::Altered { path: path.clone() },
            None => Error::MissingFile { path: missing() },
        });
    }
    let (altered, missing): (Vec<_>, Vec<_>) = lost.iter().partition(|i| i.altered.is_some());
    let mut notes = Vec::new();
    for (list, what) in [
        (missing, "the mirror has no form of"),
        (altered, "left out, because the mirror's is not the one that the vendor signed:"),
    ] {
        let names: Vec<&str> = list.iter().map(|index| index.name.as_str()).collect();
        if !names.is_empty() {
            notes.push(format!("{what} {}", names.join(", ")));
        }
    }
    Ok(notes)
}

fn offered(source: &SourceSettings, release: &Release) -> Result<(), Error> {
    let missing =
        |what: &String| Error::NotOffered { suite: source.suite.clone(), what: what.clone() };
    for component in &source.components {
        if !release.components.contains(component) {
            return Err(missing(component));
        }
    }
    for architecture in &source.architectures {
        let named = |component: &String| {
            let start = format!("{component}/binary-{architecture}/Packages");
            release.indexes.keys().any(|path| path.starts_with(&start))
        };
        if !source.components.iter().any(named) {
            return Err(missing(architecture));
        }
    }
    Ok(())
}

fn named(source: &SourceSettings, release: &Release) -> Vec<Index> {
    let mut by_name: BTreeMap<String, Vec<(usize, String, IndexForm)>> = BTreeMap::new();
    for (path, form) in &release.indexes {
        let Some((name, rank)) = kind_of(source, path) else { continue };
        if source.solve_only && !must_have(source, &name) {
            continue;
        }
        by_name.entry(name).or_default().push((rank, path.clone(), *form));
    }
    let index = |(name, mut forms): (String, Vec<(usize, String, IndexForm)>)| {
        forms.sort_by_key(|(rank, ..)| *rank);
        let forms = forms.into_iter().map(|(_, path, form)| (path, form)).collect();
        Index { name, forms, altered: None }
    };
    by_name.into_iter().map(index).collect()
}

/// The index that a path is a form of, and the form's rank.
fn kind_of(source: &SourceSettings, path: &str) -> Option<(String, usize)> {
    let inside = |component: &String| path.strip_prefix(component.as_str())?.strip_prefix('/');
    let (folder, file) = source.components.iter().find_map(inside)?.split_once('/')?;
    let rank = FORMS.iter().position(|form| file.ends_with(form))?;
    let name = file.strip_suffix(FORMS[rank])?;
    let packages = folder.starts_with("binary-") && name == "Packages";
    let translation =
        folder == "i18n" && name.starts_with("Translation-") && !name.contains(['.', '/']);
    let name = path.strip_suffix(FORMS[rank])?;
    (packages || translation).then(|| (name.to_owned(), rank))
}

fn must_have(source: &SourceSettings, name: &str) -> bool {
    let ours = |arch: &String| name.ends_with(&format!("/binary-{arch}/Packages"));
    source.architectures.iter().any(ours)
}

fn wanted(source: &SourceSettings, release: &Release, path: &str, form: IndexForm) -> Wanted {
    let whole = format!("dists/{}/{path}", source.suite);
    let mut paths = Vec::new();
    if let (true, Some((folder, _))) = (release.by_hash, whole.rsplit_once('/')) {
        paths.push(format!("{folder}/by-hash/SHA256/{}", form.sha256));
    }
    paths.push(whole);
    Wanted { sha256: form.sha256, length: form.length, paths }
}

/// The packages of the selected architectures, from indexes that the depot holds.
pub(crate) async fn packages(
    tools: &Tools,
    reader: &Reader,
    source: &SourceSettings,
    release: &Release,
    files: &[File],
) -> Result<Vec<Package>, Error> {
    let mut packages = Vec::new();
    for file in files {
        let path = file.path.strip_prefix(&format!("dists/{}/", source.suite)).unwrap_or_default();
        let Some((name, rank)) = kind_of(source, path) else { continue };
        if !must_have(source, &name) && !name.ends_with("/binary-all/Packages") {
            continue;
        }
        let (depot, reader, file) = (tools.depot.clone(), reader.clone(), file.clone());
        let missing = || Error::NotOffered { suite: source.suite.clone(), what: name.clone() };
        let plain = release.indexes.get(&name).copied().ok_or_else(missing)?;
        let task = tokio::task::spawn_blocking(move || {
            let bytes = depot.read(&file.sha256)?;
            read(&reader, &file.path, &bytes, FORMS[rank], plain)
        });
        packages.extend(task.await.map_err(|e| Error::Invariant { what: e.to_string() })??);
    }
    // One package may stand in an architecture's index and in that of `all`.
    packages.sort_by(|a, b| (&a.path, &a.sha256).cmp(&(&b.path, &b.sha256)));
    packages.dedup();
    Ok(packages)
}

fn read(
    reader: &Reader,
    path: &str,
    bytes: &[u8],
    form: &str,
    named: IndexForm,
) -> Result<Vec<Package>, Error> {
    let compression = match form {
        ".xz" => Some(Compression::Xz),
        ".gz" => Some(Compression::Gzip),
        ".zst" => Some(Compression::Zstd),
        _ => None,
    };
    let unpacked;
    let plain = match compression {
        Some(compression) => {
            let most = named.length.min(PLAIN_BYTES_MAX);
            let told = |source| Error::Read { path: path.to_owned(), source };
            unpacked = reader.decompress(bytes, compression, most).map_err(told)?;
            &unpacked
        }
        None => bytes,
    };
    // The release file names the plain form too, so what the child unpacked can be held to it.
    let fits = |form: IndexForm| {
        form.length == plain.len() as u64 && form.sha256 == ids::Digest::of(plain)
    };
    if !fits(named) {
        return Err(Error::Altered { path: path.to_owned() });
    }
    parse_packages(plain).map_err(|source| Error::Format { path: path.to_owned(), source })
}
