//! Public lists about vulnerabilities: CISA's catalogue of known exploited ones (KEV), and SSVC decision
//! points as its Vulnrichment has them. They are files that somebody fetched; nothing is fetched here.
//!
//! KEV: `known_exploited_vulnerabilities.json`, as CISA publishes it. SSVC: one JSON object,
//! `{"as_of": "2026-11-20T00:00:00Z", "cves": {"CVE-2026-1": {"automatable": "yes", "technical_impact":
//! "total", "cvss": 9.8}}}`, with the words of SSVC (`yes`, `no`; `total`, `partial`) and the CVSS v3 base score that
//! Vulnrichment has beside them; what is not known is left out.
//! Neither is signed by its publisher: what is carried is what the collector was given.

use crate::Error;
use catalogue::{Advice, CveAdvice, Update};
use ids::Timestamp;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Largest list in bytes.
const LIST_BYTES_MAX: u64 = 256 << 20;

/// The lists that a collection was given.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    kev: Option<Kev>,
    ssvc: Option<Ssvc>,
}

#[derive(Debug, Clone)]
struct Kev {
    as_of: Timestamp,
    cves: BTreeSet<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ssvc {
    as_of: Timestamp,
    cves: BTreeMap<String, Points>,
}

#[derive(Debug, Clone, Deserialize)]
struct Points {
    automatable: Option<Automatable>,
    technical_impact: Option<Impact>,
    cvss: Option<Score>,
}

/// A CVSS base score: 0.0 to 10.0, kept in tenths.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Score(u16);

impl TryFrom<f64> for Score {
    type Error = String;

    fn try_from(score: f64) -> Result<Self, String> {
        let tenths = (0..=100_u16).find(|tenths| (f64::from(*tenths) / 10.0 - score).abs() < 1e-6);
        tenths.map(Self).ok_or_else(|| format!("{score} is no CVSS score from 0.0 to 10.0"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Automatable {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Impact {
    Total,
    Partial,
}

impl Lists {
    /// Reads the lists that are given.
    ///
    /// # Errors
    /// What is wrong with one.
    pub fn read(kev: Option<&Path>, ssvc: Option<&Path>) -> Result<Self, Error> {
        let bad = |path: &Path| {
            let path = path.to_owned();
            move |reason| Error::List { path, reason }
        };
        Ok(Self {
            kev: kev.map(|path| Kev::parse(&bytes(path)?).map_err(bad(path))).transpose()?,
            ssvc: ssvc.map(|path| Ssvc::parse(&bytes(path)?).map_err(bad(path))).transpose()?,
        })
    }

    /// What they say of the CVEs that these updates name; `None` without lists.
    pub(crate) fn advice(&self, updates: &[Update]) -> Option<Advice> {
        if self.kev.is_none() && self.ssvc.is_none() {
            return None;
        }
        let (kev_as_of, ssvc_as_of) =
            (self.kev.as_ref().map(|list| list.as_of), self.ssvc.as_ref().map(|list| list.as_of));
        let named = updates.iter().filter_map(|update| update.cves.as_ref()).flatten();
        let told = named.filter_map(|cve| {
            let points = self.ssvc.as_ref().and_then(|list| list.cves.get(cve));
            let said = CveAdvice {
                kev: self.kev.as_ref().is_some_and(|list| list.cves.contains(cve)),
                automatable: points.and_then(|p| p.automatable).map(|a| a == Automatable::Yes),
                total_impact: points.and_then(|p| p.technical_impact).map(|i| i == Impact::Total),
                cvss_tenths: points.and_then(|p| p.cvss).map(|Score(tenths)| tenths),
            };
            (said != CveAdvice::default()).then(|| (cve.clone(), said))
        });
        Some(Advice { kev_as_of, ssvc_as_of, cves: told.collect() })
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let length = fs::metadata(path).map_err(Error::file("read", path))?.len();
    if length > LIST_BYTES_MAX {
        let reason = format!("it is larger than {LIST_BYTES_MAX} bytes");
        return Err(Error::List { path: path.to_owned(), reason });
    }
    fs::read(path).map_err(Error::file("read", path))
}

impl Kev {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Document {
            date_released: Timestamp,
            count: usize,
            vulnerabilities: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            #[serde(rename = "cveID")]
            cve: String,
        }
        let document: Document = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let Document { date_released, count, vulnerabilities } = document;
        if vulnerabilities.len() != count || count == 0 {
            let has = vulnerabilities.len();
            return Err(format!(
                "it says that it has {count} entries, and has {has}: it is not whole"
            ));
        }
        let cves = vulnerabilities.into_iter().map(|entry| entry.cve).collect();
        Ok(Self { as_of: date_released, cves })
    }
}

impl Ssvc {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use catalogue::{ReleaseBasis, Risk};

    const KEV: &str = r#"{"title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": "2026.11.20", "dateReleased": "2026-11-20T15:00:05.1234Z", "count": 2,
        "vulnerabilities": [
            {"cveID": "CVE-2026-1", "vendorProject": "x", "dateAdded": "2026-11-01", "dueDate": "2026-11-04"},
            {"cveID": "CVE-2026-9", "vendorProject": "y", "dateAdded": "2026-11-20", "dueDate": "2026-12-04"}]}"#;
    const SSVC: &str = r#"{"as_of": "2026-11-21T00:00:00Z", "cves": {
        "CVE-2026-1": {"automatable": "yes", "technical_impact": "total", "cvss": 9.8},
        "CVE-2026-2": {"automatable": "no"}}}"#;

    fn lists(kev: Option<&str>, ssvc: Option<&str>) -> Lists {
        Lists {
            kev: kev.map(|text| Kev::parse(text.as_bytes()).unwrap()),
            ssvc: ssvc.map(|text| Ssvc::parse(text.as_bytes()).unwrap()),
        }
    }

    fn update(cves: Option<&[&str]>) -> Update {
        Update {
            id: "a_1".into(),
            source_package: "a".into(),
            fixed_version: "1".into(),
            released_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            released_by: ReleaseBasis::SignedRelease,
            changelog_at: None,
            urgency: None,
            severity: None,
            cves: cves.map(|cves| cves.iter().map(|cve| (*cve).to_owned()).collect()),
            payloads: Vec::new(),
        }
    }

    /// What is known of an update, each as CVE, known exploited, automatable, total impact.
    fn risks(lists: &Lists, cves: Option<&[&str]>) -> Vec<String> {
        let update = update(cves);
        let advice = lists.advice(std::slice::from_ref(&update)).unwrap();
        let said = |known: Option<bool>| known.map_or("?", |yes| if yes { "Y" } else { "N" });
        let line = |risk: Risk| {
            let facts = [risk.kev, risk.automatable, risk.total_impact].map(said).concat();
            format!("{} {facts}", risk.cve.unwrap_or_default())
        };
        advice.risks(&update).into_iter().map(line).collect()
    }

    #[test]
    fn what_a_list_does_not_say_stays_unknown() {
        let both = lists(Some(KEV), Some(SSVC));
        let named = ["CVE-2026-1", "CVE-2026-2", "CVE-2026-3", "CVE-2026-4", "CVE-2026-9"];
        let expected = ["CVE-2026-1 YYY", "CVE-2026-2 NN?", "CVE-2026-3 N??", "CVE-2026-9 Y??"];
        assert_eq!(risks(&both, Some(&named)), expected, "3 and 4 are alike");
        assert_eq!(risks(&both, None), [" ???"], "its CVEs are unknown");
        assert_eq!(risks(&both, Some(&[])), [" NNN"], "it names none");
        let ssvc = lists(None, Some(SSVC));
        assert_eq!(risks(&ssvc, Some(&["CVE-2026-1"])), ["CVE-2026-1 ?YY"]);
        let kev = lists(Some(KEV), None);
        assert_eq!(risks(&kev, Some(&["CVE-2026-1"])), ["CVE-2026-1 Y??"]);
        let (known, other) = (update(Some(&named)), update(Some(&["CVE-2026-2"])));
        let advice = both.advice(std::slice::from_ref(&known)).unwrap();
        assert_eq!((advice.score(&known), advice.is_exploited(&known)), (Some(98), Some(true)));
        assert_eq!((advice.score(&other), advice.is_exploited(&other)), (None, Some(false)));
        assert_eq!(advice.is_exploited(&update(None)), None, "its CVEs are unknown");
        let advice = kev.advice(&[]).unwrap();
        assert_eq!(advice.kev_as_of.unwrap().to_string(), "2026-11-20T15:00:05.1234Z");
        assert!(Lists::default().advice(&[update(None)]).is_none());
    }

    #[test]
    fn a_list_that_is_not_whole_or_not_one_is_refused() {
        assert!(Kev::parse(KEV.replace("\"count\": 2", "\"count\": 3").as_bytes()).is_err());
        assert!(Kev::parse(&KEV.as_bytes()[..400]).is_err());
        assert!(Kev::parse(SSVC.as_bytes()).is_err());
        assert!(Ssvc::parse(KEV.as_bytes()).is_err());
        for (word, other) in [("\"yes\"", "\"perhaps\""), ("9.8", "10.1"), ("9.8", "9.85")] {
            assert!(Ssvc::parse(SSVC.replace(word, other).as_bytes()).is_err(), "{other}");
        }
    }
}
