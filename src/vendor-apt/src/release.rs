//! `Release`: the signed top of a Debian repository.

use crate::{
    Error,
    stanza::{Stanza, is_name, only, short},
};
use catalogue::is_safe_path;
use ids::{Digest, Timestamp};
use jiff::fmt::rfc2822::DateTimeParser;
use std::collections::BTreeMap;

const WHAT: &str = "the release file";
/// Larger than ten times Debian's largest.
const BYTES_MAX: usize = 16 << 20;
const INDEXES_MAX: usize = 100_000;

/// One form (plain or compressed) of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexForm {
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Length in bytes.
    pub length: u64,
}

/// What a machine's pins can match in a release file, as the file says it; empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseFacts {
    /// `Origin`: who publishes it.
    pub origin: String,
    /// `Label`.
    pub label: String,
    /// `Suite`: what pins call the archive.
    pub suite: String,
    /// `Codename`.
    pub codename: String,
    /// `Version` of the release.
    pub version: String,
    /// `NotAutomatic`: machines take nothing from it by themselves.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades`: they upgrade what they have from it.
    pub but_automatic_upgrades: bool,
}

/// What a release file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Who publishes it.
    pub origin: String,
    /// What pins can match.
    pub facts: ReleaseFacts,
    /// Suite, e.g. `oldstable-security`.
    pub suite: String,
    /// Codename, e.g. `bookworm-security`.
    pub codename: String,
    /// When it was made.
    pub date: Timestamp,
    /// When it goes stale.
    pub valid_until: Option<Timestamp>,
    /// Architectures it has indexes for.
    pub architectures: Vec<String>,
    /// Components, without a leading `updates/`.
    pub components: Vec<String>,
    /// Whether indexes can be had by their digest.
    pub by_hash: bool,
    /// Every index form, by path below the suite's folder.
    pub indexes: BTreeMap<String, IndexForm>,
}

impl Release {
    /// Parses the text of a release file (after its signature was checked). At most 16 MiB and
    /// 100,000 index forms.
    ///
    /// # Errors
    /// What is malformed, missing, weak or unsafe.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let stanza = only(WHAT, text, BYTES_MAX)?;
        let named = |field| stanza.must(field, is_name).map(str::to_owned);
        let valid_until = match stanza.line("Valid-Until") {
            Some(text) => Some(date(text).ok_or_else(|| stanza.bad("Valid-Until"))?),
            None => None,
        };
        let components = stanza.words("Components");
        let components: Vec<String> = components
            .into_iter()
            .map(|c| c.strip_prefix("updates/").map_or(c.clone(), str::to_owned))
            .collect();
        let architectures = stanza.words("Architectures");
        if !components.iter().chain(&architectures).all(|name| is_name(name)) {
            return Err(stanza.bad("Components or Architectures"));
        }
        let codename = named("Codename").or_else(|_| named("Suite"))?;
        Ok(Self {
            origin: short(stanza.line("Origin").unwrap_or(""), 200),
            facts: facts(&stanza),
            suite: named("Suite").unwrap_or_else(|_| codename.clone()),
            codename,
            date: stanza.line("Date").and_then(date).ok_or_else(|| stanza.bad("Date"))?,
            valid_until,
            architectures,
            components,
            by_hash: stanza.line("Acquire-By-Hash") == Some("yes"),
            indexes: indexes(&stanza)?,
        })
    }
}

fn facts(stanza: &Stanza<'_>) -> ReleaseFacts {
    let text = |field| short(stanza.line(field).unwrap_or(""), 200);
    let yes = |field| {
        let word = stanza.line(field).unwrap_or("").to_ascii_lowercase();
        ["yes", "true", "with", "on", "enable", "1"].contains(&word.as_str())
    };
    ReleaseFacts {
        origin: text("Origin"),
        label: text("Label"),
        suite: text("Suite"),
        codename: text("Codename"),
        version: text("Version"),
        not_automatic: yes("NotAutomatic"),
        but_automatic_upgrades: yes("ButAutomaticUpgrades"),
    }
}

fn indexes(stanza: &Stanza<'_>) -> Result<BTreeMap<String, IndexForm>, Error> {
    let Some(lines) = stanza.lines("SHA256") else {
        return Err(Error::WeakHash { what: WHAT, stanza: 0 });
    };
    if lines.len() > INDEXES_MAX {
        let reason = "it names absurdly many indexes".into();
        return Err(Error::Malformed { what: WHAT, stanza: 0, reason });
    }
    let mut indexes = BTreeMap::new();
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        let bad = |reason: &str| {
            let reason = format!("{reason}: {:?}", short(line, 120));
            Error::Malformed { what: WHAT, stanza: 0, reason }
        };
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [digest, length, path] = words[..] else {
            return Err(bad("an index needs digest, length and path"));
        };
        if !is_safe_path(path) {
            return Err(Error::UnsafePath { what: WHAT, path: short(path, 200) });
        }
        let sha256 = digest.to_ascii_lowercase().parse().map_err(|_| bad("no digest"))?;
        let length = length.parse().map_err(|_| bad("no length"))?;
        if indexes.insert(path.to_owned(), IndexForm { sha256, length }).is_some() {
            return Err(bad("an index is named twice"));
        }
    }
    Ok(indexes)
}

/// A date as release files and changelogs write it (RFC 5322, also with `UTC`).
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let numeric = match text.strip_suffix("UTC").or(text.strip_suffix("GMT")) {
        Some(start) => format!("{}+0000", start),
        None => text.to_owned(),
    };
    DateTimeParser::new().relaxed_weekday(true).parse_timestamp(numeric).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text() -> String {
        let digest = "a".repeat(64);
        format!(
            "Origin: Debian\nSuite: oldstable-security\nCodename: bookworm-security\n\
             NotAutomatic: yes\nVersion: 12\nDate: Sat, 21 Nov 2026 10:11:12 UTC\nValid-Until: Sat, 28 Nov 2026 10:11:12 UTC\n\
             Acquire-By-Hash: yes\nArchitectures: all amd64\nComponents: updates/main\n\
             MD5Sum:\n {} 12 main/binary-amd64/Packages\nSHA256:\n {digest} 12 \
             main/binary-amd64/Packages\n {digest} 9 main/binary-amd64/Packages.xz\n",
            "b".repeat(32)
        )
    }

    #[test]
    fn reads_debians_own_shape() {
        let release = Release::parse(text().as_bytes()).unwrap();
        assert_eq!(release.codename, "bookworm-security");
        assert_eq!(release.components, ["main"]);
        assert_eq!(release.date.to_string(), "2026-11-21T10:11:12Z");
        assert_eq!(release.valid_until.unwrap().to_string(), "2026-11-28T10:11:12Z");
        assert!(release.by_hash);
        let facts = release.facts;
        assert_eq!((&*facts.origin, &*facts.label, &*facts.version), ("Debian", "", "12"));
        assert!(facts.not_automatic && !facts.but_automatic_upgrades);
        assert_eq!(release.indexes["main/binary-amd64/Packages.xz"].length, 9);
    }

    #[test]
    fn refuses_hostile_text() {
        let text = text();
        let again = format!("{} 12 main/binary-amd64/Packages\n", "c".repeat(64));
        let cases = [
            ("weak", text.replace("SHA256:", "SHA1:")),
            ("unsafe", text.replace("9 main/", "9 ../main/")),
            ("twice", format!("{text} {again}")),
            ("twice", format!("{text}Date: Sat, 21 Nov 2026 10:11:12 UTC\n")),
            ("more than one stanza", format!("{text}\nOrigin: x\n")),
            ("no usable Date", text.replace("Date: Sat,", "Date: Someday")),
            ("no length", text.replace(" 9 main", " -9 main")),
            ("no digest", text.replace(&"a".repeat(64), &"a".repeat(63))),
            ("control", text.replace("Debian", "Debian\r")),
            ("UTF-8 is fine but empty is not", String::new()),
        ];
        for (why, text) in cases {
            let error = Release::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why) || text.is_empty(), "{why}: {error}");
        }
        assert!(Release::parse(&[0xff, 0xfe]).is_err());
    }
}
