//! The custody record of a medium: what people filled in, and what the appliance sees of the device.
//!
//! Kernel facts come from `/proc/self/mountinfo` and `/sys`; what cannot be seen is left out.

use fleet::{Custody, MediaType};
use ids::{PersonId, RecordId, Timestamp};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Version of the record's field list.
pub(crate) const SCHEMA: u32 = 1;

/// Completes `given` (what people filled in) with what can be seen of the medium that holds `path`.
#[must_use]
pub(crate) fn complete(
    given: Custody,
    custody: &RecordId,
    path: &Path,
    importer: &PersonId,
    appliance: &str,
    now: Timestamp,
) -> Custody {
    let mut record = given;
    record.schema_version = SCHEMA;
    record.direction = "import".to_owned();
    record.custody_id = Some(custody.clone());
    record.inserted_at = Some(now);
    record.importer_person_id = Some(importer.clone());
    record.appliance_id = Some(appliance.to_owned());
    see(&mut record, path);
    record.media_type.get_or_insert(MediaType::Folder);
    record
}

/// Adds what can be seen of the medium that holds `path`, or that is the device `path`.
pub(crate) fn see(record: &mut Custody, path: &Path) {
    if path.starts_with("/dev") {
        see_device(record, &path.to_string_lossy());
        return;
    }
    if let Some(mount) = fs::canonicalize(path).ok().as_deref().and_then(mount_of) {
        if matches!(mount.fs_type.as_str(), "iso9660" | "udf") {
            record.media_type.get_or_insert(MediaType::Optical);
        }
        // Of what the appliance reads outside the kernel, the kernel knows that it does.
        let kind = mount.fs_type.strip_prefix("fuse.").unwrap_or(&mount.fs_type);
        record.fs_type = Some(kind.to_owned());
        record.write_blocked = Some(mount.read_only);
        record.port_path.get_or_insert(mount.device.clone());
        see_device(record, &mount.device);
    }
    if let Ok(stat) = rustix::fs::statvfs(path) {
        // The file system's own, which is what can be filled.
        record.capacity_bytes = Some(stat.f_blocks.saturating_mul(stat.f_frsize));
    }
}

pub(crate) struct Mount {
    pub(crate) point: PathBuf,
    fs_type: String,
    pub(crate) device: String,
    read_only: bool,
}

/// What is mounted.
pub(crate) fn mounts() -> Vec<Mount> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().filter_map(parse_mount).collect()
}

/// The mount that holds `path`: the longest mount point above it.
fn mount_of(path: &Path) -> Option<Mount> {
    let mounts = mounts().into_iter().filter(|mount| path.starts_with(&mount.point));
    mounts.max_by_key(|mount| mount.point.as_os_str().len())
}

/// One line of mountinfo, as proc(5) describes it.
fn parse_mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ');
    let point = before.nth(4)?.replace("\\040", " ").into();
    let read_only = before.next()?.split(',').any(|option| option == "ro");
    let mut after = after.split(' ');
    let fs_type = after.next()?.to_owned();
    let device = after.next()?.to_owned();
    Some(Mount { point, fs_type, device, read_only })
}

/// What sysfs says of a block device: its serial, and the USB device above it.
fn see_device(record: &mut Custody, device: &str) {
    let Some(name) = Path::new(device).file_name() else { return };
    let Ok(sys) = fs::canonicalize(Path::new("/sys/class/block").join(name)) else { return };
    // The kernel counts in sectors of 512 bytes, whatever the device's own are.
    let sectors = read_line(&sys.join("size")).and_then(|size| size.parse::<u64>().ok());
    record.capacity_bytes = sectors.map(|sectors| sectors.saturating_mul(512));
    let first =
        |folder: &Path, names: &[&str]| names.iter().find_map(|name| read_line(&folder.join(name)));
    for folder in sys.ancestors().take_while(|f| f.starts_with("/sys/devices")) {
        let serial = first(folder, &["serial", "device/serial"]);
        if folder.join("idVendor").exists() {
            let ids = (first(folder, &["idVendor"]), first(folder, &["idProduct"]));
            record.usb_vid_pid = ids.0.zip(ids.1).map(|(vid, pid)| format!("{vid}:{pid}"));
            record.usb_serial = serial;
            record.media_type.get_or_insert(MediaType::UsbFlash);
            return;
        }
        if record.scsi_or_block_serial.is_none() {
            record.scsi_or_block_serial = serial;
        }
    }
}

fn read_line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty() && text.len() < 200).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn mountinfo_lines_are_read_as_proc_5_says() {
        let line =
            "36 35 98:0 /mnt1 /media/a\\040b ro,noatime master:1 - ext3 /dev/sdb1 rw,errors=x";
        let mount = parse_mount(line).unwrap();
        assert_eq!(mount.point, Path::new("/media/a b"));
        assert_eq!((mount.fs_type.as_str(), mount.device.as_str()), ("ext3", "/dev/sdb1"));
        assert!(mount.read_only);
        assert!(parse_mount("nonsense").is_none());
    }
}
