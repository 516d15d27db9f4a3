//! The list of packages (`primary`).

use crate::{
    Error,
    xml::{Step, safe_path, sha256, walk},
};
use catalogue::{Indexed, UpdatePayload};
use ids::Digest;

const WHAT: &str = "the list of packages";
/// Most packages of one repository.
const PACKAGES_MAX: usize = 1_000_000;
/// Longest name, version or architecture, in bytes.
const WORD_MAX: usize = 256;

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// `[epoch:]version-release`; an epoch of 0 is left out, as `rpm` does.
    pub version: String,
    /// Architecture, or `noarch`.
    pub architecture: String,
    /// Path below the repository's root.
    pub path: String,
    /// Digest of the file.
    pub sha256: Digest,
    /// Its length in bytes.
    pub length: u64,
    /// The name of the source package that it was built from, and its version; its own where that is not told.
    pub source: (String, String),
}

impl From<Package> for Indexed {
    fn from(package: Package) -> Self {
        let (source_package, source_version) = package.source;
        Self {
            payload: UpdatePayload {
                package: package.name,
                version: package.version,
                architecture: package.architecture,
                path: package.path,
                sha256: package.sha256,
            },
            length: package.length,
            source_package,
            source_version,
        }
    }
}

#[derive(Default)]
struct Draft {
    name: String,
    version: Option<String>,
    architecture: String,
    path: Option<String>,
    sha256: Option<Digest>,
    length: Option<u64>,
    source: Option<(String, String)>,
}

/// Parses the plain bytes of a list of packages.
///
/// # Errors
/// What is wrong with it.
pub fn parse_primary(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let (mut packages, mut draft, mut kind) = (Vec::new(), Draft::default(), None);
    walk(WHAT, bytes, |path, step| {
        let Some(path) = path.strip_prefix("metadata/package") else { return Ok(()) };
        match (path, step) {
            ("", Step::Open(_)) => draft = Draft::default(),
            ("/version", Step::Open(attributes)) => {
                draft.version = version(|name| attributes.get(name));
            }
            ("/size", Step::Open(attributes)) => {
                draft.length = attributes.get("package").and_then(|size| size.parse().ok());
            }
            ("/location", Step::Open(attributes)) => {
                let href = attributes.get("href").unwrap_or_default();
                if attributes.get("xml:base").is_some() {
                    let reason = format!("{href} is kept elsewhere (xml:base)");
                    return Err(Error::Malformed { what: WHAT, reason });
                }
                draft.path = Some(safe_path(WHAT, href)?);
            }
            ("/checksum", Step::Open(attributes)) => kind = attributes.get("type"),
            ("/checksum", Step::Close(text)) => {
                draft.sha256 = Some(sha256(WHAT, &draft.name, kind.as_deref(), text)?);
            }
            ("/name", Step::Close(text)) => text.clone_into(&mut draft.name),
            ("/arch", Step::Close(text)) => text.clone_into(&mut draft.architecture),
            ("/format/sourcerpm", Step::Close(text)) => draft.source = source(text),
            ("", Step::Close(_)) => {
                packages.push(std::mem::take(&mut draft).finish()?);
                if packages.len() > PACKAGES_MAX {
                    let reason = format!("it names more than {PACKAGES_MAX} packages");
                    return Err(Error::Malformed { what: WHAT, reason });
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(packages)
}

/// `[epoch:]version-release` out of the attributes that hold them.
pub(crate) fn version(get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (number, release) =
        (get("ver").or_else(|| get("version"))?, get("rel").or_else(|| get("release"))?);
    let epoch = get("epoch").filter(|epoch| !epoch.is_empty() && epoch != "0");
    let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    Some(format!("{epoch}{number}-{release}"))
}

/// Name and version of a source package's file name, e.g. `openssl-3.0.7-2.el9.src.rpm`.
fn source(file: &str) -> Option<(String, String)> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (start, release) = stem.rsplit_once('-')?;
    let (name, version) = start.rsplit_once('-')?;
    Some((name.to_owned(), format!("{version}-{release}")))
}

impl Draft {
    fn finish(self) -> Result<Package, Error> {
        let lacks = |field| Error::Field { what: WHAT, field, of: self.name.clone() };
        let plain = |word: &str| {
            (1..=WORD_MAX).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic())
        };
        if !plain(&self.name) {
            return Err(lacks("name"));
        }
        let version = self.version.as_ref().filter(|version| plain(version));
        let version = version.ok_or_else(|| lacks("version"))?.clone();
        if !plain(&self.architecture) {
            return Err(lacks("architecture"));
        }
        let source = self.source.as_ref().filter(|(name, of)| plain(name) && plain(of)).cloned();
        Ok(Package {
            source: source.unwrap_or_else(|| (self.name.clone(), version.clone())),
            path: self.path.clone().ok_or_else(|| lacks("location"))?,
            sha256: self.sha256.ok_or_else(|| lacks("checksum"))?,
            length: self.length.ok_or_else(|| lacks("size"))?,
            version,
            name: self.name,
            architecture: self.architecture,
        })
    }
}
