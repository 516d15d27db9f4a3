//! Going back: loading a snapshot with memory, or stopping the machine, putting its disks back, starting it.

use super::{Machine, Talk, disks, make::dropped, took, untouched};
use crate::{DiskState, Error, How, Made, Restored, child, deadline::Deadline, image, qmp::Qmp};
use ids::Timestamp;
use serde_json::json;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// A snapshot of no use by itself: it is made to read the machine's clock, and deleted at once.
const CLOCK: &str = "patchkeep-clock";

impl Machine {
    pub(super) fn go_back(&self, made: &Made) -> Result<Restored, Error> {
        let started = Instant::now();
        let deadline = Deadline::after(self.limits.restore);
        let (mut talk, how, shown_by) = match self.reached(made, deadline)? {
            Some(mut talk) => {
                let listed = talk.find(made)?;
                self.way_back(&made.name, listed.bytes_memory > 0)?;
                if listed.bytes_memory > 0 {
                    let shown_by = self.load(&mut talk, made)?;
                    (talk, How::Loaded, shown_by)
                } else {
                    let (talk, shown_by) =
                        self.restart(Some(talk), made, &listed.disks, deadline)?;
                    (talk, How::Restarted, shown_by)
                }
            }
            None => {
                let (talk, shown_by) = self.restart(None, made, &made.disks, deadline)?;
                (talk, How::Restarted, shown_by)
            }
        };
        let (_, mut running) = talk.status()?;
        if made.running == Some(true) && !running {
            talk.qmp.act("cont", json!({}), deadline)?;
            (_, running) = talk.status()?;
        }
        let used_up = made.disks.iter().any(|disk| disk.overlay.is_some());
        let (name, at, took_ms) = (made.name.clone(), Timestamp::now(), took(started));
        Ok(Restored { name, at, how, running, shown_by, used_up, took_ms })
    }

    /// The machine; started first, if its process is gone and it may be. Nothing: it is gone, and must not
    /// be started before its overlays are put aside, since that would write below them.
    fn reached(&self, made: &Made, deadline: Deadline) -> Result<Option<Talk>, Error> {
        let ask = deadline.sooner(self.limits.ask);
        loop {
            match self.talk(deadline) {
                Err(Error::Reach { .. }) if self.binding.start.is_some() => {
                    let overlays = made.disks.iter().any(|disk| disk.overlay.is_some());
                    return if overlays { Ok(None) } else { self.start(deadline).map(Some) };
                }
                // A process that is ending still takes callers, and drops them.
                Err(Error::Talk { .. })
                    if ask.pause(Duration::from_millis(50), "the machine").is_ok() => {}
                told => return told.map(Some),
            }
        }
    }

    /// Loads memory, devices and disks. The machine is stopped meanwhile, so that its clock can be
    /// compared with the snapshot's to the nanosecond. Where that does not show what it should, the
    /// machine stays stopped: half of it may be of another time.
    fn load(&self, talk: &mut Talk, made: &Made) -> Result<String, Error> {
        let wrong = |reason| Error::NotRestored { name: made.name.to_string(), reason };
        let holds = |disk: &disks::Disk| {
            let mut inside = disk.snapshots.iter();
            inside.find(|s| s.name == made.name.as_str() && s.bytes_memory > 0).map(|s| s.clock)
        };
        let found = talk.disks.iter().find_map(|d| holds(d).map(|clock| (d.node.clone(), clock)));
        let Some((vmstate, clock)) = found else {
            return Err(wrong("no disk holds its memory".into()));
        };
        let (word, _) = talk.status()?;
        talk.qmp.act("stop", json!({}), talk.deadline)?;
        if matches!(word.as_str(), "shutdown" | "internal-error" | "guest-panicked") {
            // QEMU lets such a machine go on only after a reset.
            talk.qmp.act("system_reset", json!({}), talk.deadline)?;
        }
        let arguments = json!({"tag": made.name, "vmstate": vmstate, "devices": talk.nodes()});
        let began = Instant::now();
        talk.qmp.job("snapshot-load", arguments, talk.deadline).map_err(|e| wrong(e.chain()))?;
        let now = self.clock(talk).map_err(|e| wrong(e.chain()))?;
        if now < clock || now > clock + began.elapsed().as_nanos() {
            return Err(wrong(format!(
                "its clock stands at {now} ns, the snapshot's at {clock} ns"
            )));
        }
        Ok(format!("the machine's clock went back to the snapshot's, {clock} ns after its start"))
    }

    /// The machine's own clock, in nanoseconds of running.
    fn clock(&self, talk: &mut Talk) -> Result<u128, Error> {
        let (node, deadline) = (talk.disks[0].node.clone(), talk.deadline);
        let marker = json!({"device": node, "name": CLOCK});
        if talk.disks[0].snapshots.iter().any(|inside| inside.name == CLOCK) {
            talk.qmp.execute("blockdev-snapshot-delete-internal-sync", marker.clone(), deadline)?;
        }
        talk.qmp.execute("blockdev-snapshot-internal-sync", marker.clone(), deadline)?;
        let told = talk.qmp.execute("blockdev-snapshot-delete-internal-sync", marker, deadline)?;
        disks::inside(&talk.qmp, &told).map(|inside| inside.clock)
    }

    /// Stops the machine, puts its disks back, starts it, and looks at what it runs on.
    fn restart(
        &self,
        talk: Option<Talk>,
        made: &Made,
        disks: &[DiskState],
        deadline: Deadline,
    ) -> Result<(Talk, String), Error> {
        let wrong = |reason| Error::NotRestored { name: made.name.to_string(), reason };
        for disk in disks {
            if let Some(reason) = image::out_of_sight(&disk.file) {
                return Err(Error::NoWayBack { name: made.name.to_string(), reason });
            }
        }
        if let Some(talk) = talk {
            talk.qmp.quit(deadline)?;
        }
        // Disks of different times, or files below overlays, must not be written to by anybody.
        put_back(made, disks, deadline)
            .map_err(|error| wrong(format!("the machine stays stopped: {}", error.chain())))?;
        let talk = self.start(deadline).map_err(|error| wrong(error.chain()))?;
        if talk.machine != made.machine {
            return Err(wrong(format!("{} was started", talk.machine)));
        }
        for disk in disks {
            let on = talk.disks.iter().find(|d| same_file(&d.file, &disk.file));
            if on.is_none_or(|on| disk.overlay.is_some() && on.file != disk.file) {
                return Err(wrong(format!(
                    "the machine was not started on {}",
                    disk.file.display()
                )));
            }
        }
        let shown_by =
            "with the machine stopped, every disk was put back and checked; it was started on them";
        Ok((talk, shown_by.into()))
    }

    fn start(&self, deadline: Deadline) -> Result<Talk, Error> {
        let Some([program, arguments @ ..]) = self.binding.start.as_deref() else {
            return Err(Error::Binding { field: "start", reason: "it names no program" });
        };
        let who = "starting the machine";
        let ended = child::run(who, Path::new(program), arguments, b"", deadline)?;
        if !ended.status.success() {
            return Err(Error::Failed {
                who: program.clone(),
                act: "start the machine".into(),
                reason: ended.reason(),
                fault: ids::Fault::Unavailable,
            });
        }
        loop {
            match Qmp::connect(&self.binding.socket, self.limits.ask, deadline) {
                Ok(qmp) => {
                    drop(qmp);
                    return self.talk(deadline);
                }
                Err(Error::Reach { .. } | Error::Talk { .. }) => {
                    deadline.pause(Duration::from_millis(50), who)?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    one == other
        || fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|o| o == one))
}

/// With the machine stopped: every disk as it was.
fn put_back(made: &Made, disks: &[DiskState], deadline: Deadline) -> Result<(), Error> {
    let wrong = |reason| Error::NotRestored { name: made.name.to_string(), reason };
    for disk in disks {
        let file = disk.overlay.as_ref().unwrap_or(&disk.file);
        // The process may live on for a moment after its monitor, and holds its files until then.
        while !image::is_free(file, deadline)? {
            deadline.pause(Duration::from_millis(50), "the end of the machine's process")?;
        }
    }
    untouched(made).map_err(wrong)?;
    for disk in disks.iter().filter(|disk| disk.overlay.is_none()) {
        image::apply(&disk.file, &made.name, deadline)?;
    }
    let overlays: Vec<_> = disks.iter().filter_map(|disk| disk.overlay.as_deref()).collect();
    for disk in disks.iter().filter(|disk| disk.overlay.is_some()) {
        image::check(&disk.file, deadline)?.map_err(wrong)?;
    }
    for (number, overlay) in overlays.iter().enumerate() {
        if let Err(error) = fs::rename(overlay, dropped(overlay)) {
            // All or none: half of the disks at another time is the worst of all.
            for moved in &overlays[..number] {
                let _ = fs::rename(dropped(moved), moved);
            }
            return Err(image::file_error("put aside", overlay)(error));
        }
    }
    Ok(())
}
