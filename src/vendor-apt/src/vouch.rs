//! Whether the vendor's signed release stands behind every file of a catalogue.

use crate::{Error, Release, parse_packages};
use catalogue::{Catalogue, File, FileKind, Payloads, Vendor};
use ids::{Digest, Timestamp};
use std::collections::BTreeMap;

/// Proof that every file of a catalogue is vouched for. Made only by [`Vouching::finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Digest of the signed release file.
    pub release: Digest,
    /// `Date` of the release file.
    pub date: Timestamp,
    /// `Valid-Until` of the release file.
    pub valid_until: Option<Timestamp>,
    /// How many files are vouched for, the release file with them.
    pub files: usize,
}

/// A package index that must be read before payloads can be vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedIndex {
    /// The catalogue's file to read; its name's end says how it is compressed.
    pub file: File,
    /// The name to hand its plain bytes in under, see [`Vouching::index`].
    pub plain: String,
    /// Length of the plain bytes.
    pub length: u64,
}

/// The check in the making: begin, hand in each wanted index, finish.
#[derive(Debug)]
pub struct Vouching<'a> {
    catalogue: &'a Catalogue,
    release: &'a Release,
    document: Digest,
    folder: String,
    payloads: Payloads<'a>,
}

/// The package indexes of a catalogue: one form of each, of the architectures whose payloads were
/// selected, and of `all`.
#[must_use]
pub fn package_indexes(catalogue: &Catalogue, release: &Release) -> Vec<WantedIndex> {
    let Vendor::Apt { suite, architectures, .. } = &catalogue.vendor else { return Vec::new() };
    let folder = format!("dists/{suite}/");
    let mut wanted = BTreeMap::new();
    for file in catalogue.files.iter().filter(|file| file.kind == FileKind::Index) {
        let Some(path) = file.path.strip_prefix(&folder) else { continue };
        let Some((start, name)) = path.rsplit_once('/') else { continue };
        let Some(ending) = name.strip_prefix("Packages") else { continue };
        let known = ["", ".xz", ".gz", ".zst"].contains(&ending);
        let ours = |name: &String| start.ends_with(&format!("/binary-{name}"));
        if !known || !(start.ends_with("/binary-all") || architectures.iter().any(ours)) {
            continue;
        }
        let plain = format!("{start}/Packages");
        if let Some(form) = release.indexes.get(&plain) {
            let length = form.length;
            let index = WantedIndex { file: file.clone(), plain: plain.clone(), length };
            wanted.entry(plain).or_insert(index);
        }
    }
    wanted.into_values().collect()
}

impl WantedIndex {
    /// Its component, as machines' sources name it, and its architecture.
    #[must_use]
    pub fn part(&self) -> Option<(&str, &str)> {
        let folder = self.plain.strip_suffix("/Packages")?;
        let (component, architecture) = folder.rsplit_once("/binary-")?;
        Some((component.strip_prefix("updates/").unwrap_or(component), architecture))
    }
}

impl<'a> Vouching<'a> {
    /// Checks the release file and every index. `document` is the release file as served
    /// (`InRelease`), `release` what its verified text says.
    ///
    /// # Errors
    /// The first file that is not vouched for, or what the catalogue tells differently.
    pub fn begin(
        document: &[u8],
        release: &'a Release,
        catalogue: &'a Catalogue,
    ) -> Result<Self, Error> {
        let Vendor::Apt { origin, suite, codename, .. } = &catalogue.vendor else {
            return Err(Error::Differs { what: "the kind of vendor" });
        };
        let same = [
            ("origin", *origin == release.origin),
            ("codename", *codename == release.codename),
            ("suite", *suite == release.codename || *suite == release.suite),
            ("release date", catalogue.release_date == release.date),
            ("valid until", catalogue.valid_until == release.valid_until),
        ];
        if let Some((what, _)) = same.into_iter().find(|(_, same)| !same) {
            return Err(Error::Differs { what });
        }
        let mut this = Self {
            catalogue,
            release,
            document: Digest::of(document),
            folder: format!("dists/{suite}/"),
            payloads: Payloads::default(),
        };
        let mut releases = 0;
        for file in &catalogue.files {
            match file.kind {
                FileKind::Release => {
                    releases += 1;
                    this.check_release(file, document.len() as u64)?;
                }
                FileKind::Signature => {
                    return Err(not_vouched(file, "its release file carries its own signature"));
                }
                FileKind::Index => this.check_index(file)?,
                FileKind::Payload => this.payloads.expect(file)?,
            }
        }
        if releases == 1 { Ok(this) } else { Err(Error::Differs { what: "the release file" }) }
    }

    fn check_release(&self, file: &File, length: u64) -> Result<(), Error> {
        if file.path != format!("{}InRelease", self.folder) {
            return Err(not_vouched(file, "the release file has another path"));
        }
        if file.sha256 != self.document || file.length != length {
            return Err(not_vouched(file, "it is not the release file that was verified"));
        }
        Ok(())
    }

    fn check_index(&self, file: &File) -> Result<(), Error> {
        let path = file.path.strip_prefix(&self.folder);
        match path.and_then(|path| self.release.indexes.get(path)) {
            None => Err(not_vouched(file, "the release file does not name it")),
            Some(form) if form.sha256 != file.sha256 => Err(not_vouched(file, "another digest")),
            Some(form) if form.length != file.length => Err(not_vouched(file, "another length")),
            Some(_) => Ok(()),
        }
    }

    /// The package indexes to hand in: one form of each, of the architectures whose payloads were
    /// selected.
    #[must_use]
    pub fn wanted(&self) -> Vec<WantedIndex> {
        if self.payloads.is_empty() {
            return Vec::new();
        }
        package_indexes(self.catalogue, self.release)
    }

    /// Takes in the plain bytes of a package index.
    ///
    /// # Errors
    /// Where they are not what the release file names, or a payload differs from what they say.
    pub fn index(&mut self, plain: &str, bytes: &[u8]) -> Result<(), Error> {
        let form = self.release.indexes.get(plain);
        let fits = |form: &&crate::IndexForm| {
            form.length == bytes.len() as u64 && form.sha256 == Digest::of(bytes)
        };
        if form.filter(fits).is_none() {
            return Err(Error::WrongIndex { path: plain.to_owned() });
        }
        for package in parse_packages(bytes)? {
            self.payloads.name(package.into())?;
        }
        Ok(())
    }

    /// Ends the check: every payload must have been named, and every update must tell of its
    /// payloads what the indexes tell.
    ///
    /// # Errors
    /// The first file or update that is not vouched for.
    pub fn finish(self) -> Result<Vouched, Error> {
        self.payloads.finish(self.catalogue)?;
        Ok(Vouched {
            release: self.document,
            date: self.release.date,
            valid_until: self.release.valid_until,
            files: self.catalogue.files.len(),
        })
    }
}

/// The whole check at once, for callers that hold every wanted index: pairs of the plain name
/// ([`WantedIndex::plain`]) and the plain bytes.
///
/// # Errors
/// As [`Vouching`]'s.
pub fn vouch(
    document: &[u8],
    release: &Release,
    indexes: &[(&str, &[u8])],
    catalogue: &Catalogue,
) -> Result<Vouched, Error> {
    let mut vouching = Vouching::begin(document, release, catalogue)?;
    for (plain, bytes) in indexes {
        vouching.index(plain, bytes)?;
    }
    vouching.finish()
}

fn not_vouched(file: &File, reason: &'static str) -> Error {
    Error::NotVouched { path: file.path.clone(), reason }
}
