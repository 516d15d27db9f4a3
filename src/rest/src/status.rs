//! How the appliance is, what the collecting side is told, who may decide: what concerns the site as a whole.

use crate::{
    act::{Asking, Json, No, Table},
    problem::Problem,
    ring::RingPointer,
    words::{At, Document, Of, Record, Sha256, SiteWord, Source, choices, words},
};
use fleet::Operation;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

choices! {
    /// How the data partition is kept.
    DataPartition of fleet::DataPartition { Encrypted, EncryptedWithoutSecureBoot, EncryptedWithPassphrase, NotEncrypted, }
}

words! {
    /// How the appliance is.
    Status of site::Status {
        /// The site.
        site: SiteWord,
        /// Origin of its log.
        origin: String,
        /// Entries of its log.
        entries: u64,
        /// Sequence of the newest trusted bundle.
        sequence: Option<u64>,
        /// The newest view of each source.
        sources: Vec<SourceStatus>,
        /// Where rings point.
        rings: Vec<RingPointer>,
        /// The malware scanner.
        scanner: Scanner,
        /// What ends soon.
        radar: Vec<Ending>,
        /// Service levels of which something is missed.
        missed: BTreeMap<String, LevelAlarm>,
        /// Sequences of imports that were begun and not ended.
        unfinished: Vec<u64>,
        /// Payloads that are held.
        payloads: u64,
        /// Their bytes.
        payload_bytes: u64,
        /// Bytes that are free.
        available_bytes: u64,
        /// How the data partition is kept; null where the appliance runs from no image.
        data_partition: Option<DataPartition>,
        /// Of which backup it was restored, as long as it only reads.
        restored: Option<Restored>,
    }
    /// Of which backup an appliance was restored.
    Restored of site::Restored {
        /// The site.
        site: SiteWord,
        /// When the backup was made.
        backup_at: At,
        /// When it was restored.
        restored_at: At,
        /// Entries of its log.
        entries: u64,
        /// Digest of its manifest.
        manifest: Sha256,
        /// Payloads that the store held, which are not in a backup.
        payloads: u64,
        /// Their bytes.
        payload_bytes: u64,
    }
    /// The newest view of a source.
    SourceStatus of site::SourceStatus {
        /// The source.
        source: Source,
        /// Sequence of the bundle that brought it.
        sequence: u64,
        /// The date that the vendor signed.
        release_date: At,
        /// Updates that it offers.
        updates: u64,
        /// Files that it names and that are not held.
        missing: u64,
    }
    /// The malware scanner.
    Scanner of site::ScannerStatus {
        /// Its socket, where there is one.
        socket: Option<String>,
        /// What it says of itself.
        says: String,
        /// Whether it answers.
        answers: bool,
    }
    /// Something that ends soon.
    Ending of site::Ending {
        /// When.
        at: At,
        /// What.
        what: String,
        /// What happens then.
        then: String,
    }
    /// A service level of which something is missed.
    LevelAlarm of fleet::LevelAlarm {
        /// How many rows are missed.
        missed: u64,
        /// Commitment to which.
        record: Sha256,
        /// Since when.
        since: At,
    }
    /// What the collecting side is told, so that it sends no more than is needed.
    Receipt of site::Receipt {
        /// The site.
        site: SiteWord,
        /// Sequence of the newest trusted bundle.
        sequence: Option<u64>,
        /// Payloads that are held.
        payloads: Vec<Sha256>,
    }
}

/// The site root: who approves and who administers, as the administrators signed it.
#[derive(Debug, Serialize, ToSchema)]
struct SiteRoot {
    /// The root itself.
    root: Document,
    /// SHA-256 that agents pin.
    pinned: Sha256,
    /// Days until it ends.
    days_left: i64,
}

/// Whose token this is.
#[derive(Debug, Serialize, ToSchema)]
struct Me {
    /// The token's id.
    token: Record,
    /// As whom it acts.
    person: crate::words::Person,
    /// In which role.
    role: crate::words::RoleWord,
}

fn status(asking: &Asking, _: No, _: No, _: No) -> Result<Json<Status>, Problem> {
    Ok(Json(Status::of(asking.site().status()?)))
}

fn receipt(asking: &Asking, _: No, _: No, _: No) -> Result<Json<Receipt>, Problem> {
    Ok(Json(Receipt::of(asking.site().receipt()?)))
}

fn site_root(asking: &Asking, _: No, _: No, _: No) -> Result<Json<SiteRoot>, Problem> {
    let kept = asking.site().site_root()?;
    let kept = kept.ok_or_else(|| Problem::missing("no site root has been accepted yet"))?;
    let (root, pinned) = (Document::from(&kept.root)?, Sha256(kept.pinned));
    Ok(Json(SiteRoot { root, pinned, days_left: kept.days_left }))
}

fn me(asking: &Asking, _: No, _: No, _: No) -> Result<Json<Me>, Problem> {
    let site::Bearer { token, person, role } = asking.bearer().clone();
    Ok(Json(Me { token: Of::of(token), person: Of::of(person), role: Of::of(role) }))
}

/// The acts here.
pub(crate) fn acts(table: &mut Table) {
    table.add(("GET", "/status"), Operation::Status, "How the appliance is", status);
    table.add(("GET", "/me"), Operation::Status, "Whose token this is", me);
    table.add(("GET", "/receipt"), Operation::Receipt, "What the collecting side is told", receipt);
    table.add(("GET", "/site-root"), Operation::SiteRoot, "The newest site root", site_root);
}
