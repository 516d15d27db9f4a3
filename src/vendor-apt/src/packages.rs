//! `Packages`: the binary packages of one component and architecture.

use crate::{
    Error,
    applicable::Likeness,
    relations::Relations,
    stanza::{Stanza, is_name, short, stanzas},
    version::is_version,
};
use catalogue::{Indexed, UpdatePayload, is_safe_path};
use ids::Digest;

const WHAT: &str = "a package index";
/// Ten times the largest real one.
const BYTES_MAX: usize = 1 << 30;
const PACKAGES_MAX: usize = 1_000_000;

/// One binary package that an index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Binary package name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Architecture, or `all`.
    pub architecture: String,
    /// Source package it was built from.
    pub source: String,
    /// Version of that source package.
    pub source_version: String,
    /// Path below the repository's root.
    pub path: String,
    /// Digest of the file.
    pub sha256: Digest,
    /// Length in bytes.
    pub length: u64,
    /// By what apt tells it from other builds of its version.
    pub(crate) likeness: Likeness,
    /// What it needs and stands for.
    pub(crate) relations: Relations,
}

impl From<Package> for Indexed {
    fn from(package: Package) -> Self {
        Self {
            payload: UpdatePayload {
                package: package.name,
                version: package.version,
                architecture: package.architecture,
                path: package.path,
                sha256: package.sha256,
            },
            length: package.length,
            source_package: package.source,
            source_version: package.source_version,
        }
    }
}

/// Parses a plain package index. At most 1 GiB and a million packages.
///
/// # Errors
/// What is malformed, missing, weak or unsafe, with the stanza's number.
pub fn parse_packages(bytes: &[u8]) -> Result<Vec<Package>, Error> {
    let mut packages = Vec::new();
    for stanza in stanzas(WHAT, bytes, BYTES_MAX)? {
        if packages.len() == PACKAGES_MAX {
            let reason = "it names absurdly many packages".into();
            return Err(Error::Malformed { what: WHAT, stanza: packages.len(), reason });
        }
        packages.push(package(&stanza?)?);
    }
    Ok(packages)
}

fn package(stanza: &Stanza<'_>) -> Result<Package, Error> {
    let name = stanza.must("Package", is_name)?;
    let version = stanza.must("Version", is_version)?;
    let (source, source_version) = source_of(stanza, name, version)?;
    let path = stanza.must("Filename", |_| true)?;
    if !is_safe_path(path) {
        return Err(Error::UnsafePath { what: WHAT, path: short(path, 200) });
    }
    let Some(digest) = stanza.line("SHA256") else {
        return Err(Error::WeakHash { what: WHAT, stanza: stanza.number });
    };
    let length = stanza.line("Size").and_then(|size| size.parse().ok());
    Ok(Package {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: stanza.must("Architecture", is_name)?.to_owned(),
        source,
        source_version,
        path: path.to_owned(),
        sha256: digest.parse().map_err(|_| stanza.bad("SHA256"))?,
        length: length.ok_or_else(|| stanza.bad("Size"))?,
        likeness: Likeness::of(stanza),
        relations: Relations::of(stanza),
    })
}

/// `Source: name (version)`; both default to the binary package's.
pub(crate) fn source_of(
    stanza: &Stanza<'_>,
    name: &str,
    version: &str,
) -> Result<(String, String), Error> {
    let text = stanza.line("Source").unwrap_or(name);
    let (source, version) = match text.split_once(" (") {
        Some((source, rest)) => {
            (source, rest.strip_suffix(')').ok_or_else(|| stanza.bad("Source"))?)
        }
        None => (text, version),
    };
    if !is_name(source) || !is_version(version) {
        return Err(stanza.bad("Source"));
    }
    Ok((source.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "Package: libssl3\nSource: openssl (3.0.22-1)\nVersion: 3.0.22-1+b1\n\
        Architecture: amd64\nDescription: x\n y\nFilename: pool/o/libssl3_1.deb\nSize: 12\nSHA256: \
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";

    #[test]
    fn reads_packages() {
        let all = parse_packages(format!("{GOOD}\n{GOOD}").as_bytes()).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(
            (all[0].source.as_str(), all[0].source_version.as_str()),
            ("openssl", "3.0.22-1")
        );
        assert_eq!(parse_packages(b"").unwrap(), []);
    }

    #[test]
    fn refuses_hostile_packages() {
        let cases = [
            ("weak", GOOD.replace("SHA256", "SHA1")),
            ("unsafe path", GOOD.replace("pool/o", "pool/../../o")),
            ("unsafe path", GOOD.replace("pool/o", "/pool/o")),
            ("no usable Size", GOOD.replace("Size: 12", "Size: 99999999999999999999999")),
            ("no usable Size", GOOD.replace("Size: 12", "Size: -1")),
            ("no usable Version", GOOD.replace("3.0.22-1+b1", "3 0")),
            ("no usable Package", GOOD.replace("Package: libssl3", "Package: a b")),
            ("no usable Source", GOOD.replace("(3.0.22-1)", "(3.0.22-1")),
            ("twice", format!("{GOOD}size: 13\n")),
            ("malformed", GOOD.replace("Size: 12", "Size 12")),
        ];
        for (why, text) in cases {
            let error = parse_packages(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
