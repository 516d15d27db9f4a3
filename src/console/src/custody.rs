//! The custody record of a medium: the form that people fill in before an import, and the record as it is shown.

use crate::{
    Failure,
    endpoint::word,
    frame::Frame,
    text::{bytes, count, thousands},
    visit::Visit,
};
use fleet::{AvEngine, Custody, CustodyOutcome, MediaType, ScanResult, Verdict};
use ids::{PersonId, Timestamp};
use serde::Deserialize;
use site::CustodyStatus;
use std::path::PathBuf;

/// Kinds of media: as the record has them, and in words.
pub(crate) const MEDIA: [(&str, MediaType, &str); 6] = [
    ("usb-flash", MediaType::UsbFlash, "USB stick"),
    ("usb-hdd", MediaType::UsbHdd, "USB disk"),
    ("optical", MediaType::Optical, "CD, DVD or Blu-ray disc"),
    ("tape", MediaType::Tape, "Tape"),
    ("diode", MediaType::Diode, "Data diode"),
    ("folder", MediaType::Folder, "Folder"),
];

pub(crate) fn media_word(kind: MediaType) -> Option<&'static str> {
    MEDIA.iter().find(|(_, known, _)| *known == kind).map(|(_, _, words)| *words)
}

/// What can be seen of a medium, in words.
pub(crate) fn seen(seen: &Custody) -> String {
    let kind = seen.media_type.and_then(media_word);
    let parts = [
        kind.map(str::to_owned),
        seen.usb_serial.as_ref().map(|serial| format!("serial {serial}")),
        seen.fs_type.clone(),
        seen.capacity_bytes.map(bytes),
        seen.write_blocked.map(|blocked| if blocked { "read-only" } else { "writable" }.into()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What people fill in of the custody record; the appliance adds what it sees.
#[derive(Deserialize)]
pub(crate) struct BeginForm {
    /// A medium of the list; empty where the path is given by hand.
    #[serde(default)]
    medium: String,
    paths: String,
    media_type: String,
    media_asset_tag: String,
    tamper_seal_no_out: String,
    tamper_seal_no_in: String,
    hw_encryption: String,
    protective_marking: String,
    purpose: String,
    authorisation_ref: String,
    source_site: String,
    source_station_id: String,
    registered: Option<String>,
    registered_owner_org: String,
    written_by: String,
    written_at: String,
    carrier: String,
    handed_over_at: String,
    received_by: String,
    received_at: String,
    witness: String,
}

impl BeginForm {
    /// What to import: paths that were given by hand go before the medium of the list.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        let lines = self.paths.lines().map(str::trim).filter(|line| !line.is_empty());
        let given: Vec<PathBuf> = lines.map(PathBuf::from).collect();
        match (given.is_empty(), self.medium.trim()) {
            (true, "") | (false, _) => given,
            (true, medium) => vec![PathBuf::from(medium)],
        }
    }

    pub(crate) fn custody(&self, visit: &Visit) -> Result<Custody, Failure> {
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let person = |text: &str| -> Result<Option<PersonId>, Failure> {
            Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(str::parse).transpose()?)
        };
        let at = |text: &str| moment(visit, text);
        let media_type: Option<MediaType> = word(&self.media_type)?;
        Ok(Custody {
            media_type,
            media_asset_tag: text(&self.media_asset_tag),
            tamper_seal_no_out: text(&self.tamper_seal_no_out),
            tamper_seal_no_in: text(&self.tamper_seal_no_in),
            hw_encryption: text(&self.hw_encryption),
            registered: self.registered.as_ref().map(|_| true),
            registered_owner_org: text(&self.registered_owner_org),
            protective_marking: text(&self.protective_marking),
            purpose: text(&self.purpose),
            authorisation_ref: text(&self.authorisation_ref),
            source_site: text(&self.source_site),
            source_station_id: text(&self.source_station_id),
            written_by_person_id: person(&self.written_by)?,
            written_at: at(&self.written_at)?,
            carrier_person_id: person(&self.carrier)?,
            handed_over_at: at(&self.handed_over_at)?,
            received_by_person_id: person(&self.received_by)?,
            received_at: at(&self.received_at)?,
            witness_person_id: person(&self.witness)?,
            ..Custody::default()
        })
    }
}

/// A day and time on the wall of the site's zone; nothing where nothing was given.
fn moment(visit: &Visit, text: &str) -> Result<Option<Timestamp>, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        Failure::input(format!("{text:?} is no time: give day and time, such as 2026-11-28T22:00"))
    };
    let local: jiff::civil::DateTime = text.parse().map_err(|_| wrong())?;
    let zone = visit.site().calendar().zone().ok_or_else(wrong)?;
    zone.instant(local).map(Some).ok_or_else(wrong)
}

/// A field of the record, as it is shown.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) code: bool,
}

/// What of a record is known, in the order in which it came to be; what was not recorded is left out.
pub(crate) fn fields(frame: &Frame, custody: &CustodyStatus) -> Vec<Field> {
    let Some(record) = &custody.record else {
        let value = "The record was erased; what it said stays committed to in the log.".to_owned();
        return vec![Field { name: "Record", value, code: false }];
    };
    let yes = |yes: bool| if yes { "Yes" } else { "No" }.to_owned();
    let at = |at: &Option<Timestamp>| at.as_ref().map(|at| frame.time(at));
    let person = |who: &Option<PersonId>| who.as_ref().map(ToString::to_string);
    let by = |who: Option<String>, when: Option<String>| match (who, when) {
        (None, None) => None,
        (Some(who), None) => Some(who),
        (who, Some(when)) => {
            Some(format!("{}, {when}", who.unwrap_or_else(|| "Not recorded by whom".to_owned())))
        }
    };
    let kind = record.media_type.and_then(media_word).map(str::to_owned);
    let direction = match record.direction.as_str() {
        "export" => Some("Out: it was written here".to_owned()),
        "import" => Some("In: it was presented here".to_owned()),
        _ => None,
    };
    let rows: [(&'static str, Option<String>, bool); 27] = [
        ("Direction", direction, false),
        ("Kind of medium", kind, false),
        ("Asset tag", record.media_asset_tag.clone(), false),
        ("Seal when it left", record.tamper_seal_no_out.clone(), false),
        ("Seal when it came", record.tamper_seal_no_in.clone(), false),
        ("Its own encryption", record.hw_encryption.clone(), false),
        ("In the register of media", record.registered.map(yes), false),
        ("Whose it is", record.registered_owner_org.clone(), false),
        ("Protective marking", record.protective_marking.clone(), false),
        ("Purpose", record.purpose.clone(), false),
        ("Authorisation", record.authorisation_ref.clone(), false),
        ("From", record.source_site.clone(), false),
        ("Written on", record.source_station_id.clone(), false),
        ("Written by", by(person(&record.written_by_person_id), at(&record.written_at)), false),
        ("Carried by", by(person(&record.carrier_person_id), at(&record.handed_over_at)), false),
        ("Received by", by(person(&record.received_by_person_id), at(&record.received_at)), false),
        ("Witnessed by", person(&record.witness_person_id), false),
        ("Presented by", by(person(&record.importer_person_id), at(&record.inserted_at)), false),
        ("USB device", record.usb_vid_pid.clone(), true),
        ("USB serial", record.usb_serial.clone(), true),
        ("Device’s serial", record.scsi_or_block_serial.clone(), true),
        ("Capacity", record.capacity_bytes.map(bytes), false),
        ("File system", record.fs_type.clone(), false),
        ("Its id", record.fs_uuid.clone(), true),
        ("Port", record.port_path.clone(), true),
        ("Read only", record.write_blocked.map(yes), false),
        ("Id of the record", record.custody_id.as_ref().map(ToString::to_string), true),
    ];
    let known = rows
        .into_iter()
        .filter_map(|(name, value, code)| value.map(|value| Field { name, value, code }));
    known.chain(record.outcome.iter().flat_map(|outcome| of_outcome(frame, outcome))).collect()
}

fn of_outcome(frame: &Frame, outcome: &CustodyOutcome) -> Vec<Field> {
    let verdict = match outcome.verdict {
        Verdict::Accepted => "Accepted",
        Verdict::Quarantined => "Put into quarantine",
        Verdict::Rejected => "Refused",
        Verdict::Paused => "Not finished",
    };
    let reason = format!(
        "{verdict} ({}), {}",
        outcome.verdict_reason_code,
        frame.time(&outcome.finished_at)
    );
    let read = format!("{}, {}", count(outcome.files_count, "file"), bytes(outcome.bytes_total));
    let unlisted = match outcome.unlisted_files.as_slice() {
        [] => "None".to_owned(),
        files => files.join("; "),
    };
    let mut fields = vec![
        Field { name: "Verdict", value: reason, code: false },
        Field { name: "Read", value: read, code: false },
        Field { name: "Files that the bundle does not list", value: unlisted, code: false },
    ];
    fields.extend(outcome.av_engines.iter().map(|engine| Field {
        name: "Malware scanner",
        value: scanned(engine),
        code: false,
    }));
    fields
}

fn scanned(engine: &AvEngine) -> String {
    let result = match engine.result {
        ScanResult::Clean => "nothing was found".to_owned(),
        ScanResult::Found => format!("found {}", engine.hits.join("; ")),
        ScanResult::Incomplete => {
            format!(
                "nothing was found, and {} could not be looked at",
                thousands(engine.unscanned.len())
            )
        }
    };
    let age = match engine.db_age_days {
        Some(days) => format!("signatures {days} days old"),
        None => "signatures of an unknown age".to_owned(),
    };
    let files = count(engine.files, "file");
    format!("{} {} ({age}) looked at {files}: {result}", engine.name, engine.version)
}
