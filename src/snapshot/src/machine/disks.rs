//! The disks of a machine, as its monitor lists them.

use crate::{DiskState, Error, Listed, SnapshotName, deadline::Deadline, qmp::Qmp};
use ids::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// One disk that the machine writes to.
pub(super) struct Disk {
    /// How it is named to people: its device id, or its node.
    pub(super) name: String,
    pub(super) node: String,
    /// The file that takes the writes.
    pub(super) file: PathBuf,
    /// The file below it, if it is an overlay.
    pub(super) below: Option<PathBuf>,
    pub(super) bytes: u64,
    pub(super) snapshots: Vec<Inside>,
}

/// A snapshot inside a disk's file.
pub(super) struct Inside {
    pub(super) name: String,
    pub(super) at: Timestamp,
    pub(super) bytes_memory: u64,
    /// The machine's own clock at that moment, in nanoseconds.
    pub(super) clock: u128,
}

/// Every disk that has to go back. One that cannot is an error: half a snapshot is none.
pub(super) fn disks(
    qmp: &mut Qmp,
    leave_out: &[String],
    deadline: Deadline,
) -> Result<Vec<Disk>, Error> {
    let told = qmp.execute("query-block", json!({}), deadline)?;
    let entries = told.as_array().ok_or_else(|| qmp.garbage("query-block is no list"))?;
    let mut disks = Vec::new();
    for entry in entries {
        let inserted = &entry["inserted"];
        if inserted.is_null() || inserted["ro"] == true {
            continue;
        }
        let node = text(qmp, &inserted["node-name"])?;
        let names = [&entry["device"], &entry["qdev"]].map(|name| name.as_str().unwrap_or(""));
        let part = |path: &str, word: &str| path.split('/').any(|step| step == word);
        if leave_out
            .iter()
            .any(|out| *out == node || names.iter().any(|n| n == out || part(n, out)))
        {
            continue;
        }
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or(&node).to_owned();
        if inserted["drv"] != "qcow2" {
            let format = inserted["drv"].as_str().unwrap_or("unknown");
            let reason = format!("its format is {format}, not qcow2");
            return Err(Error::Uncovered { disk: name, reason });
        }
        let image = &inserted["image"];
        let listed = image["snapshots"].as_array().into_iter().flatten();
        let snapshots = listed.map(|snapshot| inside(qmp, snapshot)).collect::<Result<_, _>>()?;
        let below = &image["backing-image"]["filename"];
        disks.push(Disk {
            name,
            node,
            file: text(qmp, &image["filename"])?.into(),
            below: below.as_str().map(PathBuf::from),
            bytes: image["virtual-size"].as_u64().unwrap_or(0),
            snapshots,
        });
    }
    if disks.is_empty() {
        let reason = "the machine has no disk that it writes to".to_owned();
        return Err(Error::Uncovered { disk: "(any)".into(), reason });
    }
    Ok(disks)
}

fn text(qmp: &Qmp, value: &Value) -> Result<String, Error> {
    value.as_str().map(str::to_owned).ok_or_else(|| qmp.garbage("a disk has no name or no file"))
}

pub(super) fn inside(qmp: &Qmp, value: &Value) -> Result<Inside, Error> {
    let number = |key: &str| {
        value[key].as_i64().filter(|n| *n >= 0).ok_or_else(|| qmp.garbage("half a snapshot"))
    };
    let nanoseconds = i32::try_from(number("date-nsec")?).unwrap_or(0);
    let at = Timestamp::new(number("date-sec")?, nanoseconds)
        .map_err(|_| qmp.garbage("a snapshot of no date"))?;
    let clock = [number("vm-clock-sec")?, number("vm-clock-nsec")?].map(i64::unsigned_abs);
    Ok(Inside {
        name: text(qmp, &value["name"])?,
        at,
        bytes_memory: number("vm-state-size")?.unsigned_abs(),
        clock: u128::from(clock[0]) * 1_000_000_000 + u128::from(clock[1]),
    })
}

/// The snapshots inside the disks' files, put together by name.
pub(super) fn listed_inside(disks: &[Disk]) -> Vec<Listed> {
    let mut found: BTreeMap<&str, Listed> = BTreeMap::new();
    for disk in disks {
        for snapshot in &disk.snapshots {
            let entry = found.entry(&snapshot.name).or_insert_with(|| Listed {
                name: snapshot.name.clone(),
                at: snapshot.at,
                whole: false,
                bytes_memory: 0,
                disks: Vec::new(),
            });
            entry.bytes_memory += snapshot.bytes_memory;
            entry.disks.push(DiskState {
                disk: disk.name.clone(),
                file: disk.file.clone(),
                overlay: None,
                written: None,
            });
        }
    }
    let whole = |entry: Listed| Listed { whole: entry.disks.len() == disks.len(), ..entry };
    found.into_values().map(whole).collect()
}

/// Where the overlay of a snapshot lies: beside its disk's file, and named after both.
pub(super) fn overlay(file: &Path, name: &SnapshotName) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    file.with_file_name(format!("{stem}.{name}.qcow2"))
}

/// The snapshots that are files under the machine's overlays, put together by name.
pub(super) fn listed_below(disks: &[Disk]) -> Vec<Listed> {
    let mut found: BTreeMap<String, Listed> = BTreeMap::new();
    for disk in disks {
        let Some((name, file)) = disk.below.as_ref().and_then(|below| {
            let stem = below.file_stem()?.to_str()?;
            let name = disk.file.file_name()?.to_str()?;
            let name = name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(".qcow2")?;
            Some((name.to_owned(), below.clone()))
        }) else {
            continue;
        };
        let written = written(&file);
        let made = written_at_first(&disk.file);
        let entry = found.entry(name.clone()).or_insert_with(|| Listed {
            name,
            at: made.or(written).unwrap_or(Timestamp::UNIX_EPOCH),
            whole: false,
            bytes_memory: 0,
            disks: Vec::new(),
        });
        let overlay = Some(disk.file.clone());
        entry.disks.push(DiskState { disk: disk.name.clone(), file, overlay, written });
    }
    let whole = |entry: Listed| Listed { whole: entry.disks.len() == disks.len(), ..entry };
    found.into_values().map(whole).collect()
}

/// When a file was last written, if it can be seen from here.
pub(super) fn written(file: &Path) -> Option<Timestamp> {
    let time = std::fs::metadata(file).ok()?.modified().ok()?;
    Timestamp::try_from(time).ok()
}

fn written_at_first(file: &Path) -> Option<Timestamp> {
    let time = std::fs::metadata(file).ok()?.created().ok()?;
    Timestamp::try_from(time).ok()
}
