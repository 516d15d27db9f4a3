//! Installed is not for ever: a fix that a job had brought is open again once an inventory shows an older
//! version, or none.

use crate::{Error, Site};
use fleet::{Endpoint, JobEnd};
use serde_json::Value;
use std::{cmp::Ordering, collections::BTreeMap};
use trust::{Approval, ApprovedPackage};
use vendor_apt::{Installed, Inventory, compare_versions};

impl Site {
    /// Packages that an endpoint's last effective job had brought, as the inventory before shows, and that are
    /// older or gone in the one that came now.
    pub(crate) fn reopened(
        &self,
        known: &Endpoint,
        now: &[Installed],
    ) -> Result<Vec<ApprovedPackage>, Error> {
        let effective = known.job.as_ref().filter(|job| job.end == Some(JobEnd::Effective));
        let (Some(job), false) = (effective, known.reopened) else { return Ok(Vec::new()) };
        let state = self.state();
        let newest = state.statements.get(&known.ring);
        let newest = newest.filter(|newest| newest.statement == job.approval);
        let (Some(newest), Some(before)) = (newest, known.inventory) else {
            return Ok(Vec::new());
        };
        let (_, before): (_, Value) = self.evidence().get(&before).map_err(Error::Store)?;
        let before: Inventory = serde_json::from_value(before).map_err(Error::State)?;
        // What was taken in once can be read again.
        let before = before.installed().unwrap_or_default();
        let envelope = self.kept_envelope(&newest.envelope)?;
        let approval = Approval::unverified(&envelope).map_err(Error::Denied)?;
        Ok(older_or_gone(approval.packages, &versions(&before), &versions(now)))
    }
}

type Versions<'a> = BTreeMap<(&'a str, &'a str), &'a str>;

fn versions(installed: &[Installed]) -> Versions<'_> {
    installed
        .iter()
        .map(|i| ((i.name.as_str(), i.architecture.as_str()), i.version.as_str()))
        .collect()
}

fn older_or_gone(
    approved: Vec<ApprovedPackage>,
    before: &Versions<'_>,
    now: &Versions<'_>,
) -> Vec<ApprovedPackage> {
    let lost = |package: &ApprovedPackage| {
        let key = (package.package.as_str(), package.architecture.as_str());
        let brought = before.get(&key) == Some(&package.version.as_str());
        let is = now.get(&key);
        // A version that cannot be read is not what was approved either.
        let older =
            |is: &&str| compare_versions(is, &package.version).unwrap_or(Ordering::Less).is_lt();
        brought && is.is_none_or(older)
    };
    approved.into_iter().filter(lost).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ids::Digest;

    #[test]
    fn only_what_was_brought_and_is_older_or_gone_counts() {
        let approved = |name: &str| ApprovedPackage {
            package: name.into(),
            architecture: "amd64".into(),
            version: "2".into(),
            sha256: Digest::of(name.as_bytes()),
        };
        let before = [("kept", "2"), ("newer", "2"), ("older", "2"), ("gone", "2"), ("other", "1")];
        let now = [("kept", "2"), ("newer", "10"), ("older", "1.9")];
        fn map<'a>(pairs: &[(&'a str, &'a str)]) -> Versions<'a> {
            pairs.iter().map(|(name, version)| ((*name, "amd64"), *version)).collect()
        }
        let all = ["gone", "kept", "newer", "older", "other"].map(approved).to_vec();
        let lost = older_or_gone(all, &map(&before), &map(&now));
        let names: Vec<&str> = lost.iter().map(|p| p.package.as_str()).collect();
        assert_eq!(names, ["gone", "older"]);
    }
}
