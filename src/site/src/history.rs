//! What was imported, and what was kept out.

use crate::{Error, Site, rows};
use fleet::{Custody, ImportedSource, Verdict};
use ids::{Digest, PersonId, RecordId, Timestamp};
use serde::{Deserialize, Serialize};

/// Most imports and refusals that are looked at.
const ROWS_MAX: usize = 100_000;

/// A bundle that was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRow {
    /// Its entry in the log.
    pub entry: u64,
    /// When.
    pub at: Timestamp,
    /// Its sequence.
    pub sequence: u64,
    /// SHA-256 of the publisher's signed timestamp: what names the bundle.
    pub bundle: Digest,
    /// What it said of each source.
    pub sources: Vec<ImportedSource>,
    /// Payloads that were new.
    pub payloads_new: u64,
    /// Their lengths together, in bytes.
    pub bytes_new: u64,
    /// Who imported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// The custody record of its medium.
    pub custody: RecordId,
}

/// A bundle that was kept out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptOutRow {
    /// Its entry in the log.
    pub entry: u64,
    /// When.
    pub at: Timestamp,
    /// Why, as a code.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// Whether only its dates kept it out.
    pub quarantined: bool,
    /// The custody record of its medium.
    pub custody: RecordId,
}

/// A medium that was presented, and its custody record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustodyStatus {
    /// Its id.
    pub custody: RecordId,
    /// The entry that commits to the record as it is now.
    pub entry: u64,
    /// When that was.
    pub at: Timestamp,
    /// What became of the medium; `None` while it is read, or where the appliance failed at it.
    pub verdict: Option<Verdict>,
    /// The record; `None` where it was erased.
    pub record: Option<Custody>,
}

/// A row of the media that were presented.
#[derive(Deserialize)]
struct CustodyRow {
    entry: u64,
    at: Timestamp,
    record: Digest,
    verdict: Option<Verdict>,
}

impl Site {
    /// Every bundle that was imported, the newest first.
    ///
    /// # Errors
    /// [`Error::Views`].
    pub fn imports(&self) -> Result<Vec<ImportRow>, Error> {
        let views = self.heart().views();
        let rows = views.rows::<ImportRow>(rows::IMPORTS, b"", ROWS_MAX).map_err(Error::Views)?;
        let mut imports = Vec::with_capacity(rows.len());
        for (_, mut import) in rows.into_iter().rev() {
            let who = views.row(rows::IMPORTERS, &import.entry.to_be_bytes());
            let who = who.map_err(Error::Views)?;
            import.person = who.and_then(|row| row["person"].as_str()?.parse().ok());
            imports.push(import);
        }
        Ok(imports)
    }

    /// Every bundle that was kept out, the newest first.
    ///
    /// # Errors
    /// [`Error::Views`].
    pub fn kept_out(&self) -> Result<Vec<KeptOutRow>, Error> {
        let rows = self.heart().views().rows(rows::REFUSALS, b"", ROWS_MAX);
        Ok(rows.map_err(Error::Views)?.into_iter().rev().map(|(_, row)| row).collect())
    }

    /// A medium's custody record.
    ///
    /// # Errors
    /// [`Error::Input`] when there is none of this id; [`Error::Views`].
    pub fn custody(&self, custody: &RecordId) -> Result<CustodyStatus, Error> {
        let row = self.heart().views().row(rows::CUSTODY, custody.as_str().as_bytes());
        let none = || Error::Input(format!("no medium was presented under {custody}"));
        let row: CustodyRow = serde_json::from_value(row.map_err(Error::Views)?.ok_or_else(none)?)
            .map_err(Error::State)?;
        let CustodyRow { entry, at, record, verdict } = row;
        let kept = self.evidence().get(&record).ok();
        let record = kept.map(|(_, value)| serde_json::from_value(value).map_err(Error::State));
        let custody = custody.clone();
        Ok(CustodyStatus { custody, entry, at, verdict, record: record.transpose()? })
    }
}
