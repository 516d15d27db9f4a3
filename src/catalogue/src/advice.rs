//! What public lists say of the vulnerabilities that updates mend, joined when they were collected.

use crate::Update;
use ids::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What public lists say of the CVEs that a catalogue's updates name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The date of CISA's list of known exploited vulnerabilities; `None`: it was not at hand.
    pub kev_as_of: Option<Timestamp>,
    /// The date of the list of SSVC decision points; `None`: it was not at hand.
    pub ssvc_as_of: Option<Timestamp>,
    /// What they say, by CVE id; a CVE of which they say nothing is not here.
    pub cves: BTreeMap<String, CveAdvice>,
}

/// What they say of one CVE.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CveAdvice {
    /// Whether it is among the known exploited ones.
    pub kev: bool,
    /// Whether exploiting it can be automated; `None` is unknown.
    pub automatable: Option<bool>,
    /// Whether its technical impact is total; `None` is unknown.
    pub total_impact: Option<bool>,
    /// Its CVSS v3 base score in tenths; `None` is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss_tenths: Option<u16>,
}

/// What is known of a vulnerability that an update mends. `None` is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Risk {
    /// Its CVE id; `None` where the update names none.
    pub cve: Option<String>,
    /// Whether it is known to be exploited.
    pub kev: Option<bool>,
    /// Whether exploiting it can be automated.
    pub automatable: Option<bool>,
    /// Whether its technical impact is total.
    pub total_impact: Option<bool>,
    /// Its CVSS v3 base score in tenths.
    pub cvss_tenths: Option<u16>,
}

impl Advice {
    /// What is known of what an update mends: one for each way in which its CVEs differ, the first of each.
    /// One whose CVEs are unknown has one of which nothing is known; one that names none mends nothing that
    /// is on a list.
    #[must_use]
    pub fn risks(&self, update: &Update) -> Vec<Risk> {
        let Some(cves) = &update.cves else { return vec![Risk::default()] };
        if cves.is_empty() {
            let no = Some(false);
            let none = Risk { kev: no, automatable: no, total_impact: no, ..Risk::default() };
            return vec![none];
        }
        let mut risks: Vec<Risk> = Vec::new();
        for cve in cves {
            let said = self.cves.get(cve).copied().unwrap_or_default();
            let CveAdvice { automatable, total_impact, cvss_tenths, .. } = said;
            let kev = self.kev_as_of.map(|_| said.kev);
            let same = |known: &Risk| {
                (known.kev, known.automatable, known.total_impact, known.cvss_tenths)
                    == (kev, automatable, total_impact, cvss_tenths)
            };
            if !risks.iter().any(same) {
                let cve = Some(cve.clone());
                risks.push(Risk { cve, kev, automatable, total_impact, cvss_tenths });
            }
        }
        risks
    }

    /// Whether an update mends something that is known to be exploited; `None` is unknown.
    #[must_use]
    pub fn is_exploited(&self, update: &Update) -> Option<bool> {
        let (cves, _) = (update.cves.as_ref()?, self.kev_as_of?);
        Some(cves.iter().any(|cve| self.cves.get(cve).is_some_and(|said| said.kev)))
    }

    /// The highest CVSS v3 base score of what an update mends, in tenths, as far as it is known.
    #[must_use]
    pub fn score(&self, update: &Update) -> Option<u16> {
        let said = update.cves.iter().flatten().filter_map(|cve| self.cves.get(cve));
        said.filter_map(|said| said.cvss_tenths).max()
    }
}
