//! The chain-of-custody record of a medium, as kept in the evidence store.
//!
//! Fields and names follow the project's custody list; what a site does not know stays `None` and is
//! left out of the record, so a reader sees what was not recorded. Sizes are bytes.

use ids::{Digest, PersonId, RecordId, Timestamp};
use serde::{Deserialize, Serialize};

/// What kind of thing carried the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaType {
    /// A USB stick.
    UsbFlash,
    /// A USB disk.
    UsbHdd,
    /// A CD, DVD or Blu-ray disc.
    Optical,
    /// A tape.
    Tape,
    /// A data diode's landing folder.
    Diode,
    /// A folder of a file system that is none of these.
    Folder,
}

/// What became of a medium's bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Imported, or already held.
    Accepted,
    /// Kept out for its dates.
    Quarantined,
    /// Refused.
    Rejected,
    /// Not finished: the medium went away or volumes are missing.
    Paused,
}

/// The record that is written before the medium's content is read. People fill in what only they
/// know (a small TOML file); the appliance fills in what it sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
#[allow(missing_docs, reason = "names are those of the field list and say it")]
pub struct Custody {
    pub schema_version: u32,
    pub direction: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custody_id: Option<RecordId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_asset_tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tamper_seal_no_out: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tamper_seal_no_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usb_vid_pid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usb_serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scsi_or_block_serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hw_encryption: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_owner_org: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protective_marking: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorisation_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_site: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_station_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_by_person_id: Option<PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier_person_id: Option<PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handed_over_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_by_person_id: Option<PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness_person_id: Option<PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inserted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appliance_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_blocked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub importer_person_id: Option<PersonId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<CustodyOutcome>,
}

/// What the appliance adds when it is done with the medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "names are those of the field list and say it")]
pub struct CustodyOutcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_id: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_bundle_sha256: Option<Digest>,
    pub files_count: u64,
    pub bytes_total: u64,
    /// Name, length and what was wrong with each file that the bundle does not list.
    pub unlisted_files: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub av_engines: Vec<AvEngine>,
    pub verdict: Verdict,
    pub verdict_reason_code: String,
    pub finished_at: Timestamp,
}

/// What a malware scanner said of a medium's payloads. Advisory: signatures decide, but a hit blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvEngine {
    /// The engine, e.g. `ClamAV`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Version of its signatures; empty where it does not say.
    pub db_version: String,
    /// When its signatures were made, as it says.
    pub db_date: Option<String>,
    /// The whole days between then and the scan: offline, signatures age.
    pub db_age_days: Option<i64>,
    /// What came of it.
    pub result: ScanResult,
    /// Files that it looked at; those inside packages count one by one.
    pub files: u64,
    /// Their lengths together, in bytes.
    pub bytes: u64,
    /// What it found: payload, file in it, name of the signature.
    pub hits: Vec<String>,
    /// What it could not look at, and why.
    pub unscanned: Vec<String>,
}

/// What came of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanResult {
    /// Everything was looked at and nothing was found.
    Clean,
    /// Something was found.
    Found,
    /// Nothing was found, but not everything could be looked at.
    Incomplete,
}
