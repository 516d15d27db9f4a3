//! The vendor's advisories (`updateinfo`): what a version mends, and since when.

use crate::{
    Error,
    primary::version,
    xml::{Step, walk},
};
use catalogue::VendorSeverity;
use ids::Timestamp;
use jiff::{civil, tz::TimeZone};
use std::collections::BTreeSet;

const WHAT: &str = "the list of advisories";
/// Most packages that all advisories together may name.
const NAMED_MAX: usize = 5_000_000;

/// Longest title that is kept, in characters.
const TITLE_MAX: usize = 500;
/// Longest description that is kept, in characters.
const DESCRIPTION_MAX: usize = 20_000;

/// One advisory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advisory {
    /// Its id in the vendor's own words.
    pub id: String,
    /// Its title, at most [`TITLE_MAX`] characters; empty where it has none.
    pub title: String,
    /// What the vendor says of it, at most [`DESCRIPTION_MAX`] characters; empty where it says nothing.
    pub description: String,
    /// When it was issued. Vendors write no zone; it is read as UTC, and a date alone as its first moment.
    pub issued: Option<Timestamp>,
    /// How severe the vendor says that it is; `None`: it does not say.
    pub severity: Option<VendorSeverity>,
    /// CVE ids that it refers to.
    pub cves: BTreeSet<String>,
    /// Name, `[epoch:]version-release` and architecture of the packages that mend it.
    pub packages: BTreeSet<(String, String, String)>,
}

/// Parses the plain bytes of a list of advisories.
///
/// # Errors
/// What is wrong with it.
pub fn parse_updateinfo(bytes: &[u8]) -> Result<Vec<Advisory>, Error> {
    let (mut advisories, mut draft, mut named) = (Vec::new(), Advisory::default(), 0);
    walk(WHAT, bytes, |path, step| {
        let Some(path) = path.strip_prefix("updates/update") else { return Ok(()) };
        match (path, step) {
            ("", Step::Open(_)) => draft = Advisory::default(),
            ("/issued", Step::Open(attributes)) => {
                draft.issued = attributes.get("date").as_deref().and_then(moment);
            }
            ("/references/reference", Step::Open(attributes)) => {
                let cve = attributes.get("id").filter(|id| is_cve(id));
                if attributes.get("type").as_deref() == Some("cve") {
                    draft.cves.extend(cve);
                }
            }
            ("/pkglist/collection/package", Step::Open(attributes)) => {
                let get = |name: &str| attributes.get(name);
                if let (Some(name), Some(version), Some(architecture)) =
                    (get("name"), version(get), get("arch"))
                {
                    named += usize::from(draft.packages.insert((name, version, architecture)));
                }
            }
            ("/severity", Step::Close(text)) => draft.severity = VendorSeverity::of_word(text),
            ("/title", Step::Close(text)) => draft.title = text.chars().take(TITLE_MAX).collect(),
            ("/description", Step::Close(text)) => {
                draft.description = text.chars().take(DESCRIPTION_MAX).collect();
            }
            ("/id", Step::Close(text)) => draft.id = text.chars().take(200).collect(),
            ("", Step::Close(_)) => advisories.push(std::mem::take(&mut draft)),
            _ => {}
        }
        if named > NAMED_MAX {
            let reason = format!("it names more than {NAMED_MAX} packages");
            return Err(Error::Malformed { what: WHAT, reason });
        }
        Ok(())
    })?;
    Ok(advisories)
}

/// `2024-01-02`, `2024-01-02 03:04:05`, RFC 3339, or seconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let text = text.trim_end_matches(" UTC");
    let at = text.parse::<civil::DateTime>().ok()?;
    at.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn is_cve(id: &str) -> bool {
    let digits = |text: &str, least: usize| {
        (least..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let rest = id.strip_prefix("CVE-").and_then(|rest| rest.split_once('-'));
    rest.is_some_and(|(year, number)| year.len() == 4 && digits(year, 4) && digits(number, 4))
}
