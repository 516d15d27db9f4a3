//! Debian changelogs: dates, urgency and the CVE ids that each version names.

use crate::{Error, release::date, stanza::short, version};
use ids::Timestamp;
use std::{cmp::Ordering, collections::BTreeSet};

/// Entries beyond these are years old.
const ENTRIES_MAX: usize = 2000;
const CVES_MAX: usize = 2000;

/// One version's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Source package version.
    pub version: String,
    /// When the maintainer closed the entry.
    pub date: Option<Timestamp>,
    /// `urgency=`, lower case.
    pub urgency: Option<String>,
    /// CVE ids named in it.
    pub cves: BTreeSet<String>,
}

/// A changelog, newest entry first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changelog {
    /// At least one entry, at most 2000.
    pub entries: Vec<Entry>,
}

impl Changelog {
    /// Parses a changelog. Old entries are free text in places, so lines that mean nothing are
    /// passed over; only the first line must be right.
    ///
    /// # Errors
    /// Where it does not begin with an entry.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        for line in text.lines() {
            if let Some(entry) = heading(line) {
                if entries.len() == ENTRIES_MAX {
                    break;
                }
                entries.push(entry);
                continue;
            }
            let Some(entry) = entries.last_mut() else {
                if line.trim().is_empty() {
                    continue;
                }
                let reason = format!("it does not begin with an entry: {:?}", short(line, 80));
                return Err(Error::Malformed { what: "a changelog", stanza: 0, reason });
            };
            if let Some(trailer) = line.strip_prefix(" -- ") {
                entry.date = trailer.split_once(">  ").and_then(|(_, text)| date(text));
            } else if entry.cves.len() < CVES_MAX {
                collect_cves(line, &mut entry.cves);
            }
        }
        if entries.is_empty() {
            let reason = "it is empty".into();
            return Err(Error::Malformed { what: "a changelog", stanza: 0, reason });
        }
        Ok(Self { entries })
    }

    /// CVE ids of every entry newer than the installed source version; without one, of the
    /// newest entry.
    #[must_use]
    pub fn cves_since(&self, installed: Option<&str>) -> BTreeSet<String> {
        let newer = |entry: &&Entry| match installed {
            Some(have) => version::compare_versions(&entry.version, have) == Ok(Ordering::Greater),
            None => true,
        };
        let most = if installed.is_some() { usize::MAX } else { 1 };
        let entries = self.entries.iter().take(most).take_while(newer);
        entries.flat_map(|entry| entry.cves.iter().cloned()).collect()
    }
}

/// `package (version) distributions; urgency=x`, from the line's first column.
fn heading(line: &str) -> Option<Entry> {
    if !line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let (_, rest) = line.split_once(" (")?;
    let (text, rest) = rest.split_once(')')?;
    let (_, settings) = rest.split_once(';')?;
    version::parse(text).ok()?;
    let urgency = settings.split(',').find_map(|setting| {
        let (key, value) = setting.trim().split_once('=')?;
        let value = value.split_ascii_whitespace().next()?;
        key.eq_ignore_ascii_case("urgency").then(|| short(&value.to_ascii_lowercase(), 20))
    });
    Some(Entry { version: text.to_owned(), date: None, urgency, cves: BTreeSet::new() })
}

/// Adds every `CVE-<4 digits>-<4 to 7 digits>` of a line.
fn collect_cves(line: &str, found: &mut BTreeSet<String>) {
    for (start, _) in line.match_indices("CVE-") {
        let rest = &line.as_bytes()[start + 4..];
        let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let number = rest.get(5..).map_or(0, digits);
        if digits(rest) == 4 && rest.get(4) == Some(&b'-') && (4..=7).contains(&number) {
            found.insert(line[start..start + 9 + number].to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "openssl (3.0.22-1~deb12u2) bookworm-security; urgency=HIGH, binary-only=no\n\
        \n  * CVE-2026-1234 (and CVE-2026-1234, CVE-2026-123), xCVE-2026-56789.\n\
        \n -- A Person <a@example.org>  Tue, 03 Nov 2026 20:00:00 +0100\n\
        \nopenssl (3.0.22-1~deb12u1) bookworm; urgency=medium\n\n  * Fix CVE-2025-11111111, \
        CVE-2025-1111\n\n -- A Person <a@example.org>  Wed, 04 Mar 2026 20:00:00 +0000\n\
        \nold stuff: free text\n";

    #[test]
    fn reads_versions_dates_and_cves() {
        let log = Changelog::parse(TEXT).unwrap();
        assert_eq!(log.entries.len(), 2);
        let top = &log.entries[0];
        assert_eq!(top.urgency.as_deref(), Some("high"));
        assert_eq!(top.date.unwrap().to_string(), "2026-11-03T19:00:00Z");
        let ids = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>();
        assert_eq!(ids(log.cves_since(None)), ["CVE-2026-1234", "CVE-2026-56789"]);
        let since = log.cves_since(Some("3.0.20-1"));
        assert_eq!(ids(since), ["CVE-2025-1111", "CVE-2026-1234", "CVE-2026-56789"]);
        assert_eq!(ids(log.cves_since(Some("3.0.22-1~deb12u2"))), Vec::<String>::new());
    }

    #[test]
    fn refuses_what_is_no_changelog() {
        for bad in ["", "\n\n", "<html>", "openssl 3.0.22; urgency=high"] {
            assert!(Changelog::parse(bad).is_err(), "{bad:?}");
        }
    }
}
