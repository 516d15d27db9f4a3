//! A QEMU machine through its own monitor. Which way back a snapshot has: with memory it is loaded into the
//! running machine (`back.rs`); without, the machine is stopped and started.

mod back;
mod disks;
mod make;

use crate::{
    Alive, Answer, Depth, Error, Limits, Listed, Look, Made, Order, Proof, Provider, QmpBinding,
    Restored, SnapshotName, Space, deadline::Deadline, guest, image, qmp::Qmp,
};
use disks::Disk;
use ids::Timestamp;
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// The machine of one binding. Every call has a conversation of its own with the monitor.
pub(crate) struct Machine {
    binding: QmpBinding,
    limits: Limits,
}

/// A conversation with the machine, and what it said of itself.
struct Talk {
    qmp: Qmp,
    /// Its name and UUID, as far as it has them.
    machine: String,
    disks: Vec<Disk>,
    deadline: Deadline,
}

impl Talk {
    fn nodes(&self) -> Vec<&str> {
        self.disks.iter().map(|disk| disk.node.as_str()).collect()
    }

    /// Both kinds, so that a name is never taken twice.
    fn listed(&self) -> Vec<Listed> {
        let mut listed = disks::listed_inside(&self.disks);
        listed.extend(disks::listed_below(&self.disks));
        listed
    }

    fn refresh(&mut self, leave_out: &[String]) -> Result<(), Error> {
        self.disks = disks::disks(&mut self.qmp, leave_out, self.deadline)?;
        Ok(())
    }

    /// The snapshot of a record: whole, of this machine, and not another one of the same name.
    fn find(&self, made: &Made) -> Result<Listed, Error> {
        if made.machine != self.machine {
            let (recorded, found) = (made.machine.clone(), self.machine.clone());
            return Err(Error::OtherMachine { recorded, found });
        }
        let same = |listed: &Listed| {
            let apart = listed.at.duration_since(made.at).unsigned_abs();
            let overlays = |disks: &[crate::DiskState]| disks.iter().all(|d| d.overlay.is_some());
            listed.whole
                && listed.name == made.name.as_str()
                && apart < Duration::from_secs(5)
                && overlays(&listed.disks) == overlays(&made.disks)
        };
        self.listed().into_iter().find(same).ok_or_else(|| Error::NoSuch {
            name: made.name.to_string(),
            machine: self.machine.clone(),
        })
    }

    /// The run state in QEMU's word, and whether it runs.
    fn status(&mut self) -> Result<(String, bool), Error> {
        status(&mut self.qmp, self.deadline)
    }
}

fn status(qmp: &mut Qmp, deadline: Deadline) -> Result<(String, bool), Error> {
    let told = qmp.execute("query-status", json!({}), deadline)?;
    match (told["status"].as_str(), told["running"].as_bool()) {
        (Some(word), Some(running)) => Ok((crate::error::harmless(word), running)),
        _ => Err(qmp.garbage("a status that is none")),
    }
}

impl Machine {
    pub(crate) fn new(binding: QmpBinding, limits: Limits) -> Self {
        Self { binding, limits }
    }

    fn talk(&self, deadline: Deadline) -> Result<Talk, Error> {
        let mut qmp = Qmp::connect(&self.binding.socket, self.limits.ask, deadline)?;
        let name = qmp.execute("query-name", json!({}), deadline)?;
        let uuid = qmp.execute("query-uuid", json!({}), deadline)?;
        let uuid = uuid["UUID"].as_str().filter(|uuid| uuid.bytes().any(|b| !b"0-".contains(&b)));
        let words: Vec<_> = name["name"].as_str().into_iter().chain(uuid).collect();
        let machine = match words.is_empty() {
            true => format!("the machine at {}", self.binding.socket.display()),
            false => crate::error::harmless(&words.join(" ")),
        };
        let disks = disks::disks(&mut qmp, &self.binding.leave_out, deadline)?;
        Ok(Talk { qmp, machine, disks, deadline })
    }

    /// A snapshot without memory is of no use where nobody can start the machine.
    fn way_back(&self, name: &SnapshotName, has_memory: bool) -> Result<(), Error> {
        if has_memory || self.binding.start.is_some() {
            return Ok(());
        }
        let reason = "it has no memory, so the machine must be stopped and started for it, and the \
                      binding does not say how it is started";
        Err(Error::NoWayBack { name: name.to_string(), reason: reason.into() })
    }

    /// The tightest file system of the disks, and what may grow there.
    fn room(&self, talk: &mut Talk) -> Result<Space, Error> {
        let memory = talk.qmp.execute("query-memory-size-summary", json!({}), talk.deadline)?;
        let memory = ["base-memory", "plugged-memory"].map(|key| memory[key].as_u64().unwrap_or(0));
        let worst: u64 =
            memory.iter().sum::<u64>() + talk.disks.iter().map(|d| d.bytes).sum::<u64>();
        let rooms = talk.disks.iter().map(|disk| image::space(&disk.file, worst));
        let rooms = rooms.collect::<Result<Vec<_>, _>>()?;
        let tightest = rooms.into_iter().min_by_key(|space| space.bytes_free);
        tightest.ok_or_else(|| talk.qmp.garbage("the machine has no disk"))
    }

    fn look(
        &self,
        made: &Made,
        listed: &Listed,
        depth: Depth,
        until: Deadline,
    ) -> Result<(Look, Look), Error> {
        let files: Vec<(&Path, bool)> =
            listed.disks.iter().map(|d| (d.file.as_path(), d.overlay.is_none())).collect();
        let content = match depth {
            Depth::Listed => Look::NotAsked,
            Depth::Content | Depth::Clone => image::look(&made.name, &files, until)?,
        };
        let clone = match depth {
            Depth::Listed | Depth::Content => Look::NotAsked,
            Depth::Clone => {
                let scratch = self.binding.scratch.as_deref();
                let program = self.binding.try_clone.as_deref();
                image::try_copies(&made.name, &files, scratch, program, until)?
            }
        };
        Ok((content, clone))
    }
}

/// A file below an overlay may not be written any more.
fn untouched(made: &Made) -> Result<(), String> {
    for disk in made.disks.iter().filter(|disk| disk.overlay.is_some()) {
        let now = disks::written(&disk.file);
        if disk.written.is_some() && now != disk.written {
            return Err(format!("{} was written to since", disk.file.display()));
        }
    }
    Ok(())
}

pub(crate) fn took(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Provider for Machine {
    fn create(&mut self, order: &Order) -> Result<Made, Error> {
        self.make(order)
    }

    fn adopt(&mut self, name: &SnapshotName) -> Result<Option<Made>, Error> {
        let talk = self.talk(Deadline::after(self.limits.ask))?;
        let mut listed = talk.listed().into_iter();
        let listed = listed.find(|listed| listed.whole && listed.name == name.as_str());
        Ok(listed.and_then(|listed| {
            let has_memory = listed.bytes_memory > 0;
            listed.adopted(&talk.machine, has_memory, None)
        }))
    }

    fn prove(&mut self, made: &Made, depth: Depth) -> Result<Proof, Error> {
        let started = Instant::now();
        let deadline = Deadline::after(self.limits.prove);
        let mut talk = self.talk(deadline)?;
        let listed = talk.find(made)?;
        let unproven = |reason| Error::Unproven { name: made.name.to_string(), reason };
        if listed.bytes_memory != made.bytes_memory {
            return Err(unproven("its memory is not what was kept".into()));
        }
        self.way_back(&made.name, listed.bytes_memory > 0)?;
        untouched(made).map_err(unproven)?;
        let space = self.room(&mut talk).ok();
        // Reading may take long, and the monitor takes one client at a time.
        drop(talk);
        let (content, clone) = self.look(made, &listed, depth, deadline)?;
        let took_ms = took(started);
        Ok(Proof { at: Timestamp::now(), listed, space, content, clone, took_ms })
    }

    fn restore(&mut self, made: &Made) -> Result<Restored, Error> {
        self.go_back(made)
    }

    fn delete(&mut self, made: &Made) -> Result<(), Error> {
        self.remove(made)
    }

    fn list(&mut self) -> Result<Vec<Listed>, Error> {
        Ok(self.talk(Deadline::after(self.limits.ask))?.listed())
    }

    fn space(&mut self) -> Result<Space, Error> {
        let mut talk = self.talk(Deadline::after(self.limits.ask))?;
        self.room(&mut talk)
    }

    fn probe(&mut self) -> Result<Alive, Error> {
        let ask = self.limits.ask;
        let deadline = Deadline::after(ask);
        let machine = Qmp::connect(&self.binding.socket, ask, deadline)
            .and_then(|mut qmp| status(&mut qmp, deadline));
        let machine = answer(machine.map(|(word, _)| word));
        let guest = match &self.binding.agent {
            None => Answer::Absent,
            Some(path) => answer(guest::status(path, Deadline::after(ask))),
        };
        Ok(Alive { at: Timestamp::now(), machine, guest })
    }

    fn thaw(&mut self) -> Result<(), Error> {
        match &self.binding.agent {
            None => Ok(()),
            Some(path) => guest::thaw(path, self.limits, false),
        }
    }
}

pub(crate) fn answer(told: Result<String, Error>) -> Answer {
    match told {
        Ok(says) => Answer::Yes { says },
        Err(error) => Answer::Silent { reason: error.chain() },
    }
}
