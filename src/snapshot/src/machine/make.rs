//! Making and deleting: with memory, inside the files, or as overlays beside them.

use super::{Machine, Talk, disks, took};
use crate::{
    Error, IfNot, Kind, Level, Made, Order, SnapshotName,
    deadline::Deadline,
    guest::{self, Quiet},
    image,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

impl Machine {
    pub(super) fn make(&self, order: &Order) -> Result<Made, Error> {
        let started = Instant::now();
        let mut talk = self.talk(Deadline::after(self.limits.create))?;
        self.refuse_taken(&talk, &order.name)?;
        self.way_back(&order.name, order.level == Level::Memory)?;
        let (_, running) = talk.status()?;
        let quiet = match order.level {
            Level::Memory => self.with_memory(&mut talk, order)?,
            Level::CrashConsistent => {
                self.point(&mut talk, order)?;
                Quiet::crash_consistent(None)
            }
            Level::Frozen => {
                let agent = self.binding.agent.as_ref();
                guest::frozen(agent, self.limits, order.if_not, || self.point(&mut talk, order))?
            }
        };
        talk.refresh(&self.binding.leave_out)?;
        let listed = talk.listed().into_iter().find(|l| l.whole && l.name == order.name.as_str());
        let Some(listed) = listed else {
            return Err(Error::Contradicted {
                who: "the machine".into(),
                act: format!("make snapshot {}", order.name),
                truth: "does not list it on every disk".into(),
            });
        };
        let made = Made {
            name: order.name.clone(),
            machine: talk.machine.clone(),
            at: listed.at,
            level: quiet.level,
            fell_back: quiet.fell_back,
            running: Some(running),
            disks: listed.disks,
            bytes_memory: listed.bytes_memory,
            frozen_ms: quiet.frozen_ms,
            took_ms: took(started),
        };
        if made.level != order.level && order.if_not == IfNot::Fail {
            drop(talk);
            self.remove(&made)?;
            return Err(Error::NotQuiet { reason: made.fell_back.unwrap_or_default() });
        }
        Ok(made)
    }

    fn refuse_taken(&self, talk: &Talk, name: &SnapshotName) -> Result<(), Error> {
        let machine = talk.machine.clone();
        let listed = talk.listed();
        // One overlay at a time: an older one could not be gone back to past a newer one.
        let other = listed.iter().find(|listed| {
            listed.name == name.as_str()
                || (self.binding.kind == Kind::External
                    && listed.disks.iter().any(|disk| disk.overlay.is_some()))
        });
        if let Some(other) = other {
            return Err(Error::Exists { name: other.name.clone(), machine });
        }
        // QEMU would write over a file that is there.
        let taken = talk.disks.iter().map(|disk| disks::overlay(&disk.file, name));
        if self.binding.kind == Kind::External && taken.into_iter().any(|path| path.exists()) {
            return Err(Error::Exists { name: name.to_string(), machine });
        }
        Ok(())
    }

    /// The running machine: memory, devices and disks of one moment.
    fn with_memory(&self, talk: &mut Talk, order: &Order) -> Result<Quiet, Error> {
        let saved = match self.binding.kind {
            Kind::Internal => self.save(talk, &order.name),
            Kind::External => {
                Err(Error::NotQuiet { reason: "a snapshot beside the files has no memory".into() })
            }
        };
        match (saved, order.if_not) {
            (Ok(()), _) => Ok(Quiet::as_ordered(Level::Memory)),
            (Err(error), IfNot::Fail) => Err(error),
            (Err(error), IfNot::CrashConsistent) => {
                self.way_back(&order.name, false)?;
                self.point(talk, order)?;
                Ok(Quiet::crash_consistent(Some(error.chain())))
            }
        }
    }

    fn save(&self, talk: &mut Talk, name: &SnapshotName) -> Result<(), Error> {
        let space = self.room(talk)?;
        let disks: u64 = talk.disks.iter().map(|disk| disk.bytes).sum();
        // Memory is written at once, and a disk that fills up on the way stops the machine.
        let bytes_needed = space.bytes_worst.saturating_sub(disks);
        if space.bytes_free < bytes_needed {
            let (folder, bytes_free) = (space.folder, space.bytes_free);
            return Err(Error::NoSpace { folder, bytes_free, bytes_needed });
        }
        let (_, ran) = talk.status()?;
        let nodes = talk.nodes();
        let arguments = json!({"tag": name, "vmstate": nodes[0], "devices": nodes});
        let saved = talk.qmp.job("snapshot-save", arguments, talk.deadline);
        if saved.is_err() {
            // Nothing half made stays behind, and the machine goes on as it did.
            let soon = Deadline::after(self.limits.ask);
            let arguments = json!({"tag": name, "devices": talk.nodes()});
            let _ = talk.qmp.job("snapshot-delete", arguments, soon);
            if ran && super::status(&mut talk.qmp, soon).is_ok_and(|(_, runs)| !runs) {
                let _ = talk.qmp.execute("cont", json!({}), soon);
            }
        }
        saved
    }

    /// All disks at one moment, without memory.
    fn point(&self, talk: &mut Talk, order: &Order) -> Result<(), Error> {
        let name = &order.name;
        let actions = match self.binding.kind {
            Kind::Internal => talk.disks.iter().map(|disk| inside(disk, name)).collect(),
            Kind::External => talk
                .disks
                .iter()
                .enumerate()
                .map(|(number, disk)| beside(number, disk, name))
                .collect::<Result<Vec<_>, _>>()?,
        };
        talk.qmp.act("transaction", json!({"actions": actions}), talk.deadline).map(drop)
    }

    pub(super) fn remove(&self, made: &Made) -> Result<(), Error> {
        let mut talk = self.talk(Deadline::after(self.limits.delete))?;
        if made.machine != talk.machine {
            let (recorded, found) = (made.machine.clone(), talk.machine);
            return Err(Error::OtherMachine { recorded, found });
        }
        match made.disks.iter().any(|disk| disk.overlay.is_some()) {
            true => self.commit(&mut talk, made)?,
            false => {
                let has = |disk: &&disks::Disk| {
                    disk.snapshots.iter().any(|inside| inside.name == made.name.as_str())
                };
                let nodes: Vec<_> = talk.disks.iter().filter(has).map(|disk| &disk.node).collect();
                if nodes.is_empty() {
                    return Ok(());
                }
                let arguments = json!({"tag": made.name, "devices": nodes});
                talk.qmp.job("snapshot-delete", arguments, talk.deadline)?;
            }
        }
        talk.refresh(&self.binding.leave_out)?;
        if talk.listed().iter().any(|listed| listed.name == made.name.as_str()) {
            return Err(Error::Contradicted {
                who: "the machine".into(),
                act: format!("delete snapshot {}", made.name),
                truth: "it still lists it".into(),
            });
        }
        Ok(())
    }

    /// Writes what the overlays hold into the files below, and removes the overlays.
    fn commit(&self, talk: &mut Talk, made: &Made) -> Result<(), Error> {
        for state in &made.disks {
            let Some(overlay) = &state.overlay else { continue };
            let disk = talk.disks.iter().find(|disk| disk.file == *overlay);
            if let Some(node) = disk.map(|disk| disk.node.clone()) {
                let arguments = json!({"device": node, "auto-dismiss": false});
                talk.qmp.job("block-commit", arguments, talk.deadline)?;
            }
            talk.refresh(&self.binding.leave_out)?;
            if talk.disks.iter().any(|d| d.file == *overlay || d.below.as_ref() == Some(overlay)) {
                return Err(Error::Contradicted {
                    who: "the machine".into(),
                    act: format!("delete snapshot {}", made.name),
                    truth: format!("it still uses {}", overlay.display()),
                });
            }
            for path in [overlay.clone(), dropped(overlay)] {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(image::file_error("remove", &path)(error));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Where an overlay is put when the machine went back to what is below it: until the snapshot is
/// deleted, a person can still fetch from it what the machine wrote after the snapshot.
pub(super) fn dropped(overlay: &Path) -> PathBuf {
    let mut name = overlay.as_os_str().to_owned();
    name.push(".dropped");
    name.into()
}

fn inside(disk: &disks::Disk, name: &SnapshotName) -> Value {
    let data = json!({"device": disk.node, "name": name});
    json!({"type": "blockdev-snapshot-internal-sync", "data": data})
}

fn beside(number: usize, disk: &disks::Disk, name: &SnapshotName) -> Result<Value, Error> {
    if !disk.file.is_absolute() {
        // The overlay would name the file below it by a path that is right in one folder only.
        let reason = "the machine names its file by a relative path".to_owned();
        return Err(Error::Uncovered { disk: disk.name.clone(), reason });
    }
    // A node's name has 31 characters at most.
    let node = format!("pk{number}-{}", name.as_str().chars().take(24).collect::<String>());
    let data = json!({
        "node-name": disk.node,
        "snapshot-file": disks::overlay(&disk.file, name),
        "snapshot-node-name": node,
        "format": "qcow2",
        "mode": "absolute-paths",
    });
    Ok(json!({"type": "blockdev-snapshot-sync", "data": data}))
}
