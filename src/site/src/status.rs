//! What the appliance says of itself: for people in a hurry, and for the site's receipt.

use crate::{Ending, Error, Restored, RingPointer, ScannerStatus, Site};
use fleet::{Level, LevelAlarm};
use ids::{Digest, SiteName, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One source, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// The source.
    pub source: SourceId,
    /// Sequence of its newest view.
    pub sequence: u64,
    /// `Date` of the vendor's release file in it.
    pub release_date: Timestamp,
    /// Updates in it.
    pub updates: u64,
    /// Files that the store lacks.
    pub missing: u64,
}

/// The appliance at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Name of the site.
    pub site: SiteName,
    /// Origin of its log.
    pub origin: String,
    /// Entries in the log.
    pub entries: u64,
    /// The newest trusted bundle.
    pub sequence: Option<u64>,
    /// Newest view of each source.
    pub sources: Vec<SourceStatus>,
    /// Where rings point.
    pub rings: Vec<RingPointer>,
    /// The malware scanner of imports.
    pub scanner: ScannerStatus,
    /// What ends before the next courier.
    pub radar: Vec<Ending>,
    /// Service levels of which something is missed, as the log says.
    #[serde(default)]
    pub missed: BTreeMap<Level, LevelAlarm>,
    /// Bundles begun and not committed.
    pub unfinished: Vec<u64>,
    /// Payloads held.
    pub payloads: u64,
    /// Their lengths together.
    pub payload_bytes: u64,
    /// Free bytes on the disk.
    pub available_bytes: u64,
    /// How the data partition is kept; none where the appliance runs from no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_partition: Option<fleet::DataPartition>,
    /// Of which backup it was restored, as long as its next epoch is not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
}

/// What a site holds, for the publisher: the next bundle need not bring it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Name of the site.
    pub site: SiteName,
    /// The newest trusted bundle.
    pub sequence: Option<u64>,
    /// Digests of the payloads it holds, sorted.
    pub payloads: Vec<Digest>,
}

impl Site {
    /// The appliance at a glance.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn status(&self) -> Result<Status, Error> {
        let state = self.state();
        let mut sources = Vec::new();
        let mut last = None;
        for (source, _) in state.views.keys().rev() {
            if last.replace(source) == Some(source) {
                continue;
            }
            let Some((sequence, view)) = state.newest_view(source) else { continue };
            sources.push(SourceStatus {
                source: source.clone(),
                sequence,
                release_date: view.source.vendor.release_date,
                updates: view.source.updates,
                missing: view.missing,
            });
        }
        let total = self.store().total().map_err(Error::Store)?;
        Ok(Status {
            site: self.name()?,
            origin: state.origin.clone(),
            entries: state.entries,
            sequence: state.newest.map(|(sequence, _)| sequence),
            sources,
            rings: self.rings(),
            scanner: self.scanner(),
            radar: self.radar()?,
            missed: state.level_alarms.clone(),
            unfinished: self.unfinished_imports(),
            payloads: total.payloads,
            payload_bytes: total.bytes,
            available_bytes: self.store().available().map_err(Error::Store)?,
            data_partition: self.data_partition(),
            restored: self.restored().cloned(),
        })
    }

    /// The site's receipt.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn receipt(&self) -> Result<Receipt, Error> {
        let sequence = self.state().newest.map(|(sequence, _)| sequence);
        let payloads = self.store().list().map_err(Error::Store)?;
        Ok(Receipt { site: self.name()?, sequence, payloads })
    }
}
