//! dpkg's `status` file: what a machine has installed.

use crate::{
    Error,
    packages::source_of,
    stanza::{is_name, stanzas},
    version::is_version,
};

const WHAT: &str = "a status file";
/// Far larger than any real one.
const BYTES_MAX: usize = 256 << 20;

/// One package that is installed on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
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
}

/// Parses a dpkg status file; packages that are not installed are left out. At most 256 MiB.
///
/// # Errors
/// What is malformed, with the stanza's number.
pub fn parse_status(bytes: &[u8]) -> Result<Vec<Installed>, Error> {
    let mut installed = Vec::new();
    for stanza in stanzas(WHAT, bytes, BYTES_MAX)? {
        let stanza = stanza?;
        let name = stanza.must("Package", is_name)?;
        let status = stanza.must("Status", |_| true)?;
        if status.split_ascii_whitespace().next_back() != Some("installed") {
            continue;
        }
        let version = stanza.must("Version", is_version)?;
        let (source, source_version) = source_of(&stanza, name, version)?;
        installed.push(Installed {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: stanza.must("Architecture", is_name)?.to_owned(),
            source,
            source_version,
        });
    }
    Ok(installed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_is_installed_counts() {
        let text = b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n\
            Package: b\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n";
        let all = parse_status(text).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].source, "a");
        assert!(parse_status(b"not a status file").is_err());
    }
}
