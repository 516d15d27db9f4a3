//! apt's own settings: which repositories a machine uses (sources.list(5)).

use crate::{
    Error,
    stanza::{short, stanzas},
};

const BYTES_MAX: usize = 1 << 20;

/// What vouches for a repository's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// Keyring files.
    Files(Vec<String>),
    /// An armoured key in the settings themselves.
    Embedded(String),
}

/// One repository of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Where it is.
    pub uris: Vec<String>,
    /// Suites taken from it.
    pub suites: Vec<String>,
    /// Components taken from it.
    pub components: Vec<String>,
    /// Keys named for it.
    pub signed_by: Option<SignedBy>,
}

/// Parses a deb822 `.sources` file. Sources that are switched off or carry no binary packages are
/// left out. At most 1 MiB.
///
/// # Errors
/// What is malformed, with the stanza's number.
pub fn parse_sources(bytes: &[u8]) -> Result<Vec<AptSource>, Error> {
    let mut sources = Vec::new();
    for stanza in stanzas("apt's list of sources", bytes, BYTES_MAX)? {
        let stanza = stanza?;
        let off = stanza
            .line("Enabled")
            .is_some_and(|text| ["no", "false", "0", "off", "without", "disable"].contains(&text));
        if off || !stanza.words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        let signed_by = stanza.lines("Signed-By").map(|lines| {
            if lines.iter().any(|line| line.contains("BEGIN PGP")) {
                let line = |line: &&str| if *line == "." { "" } else { *line }.to_owned();
                SignedBy::Embedded(lines.iter().map(line).collect::<Vec<_>>().join("\n"))
            } else {
                SignedBy::Files(files(&stanza.words("Signed-By")))
            }
        });
        sources.push(AptSource {
            uris: stanza.words("URIs"),
            suites: stanza.words("Suites"),
            components: stanza.words("Components"),
            signed_by,
        });
    }
    Ok(sources)
}

/// Parses a one-line-style `sources.list`. At most 1 MiB.
///
/// # Errors
/// The line that is malformed.
pub fn parse_one_line_sources(bytes: &[u8]) -> Result<Vec<AptSource>, Error> {
    let what = "apt's list of sources";
    let malformed = |stanza, reason| Error::Malformed { what, stanza, reason };
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= BYTES_MAX);
    let text = text.ok_or_else(|| malformed(0, "it is not UTF-8 of a sane size".into()))?;
    let mut sources = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        let Some(rest) = line.strip_prefix("deb").filter(|r| r.starts_with([' ', '\t'])) else {
            if line.is_empty() || line.starts_with("deb-src") {
                continue;
            }
            return Err(malformed(i + 1, format!("no source: {:?}", short(line, 80))));
        };
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((options, rest)) => (options, rest),
            None => ("", rest),
        };
        let mut words = rest.split_ascii_whitespace().map(str::to_owned);
        let uri = words.next().filter(|uri| !uri.starts_with('['));
        let (Some(uri), Some(suite)) = (uri, words.next()) else {
            return Err(malformed(i + 1, format!("no source: {:?}", short(line, 80))));
        };
        let signed_by = options.split_ascii_whitespace().find_map(|option| {
            let value = option.strip_prefix("signed-by=")?;
            let names: Vec<String> = value.split(',').map(str::to_owned).collect();
            Some(SignedBy::Files(files(&names)))
        });
        let components = words.collect();
        sources.push(AptSource { uris: vec![uri], suites: vec![suite], components, signed_by });
    }
    Ok(sources)
}

/// Fingerprints select keys of apt's own store; only files can be read elsewhere.
fn files(words: &[String]) -> Vec<String> {
    words.iter().filter(|word| word.starts_with('/')).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_both_styles_alike() {
        let new = b"# x\nTypes: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm \
            bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nEnabled: no\n\
            URIs: http://off.example/\nSuites: x\n";
        let old = b"# x\ndeb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm \
            main # y\ndeb-src http://mirror.example/debian bookworm main\n";
        let new = parse_sources(new).unwrap();
        assert_eq!((new.len(), new[0].suites.len()), (1, 2));
        let old = parse_one_line_sources(old).unwrap();
        assert_eq!(old.len(), 1);
        assert_eq!((&old[0].uris, &old[0].signed_by), (&new[0].uris, &new[0].signed_by));
        for bad in [&b"deb http://x"[..], b"rubbish", b"deb [x http://y", &[0xff]] {
            assert!(parse_one_line_sources(bad).is_err(), "{bad:?}");
        }
    }
}
